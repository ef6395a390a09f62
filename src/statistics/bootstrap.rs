//! The cluster bootstrap (Efron 1979; Davison and Hinkley 1997, §3.8): how much a figure depends on which places
//! happened to be measured. A statistic sees how often each cluster was drawn; where a draw leaves it undefined, it
//! says so.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::normal;

/// `n_statistics` statistics of each of `resamples` draws of `clusters` clusters with replacement: those of the first
/// draw, then of the second, …; [`column()`] picks one. `statistic` fills its slots, NaN where undefined. Every draw has
/// its own stream of random numbers, so that the result follows the seed alone.
pub fn resample(
    clusters: usize,
    resamples: usize,
    seed: u64,
    n_statistics: usize,
    statistic: impl Fn(&[u32], &mut [f64]) + Sync,
) -> Vec<f64> {
    let mut values = vec![f64::NAN; resamples * n_statistics];
    let draws = values.par_chunks_mut(n_statistics.max(1)).enumerate();
    draws.for_each_init(
        || vec![0; clusters],
        |weights, (draw, slots)| {
            self::draw(weights, seed, draw as u64);
            statistic(weights, slots);
        },
    );
    values
}

/// As [`resample`], with each cluster left out in turn; of more than `blocks_max` clusters, with as many blocks of them,
/// every so many clusters in one block.
pub fn jackknife(
    clusters: usize,
    blocks_max: usize,
    n_statistics: usize,
    statistic: impl Fn(&[u32], &mut [f64]) + Sync,
) -> Vec<f64> {
    let blocks = clusters.min(blocks_max);
    let mut values = vec![f64::NAN; blocks * n_statistics];
    values.par_chunks_mut(n_statistics.max(1)).enumerate().for_each_init(
        || vec![1; clusters],
        |weights, (block, slots)| {
            (block..clusters).step_by(blocks).for_each(|cluster| weights[cluster] = 0);
            statistic(weights, slots);
            (block..clusters).step_by(blocks).for_each(|cluster| weights[cluster] = 1);
        },
    );
    values
}

/// The defined values of statistic `index` of `n_statistics` of [`resample`] or [`jackknife`].
pub fn column(values: &[f64], n_statistics: usize, index: usize) -> Vec<f64> {
    values.iter().skip(index).step_by(n_statistics.max(1)).copied().filter(|value| !value.is_nan()).collect()
}

/// The value below which `share` of ascending values lie, interpolated linearly between order statistics (numpy's
/// default; Hyndman and Fan 1996, type 7). None of none.
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let position = share * ascending.len().checked_sub(1)? as f64;
    let (low, high) = (*ascending.get(position.floor() as usize)?, *ascending.get(position.ceil() as usize)?);
    Some(low + (high - low) * position.fract())
}

/// The middle `confidence` of values in any order. None of none.
pub fn percentile_interval(values: &[f64], confidence: f64) -> Option<[f64; 2]> {
    let tail = 0.5 * (1.0 - confidence);
    between(values, [tail, 1.0 - tail])
}

/// The interval corrected for bias and acceleration (Efron 1987, "Better bootstrap confidence intervals"): values of
/// the resamples in any order, the figure itself, and its [`jackknife`]. None where the figure lies outside all values.
pub fn bca_interval(values: &[f64], estimate: f64, jackknife: &[f64], confidence: f64) -> Option<[f64; 2]> {
    let below = values.iter().filter(|value| **value < estimate).count();
    let not_above = values.iter().filter(|value| **value <= estimate).count();
    let bias = normal::quantile((below + not_above) as f64 / (2 * values.len()) as f64);
    let acceleration = acceleration(jackknife);
    let share = |nominal: f64| {
        let z = bias + normal::quantile(nominal);
        normal::at_most(bias + z / (1.0 - acceleration * z))
    };
    let tail = 0.5 * (1.0 - confidence);
    if bias.is_finite() { between(values, [share(tail), share(1.0 - tail)]) } else { None }
}

/// Σ d³ / (6 (Σ d²)^1.5) with d = mean − value, the acceleration of [`bca_interval`] (Efron 1987); 0 where all values
/// are the same.
pub fn acceleration(jackknife: &[f64]) -> f64 {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    let moment = |power| jackknife.iter().map(|value| (mean - value).powi(power)).sum::<f64>();
    let spread = moment(2).powf(1.5);
    if spread > 0.0 { moment(3) / (6.0 * spread) } else { 0.0 }
}

fn between(values: &[f64], shares: [f64; 2]) -> Option<[f64; 2]> {
    let mut ascending = values.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    Some([quantile(&ascending, shares[0])?, quantile(&ascending, shares[1])?])
}

/// Draws as many clusters as there are: how often each was drawn.
fn draw(weights: &mut [u32], seed: u64, draw: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(draw);
    let clusters = weights.len() as u32;
    weights.fill(0);
    for _ in 0..clusters {
        weights[rng.random_range(0..clusters) as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::{SCORES, labels, single};
    use crate::statistics::ranking::Ranked;

    /// Mean of the clusters' own numbers.
    fn mean(weights: &[u32], slots: &mut [f64]) {
        let drawn: u32 = weights.iter().sum();
        let sum: f64 = weights.iter().enumerate().map(|(i, weight)| i as f64 * f64::from(*weight)).sum();
        slots[0] = sum / f64::from(drawn);
    }

    // numpy.quantile([1, 2, 4, 8], [0, 0.25, 0.5, 0.9, 1]) is [1, 1.75, 3, 6.8, 8]
    #[test]
    fn quantiles_are_those_of_numpy() {
        for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], share).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!((quantile(&[], 0.5), percentile_interval(&[], 0.95)), (None, None));
    }

    #[test]
    fn spread_of_a_mean_is_its_standard_error() {
        // Means of n draws from 0 … n−1 spread by √((n² − 1) / 12 / n).
        let n = 50;
        let means = resample(n, 2000, 1, 1, mean);
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        let deviation = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / means.len() as f64).sqrt();
        let expected = ((n * n - 1) as f64 / 12.0 / n as f64).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.05, "{deviation} {expected}");
        assert!((mean - 24.5).abs() < 0.2, "{mean}");
    }

    #[test]
    fn draws_follow_the_seed_and_not_the_threads() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| resample(20, 100, 7, 1, mean))
        };
        assert_eq!(on(1), on(3));
        assert_ne!(on(1), resample(20, 100, 8, 1, mean));
        // More draws begin with the same ones.
        assert_eq!(on(1), resample(20, 150, 7, 1, mean)[..100]);
    }

    #[test]
    fn a_column_is_one_statistic_where_it_is_defined() {
        let both = resample(20, 100, 7, 2, |weights, slots| {
            mean(weights, slots);
            slots[1] = if weights[0] == 0 { f64::NAN } else { f64::from(weights[0]) };
        });
        assert_eq!(column(&both, 2, 0), resample(20, 100, 7, 1, mean));
        let undefined = 100 - column(&both, 2, 1).len();
        // A cluster of 20 is not drawn with probability 0.95²⁰ = 0.36.
        assert!((20..52).contains(&undefined), "{undefined}");
    }

    #[test]
    fn jackknife_leaves_every_cluster_out_once() {
        assert_eq!(jackknife(4, 100, 1, mean), [2.0, 5.0 / 3.0, 4.0 / 3.0, 1.0]);
        // Blocks of 0, 2, 4 and of 1, 3.
        assert_eq!(jackknife(5, 2, 1, mean), [2.0, 2.0]);
        assert_eq!(jackknife(6, 4, 1, mean), [11.0 / 4.0, 9.0 / 4.0, 13.0 / 5.0, 12.0 / 5.0]);
    }

    // scipy 1.17.1, by Efron's formula; its figure has every score left out once
    #[test]
    fn acceleration_of_average_precision_is_that_of_the_formula() {
        let clusters: Vec<u32> = (0..24).collect();
        let ranked = Ranked::new(&single(SCORES), &labels(), &clusters);
        let left_out = jackknife(24, 24, 1, |weights, slots| {
            slots[0] = ranked.areas(weights, 1.0).average_precision.unwrap();
        });
        assert!((acceleration(&left_out) - 0.014_254_817).abs() < 1e-9);
        assert_eq!(acceleration(&[0.5, 0.5]), 0.0);
    }

    #[test]
    fn corrected_interval_of_a_symmetric_figure_is_the_percentile_interval() {
        let values: Vec<f64> = (0..=1000).map(f64::from).collect();
        let [low, high] = bca_interval(&values, 500.0, &[1.0, 2.0, 3.0], 0.9).unwrap();
        assert!((low - 50.0).abs() < 1e-6 && (high - 950.0).abs() < 1e-6, "{low} {high}");
        let [low, high] = percentile_interval(&values, 0.9).unwrap();
        assert!((low - 50.0).abs() < 1e-9 && (high - 950.0).abs() < 1e-9, "{low} {high}");
        assert_eq!(bca_interval(&values, 2000.0, &[1.0, 2.0, 3.0], 0.9), None);
        assert_eq!(bca_interval(&[], 0.5, &[], 0.9), None);
    }

    // scipy 1.17.1: bias norm.ppf(0.6), acceleration 0.107 728 511, shares 0.169 344 553 and 0.995 848 472
    #[test]
    fn bias_and_acceleration_move_the_interval() {
        let values: Vec<f64> = (0..=10_000).map(|i| f64::from(i) / 10_000.0).collect();
        let jackknife = [3.0, 3.2, 2.9, 1.0, 3.1];
        assert!((acceleration(&jackknife) - 0.107_728_510_569).abs() < 1e-11);
        let [low, high] = bca_interval(&values, 0.6, &jackknife, 0.9).unwrap();
        assert!((low - 0.169_344_553).abs() < 1e-4 && (high - 0.995_848_472).abs() < 1e-4, "{low} {high}");
    }
}
