//! From the ground to the tile: light, air, clouds, optics and noise.

use rand::RngExt;

use super::Knobs;
use super::day::Day;
use super::ground;
use super::site::{SIDE, Site};
use crate::simulate::atmosphere::Air;
use crate::simulate::bands::{ALL, Band};
use crate::simulate::cloud::{self, Clouds, Kind, VISIBLE_TRANSMITTANCE};
use crate::simulate::random::uniform;
use crate::simulate::season::relief_light;
use crate::simulate::sensor;
use crate::simulate::spectra::Surface;

/// Share of a tile under cloud in a cloudy group.
const COVER: [f32; 2] = [0.12, 0.45];
/// Optical depth at which a cloud begins.
const EDGE_DEPTH: f32 = 0.3;
/// Optical depth of the cores of water clouds and of ice clouds, and their heights in metres.
const WATER: ([f32; 2], [f32; 2]) = ([1.0, 12.0], [250.0, 1200.0]);
const ICE: ([f32; 2], [f32; 2]) = ([0.5, 3.0], [6000.0, 9000.0]);
/// Share of cloudy skies that are ice.
const ICE_PROBABILITY: f32 = 0.2;
/// Reflectance of a cloud without end over that of the thick clouds in the table.
const ENDLESS: f32 = 1.3;
/// A tile counts only if this share of its construction (or of the place where it would be) is visible.
pub const VISIBLE_MIN: f32 = 0.3;
/// How often another sky is drawn for a site that is hidden.
const SKIES: usize = 40;

/// The sky over a tile.
#[derive(Debug, Clone)]
pub struct Sky {
    clouds: Clouds,
    /// What the clouds are of.
    surface: Surface,
    /// Share under cloud, 0 to 1.
    pub cover: f32,
    /// Share of the target that is visible, 0 to 1.
    pub visible_share: f32,
}

impl Sky {
    /// Draws clouds that leave [`VISIBLE_MIN`] of the target visible; None where `SKIES` draws did not. Whether there is
    /// construction plays no part, so that the sky says nothing about it.
    pub fn draw(site: &Site, day: &Day, knobs: &Knobs, rng: &mut impl RngExt) -> Option<Self> {
        let severity = knobs.cloud_severity;
        let cover = uniform([COVER[0], (COVER[1] * severity).clamp(COVER[0], 0.65)], rng);
        let is_ice = rng.random::<f32>() < ICE_PROBABILITY;
        let (core_depth, height_m) = if is_ice { ICE } else { WATER };
        let core_depth = core_depth.map(|depth| (depth * severity).max(1.1 * EDGE_DEPTH));
        let slope = site.region.cloud_slope;
        let kind = Kind { edge_depth: EDGE_DEPTH, core_depth, core_share: 0.3, slope, height_m };
        (0..SKIES).find_map(|_| {
            let clouds = Clouds::draw(SIDE, cover, &kind, &day.sun, rng);
            let is_visible = |pixel: usize| cloud::transmittance(clouds.depth[pixel]) >= VISIBLE_TRANSMITTANCE;
            let total: f32 = site.target.iter().map(|(_, share)| share).sum();
            let seen: f32 = site.target.iter().filter(|(pixel, _)| is_visible(*pixel)).map(|(_, share)| share).sum();
            let visible_share = seen / total;
            let surface = if is_ice { Surface::IceCloud } else { Surface::WaterCloud };
            (visible_share >= VISIBLE_MIN).then_some(Self { clouds, surface, cover, visible_share })
        })
    }
}

/// Top-of-atmosphere reflectance of a tile: the bands of `bands` (indices into [`ALL`]) one after the other, row by row.
pub fn render(site: &Site, day: &Day, sky: Option<&Sky>, bands: &[usize], rng: &mut impl RngExt) -> Vec<f32> {
    let ground = ground::reflectance(site, day, rng);
    let light = light(site, day, sky);
    let air = Air { sun_cosine: day.sun.cosine, aerosol_depth: day.aerosol_depth };
    let white = sky.map(|sky| sky.surface.spectrum());
    let mut tile = Vec::with_capacity(bands.len() * SIDE * SIDE);
    for &index in bands {
        let band: &Band = &ALL[index];
        let passage = air.passage(band.wavelength_um);
        let mut plane: Vec<f32> = ground
            .iter()
            .zip(&light)
            .map(|(spectrum, light)| {
                let light = light * (1.0 - passage.diffuse) + passage.diffuse;
                passage.path + passage.transmittance * light * spectrum[index]
            })
            .collect();
        if let (Some(sky), Some(white)) = (sky, &white) {
            for (value, depth) in plane.iter_mut().zip(&sky.clouds.depth) {
                let passes = cloud::transmittance(*depth);
                *value = *value * passes + ENDLESS * white[index] * (1.0 - passes);
            }
        }
        tile.extend(sensor::observe(&plane, SIDE, band, day.sun.cosine, rng));
    }
    tile
}

/// Direct light on each pixel relative to level, open ground: relief, shadows of structures, shadows of clouds.
fn light(site: &Site, day: &Day, sky: Option<&Sky>) -> Vec<f32> {
    let mut light = relief_light(&site.relief, SIDE, site.region.steepness, &day.sun);
    for (light, distance) in light.iter_mut().zip(&site.distance) {
        if *distance <= 0.0 {
            *light = 1.0;
        }
    }
    for (shape, height) in site.layers.iter().filter_map(|layer| layer.tall.as_ref()) {
        let own = shape.coverage(SIDE);
        for (pixel, share) in shape.shadow(SIDE, day.sun.to_caster(*height)) {
            // A roof is not in the shadow of its own house.
            let roof = own.iter().find(|(other, _)| *other == pixel).map_or(0.0, |(_, share)| *share);
            light[pixel] *= 1.0 - (share - roof).max(0.0);
        }
    }
    if let Some(sky) = sky {
        for (light, depth) in light.iter_mut().zip(&sky.clouds.sunward_depth) {
            *light *= cloud::transmittance(depth / day.sun.cosine);
        }
    }
    light
}
