//! From the ground to the pixels: light, air, now and then a cloud, optics and noise.

use rand::RngExt;

use super::land::Land;
use super::palette::BANDS;
use super::{Class, SIDE};
use crate::simulate::atmosphere::Air;
use crate::simulate::bands::ALL;
use crate::simulate::cloud::{self, Clouds, Kind};
use crate::simulate::random::{normal_pair, uniform};
use crate::simulate::season::relief_light;
use crate::simulate::sensor;
use crate::simulate::sun::Sun;

/// DN per unit of reflectance.
const QUANTIFICATION: f32 = 10_000.0;
/// How often a tile has clouds that whoever composed the images missed, and what they are like.
const CLOUDY: f32 = 0.02;
const COVER: [f32; 2] = [0.01, 0.08];
const KIND: Kind =
    Kind { edge_depth: 1.0, core_depth: [4.0, 15.0], core_share: 0.4, slope: [2.8, 3.4], height_m: [500.0, 1500.0] };
/// Reflectance of a cloud without end.
const WHITE: f32 = 0.9;
/// Deviation of the logarithm by which the aerosol that is corrected for differs from that in the air.
const AEROSOL_ERROR: f32 = 0.3;

/// The air and light of an acquisition.
#[derive(Debug, Clone, Copy)]
pub struct Sky {
    /// Direction of the sun.
    pub sun: Sun,
    /// Optical depth of aerosol at 0.55 µm.
    pub aerosol_depth: f32,
}

/// An image.
pub struct Image {
    /// Red, green, blue and near infrared of every pixel, one after the other, in DN; never 0.
    pub dn: Vec<u16>,
    /// Pixels under cloud.
    pub clouds: Vec<bool>,
}

/// What the sensor sees of the land: reflectance at the ground as a processor makes it, with the error that its guess of the
/// aerosol leaves.
pub fn render(land: &Land, sky: &Sky, steepness: f32, rng: &mut impl RngExt) -> Image {
    let light = light(land, sky, steepness);
    let clouds = (rng.random::<f32>() < CLOUDY).then(|| Clouds::draw(SIDE, uniform(COVER, rng), &KIND, &sky.sun, rng));
    let air = Air { sun_cosine: sky.sun.cosine, aerosol_depth: sky.aerosol_depth };
    let [error, _] = normal_pair(rng);
    let guess = Air { aerosol_depth: sky.aerosol_depth * (AEROSOL_ERROR * error).exp(), ..air };
    let mut dn = vec![0; BANDS.len() * SIDE * SIDE];
    for (channel, index) in BANDS.into_iter().enumerate() {
        let band = &ALL[index];
        let (passage, corrected) = (air.passage(band.wavelength_um), guess.passage(band.wavelength_um));
        let seen = |pixel: usize| {
            let shade = clouds
                .as_ref()
                .map_or(1.0, |clouds| cloud::transmittance(clouds.sunward_depth[pixel] / sky.sun.cosine));
            let light = light[pixel] * shade * (1.0 - passage.diffuse) + passage.diffuse;
            let clear = passage.path + passage.transmittance * light * land.colours[pixel][channel];
            let passes = clouds.as_ref().map_or(1.0, |clouds| cloud::transmittance(clouds.depth[pixel]));
            clear * passes + WHITE * (1.0 - passes)
        };
        let plane: Vec<f32> = (0..SIDE * SIDE).map(seen).collect();
        let observed = sensor::observe(&plane, SIDE, band, sky.sun.cosine, rng);
        for (pixel, value) in observed.into_iter().enumerate() {
            let ground = (value - corrected.path) / corrected.transmittance;
            dn[pixel * BANDS.len() + channel] =
                (ground * QUANTIFICATION).round().clamp(1.0, f32::from(u16::MAX)) as u16;
        }
    }
    let is_cloud = |pixel| clouds.as_ref().is_some_and(|clouds| clouds.depth[pixel] >= KIND.edge_depth);
    Image { dn, clouds: (0..SIDE * SIDE).map(is_cloud).collect() }
}

/// Direct light relative to level ground; water is level.
fn light(land: &Land, sky: &Sky, steepness: f32) -> Vec<f32> {
    let mut light = relief_light(&land.relief, SIDE, steepness, &sky.sun);
    for (light, class) in light.iter_mut().zip(&land.classes) {
        if *class == Class::Water {
            *light = 1.0;
        }
    }
    light
}
