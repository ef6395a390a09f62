//! RandAugment (Cubuk et al. 2020) over operations that mean something on reflectance. Left out on purpose are those
//! that destroy absolute reflectance or exist only for colour pictures: solarise, posterise, invert, equalise,
//! autocontrast, hue, saturation, channel shuffle, JPEG.

use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::geometry::Affine;
use super::noise::near_normal;
use super::{Image, Scratch, radiometry};

/// The highest magnitude.
pub const MAGNITUDE_MAX: f64 = 10.0;

/// How many operations, and how strong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    /// Operations drawn for a patch, one after the other, with replacement.
    pub operations: usize,
    /// 0 to 10. The limits beside the operations are those at 10; a strength is drawn evenly up to its limit, with
    /// either sign where there are two.
    pub magnitude: f64,
}

/// An operation of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// A turn by up to 15°.
    Rotate,
    /// Rows and columns sheared by up to 0.1.
    Shear,
    /// Up to 8 px, reflected at the edges.
    Translate,
    /// One factor for all bands: up to 20 % more or less light.
    Gain,
    /// A factor for each band, normal with a deviation of 0.06.
    BandGain,
    /// An offset for each band, normal with a deviation of 0.01.
    BandOffset,
    /// Up to 20 % about each band's mean.
    Contrast,
    /// Exponents from 0.8 to 1.25.
    Gamma,
    /// A Gaussian point spread of up to 0.6 px.
    Blur,
    /// Unsharp masking by up to 0.5 with a Gaussian of 1 px.
    Sharpen,
    /// Noise with a deviation of up to 0.01.
    Noise,
    /// One band, from magnitude 5 on up to two, but never more than a third, becomes level at its mean.
    BandDrop,
    /// The 20 m bands are shifted against the others by up to 0.5 px.
    CoarseBandShift,
    /// A square of up to 8 px becomes level at each band's mean.
    CutOut,
}

impl Operation {
    /// The pool.
    pub const ALL: [Self; 15] = [
        Self::Identity,
        Self::Rotate,
        Self::Shear,
        Self::Translate,
        Self::Gain,
        Self::BandGain,
        Self::BandOffset,
        Self::Contrast,
        Self::Gamma,
        Self::Blur,
        Self::Sharpen,
        Self::Noise,
        Self::BandDrop,
        Self::CoarseBandShift,
        Self::CutOut,
    ];

    /// Applies the operation with a strength drawn for `level`, 0 to 1. Bands without a wavelength are moved, dropped
    /// and cut like the others; their values are left alone.
    pub fn apply(self, image: &mut Image, level: f32, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
        match self {
            Self::Identity => {}
            Self::Rotate | Self::Shear | Self::Translate => {
                let affine = self.displacement(level, rng);
                image.bands().for_each(|(_, plane)| affine.apply(plane, &mut scratch.filter));
            }
            Self::Gain => {
                let factor = 1.0 + 0.2 * level * sign(rng);
                image.optical().for_each(|(_, plane)| radiometry::gain(plane, factor));
            }
            Self::BandGain => {
                let gain =
                    |(_, plane): (f32, &mut [f32])| radiometry::gain(plane, 1.0 + 0.06 * level * near_normal(rng));
                image.optical().for_each(gain);
            }
            Self::BandOffset => {
                image.optical().for_each(|(_, plane)| radiometry::offset(plane, 0.01 * level * near_normal(rng)));
            }
            Self::Contrast => {
                let factor = 1.0 + 0.2 * level * sign(rng);
                image.optical().for_each(|(_, plane)| radiometry::contrast(plane, factor));
            }
            Self::Gamma => {
                let exponent = 1.25f32.powf(level * sign(rng));
                image.optical().for_each(|(_, plane)| radiometry::gamma(plane, exponent));
            }
            Self::Blur => {
                let sigma_px = 0.6 * level * rng.random::<f32>();
                image.optical().for_each(|(_, plane)| plane.copy_from_slice(scratch.filter.gaussian(plane, sigma_px)));
            }
            Self::Sharpen => {
                let amount = 0.5 * level * rng.random::<f32>();
                for (_, plane) in image.optical() {
                    let blurred = scratch.filter.gaussian(plane, 1.0);
                    plane.iter_mut().zip(blurred).for_each(|(value, blurred)| *value += amount * (*value - blurred));
                }
            }
            Self::Noise => {
                let deviation = 0.01 * level * rng.random::<f32>();
                image.optical().for_each(|(_, plane)| radiometry::noise(plane, deviation, rng));
            }
            Self::BandDrop => drop_bands(image, level, rng),
            Self::CoarseBandShift => {
                let affine = Affine::translation(0.5 * level * sign(rng), 0.5 * level * sign(rng));
                let coarse = image.bands().filter(|(optics, _)| optics.resolution_m == 20.0);
                coarse.for_each(|(_, plane)| affine.apply(plane, &mut scratch.filter));
            }
            Self::CutOut => cut_out(image, level, rng),
        }
    }

    fn displacement(self, level: f32, rng: &mut ChaCha8Rng) -> Affine {
        match self {
            Self::Rotate => Affine::rotation(15.0 * level * sign(rng)),
            Self::Shear => Affine::shear(0.1 * level * sign(rng), 0.1 * level * sign(rng)),
            _ => Affine::translation((8.0 * level * sign(rng)).round(), (8.0 * level * sign(rng)).round()),
        }
    }
}

impl RandAugment {
    /// Draws operations and applies them.
    pub fn apply(&self, image: &mut Image, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
        let level = (self.magnitude / MAGNITUDE_MAX).clamp(0.0, 1.0) as f32;
        for _ in 0..self.operations {
            if let Some(operation) = Operation::ALL.choose(rng) {
                operation.apply(image, level, rng, scratch);
            }
        }
    }
}

/// A strength between −1 and 1.
fn sign(rng: &mut ChaCha8Rng) -> f32 {
    rng.random_range(-1.0..1.0)
}

fn drop_bands(image: &mut Image, level: f32, rng: &mut ChaCha8Rng) {
    let bands = image.optics.len();
    let count = if level < 0.5 { 1 } else { rng.random_range(1..=2) };
    for band in rand::seq::index::sample(rng, bands, count.min(bands / 3)) {
        if let Some((_, plane)) = image.bands().nth(band) {
            let mean = radiometry::mean(plane);
            radiometry::level(plane, mean);
        }
    }
}

fn cut_out(image: &mut Image, level: f32, rng: &mut ChaCha8Rng) {
    let side = image.side_px;
    let hole = ((8.0 * level * rng.random::<f32>()).ceil() as usize).min(side);
    let (top, left) = (rng.random_range(0..=side - hole), rng.random_range(0..=side - hole));
    for (_, plane) in image.bands() {
        let mean = radiometry::mean(plane);
        for row in plane.chunks_exact_mut(side).skip(top).take(hole) {
            radiometry::level(&mut row[left..left + hole], mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::train::augment::Optics;

    const SIDE: usize = 32;

    /// The planes after an operation at full strength; before it every pixel differs from its neighbours.
    fn after(operation: Operation, bands: &[&str], seed: u64) -> Vec<Vec<f32>> {
        let optics: Vec<Optics> = bands.iter().map(|band| Optics::of(band)).collect();
        let mut values: Vec<f32> = bands.iter().flat_map(|_| before()).collect();
        let mut image = Image { values: &mut values, side_px: SIDE, optics: &optics };
        operation.apply(&mut image, 1.0, &mut ChaCha8Rng::seed_from_u64(seed), &mut Scratch::default());
        values.chunks(SIDE * SIDE).map(<[f32]>::to_vec).collect()
    }

    fn before() -> Vec<f32> {
        (0..SIDE * SIDE).map(|pixel| 0.1 + 0.001 * (pixel * 37 % 101) as f32).collect()
    }

    fn is_level(plane: &[f32]) -> bool {
        plane.iter().all(|value| *value == plane[0])
    }

    #[test]
    fn at_most_a_third_of_the_bands_is_dropped() {
        let (mut most, six) = (0, ["B02", "B03", "B04", "B08", "B11", "B12"]);
        for seed in 0..30 {
            let dropped =
                |bands: &[&str]| after(Operation::BandDrop, bands, seed).iter().filter(|p| is_level(p)).count();
            assert_eq!((dropped(&["B02"]), dropped(&["B04", "B03", "B02"])), (0, 1));
            most = most.max(dropped(&six));
        }
        assert_eq!(most, 2);
    }

    #[test]
    fn only_coarse_bands_are_shifted() {
        let planes = after(Operation::CoarseBandShift, &["B02", "B11", "B01", "B12"], 1);
        assert!(planes[0] == before() && planes[2] == before());
        assert!(planes[1] != before() && planes[1] == planes[3]);
    }

    #[test]
    fn a_cut_out_is_a_level_square_of_at_most_8_pixels_in_the_same_place_of_every_band() {
        for seed in 0..20 {
            let planes = after(Operation::CutOut, &["B02", "VV"], seed);
            let mean = radiometry::mean(&before());
            let cut: Vec<usize> = (0..SIDE * SIDE).filter(|pixel| planes[0][*pixel] == mean).collect();
            let (rows, columns) = (cut.iter().map(|pixel| pixel / SIDE), cut.iter().map(|pixel| pixel % SIDE));
            let height = rows.clone().max().unwrap() - rows.min().unwrap() + 1;
            let width = columns.clone().max().unwrap() - columns.min().unwrap() + 1;
            assert!(height == width && height <= 8 && cut.len() == height * width);
            assert_eq!(planes[0], planes[1]);
        }
    }

    #[test]
    fn blur_smooths_and_sharpening_roughens() {
        let roughness = |plane: &[f32]| plane.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f32>();
        let mean = |operation| (0..10).map(|seed| roughness(&after(operation, &["B04"], seed)[0])).sum::<f32>() / 10.0;
        let rough = roughness(&before());
        assert!(mean(Operation::Blur) < 0.95 * rough && mean(Operation::Sharpen) > 1.05 * rough);
    }
}
