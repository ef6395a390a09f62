//! Tiles: classic little-endian TIFF, pixel-interleaved `uint16`, one strip.

use std::path::{Path, PathBuf};

pub const BANDS: usize = 4;

/// How the strip is stored.
#[derive(Debug, Clone, Copy)]
pub enum Codec {
    Raw,
    Deflate,
    Lzw,
    Zstd,
}

impl Codec {
    pub const ALL: [Self; 4] = [Self::Raw, Self::Deflate, Self::Lzw, Self::Zstd];

    fn tag(self) -> u16 {
        match self {
            Self::Raw => 1,
            Self::Lzw => 5,
            Self::Deflate => 8,
            Self::Zstd => 50_000,
        }
    }

    fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Raw => bytes.to_vec(),
            Self::Deflate => {
                let mut encoder = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
                let mut encoded = vec![0; encoder.zlib_compress_bound(bytes.len())];
                let length = encoder.zlib_compress(bytes, &mut encoded).unwrap();
                encoded.truncate(length);
                encoded
            }
            Self::Lzw => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap(),
            Self::Zstd => zstd::bulk::compress(bytes, 9).unwrap(),
        }
    }
}

/// Smooth ground with some noise, which compresses about as real patches do; `number` tells tiles apart.
pub fn ground(side_px: usize, number: usize) -> Vec<u16> {
    let mut state = number as u64 + 1;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 58) as f64 - 32.0
    };
    let phase = number as f64 * 0.37;
    let mut samples = Vec::with_capacity(side_px * side_px * BANDS);
    for row in 0..side_px {
        for column in 0..side_px {
            for band in 0..BANDS {
                let wave = (row as f64 / 9.0 + phase).sin() + (column as f64 / 13.0 - phase).cos();
                samples.push((1100.0 + 300.0 * band as f64 + 180.0 * wave + noise()) as u16);
            }
        }
    }
    samples
}

/// A tile as a file's bytes; horizontal differencing (predictor 2) wherever it is compressed.
pub fn tiff(samples: &[u16], side_px: usize, codec: Codec) -> Vec<u8> {
    let predictor: u16 = if matches!(codec, Codec::Raw) { 1 } else { 2 };
    let mut samples = samples.to_vec();
    if predictor == 2 {
        for row in samples.chunks_exact_mut(side_px * BANDS) {
            for index in (BANDS..row.len()).rev() {
                row[index] = row[index].wrapping_sub(row[index - BANDS]);
            }
        }
    }
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let strip = codec.encode(&bytes);
    let (side, bands) = (side_px as u32, BANDS as u32);

    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let directory_bytes = 2 + 12 * 12 + 4;
    let bits_at = 8 + directory_bytes;
    let extra_at = bits_at + 2 * bands;
    let strip_at = extra_at + 2 * (bands - 1);
    let entries: [(u16, u16, u32, u32); 12] = [
        (256, LONG, 1, side),
        (257, LONG, 1, side),
        (258, SHORT, bands, bits_at),
        (259, SHORT, 1, codec.tag().into()),
        (262, SHORT, 1, 1),
        (273, LONG, 1, strip_at),
        (277, SHORT, 1, bands),
        (278, LONG, 1, side),
        (279, LONG, 1, strip.len() as u32),
        (284, SHORT, 1, 1),
        (317, SHORT, 1, predictor.into()),
        (338, SHORT, bands - 1, extra_at),
    ];
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    file.extend(std::iter::repeat_n(16u16.to_le_bytes(), BANDS).flatten());
    file.extend(std::iter::repeat_n(0u16.to_le_bytes(), BANDS - 1).flatten());
    file.extend(strip);
    file
}

/// Writes `count` Deflate tiles into `folder`.
pub fn write(folder: &Path, side_px: usize, count: usize) -> Vec<PathBuf> {
    let one = |number| {
        let path = folder.join(format!("tile-{number:04}.tif"));
        std::fs::write(&path, tiff(&ground(side_px, number), side_px, Codec::Deflate)).unwrap();
        path
    };
    (0..count).map(one).collect()
}
