//! What `inspect` shows of a raster's pixels.

use sha2::{Digest, Sha256};

use super::reader::Raster;
use super::types::{Header, Planes, SampleType, Window};
use crate::Result;

/// Bytes of pixels held at a time, at most, unless one row needs more.
const STEP_BYTES: u64 = 32 << 20;

/// Statistics of one band.
#[derive(Debug, Clone, PartialEq)]
pub struct BandFacts {
    /// Pixels that are neither the file's nodata value nor NaN; the three statistics are over these.
    pub valid: u64,
    /// Smallest sample; `None` without valid pixels.
    pub minimum: Option<f64>,
    /// Mean of the samples, summed in float64; `None` without valid pixels.
    pub mean: Option<f64>,
    /// Largest sample; `None` without valid pixels.
    pub maximum: Option<f64>,
    /// SHA-256 of all the band's samples: row by row, little-endian, before any scaling, nodata included.
    pub sha256: [u8; 32],
}

struct Tally {
    valid: u64,
    minimum: f64,
    maximum: f64,
    sum: f64,
    hasher: Sha256,
}

impl Raster {
    /// Reads every pixel once and returns the facts of each band, in file order.
    ///
    /// # Errors
    ///
    /// Those of [`Raster::read`].
    pub fn band_facts(&self) -> Result<Vec<BandFacts>> {
        let header = self.header();
        let bands: Vec<usize> = (0..header.bands.len()).collect();
        let pixel_bytes = (bands.len() * header.sample_type.size_bytes()) as u64;
        // All bands together if some rows of them fit, else one after the other.
        let row_bytes = u64::from(header.width) * pixel_bytes;
        let at_once = if row_bytes <= STEP_BYTES { bands.len() } else { 1 };
        let mut facts = Vec::with_capacity(bands.len());
        let mut planes = Planes::new();
        for group in bands.chunks(at_once) {
            let group_row_bytes = row_bytes / bands.len() as u64 * group.len() as u64;
            let rows = (STEP_BYTES / group_row_bytes).clamp(1, u64::from(header.height)) as u32;
            let mut tallies: Vec<Tally> = group.iter().map(|_| Tally::new()).collect();
            for y in (0..header.height).step_by(rows as usize) {
                let window = Window { x: 0, y, width: header.width, height: rows.min(header.height - y) };
                self.read(window, group, &mut planes)?;
                for (band, tally) in tallies.iter_mut().enumerate() {
                    tally.add(planes.band(band), header);
                }
            }
            facts.extend(tallies.into_iter().map(Tally::facts));
        }
        Ok(facts)
    }
}

impl Tally {
    fn new() -> Self {
        Self { valid: 0, minimum: f64::INFINITY, maximum: f64::NEG_INFINITY, sum: 0.0, hasher: Sha256::new() }
    }

    fn add(&mut self, samples: &[u8], header: &Header) {
        self.hasher.update(samples);
        let nodata = header.nodata_sample();
        let mut sample = |value: f64| {
            if value.is_nan() || Some(value) == nodata {
                return;
            }
            self.valid += 1;
            self.minimum = self.minimum.min(value);
            self.maximum = self.maximum.max(value);
            self.sum += value;
        };
        macro_rules! each {
            ($type:ty) => {
                samples.as_chunks().0.iter().for_each(|&bytes| sample(<$type>::from_le_bytes(bytes).into()))
            };
        }
        match header.sample_type {
            SampleType::U8 => each!(u8),
            SampleType::U16 => each!(u16),
            SampleType::I16 => each!(i16),
            SampleType::U32 => each!(u32),
            SampleType::I32 => each!(i32),
            SampleType::F32 => each!(f32),
            SampleType::F64 => each!(f64),
        }
    }

    fn facts(self) -> BandFacts {
        let some = |value| (self.valid > 0).then_some(value);
        BandFacts {
            valid: self.valid,
            minimum: some(self.minimum),
            mean: some(self.sum / self.valid as f64),
            maximum: some(self.maximum),
            sha256: self.hasher.finalize().into(),
        }
    }
}
