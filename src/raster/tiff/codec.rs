//! Decompression of one chunk into a buffer of exactly its size.

use std::cell::RefCell;

use libdeflater::{DecompressionError, Decompressor};
use weezl::{BitOrder, LzwStatus};

use super::packbits;
use crate::raster::buffer;
use crate::{Error, Result};

/// The compressions that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Zstd,
}

thread_local! {
    /// Both hold tables of some size; one of each a thread serves all its chunks.
    static INFLATE: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

impl Compression {
    pub(super) fn from_tag(tag: u64) -> Result<Self> {
        let name = match tag {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            50000 => return Ok(Self::Zstd),
            2 => "CCITT RLE",
            3 => "CCITT group 3",
            4 => "CCITT group 4",
            6 => "old-style JPEG",
            7 => "JPEG",
            34712 | 33003 | 33005 => "JPEG 2000",
            34887 => "LERC",
            34925 => "LZMA",
            50001 => "WebP",
            50002 | 52546 => "JPEG XL",
            _ => "unknown compression",
        };
        Err(Error::unsupported(format!(
            "{name} (compression {tag}) in a TIFF; none, LZW, Deflate, PackBits and ZSTD are read"
        )))
    }

    /// The first `length` bytes of a chunk. A Deflate or ZSTD stream may hold up to `length_max` bytes (a last strip
    /// that some writers fill up with rows below the image); one that holds more contradicts the header.
    pub(super) fn decode(self, encoded: &[u8], length: usize, length_max: usize) -> Result<Vec<u8>> {
        match self.decode_to(encoded, length) {
            Err(Overflow::Longer) if length_max > length => self.decode_to(encoded, length_max).map(|mut bytes| {
                bytes.truncate(length);
                bytes
            }),
            decoded => decoded,
        }
        .map_err(|problem| match problem {
            Overflow::Longer => Error::malformed(format!("more than the {length_max} bytes that the header promises")),
            Overflow::Other(error) => error,
        })
    }

    fn decode_to(self, encoded: &[u8], length: usize) -> Result<Vec<u8>, Overflow> {
        let mut decoded = buffer::zeroed(length)?;
        let held = match self {
            Self::None => {
                let held = encoded.len().min(length);
                decoded[..held].copy_from_slice(&encoded[..held]);
                held
            }
            Self::Lzw => lzw(encoded, &mut decoded)?,
            Self::Deflate => inflate(encoded, &mut decoded)?,
            Self::PackBits => packbits::decode(encoded, &mut decoded),
            Self::Zstd => zstd(encoded, &mut decoded)?,
        };
        if held < length {
            return Err(Error::malformed(format!("cut short: {held} of {length} bytes")).into());
        }
        Ok(decoded)
    }
}

enum Overflow {
    /// The stream holds more than the buffer.
    Longer,
    Other(Error),
}

impl From<Error> for Overflow {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

fn inflate(encoded: &[u8], decoded: &mut [u8]) -> Result<usize, Overflow> {
    INFLATE.with_borrow_mut(|decompressor| decompressor.zlib_decompress(encoded, decoded)).map_err(
        |error| match error {
            DecompressionError::InsufficientSpace => Overflow::Longer,
            DecompressionError::BadData => Error::malformed("damaged or cut short Deflate stream").into(),
        },
    )
}

fn zstd(encoded: &[u8], decoded: &mut [u8]) -> Result<usize, Overflow> {
    ZSTD.with_borrow_mut(|held| {
        let fresh = match held.take() {
            Some(decompressor) => decompressor,
            None => zstd::bulk::Decompressor::new().map_err(Error::limit)?,
        };
        held.insert(fresh).decompress_to_buffer(encoded, decoded).map_err(|error| {
            // The crate hands on zstd's message and no code.
            if error.to_string().starts_with("Destination buffer is too small") {
                Overflow::Longer
            } else {
                Error::malformed(format!("damaged or cut short ZSTD stream: {error}")).into()
            }
        })
    })
}

/// TIFF's LZW: most significant bit first, code width one code early. GDAL's streams often lack the end code, so
/// what counts is that the buffer fills.
fn lzw(encoded: &[u8], decoded: &mut [u8]) -> Result<usize> {
    if matches!(encoded, [0, second, ..] if second & 1 == 1) {
        return Err(Error::unsupported("old-style LZW, least significant bit first"));
    }
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut read, mut written) = (0, 0);
    while written < decoded.len() {
        let step = decoder.decode_bytes(&encoded[read..], &mut decoded[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Err(_) if written < decoded.len() => return Err(Error::malformed("damaged LZW stream")),
            _ => break,
        }
    }
    Ok(written)
}
