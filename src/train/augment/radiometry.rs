//! What light and sensor do to the values of a plane. NaN stays NaN.

use rand_chacha::ChaCha8Rng;

use super::noise::near_normal;

/// `ρ · gain`.
pub fn gain(plane: &mut [f32], gain: f32) {
    plane.iter_mut().for_each(|value| *value *= gain);
}

/// `ρ + offset`.
pub fn offset(plane: &mut [f32], offset: f32) {
    plane.iter_mut().for_each(|value| *value += offset);
}

/// Stretches about the plane's mean.
pub fn contrast(plane: &mut [f32], factor: f32) {
    let mean = mean(plane);
    plane.iter_mut().for_each(|value| *value = mean + (*value - mean) * factor);
}

/// `ρ^exponent`; what is not above 0 stays.
pub fn gamma(plane: &mut [f32], exponent: f32) {
    plane.iter_mut().filter(|value| **value > 0.0).for_each(|value| *value = value.powf(exponent));
}

/// Adds nearly normal noise.
pub fn noise(plane: &mut [f32], deviation: f32, rng: &mut ChaCha8Rng) {
    plane.iter_mut().for_each(|value| *value += deviation * near_normal(rng));
}

/// Sets the valid ones among these pixels to a value.
pub fn level<'a>(pixels: impl IntoIterator<Item = &'a mut f32>, to: f32) {
    pixels.into_iter().filter(|value| !value.is_nan()).for_each(|value| *value = to);
}

/// Mean of the valid pixels; NaN without any.
pub fn mean(plane: &[f32]) -> f32 {
    let (sum, count) = plane
        .iter()
        .filter(|value| !value.is_nan())
        .fold((0.0f64, 0u32), |(sum, count), value| (sum + f64::from(*value), count + 1));
    (sum / f64::from(count)) as f32
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn contrast_keeps_the_mean_and_scales_what_lies_about_it() {
        let mut plane = [0.1, 0.2, f32::NAN, 0.3];
        contrast(&mut plane, 0.5);
        assert!((plane[0] - 0.15).abs() < 1e-6 && (plane[1] - 0.2).abs() < 1e-6 && (plane[3] - 0.25).abs() < 1e-6);
        assert!(plane[2].is_nan());
    }

    #[test]
    fn gamma_keeps_black_and_white_and_what_lies_below_black() {
        let mut plane = [-0.01, 0.0, 0.25, 1.0];
        gamma(&mut plane, 0.5);
        assert_eq!(plane, [-0.01, 0.0, 0.5, 1.0]);
    }

    #[test]
    fn noise_has_the_deviation_that_was_asked_for() {
        let mut plane = vec![0.2f32; 40_000];
        noise(&mut plane, 0.01, &mut ChaCha8Rng::seed_from_u64(1));
        let variance = plane.iter().map(|value| f64::from(value - 0.2).powi(2)).sum::<f64>() / 40_000.0;
        assert!((f64::from(mean(&plane)) - 0.2).abs() < 3e-4 && (variance.sqrt() - 0.01).abs() < 3e-4);
    }
}
