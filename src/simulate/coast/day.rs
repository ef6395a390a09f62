//! A date at a site: sun, leaves, wetness, snow and air of the day.

use rand::RngExt;

use super::region::{COVERS, Region};
use super::site::{SIDE, Site};
use crate::decide::Season;
use crate::simulate::field;
use crate::simulate::random::{Span, log_uniform, uniform};
use crate::simulate::season::{Snow, SnowClimate};
use crate::simulate::spectra::{Spectrum, Surface, mix, tinted};
use crate::simulate::sun::Sun;

/// Share of leaves on the trees.
const LEAVES: [(Season, Span); 2] = [(Season::Summer, [0.85, 1.0]), (Season::Winter, [0.05, 0.5])];
/// Share by which wet ground is darker.
const MOISTURE: [(Season, Span); 2] = [(Season::Summer, [0.0, 0.1]), (Season::Winter, [0.05, 0.45])];
/// Snow on coasts is rarer than inland.
const SNOW: SnowClimate = SnowClimate { mild: [40.0, 0.02], cold: [57.0, 0.25] };
/// Share of a snowy tile's land that is white.
const SNOW_COVER: Span = [0.1, 0.7];
const SNOW_SLOPE: f32 = 2.2;
/// Aerosol in winter, relative to summer's.
const WINTER_AEROSOL: f32 = 0.75;
/// Water darkens the short-wave infrared more than the visible.
const WETTER_IN_SWIR: f32 = 1.3;

/// What a date brings.
#[derive(Debug, Clone)]
pub struct Day {
    /// Direction of the sun.
    pub sun: Sun,
    /// Optical depth of aerosol at 0.55 µm.
    pub aerosol_depth: f32,
    /// Spectra of the land covers on that day.
    pub covers: [Spectrum; COVERS],
    /// Share by which wet ground is darker.
    pub moisture: f32,
    /// Surf: 0 none to 1 much.
    pub surf: f32,
    /// Snow, if it lies.
    pub snow: Option<Snow>,
}

impl Day {
    /// Draws the day of the year at a site's latitude in degrees.
    pub fn draw(site: &Site, latitude_deg: f32, day_of_year: u16, season: Season, rng: &mut impl RngExt) -> Self {
        let of = |bounds: &[(Season, Span); 2]| bounds[usize::from(season == Season::Winter)].1;
        let region = site.region;
        let is_winter = season == Season::Winter;
        let moisture = uniform(of(&MOISTURE), rng);
        let leaves = uniform(of(&LEAVES), rng);
        let aerosol_depth = log_uniform(region.aerosol_depth, rng) * if is_winter { WINTER_AEROSOL } else { 1.0 };
        let is_snowy = is_winter && rng.random::<f32>() < region.snow * SNOW.probability(latitude_deg);
        Self {
            sun: Sun::at(latitude_deg, day_of_year),
            aerosol_depth,
            covers: covers(region, &site.tints, leaves, moisture, is_winter, rng),
            moisture,
            surf: rng.random(),
            snow: is_snowy.then(|| {
                let field = field::single(SIDE, SNOW_SLOPE, rng);
                Snow::draw(&field.values, uniform(SNOW_COVER, rng), rng)
            }),
        }
    }
}

/// Broad-leaved trees, evergreens, grass, fields, rock and bare soil on a day.
fn covers(
    region: &Region,
    tints: &[Spectrum],
    leaves: f32,
    moisture: f32,
    is_winter: bool,
    rng: &mut impl RngExt,
) -> [Spectrum; COVERS] {
    let soil = wet(&region.soil.spectrum(), moisture);
    let rock = wet(&region.rock.spectrum(), moisture);
    let [green, dry] = [Surface::GreenGrass, Surface::DryGrass].map(Surface::spectrum);
    let withered = match (is_winter, region.has_dry_summer) {
        (true, _) => uniform([0.0, 0.4], rng),
        (false, true) => uniform([0.7, 1.0], rng),
        (false, false) => uniform([0.0, 0.2], rng),
    };
    let crop = if is_winter { uniform([0.0, 0.6], rng) * 0.7 } else { rng.random::<f32>() };
    let trees = mix(&Surface::BareTrees.spectrum(), &Surface::GreenVegetation.spectrum(), leaves);
    let fields = mix(&soil, &Surface::GreenVegetation.spectrum(), crop);
    let typical = [trees, Surface::Evergreen.spectrum(), mix(&green, &dry, withered), fields, rock, soil];
    std::array::from_fn(|cover| tinted(&typical[cover], &tints[cover]))
}

/// A spectrum darkened by water by the share `moisture` in the visible.
pub fn wet(spectrum: &Spectrum, moisture: f32) -> Spectrum {
    std::array::from_fn(|band| spectrum[band] * (1.0 - moisture * if band >= 11 { WETTER_IN_SWIR } else { 1.0 }))
}
