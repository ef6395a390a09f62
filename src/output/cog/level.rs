//! One resolution of a map: rows in, compressed tiles out to a spool.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::{SpooledTempFile, spooled_tempfile_in};

use super::codec::Encoder;
use super::layer::{Layer, Sample};
use crate::limits::MAP_SPOOL_BYTES_MAX;
use crate::{Error, Result};

/// Tiles wait here until the sizes of all levels are known: in memory while they are few, else in an unnamed file
/// beside the target.
pub(super) struct Level<L: Layer> {
    pub(super) size: [u32; 2],
    pub(super) tile_px: [u32; 2],
    /// Compressed bytes of every tile, row by row of tiles.
    pub(super) lengths: Vec<u32>,
    /// Bytes in the spool.
    pub(super) spooled: u64,
    spool: SpooledTempFile,
    /// Rows so far, and those of them that stand in no tile yet.
    rows: u32,
    band: Vec<L::Sample>,
}

impl<L: Layer> Level<L> {
    pub(super) fn new(size: [u32; 2], tile_px: [u32; 2], folder: &Path) -> Self {
        let spool = spooled_tempfile_in(MAP_SPOOL_BYTES_MAX, folder);
        Self { size, tile_px, lengths: Vec::new(), spooled: 0, spool, rows: 0, band: Vec::new() }
    }

    /// Adds a row of pixels.
    pub(super) fn push(&mut self, row: &[L::Sample]) -> Result<()> {
        if row.len() != self.size[0] as usize || self.is_complete() {
            return Err(Error::output(format!("a row of {} pixels has no place in {:?}", row.len(), self.size)));
        }
        self.band.extend_from_slice(row);
        self.rows += 1;
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.rows == self.size[1]
    }

    /// The row of the next coarser level that the last rows make, once they do.
    pub(super) fn halved(&self) -> Option<Vec<L::Sample>> {
        let held = match self.rows % 2 {
            0 => 2,
            _ if self.is_complete() => 1,
            _ => return None,
        };
        let width = self.size[0] as usize;
        // Tiles are an even number of rows high, so a pair never straddles two bands.
        let last = self.band.get(self.band.len().checked_sub(held * width)?..)?;
        let (upper, lower) = last.split_at(width);
        let mut lower = lower.chunks(2);
        let block = |upper: &[L::Sample]| {
            let mut block = [L::NODATA; 4];
            let below = lower.next().unwrap_or_default();
            block.iter_mut().zip(upper.iter().chain(below)).for_each(|(to, from)| *to = *from);
            L::overview(&block[..upper.len() + below.len()])
        };
        Some(upper.chunks(2).map(block).collect())
    }

    /// Compresses the rows that fill tiles.
    pub(super) fn spool_full_tiles(&mut self, encoder: &mut Encoder) -> Result<()> {
        let [width, tile_width, tile_height] =
            [self.size[0], self.tile_px[0], self.tile_px[1]].map(|pixels| pixels as usize);
        if self.band.len() < tile_height * width && !self.is_complete() {
            return Ok(());
        }
        let (mut tile, mut bytes) = (Vec::new(), Vec::new());
        for left in (0..width).step_by(tile_width) {
            tile.clear();
            tile.resize(tile_width * tile_height, L::NODATA);
            for (to, from) in tile.chunks_exact_mut(tile_width).zip(self.band.chunks_exact(width)) {
                to.iter_mut().zip(&from[left..]).for_each(|(to, from)| *to = *from);
            }
            bytes.clear();
            L::Sample::append(&tile, &mut bytes);
            let encoded = encoder.encode(&bytes)?;
            self.lengths.push(encoded.len() as u32);
            self.spooled += spool_tile(&mut self.spool, encoded).map_err(Error::output)?;
        }
        self.band.clear();
        Ok(())
    }

    /// Copies all tiles to `file`.
    pub(super) fn copy_to(&mut self, file: &mut impl Write) -> std::io::Result<()> {
        self.spool.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut self.spool, file).map(|_| ())
    }
}

/// Bytes that GDAL's COG layout has before and after every tile.
pub(super) const LEADER_BYTES: u64 = 4;
const TRAILER_BYTES: u64 = 4;

/// A tile between its length (`BLOCK_LEADER=SIZE_AS_UINT4`) and its last four bytes once more
/// (`BLOCK_TRAILER=LAST_4_BYTES_REPEATED`), by which a reader tells that nothing wrote over it.
fn spool_tile(spool: &mut impl Write, encoded: &[u8]) -> std::io::Result<u64> {
    spool.write_all(&(encoded.len() as u32).to_le_bytes())?;
    spool.write_all(encoded)?;
    spool.write_all(encoded.last_chunk::<4>().unwrap_or(&[0; 4]))?;
    Ok(place_bytes(encoded.len() as u32))
}

/// What a tile takes in the file.
pub(super) fn place_bytes(length: u32) -> u64 {
    LEADER_BYTES + u64::from(length) + TRAILER_BYTES
}
