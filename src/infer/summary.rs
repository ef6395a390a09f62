//! What a window's reflectance was like before anything was clipped or standardised: two numbers a band.

use crate::raster::{Planes, SampleType};
use crate::scene::{BandRadiometry, Radiometry};

/// One window in a few numbers, for comparing many.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSummary {
    /// Share of the window's pixels that are valid in every band, 0 to 1.
    pub valid_share: f32,
    /// Mean and standard deviation of each band's reflectance over the valid pixels, in the model's order; empty where
    /// none is valid.
    pub bands: Box<[BandSummary]>,
}

/// Reflectance of one band over the valid pixels of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandSummary {
    /// Mean.
    pub mean: f32,
    /// Standard deviation, with the number of pixels as divisor.
    pub standard_deviation: f32,
}

impl WindowSummary {
    /// Of samples as they were read; `valid` is a mask of rows of `side_px`, of which the window fills the first.
    pub fn of(planes: &Planes, radiometry: &Radiometry, valid: &[bool], side_px: usize) -> Self {
        let valid_pixels = valid.iter().filter(|&&is_valid| is_valid).count();
        let summarise = |band| summarise(planes, band, radiometry.bands[band], valid, side_px);
        Self {
            valid_share: (valid_pixels as f64 / valid.len().max(1) as f64) as f32,
            bands: if valid_pixels == 0 { Box::default() } else { (0..planes.bands).map(summarise).collect() },
        }
    }
}

fn summarise(planes: &Planes, band: usize, radiometry: BandRadiometry, valid: &[bool], side_px: usize) -> BandSummary {
    let moments = |read: fn(&[u8]) -> f64| {
        let row_bytes = planes.width * planes.sample_type.size_bytes();
        let rows = planes.band(band).chunks_exact(row_bytes.max(1)).zip(valid.chunks_exact(side_px.max(1)));
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (samples, valid) in rows {
            for (sample, _) in
                samples.chunks_exact(planes.sample_type.size_bytes()).zip(valid).filter(|(_, is_valid)| **is_valid)
            {
                let value = read(sample);
                (n, sum, squares) = (n + 1.0, sum + value, squares + value * value);
            }
        }
        let mean = sum / n;
        (mean, (squares / n - mean * mean).max(0.0).sqrt())
    };
    let (mean, deviation) = moments(sample_reader(planes.sample_type));
    let BandRadiometry { dn_scale, dn_offset } = radiometry;
    BandSummary {
        mean: ((mean + dn_offset) * dn_scale) as f32,
        standard_deviation: (deviation * dn_scale.abs()) as f32,
    }
}

/// What turns the bytes of a sample into a number.
pub(super) fn sample_reader(sample_type: SampleType) -> fn(&[u8]) -> f64 {
    match sample_type {
        SampleType::U8 => |bytes| bytes.first().copied().map_or(0.0, f64::from),
        SampleType::U16 => |bytes| bytes.try_into().map_or(0.0, |bytes| f64::from(u16::from_le_bytes(bytes))),
        SampleType::I16 => |bytes| bytes.try_into().map_or(0.0, |bytes| f64::from(i16::from_le_bytes(bytes))),
        SampleType::U32 => |bytes| bytes.try_into().map_or(0.0, |bytes| f64::from(u32::from_le_bytes(bytes))),
        SampleType::I32 => |bytes| bytes.try_into().map_or(0.0, |bytes| f64::from(i32::from_le_bytes(bytes))),
        SampleType::F32 => |bytes| bytes.try_into().map_or(0.0, |bytes| f64::from(f32::from_le_bytes(bytes))),
        SampleType::F64 => |bytes| bytes.try_into().map_or(0.0, f64::from_le_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_of_the_valid_pixels_in_reflectance_and_not_clipped() {
        let samples: [u16; 4] = [1000, 3000, 9000, 65535];
        let planes = Planes {
            sample_type: SampleType::U16,
            bands: 1,
            width: 2,
            height: 2,
            bytes: samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
        };
        let radiometry = Radiometry {
            bands: vec![BandRadiometry { dn_scale: 1e-4, dn_offset: -1000.0 }],
            nodata: Vec::new(),
            source: "file".into(),
            is_offset_assumed: false,
            is_offset_checked: false,
        };
        // A window of 2×2 in an input of 3×3; its last pixel is invalid.
        let valid = [true, true, false, true, false, false, false, false, false];
        let summary = WindowSummary::of(&planes, &radiometry, &valid, 3);
        assert_eq!(summary.valid_share, 1.0 / 3.0);
        // Reflectances 0, 0.2 and 0.8: mean 1/3, variance 0.68/3 − 1/9.
        let [band] = *summary.bands else { panic!("{summary:?}") };
        assert!((band.mean - 1.0 / 3.0).abs() < 1e-6, "{band:?}");
        assert!((band.standard_deviation - (0.68f32 / 3.0 - 1.0 / 9.0).sqrt()).abs() < 1e-6, "{band:?}");
        assert!(WindowSummary::of(&planes, &radiometry, &[false; 9], 3).bands.is_empty());
    }
}
