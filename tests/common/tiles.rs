//! Tiles written by the `tiff` crate, which shares no code with the reader under test.
#![allow(dead_code)]

use std::fs::File;
use std::path::Path;

use tiff::encoder::colortype::{Gray8, Gray16, RGB16, RGBA16};
use tiff::encoder::{Compression, TiffEncoder};

/// Writes a `uint16` tile of 1, 3 or 4 bands; `sample(band, row, column)`.
pub fn write_u16(path: &Path, bands: usize, side: u32, sample: impl Fn(usize, u32, u32) -> u16) {
    let mut data = Vec::with_capacity(bands * (side * side) as usize);
    for row in 0..side {
        for column in 0..side {
            data.extend((0..bands).map(|band| sample(band, row, column)));
        }
    }
    let encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    let mut encoder = encoder.with_compression(Compression::Deflate(Default::default()));
    match bands {
        1 => encoder.write_image::<Gray16>(side, side, &data),
        3 => encoder.write_image::<RGB16>(side, side, &data),
        4 => encoder.write_image::<RGBA16>(side, side, &data),
        _ => panic!("{bands} bands"),
    }
    .unwrap();
}

/// A tile whose bands are level, with a little texture.
pub fn write_level(path: &Path, side: u32, levels: [u16; 4]) {
    write_u16(path, 4, side, |band, row, column| levels[band] + ((row * 7 + column * 3) % 5) as u16);
}

/// Writes a map of labels; `class(row, column)`.
pub fn write_labels(path: &Path, side: u32, class: impl Fn(u32, u32) -> u8) {
    let pixels: Vec<u8> = (0..side * side).map(|pixel| class(pixel / side, pixel % side)).collect();
    let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    encoder.write_image::<Gray8>(side, side, &pixels).unwrap();
}
