//! A patch: the twelve bands, and what is true of them.

use rand::RngExt;

use super::change;
use super::land::{Brush, Land};
use super::optics::{self, Sky};
use super::radar;
use super::site::Site;
use super::terrain::Terrain;
use super::tongue::Footprint;
use super::{BANDS, SIDE};
use crate::simulate::random::{Span, uniform};

/// How often a sensor has no data on one side of a patch, and on how much of it.
const NO_DATA: f32 = 0.02;
const NO_DATA_SHARE: Span = [0.03, 0.25];
/// A patch counts only if this share of its slide (or of the place where it would be) is visible to one sensor at least, and
/// if that has this area in pixels.
pub const VISIBLE_MIN: f32 = 0.3;
/// See [`VISIBLE_MIN`].
pub const AREA_MIN_PX: f32 = 2.0;
/// How often another patch is drawn for one that does not count.
const TRIES: usize = 20;
/// Steps that values are rounded to, 1/8192 in reflectance and 1/128 dB, far below the noise: short in binary, so that they
/// compress, and that later − difference is exactly the earlier value.
const STEPS: [f32; 2] = [8192.0, 128.0];

/// A patch.
#[derive(Debug, Clone)]
pub struct Patch {
    /// [`BANDS`], each row by row; NaN where there are no data.
    pub values: Vec<f32>,
    /// Share under cloud on the later date, 0 to 1.
    pub cloud_cover: f32,
    /// Area of the slide in pixels; 0 where there is none.
    pub scar_px: f32,
    /// Share of the slide (of the place where it would be) that optics see, that one of the radar's passes sees, and that
    /// one of both sees.
    pub visible: Visible,
}

/// Shares of a place that are seen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Visible {
    pub optical: f32,
    pub radar: f32,
    pub either: f32,
}

/// What the sensors make of a patch, before anything is missing.
struct Seen {
    optics: optics::Image,
    radar: [radar::Image; 2],
}

impl Patch {
    /// Draws one at a site. Whether there is a slide changes nothing else.
    pub fn draw(site: &Site, is_positive: bool, rng: &mut impl RngExt) -> Self {
        let mut patch = Self::once(site, is_positive, rng);
        for _ in 1..TRIES {
            if patch.visible.either >= VISIBLE_MIN {
                break;
            }
            patch = Self::once(site, is_positive, rng);
        }
        patch
    }

    fn once(site: &Site, is_positive: bool, rng: &mut impl RngExt) -> Self {
        let terrain = Terrain::draw(site.region, rng);
        let brush = Brush { region: site.region, palette: &site.palette, snow: site.snow };
        let mut land = Land::draw(&brush, &terrain, rng);
        let target = change::slide(&terrain, &land, rng);
        let rubble = change::rubble(site.region, &site.palette, rng);
        change::lay_others(&mut land, &terrain, site.region, &site.palette, rng);
        if is_positive {
            change::lay_slide(&mut land, &target, &rubble, rng);
        }
        let sky = Sky::draw(site.region, &site.sun, rng);
        let mut seen = Seen {
            optics: optics::observe(&land, &terrain, &site.sun, &sky, rng),
            radar: site.passes.map(|pass| radar::observe(&terrain, &land.scatter, &pass, rng)),
        };
        seen.lose_data(rng);
        let area: f32 = target.iter().map(|(_, share)| share).sum();
        let visible = if area < AREA_MIN_PX { Visible::NOTHING } else { seen.visible(&target) };
        Self { values: seen.values(), cloud_cover: sky.cover, scar_px: if is_positive { area } else { 0.0 }, visible }
    }
}

impl Visible {
    const NOTHING: Self = Self { optical: 0.0, radar: 0.0, either: 0.0 };
}

impl Seen {
    /// Takes the data of a sensor away on one side, as at the border of a swath.
    fn lose_data(&mut self, rng: &mut impl RngExt) {
        for sensor in 0..3 {
            if rng.random::<f32>() >= NO_DATA {
                continue;
            }
            let (sin, cos) = uniform([0.0, std::f32::consts::TAU], rng).sin_cos();
            let edge = (0.5 - uniform(NO_DATA_SHARE, rng)) * SIDE as f32 * (sin.abs() + cos.abs());
            let (planes, is_seen) = match sensor {
                0 => (&mut self.optics.reflectance, &mut self.optics.is_seen),
                pass => (&mut self.radar[pass - 1].sigma_nought_db, &mut self.radar[pass - 1].is_seen),
            };
            for pixel in 0..SIDE * SIDE {
                let [down, right] = [pixel / SIDE, pixel % SIDE].map(|index| index as f32 + 0.5 - SIDE as f32 / 2.0);
                if down * cos + right * sin > edge {
                    planes.iter_mut().for_each(|plane| plane[pixel] = f32::NAN);
                    is_seen[pixel] = false;
                }
            }
        }
    }

    fn visible(&self, target: &Footprint) -> Visible {
        let by_radar = |pixel: usize| self.radar.iter().any(|pass| pass.is_seen[pixel]);
        let by_optics = |pixel: usize| self.optics.is_seen[pixel];
        // Not `sum`: of no pixels it is −0.
        let area = |sees: &dyn Fn(usize) -> bool| {
            target.iter().filter(|(pixel, _)| sees(*pixel)).fold(0.0, |sum, (_, share)| sum + share)
        };
        let share = |sees: &dyn Fn(usize) -> bool| area(sees) / area(&|_| true);
        let either = |pixel: usize| by_radar(pixel) || by_optics(pixel);
        Visible { optical: share(&by_optics), radar: share(&by_radar), either: share(&either) }
    }

    /// The bands in their order.
    fn values(&self) -> Vec<f32> {
        let round = |value: f32, steps: f32| (value * steps).round() / steps;
        let mut values = Vec::with_capacity(BANDS.len() * SIDE * SIDE);
        for plane in &self.optics.reflectance {
            values.extend(plane.iter().map(|value| round(*value, STEPS[0])));
        }
        for pass in &self.radar {
            let [earlier, later] = [[0, 1], [2, 3]];
            let rounded = |channel: usize| pass.sigma_nought_db[channel].iter().map(|value| round(*value, STEPS[1]));
            later.iter().for_each(|channel| values.extend(rounded(*channel)));
            for (earlier, later) in earlier.into_iter().zip(later) {
                values.extend(rounded(later).zip(rounded(earlier)).map(|(later, earlier)| later - earlier));
            }
        }
        values
    }
}
