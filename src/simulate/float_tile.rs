//! Patches of floating-point values: GeoTIFFs with named bands, or NPY files.

use std::path::Path;

use jiff::civil::Date;
use libdeflater::{CompressionLvl, Compressor};

use super::tile::{geo_keys, utm};
use crate::output::tiff_directory::{Directory, Form};
use crate::{Error, Result};

/// Pixels in metres.
const PIXEL_M: f64 = 10.0;
/// Deflate.
const LEVEL: i32 = 2;

/// What a patch is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// GeoTIFF: `float32`, Deflate, NaN for no data, bands described by their names.
    Tiff,
    /// NPY: `float32` of bands, rows and columns, and nothing about them.
    Npy,
}

impl Format {
    /// `tif` or `npy`
    pub fn extension(self) -> &'static str {
        match self {
            Self::Tiff => "tif",
            Self::Npy => "npy",
        }
    }
}

/// A patch.
#[derive(Debug, Clone)]
pub struct FloatTile<'a> {
    /// Names of the bands.
    pub bands: &'a [&'a str],
    /// Band after band, row by row; NaN where there are no data.
    pub values: &'a [f32],
    /// Height and width in pixels of 10 m.
    pub side: usize,
    /// Degrees east and north of the centre.
    pub centre: (f64, f64),
    /// Acquisition date.
    pub date: Date,
    /// Share of clouds in percent.
    pub cloud_cover_percent: f64,
    /// What the image is, in words (ASCII).
    pub description: &'a str,
}

impl FloatTile<'_> {
    /// Writes the patch.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be written; [`crate::Kind::Usage`] for a place outside of UTM.
    pub fn write(&self, path: &Path, format: Format) -> Result<()> {
        let bytes = match format {
            Format::Tiff => self.tiff().map_err(|error| error.context(path.display()))?,
            Format::Npy => self.npy(),
        };
        std::fs::write(path, bytes).map_err(|e| Error::output(e).context(path.display()))
    }

    /// Version 1.0: magic, a header in Python's notation that ends at a multiple of 64 bytes, the values.
    fn npy(&self) -> Vec<u8> {
        let shape = format!("({}, {}, {})", self.bands.len(), self.side, self.side);
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// Header, one strip a band, the directory's long values, the directory.
    fn tiff(&self) -> Result<Vec<u8>> {
        let (epsg, x, y) = utm(self.centre)?;
        let mut bytes = b"II\x2a\0\0\0\0\0".to_vec();
        let level = CompressionLvl::new(LEVEL).map_err(|e| Error::output(format!("Deflate level {LEVEL}: {e:?}")))?;
        let mut compressor = Compressor::new(level);
        let [mut offsets, mut lengths] = [Vec::new(), Vec::new()];
        for plane in self.values.chunks(self.side * self.side) {
            let samples: Vec<u8> = plane.chunks(self.side).flat_map(by_significance).collect();
            let start = bytes.len();
            bytes.resize(start + compressor.zlib_compress_bound(samples.len()), 0);
            let length = compressor.zlib_compress(&samples, &mut bytes[start..]).map_err(Error::output)?;
            bytes.truncate(start + length.next_multiple_of(2));
            offsets.push(start as u32);
            lengths.push(length as u32);
        }
        let directory = self.directory(&offsets, &lengths, epsg, [x, y]);
        let [directory, values] = directory.encode(Form::Classic, bytes.len() as u64, 0);
        bytes.extend(values);
        let offset = bytes.len() as u32;
        bytes.extend(directory);
        bytes[4..8].copy_from_slice(&offset.to_le_bytes());
        Ok(bytes)
    }

    fn directory(&self, offsets: &[u32], lengths: &[u32], epsg: u16, [x, y]: [f64; 2]) -> Directory {
        let (side, bands) = (self.side as u32, self.bands.len());
        let corner = |value: f64| (value / PIXEL_M).round() * PIXEL_M;
        let half = self.side as f64 * PIXEL_M / 2.0;
        let mut directory = Directory::new();
        directory.longs(256, &[side]);
        directory.longs(257, &[side]);
        directory.shorts(258, &vec![32; bands]); // bits per sample
        directory.shorts(259, &[8]); // compression: Deflate
        directory.shorts(262, &[1]); // photometric: zero is black
        directory.text(270, self.description);
        directory.longs(273, offsets);
        directory.shorts(277, &[bands as u16]); // samples per pixel
        directory.longs(278, &[side]); // rows per strip
        directory.longs(279, lengths);
        directory.shorts(284, &[2]); // band after band
        directory.text(306, &self.date.strftime("%Y:%m:%d 10:30:00").to_string());
        directory.shorts(317, &[3]); // predictor: bytes by significance, differences along rows
        if bands > 1 {
            directory.shorts(338, &vec![0; bands - 1]); // extra samples: no opacity
        }
        directory.shorts(339, &vec![3; bands]); // floating point
        directory.doubles(33550, &[PIXEL_M, PIXEL_M, 0.0]);
        directory.doubles(33922, &[0.0, 0.0, 0.0, corner(x - half), corner(y + half), 0.0]);
        directory.shorts(34735, &geo_keys(epsg));
        directory.text(42112, &self.metadata());
        directory.text(42113, "nan");
        directory
    }

    fn metadata(&self) -> String {
        let item = |name: &str, value: &str| format!("<Item name=\"{name}\">{value}</Item>");
        let mut text = "<GDALMetadata>".to_owned();
        text += &item("ACQUISITION_DATE", &self.date.to_string());
        text += &item("CLOUDY_PIXEL_PERCENTAGE", &format!("{:.1}", self.cloud_cover_percent));
        for (index, band) in self.bands.iter().enumerate() {
            text += &format!("<Item name=\"DESCRIPTION\" sample=\"{index}\" role=\"description\">{band}</Item>");
        }
        text + "</GDALMetadata>"
    }
}

/// A row of floats as predictor 3 has it: the most significant bytes of all, then the next; each less the one before it.
fn by_significance(row: &[f32]) -> Vec<u8> {
    let mut last = 0;
    let sorted = (0..4).flat_map(|byte| row.iter().map(move |value| value.to_be_bytes()[byte]));
    sorted.map(|byte| byte.wrapping_sub(std::mem::replace(&mut last, byte))).collect()
}
