//! Augmentation of training patches in reflectance: other skies, other seasons, other sensors, other views.
//!
//! Everything works in place on `[bands, side, side]` slices, knows what a band measures by its wavelength
//! ([`Optics`]) and takes its chance from the generator that it is given: the same generator gives the same patch.
//! The order is that of nature: the ground of another place ([`style`]), season on it, sky above it, then what happens to
//! an image ([`RandAugment`]), then one of the eight symmetries of the square.
//!
//! **Not the benchmark's weather.** [`crate::simulate`] renders the patches that models are judged on. Nothing here is
//! shared with it, so that a gain on it is no gain on its own formula:
//!
//! | | here | the benchmark |
//! | --- | --- | --- |
//! | fields | interpolated lattices ([`noise::Texture`]), plain, billowing or streaked | spectral 1/f noise |
//! | clouds | three kinds; opacity `1 − exp(−τ)` with τ 0.05 to 20, level outside of their edge | one kind; two-stream reflectance at log-normal depths of 0.3 to 30 |
//! | brightest cloud | 0.5 to 0.8, darker in SWIR | 0.9 |
//! | shadow | 30 to 60 % of the light, by wavelength; from 100 to 600 m | what passes the cloud, towards the sun; from 250 to 900 m |
//! | haze | over whatever air is there; AOD 0.02 to 0.6 | the clear air taken off and other air put on; AOD 0.06 to 0.3 |
//! | brown vegetation | a factor drawn for each band by itself, 0.5 to 1.8 | a share of a bare crown's spectrum |
//! | snow | on half of the northern winters, 5 to 75 % of the land | with a probability of 5 % (40°) to 30 % (55°), 10 to 60 % |
//! | dates | 73 days about the solstice | 45 |
//! | only here | cirrus, adjacency, offset errors, RandAugment, mixing, styles | shadows by local contrast, snow under trees |

pub mod atmosphere;
pub mod clouds;
pub mod cover;
pub mod filter;
pub mod geometry;
pub mod mix;
pub mod noise;
pub mod optics;
pub mod radiometry;
pub mod randaugment;
pub mod season;
pub mod style;
pub mod sun;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use mix::{Mix, Mixing, existential_label};
pub use optics::Optics;
pub use randaugment::RandAugment;

use crate::decide::{Season, Sky};
use crate::infer::augment::views;
use crate::model::manifest::Tta;
use cover::Cover;
use sun::Sun;

/// One patch in reflectance.
#[derive(Debug)]
pub struct Image<'a> {
    /// `[bands, side, side]`, row by row, north up. NaN marks an invalid pixel: it stays NaN, moves with its
    /// surroundings, and never reaches a valid pixel.
    pub values: &'a mut [f32],
    /// Height and width in pixels of 10 m.
    pub side_px: usize,
    /// One for every band.
    pub optics: &'a [Optics],
}

impl Image<'_> {
    /// The planes of all bands, with what is known of each.
    fn bands(&mut self) -> impl Iterator<Item = (Optics, &mut [f32])> {
        let plane = self.side_px * self.side_px;
        self.optics.iter().copied().zip(self.values.chunks_exact_mut(plane))
    }

    /// The planes that measure reflected sunlight, each with its wavelength in µm.
    fn optical(&mut self) -> impl Iterator<Item = (f32, &mut [f32])> {
        self.bands().filter_map(|(optics, plane)| Some((optics.wavelength_um?, plane)))
    }
}

/// What a patch shows; `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Circumstances {
    /// Season.
    pub season: Option<Season>,
    /// Sky.
    pub sky: Option<Sky>,
    /// Degrees north of the centre.
    pub latitude_deg: Option<f32>,
}

/// Buffers that survive from patch to patch.
#[derive(Debug, Default)]
pub struct Scratch {
    noise: noise::Buffers,
    field: Vec<f32>,
    light: Vec<f32>,
    cover: Cover,
    filter: filter::Buffers,
}

/// Which augmentations a training makes, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// One of the eight symmetries of the square, each as likely as the others.
    pub symmetries: bool,
    /// Probability that a patch not known to be cloudy is given clouds; the smaller perturbations of
    /// [`atmosphere`] come to every patch with this probability times their own.
    pub atmosphere: f64,
    /// Probability that a patch not known to be wintry is given a winter.
    pub season: f64,
    /// Operations on the image.
    pub randaugment: Option<RandAugment>,
    /// Lowest and highest reflectance that the data can hold, where its format clips.
    pub clip: Option<[f32; 2]>,
}

impl Augmentation {
    /// Leaves every patch as it is.
    pub const NONE: Self = Self { symmetries: false, atmosphere: 0.0, season: 0.0, randaugment: None, clip: None };

    /// Augments in place. Returns what the patch now shows: a clear summer patch that was given clouds is cloudy.
    pub fn apply(
        &self,
        image: &mut Image,
        of: Circumstances,
        rng: &mut ChaCha8Rng,
        scratch: &mut Scratch,
    ) -> Circumstances {
        let mut shows = of;
        if of.season != Some(Season::Winter) && chance(self.season, rng) {
            shows.season = Some(Season::Winter);
            let sun = Sun::draw(shows.season, of.latitude_deg, rng);
            season::winter(image, &sun, of.latitude_deg, rng, scratch);
        }
        let sun = Sun::draw(shows.season, of.latitude_deg, rng);
        if of.sky != Some(Sky::Cloudy) && chance(self.atmosphere, rng) {
            shows.sky = Some(Sky::Cloudy);
            clouds::add(image, &sun, rng, scratch);
        }
        atmosphere::perturb(image, self.atmosphere, &sun, rng, scratch);
        if let Some(randaugment) = &self.randaugment {
            randaugment.apply(image, rng, scratch);
        }
        if self.symmetries {
            turn(image, rng.random_range(0..8), scratch);
        }
        if let Some([low, high]) = self.clip {
            // NaN is neither below nor above: `clamp` keeps it.
            image.optical().for_each(|(_, plane)| plane.iter_mut().for_each(|value| *value = value.clamp(low, high)));
        }
        shows
    }
}

/// True with this probability.
fn chance(probability: f64, rng: &mut ChaCha8Rng) -> bool {
    rng.random::<f64>() < probability
}

/// Symmetry `k` of 0..8, numbered as the views of test-time augmentation are.
fn turn(image: &mut Image, k: usize, scratch: &mut Scratch) {
    if k > 0 {
        let source = &mut scratch.field;
        source.clear();
        source.extend_from_slice(image.values);
        views(Tta::D4)[k].apply(source, image.values, image.side_px);
    }
}

#[cfg(test)]
mod tests;
