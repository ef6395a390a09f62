//! JPEG patches.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::buffer;
use super::patch::Shape;
use super::types::SampleType;
use crate::limits::RASTER_SIDE_PX_MAX;
use crate::{Error, Result};

/// Width, height and bands: one for grey, three for colour.
pub(super) fn shape(file: &[u8]) -> Result<Shape> {
    let mut decoder = decoder(file, ColorSpace::RGB);
    decoder.decode_headers().map_err(malformed)?;
    let info = decoder.info().ok_or_else(|| Error::malformed("JPEG without a frame"))?;
    let bands = colour_space(&decoder)?.num_components();
    Ok(Shape { width: info.width.into(), height: info.height.into(), bands, sample_type: SampleType::U8 })
}

/// All samples, pixel by pixel.
pub(super) fn decode(file: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut first = decoder(file, ColorSpace::RGB);
    first.decode_headers().map_err(malformed)?;
    let mut decoder = decoder(file, colour_space(&first)?);
    decoder.decode_headers().map_err(malformed)?;
    if decoder.output_buffer_size() != Some(length) {
        return Err(Error::malformed("JPEG whose header says two things"));
    }
    let mut pixels = buffer::zeroed(length)?;
    decoder.decode_into(&mut pixels).map_err(malformed)?;
    Ok(pixels)
}

/// Strict: without it a file that was cut short comes out with grey below the cut.
fn decoder(file: &[u8], colours: ColorSpace) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(RASTER_SIDE_PX_MAX as usize)
        .set_max_height(RASTER_SIDE_PX_MAX as usize)
        .jpeg_set_out_colorspace(colours);
    JpegDecoder::new_with_options(ZCursor::new(file), options)
}

/// What to decode to.
fn colour_space(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Result<ColorSpace> {
    match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => Ok(ColorSpace::Luma),
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => Ok(ColorSpace::RGB),
        other => Err(Error::unsupported(format!("JPEG colours {other:?}; grey and YCbCr or RGB are read"))),
    }
}

fn malformed(error: impl std::fmt::Display) -> Error {
    Error::malformed(format!("JPEG: {error}"))
}
