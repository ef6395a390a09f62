//! What the pixels of a window looked like, and whether they can be what they were taken for.

use pulp::Arch;

use super::summary::sample_reader;
use crate::raster::{Planes, SampleType};
use crate::scene::{BandRadiometry, Radiometry};
use crate::{Error, Result};

/// What the pixels of a window looked like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PixelCensus {
    /// Pixels in the window.
    pub pixels: usize,
    /// Pixels valid in every band.
    pub valid: usize,
    /// The first band that holds reflectance, if any does.
    pub(super) reference: Option<usize>,
    /// Its samples below each of [`OFFSET_CHECK_DN`], among the valid.
    pub(super) below: [usize; 3],
    /// Share of the valid samples, over all bands of reflectance, that lie outside of [`PLAUSIBLE_REFLECTANCE`].
    pub(super) implausible_share: f64,
    /// Bands that hold no number at all where the others are measured, by name.
    pub(super) unmeasured: Vec<String>,
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

    /// Whether a band holds no number at all where the others do.
    pub fn lacks_measurement(&self) -> bool {
        !self.unmeasured.is_empty()
    }

    /// Why the pixels cannot be what they were taken for, if they cannot.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] naming the bands that hold no number, or the scale, the offset and the remedy.
    pub fn check_plausible(&self, radiometry: &Radiometry) -> Result<()> {
        if self.lacks_measurement() {
            return Err(Error::unsupported(format!(
                "band {} holds no number in this window (all NaN), and the other bands do: a measurement is missing, not \
                 hidden by a cloud; put it into the file, or leave the file out",
                self.unmeasured.join(", ")
            )));
        }
        let ([low, high], Some(band)) = (PLAUSIBLE_REFLECTANCE, self.reference(radiometry)) else { return Ok(()) };
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
        let is_added = self.reference(radiometry)?.dn_offset < 0.0;
        Some(match is_added {
            false if dark <= hundredth => OffsetHint::NotRemoved,
            true if negative > self.valid / 2 => OffsetHint::RemovedBefore,
            _ => OffsetHint::Fits,
        })
    }

    fn reference(&self, radiometry: &Radiometry) -> Option<BandRadiometry> {
        radiometry.bands.get(self.reference?).copied()
    }
}

/// Valid samples of a band below each of [`OFFSET_CHECK_DN`]; `valid` is a mask of rows of `side_px`.
pub(super) fn count_below(planes: &Planes, band: usize, valid: &[bool], side_px: usize) -> [usize; 3] {
    match planes.sample_type {
        SampleType::U16 => count(planes, band, valid, side_px, |bytes| f64::from(u16::from_le_bytes(bytes))),
        SampleType::I16 => count(planes, band, valid, side_px, |bytes| f64::from(i16::from_le_bytes(bytes))),
        SampleType::U32 => count(planes, band, valid, side_px, |bytes| f64::from(u32::from_le_bytes(bytes))),
        SampleType::I32 => count(planes, band, valid, side_px, |bytes| f64::from(i32::from_le_bytes(bytes))),
        SampleType::F32 => count(planes, band, valid, side_px, |bytes| f64::from(f32::from_le_bytes(bytes))),
        SampleType::U8 | SampleType::F64 => [0; 3],
    }
}

fn count<const N: usize>(
    planes: &Planes,
    band: usize,
    valid: &[bool],
    side_px: usize,
    read: impl Fn([u8; N]) -> f64,
) -> [usize; 3] {
    let (samples, _) = planes.band(band).as_chunks::<N>();
    let rows = samples.chunks_exact(planes.width.max(1)).zip(valid.chunks_exact(side_px));
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let [mut first, mut second, mut third] = [0u32; 3];
            let bounds = OFFSET_CHECK_DN;
            for (samples, valid) in rows {
                for (&bytes, &is_valid) in samples.iter().zip(valid) {
                    let dn = read(bytes);
                    first += u32::from(is_valid & (dn < bounds[0]));
                    second += u32::from(is_valid & (dn < bounds[1]));
                    third += u32::from(is_valid & (dn < bounds[2]));
                }
            }
            [first, second, third].map(|count| count as usize)
        },
    )
}

/// Places of the bands without a single number in a window of which the others measure `pixels_min` pixels or more.
/// A cloud or the edge of an orbit hides the ground in every band; what hides it in one alone is a band that nobody took.
pub(super) fn unmeasured(planes: &Planes, nodata: &[f64], pixels_min: usize) -> Vec<usize> {
    if !matches!(planes.sample_type, SampleType::F32 | SampleType::F64) {
        return Vec::new();
    }
    let (read, size) = (sample_reader(planes.sample_type), planes.sample_type.size_bytes());
    let samples = |band: usize| planes.band(band).chunks_exact(size).map(read);
    let is_empty = |band: &usize| !samples(*band).any(f64::is_finite);
    let (empty, others): (Vec<usize>, Vec<usize>) = (0..planes.bands).partition(is_empty);
    let mut measured = vec![!others.is_empty(); planes.width * planes.height];
    for band in others {
        let is_number = samples(band).map(|dn| dn.is_finite() && !nodata.contains(&dn));
        measured.iter_mut().zip(is_number).for_each(|(measured, is_number)| *measured &= is_number);
    }
    let pixels = measured.iter().filter(|is_measured| **is_measured).count();
    if pixels >= pixels_min.max(1) { empty } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::preprocess::Preprocessing;
    use crate::model::manifest::tests_support::one_band;

    fn radiometry(dn_offset: f64) -> Radiometry {
        Radiometry {
            bands: vec![BandRadiometry { dn_scale: 1e-4, dn_offset }],
            nodata: vec![0.0],
            source: "file".into(),
            is_offset_assumed: true,
            is_offset_checked: true,
        }
    }

    #[test]
    fn dark_ground_speaks_for_or_against_the_offset_that_is_stated() {
        let hint = |low: u16, dn_offset: f64| {
            let bytes = (0..64 * 64u32).flat_map(|pixel| (low + (pixel % 500) as u16).to_le_bytes()).collect();
            let planes = Planes { sample_type: SampleType::U16, bands: 1, width: 64, height: 64, bytes };
            let (mut input, mut valid) = (vec![0.0; 4096], vec![true; 4096]);
            let radiometry = radiometry(dn_offset);
            Preprocessing::new(&one_band()).apply(&planes, &radiometry, &mut input, &mut valid).offset_hint(&radiometry)
        };
        assert_eq!(hint(1010, 0.0), Some(OffsetHint::NotRemoved));
        assert_eq!(hint(200, 0.0), Some(OffsetHint::Fits));
        assert_eq!(hint(1800, 0.0), None, "bright ground says nothing");
        assert_eq!(hint(1010, -1000.0), Some(OffsetHint::Fits));
        assert_eq!(hint(200, -1000.0), Some(OffsetHint::RemovedBefore));
    }
}
