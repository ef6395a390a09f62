//! What the time of year does to the ground: bare trees, wet soil, snow, long shadows of hills.

use rand::RngExt;

use super::field::{Field, upper_quantile};
use super::random::{Span, smooth};
use super::sun::Sun;

/// Probability of snow on the ground on a winter's day at a latitude: a logistic curve through the two given points.
#[derive(Debug, Clone, Copy)]
pub struct SnowClimate {
    /// Latitude in degrees and probability at the mild point.
    pub mild: [f32; 2],
    /// The same at the cold point.
    pub cold: [f32; 2],
}

impl SnowClimate {
    /// The probability at a latitude north or south.
    pub fn probability(&self, latitude_deg: f32) -> f32 {
        let logit = |p: f32| (p / (1.0 - p)).ln();
        let slope = (logit(self.cold[1]) - logit(self.mild[1])) / (self.cold[0] - self.mild[0]);
        1.0 / (1.0 + (-logit(self.mild[1]) - slope * (latitude_deg.abs() - self.mild[0])).exp())
    }
}

/// Reflectance in the visible of snow from old and wet to fresh.
const SNOW_REFLECTANCE: Span = [0.65, 0.93];
/// Width of the edge of a snow field, in deviations of the field it is cut from.
const SNOW_EDGE: f32 = 0.25;

/// Snow on a patch.
#[derive(Debug, Clone)]
pub struct Snow {
    /// Share of each pixel that is white, 0 to 1.
    pub share: Vec<f32>,
    /// Reflectance in the visible.
    pub reflectance: f32,
    /// 0 old and wet, 1 fresh.
    pub freshness: f32,
}

impl Snow {
    /// Snow where the field is high, on the share `cover` of the pixels.
    pub fn draw(field: &[f32], cover: f32, rng: &mut impl RngExt) -> Self {
        let edge = upper_quantile(field, cover);
        let share = field.iter().map(|value| smooth((value - edge) / SNOW_EDGE + 0.5)).collect();
        let freshness = rng.random::<f32>();
        let [old, fresh] = SNOW_REFLECTANCE;
        Self { share, reflectance: old + (fresh - old) * freshness, freshness }
    }

    /// Mean share.
    pub fn cover(&self) -> f32 {
        self.share.iter().sum::<f32>() / self.share.len() as f32
    }
}

/// Light on a slope relative to level ground, for each of `side × side` pixels of a relief of heights: cos of the angle
/// between sun and slope over cos of the zenith angle, which is 1 + tan(zenith) × the slope towards the sun. `steepness` is
/// the deviation of that slope. Never below 0.1: the sky lights the far side of a hill.
pub fn relief_light(relief: &Field, side: usize, steepness: f32, sun: &Sun) -> Vec<f32> {
    let [rows, columns] = [-sun.azimuth.cos(), sun.azimuth.sin()];
    let slope = |pixel: usize| {
        let (row, column) = ((pixel / side) as isize, (pixel % side) as isize);
        let southwards = relief.at(row + 1, column) - relief.at(row - 1, column);
        let eastwards = relief.at(row, column + 1) - relief.at(row, column - 1);
        // Ground that falls towards the sun faces it.
        -(southwards * rows + eastwards * columns)
    };
    let slopes: Vec<f32> = (0..side * side).map(slope).collect();
    let deviation = (slopes.iter().map(|s| s * s).sum::<f32>() / slopes.len() as f32).sqrt().max(f32::MIN_POSITIVE);
    let scale = steepness / deviation * sun.tangent();
    slopes.into_iter().map(|slope| (1.0 + slope * scale).max(0.1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use crate::simulate::field;

    const CLIMATE: SnowClimate = SnowClimate { mild: [40.0, 0.05], cold: [55.0, 0.3] };

    #[test]
    fn snow_is_likelier_towards_the_poles() {
        assert!((CLIMATE.probability(40.0) - 0.05).abs() < 1e-6);
        assert!((CLIMATE.probability(-55.0) - 0.3).abs() < 1e-6);
        assert!(CLIMATE.probability(65.0) > 0.5 && CLIMATE.probability(30.0) < 0.02);
    }

    #[test]
    fn snow_lies_on_the_share_that_was_asked_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for cover in [0.1, 0.5, 0.8] {
            let field = field::single(64, 2.5, &mut rng);
            let snow = Snow::draw(&field.values, cover, &mut rng);
            assert!((snow.cover() - cover).abs() < 0.05, "{} instead of {cover}", snow.cover());
            assert!((0.65..=0.93).contains(&snow.reflectance));
        }
    }

    #[test]
    fn slopes_towards_the_sun_are_lit_and_the_more_so_the_lower_it_stands() {
        // A ridge along a row: its southern side (larger rows) faces the sun.
        let values = (0..32 * 32).map(|pixel| -((pixel / 32) as f32 - 16.0).abs()).collect();
        let relief = Field { side: 32, values };
        let light = |day| relief_light(&relief, 32, 0.05, &Sun::at(45.0, day));
        let (june, december) = (light(172), light(355));
        assert!(december[24 * 32 + 5] > 1.05 && december[8 * 32 + 5] < 0.95);
        assert!(december[24 * 32 + 5] > june[24 * 32 + 5]);
        let mean = december.iter().sum::<f32>() / december.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }
}
