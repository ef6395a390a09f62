//! What the air and its correction do to any patch: haze, light from beside a pixel, and radiometric faults.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::sun::Sun;
use super::{Image, Scratch, chance};

/// Probability of each, times that of the atmosphere block.
const HAZE: f64 = 0.5;
const ADJACENCY: f64 = 0.2;
const OFFSET: f64 = 0.3;
const MISSED_OFFSET: f64 = 0.02;

/// Aerosol optical depth at 0.55 µm, drawn evenly by its logarithm.
const AEROSOL_DEPTH: Range<f32> = 0.02..0.6;
/// Reflectance of endless haze.
const AIRLIGHT: Range<f32> = 0.08..0.25;
/// Ångström's exponent.
const ANGSTROM: f32 = 1.3;
/// Share of the light that aerosol takes out of the beam and does not give back to the ground.
const EXTINCTION: f32 = 0.3;
/// Share of a pixel's light that comes from its surroundings, and how far those reach in pixels.
const NEIGHBOURS_SHARE: Range<f32> = 0.01..0.03;
const NEIGHBOURS_PX: usize = 5;
/// Largest error of the atmospheric correction in reflectance.
const OFFSET_MAX: f32 = 0.01;
/// Reflectance of the 1000 DN that products since 2022 are raised by, where somebody forgot to take them off.
const MISSED: f32 = 0.1;

/// Perturbs the patch: each of the four with its own probability times `probability`.
pub fn perturb(image: &mut Image, probability: f64, sun: &Sun, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
    if chance(probability * ADJACENCY, rng) {
        let share = rng.random_range(NEIGHBOURS_SHARE);
        for (_, plane) in image.optical() {
            let around = scratch.filter.box_mean(plane, NEIGHBOURS_PX);
            plane.iter_mut().zip(around).for_each(|(value, around)| *value += share * (around - *value));
        }
    }
    if chance(probability * HAZE, rng) {
        let depth = rng.random_range(AEROSOL_DEPTH.start.ln()..AEROSOL_DEPTH.end.ln()).exp();
        haze(image, depth, rng.random_range(AIRLIGHT), sun);
    }
    if chance(probability * OFFSET, rng) {
        for (_, plane) in image.optical() {
            add(plane, rng.random_range(-OFFSET_MAX..OFFSET_MAX));
        }
    }
    if chance(probability * MISSED_OFFSET, rng) {
        image.optical().for_each(|(_, plane)| add(plane, MISSED));
    }
}

/// `ρ' = ρ exp(−0.3 m τ) + A (1 − exp(−τ))` with `τ = depth (λ / 0.55 µm)^−1.3` and `m = 1 + 1 / cos θ`: single
/// scattering, most of it forwards.
fn haze(image: &mut Image, depth: f32, airlight: f32, sun: &Sun) {
    let air_mass = 1.0 + 1.0 / sun.cosine;
    for (wavelength_um, plane) in image.optical() {
        let depth = depth * (wavelength_um / 0.55).powf(-ANGSTROM);
        let (transmission, path) = ((-EXTINCTION * air_mass * depth).exp(), airlight * (1.0 - (-depth).exp()));
        plane.iter_mut().for_each(|value| *value = *value * transmission + path);
    }
}

fn add(plane: &mut [f32], offset: f32) {
    plane.iter_mut().for_each(|value| *value += offset);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::augment::Optics;

    #[test]
    fn haze_raises_dark_ground_most_in_blue_and_dims_bright_ground() {
        let optics = ["B02", "B04", "B11", "VV"].map(Optics::of);
        let sun = Sun { cosine: 0.5, away: (-1.0, 0.0) };
        let mut dark = [0.03, 0.03, 0.03, -12.0];
        haze(&mut Image { values: &mut dark, side_px: 1, optics: &optics }, 0.3, 0.15, &sun);
        assert!(dark[0] > dark[1] && dark[1] > dark[2] && dark[2] > 0.03, "{dark:?}");
        assert_eq!(dark[3], -12.0);
        let mut bright = [0.6; 4];
        haze(&mut Image { values: &mut bright, side_px: 1, optics: &optics }, 0.3, 0.15, &sun);
        assert!(bright[0] < bright[1] && bright[1] < 0.6, "{bright:?}");
    }

    // τ at an optical depth of 0.2: B02 .231, B04 .156, B12 .033; a black ground shows A (1 − exp(−τ)).
    #[test]
    fn haze_over_black_ground_follows_angstroms_law() {
        let optics = ["B02", "B04", "B12"].map(Optics::of);
        let mut black = [0.0; 3];
        let sun = Sun { cosine: 0.9, away: (-1.0, 0.0) };
        haze(&mut Image { values: &mut black, side_px: 1, optics: &optics }, 0.2, 1.0, &sun);
        for (value, depth) in black.iter().zip([0.231f32, 0.156, 0.033]) {
            assert!((value - (1.0 - (-depth).exp())).abs() < 0.002, "{value} {depth}");
        }
    }
}
