//! The light and the soils of another place: mean and spread of a patch's bands move towards another patch's, the label
//! stays (MixStyle, Zhou et al. 2021, on reflectance instead of features).

/// Spread below which a band counts as level and is only shifted.
const DEVIATION_MIN: f32 = 1e-4;

/// Moves mean and standard deviation of each band of `own` towards those of the same band of `other`, both
/// `[bands, pixels]`: `share` of the own remains. Invalid pixels (NaN) stay, and count for nothing; a band without a valid
/// pixel in either patch is left alone.
pub fn restyle(own: &mut [f32], other: &[f32], share: f32, pixels: usize) {
    for (own, other) in own.chunks_exact_mut(pixels).zip(other.chunks_exact(pixels)) {
        let (Some((mean, deviation)), Some((other_mean, other_deviation))) = (moments(own), moments(other)) else {
            continue;
        };
        let mixed = |own: f32, other: f32| share * own + (1.0 - share) * other;
        let new_mean = mixed(mean, other_mean);
        let factor = match deviation > DEVIATION_MIN {
            true => mixed(deviation, other_deviation) / deviation,
            false => 1.0,
        };
        own.iter_mut().for_each(|value| *value = new_mean + (*value - mean) * factor);
    }
}

/// Mean and standard deviation of the valid pixels.
fn moments(plane: &[f32]) -> Option<(f32, f32)> {
    let (mut count, mut sum, mut squares) = (0u32, 0.0f64, 0.0f64);
    for value in plane.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)) {
        (count, sum, squares) = (count + 1, sum + value, squares + value * value);
    }
    let mean = sum / f64::from(count);
    (count > 0).then(|| (mean as f32, (squares / f64::from(count) - mean * mean).max(0.0).sqrt() as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_take_mean_and_spread_of_the_other_patch_by_its_share() {
        // Means 2 and 6, deviations 1 and 3; the second band is level, and is only shifted.
        let mut own = [1.0, 3.0, f32::NAN, 5.0, 5.0, 5.0];
        let other = [3.0, 9.0, 6.0, 7.0, 7.0, f32::NAN];
        let deviation = 6.0f32.sqrt();
        restyle(&mut own, &other, 0.25, 3);
        let spread = 0.25 + 0.75 * deviation;
        assert!((own[0] - (5.0 - spread)).abs() < 1e-5 && (own[1] - (5.0 + spread)).abs() < 1e-5, "{own:?}");
        assert!(own[2].is_nan());
        assert_eq!(own[3..], [6.5; 3]);
    }

    #[test]
    fn a_band_that_is_invalid_in_either_patch_is_left_alone() {
        let mut own = [0.1, 0.2, f32::NAN, f32::NAN];
        restyle(&mut own, &[f32::NAN, f32::NAN, 0.3, 0.4], 0.0, 2);
        assert_eq!(own[..2], [0.1, 0.2]);
        assert!(own[2..].iter().all(|value| value.is_nan()));
    }
}
