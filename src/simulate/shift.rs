//! A minimal simulated shift: what winter and a cloudy sky might do to a clear summer patch. **Simulated** pixels are
//! marked so wherever they appear; nothing measured on them is a measurement of real winters or real clouds.
//!
//! Bands are B04, B03, B02 in top-of-atmosphere reflectance. A pixel is taken as ground plus path, the light that the
//! air itself scatters:
//!
//! - **path** grows linearly with 1/cos of the sun's zenith angle; the two numbers are fitted to single scattering by
//!   Rayleigh's law at 25° and 65° (B02 0.058 and 0.080, the other bands in proportion to λ⁻⁴);
//! - **winter**: the sun's zenith angle at half past ten, solar time, follows from latitude and date. Ground darkens
//!   by half of what cos falls by: reflectance is already divided by cos, so that this stands for shadows alone.
//!   Where green exceeds red, green cover turns to the colour of bare trees and dry grass. Thin haze is added;
//! - **cloudy**: a thin white veil with smooth noise for its opacity (10 to 40 % where it is thickest), over a share
//!   of the patch drawn from 12 to 68 %; its shadow lies down-sun and darkens the ground by as much. Thick clouds, which
//!   hide what is below them, are left out.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use super::noise::{field, smooth};
use crate::decide::{Season, Sky};

/// Rayleigh path reflectance of B02 is `PATH_BASE + PATH_SLOPE / cos(zenith)`.
const PATH_BASE: f32 = 0.0388;
const PATH_SLOPE: f32 = 0.01745;
/// Path reflectance of B04, B03 and B02 relative to B02.
const PATH_OF_BAND: [f32; 3] = [0.293, 0.586, 1.0];
/// 1/cos(zenith) beyond which a plane atmosphere means nothing.
const AIR_MASS_MAX: f32 = 4.0;
/// Share of the fall in cos(zenith) by which ground darkens.
const SHADE: f32 = 0.5;
/// What fully green ground is multiplied by in B04, B03 and B02 when it is bare.
const BARE: [f32; 3] = [1.8, 1.0, 1.4];
/// Haze in B04, B03 and B02 per unit at 0.55 µm: Ångström's law with exponent 1.3.
const HAZE_OF_BAND: [f32; 3] = [0.79, 0.98, 1.16];
/// Reflectance of haze and of cloud tops.
const HAZE_REFLECTANCE: f32 = 0.2;
const CLOUD_REFLECTANCE: [f32; 3] = [0.69, 0.69, 0.70];
/// Azimuth of the sun in the morning, in degrees from north.
const SUN_AZIMUTH_DEG: f32 = 155.0;
/// Pixels that a cloud's shadow may be shifted by; clouds are drawn beyond the patch by as much.
const SHADOW_PX_MAX: usize = 24;
/// Declination of the sun at the solstices in degrees.
const OBLIQUITY_DEG: f32 = 23.44;

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
            Sky::Cloudy => rng.random_range(0.12..0.68),
        };
        Self { season, sky, day_of_year, cloud_cover }
    }

    /// cos of the sun's zenith angle at half past ten, solar time, at least 1/[`AIR_MASS_MAX`].
    pub fn sun_cosine(&self, latitude_deg: f32) -> f32 {
        let year = std::f32::consts::TAU * (f32::from(self.day_of_year) - 172.0) / 365.25;
        let declination = OBLIQUITY_DEG.to_radians() * year.cos();
        let hour_angle = (1.5f32 * 15.0).to_radians();
        let latitude = latitude_deg.to_radians();
        let cosine = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour_angle.cos();
        cosine.max(1.0 / AIR_MASS_MAX)
    }
}

/// Renders a clear summer patch under `conditions`, in place: three bands (B04, B03, B02) of `side × side` pixels of
/// reflectance. A clear summer stays as it is.
pub fn render(bands: &mut [f32], side: usize, latitude_deg: f32, conditions: &Conditions, rng: &mut impl RngExt) {
    let midsummer = Conditions { season: Season::Summer, day_of_year: 196, ..*conditions }.sun_cosine(latitude_deg);
    if conditions.season == Season::Winter {
        winter(bands, midsummer, conditions.sun_cosine(latitude_deg), rng);
    }
    if conditions.sky == Sky::Cloudy {
        let sun = if conditions.season == Season::Winter { conditions.sun_cosine(latitude_deg) } else { midsummer };
        clouds(bands, side, sun, conditions.cloud_cover, rng);
    }
}

fn path(band: usize, sun_cosine: f32) -> f32 {
    (PATH_BASE + PATH_SLOPE / sun_cosine) * PATH_OF_BAND[band]
}

fn winter(bands: &mut [f32], from: f32, to: f32, rng: &mut impl RngExt) {
    let shade = 1.0 - SHADE * (1.0 - (to / from).min(1.0));
    let bareness: f32 = rng.random_range(0.4..0.9);
    let haze: f32 = rng.random_range(0.02..0.1);
    let plane = bands.len() / 3;
    for pixel in 0..plane {
        let ground = [0, 1, 2].map(|band| (bands[band * plane + pixel] - path(band, from)).max(0.0));
        // Green exceeds red by 7 % in mixed cover and by a fifth under full cover.
        let excess = (ground[1] - ground[0]) / (ground[1] + ground[0]).max(1e-4);
        let green = smooth(excess / 0.2) * bareness;
        for band in 0..3 {
            let value = ground[band] * (1.0 + green * (BARE[band] - 1.0)) * shade + path(band, to);
            let haze = haze * HAZE_OF_BAND[band];
            bands[band * plane + pixel] = value + (HAZE_REFLECTANCE - value) * haze;
        }
    }
}

fn clouds(bands: &mut [f32], side: usize, sun_cosine: f32, cover: f32, rng: &mut impl RngExt) {
    let wide = side + 2 * SHADOW_PX_MAX;
    let noise = field(wide, rng);
    let (thickest, shadow_depth): (f32, f32) = (rng.random_range(0.1..0.4), rng.random_range(0.1..0.4));
    let height_px: f32 = rng.random_range(4.0..12.0);
    let inside = |row: usize, column: usize| (row + SHADOW_PX_MAX) * wide + column + SHADOW_PX_MAX;
    let mut sorted: Vec<f32> = (0..side * side).map(|pixel| noise[inside(pixel / side, pixel % side)]).collect();
    sorted.sort_by(f32::total_cmp);
    // The share `cover` of the patch's pixels lies above the edge, and the veil thickens from there.
    let edge = sorted[((1.0 - cover) * (side * side - 1) as f32) as usize];
    let reach = (sorted[side * side - 1] - edge).max(1e-3) * 0.6;
    let opacity = |index: usize| thickest * smooth((noise[index] - edge) / reach);
    // The shadow lies away from the sun, further with a lower one.
    let tangent = (1.0 - sun_cosine * sun_cosine).sqrt() / sun_cosine;
    let distance = (height_px * tangent).min(SHADOW_PX_MAX as f32);
    let azimuth = SUN_AZIMUTH_DEG.to_radians();
    let to_sun = |component: f32| (component * distance).round() as isize;
    let (rows, columns) = (to_sun(-azimuth.cos()), to_sun(azimuth.sin()));
    let plane = side * side;
    for pixel in 0..plane {
        let here = inside(pixel / side, pixel % side);
        let caster = here.saturating_add_signed(rows * wide as isize + columns);
        let light = 1.0 - shadow_depth * opacity(caster) / thickest;
        for band in 0..3 {
            let value = &mut bands[band * plane + pixel];
            let air = path(band, sun_cosine).min(*value);
            let ground = (*value - air) * light + air;
            *value = ground + (CLOUD_REFLECTANCE[band] - ground) * opacity(here);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    fn patch(levels: [f32; 3]) -> Vec<f32> {
        levels.iter().flat_map(|level| vec![*level; SIDE * SIDE]).collect()
    }

    fn rendered(levels: [f32; 3], season: Season, sky: Sky, seed: u64) -> (Vec<f32>, Conditions) {
        let mut rng = rng(seed, "patch", season, sky);
        let conditions = Conditions::draw(season, sky, &mut rng);
        let mut bands = patch(levels);
        render(&mut bands, SIDE, 48.0, &conditions, &mut rng);
        (bands, conditions)
    }

    #[test]
    fn a_clear_summer_stays_as_it_is() {
        assert_eq!(rendered([0.05, 0.08, 0.09], Season::Summer, Sky::Clear, 1).0, patch([0.05, 0.08, 0.09]));
    }

    #[test]
    fn the_same_seed_gives_the_same_pixels_and_another_seed_others() {
        let of = |seed| rendered([0.05, 0.08, 0.09], Season::Winter, Sky::Cloudy, seed).0;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn winter_darkens_bright_ground_and_browns_green() {
        for seed in 0..20 {
            let concrete = rendered([0.25, 0.24, 0.23], Season::Winter, Sky::Clear, seed).0;
            assert!((0.1..0.25).contains(&concrete[0]), "{}", concrete[0]);
            let meadow = rendered([0.06, 0.10, 0.09], Season::Winter, Sky::Clear, seed).0;
            let ratio = |red: f32, green: f32| red / green;
            assert!(ratio(meadow[0], meadow[SIDE * SIDE]) > ratio(0.06, 0.10));
        }
    }

    #[test]
    fn clouds_cover_the_share_that_was_drawn_and_stay_between_ground_and_cloud() {
        for seed in 0..20 {
            let (bands, conditions) = rendered([0.10, 0.10, 0.10], Season::Summer, Sky::Cloudy, seed);
            assert!((0.10..0.70).contains(&conditions.cloud_cover));
            assert!(bands.iter().all(|value| (0.02..0.7).contains(value)));
            let brightened = bands[..SIDE * SIDE].iter().filter(|value| **value > 0.1001).count();
            let share = brightened as f32 / (SIDE * SIDE) as f32;
            assert!(share <= conditions.cloud_cover + 0.01 && share > conditions.cloud_cover * 0.5, "{share}");
        }
    }

    // Astronomical almanac: at noon the zenith angle is latitude minus declination; at half past ten it is larger.
    #[test]
    fn the_sun_stands_where_latitude_and_date_put_it() {
        let on = |day_of_year| Conditions { season: Season::Winter, sky: Sky::Clear, day_of_year, cloud_cover: 0.0 };
        let zenith = |day, latitude: f32| on(day).sun_cosine(latitude).acos().to_degrees();
        assert!((zenith(172, 40.0) - 25.0).abs() < 2.0);
        assert!((zenith(355, 40.0) - 67.0).abs() < 2.0);
        assert!((zenith(172, 50.0) - 32.0).abs() < 2.0);
        assert_eq!(on(355).sun_cosine(70.0), 1.0 / AIR_MASS_MAX);
    }

    #[test]
    fn drawn_days_lie_in_their_season() {
        let mut rng = rng(3, "days", Season::Winter, Sky::Clear);
        for _ in 0..500 {
            let winter = Conditions::draw(Season::Winter, Sky::Clear, &mut rng).day_of_year;
            assert!((335..=365).contains(&winter) || (1..=59).contains(&winter), "{winter}");
            let summer = Conditions::draw(Season::Summer, Sky::Clear, &mut rng).day_of_year;
            assert!((152..=243).contains(&summer));
        }
    }
}
