//! JPEG 2000 (ITU-T T.800): JP2 files and bare codestreams.
//!
//! Boxes, markers and the georeference are parsed here, in safe Rust and under limits. The pixels are decoded by
//! OpenJPEG, a C library with a history of overflows, in child processes that can open nothing, write nothing and grow
//! only so far: what is handed to them is a small codestream of one tile, and what comes back are its samples.

mod boxes;
mod codestream;
mod decoder;
mod gml;
mod protocol;
mod serve;

pub use decoder::end_jp2_decoders;
pub use protocol::DECODER_COMMAND;
pub use serve::serve_jp2_decoder;

use std::path::PathBuf;

use super::buffer;
use super::grid::Grid;
use super::source::{ReadOptions, Source};
use super::types::{BandInfo, Format, Header, SampleType, Window};
use super::{Geo, tiff};
use crate::limits::{JP2_CHUNK_SAMPLES_MAX, JP2_CHUNK_SIDE_PX, JP2_TILE_SIDE_PX_MAX};
use crate::{Error, Result};
use boxes::Boxes;
use codestream::{Codestream, Size};
use protocol::Request;

/// A JPEG 2000 image whose header and tile index are known.
pub(super) struct Jp2 {
    codestream: Codestream,
    sample_type: SampleType,
    /// The program that decodes; `None` for the running one.
    decoder: Option<PathBuf>,
}

/// Reads and checks the header.
pub(super) fn open(source: &Source, options: &ReadOptions) -> Result<(Header, Grid, Jp2)> {
    let boxes = Boxes::read(source)?;
    let codestream = Codestream::read(source, boxes.codestream)?;
    let size = &codestream.size;
    let sample_type = sample_type(size)?;
    let (width, height, bands) = (size.image.width, size.image.height, size.components);
    let (chunk_width, chunk_height) = chunk_sides(size)?;
    let sample_bytes = sample_type.size_bytes();
    let grid = Grid { width, height, chunk_width, chunk_height, bands, planar: false, sample_bytes };
    let header = Header {
        format: Format::Jpeg2000,
        width,
        height,
        bands: vec![BandInfo::default(); bands],
        sample_type,
        nodata: None,
        has_mask: false,
        geo: geo(source, &boxes)?,
        metadata: Default::default(),
    };
    Ok((header, grid, Jp2 { codestream, sample_type, decoder: options.decoder.clone() }))
}

/// GeoJP2 before GMLJP2, as GDAL has it: the first holds its numbers as doubles, the second as text.
fn geo(source: &Source, boxes: &Boxes) -> Result<Option<Geo>> {
    if let Some(bytes) = &boxes.geo_tiff
        && let Some(geo) = tiff::georeference(&source.within(bytes.clone()))?
    {
        return Ok(Some(geo));
    }
    boxes.gml.as_deref().map_or(Ok(None), gml::georeference)
}

fn sample_type(size: &Size) -> Result<SampleType> {
    match (size.is_signed, size.bits) {
        (false, 1..=8) => Ok(SampleType::U8),
        (false, 9..=16) => Ok(SampleType::U16),
        (true, 9..=16) => Ok(SampleType::I16),
        (is_signed, bits) => {
            let kind = if is_signed { "signed" } else { "unsigned" };
            Err(Error::unsupported(format!(
                "{kind} samples of {bits} bits; JPEG 2000 is read with up to 16 bits, signed with 9 to 16"
            )))
        }
    }
}

/// The tiles of the file are the chunks, unless they are large or begin beside the image: then areas are decoded.
fn chunk_sides(size: &Size) -> Result<(u32, u32)> {
    let samples = |width: u32, height: u32| u64::from(width) * u64::from(height) * size.components as u64;
    let (width, height) = (size.tile_width.min(size.image.width), size.tile_height.min(size.image.height));
    let starts_with_a_tile = (size.tiles_x, size.tiles_y) == (size.image.x, size.image.y);
    if starts_with_a_tile
        && width.max(height) <= JP2_TILE_SIDE_PX_MAX
        && samples(width, height) <= JP2_CHUNK_SAMPLES_MAX
    {
        return Ok((width, height));
    }
    let mut sides = (size.image.width.min(JP2_CHUNK_SIDE_PX), size.image.height.min(JP2_CHUNK_SIDE_PX));
    while samples(sides.0, sides.1) > JP2_CHUNK_SAMPLES_MAX {
        sides = (sides.0.div_ceil(2), sides.1.div_ceil(2));
    }
    Ok(sides)
}

impl Jp2 {
    /// All samples of one chunk, pixel by pixel, little-endian; what lies right of the image is zero.
    pub(super) fn decode(&self, source: &Source, grid: &Grid, chunk: u64) -> Result<Vec<u8>> {
        let area = grid.rectangle_of(chunk);
        let origin = self.codestream.size.image;
        let area = Window { x: area.x + origin.x, y: area.y + origin.y, ..area };
        let row_bytes = grid.chunk_width as usize * grid.pixel_bytes();
        let mut pixels = Vec::new();
        for (tile, part) in self.codestream.size.tiles_of(area) {
            let decoded = self.decode_part(source, grid, tile, part)?;
            if part == area && area.width == grid.chunk_width {
                return Ok(decoded);
            }
            if pixels.is_empty() {
                pixels = buffer::zeroed(row_bytes * area.height as usize)?;
            }
            let left = (part.x - area.x) as usize * grid.pixel_bytes();
            let part_row_bytes = part.width as usize * grid.pixel_bytes();
            let rows = pixels.chunks_exact_mut(row_bytes).skip((part.y - area.y) as usize);
            for (to, from) in rows.zip(decoded.chunks_exact(part_row_bytes)) {
                to[left..left + part_row_bytes].copy_from_slice(from);
            }
        }
        Ok(pixels)
    }

    /// The samples of `area`, which lies within `tile`.
    fn decode_part(&self, source: &Source, grid: &Grid, tile: u32, area: Window) -> Result<Vec<u8>> {
        let request = Request { area, bands: grid.bands as u32, sample_type: self.sample_type };
        let codestream = self.codestream.of_tile(source, tile)?;
        // Torn bytes must not be taken for a damaged file.
        source.check_settled()?;
        decoder::decode(self.decoder.as_deref(), &request, &codestream)
            .map_err(|error| error.context(format!("JPEG 2000 tile {tile}")))
    }
}
