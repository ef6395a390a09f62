//! What the patches of a site share: two dates, their sun, snow and wetness, the covers, the passes of the radar.

use rand::RngExt;

use super::palette::{Palette, Time};
use super::plan::SitePlan;
use super::radar::{Orbit, Pass};
use super::region::Region;
use crate::simulate::random::{normal_pair, rng};
use crate::simulate::sun::Sun;

/// How far a date's snow differs from what its season says.
const SNOW_SPREAD: f32 = 0.15;
/// Most of a patch that is snow: slides on snow-free ground are what is asked for.
const SNOW_MAX: f32 = 0.6;

/// A stretch of mountains on two dates.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its style.
    pub region: &'static Region,
    /// Its covers.
    pub palette: Palette,
    /// The sun of the later date.
    pub sun: Sun,
    /// Share of snow on the earlier and the later date.
    pub snow: [f32; 2],
    /// Descending and ascending.
    pub passes: [Pass; 2],
}

impl Site {
    /// Draws what was planned.
    pub fn draw(plan: &SitePlan, seed: u64) -> Self {
        let mut rng = rng(seed, &format!("landslides/{}", plan.name));
        let latitude = plan.place.1 as f32;
        let days = plan.dates.map(|date| date.day_of_year() as u16);
        let wetness = rng.random();
        let times = days.map(|day| Time::draw(day, latitude, wetness, &mut rng));
        let spread = normal_pair(&mut rng);
        let snow = [0, 1].map(|date| {
            let usual = plan.region.snow * (1.0 - 2.0 * times[date].warmth);
            let cover = usual + if usual > 0.0 { SNOW_SPREAD * spread[date] } else { 0.0 };
            cover.clamp(0.0, SNOW_MAX)
        });
        Self {
            region: plan.region,
            palette: Palette::draw(plan.region, &times, &mut rng),
            sun: Sun::at(latitude, days[1]),
            snow,
            passes: [Orbit::Descending, Orbit::Ascending].map(|orbit| Pass::draw(orbit, &mut rng)),
        }
    }
}
