//! Tiles as users of Sentinel-1 and -2 have them: GeoTIFFs in UTM, of digital numbers or of floating point, or NPY.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use jiff::civil::Date;
use libdeflater::{CompressionLvl, Compressor};
use proj4rs::Proj;
use proj4rs::errors::Error as ProjError;

use crate::output::tiff_directory::{Directory, Form};
use crate::{Error, Result};

/// Pixels of Sentinel-2's visible bands in metres; bands with larger ones are resampled to them.
const PIXEL_M: f64 = 10.0;
/// DN per unit of reflectance.
const QUANTIFICATION: f32 = 10_000.0;

/// What a tile is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// GeoTIFF: `uint16` of reflectance × 10,000, scale and offset stated, 0 for no data (and so never for a pixel).
    Dn,
    /// GeoTIFF: `float32`, NaN for no data.
    Float,
    /// NPY: `float32` of bands, rows and columns, and nothing about them.
    Npy,
}

impl Format {
    /// `tif` or `npy`
    pub fn extension(self) -> &'static str {
        match self {
            Self::Dn | Self::Float => "tif",
            Self::Npy => "npy",
        }
    }
}

/// How a TIFF has its samples.
struct Samples {
    bits: u16,
    /// 1: unsigned, 3: floating point.
    kind: u16,
    /// 2: differences along rows; 3: bytes by significance, then differences.
    predictor: u16,
    /// Of Deflate: a tile of six bands of DN takes half a millisecond at 4.
    level: i32,
    nodata: &'static str,
    /// Name, role and value of what is stated of each band beside its name.
    items: &'static [(&'static str, &'static str, &'static str)],
    row: fn(&[f32]) -> Vec<u8>,
}

const DN: Samples = Samples {
    bits: 16,
    kind: 1,
    predictor: 2,
    level: 4,
    nodata: "0",
    items: &[("SCALE", "scale", "0.0001"), ("OFFSET", "offset", "0")],
    row: differences,
};
const FLOAT: Samples =
    Samples { bits: 32, kind: 3, predictor: 3, level: 2, nodata: "nan", items: &[], row: by_significance };

/// A tile.
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// Names of the bands.
    pub bands: &'a [&'a str],
    /// Reflectance, or what else a band has; band after band, row by row. In floating point NaN where there are no data.
    pub values: &'a [f32],
    /// Height and width in pixels.
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

impl Tile<'_> {
    /// Writes the tile.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be written; [`crate::Kind::Usage`] for a place outside of UTM.
    pub fn write(&self, path: &Path, format: Format) -> Result<()> {
        let bytes = match format {
            Format::Dn => self.tiff(&DN),
            Format::Float => self.tiff(&FLOAT),
            Format::Npy => Ok(self.npy()),
        }
        .map_err(|error| error.context(path.display()))?;
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
    fn tiff(&self, samples: &Samples) -> Result<Vec<u8>> {
        let (epsg, x, y) = utm(self.centre)?;
        let mut bytes = b"II\x2a\0\0\0\0\0".to_vec();
        let strips = self.strips(samples, &mut bytes)?;
        let mut directory = Directory::new();
        self.describe(&mut directory, samples, &strips, epsg, [x, y]);
        let [directory, values] = directory.encode(Form::Classic, bytes.len() as u64, 0);
        bytes.extend(values);
        let offset = bytes.len() as u32;
        bytes.extend(directory);
        bytes[4..8].copy_from_slice(&offset.to_le_bytes());
        Ok(bytes)
    }

    /// Appends the bands; returns their offsets and lengths.
    fn strips(&self, &Samples { level, row, .. }: &Samples, bytes: &mut Vec<u8>) -> Result<[Vec<u32>; 2]> {
        let level = CompressionLvl::new(level).map_err(|e| Error::output(format!("Deflate level {level}: {e:?}")))?;
        let mut compressor = Compressor::new(level);
        let [mut offsets, mut lengths] = [Vec::new(), Vec::new()];
        for plane in self.values.chunks(self.side * self.side) {
            let samples: Vec<u8> = plane.chunks(self.side).flat_map(row).collect();
            let start = bytes.len();
            bytes.resize(start + compressor.zlib_compress_bound(samples.len()), 0);
            let length = compressor.zlib_compress(&samples, &mut bytes[start..]).map_err(Error::output)?;
            bytes.truncate(start + length.next_multiple_of(2));
            offsets.push(start as u32);
            lengths.push(length as u32);
        }
        Ok([offsets, lengths])
    }

    fn describe(
        &self,
        directory: &mut Directory,
        samples: &Samples,
        [offsets, lengths]: &[Vec<u32>; 2],
        epsg: u16,
        [x, y]: [f64; 2],
    ) {
        let (side, bands) = (self.side as u32, self.bands.len());
        let corner = |value: f64| (value / PIXEL_M).round() * PIXEL_M;
        let half = self.side as f64 * PIXEL_M / 2.0;
        directory.longs(256, &[side]);
        directory.longs(257, &[side]);
        directory.shorts(258, &vec![samples.bits; bands]); // bits per sample
        directory.shorts(259, &[8]); // compression: Deflate
        directory.shorts(262, &[1]); // photometric: zero is black
        directory.text(270, self.description);
        directory.longs(273, offsets);
        directory.shorts(277, &[bands as u16]); // samples per pixel
        directory.longs(278, &[side]); // rows per strip
        directory.longs(279, lengths);
        directory.shorts(284, &[2]); // band after band
        directory.text(306, &self.date.strftime("%Y:%m:%d 10:30:00").to_string());
        directory.shorts(317, &[samples.predictor]);
        if bands > 1 {
            directory.shorts(338, &vec![0; bands - 1]); // extra samples: no opacity
        }
        directory.shorts(339, &vec![samples.kind; bands]); // sample format
        directory.doubles(33550, &[PIXEL_M, PIXEL_M, 0.0]);
        directory.doubles(33922, &[0.0, 0.0, 0.0, corner(x - half), corner(y + half), 0.0]);
        directory.shorts(34735, &geo_keys(epsg));
        directory.text(42112, &self.metadata(samples.items));
        directory.text(42113, samples.nodata);
    }

    fn metadata(&self, items: &[(&str, &str, &str)]) -> String {
        let mut text = "<GDALMetadata>".to_owned();
        text += &format!("<Item name=\"ACQUISITION_DATE\">{}</Item>", self.date);
        text += &format!("<Item name=\"CLOUDY_PIXEL_PERCENTAGE\">{:.1}</Item>", self.cloud_cover_percent);
        for (index, band) in self.bands.iter().enumerate() {
            for (name, role, value) in std::iter::once(&("DESCRIPTION", "description", *band)).chain(items) {
                text += &format!("<Item name=\"{name}\" sample=\"{index}\" role=\"{role}\">{value}</Item>");
            }
        }
        text + "</GDALMetadata>"
    }
}

/// A row of pixels as DN, each less the one before it.
fn differences(row: &[f32]) -> Vec<u8> {
    let dn = |value: f32| (value * QUANTIFICATION).round().clamp(1.0, f32::from(u16::MAX)) as u16;
    let mut last = 0;
    let difference = |value: &f32| dn(*value).wrapping_sub(std::mem::replace(&mut last, dn(*value))).to_le_bytes();
    row.iter().flat_map(difference).collect()
}

/// A row of floats as predictor 3 has it: the most significant bytes of all, then the next; each less the one before it.
fn by_significance(row: &[f32]) -> Vec<u8> {
    let mut last = 0;
    let sorted = (0..4).flat_map(|byte| row.iter().map(move |value| value.to_be_bytes()[byte]));
    sorted.map(|byte| byte.wrapping_sub(std::mem::replace(&mut last, byte))).collect()
}

thread_local! {
    /// Building a projection costs far more than using it.
    static PROJECTIONS: RefCell<HashMap<u16, Proj>> = RefCell::default();
}

/// EPSG code, easting and northing in metres of a place (degrees east and north) in its own UTM zone.
///
/// # Errors
/// [`crate::Kind::Usage`] where there is none.
pub fn utm((longitude, latitude): (f64, f64)) -> Result<(u16, f64, f64)> {
    let zone = (((longitude + 180.0) / 6.0).floor() as i64).rem_euclid(60) as u16 + 1;
    let epsg = if latitude < 0.0 { 32700 } else { 32600 } + zone;
    let project = |projections: &mut HashMap<u16, Proj>| -> Result<(f64, f64), ProjError> {
        for code in [4326, epsg] {
            if let Entry::Vacant(place) = projections.entry(code) {
                place.insert(Proj::from_epsg_code(code)?);
            }
        }
        let mut point = (longitude.to_radians(), latitude.to_radians(), 0.0);
        proj4rs::transform::transform(&projections[&4326], &projections[&epsg], &mut point)?;
        Ok((point.0, point.1))
    };
    let (x, y) = PROJECTIONS
        .with_borrow_mut(project)
        .map_err(|e| Error::usage(format!("no UTM coordinates of {longitude}, {latitude}: {e}")))?;
    Ok((epsg, x, y))
}

/// GeoKeyDirectory: version 1.1.0 and three keys, projected coordinates, pixels as areas, the code.
fn geo_keys(epsg: u16) -> [u16; 16] {
    [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg]
}
