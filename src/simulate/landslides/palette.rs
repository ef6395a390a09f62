//! What covers of the ground reflect on the later date, and scatter back on both.
//!
//! Backscatter is γ⁰ at C band (5.4 GHz), which changes little with the angle of incidence; values are rounded from what the
//! literature reports of Sentinel-1: trees scatter in their volume (VH is high), bare ground at its surface (VH is low, more
//! so where it is smooth), water and wet snow hardly back (wet snow 3 dB and more below snow-free ground: Nagler and Rott,
//! 2000). A slide takes the trees' volume away and leaves rubble, so that VH falls and VV may fall or rise; where grass was,
//! both rise (Lindsay and others, Remote Sensing 17, 3313, 2025).

use rand::RngExt;

use super::region::Region;
use crate::simulate::random::{normal_pair, smooth, uniform};
use crate::simulate::spectra::{Spectrum, Surface, mix, tint, tinted};

/// Reflectance in B04, B03, B02, B08.
pub type Colour = [f32; 4];
/// γ⁰ of VV and VH, not in dB.
pub type Scatter = [f32; 2];

/// The optical bands as indices into [`crate::simulate::bands::ALL`].
pub const OPTICAL: [usize; 4] = [3, 2, 1, 7];

/// What covers the ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
#[repr(usize)]
pub enum Cover {
    Broadleaf,
    Conifer,
    Shrub,
    Grass,
    Rock,
    Soil,
    Crop,
    Stubble,
    Ploughed,
    Slash,
    Road,
    Gravel,
    Water,
    Snow,
    Debris,
}

/// How many there are.
pub const COVERS: usize = Cover::Debris as usize + 1;

/// γ⁰ in dB of VV and VH, and by how many dB wet ground is above dry.
const GAMMA_NOUGHT_DB: [[f32; 3]; COVERS] = [
    [-8.0, -13.5, 0.3],
    [-8.5, -14.0, 0.3],
    [-10.5, -16.5, 0.8],
    [-12.5, -19.5, 1.8],
    [-10.0, -18.0, 0.6],
    [-12.0, -20.5, 2.8],
    [-11.5, -17.5, 1.5],
    [-13.5, -21.0, 2.5],
    [-10.5, -19.5, 2.8],
    [-11.0, -17.5, 1.5],
    [-14.0, -22.0, 1.0],
    [-12.5, -20.5, 1.5],
    [-19.0, -27.0, 0.0],
    [-11.5, -18.5, 0.0],
    [-10.0, -20.0, 1.0],
];
/// What wet snow is below dry, and leafless trees below green ones, in dB.
const WET_SNOW_DB: f32 = -4.5;
const LEAFLESS_DB: f32 = -0.8;
/// Deviations of a site's covers from the usual, and of a date's from the site's, in dB.
const SITE_SPREAD_DB: f32 = 1.0;
const DATE_SPREAD_DB: f32 = 0.2;
/// How far the ground of a date is wetter or drier than the site's usually is.
const WEATHER: [f32; 2] = [-0.25, 0.25];
/// Share by which wet soil is darker.
const WETNESS: f32 = 0.4;

/// What lies on the ground: its colour on the later date, its scatter on both.
#[derive(Debug, Clone, Copy)]
pub struct Matter {
    /// Reflectance.
    pub colour: Colour,
    /// γ⁰ on the earlier and the later date.
    pub scatter: [Scatter; 2],
}

/// The state of nature on a date.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Share of leaves on broad-leaved trees.
    pub leaves: f32,
    /// 0 the depth of winter, 1 midsummer.
    pub warmth: f32,
    /// 0 dry to 1 wet ground.
    pub moisture: f32,
    /// Whether snow is melting.
    pub is_thawing: bool,
}

impl Time {
    /// Of a day of the year at a latitude in degrees, where the ground is usually as wet as `wetness`.
    pub fn draw(day_of_year: u16, latitude: f32, wetness: f32, rng: &mut impl RngExt) -> Self {
        // Warmth follows the sun by a month.
        let year = (std::f32::consts::TAU * (f32::from(day_of_year) - 201.0) / 365.25).cos() * latitude.signum();
        let seasonal = smooth((latitude.abs() - 15.0) / 25.0);
        let warmth = 1.0 - seasonal * (0.5 - 0.5 * year);
        let leaves = smooth((warmth - 0.25) / 0.4) * uniform([0.85, 1.0], rng);
        let is_thawing = rng.random::<f32>() < warmth.max(0.25);
        Self { leaves, warmth, moisture: (wetness + uniform(WEATHER, rng)).clamp(0.0, 1.0), is_thawing }
    }
}

/// What the covers of a site are like on its two dates.
#[derive(Debug, Clone)]
pub struct Palette {
    /// On the later date.
    pub colours: [Colour; COVERS],
    /// On the earlier and the later date.
    pub scatter: [[Scatter; COVERS]; 2],
}

impl Palette {
    /// Draws the covers of a site on two dates, the earlier first.
    pub fn draw(region: &Region, times: &[Time; 2], rng: &mut impl RngExt) -> Self {
        let spectra = spectra(region, &times[1], rng);
        let site: [[f32; 2]; COVERS] = std::array::from_fn(|_| normal_pair(rng).map(|v| v * SITE_SPREAD_DB));
        let of_date = |time: &Time, rng: &mut _| -> [Scatter; COVERS] {
            std::array::from_fn(|cover| {
                let date = normal_pair(rng).map(|v| v * DATE_SPREAD_DB);
                let own = [0, 1].map(|channel| site[cover][channel] + date[channel]);
                scatter(cover, time, own)
            })
        };
        let scatter = [of_date(&times[0], rng), of_date(&times[1], rng)];
        Self { colours: spectra.map(|spectrum| colour(&spectrum)), scatter }
    }

    /// A cover on both dates.
    pub fn matter(&self, cover: Cover) -> Matter {
        let index = cover as usize;
        Matter { colour: self.colours[index], scatter: [self.scatter[0][index], self.scatter[1][index]] }
    }
}

fn scatter(cover: usize, time: &Time, own_db: [f32; 2]) -> Scatter {
    let [vv, vh, wet] = GAMMA_NOUGHT_DB[cover];
    let mut shift = wet * (time.moisture - 0.5);
    if cover == Cover::Snow as usize && time.is_thawing {
        shift += WET_SNOW_DB;
    }
    if cover == Cover::Broadleaf as usize {
        shift += LEAFLESS_DB * (1.0 - time.leaves);
    }
    // The two polarisations of a cover vary together, mostly.
    [vv + shift + own_db[0], vh + shift + 0.7 * own_db[0] + 0.5 * own_db[1]].map(|db| 10f32.powf(db / 10.0))
}

/// The optical bands of a spectrum.
pub fn colour(spectrum: &Spectrum) -> Colour {
    OPTICAL.map(|band| spectrum[band])
}

/// Fresh rubble: soil and rock, lighter or darker by a draw of its own.
pub fn debris(region: &Region, moisture: f32, rng: &mut impl RngExt) -> Colour {
    let soil = mix(&region.soil.spectrum(), &Surface::LightSoil.spectrum(), rng.random::<f32>() * 0.6);
    let mixed = mix(&soil, &region.rock.spectrum(), rng.random::<f32>() * 0.7);
    let gain = (1.0 - WETNESS * moisture) * uniform([0.85, 1.2], rng);
    colour(&tinted(&mixed, &tint(rng))).map(|value| value * gain)
}

fn spectra(region: &Region, time: &Time, rng: &mut impl RngExt) -> [Spectrum; COVERS] {
    let wet = |spectrum: Spectrum| spectrum.map(|value| value * (1.0 - WETNESS * time.moisture));
    let [green, dry, soil, rock] =
        [Surface::GreenGrass, Surface::DryGrass, region.soil, region.rock].map(Surface::spectrum);
    let trees = mix(&Surface::BareTrees.spectrum(), &Surface::GreenVegetation.spectrum(), time.leaves);
    let withered = if region.has_dry_summer { time.warmth } else { 1.0 - time.warmth } * uniform([0.5, 1.0], rng);
    let grass = mix(&green, &dry, withered);
    let crop = mix(&soil, &Surface::GreenVegetation.spectrum(), uniform([0.4, 1.0], rng) * (0.4 + 0.6 * time.warmth));
    let shrub = mix(&mix(&grass, &trees, 0.5), &Surface::Evergreen.spectrum(), 0.4);
    let slash = mix(&mix(&soil, &dry, 0.6), &grass, uniform([0.0, 0.5], rng));
    let gravel = mix(&rock, &Surface::DrySand.spectrum(), 0.3);
    let snow = mix(&Surface::OldSnow.spectrum(), &Surface::FreshSnow.spectrum(), rng.random());
    let water = mix(&Surface::DeepWater.spectrum(), &Surface::TurbidWater.spectrum(), rng.random());
    let typical = [
        trees,
        Surface::Evergreen.spectrum(),
        shrub,
        grass,
        wet(rock),
        wet(soil),
        crop,
        mix(&wet(soil), &dry, 0.6),
        wet(soil),
        slash,
        mix(&wet(soil), &Surface::WeatheredConcrete.spectrum(), rng.random()),
        wet(gravel),
        water,
        snow,
        wet(mix(&soil, &rock, 0.4)),
    ];
    typical.map(|spectrum| tinted(&spectrum, &tint(rng)))
}
