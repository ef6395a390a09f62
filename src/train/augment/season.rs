//! Winter on the ground: brown vegetation, moist soil, snow, a low sun and what it costs in signal.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::cover::BLUE_UM;
use super::noise::{Texture, near_normal, smooth};
use super::optics::{Spectrum, at, rayleigh_path};
use super::sun::Sun;
use super::{Image, Scratch, chance};

/// What full vegetation is multiplied by: lowest and highest factor, drawn for each band by itself.
const BROWNING_MIN: &Spectrum =
    &[(0.49, 0.9), (0.56, 0.8), (0.665, 0.9), (0.70, 0.8), (0.74, 0.6), (0.78, 0.5), (0.87, 0.5), (1.61, 0.9)];
const BROWNING_MAX: &Spectrum =
    &[(0.49, 1.6), (0.56, 1.2), (0.665, 1.8), (0.70, 1.3), (0.74, 1.1), (1.0, 1.1), (1.61, 1.4), (2.2, 1.8)];
/// What wet soil is multiplied by in the visible; SWIR falls with the power below.
const MOISTURE: Range<f32> = 0.55..1.0;
const MOISTURE_POWER: &Spectrum = &[(0.49, 1.0), (0.83, 1.1), (1.61, 1.4), (2.20, 1.6)];
/// Snow, fresh and old.
const FRESH_SNOW: &Spectrum = &[(0.49, 0.93), (0.665, 0.92), (0.83, 0.87), (0.87, 0.84), (1.61, 0.09), (2.2, 0.06)];
const OLD_SNOW: &Spectrum = &[(0.49, 0.70), (0.665, 0.68), (0.83, 0.58), (0.87, 0.54), (1.61, 0.03), (2.2, 0.02)];
/// Probability of snow far from the equator, and the latitudes in degrees between which it rises to that.
const SNOW: f64 = 0.5;
const SNOW_LATITUDES_DEG: Range<f32> = 33.0..58.0;
/// Share of the land under snow: some ground is always seen.
const SNOW_COVER: Range<f32> = 0.05..0.75;
/// From bare to white, as a share of the field's range: from hard edges to a dusting.
const SNOW_SOFTNESS: Range<f32> = 0.01..0.3;
/// Light left to ground by shadows too small to see; probability of a relief, and its slopes.
const SMALL_SHADOWS: Range<f32> = 0.7..1.0;
const RELIEF: f64 = 0.5;
const SLOPE_MAX: f32 = 0.25;
const LIGHT: Range<f32> = 0.35..1.6;
/// cos of the sun's zenith angle in the patch as it came.
const SUMMER_COSINE: f32 = 0.9;
/// Standard deviation of noise in reflectance under the sun at the zenith.
const NOISE: Range<f32> = 0.0003..0.0015;

/// Turns a patch of summer into one of winter, under the sun of winter.
pub fn winter(image: &mut Image, sun: &Sun, latitude_deg: Option<f32>, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
    scratch.cover.estimate(image);
    let side = image.side_px;
    let snow_probability = latitude_deg.map_or(SNOW / 2.0, |latitude_deg| {
        let reach = SNOW_LATITUDES_DEG.end - SNOW_LATITUDES_DEG.start;
        SNOW * f64::from(smooth((latitude_deg.abs() - SNOW_LATITUDES_DEG.start) / reach))
    });
    patches_of_phenology(side, rng, scratch);
    relief(side, sun, rng, scratch);
    let snow = chance(snow_probability, rng).then(|| rng.random::<f32>());
    if snow.is_some() {
        snow_cover(side, rng, scratch);
    }
    let moisture = rng.random_range(MOISTURE);
    let (noise, air) = (rng.random_range(NOISE) / sun.cosine.sqrt(), rng.random_range(0.0..1.2f32));
    // No more of the air's light than the patch shows: a corrected one has none, and none is added.
    let air = air * (scratch.cover.path_blue / rayleigh_path(BLUE_UM, SUMMER_COSINE)).min(1.0);
    for (wavelength_um, plane) in image.optical() {
        let brown = rng.random_range(at(BROWNING_MIN, wavelength_um)..at(BROWNING_MAX, wavelength_um)) - 1.0;
        let wet = moisture.powf(at(MOISTURE_POWER, wavelength_um)) - 1.0;
        let age = snow.unwrap_or(0.0);
        let white = at(FRESH_SNOW, wavelength_um) * (1.0 - age) + at(OLD_SNOW, wavelength_um) * age;
        let path = scratch.cover.path(wavelength_um);
        let more = rayleigh_path(wavelength_um, sun.cosine) - rayleigh_path(wavelength_um, SUMMER_COSINE);
        let path_then = path + air * more;
        let cover = scratch.cover.vegetation.iter().zip(&scratch.cover.water);
        for ((value, (vegetation, water)), light) in plane.iter_mut().zip(cover).zip(&scratch.light) {
            let soil = (1.0 - vegetation) * (1.0 - water);
            let ground = (*value - path) * (1.0 + vegetation * brown + soil * wet);
            *value = ground * light + path_then + noise * near_normal(rng);
        }
        if snow.is_some() {
            for ((value, snow), light) in plane.iter_mut().zip(&scratch.field).zip(&scratch.light) {
                *value += snow * (white * light + path_then - *value);
            }
        }
    }
}

/// Lets vegetation keep its green here and there: what is left in `cover.vegetation` is the share that browns.
fn patches_of_phenology(side: usize, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
    let evenness = rng.random_range(0.0..1.0f32);
    Texture::draw(12.0..40.0, rng).fill((side, side), &mut scratch.field, &mut scratch.noise, rng);
    for (vegetation, field) in scratch.cover.vegetation.iter_mut().zip(&scratch.field) {
        *vegetation *= evenness + (1.0 - evenness) * smooth(2.0 * field - 0.5);
    }
}

/// Fills `light`: what ground receives relative to level ground in the open. On slopes it is Lambert's law to first
/// order, `1 + tan θ · ∂h/∂s` along the direction `s` away from the sun; water is level.
fn relief(side: usize, sun: &Sun, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
    let open = rng.random_range(SMALL_SHADOWS);
    scratch.light.clear();
    scratch.light.resize(side * side, open);
    if !chance(RELIEF, rng) {
        return;
    }
    let texture = Texture { octaves: 2, ..Texture::draw(20.0..60.0, rng) };
    // A lattice's steepest slope is about 1.5 over its period.
    let scale = rng.random_range(0.0..SLOPE_MAX) * texture.period_px / 1.5 * sun.tangent();
    texture.fill((side + 1, side + 1), &mut scratch.field, &mut scratch.noise, rng);
    let (down, right) = sun.away;
    for (pixel, (light, water)) in scratch.light.iter_mut().zip(&scratch.cover.water).enumerate() {
        let here = pixel / side * (side + 1) + pixel % side;
        let height = &scratch.field;
        let rise = (height[here + side + 1] - height[here]) * down + (height[here + 1] - height[here]) * right;
        *light *= (1.0 + scale * rise * (1.0 - water)).clamp(LIGHT.start, LIGHT.end);
    }
}

/// Fills `field` with the share of every pixel under snow: none on water.
fn snow_cover(side: usize, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
    Texture::draw(3.0..40.0, rng).fill((side, side), &mut scratch.field, &mut scratch.noise, rng);
    let mut sorted = scratch.field.clone();
    let below = ((1.0 - rng.random_range(SNOW_COVER)) * (side * side - 1) as f32) as usize;
    let edge = *sorted.select_nth_unstable_by(below, f32::total_cmp).1;
    let (depth, softness) = (rng.random_range(0.4..1.0f32), rng.random_range(SNOW_SOFTNESS));
    for (field, water) in scratch.field.iter_mut().zip(&scratch.cover.water) {
        *field = depth * smooth((*field - edge) / softness) * (1.0 - water);
    }
}
