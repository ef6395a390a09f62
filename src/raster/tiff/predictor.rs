//! Undoing the predictors, row by row.
//!
//! Predictor 2 stores the difference to the same band's sample in the pixel before (TIFF 6.0, section 14), for any
//! sample size. Predictor 3 (Adobe Photoshop TIFF technical note 3) does so for bytes, after it has sorted the bytes
//! of a row of floats by significance, the most significant first, whatever the file's byte order.

use super::codec::Compression;
use crate::raster::types::SampleType;
use crate::{Error, Result};

/// How samples were changed before they were compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

impl Predictor {
    pub(super) fn from_tag(tag: u64, compression: Compression, sample_type: SampleType) -> Result<Self> {
        let predictor = match tag {
            1 => return Ok(Self::None),
            2 => Self::Horizontal,
            3 if matches!(sample_type, SampleType::F32 | SampleType::F64) => Self::Float,
            3 => return Err(Error::malformed(format!("float predictor on {} samples", sample_type.name()))),
            other => return Err(Error::malformed(format!("predictor {other}"))),
        };
        match compression {
            // Some readers apply it, libtiff passes it over: there is no telling which pixels are meant.
            Compression::None | Compression::PackBits => {
                Err(Error::unsupported("a predictor without LZW, Deflate or ZSTD compression"))
            }
            Compression::Lzw | Compression::Deflate | Compression::Zstd => Ok(predictor),
        }
    }

    /// Turns the decoded bytes of a chunk into little-endian samples, in place.
    pub(super) fn undo(self, bytes: &mut [u8], row_bytes: usize, samples: usize, size: usize, big_endian: bool) {
        if big_endian && size > 1 && self != Self::Float {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        match self {
            Self::None => {}
            Self::Horizontal => bytes.chunks_exact_mut(row_bytes).for_each(|row| match size {
                1 => sum_bytes(row, samples),
                2 => sum_words(row, samples),
                4 => sum_doubles(row, samples),
                _ => sum_quads(row, samples),
            }),
            Self::Float => {
                let mut sorted = vec![0; row_bytes];
                for row in bytes.chunks_exact_mut(row_bytes) {
                    sum_bytes(row, samples);
                    sorted.copy_from_slice(row);
                    join(&sorted, size, row);
                }
            }
        }
    }
}

macro_rules! sums {
    ($($name:ident, $integer:ty;)*) => {$(
        /// Running sums of each of `samples` interleaved bands; the usual band counts are unrolled.
        fn $name(row: &mut [u8], samples: usize) {
            const SIZE: usize = size_of::<$integer>();
            fn add(sums: &mut [$integer], pixel: &mut [u8]) {
                for (sum, sample) in sums.iter_mut().zip(pixel.as_chunks_mut::<SIZE>().0) {
                    *sum = sum.wrapping_add(<$integer>::from_le_bytes(*sample));
                    *sample = sum.to_le_bytes();
                }
            }
            fn fixed<const SAMPLES: usize>(row: &mut [u8]) {
                let mut sums = [0; SAMPLES];
                row.chunks_exact_mut(SAMPLES * SIZE).for_each(|pixel| add(&mut sums, pixel));
            }
            match samples {
                1 => fixed::<1>(row),
                2 => fixed::<2>(row),
                3 => fixed::<3>(row),
                4 => fixed::<4>(row),
                _ => {
                    let mut sums = vec![0; samples];
                    row.chunks_exact_mut(samples * SIZE).for_each(|pixel| add(&mut sums, pixel));
                }
            }
        }
    )*};
}

sums! {
    sum_bytes, u8;
    sum_words, u16;
    sum_doubles, u32;
    sum_quads, u64;
}

/// Puts the bytes of each sample together again, least significant first.
fn join(sorted: &[u8], size: usize, row: &mut [u8]) {
    let count = sorted.len() / size;
    for (significance, plane) in sorted.chunks_exact(count).enumerate() {
        for (sample, &byte) in row.chunks_exact_mut(size).zip(plane) {
            sample[size - 1 - significance] = byte;
        }
    }
}
