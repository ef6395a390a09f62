//! Compression of the tiles of a map.

use std::str::FromStr;

use libdeflater::{CompressionLvl, Compressor};

use crate::{Error, Result};

/// GDAL's own level for ZSTD.
const ZSTD_LEVEL: i32 = 9;

/// How the tiles of a map are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapCompression {
    /// Every reader of TIFF knows it.
    #[default]
    Deflate,
    /// Faster to read, for GDAL 2.3 and later built with it.
    Zstd,
}

impl FromStr for MapCompression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "deflate" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Error::usage(format!("--map-compression {text}: give deflate or zstd"))),
        }
    }
}

impl MapCompression {
    /// The value of TIFF's tag 259.
    pub(super) fn tag(self) -> u16 {
        match self {
            Self::Deflate => 8,
            Self::Zstd => 50_000,
        }
    }
}

/// A compressor with its scratch.
pub(super) enum Encoder {
    Deflate(Compressor, Vec<u8>),
    Zstd(Vec<u8>),
}

impl Encoder {
    pub(super) fn new(compression: MapCompression) -> Self {
        match compression {
            MapCompression::Deflate => Self::Deflate(Compressor::new(CompressionLvl::default()), Vec::new()),
            MapCompression::Zstd => Self::Zstd(Vec::new()),
        }
    }

    /// The bytes, compressed.
    pub(super) fn encode(&mut self, bytes: &[u8]) -> Result<&[u8]> {
        match self {
            Self::Deflate(compressor, scratch) => {
                scratch.resize(compressor.zlib_compress_bound(bytes.len()), 0);
                let length = compressor.zlib_compress(bytes, scratch).map_err(failed)?;
                scratch.truncate(length);
                Ok(scratch)
            }
            Self::Zstd(scratch) => {
                *scratch = zstd::bulk::compress(bytes, ZSTD_LEVEL).map_err(failed)?;
                Ok(scratch)
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::output(format!("cannot compress: {error}"))
}
