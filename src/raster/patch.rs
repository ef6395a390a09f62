//! JPEG and PNG patches: one image, decoded whole.

use super::grid::Grid;
use super::source::Source;
use super::types::{BandInfo, Format, Header, SampleType};
use super::{jpeg, png};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_INFLATION_MAX, RASTER_SIDE_PX_MAX};
use crate::{Error, Result};

/// A patch whose header is known.
pub(super) struct Patch {
    format: Format,
    bytes: usize,
}

/// What a patch's header says.
pub(super) struct Shape {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bands: usize,
    pub(super) sample_type: SampleType,
}

impl Patch {
    pub(super) fn open(source: &Source, format: Format) -> Result<(Header, Grid, Self)> {
        let mut scratch = Vec::new();
        let file = file_bytes(source, &mut scratch)?;
        let shape = if format == Format::Jpeg { jpeg::shape(file)? } else { png::shape(file)? };
        let Shape { width, height, bands, sample_type } = shape;
        if width == 0 || height == 0 {
            return Err(Error::malformed(format!("an image of {width}×{height} pixels")));
        }
        let bytes = u64::from(width) * u64::from(height) * (bands * sample_type.size_bytes()) as u64;
        let most = CHUNK_BYTES_MAX.min(source.length().saturating_mul(CHUNK_INFLATION_MAX));
        if width.max(height) > RASTER_SIDE_PX_MAX || bytes > most {
            return Err(Error::limit(format!("an image of {width}×{height} pixels in a file of {}", source.length())));
        }
        let header = Header {
            format,
            width,
            height,
            bands: vec![BandInfo::default(); bands],
            sample_type,
            nodata: None,
            has_mask: false,
            geo: None,
            metadata: Default::default(),
        };
        let sample_bytes = sample_type.size_bytes();
        let grid = Grid { width, height, chunk_width: width, chunk_height: height, bands, planar: false, sample_bytes };
        Ok((header, grid, Self { format, bytes: bytes as usize }))
    }

    /// All samples, pixel by pixel, little-endian.
    pub(super) fn decode(&self, source: &Source) -> Result<Vec<u8>> {
        let mut scratch = Vec::new();
        let file = file_bytes(source, &mut scratch)?;
        if self.format == Format::Jpeg { jpeg::decode(file, self.bytes) } else { png::decode(file, self.bytes) }
    }
}

fn file_bytes<'a>(source: &'a Source, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    let length = source.length();
    if length > CHUNK_BYTES_MAX {
        return Err(Error::limit(format!("a patch of {length} bytes; at most {CHUNK_BYTES_MAX} are read")));
    }
    source.bytes(0, length as usize, scratch)
}
