//! Noise of the detectors.

use rand::RngExt;

use super::bands::Band;
use super::random::normal_pair;

/// Share of the noise's variance at the reference radiance that does not grow with the signal.
const CONSTANT_SHARE: f32 = 0.5;

/// Adds noise to reflectance in place: in radiance its variance is a + b × signal, half of each at the reference that
/// the signal-to-noise ratio is stated for. Reflectance is radiance over the sun's cosine, so that noise counts more
/// under a low sun: a / cos² + b × reflectance / cos. `gain` scales the deviation. Nothing falls below 0.
pub fn add_noise(values: &mut [f32], band: &Band, sun_cosine: f32, gain: f32, rng: &mut impl RngExt) {
    let reference = band.reference_reflectance;
    let variance = (gain * reference / band.signal_to_noise).powi(2);
    let constant = CONSTANT_SHARE * variance / (sun_cosine * sun_cosine);
    let growing = (1.0 - CONSTANT_SHARE) * variance / (reference * sun_cosine);
    for values in values.chunks_mut(2) {
        for (value, normal) in values.iter_mut().zip(normal_pair(rng)) {
            *value = (*value + normal * (constant + growing * value.max(0.0)).sqrt()).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bands::RGB;
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn deviation(level: f32, sun_cosine: f32) -> f32 {
        let mut values = vec![level; 40_000];
        add_noise(&mut values, &RGB[0], sun_cosine, 1.0, &mut ChaCha8Rng::seed_from_u64(1));
        let mean_square = values.iter().map(|v| (v - level).powi(2)).sum::<f32>() / values.len() as f32;
        mean_square.sqrt()
    }

    #[test]
    fn the_stated_ratio_holds_at_the_reference() {
        let band = &RGB[0];
        let ratio = band.reference_reflectance / deviation(band.reference_reflectance, 1.0);
        assert!((ratio / band.signal_to_noise - 1.0).abs() < 0.02, "{ratio}");
    }

    #[test]
    fn noise_counts_more_under_a_low_sun_and_on_bright_ground() {
        assert!(deviation(0.1, 0.3) > 2.0 * deviation(0.1, 0.9));
        assert!(deviation(0.6, 0.9) > deviation(0.1, 0.9));
    }
}
