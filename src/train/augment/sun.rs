//! Where the sun stands when Sentinel-2 passes.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::decide::Season;

/// Declination of the sun at the solstices in degrees.
const OBLIQUITY_DEG: f32 = 23.44;
/// Half past ten, solar time: an hour and a half before noon, 15° an hour, east of the meridian.
const HOUR_ANGLE_DEG: f32 = -22.5;
/// A season reaches this far to either side of its solstice, as a share of the year (73 days).
const SEASON_REACH: f32 = 0.2;
/// Latitudes in degrees that are drawn where none is known.
const LATITUDES_DEG: std::ops::Range<f32> = 30.0..60.0;
/// A lower sun (78.5° from the zenith) means nothing in a plane atmosphere.
const COSINE_MIN: f32 = 0.2;

/// A place of the sun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sun {
    /// cos of the zenith angle, at least 0.2.
    pub cosine: f32,
    /// Unit vector on the image (rows downwards, columns rightwards) from whatever stands on the ground to its shadow.
    pub away: (f32, f32),
}

impl Sun {
    /// Draws a date of the season (any, if it is unknown) and takes the sun over this latitude.
    pub fn draw(season: Option<Season>, latitude_deg: Option<f32>, rng: &mut ChaCha8Rng) -> Self {
        let reach = rng.random_range(-SEASON_REACH..SEASON_REACH);
        let turn = match season {
            Some(Season::Summer) => reach,
            Some(Season::Winter) => 0.5 + reach,
            None => rng.random(),
        };
        let latitude_deg = latitude_deg.unwrap_or_else(|| rng.random_range(LATITUDES_DEG));
        Self::over(latitude_deg, OBLIQUITY_DEG * (TAU * turn).cos())
    }

    /// The sun over a latitude; the declination counts towards that hemisphere's pole.
    fn over(latitude_deg: f32, declination_deg: f32) -> Self {
        let (latitude, declination) = (latitude_deg.abs().to_radians(), declination_deg.to_radians());
        let hour_angle = HOUR_ANGLE_DEG.to_radians();
        let cosine = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour_angle.cos();
        // Horizontal part of the direction to the sun: towards the pole, and east.
        let poleward = latitude.cos() * declination.sin() - latitude.sin() * declination.cos() * hour_angle.cos();
        let east = -declination.cos() * hour_angle.sin();
        let north = if latitude_deg < 0.0 { -poleward } else { poleward };
        let length = north.hypot(east).max(f32::EPSILON);
        Self { cosine: cosine.max(COSINE_MIN), away: (north / length, -east / length) }
    }

    /// tan of the zenith angle: pixels of shadow for a pixel of height.
    pub fn tangent(&self) -> f32 {
        (1.0 - self.cosine * self.cosine).sqrt() / self.cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Zenith angles at half past ten in June and December, rounded to degrees: 23/63 at latitude 36°, 28/72 at 45°.
    #[test]
    fn the_sun_stands_where_latitude_and_date_put_it() {
        for (latitude_deg, summer, winter) in [(36.0, 23.0, 63.0), (45.0, 28.0, 72.0), (-45.0, 28.0, 72.0)] {
            let zenith = |declination| Sun::over(latitude_deg, declination).cosine.acos().to_degrees();
            assert!((zenith(OBLIQUITY_DEG) - summer).abs() < 1.5 && (zenith(-OBLIQUITY_DEG) - winter).abs() < 1.5);
        }
        assert_eq!(Sun::over(70.0, -OBLIQUITY_DEG).cosine, COSINE_MIN);
    }

    #[test]
    fn shadows_fall_to_the_north_west_in_europe_and_to_the_south_west_in_patagonia() {
        let (row, column) = Sun::over(48.0, -OBLIQUITY_DEG).away;
        assert!(row < -0.8 && column < -0.2, "{row} {column}");
        let (row, column) = Sun::over(-48.0, -OBLIQUITY_DEG).away;
        assert!(row > 0.8 && column < -0.2, "{row} {column}");
    }
}
