//! What Sentinel-2 sees on the later date: reflectance at the ground as a processor makes it, under whatever sky there is.

use rand::RngExt;

use super::SIDE;
use super::land::Land;
use super::palette::OPTICAL;
use super::region::Region;
use super::terrain::Terrain;
use crate::simulate::atmosphere::Air;
use crate::simulate::bands::ALL;
use crate::simulate::cloud::{self, Clouds, Kind, VISIBLE_TRANSMITTANCE};
use crate::simulate::random::{Span, log_uniform, normal_pair, uniform};
use crate::simulate::sensor;
use crate::simulate::sun::Sun;

/// Depth that counts as cloud.
const EDGE_DEPTH: f32 = 0.6;
/// Small clouds, wide ones, and veils, with their shares of the skies that are not clear and of the patch.
const WATER: Kind = Kind {
    edge_depth: EDGE_DEPTH,
    core_depth: [3.0, 30.0],
    core_share: 0.4,
    slope: [2.8, 3.4],
    height_m: [300.0, 1800.0],
};
const VEIL: Kind = Kind {
    edge_depth: EDGE_DEPTH,
    core_depth: [0.8, 4.0],
    core_share: 0.3,
    slope: [3.0, 3.8],
    height_m: [3000.0, 9000.0],
};
const SMALL: (f32, Span) = (0.4, [0.03, 0.3]);
const WIDE_COVER: Span = [0.25, 0.68];
const VEILS: (f32, Span) = (0.25, [0.2, 0.68]);
/// Haze: share of the skies that are not clear, and its optical depth.
const HAZE: (f32, Span) = (0.15, [0.35, 0.9]);
/// Reflectance of a cloud without end.
const WHITE: f32 = 0.95;
/// Deviation of the logarithm by which the aerosol that is corrected for differs from that in the air.
const AEROSOL_ERROR: f32 = 0.35;
/// Share of the relief's light that processors take out again, as an exponent.
const CORRECTED: Span = [0.0, 0.6];
/// Light below which nothing is seen in a shadow, relative to level ground.
const LIT: f32 = 0.25;

/// The sky over a patch.
#[derive(Debug, Clone)]
pub struct Sky {
    clouds: Option<Clouds>,
    aerosol_depth: f32,
    /// Share of the patch under cloud, 0 to 1.
    pub cover: f32,
}

impl Sky {
    /// Draws one of a region.
    pub fn draw(region: &Region, sun: &Sun, rng: &mut impl RngExt) -> Self {
        let clear = Self { clouds: None, aerosol_depth: log_uniform(region.aerosol_depth, rng), cover: 0.0 };
        if rng.random::<f32>() >= region.cloudy {
            return clear;
        }
        let chance = rng.random::<f32>();
        let (kind, cover) = match chance {
            _ if chance < HAZE.0 => return Self { aerosol_depth: log_uniform(HAZE.1, rng), ..clear },
            _ if chance < HAZE.0 + VEILS.0 => (VEIL, VEILS.1),
            _ if chance < HAZE.0 + VEILS.0 + SMALL.0 => (WATER, SMALL.1),
            _ => (WATER, WIDE_COVER),
        };
        let cover = uniform(cover, rng);
        Self { clouds: Some(Clouds::draw(SIDE, cover, &kind, sun, rng)), cover, ..clear }
    }
}

/// What the sensor sees.
#[derive(Debug, Clone)]
pub struct Image {
    /// Reflectance in B04, B03, B02, B08, each row by row.
    pub reflectance: [Vec<f32>; 4],
    /// Pixels that neither clouds nor shadows hide.
    pub is_seen: Vec<bool>,
}

/// Renders the land's colours.
pub fn observe(land: &Land, terrain: &Terrain, sun: &Sun, sky: &Sky, rng: &mut impl RngExt) -> Image {
    let relief = terrain.light(sun);
    let mut light = relief.clone();
    if let Some(clouds) = &sky.clouds {
        for (light, depth) in light.iter_mut().zip(&clouds.sunward_depth) {
            *light *= cloud::transmittance(depth / sun.cosine);
        }
    }
    let air = Air { sun_cosine: sun.cosine, aerosol_depth: sky.aerosol_depth };
    let [error, _] = normal_pair(rng);
    let guess = Air { aerosol_depth: sky.aerosol_depth * (AEROSOL_ERROR * error).exp(), ..air };
    let corrected = uniform(CORRECTED, rng);
    let reflectance = [0, 1, 2, 3].map(|channel| {
        let band = &ALL[OPTICAL[channel]];
        let (passage, taken) = (air.passage(band.wavelength_um), guess.passage(band.wavelength_um));
        let seen = |pixel: usize| {
            let light = light[pixel] * (1.0 - passage.diffuse) + passage.diffuse;
            let clear = passage.path + passage.transmittance * light * land.colours[pixel][channel];
            let passes = sky.clouds.as_ref().map_or(1.0, |clouds| cloud::transmittance(clouds.depth[pixel]));
            clear * passes + WHITE * (1.0 - passes)
        };
        let plane: Vec<f32> = (0..SIDE * SIDE).map(seen).collect();
        let mut plane = sensor::observe(&plane, SIDE, band, sun.cosine, rng);
        for (value, relief) in plane.iter_mut().zip(&relief) {
            let level = (relief * (1.0 - taken.diffuse) + taken.diffuse).max(0.2).powf(corrected);
            // Products never go below one DN.
            *value = ((*value - taken.path) / taken.transmittance / level).max(1e-4);
        }
        plane
    });
    let is_seen = |pixel: usize| {
        let under = |clouds: &Clouds| cloud::transmittance(clouds.depth[pixel]) >= VISIBLE_TRANSMITTANCE;
        light[pixel] > LIT && sky.clouds.as_ref().is_none_or(under)
    };
    Image { reflectance, is_seen: (0..SIDE * SIDE).map(is_seen).collect() }
}
