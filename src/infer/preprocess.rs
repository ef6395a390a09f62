//! Samples to network input: reflectance, clipping, standardisation and the validity mask, in one pass a band.

mod line;

use self::line::Line;
use super::census::{PLAUSIBLE_REFLECTANCE, PixelCensus, count_below, unmeasured};
use super::derive::{Derivation, Deriver};
use crate::model::Manifest;
use crate::model::manifest::{Band, REFLECTANCE, Source};
use crate::raster::{Planes, SampleType};
use crate::scene::{BandRadiometry, Radiometry};

/// The version of this file's arithmetic, which a manifest must ask for.
pub const PREPROCESSING_VERSION: &str = "1";

/// What a threshold profile is bound to: the version, and a hash of everything between a sample and a score.
pub fn preprocessing_id(manifest: &Manifest) -> String {
    let bands: Vec<_> = manifest.bands.iter().map(|band| (&band.name, band.mean, band.standard_deviation)).collect();
    let mut numbers =
        serde_json::json!([bands, manifest.clip, manifest.temperature, manifest.tile_px, manifest.dn_defaults]);
    let expressions: Vec<_> =
        manifest.bands.iter().map(|band| band.expression.as_ref().map(ToString::to_string)).collect();
    // Of a manifest that states neither, the id is that of the versions that knew neither.
    if let Some(list) = numbers.as_array_mut()
        && (expressions.iter().any(Option::is_some) || !manifest.units.is_empty())
    {
        list.push(serde_json::json!([expressions, manifest.units]));
    }
    let hash = crate::model::sha256(numbers.to_string().as_bytes());
    format!("{}-{}", manifest.preprocessing_version, &hash[..12])
}

/// What preprocessing needs of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// The network's channels.
    channels: Vec<Channel>,
    /// For every band that is read whether its samples are held against plausible reflectance.
    is_checked: Vec<bool>,
    /// Bands that are read and are no channel themselves.
    unfed: Vec<usize>,
    /// Names of the bands that are read.
    names: Vec<String>,
    /// Valid pixels without which a window abstains.
    pixels_min: usize,
    tile_px: usize,
}

/// One channel: what it is made of and how it is standardised.
#[derive(Debug, Clone, PartialEq)]
struct Channel {
    origin: Origin,
    scaling: Scaling,
}

#[derive(Debug, Clone, PartialEq)]
enum Origin {
    /// A band that is read, by its place.
    Source(usize),
    /// Arithmetic over such bands.
    Derived(Derivation),
}

/// network input = (clip(value) − mean) / deviation
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scaling {
    pub(super) mean: f64,
    pub(super) deviation: f64,
    pub(super) clip: Option<(f64, f64)>,
}

impl Scaling {
    /// The value as it is.
    const NONE: Self = Self { mean: 0.0, deviation: 1.0, clip: None };
}

impl Preprocessing {
    /// Takes what it needs from a manifest.
    pub fn new(manifest: &Manifest) -> Self {
        let sources = manifest.sources();
        let place = |name: &str| sources.iter().position(|source| source.name == name).unwrap_or_default();
        let channel = |band: &Band| Channel {
            origin: match &band.expression {
                None => Origin::Source(place(&band.name)),
                Some(expression) => Origin::Derived(Derivation::new(expression, place)),
            },
            scaling: Scaling {
                mean: f64::from(band.mean),
                deviation: f64::from(band.standard_deviation),
                clip: manifest.clip_of(band).map(|[low, high]| (f64::from(low), f64::from(high))),
            },
        };
        let channels: Vec<Channel> = manifest.bands.iter().map(channel).collect();
        let is_fed = |place: &usize| channels.iter().any(|channel| channel.origin == Origin::Source(*place));
        Self {
            is_checked: sources.iter().map(|source| is_checked(source, manifest)).collect(),
            unfed: (0..sources.len()).filter(|place| !is_fed(place)).collect(),
            channels,
            pixels_min: (manifest.minimum_valid_share * f64::from(manifest.tile_px).powi(2)).ceil() as usize,
            names: sources.into_iter().map(|source| source.name).collect(),
            tile_px: manifest.tile_px as usize,
        }
    }

    /// Fills `input`, `[channels, tile_px, tile_px]`, and `valid`, `[tile_px, tile_px]`, from the samples of a window
    /// that is at most that large; what lies beyond the window is invalid. A pixel is valid where every band that is read
    /// holds a number that is not nodata, and every derived channel comes out finite. An invalid pixel is 0 in every
    /// channel of `input`, which is the channel's mean.
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
        for (channel, target) in self.channels.iter().zip(input.chunks_exact_mut(area)) {
            if let Origin::Source(place) = channel.origin {
                implausible += self.band(planes, place, channel.scaling, radiometry, target, valid);
            }
        }
        implausible += self.derive(planes, radiometry, input, valid);
        let reference = self.is_checked.iter().position(|is_checked| *is_checked);
        let mut census = PixelCensus { pixels: planes.width * planes.height, reference, ..PixelCensus::default() };
        census.valid = valid.iter().filter(|&&is_valid| is_valid).count();
        if census.valid == 0 {
            let bands = unmeasured(planes, &radiometry.nodata, self.pixels_min);
            census.unmeasured = bands.into_iter().filter_map(|band| self.names.get(band).cloned()).collect();
        }
        let checked = self.is_checked.iter().filter(|is_checked| **is_checked).count();
        if census.valid > 0 && checked > 0 {
            // A sample may be implausible where another band has no data.
            census.implausible_share = (implausible as f64 / (checked * census.valid) as f64).min(1.0);
        }
        if census.valid < area {
            for target in input.chunks_exact_mut(area) {
                target
                    .iter_mut()
                    .zip(&*valid)
                    .for_each(|(value, &is_valid)| *value = if is_valid { *value } else { 0.0 });
            }
        }
        if let Some(reference) = reference.filter(|_| radiometry.is_offset_checked) {
            census.below = count_below(planes, reference, valid, self.tile_px);
        }
        census
    }

    /// Fills the derived channels, and looks at the bands that only they take; gives the number of implausible samples.
    fn derive(&self, planes: &Planes, radiometry: &Radiometry, input: &mut [f32], valid: &mut [bool]) -> usize {
        let derived = self.channels.iter().enumerate().filter_map(|(place, channel)| match &channel.origin {
            Origin::Derived(derivation) => Some((place, derivation, channel.scaling)),
            Origin::Source(_) => None,
        });
        let derived: Vec<_> = derived.collect();
        if derived.is_empty() {
            return 0;
        }
        let mut unfed = vec![0.0; self.tile_px * self.tile_px];
        let look = |place: &usize| self.band(planes, *place, Scaling::NONE, radiometry, &mut unfed, valid);
        let implausible = self.unfed.iter().map(look).sum();
        Deriver::new(planes, radiometry, self.tile_px).fill(&derived, input, valid);
        implausible
    }

    fn mask_beyond(&self, planes: &Planes, valid: &mut [bool]) {
        for (row, line) in valid.chunks_exact_mut(self.tile_px).enumerate() {
            let width = if row < planes.height { planes.width } else { 0 };
            line[width.min(self.tile_px)..].fill(false);
        }
    }

    /// Fills one channel from a band and gives the number of the band's implausible samples.
    fn band(
        &self,
        planes: &Planes,
        place: usize,
        scaling: Scaling,
        radiometry: &Radiometry,
        target: &mut [f32],
        valid: &mut [bool],
    ) -> usize {
        let samples = planes.band(place);
        let Scaling { mean, deviation, clip } = scaling;
        let BandRadiometry { dn_scale, dn_offset } = radiometry.bands[place];
        // ((DN + offset)·scale − mean) / deviation, as one multiplication and one addition.
        let [least, most] = PLAUSIBLE_REFLECTANCE;
        let standardised = |reflectance: f64| ((reflectance - mean) / deviation) as f32;
        let line = Line {
            gain: dn_scale / deviation,
            bias: (dn_offset * dn_scale - mean) / deviation,
            least: if self.is_checked[place] { standardised(least) } else { f32::NEG_INFINITY },
            most: if self.is_checked[place] { standardised(most) } else { f32::INFINITY },
            low: clip.map_or(f64::NEG_INFINITY, |(low, _)| (low - mean) / deviation) as f32,
            high: clip.map_or(f64::INFINITY, |(_, high)| (high - mean) / deviation) as f32,
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
}

/// Whether the samples of a band are held against plausible reflectance: its unit says so, where it is stated. Where none
/// is, a model whose own mean of the band is no reflectance takes something else, decibels for one.
fn is_checked(source: &Source, manifest: &Manifest) -> bool {
    if let Some(unit) = manifest.units.get(&source.name) {
        return unit == REFLECTANCE;
    }
    let [least, most] = PLAUSIBLE_REFLECTANCE;
    let channel = manifest.bands.iter().find(|band| band.name == source.name);
    channel.is_none_or(|band| (least..=most).contains(&f64::from(band.mean)))
}

#[cfg(test)]
mod tests;
