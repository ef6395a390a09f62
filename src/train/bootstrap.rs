//! The cluster bootstrap: how much a figure depends on which places happened to be measured.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Resamples.
pub const RESAMPLES: usize = 2000;

/// Values of `statistic` on [`RESAMPLES`] draws of `clusters` clusters with replacement (their indices), ascending.
pub fn distribution(clusters: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0; clusters];
    let one = |_| {
        drawn.iter_mut().for_each(|cluster| *cluster = rng.random_range(0..clusters));
        statistic(&drawn)
    };
    let mut values: Vec<f64> = (0..RESAMPLES).map(one).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which `share` of ascending values lie, interpolated linearly between order statistics. NaN of none.
pub fn quantile(ascending: &[f64], share: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else { return f64::NAN };
    let position = share * last as f64;
    let (low, high) = (ascending[position.floor() as usize], ascending[position.ceil() as usize]);
    low + (high - low) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy.quantile([1, 2, 4, 8], [0, 0.25, 0.5, 0.9, 1]) is [1, 1.75, 3, 6.8, 8]
    #[test]
    fn quantiles_are_those_of_numpy() {
        for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], share) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn spread_of_a_mean_is_its_standard_error() {
        // Means of n draws from 0 … n−1 spread by √((n² − 1) / 12 / n).
        let n = 50;
        let means = distribution(n, 1, |drawn| drawn.iter().sum::<usize>() as f64 / n as f64);
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let deviation = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / means.len() as f64).sqrt();
        let expected = ((n * n - 1) as f64 / 12.0 / n as f64).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.05, "{deviation} {expected}");
        assert!((mean - 24.5).abs() < 0.2, "{mean}");
    }
}
