//! Where everything lies in a Cloud-Optimized GeoTIFF, computed before a byte of it is written.
//!
//! ```text
//! header │ ghost area │ directory of the map, its values │ of the overviews, finest first │
//! tiles of the coarsest overview │ … │ of the finest │ of the map
//! ```

use super::level::{LEADER_BYTES, place_bytes};
use crate::output::tiff_directory::{Directory, Form};

/// GDAL's "structural metadata": what a reader may rely on. Source: GDAL's COG driver documentation, "Header ghost area".
/// The size stands for everything after its own line; the blank at the end lets an editor turn NO into YES.
const GHOST: &str = "GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\nLAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\n\
                     BLOCK_LEADER=SIZE_AS_UINT4\nBLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";
/// A directory begins at an even byte, as TIFF demands.
const GHOST_BYTES: u64 = (GHOST.len() as u64).next_multiple_of(2);

/// TIFF's tags of the tiles' places.
const TILE_OFFSETS: u16 = 324;
const TILE_BYTE_COUNTS: u16 = 325;

/// One level as the plan sees it.
pub(super) struct Part<'a> {
    /// Tags before those of the tiles' places.
    pub(super) before: Directory,
    /// Tags after them.
    pub(super) after: Directory,
    /// Compressed bytes of each tile.
    pub(super) lengths: &'a [u32],
}

/// Everything before the tiles, for levels from the finest to the coarsest. BigTIFF only where 32 bits cannot reach the
/// file's end.
pub(super) fn front(parts: &[Part<'_>]) -> Vec<u8> {
    let data: u64 = parts.iter().map(Part::data_bytes).sum();
    let classic = Form::Classic;
    let form = if front_bytes(parts, classic) + data <= u32::MAX.into() { classic } else { Form::Big };
    encode(parts, form)
}

fn encode(parts: &[Part<'_>], form: Form) -> Vec<u8> {
    let mut front = form.header(form.header_bytes() + GHOST_BYTES);
    front.extend(GHOST.as_bytes());
    front.resize((form.header_bytes() + GHOST_BYTES) as usize, 0);
    let coarser = |index: usize| parts.iter().skip(index + 1).map(Part::data_bytes).sum::<u64>();
    let data_start = front_bytes(parts, form);
    for (index, part) in parts.iter().enumerate() {
        let directory = part.directory(data_start + coarser(index));
        let values_at = front.len() as u64 + directory.own_bytes(form);
        let end = values_at + directory.encode(form, values_at, 0)[1].len() as u64;
        let next = if index + 1 < parts.len() { end } else { 0 };
        directory.encode(form, values_at, next).iter().for_each(|bytes| front.extend(bytes));
    }
    front
}

/// Bytes before the first tile.
fn front_bytes(parts: &[Part<'_>], form: Form) -> u64 {
    let of_part = |part: &Part<'_>| {
        let directory = part.directory(0);
        directory.own_bytes(form) + directory.encode(form, 0, 0)[1].len() as u64
    };
    form.header_bytes() + GHOST_BYTES + parts.iter().map(of_part).sum::<u64>()
}

impl Part<'_> {
    fn data_bytes(&self) -> u64 {
        self.lengths.iter().map(|length| place_bytes(*length)).sum()
    }

    /// The directory of a level whose first tile's place begins at `start`.
    fn directory(&self, start: u64) -> Directory {
        let places = self.lengths.iter().scan(start, |next, length| {
            let offset = *next + LEADER_BYTES;
            *next += place_bytes(*length);
            Some(offset)
        });
        let mut directory = self.before.clone();
        directory.offsets(TILE_OFFSETS, places.collect());
        directory.longs(TILE_BYTE_COUNTS, self.lengths);
        directory.append(self.after.clone());
        directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ghost_area_is_as_long_as_it_says() {
        let (first, rest) = GHOST.split_once('\n').unwrap();
        assert_eq!(first, format!("GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes", rest.len()));
    }

    /// A plan of one level of `tiles` tiles of `length` bytes.
    fn plan(tiles: usize, length: u32) -> Vec<u8> {
        front(&[Part { before: Directory::new(), after: Directory::new(), lengths: &vec![length; tiles] }])
    }

    #[test]
    fn only_a_file_that_32_bits_cannot_span_is_a_bigtiff() {
        // Four tiles; all else of a classic file takes 8 + 184 + 30 + 2·16 bytes.
        let rest = 8 + 184 + (6 + 2 * 12) + 2 * 16;
        let largest = ((u64::from(u32::MAX) - rest) / 4 - 8) as u32;
        let classic = plan(4, largest);
        assert_eq!((&classic[..4], classic.len() as u64), (&b"II\x2a\0"[..], rest));
        let big = plan(4, largest + 1);
        assert_eq!(&big[..4], b"II\x2b\0");
        // The last tile's offset needs 64 bits where it lies behind the fourth gigabyte.
        let big = plan(6, 1 << 30);
        let values = &big[big.len() - 6 * 8 - 6 * 4..];
        let offsets: Vec<u64> =
            values[..48].chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
        let step = (1 << 30) + 8;
        assert_eq!(offsets, (0..6).map(|tile| big.len() as u64 + 4 + tile * step).collect::<Vec<_>>());
    }
}
