//! The decoder's side: limits on itself, then one codestream after the other through OpenJPEG.

use std::io::{Read, Write};

use cpu_time::ProcessTime;
use jpeg2k::{DecodeArea, DecodeParameters, Image};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::protocol::{self, GREETING, Request};
use crate::limits::{JP2_DECODE_CPU_S_MAX, JP2_DECODER_BYTES_MAX};
use crate::raster::buffer;
use crate::raster::types::SampleType;
use crate::{Error, Result};

/// Answers requests for JPEG 2000 tiles until the other side closes `channel`. For the process that
/// [`super::super::ReadOptions::decoder`] names, started with [`super::DECODER_COMMAND`] and a socket as its standard
/// input: from here on it opens no file, writes none, and neither its memory nor the processor time of one tile grows
/// beyond [`crate::limits`].
///
/// # Errors
/// [`Io`](crate::Kind::Io) where the limits cannot be set or the channel breaks.
pub fn serve_jp2_decoder(mut channel: impl Read + Write) -> Result<()> {
    confine()?;
    channel.write_all(&GREETING).map_err(Error::io)?;
    while let Some((request, codestream)) = Request::receive(&mut channel)? {
        limit_cpu()?;
        protocol::answer(&decode(&request, &codestream), &mut channel).map_err(Error::io)?;
    }
    Ok(())
}

fn confine() -> Result<()> {
    let limits =
        [(Resource::As, JP2_DECODER_BYTES_MAX), (Resource::Fsize, 0), (Resource::Nofile, 0), (Resource::Core, 0)];
    for (resource, most) in limits {
        // A limit that is lower already stays.
        let most = getrlimit(resource).maximum.map_or(most, |set| set.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(Error::io)?;
    }
    Ok(())
}

/// The limit counts the whole life of a process, so that it moves on with every request.
fn limit_cpu() -> Result<()> {
    let used = ProcessTime::try_now().map_err(Error::io)?.as_duration().as_secs();
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = (used + JP2_DECODE_CPU_S_MAX).min(maximum.unwrap_or(u64::MAX));
    setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum }).map_err(Error::io)
}

fn decode(request: &Request, codestream: &[u8]) -> Result<Vec<u8>> {
    let length = request.length()?;
    let area = request.area;
    let right_bottom = area.x.checked_add(area.width).zip(area.y.checked_add(area.height));
    let (right, bottom) = right_bottom.ok_or_else(|| Error::limit("an area beyond the reference grid"))?;
    let area_px = DecodeArea::new(area.x, area.y, right, bottom);
    let parameters = DecodeParameters::new().strict(true).decode_area(Some(area_px));
    let image = Image::from_bytes_with(codestream, parameters).map_err(Error::malformed)?;
    let components = image.components();
    let is_signed = request.sample_type == SampleType::I16;
    let size = request.sample_type.size_bytes();
    let fits = |component: &jpeg2k::ImageComponent| {
        (component.width(), component.height(), component.is_signed()) == (area.width, area.height, is_signed)
            && component.precision() as usize <= 8 * size
    };
    if components.len() != request.bands as usize || !components.iter().all(fits) {
        return Err(Error::malformed("other components than the header promises"));
    }
    let mut samples = buffer::zeroed(length)?;
    for (band, component) in components.iter().enumerate() {
        match size {
            1 => interleave::<1>(component.data(), band, components.len(), &mut samples),
            _ => interleave::<2>(component.data(), band, components.len(), &mut samples),
        }
    }
    Ok(samples)
}

/// Puts the samples of one band to their places in pixels of `bands` samples of `SIZE` bytes.
fn interleave<const SIZE: usize>(from: &[i32], band: usize, bands: usize, pixels: &mut [u8]) {
    let to = pixels.as_chunks_mut::<SIZE>().0.iter_mut().skip(band).step_by(bands);
    to.zip(from).for_each(|(to, from)| to.copy_from_slice(&from.to_le_bytes()[..SIZE]));
}
