//! PNG patches.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Reader, Transformations};

use super::buffer;
use super::patch::Shape;
use super::types::SampleType;
use crate::limits::CHUNK_BYTES_MAX;
use crate::{Error, Result};

/// Width, height, bands (alpha is one; a palette's indices are one) and sample type.
pub(super) fn shape(file: &[u8]) -> Result<Shape> {
    let reader = reader(file)?;
    let info = reader.info();
    let sample_type = match info.bit_depth {
        BitDepth::Eight => SampleType::U8,
        BitDepth::Sixteen => SampleType::U16,
        depth => return Err(Error::unsupported(format!("PNG with {} bits per sample", depth as u8))),
    };
    let bands = match info.color_type {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    Ok(Shape { width: info.width, height: info.height, bands, sample_type })
}

/// All samples, pixel by pixel, little-endian.
pub(super) fn decode(file: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut reader = reader(file)?;
    if reader.output_buffer_size() != Some(length) {
        return Err(Error::malformed("PNG whose header says two things"));
    }
    let wide = reader.info().bit_depth == BitDepth::Sixteen;
    let mut pixels = buffer::zeroed(length)?;
    reader.next_frame(&mut pixels).map_err(malformed)?;
    // The last check sums come after the pixels.
    reader.finish().map_err(malformed)?;
    if wide {
        pixels.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    Ok(pixels)
}

fn reader(file: &[u8]) -> Result<Reader<Cursor<&[u8]>>> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: CHUNK_BYTES_MAX as usize });
    // Samples as stored: no widening, no palette look-up, no dropping of bits.
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.read_info().map_err(malformed)
}

fn malformed(error: DecodingError) -> Error {
    Error::malformed(format!("PNG: {error}"))
}
