//! JPEG patches.
//!
//! The decoder is chosen for its pixels: the standard leaves the inverse transform and the widening of the colour
//! planes open by some levels, models are trained on what libjpeg-turbo makes of it (by way of Pillow and OpenCV), and
//! this one gives the same bytes.

use libjpeg_turbo_rs::{ColorSpace, DecodeLimits, Decoder, PixelFormat};

use super::buffer;
use super::patch::Shape;
use super::types::SampleType;
use crate::limits::{CHUNK_BYTES_MAX, JPEG_SCANS_MAX, RASTER_SIDE_PX_MAX};
use crate::{Error, Result};

/// Width, height and bands: one for grey, three for colour.
pub(super) fn shape(file: &[u8]) -> Result<Shape> {
    let decoder = decoder(file)?;
    let frame = decoder.header();
    if frame.precision != 8 || frame.is_lossless {
        return Err(Error::unsupported(format!("JPEG of {} bits, lossless: {}", frame.precision, frame.is_lossless)));
    }
    let bands = format(&decoder)?.bytes_per_pixel();
    Ok(Shape { width: frame.width.into(), height: frame.height.into(), bands, sample_type: SampleType::U8 })
}

/// All samples, pixel by pixel.
pub(super) fn decode(file: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut decoder = decoder(file)?;
    decoder.set_output_format(format(&decoder)?);
    let mut pixels = buffer::zeroed(length)?;
    decoder.decode_image_into(&mut pixels).map_err(malformed)?;
    Ok(pixels)
}

/// Warnings are errors: what libjpeg patches up (a file cut short, say) are pixels that nobody stored.
fn decoder(file: &[u8]) -> Result<Decoder<'_>> {
    let side = RASTER_SIDE_PX_MAX as usize;
    let limits = DecodeLimits {
        max_width: side,
        max_height: side,
        max_pixels: CHUNK_BYTES_MAX,
        max_scans: JPEG_SCANS_MAX,
        max_memory: Some(2 * CHUNK_BYTES_MAX),
    };
    let mut decoder = Decoder::new_with_limits(file, limits).map_err(malformed)?;
    decoder.set_lenient(false);
    decoder.set_stop_on_warning(true);
    Ok(decoder)
}

fn format(decoder: &Decoder<'_>) -> Result<PixelFormat> {
    match decoder.jpeg_color_space() {
        ColorSpace::Grayscale => Ok(PixelFormat::Grayscale),
        ColorSpace::YCbCr | ColorSpace::Rgb => Ok(PixelFormat::Rgb),
        other => Err(Error::unsupported(format!("JPEG colours {other:?}; grey, YCbCr and RGB are read"))),
    }
}

fn malformed(error: libjpeg_turbo_rs::JpegError) -> Error {
    Error::malformed(format!("JPEG: {error}"))
}
