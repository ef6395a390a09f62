//! Wrong labels, as people make them: small and clouded construction is overlooked, what looks like construction is
//! taken for it.

use rand::RngExt;

use super::Knobs;
use super::site::Truth;

/// Share of positives that are overlooked, and of negatives that are mistaken, at the mean.
const OVERLOOKED: f32 = 0.03;
const MISTAKEN: f32 = 0.0035;
/// Construction with less area than this is small, in pixels.
const SMALL_PX: f32 = 6.0;

/// The label that someone gives a tile of a site.
pub fn noisy(truth: &Truth, is_cloudy: bool, knobs: &Knobs, rng: &mut impl RngExt) -> bool {
    let odds = |is_hard: bool| if is_hard { 1.5 } else { 0.75 };
    let rate = match truth.is_positive {
        true => OVERLOOKED * odds(is_cloudy) * odds(truth.footprint_px < SMALL_PX),
        false => MISTAKEN * odds(is_cloudy) * odds(truth.lookalikes > 0),
    };
    truth.is_positive != (rng.random::<f32>() < rate * knobs.label_noise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn wrong(truth: &Truth, is_cloudy: bool, label_noise: f32) -> f32 {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let knobs = Knobs { label_noise, ..Knobs::default() };
        let wrong = (0..100_000).filter(|_| noisy(truth, is_cloudy, &knobs, &mut rng) != truth.is_positive).count();
        wrong as f32 / 1e5
    }

    #[test]
    fn positives_are_overlooked_more_often_than_negatives_are_mistaken_and_more_so_under_cloud() {
        let large = Truth { is_positive: true, footprint_px: 20.0, ..Truth::default() };
        let small = Truth { footprint_px: 3.0, ..large };
        let empty = Truth::default();
        assert!((wrong(&large, false, 1.0) - 0.017).abs() < 0.003);
        assert!((wrong(&small, true, 1.0) - 0.0675).abs() < 0.005);
        assert!((0.001..0.006).contains(&wrong(&empty, true, 1.0)));
        assert_eq!(wrong(&small, true, 0.0), 0.0);
    }
}
