//! Simulated season and sky on real patches: what winter and clouds do to clear summer pixels. **Simulated** pixels are
//! marked so wherever they appear; nothing measured on them is a measurement of real winters or real clouds.
//!
//! Bands are B04, B03, B02 in top-of-atmosphere reflectance. A pixel is air's path + air's transmittance × light × ground;
//! the ground is had by taking off the air of a clear midsummer day, and a new pixel by putting ground, light and air
//! together again:
//!
//! - **winter**: a low sun by latitude and date ([`Sun`]) with its longer way through the air ([`Air`]), slopes lit or
//!   shaded ([`relief_light`]) and shadows of whatever is uneven; green cover turned in part to bare wood and dead grass;
//!   wet, darker soil; [`Snow`] with a probability that grows with latitude;
//! - **cloudy**: haze, and [`Clouds`] from thin to opaque with their shadows;
//! - **every** group: the sensor's noise, which a low sun makes worse.
//!
//! How much of each is [`SEVERITY`]. A clear summer changes by noise alone.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::atmosphere::{Air, Passage};
use super::bands::RGB;
use super::cloud::{self, Clouds};
use super::field;
use super::random::{log_uniform, smooth, uniform};
use super::season::{Snow, relief_light};
use super::sensor::add_noise;
use super::severity::SEVERITY;
use super::sun::Sun;
use crate::decide::{Season, Sky};

/// The day that real patches are taken to be of.
const MIDSUMMER: u16 = 196;
/// What fully green ground is multiplied by in B04, B03 and B02 when it is bare: leaf-off wood over green canopy.
const BARE: [f32; 3] = [2.0, 1.0, 1.5];
/// Excess of green over red, relative to their sum, of full green cover.
const FULL_GREEN: f32 = 0.2;
/// Of snow among trees a sensor sees this share less than of snow in the open.
const CANOPY_HIDES: f32 = 0.6;
/// Share of direct light that shadows of uneven ground can take at most.
const SHADOW_MAX: f32 = 0.6;
/// Reflectance of an endlessly thick cloud in B04, B03 and B02.
const CLOUD_REFLECTANCE: [f32; 3] = [0.90, 0.90, 0.92];
/// Slope of the spectrum of relief, and of what grows and where snow lies.
const RELIEF_SLOPE: f32 = 3.5;
const COVER_SLOPE: f32 = 2.5;

/// A season and sky to render, and the circumstances drawn for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Season.
    pub season: Season,
    /// Sky.
    pub sky: Sky,
    /// Day of the year, 1 to 365.
    pub day_of_year: u16,
    /// Share of the patch under cloud, 0 to 1.
    pub cloud_cover: f32,
}

/// What a patch has become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Zenith angle of the sun in degrees.
    pub sun_zenith_deg: f32,
    /// Share of pixels above which clouds let at least half of the light through, 0 to 1.
    pub visible_share: f32,
    /// Share of the ground that is white, 0 to 1.
    pub snow_cover: f32,
}

/// The random numbers that belong to one patch under one season and sky: the same seed and name give the same patch.
pub fn rng(seed: u64, name: &str, season: Season, sky: Sky) -> ChaCha8Rng {
    let text = format!("{seed}/{name}/{}/{}", season.name(), sky.name());
    ChaCha8Rng::from_seed(Sha256::digest(text.as_bytes()).into())
}

impl Conditions {
    /// Draws a day of June to August or December to February, and a cloud cover.
    pub fn draw(season: Season, sky: Sky, rng: &mut impl RngExt) -> Self {
        let day_of_year = match season {
            Season::Summer => rng.random_range(152..=243),
            Season::Winter => (334 + rng.random_range(1..=90u16) - 1) % 365 + 1,
        };
        let cloud_cover = match sky {
            Sky::Clear => 0.0,
            Sky::Cloudy => uniform(SEVERITY.cloud_cover, rng),
        };
        Self { season, sky, day_of_year, cloud_cover }
    }
}

/// Renders a clear summer patch under `conditions`, in place: three bands (B04, B03, B02) of `side × side` pixels of
/// reflectance.
pub fn render(
    bands: &mut [f32],
    side: usize,
    latitude_deg: f32,
    conditions: &Conditions,
    rng: &mut impl RngExt,
) -> Outcome {
    let midsummer = Sun::at(latitude_deg, MIDSUMMER);
    let is_winter = conditions.season == Season::Winter;
    let sun = if is_winter { Sun::at(latitude_deg, conditions.day_of_year) } else { midsummer };
    let mut outcome = Outcome { sun_zenith_deg: sun.zenith_deg(), visible_share: 1.0, snow_cover: 0.0 };
    if is_winter || conditions.sky == Sky::Cloudy {
        let before = passages(midsummer, SEVERITY.reference_aerosol_depth);
        take_off(bands, &before);
        let mut light = vec![1.0; side * side];
        let mut aerosol = SEVERITY.summer_aerosol_depth;
        if is_winter {
            light = winter_light(bands, side, &midsummer, &sun, rng);
            outcome.snow_cover = winter_ground(bands, side, latitude_deg, rng);
            aerosol = SEVERITY.winter_aerosol_depth;
        }
        let after = passages(sun, log_uniform(aerosol, rng));
        match conditions.sky {
            Sky::Clear => put_on(bands, &light, &after),
            Sky::Cloudy => {
                let clouds = Clouds::draw(side, conditions.cloud_cover, &SEVERITY.clouds, &sun, rng);
                for (light, depth) in light.iter_mut().zip(&clouds.sunward_depth) {
                    *light *= cloud::transmittance(depth / sun.cosine);
                }
                put_on(bands, &light, &after);
                cover(bands, &clouds);
                outcome.visible_share = clouds.visible_share();
            }
        }
    }
    for (values, band) in bands.chunks_mut(side * side).zip(&RGB) {
        add_noise(values, band, sun.cosine, SEVERITY.noise_gain, rng);
    }
    outcome
}

fn passages(sun: Sun, aerosol_depth: f32) -> [Passage; 3] {
    let air = Air { sun_cosine: sun.cosine, aerosol_depth };
    RGB.map(|band| air.passage(band.wavelength_um))
}

/// From the sensor to the ground. May fall below 0 where a patch was darker than the air over it should allow.
fn take_off(bands: &mut [f32], air: &[Passage; 3]) {
    let plane = bands.len() / 3;
    for (values, air) in bands.chunks_mut(plane).zip(air) {
        values.iter_mut().for_each(|value| *value = (*value - air.path) / air.transmittance);
    }
}

/// From the ground to the sensor. `light` is what each pixel gets of the sun's direct light; light from the sky it gets
/// in full.
fn put_on(bands: &mut [f32], light: &[f32], air: &[Passage; 3]) {
    let plane = bands.len() / 3;
    for (values, air) in bands.chunks_mut(plane).zip(air) {
        for (value, light) in values.iter_mut().zip(light) {
            let light = light * (1.0 - air.diffuse) + air.diffuse;
            *value = air.path + air.transmittance * light * *value;
        }
    }
}

/// Clouds above everything else.
fn cover(bands: &mut [f32], clouds: &Clouds) {
    let plane = bands.len() / 3;
    for (values, white) in bands.chunks_mut(plane).zip(CLOUD_REFLECTANCE) {
        for (value, depth) in values.iter_mut().zip(&clouds.depth) {
            *value = *value * cloud::transmittance(*depth) + white * cloud::reflectance(*depth);
        }
    }
}

/// Direct light under the low sun relative to that of midsummer: relief, and shadows of what is uneven.
fn winter_light(ground: &[f32], side: usize, midsummer: &Sun, sun: &Sun, rng: &mut impl RngExt) -> Vec<f32> {
    let relief = field::single(side, RELIEF_SLOPE, rng);
    let mut light = relief_light(&relief, side, uniform(SEVERITY.steepness, rng), sun);
    let more = SEVERITY.roughness * (sun.tangent() - midsummer.tangent()).max(0.0);
    let plane = side * side;
    for (pixel, light) in light.iter_mut().enumerate() {
        let shadow = (more * contrast(&ground[plane..2 * plane], side, pixel)).min(SHADOW_MAX);
        *light *= 1.0 - shadow;
    }
    light
}

/// Deviation over mean of the 3 × 3 pixels around one.
fn contrast(values: &[f32], side: usize, pixel: usize) -> f32 {
    let (row, column) = (pixel / side, pixel % side);
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for row in row.saturating_sub(1)..(row + 2).min(side) {
        for value in &values[row * side + column.saturating_sub(1)..row * side + (column + 2).min(side)] {
            count += 1.0;
            sum += value;
            squares += value * value;
        }
    }
    let mean = sum / count;
    (squares / count - mean * mean).max(0.0).sqrt() / mean.max(0.02)
}

/// What ground of this reflectance (B04, B03, B02; at the surface) is: shares of green cover and of water, 0 to 1.
pub(super) fn cover_of([red, green, blue]: [f32; 3]) -> [f32; 2] {
    // Water is dark in red, and not as much darker in blue than in green as leaves are.
    let water = smooth((0.06 - red) / 0.03) * smooth((blue / green - 0.55) / 0.2);
    let greenness = smooth((green - red) / (green + red) / FULL_GREEN);
    [greenness * (1.0 - water), water]
}

/// Bare cover, wet soil and snow, in place; returns the share that is white.
fn winter_ground(ground: &mut [f32], side: usize, latitude_deg: f32, rng: &mut impl RngExt) -> f32 {
    let [growth, drifts] = field::pair(side, COVER_SLOPE, rng);
    let bareness = uniform(SEVERITY.bareness, rng);
    let moisture = uniform(SEVERITY.moisture, rng);
    let is_snowy = rng.random::<f32>() < SEVERITY.snow.probability(latitude_deg);
    let snow = is_snowy.then(|| Snow::draw(&drifts.values, uniform(SEVERITY.snow_cover, rng), rng));
    let plane = side * side;
    let mut white_sum = 0.0;
    for pixel in 0..plane {
        let [red, green, blue] = [0, 1, 2].map(|band| ground[band * plane + pixel].max(1e-3));
        let [greenness, water] = cover_of([red, green, blue]);
        // Conifers and meadows stay green: some places are barer than others.
        let bare = greenness * (bareness + 0.25 * growth.values[pixel]).clamp(0.0, 1.0);
        let wet = 1.0 - moisture * (1.0 - greenness) * (1.0 - water);
        let white = snow.as_ref().map_or(0.0, |snow| snow.share[pixel]) * (1.0 - water);
        let white = white * (1.0 - CANOPY_HIDES * greenness);
        white_sum += white;
        for band in 0..3 {
            let value = &mut ground[band * plane + pixel];
            *value *= (1.0 + bare * (BARE[band] - 1.0)) * wet;
            *value += (snow.as_ref().map_or(0.0, |snow| snow.reflectance) - *value) * white;
        }
    }
    white_sum / plane as f32
}

#[cfg(test)]
mod tests;
