//! Samples to network input: reflectance, clipping, standardisation and the validity mask, in one pass a band.

use crate::model::Manifest;
use crate::raster::{Planes, SampleType};
use crate::scene::{BandRadiometry, Radiometry};
use crate::{Error, Result};

/// The version of this file's arithmetic, which a manifest must ask for.
pub const PREPROCESSING_VERSION: &str = "1";

/// What a threshold profile is bound to: the version, and a hash of every number between a sample and a score.
pub fn preprocessing_id(manifest: &Manifest) -> String {
    let bands: Vec<_> = manifest.bands.iter().map(|band| (&band.name, band.mean, band.standard_deviation)).collect();
    let numbers =
        serde_json::json!([bands, manifest.clip, manifest.temperature, manifest.tile_px, manifest.dn_defaults]);
    let hash = crate::model::sha256(numbers.to_string().as_bytes());
    format!("{}-{}", manifest.preprocessing_version, &hash[..12])
}

/// What preprocessing needs of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Mean and standard deviation of reflectance per band.
    scaling: Vec<(f64, f64)>,
    clip: Option<(f64, f64)>,
    tile_px: usize,
}

/// What the pixels of a window looked like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PixelCensus {
    /// Pixels in the window.
    pub pixels: usize,
    /// Pixels valid in every band.
    pub valid: usize,
    /// Samples of the first band below each of [`OFFSET_CHECK_DN`], among the valid.
    below: [usize; 3],
    /// Share of the valid samples, over all bands, that lie outside of [`PLAUSIBLE_REFLECTANCE`].
    implausible_share: f64,
}

/// Reflectance before any clipping that a scene can have. Sentinel-2's clouds, snow and glint end at about 1.6, and its
/// products store nothing below -0.1: beyond these lie DN that were taken for reflectance, wrong scales and offsets, and
/// nodata values that nothing states.
pub const PLAUSIBLE_REFLECTANCE: [f64; 2] = [-0.2, 2.0];
/// A window with a larger share of implausible samples is an error; a smaller one may be glint or damaged pixels.
const IMPLAUSIBLE_SHARE_MAX: f64 = 0.1;

/// A 1st percentile between the last two is where an unremoved offset of +1000 puts dark ground. With the offset still in
/// them, few samples lie below the first: reflectance is seldom under -0.01.
const OFFSET_CHECK_DN: [f64; 3] = [900.0, 950.0, 1300.0];
/// Fewer valid pixels than this say nothing about a 1st percentile.
const OFFSET_CHECK_PIXELS_MIN: usize = 400;

/// How the pixels of a window go with the offset that is stated or assumed of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetHint {
    /// Nothing speaks against it.
    Fits,
    /// The 1st percentile of the first band sits just above 1,000 DN, as it does where the offset of baseline 04.00 is still
    /// in the samples, and none is to be removed.
    NotRemoved,
    /// Most of the ground would reflect less than nothing once the offset is removed.
    RemovedBefore,
}

impl PixelCensus {
    /// Share of valid pixels of a window that should have `expected` pixels.
    pub fn valid_share(&self, expected: usize) -> f64 {
        self.valid as f64 / expected.max(1) as f64
    }

    /// Why the pixels cannot be what they were taken for, if they cannot.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] naming the scale, the offset and the remedy.
    pub fn check_plausible(&self, radiometry: &Radiometry) -> Result<()> {
        let ([low, high], Some(band)) = (PLAUSIBLE_REFLECTANCE, radiometry.bands.first()) else { return Ok(()) };
        if self.implausible_share <= IMPLAUSIBLE_SHARE_MAX {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "{:.0} % of the samples lie outside of {low} to {high}, and no reflectance does: scale {} and offset {} DN \
             ({}) do not fit these pixels; give --dn-scale and --dn-offset (and --dn-force where the file states them), \
             or state the file's nodata value in the file",
            100.0 * self.implausible_share,
            band.dn_scale,
            band.dn_offset,
            radiometry.source
        )))
    }

    /// What the pixels say of the offset that was added to them; nothing where there are too few, or none of dark ground.
    pub fn offset_hint(&self, radiometry: &Radiometry) -> Option<OffsetHint> {
        let [negative, dark, dim] = self.below;
        let hundredth = self.valid / 100;
        if !radiometry.is_offset_checked || self.valid < OFFSET_CHECK_PIXELS_MIN || dim <= hundredth {
            return None;
        }
        let is_added = radiometry.bands.first()?.dn_offset < 0.0;
        Some(match is_added {
            false if dark <= hundredth => OffsetHint::NotRemoved,
            true if negative > self.valid / 2 => OffsetHint::RemovedBefore,
            _ => OffsetHint::Fits,
        })
    }
}

impl Preprocessing {
    /// Takes what it needs from a manifest.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            scaling: manifest
                .bands
                .iter()
                .map(|band| (f64::from(band.mean), f64::from(band.standard_deviation)))
                .collect(),
            clip: manifest.clip.map(|[low, high]| (f64::from(low), f64::from(high))),
            tile_px: manifest.tile_px as usize,
        }
    }

    /// Fills `input`, `[bands, tile_px, tile_px]`, and `valid`, `[tile_px, tile_px]`, from the samples of a window
    /// that is at most that large; what lies beyond the window is invalid. An invalid pixel is 0 in every band of
    /// `input`, which is the band's mean reflectance.
    pub fn apply(
        &self,
        planes: &Planes,
        radiometry: &Radiometry,
        input: &mut [f32],
        valid: &mut [bool],
    ) -> PixelCensus {
        valid.fill(true);
        let area = self.tile_px * self.tile_px;
        let is_partial = planes.width < self.tile_px || planes.height < self.tile_px;
        if is_partial {
            input.fill(0.0);
            self.mask_beyond(planes, valid);
        }
        let mut implausible = 0;
        for (band, target) in input.chunks_exact_mut(area).enumerate() {
            implausible += self.band(planes, band, radiometry, target, valid);
        }
        let mut census = PixelCensus { pixels: planes.width * planes.height, ..PixelCensus::default() };
        census.valid = valid.iter().filter(|&&is_valid| is_valid).count();
        if census.valid > 0 {
            // A sample may be implausible where another band has no data.
            census.implausible_share = (implausible as f64 / (planes.bands * census.valid) as f64).min(1.0);
        }
        if census.valid < area {
            for target in input.chunks_exact_mut(area) {
                target
                    .iter_mut()
                    .zip(&*valid)
                    .for_each(|(value, &is_valid)| *value = if is_valid { *value } else { 0.0 });
            }
        }
        if radiometry.is_offset_checked {
            census.below = self.count_below(planes, valid);
        }
        census
    }

    fn mask_beyond(&self, planes: &Planes, valid: &mut [bool]) {
        for (row, line) in valid.chunks_exact_mut(self.tile_px).enumerate() {
            let width = if row < planes.height { planes.width } else { 0 };
            line[width.min(self.tile_px)..].fill(false);
        }
    }

    /// Fills one band and gives the number of its implausible samples.
    fn band(
        &self,
        planes: &Planes,
        band: usize,
        radiometry: &Radiometry,
        target: &mut [f32],
        valid: &mut [bool],
    ) -> usize {
        let samples = planes.band(band);
        let (mean, deviation) = self.scaling[band];
        let BandRadiometry { dn_scale, dn_offset } = radiometry.bands[band];
        // ((DN + offset)·scale − mean) / deviation, as one multiplication and one addition.
        let [least, most] = PLAUSIBLE_REFLECTANCE;
        let standardised = |reflectance: f64| ((reflectance - mean) / deviation) as f32;
        // A model whose own mean is no reflectance takes something else, decibels for one.
        let is_reflectance = (least..=most).contains(&mean);
        let line = Line {
            gain: dn_scale / deviation,
            bias: (dn_offset * dn_scale - mean) / deviation,
            least: if is_reflectance { standardised(least) } else { f32::NEG_INFINITY },
            most: if is_reflectance { standardised(most) } else { f32::INFINITY },
            low: self.clip.map_or(f64::NEG_INFINITY, |(low, _)| (low - mean) / deviation) as f32,
            high: self.clip.map_or(f64::INFINITY, |(_, high)| (high - mean) / deviation) as f32,
        };
        let convert = |samples: &[u8], target: &mut [f32], valid: &mut [bool]| match planes.sample_type {
            SampleType::U8 => line.fast(samples, target, valid, &radiometry.nodata, |[byte]: [u8; 1]| f32::from(byte)),
            SampleType::U16 => {
                line.fast(samples, target, valid, &radiometry.nodata, |bytes| f32::from(u16::from_le_bytes(bytes)))
            }
            SampleType::I16 => {
                line.fast(samples, target, valid, &radiometry.nodata, |bytes| f32::from(i16::from_le_bytes(bytes)))
            }
            SampleType::F32 => line.fast(samples, target, valid, &radiometry.nodata, f32::from_le_bytes),
            SampleType::U32 => {
                line.wide(samples, target, valid, &radiometry.nodata, |bytes| f64::from(u32::from_le_bytes(bytes)))
            }
            SampleType::I32 => {
                line.wide(samples, target, valid, &radiometry.nodata, |bytes| f64::from(i32::from_le_bytes(bytes)))
            }
            SampleType::F64 => line.wide(samples, target, valid, &radiometry.nodata, f64::from_le_bytes),
        };
        if planes.width == self.tile_px && planes.height == self.tile_px {
            return convert(samples, target, valid);
        }
        let row_bytes = planes.width * planes.sample_type.size_bytes();
        let rows = target.chunks_exact_mut(self.tile_px).zip(valid.chunks_exact_mut(self.tile_px));
        let convert_row = |(samples, (target, valid)): (&[u8], (&mut [f32], &mut [bool]))| {
            convert(samples, &mut target[..planes.width], &mut valid[..planes.width])
        };
        samples.chunks_exact(row_bytes).zip(rows).map(convert_row).sum()
    }

    /// Valid samples of the first band below each of [`OFFSET_CHECK_DN`].
    fn count_below(&self, planes: &Planes, valid: &[bool]) -> [usize; 3] {
        let count = |size: usize, read: fn(&[u8]) -> f64| {
            let mut below = [0; 3];
            let rows = planes.band(0).chunks_exact((planes.width * size).max(1)).zip(valid.chunks_exact(self.tile_px));
            for (samples, valid) in rows {
                for (bytes, _) in samples.chunks_exact(size).zip(valid).filter(|(_, is_valid)| **is_valid) {
                    let dn = read(bytes);
                    below.iter_mut().zip(OFFSET_CHECK_DN).for_each(|(below, bound)| *below += usize::from(dn < bound));
                }
            }
            below
        };
        match planes.sample_type {
            SampleType::U16 => count(2, |bytes| bytes.try_into().map_or(0.0, |b| f64::from(u16::from_le_bytes(b)))),
            SampleType::I16 => count(2, |bytes| bytes.try_into().map_or(0.0, |b| f64::from(i16::from_le_bytes(b)))),
            SampleType::U32 => count(4, |bytes| bytes.try_into().map_or(0.0, |b| f64::from(u32::from_le_bytes(b)))),
            SampleType::I32 => count(4, |bytes| bytes.try_into().map_or(0.0, |b| f64::from(i32::from_le_bytes(b)))),
            SampleType::F32 => count(4, |bytes| bytes.try_into().map_or(0.0, |b| f64::from(f32::from_le_bytes(b)))),
            SampleType::U8 | SampleType::F64 => [0; 3],
        }
    }
}

/// network input = DN · gain + bias, clipped to low ..= high; plausible from least to most.
#[derive(Debug, Clone, Copy)]
struct Line {
    gain: f64,
    bias: f64,
    least: f32,
    most: f32,
    low: f32,
    high: f32,
}

impl Line {
    /// For samples that an f32 holds exactly; gives the number of implausible ones.
    fn fast<const N: usize>(
        self,
        samples: &[u8],
        target: &mut [f32],
        valid: &mut [bool],
        nodata: &[f64],
        read: impl Fn([u8; N]) -> f32,
    ) -> usize {
        let (gain, bias) = (self.gain as f32, self.bias as f32);
        // A nodata value that no f32 holds equals no sample.
        let mut values = nodata.iter().filter(|&&value| f64::from(value as f32) == value).map(|&value| value as f32);
        let first = values.next().unwrap_or(f32::NAN);
        let second = values.next().unwrap_or(f32::NAN);
        let (samples, _) = samples.as_chunks::<N>();
        let mut implausible = 0u32;
        for ((&bytes, target), valid) in samples.iter().zip(target).zip(valid) {
            let dn = read(bytes);
            let (value, is_stated) = (dn * gain + bias, (dn != first) & (dn != second) & dn.is_finite());
            *valid &= is_stated;
            *target = value.max(self.low).min(self.high);
            implausible += u32::from(is_stated & ((value < self.least) | (value > self.most)));
        }
        implausible as usize
    }

    /// For samples that need f64; gives the number of implausible ones.
    fn wide<const N: usize>(
        self,
        samples: &[u8],
        target: &mut [f32],
        valid: &mut [bool],
        nodata: &[f64],
        read: impl Fn([u8; N]) -> f64,
    ) -> usize {
        let (samples, _) = samples.as_chunks::<N>();
        let mut implausible = 0;
        for ((&bytes, target), valid) in samples.iter().zip(target).zip(valid) {
            let dn = read(bytes);
            let unclipped = (dn * self.gain + self.bias) as f32;
            let value = unclipped.max(self.low).min(self.high);
            let is_stated = !nodata.contains(&dn) & dn.is_finite() & value.is_finite();
            *valid &= is_stated;
            *target = value;
            implausible += usize::from(is_stated & ((unclipped < self.least) | (unclipped > self.most)));
        }
        implausible
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::tests_support::one_band;

    fn radiometry(dn_offset: f64, nodata: &[f64]) -> Radiometry {
        Radiometry {
            bands: vec![BandRadiometry { dn_scale: 1e-4, dn_offset }],
            nodata: nodata.to_vec(),
            source: "file".into(),
            is_offset_assumed: true,
            is_offset_checked: true,
        }
    }

    fn run(samples: &[f64], sample_type: SampleType, clip: Option<[f32; 2]>, nodata: &[f64]) -> (Vec<f32>, Vec<bool>) {
        let bytes = samples
            .iter()
            .flat_map(|&value| match sample_type {
                SampleType::U16 => (value as u16).to_le_bytes().to_vec(),
                SampleType::I32 => (value as i32).to_le_bytes().to_vec(),
                SampleType::F32 => (value as f32).to_le_bytes().to_vec(),
                _ => value.to_le_bytes().to_vec(),
            })
            .collect();
        let planes = Planes { sample_type, bands: 1, width: samples.len(), height: 1, bytes };
        let manifest = Manifest { tile_px: samples.len() as u32, clip, ..one_band() };
        let side = samples.len();
        let (mut input, mut valid) = (vec![9.0; side * side], vec![true; side * side]);
        Preprocessing::new(&manifest).apply(&planes, &radiometry(-1000.0, nodata), &mut input, &mut valid);
        (input[..side].to_vec(), valid[..side].to_vec())
    }

    #[test]
    fn reflectance_is_standardised_after_the_offset_and_nodata_before_it() {
        for sample_type in [SampleType::U16, SampleType::I32, SampleType::F32, SampleType::F64] {
            let (input, valid) = run(&[0.0, 1000.0, 2000.0, 2500.0], sample_type, None, &[0.0]);
            assert_eq!(valid, [false, true, true, true]);
            for (value, expected) in input.iter().zip([0.0, -2.0, 0.0, 1.0]) {
                assert!((value - expected).abs() < 1e-5, "{sample_type:?}: {input:?}");
            }
        }
    }

    #[test]
    fn reflectance_is_clipped_before_it_is_standardised() {
        let (input, _) = run(&[500.0, 9000.0], SampleType::U16, Some([0.0, 0.275]), &[0.0]);
        assert!((input[0] + 2.0).abs() < 1e-5 && (input[1] - 3.5).abs() < 1e-5, "{input:?}");
    }

    #[test]
    fn nan_and_infinity_are_invalid_never_a_number() {
        for sample_type in [SampleType::F32, SampleType::F64] {
            let samples = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2000.0];
            let (input, valid) = run(&samples, sample_type, Some([0.0, 0.275]), &[]);
            assert_eq!(valid, [false, false, false, true]);
            assert_eq!(input[..3], [0.0; 3]);
        }
    }

    #[test]
    fn what_lies_beyond_a_small_window_is_invalid() {
        let planes =
            Planes { sample_type: SampleType::U16, bands: 1, width: 2, height: 1, bytes: vec![0xd0, 7, 0xd0, 7] };
        let manifest = Manifest { tile_px: 3, ..one_band() };
        let (mut input, mut valid) = (vec![9.0; 9], vec![false; 9]);
        let census = Preprocessing::new(&manifest).apply(&planes, &radiometry(0.0, &[0.0]), &mut input, &mut valid);
        assert_eq!(valid, [true, true, false, false, false, false, false, false, false]);
        assert!((input[0] - 2.0).abs() < 1e-5 && input[2..].iter().all(|&value| value == 0.0));
        assert_eq!((census.pixels, census.valid), (2, 2));
    }

    #[test]
    fn dn_taken_for_reflectance_and_unstated_nodata_are_implausible_and_saturated_clouds_are_not() {
        let check = |samples: [f32; 10], nodata: &[f64]| {
            let bytes = samples.iter().flat_map(|value| value.to_le_bytes()).collect();
            let planes = Planes { sample_type: SampleType::F32, bands: 1, width: 10, height: 1, bytes };
            let reflectance = BandRadiometry { dn_scale: 1.0, dn_offset: 0.0 };
            let radiometry = Radiometry { bands: vec![reflectance], ..radiometry(0.0, nodata) };
            // Clipped at 0.275, so that nothing of it is left in the network's input.
            let manifest = Manifest { tile_px: 10, clip: Some([0.0, 0.275]), ..one_band() };
            let (mut input, mut valid) = (vec![0.0; 100], vec![true; 100]);
            Preprocessing::new(&manifest)
                .apply(&planes, &radiometry, &mut input, &mut valid)
                .check_plausible(&radiometry)
        };
        assert!(check([1200.0; 10], &[]).unwrap_err().to_string().contains("--dn-scale"));
        assert!(check([1.6; 10], &[]).is_ok() && check([-0.1; 10], &[]).is_ok());
        let with_border = |width: usize| std::array::from_fn(|index| if index < width { -9999.0 } else { 0.1 });
        assert!(check(with_border(1), &[]).is_ok());
        assert!(check(with_border(3), &[]).unwrap_err().to_string().contains("30 %"));
        assert!(check(with_border(3), &[-9999.0]).is_ok(), "a stated nodata value is nothing to wonder at");
    }

    #[test]
    fn models_of_other_quantities_are_not_held_to_reflectance() {
        let band = crate::model::manifest::Band { mean: -12.0, standard_deviation: 5.0, ..one_band().bands[0].clone() };
        let manifest = Manifest { tile_px: 1, clip: None, bands: vec![band], ..one_band() };
        let decibels =
            Radiometry { bands: vec![BandRadiometry { dn_scale: 1.0, dn_offset: 0.0 }], ..radiometry(0.0, &[]) };
        let bytes = (-17.0f32).to_le_bytes().to_vec();
        let planes = Planes { sample_type: SampleType::F32, bands: 1, width: 1, height: 1, bytes };
        let (mut input, mut valid) = (vec![0.0], vec![true]);
        let census = Preprocessing::new(&manifest).apply(&planes, &decibels, &mut input, &mut valid);
        assert_eq!(input, [-1.0]);
        assert!(census.check_plausible(&decibels).is_ok());
    }

    #[test]
    fn dark_ground_speaks_for_or_against_the_offset_that_is_stated() {
        let hint = |low: u16, dn_offset: f64| {
            let bytes = (0..64 * 64u32).flat_map(|pixel| (low + (pixel % 500) as u16).to_le_bytes()).collect();
            let planes = Planes { sample_type: SampleType::U16, bands: 1, width: 64, height: 64, bytes };
            let (mut input, mut valid) = (vec![0.0; 4096], vec![true; 4096]);
            let radiometry = radiometry(dn_offset, &[0.0]);
            Preprocessing::new(&one_band()).apply(&planes, &radiometry, &mut input, &mut valid).offset_hint(&radiometry)
        };
        assert_eq!(hint(1010, 0.0), Some(OffsetHint::NotRemoved));
        assert_eq!(hint(200, 0.0), Some(OffsetHint::Fits));
        assert_eq!(hint(1800, 0.0), None, "bright ground says nothing");
        assert_eq!(hint(1010, -1000.0), Some(OffsetHint::Fits));
        assert_eq!(hint(200, -1000.0), Some(OffsetHint::RemovedBefore));
    }
}
