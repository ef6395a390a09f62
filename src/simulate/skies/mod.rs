//! Clouds of every kind over real ground, with the mask of what is cloud: **simulated** chips for cloud masks.
//!
//! A chip is `[B02, B03, B04, B08]` in reflectance and a class for every pixel. The ground is real and clear; air, haze,
//! clouds, their shadows and the sensor are put over it by the same formulas as everywhere in [`super`]. Bright ground that
//! is no cloud (sand, quarries, roofs, greenhouses, snow) is put into it ([`ground`]). The same chip may be of the top of
//! the atmosphere or, with its air taken off again by an imperfect guess, of the surface: bright clouds then exceed 1, as
//! they do in real L2A products.
//!
//! Bands look one after the other, up to two seconds apart, while the satellite flies on: ground is put in its place by
//! what is known of its height, clouds are not, and lie elsewhere in every band (Frantz et al. 2018, Remote Sensing of
//! Environment 215, tell clouds by it). The mask is that of B02, which looks first. Chips of 20 m have B8A, which looks much
//! later, in the place of B08.
//!
//! What counts as cloud is a matter of definition: pixels that a cloud brightens as one with a depth of [`CLOUD_DEPTH`]
//! does, dark ground by 0.1, after what it adds was smoothed as far as people who draw masks smooth their edges. Shadows
//! and haze are no cloud.

pub mod ground;
mod layer;

use rand::RngExt;

use super::atmosphere::{Air, Passage};
use super::bands::{ALL, Band};
use super::cloud;
use super::random::{Span, log_uniform, uniform};
use super::sensor;
use super::sun::Sun;

/// B02, B03, B04, B08.
pub const BANDS: [Band; 4] = [ALL[1], ALL[2], ALL[3], ALL[7]];
/// The classes of a mask, by their numbers.
pub const CLASSES: [&str; 2] = ["clear", "cloud"];
/// Optical depth from which on a pixel is cloud.
pub const CLOUD_DEPTH: f32 = 1.0;

/// Deviation of the smoothing of a mask's edges, in pixels.
const MASK_BLUR_PX: f32 = 0.7;
/// Reflectance of an endlessly thick cloud relative to [`WHITE`]; under a low sun and after a correction for the air real
/// ones reach 1.8.
const BRIGHTNESS: Span = [0.75, 1.1];
const SURFACE_BRIGHTNESS: Span = [0.85, 1.7];
/// Reflectance of an endlessly thick cloud in [`BANDS`].
const WHITE: [f32; 4] = [0.92, 0.90, 0.90, 0.88];
/// Optical depth of aerosol, clear and hazy.
const AEROSOL_DEPTH: Span = [0.04, 0.3];
const HAZE_DEPTH: Span = [0.3, 0.8];

/// What is over a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sky {
    /// Nothing but air.
    Clear,
    /// Haze, or a veil too thin to be called cloud.
    Haze,
    /// High, thin, wide clouds.
    Thin,
    /// Many small clouds.
    Scattered,
    /// Some large clouds.
    Broken,
    /// A deck with holes, or without.
    Thick,
    /// Small clouds below thin ones.
    Mixed,
}

impl Sky {
    /// All of them, and how many of a hundred chips have them.
    pub const ODDS: [(Self, u32); 7] = [
        (Self::Clear, 14),
        (Self::Haze, 8),
        (Self::Thin, 14),
        (Self::Scattered, 22),
        (Self::Broken, 22),
        (Self::Thick, 10),
        (Self::Mixed, 10),
    ];

    /// One of them, by [`Self::ODDS`].
    pub fn draw(rng: &mut impl RngExt) -> Self {
        let mut left = rng.random_range(0..Self::ODDS.iter().map(|(_, odds)| odds).sum());
        for (sky, odds) in Self::ODDS {
            if left < odds {
                return sky;
            }
            left -= odds;
        }
        Self::Clear
    }
}

/// The size of a chip's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixel {
    /// 10 m.
    Fine,
    /// 20 m, the near infrared from B8A.
    Coarse,
}

impl Pixel {
    /// One of them, both as likely.
    pub fn draw(rng: &mut impl RngExt) -> Self {
        if rng.random() { Self::Fine } else { Self::Coarse }
    }

    /// Metres.
    pub fn size_m(self) -> f32 {
        match self {
            Self::Fine => 10.0,
            Self::Coarse => 20.0,
        }
    }

    /// Seconds after B02 at which each of [`BANDS`] looks at a place (Sentinel-2's instrument: B08 0.264, B03 0.527,
    /// B04 1.005, B8A 2.055).
    pub fn delays_s(self) -> [f32; BANDS.len()] {
        let near_infrared = match self {
            Self::Fine => 0.264,
            Self::Coarse => 2.055,
        };
        [0.0, 0.527, 1.005, near_infrared]
    }
}

/// Rows and columns that clouds seem to move for each pixel of way: along the flight, which leads south and somewhat west
/// by day, in the detectors of one kind, against it in the others.
pub fn flight(rng: &mut impl RngExt) -> [f32; 2] {
    let (sin, cos) = uniform([6.0, 18.0], rng).to_radians().sin_cos();
    if rng.random() { [cos, -sin] } else { [-cos, sin] }
}

/// The circumstances of a chip.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// What is over it.
    pub sky: Sky,
    /// Where the sun is.
    pub sun: Sun,
    /// Whether it is of the surface (as L2A) rather than of the top of the atmosphere (as L1C).
    pub is_surface: bool,
    /// How large its pixels are.
    pub pixel: Pixel,
    /// Where clouds seem to move to, of [`flight`].
    pub flight: [f32; 2],
}

/// A chip.
#[derive(Debug, Clone, PartialEq)]
pub struct Chip {
    /// `[B02, B03, B04, B08]`, each row by row.
    pub reflectance: Vec<f32>,
    /// Index into [`CLASSES`], row by row.
    pub classes: Vec<u8>,
}

impl Chip {
    /// Share of cloud in percent.
    pub fn cloud_percent(&self) -> f64 {
        let cloudy = self.classes.iter().filter(|class| **class == 1).count();
        100.0 * cloudy as f64 / self.classes.len().max(1) as f64
    }
}

/// Puts a sky over ground: `ground` is the surface's reflectance in [`BANDS`], `side × side` pixels each.
pub fn render(ground: &[f32], side: usize, scene: &Scene, rng: &mut impl RngExt) -> Chip {
    let layers = layer::draw(scene, side, rng);
    let haze = if scene.sky == Sky::Haze { HAZE_DEPTH } else { AEROSOL_DEPTH };
    let air = Air { sun_cosine: scene.sun.cosine, aerosol_depth: log_uniform(haze, rng) };
    let mut light = vec![1.0; side * side];
    let mut depth = vec![0.0; side * side];
    for layer in &layers {
        for (pixel, light) in light.iter_mut().enumerate() {
            *light *= cloud::transmittance(layer.sunward_depth[pixel] / scene.sun.cosine);
            depth[pixel] += layer.depths[0][pixel];
        }
    }
    let brightness = uniform(if scene.is_surface { SURFACE_BRIGHTNESS } else { BRIGHTNESS }, rng);
    let guess = Air { sun_cosine: scene.sun.cosine, aerosol_depth: log_uniform(AEROSOL_DEPTH, rng) };
    let mut reflectance = Vec::with_capacity(ground.len());
    for (index, ((ground, band), white)) in ground.chunks(side * side).zip(&BANDS).zip(WHITE).enumerate() {
        let passage = air.passage(band.wavelength_um);
        let mut plane: Vec<f32> =
            ground.iter().zip(&light).map(|(ground, light)| through(&passage, *ground, *light)).collect();
        for layer in &layers {
            for (pixel, value) in plane.iter_mut().enumerate() {
                let passes = cloud::transmittance(layer.depths[index][pixel]);
                *value = *value * passes + white * brightness * layer.shading[pixel] * (1.0 - passes);
            }
        }
        let mut plane = sensor::observe(&plane, side, band, scene.sun.cosine, rng);
        if scene.is_surface {
            let guess = guess.passage(band.wavelength_um);
            plane.iter_mut().for_each(|value| *value = (*value - guess.path) / guess.transmittance);
        }
        reflectance.extend(plane);
    }
    Chip { reflectance, classes: mask(&depth, side) }
}

/// Light from the ground through clear air.
fn through(passage: &Passage, ground: f32, light: f32) -> f32 {
    passage.path + passage.transmittance * (light * (1.0 - passage.diffuse) + passage.diffuse) * ground
}

/// The class of every pixel below clouds of these depths.
fn mask(depth: &[f32], side: usize) -> Vec<u8> {
    let added: Vec<f32> = depth.iter().map(|depth| cloud::reflectance(*depth)).collect();
    let edge = cloud::reflectance(CLOUD_DEPTH);
    sensor::blur(&added, side, MASK_BLUR_PX).into_iter().map(|value| u8::from(value >= edge)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const SIDE: usize = 64;

    fn chip(sky: Sky, is_surface: bool, seed: u64) -> Chip {
        let ground: Vec<f32> = [0.04, 0.07, 0.05, 0.3].iter().flat_map(|band| vec![*band; SIDE * SIDE]).collect();
        let scene = Scene { sky, sun: Sun::at(48.0, 200), is_surface, pixel: Pixel::Fine, flight: [1.0, 0.0] };
        render(&ground, SIDE, &scene, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn clear_and_hazy_skies_have_no_cloud_and_the_others_have() {
        for seed in 0..8 {
            for sky in [Sky::Clear, Sky::Haze] {
                assert_eq!(chip(sky, false, seed).cloud_percent(), 0.0, "{sky:?}");
            }
        }
        for sky in [Sky::Thin, Sky::Scattered, Sky::Broken, Sky::Thick, Sky::Mixed] {
            let shares: Vec<f64> = (0..8).map(|seed| chip(sky, false, seed).cloud_percent()).collect();
            assert!(shares.iter().filter(|share| **share > 1.0).count() >= 6, "{sky:?}: {shares:?}");
        }
    }

    #[test]
    fn clouds_are_brighter_than_the_dark_ground_beside_them_and_shadows_darker() {
        for (seed, is_surface) in [(1, false), (2, true), (3, false)] {
            let Chip { reflectance, classes } = chip(Sky::Broken, is_surface, seed);
            let red = &reflectance[2 * SIDE * SIDE..3 * SIDE * SIDE];
            let of = |class: u8| red.iter().zip(&classes).filter(move |(_, is)| **is == class).map(|(value, _)| *value);
            let mean = |class| of(class).sum::<f32>() / of(class).count() as f32;
            assert!(mean(1) > mean(0) + 0.15, "{} {}", mean(1), mean(0));
            assert!(reflectance.iter().all(|value| value.is_finite()));
        }
    }

    // Clouds of 400 to 4,000 m seem to go on by 0.4 to 3.9 pixels of 20 m until B8A looks.
    #[test]
    fn clouds_lie_further_along_the_flight_in_bands_that_look_later() {
        let ground = vec![0.05; 4 * SIDE * SIDE];
        for (seed, way) in [(1, 1.0), (2, -1.0), (3, 1.0), (4, -1.0)] {
            let (sun, flight) = (Sun::at(48.0, 200), [way, 0.0]);
            let scene = Scene { sky: Sky::Broken, sun, is_surface: false, pixel: Pixel::Coarse, flight };
            let chip = render(&ground, SIDE, &scene, &mut ChaCha8Rng::seed_from_u64(seed));
            let planes: Vec<&[f32]> = chip.reflectance.chunks(SIDE * SIDE).collect();
            // Where a band is most like B02, in rows.
            let apart = |band: &[f32]| {
                let difference = |rows: &isize| {
                    let pairs =
                        (12 * SIDE..(SIDE - 12) * SIDE).map(|at| (at, (at as isize + rows * SIDE as isize) as usize));
                    pairs.map(|(first, later)| (planes[0][first] - band[later]).abs()).sum::<f32>()
                };
                (-12..=12isize).min_by(|a, b| difference(a).total_cmp(&difference(b))).unwrap_or_default() as f32 * way
            };
            let [green, red, near_infrared] = [1, 2, 3].map(|band| apart(planes[band]));
            assert!((0.0..=red).contains(&green) && red <= near_infrared, "{green} {red} {near_infrared}");
            assert!((1.0..=4.0).contains(&near_infrared), "{near_infrared}");
        }
    }

    #[test]
    fn a_pixel_is_cloud_from_the_stated_depth_on() {
        let depth: Vec<f32> = (0..SIDE * SIDE).map(|pixel| if pixel % SIDE < 32 { 0.9 } else { 1.1 }).collect();
        let classes = mask(&depth, SIDE);
        assert!(classes.chunks(SIDE).all(|row| row[..30].iter().all(|class| *class == 0)));
        assert!(classes.chunks(SIDE).all(|row| row[34..].iter().all(|class| *class == 1)));
    }
}
