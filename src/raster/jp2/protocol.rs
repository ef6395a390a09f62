//! What the program and its decoders say to each other over a socket: numbers little-endian, every length up front.

use std::io::{Read, Write};

use crate::limits::{CHUNK_BYTES_MAX, JP2_CHUNK_SAMPLES_MAX, JP2_HEADER_BYTES_MAX};
use crate::raster::buffer;
use crate::raster::types::{SampleType, Window};
use crate::{Error, Result};

/// The subcommand under which the program is a decoder.
pub const DECODER_COMMAND: &str = "decode-jp2";
/// What a decoder says first, so that another program is not taken for one.
pub(super) const GREETING: [u8; 8] = *b"s2i-jp2\x01";

const DECODED: u32 = 0;
const REFUSED: u32 = 1;
/// Bytes of a refusal's text.
const TEXT_BYTES_MAX: u32 = 4096;

/// An area to decode from the codestream of one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// On the reference grid, within the codestream's image.
    pub(super) area: Window,
    pub(super) bands: u32,
    pub(super) sample_type: SampleType,
}

impl Request {
    /// Bytes of the answer: all samples, pixel by pixel.
    pub(super) fn length(&self) -> Result<usize> {
        let samples = u64::from(self.area.width) * u64::from(self.area.height);
        match samples.checked_mul(self.bands.into()) {
            Some(samples) if samples <= JP2_CHUNK_SAMPLES_MAX => Ok(samples as usize * self.sample_type.size_bytes()),
            _ => Err(Error::limit(format!("{} bands of {samples} samples at once", self.bands))),
        }
    }

    pub(super) fn send(&self, codestream: &[u8], channel: &mut impl Write) -> std::io::Result<()> {
        let Window { x, y, width, height } = self.area;
        let kind = match self.sample_type {
            SampleType::U8 => 0,
            SampleType::I16 => 2,
            _ => 1,
        };
        let numbers = [x, y, width, height, self.bands, kind, codestream.len() as u32];
        channel.write_all(&numbers.map(u32::to_le_bytes).concat())?;
        channel.write_all(codestream)
    }

    /// The next request and its codestream; `None` once the other side has closed the channel.
    pub(super) fn receive(channel: &mut impl Read) -> Result<Option<(Self, Vec<u8>)>> {
        let mut first = [0];
        if channel.read(&mut first).map_err(Error::io)? == 0 {
            return Ok(None);
        }
        let mut rest = [0; 27];
        channel.read_exact(&mut rest).map_err(Error::io)?;
        let bytes = [&first[..], &rest[..]].concat();
        let mut numbers = bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes));
        let mut number = || numbers.next().unwrap_or(0);
        let area = Window { x: number(), y: number(), width: number(), height: number() };
        let bands = number();
        let sample_type = match number() {
            0 => SampleType::U8,
            2 => SampleType::I16,
            _ => SampleType::U16,
        };
        let length = number();
        if u64::from(length) > CHUNK_BYTES_MAX + 2 * JP2_HEADER_BYTES_MAX as u64 {
            return Err(Error::limit(format!("a codestream of {length} bytes")));
        }
        let mut codestream = buffer::zeroed(length as usize)?;
        channel.read_exact(&mut codestream).map_err(Error::io)?;
        Ok(Some((Self { area, bands, sample_type }, codestream)))
    }
}

/// Sends samples or the reason why there are none.
pub(super) fn answer(answer: &Result<Vec<u8>>, channel: &mut impl Write) -> std::io::Result<()> {
    let text = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let (status, bytes) = match answer {
        Ok(samples) => (DECODED, samples.as_slice()),
        Err(_) => (REFUSED, &text.as_bytes()[..text.len().min(TEXT_BYTES_MAX as usize)]),
    };
    channel.write_all(&[status, bytes.len() as u32].map(u32::to_le_bytes).concat())?;
    channel.write_all(bytes)
}

/// The answer to `request`: an inner error is the decoder's word on the codestream, an outer one means that the
/// decoder itself has failed.
pub(super) fn answered(length: usize, channel: &mut impl Read) -> std::io::Result<Result<Vec<u8>>> {
    let nonsense = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let mut head = [0; 8];
    channel.read_exact(&mut head)?;
    let [a, b, c, d, e, f, g, h] = head;
    let stated = u32::from_le_bytes([e, f, g, h]);
    match u32::from_le_bytes([a, b, c, d]) {
        DECODED if stated as usize == length => {
            let mut samples = buffer::zeroed(length).map_err(std::io::Error::other)?;
            channel.read_exact(&mut samples)?;
            Ok(Ok(samples))
        }
        REFUSED if stated <= TEXT_BYTES_MAX => {
            let mut text = vec![0; stated as usize];
            channel.read_exact(&mut text)?;
            Ok(Err(Error::malformed(String::from_utf8_lossy(&text))))
        }
        status => Err(nonsense(format!("status {status} with {stated} bytes where {length} were asked for"))),
    }
}
