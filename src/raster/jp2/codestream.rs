//! The codestream (ITU-T T.800, annex A): its main header, where the parts of each tile lie, and a codestream of its
//! own for one tile.

use crate::limits::{
    CHUNK_BYTES_MAX, JP2_HEADER_BYTES_MAX, JP2_TILE_PARTS_MAX, JP2_TILES_MAX, RASTER_BANDS_MAX, RASTER_SIDE_PX_MAX,
};
use crate::raster::buffer;
use crate::raster::source::Source;
use crate::raster::types::Window;
use crate::{Error, Result};

/// Markers: start of codestream, size, start of tile-part, end of codestream.
const SOC: u16 = 0xff4f;
const SIZ: u16 = 0xff51;
const SOT: u16 = 0xff90;
const EOC: u16 = 0xffd9;
/// Packet headers of all tiles, packed into the main header.
const PPM: u16 = 0xff60;
/// Bytes of the marker segment SOT.
const SOT_BYTES: u64 = 12;

/// A codestream whose tiles are all there.
pub(super) struct Codestream {
    pub(super) size: Size,
    /// The marker segments of the main header that say how tiles are coded.
    coding: Vec<u8>,
    /// The tile-parts of each tile: offset in the file and length.
    tiles: Vec<Vec<(u64, u32)>>,
}

/// The marker segment SIZ. Coordinates are those of the reference grid.
#[derive(Debug)]
pub(super) struct Size {
    capabilities: u16,
    pub(super) image: Window,
    /// Where the first tile begins, at or before the image.
    pub(super) tiles_x: u32,
    pub(super) tiles_y: u32,
    pub(super) tile_width: u32,
    pub(super) tile_height: u32,
    pub(super) components: usize,
    pub(super) bits: u8,
    pub(super) is_signed: bool,
}

impl Codestream {
    /// Reads the codestream from `start` to `end` of the file.
    pub(super) fn read(source: &Source, (start, end): (u64, u64)) -> Result<Self> {
        let mut reader = Reader { source, position: start, end };
        if reader.number()? != SOC || reader.number()? != SIZ {
            return Err(Error::malformed("a JPEG 2000 codestream that does not begin with SOC and SIZ"));
        }
        let size = Size::parse(&reader.segment()?)?;
        let coding = coding_segments(&mut reader)?;
        let tiles = tile_parts(&mut reader, size.across() * size.down())?;
        Ok(Self { size, coding, tiles })
    }

    /// A codestream that holds one tile at its place on the reference grid, as its only tile: what a decoder allocates
    /// is then bounded by the tile, and nothing is searched for.
    pub(super) fn of_tile(&self, source: &Source, tile: u32) -> Result<Vec<u8>> {
        let parts = self.tiles.get(tile as usize).map(Vec::as_slice).unwrap_or_default();
        let length: u64 = parts.iter().map(|part| u64::from(part.1)).sum();
        if length > CHUNK_BYTES_MAX {
            return Err(Error::limit(format!("tile {tile} has {length} bytes; at most {CHUNK_BYTES_MAX} are read")));
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve(length as usize + self.coding.len() + 1024)
            .map_err(|_| Error::limit("no memory for a tile"))?;
        bytes.extend(SOC.to_be_bytes());
        self.size.write(self.size.tile(tile), &mut bytes);
        bytes.extend(&self.coding);
        let mut scratch = Vec::new();
        for &(offset, length) in parts {
            let part = source.bytes(offset, length as usize, &mut scratch)?;
            // After the marker and its length: the tile's index, now 0, and the part's length, now never "up to the end".
            bytes.extend(part.get(..4).unwrap_or_default());
            bytes.extend([0, 0]);
            bytes.extend(length.to_be_bytes());
            bytes.extend(part.get(10..).unwrap_or_default());
        }
        bytes.extend(EOC.to_be_bytes());
        Ok(bytes)
    }
}

impl Size {
    fn parse(segment: &[u8]) -> Result<Self> {
        let short = || Error::malformed("the marker segment SIZ is cut short");
        let (fixed, of_components) = segment.split_first_chunk::<36>().ok_or_else(short)?;
        let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let whole = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
        let [right, bottom, x, y] = [2, 6, 10, 14].map(whole);
        let [tile_width, tile_height, tiles_x, tiles_y] = [18, 22, 26, 30].map(whole);
        let components = usize::from(half(34));
        let image = Window { x, y, width: side(x, right)?, height: side(y, bottom)? };
        let covers = |tiles: u32, tile: u32, start: u32| tiles <= start && start - tiles < tile;
        if !covers(tiles_x, tile_width, x) || !covers(tiles_y, tile_height, y) {
            return Err(Error::malformed("JPEG 2000 tiles that do not begin where the image does"));
        }
        if components > RASTER_BANDS_MAX {
            return Err(Error::limit(format!("{components} bands; at most {RASTER_BANDS_MAX} are read")));
        }
        let kinds = of_components.as_chunks::<3>().0;
        let &[depth, ..] = kinds.first().filter(|_| kinds.len() == components).ok_or_else(short)?;
        if kinds.iter().any(|kind| kind != &[depth, 1, 1]) {
            return Err(Error::unsupported("JPEG 2000 components of different depths, or subsampled"));
        }
        let (bits, is_signed) = ((depth & 0x7f) + 1, depth & 0x80 != 0);
        let size = Self {
            capabilities: half(0),
            image,
            tiles_x,
            tiles_y,
            tile_width,
            tile_height,
            components,
            bits,
            is_signed,
        };
        match u64::from(size.across()) * u64::from(size.down()) {
            tiles if tiles > u64::from(JP2_TILES_MAX) => {
                Err(Error::limit(format!("{tiles} JPEG 2000 tiles; at most {JP2_TILES_MAX} are read")))
            }
            _ => Ok(size),
        }
    }

    /// Appends SIZ for an image that is one of the tiles.
    fn write(&self, tile: Window, bytes: &mut Vec<u8>) {
        bytes.extend(SIZ.to_be_bytes());
        bytes.extend((38 + 3 * self.components as u16).to_be_bytes());
        bytes.extend(self.capabilities.to_be_bytes());
        let (right, bottom) = (tile.x + tile.width, tile.y + tile.height);
        let numbers = [right, bottom, tile.x, tile.y, tile.width, tile.height, tile.x, tile.y];
        bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        bytes.extend((self.components as u16).to_be_bytes());
        let depth = (self.bits - 1) | u8::from(self.is_signed) << 7;
        bytes.extend([depth, 1, 1].repeat(self.components));
    }

    fn across(&self) -> u32 {
        (self.image.x - self.tiles_x + self.image.width).div_ceil(self.tile_width)
    }

    fn down(&self) -> u32 {
        (self.image.y - self.tiles_y + self.image.height).div_ceil(self.tile_height)
    }

    /// The place of a tile, within the image.
    fn tile(&self, tile: u32) -> Window {
        let cut = |start: u32, side: u32, index: u32, from: u32, length: u32| {
            let first = u64::from(start) + u64::from(index) * u64::from(side);
            let last = (first + u64::from(side)).min(u64::from(from) + u64::from(length)) as u32;
            let first = (first as u32).max(from);
            (first, last - first)
        };
        let (column, row) = (tile % self.across(), tile / self.across());
        let (x, width) = cut(self.tiles_x, self.tile_width, column, self.image.x, self.image.width);
        let (y, height) = cut(self.tiles_y, self.tile_height, row, self.image.y, self.image.height);
        Window { x, y, width, height }
    }

    /// The tiles that `area` (within the image) touches, each with the part of `area` in it.
    pub(super) fn tiles_of(&self, area: Window) -> impl Iterator<Item = (u32, Window)> {
        let (first_column, last_column) = indices(area.x - self.tiles_x, area.width, self.tile_width);
        let (first_row, last_row) = indices(area.y - self.tiles_y, area.height, self.tile_height);
        let columns = first_column..=last_column;
        (first_row..=last_row).flat_map(move |row| {
            columns.clone().map(move |column| {
                let index = row * self.across() + column;
                let tile = self.tile(index);
                let (x, y) = (tile.x.max(area.x), tile.y.max(area.y));
                let width = (tile.x + tile.width).min(area.x + area.width) - x;
                let height = (tile.y + tile.height).min(area.y + area.height) - y;
                (index, Window { x, y, width, height })
            })
        })
    }
}

/// First and last of the intervals of length `side` that `start..start + length` touches.
fn indices(start: u32, length: u32, side: u32) -> (u32, u32) {
    (start / side, (start + (length - 1)) / side)
}

fn side(start: u32, end: u32) -> Result<u32> {
    match end.checked_sub(start) {
        None | Some(0) => Err(Error::malformed("a JPEG 2000 image without pixels")),
        // OpenJPEG counts in int32.
        Some(length) if length > RASTER_SIDE_PX_MAX || end > i32::MAX as u32 => Err(Error::limit(format!(
            "a JPEG 2000 image from {start} to {end}; sides of at most {RASTER_SIDE_PX_MAX} are read"
        ))),
        Some(length) => Ok(length),
    }
}

/// The main header up to the first tile-part, which `reader` then has consumed the marker of. Comments, and lists of
/// lengths for the whole image (COM, CRG, TLM, PLM), are left out.
fn coding_segments(reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut header_bytes = 0;
    loop {
        let marker = reader.number()?;
        if marker == SOT {
            return Ok(kept);
        }
        let segment = reader.segment()?;
        header_bytes += segment.len() + 4;
        if header_bytes > JP2_HEADER_BYTES_MAX {
            return Err(Error::limit(format!("a JPEG 2000 header of more than {JP2_HEADER_BYTES_MAX} bytes")));
        }
        match marker {
            // CAP, COD, COC, CPF, QCD, QCC, RGN, POC
            0xff50 | 0xff52 | 0xff53 | 0xff59 | 0xff5c | 0xff5d | 0xff5e | 0xff5f => {
                kept.extend(marker.to_be_bytes());
                kept.extend((segment.len() as u16 + 2).to_be_bytes());
                kept.extend(segment);
            }
            0xff55 | 0xff57 | 0xff63 | 0xff64 => {}
            PPM => return Err(Error::unsupported("JPEG 2000 with packed packet headers (PPM)")),
            _ => return Err(Error::unsupported(format!("JPEG 2000 with the marker {marker:04x} in its header"))),
        }
    }
}

/// Where the parts of all tiles lie; the marker of the first is consumed already.
fn tile_parts(reader: &mut Reader<'_>, count: u32) -> Result<Vec<Vec<(u64, u32)>>> {
    let mut tiles = vec![Vec::new(); count as usize];
    let mut stated = vec![0; count as usize];
    for number in 0.. {
        if number == JP2_TILE_PARTS_MAX {
            return Err(Error::limit(format!("more than {JP2_TILE_PARTS_MAX} JPEG 2000 tile-parts")));
        }
        let start = reader.position - 2;
        let wrong = |what: &str| Error::malformed(format!("the JPEG 2000 tile-part at offset {start} {what}"));
        let segment = reader.segment()?;
        let &[t1, t0, a, b, c, d, _, parts] = segment.as_slice() else { return Err(wrong("has no SOT of 10 bytes")) };
        let tile = usize::from(u16::from_be_bytes([t1, t0]));
        let length = match u32::from_be_bytes([a, b, c, d]) {
            // The last part may leave its length open; it ends with the codestream.
            0 => reader.end.saturating_sub(start + 2),
            length => length.into(),
        };
        if length < SOT_BYTES + 2 || start + length > reader.end {
            return Err(wrong(&format!("is cut short: {length} bytes, the codestream ends at {}", reader.end)));
        }
        let length = u32::try_from(length).map_err(|_| Error::limit("a JPEG 2000 tile-part of more than 4 GiB"))?;
        let (Some(places), Some(stated)) = (tiles.get_mut(tile), stated.get_mut(tile)) else {
            return Err(wrong(&format!("is one of tile {tile}, of {count}")));
        };
        places.push((start, length));
        *stated = parts.max(*stated);
        reader.position = start + u64::from(length);
        match reader.number()? {
            SOT => {}
            EOC => break,
            other => return Err(wrong(&format!("is followed by {other:04x}"))),
        }
    }
    match tiles.iter().zip(&stated).position(|(parts, &stated)| parts.len() < usize::from(stated.max(1))) {
        Some(tile) => Err(Error::malformed(format!("parts of JPEG 2000 tile {tile} are missing"))),
        None => Ok(tiles),
    }
}

/// Reads numbers and marker segments, in order.
struct Reader<'s> {
    source: &'s Source,
    position: u64,
    end: u64,
}

impl Reader<'_> {
    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        if self.end.saturating_sub(self.position) < length as u64 {
            return Err(Error::malformed(format!("the JPEG 2000 codestream is cut short at offset {}", self.end)));
        }
        let mut bytes = buffer::zeroed(0)?;
        bytes.extend(self.source.bytes(self.position, length, &mut Vec::new())?);
        self.position += length as u64;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u16> {
        Ok(self.bytes(2)?.iter().fold(0, |number, &byte| number << 8 | u16::from(byte)))
    }

    /// The contents of the marker segment whose marker was read.
    fn segment(&mut self) -> Result<Vec<u8>> {
        let length = usize::from(self.number()?);
        let contents = length.checked_sub(2);
        self.bytes(contents.ok_or_else(|| Error::malformed(format!("a marker segment of {length} bytes")))?)
    }
}
