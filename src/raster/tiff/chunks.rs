//! Strips and tiles: where they lie, and their samples.

use super::codec::Compression;
use super::directory::{Directory, Reader};
use super::layout::Layout;
use super::predictor::Predictor;
use super::tags;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_INFLATION_MAX, RASTER_CHUNKS_MAX, WINDOW_BYTES_MAX};
use crate::raster::buffer;
use crate::raster::grid::{Grid, Part, Rows, Take};
use crate::raster::source::Source;
use crate::raster::types::SampleType;
use crate::{Error, Result};

/// Where the chunks of an image lie in the file and how they are stored.
pub(in crate::raster) struct Chunks {
    offsets: Vec<u64>,
    counts: Vec<u64>,
    compression: Compression,
    predictor: Predictor,
    bits_reversed: bool,
    big_endian: bool,
    tiled: bool,
    /// One sample of a sparse chunk, little-endian.
    fill: Vec<u8>,
}

impl Chunks {
    pub(super) fn locate(
        reader: &Reader<'_>,
        directory: &Directory,
        layout: &Layout,
        nodata: Option<f64>,
    ) -> Result<Self> {
        let list = |tile_tag, strip_tag| -> Result<Option<Vec<u64>>> {
            // libtiff takes either tag for either kind of chunk.
            let tags = if layout.tiled { [tile_tag, strip_tag] } else { [strip_tag, tile_tag] };
            let tag = if directory.has(tags[0]) { tags[0] } else { tags[1] };
            reader.unsigneds(directory, tag, RASTER_CHUNKS_MAX)
        };
        let expected = layout.grid.chunks() as usize;
        let enough = |list: Vec<u64>, what: &str| {
            let held = list.len();
            let wrong = || Error::malformed(format!("{held} {what} for {expected} strips or tiles"));
            if held < expected { Err(wrong()) } else { Ok(list) }
        };
        let offsets = list(tags::TILE_OFFSETS, tags::STRIP_OFFSETS)?.unwrap_or_default();
        let offsets = enough(offsets, "offsets")?;
        let counts = match list(tags::TILE_BYTE_COUNTS, tags::STRIP_BYTE_COUNTS)? {
            Some(counts) => enough(counts, "byte counts")?,
            None => counts_up_to_the_next(&offsets, reader.source.length()),
        };
        Ok(Self {
            offsets,
            counts,
            compression: layout.compression,
            predictor: layout.predictor,
            bits_reversed: layout.bits_reversed,
            big_endian: reader.big_endian,
            tiled: layout.tiled,
            fill: fill_sample(layout.sample_type, nodata),
        })
    }

    /// Chunks of `bytes` each at these offsets, stored as they are.
    pub(in crate::raster) fn raw(offsets: Vec<u64>, bytes: u64, sample_type: SampleType, big_endian: bool) -> Self {
        Self {
            counts: vec![bytes; offsets.len()],
            offsets,
            compression: Compression::None,
            predictor: Predictor::None,
            bits_reversed: false,
            big_endian,
            tiled: false,
            fill: fill_sample(sample_type, None),
        }
    }

    /// Whether rows can be picked from the file without decoding whole chunks.
    pub(in crate::raster) fn are_stored_raw(&self) -> bool {
        self.compression == Compression::None
    }

    /// All samples of one chunk, pixel by pixel, little-endian; the last strip ends with the image.
    pub(in crate::raster) fn decode(&self, source: &Source, grid: &Grid, chunk: u64) -> Result<Vec<u8>> {
        let row_bytes = grid.chunk_width as usize * grid.pixel_bytes();
        let length_max = row_bytes as u64 * u64::from(grid.chunk_height);
        let length = row_bytes as u64 * u64::from(self.rows_of(grid, chunk));
        let place = self.place(chunk)?;
        self.decode_at(source, place, (length, length_max))
            .map(|mut bytes| {
                if place.is_some() {
                    let samples = grid.samples_per_pixel();
                    self.predictor.undo(&mut bytes, row_bytes, samples, grid.sample_bytes, self.big_endian);
                }
                bytes
            })
            .map_err(|error| self.locate_error(error, chunk))
    }

    fn decode_at(&self, source: &Source, place: Option<(u64, u64)>, lengths: (u64, u64)) -> Result<Vec<u8>> {
        let (length, length_max) = lengths;
        let encoded_bytes = place.map_or(0, |(_, count)| count);
        if length > CHUNK_BYTES_MAX || encoded_bytes > 2 * CHUNK_BYTES_MAX {
            return Err(Error::limit(format!("{length} bytes; at most {CHUNK_BYTES_MAX} are decoded at once")));
        }
        let Some((offset, count)) = place else { return self.filled(length as usize) };
        if length > count.saturating_mul(CHUNK_INFLATION_MAX) {
            return Err(Error::limit(format!("{length} bytes out of {count}")));
        }
        let mut scratch = Vec::new();
        let mut turned = Vec::new();
        let mut encoded = source.bytes(offset, count as usize, &mut scratch)?;
        if self.bits_reversed {
            turned.extend(encoded.iter().map(|byte| byte.reverse_bits()));
            encoded = &turned;
        }
        let length_max = length_max.min(CHUNK_BYTES_MAX) as usize;
        self.compression.decode(encoded, length as usize, length_max)
    }

    /// Hands on rows of an uncompressed chunk.
    pub(in crate::raster) fn with_raw_rows(
        &self,
        source: &Source,
        grid: &Grid,
        part: Part,
        take: &mut Take<'_>,
    ) -> Result<()> {
        self.raw_rows(source, grid, part, take).map_err(|error| self.locate_error(error, part.chunk))
    }

    fn raw_rows(&self, source: &Source, grid: &Grid, part: Part, take: &mut Take<'_>) -> Result<()> {
        let pixel_bytes = grid.pixel_bytes() as u64;
        let row_bytes = u64::from(grid.chunk_width) * pixel_bytes;
        let wanted_bytes = u64::from(part.inside.width) * pixel_bytes;
        let (first, rows) = (u64::from(part.inside.y), u64::from(part.inside.height));
        let left = u64::from(part.inside.x) * pixel_bytes;
        if rows * row_bytes > WINDOW_BYTES_MAX {
            return Err(Error::limit(format!("rows of {} bytes; read fewer at once", rows * row_bytes)));
        }
        let Some((offset, count)) = self.place(part.chunk)? else {
            let bytes = self.filled((rows * wanted_bytes) as usize)?;
            take(Rows { bytes: &bytes, row_bytes: wanted_bytes as usize });
            return Ok(());
        };
        let needed = row_bytes * u64::from(self.rows_of(grid, part.chunk));
        if needed > count {
            return Err(Error::malformed(format!("cut short: {count} of {needed} bytes")));
        }
        // Also where the missing rows would not be looked at: the file is not what its header says.
        let held = source.length().saturating_sub(offset);
        if needed > held {
            return Err(Error::malformed(format!("the file ends after {held} of {needed} bytes")));
        }
        let start = offset.saturating_add(first * row_bytes).saturating_add(left);
        let whole_rows = wanted_bytes == row_bytes || source.is_in_memory();
        let mut scratch = Vec::new();
        if whole_rows {
            let span = (rows - 1) * row_bytes + wanted_bytes;
            let bytes = source.bytes(start, span as usize, &mut scratch)?;
            self.hand_on(bytes, row_bytes as usize, grid.sample_bytes, take)
        } else {
            let mut picked = buffer::zeroed((rows * wanted_bytes) as usize)?;
            for (row, to) in picked.chunks_exact_mut(wanted_bytes as usize).enumerate() {
                let at = start.saturating_add(row as u64 * row_bytes);
                to.copy_from_slice(source.bytes(at, wanted_bytes as usize, &mut scratch)?);
            }
            self.hand_on(&picked, wanted_bytes as usize, grid.sample_bytes, take)
        }
    }

    fn hand_on(&self, stored: &[u8], row_bytes: usize, size: usize, take: &mut Take<'_>) -> Result<()> {
        let swapped = self.big_endian && size > 1;
        if !swapped && !self.bits_reversed {
            take(Rows { bytes: stored, row_bytes });
            return Ok(());
        }
        let mut bytes = buffer::zeroed(stored.len())?;
        bytes.copy_from_slice(stored);
        if self.bits_reversed {
            bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        if swapped {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        take(Rows { bytes: &bytes, row_bytes });
        Ok(())
    }

    /// Rows that a chunk holds: tiles are whole, the last strip ends with the image.
    fn rows_of(&self, grid: &Grid, chunk: u64) -> u32 {
        if self.tiled { grid.chunk_height } else { grid.chunk_height.min(grid.height - grid.top_of(chunk)) }
    }

    /// Offset and byte count; `None` for a sparse chunk (both zero), which GDAL leaves out when it holds only nodata.
    fn place(&self, chunk: u64) -> Result<Option<(u64, u64)>> {
        let entry = |list: &[u64]| list.get(chunk as usize).copied().unwrap_or(0);
        match (entry(&self.offsets), entry(&self.counts)) {
            (0, 0) => Ok(None),
            (offset, 0) => Err(self.locate_error(Error::malformed(format!("no bytes at offset {offset}")), chunk)),
            place => Ok(Some(place)),
        }
    }

    fn filled(&self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = buffer::zeroed(length)?;
        bytes.chunks_exact_mut(self.fill.len()).for_each(|sample| sample.copy_from_slice(&self.fill));
        Ok(bytes)
    }

    fn locate_error(&self, error: Error, chunk: u64) -> Error {
        let what = if self.tiled { "tile" } else { "strip" };
        match self.offsets.get(chunk as usize) {
            Some(offset) => error.context(format!("{what} {chunk} at offset {offset}")),
            None => error.context(format!("{what} {chunk}")),
        }
    }
}

/// Without byte counts a chunk ends where the next one begins, or the file.
fn counts_up_to_the_next(offsets: &[u64], file_bytes: u64) -> Vec<u64> {
    let mut starts = offsets.to_vec();
    starts.sort_unstable();
    let end_of = |offset: u64| starts.get(starts.partition_point(|&start| start <= offset)).copied();
    let count = |&offset: &u64| end_of(offset).unwrap_or(file_bytes).min(file_bytes).saturating_sub(offset);
    offsets.iter().map(count).collect()
}

/// The sample that stands for nodata, as GDAL fills sparse chunks: the nearest value of the type, else 0.
fn fill_sample(sample_type: SampleType, nodata: Option<f64>) -> Vec<u8> {
    let value = nodata.unwrap_or(0.0);
    // `as` saturates and turns NaN into 0.
    match sample_type {
        SampleType::U8 => (value.round() as u8).to_le_bytes().to_vec(),
        SampleType::U16 => (value.round() as u16).to_le_bytes().to_vec(),
        SampleType::I16 => (value.round() as i16).to_le_bytes().to_vec(),
        SampleType::U32 => (value.round() as u32).to_le_bytes().to_vec(),
        SampleType::I32 => (value.round() as i32).to_le_bytes().to_vec(),
        SampleType::F32 => (value as f32).to_le_bytes().to_vec(),
        SampleType::F64 => value.to_le_bytes().to_vec(),
    }
}
