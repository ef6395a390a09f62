//! The paired permutation test over clusters: were the models alike, each cluster could as well have been answered by
//! the other one (Pitman 1937; clusters swapped whole, as samples of one place are not independent).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::mid_ranks::mid_ranks;
use super::paired::permutation_p;

/// What the test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Permutation {
    /// The second model's figure less the first's.
    pub difference: f64,
    /// Probability of so large a difference or larger.
    pub p_greater: f64,
    /// Probability of so large a difference either way.
    pub p_two_sided: f64,
}

/// A model's alerts in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Alerts on positives.
    pub true_alerts: u64,
    /// Alerts on negatives.
    pub false_alerts: u64,
}

/// Tests the difference of two models that `difference` computes, given for each cluster whether the models are
/// swapped there. Every permutation has its own stream of random numbers, so that the result follows the seed alone.
/// None where the difference is undefined without a swap; swaps that leave it undefined count against it.
pub fn cluster_permutation(
    clusters: usize,
    permutations: usize,
    seed: u64,
    difference: impl Fn(&[bool]) -> Option<f64> + Sync,
) -> Option<Permutation> {
    let observed = difference(&vec![false; clusters])?;
    let one = |swapped: &mut Vec<bool>, permutation| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(permutation);
        swapped.iter_mut().for_each(|cluster| *cluster = rng.random());
        difference(swapped).unwrap_or(f64::NAN)
    };
    let permuted: Vec<f64> = (0..permutations as u64).into_par_iter().map_init(|| vec![false; clusters], one).collect();
    Some(Permutation {
        difference: observed,
        p_greater: permutation_p(observed, permuted.iter().copied()),
        p_two_sided: permutation_p(observed.abs(), permuted.iter().map(|figure| figure.abs())),
    })
}

/// Precision of the second model less that of the first, from the alerts of both in each cluster; a false alert
/// counts `negatives_factor` times as much (1 as they are, otherwise another prevalence). None without alerts of both.
pub fn precision_difference(counts: &[[Counts; 2]], negatives_factor: f64, swapped: &[bool]) -> Option<f64> {
    let mut sums = [[0u64; 2]; 2];
    for (cluster, &swap) in counts.iter().zip(swapped) {
        for (model, counts) in cluster.iter().enumerate() {
            let [hits, misses] = &mut sums[model ^ usize::from(swap)];
            *hits += counts.true_alerts;
            *misses += counts.false_alerts;
        }
    }
    let precision = |[hits, misses]: [u64; 2]| {
        let alerts = hits as f64 + negatives_factor * misses as f64;
        (alerts > 0.0).then(|| hits as f64 / alerts)
    };
    Some(precision(sums[1])? - precision(sums[0])?)
}

/// The scores of two models on the same rows, made comparable and sorted once. Within each model a score becomes its
/// mid-rank, which leaves the model's own ranking as it is.
#[derive(Debug, Clone)]
pub struct RankedPair {
    /// Twice the cluster of a row, 1 more for the second model; descending step by step, negatives before positives.
    rows: Vec<u32>,
    steps: Vec<Step>,
}

/// How many rows lead to, and are of, one rank that positives have.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Negatives from the previous step down to this, its own included.
    negatives: u32,
    positives: u32,
}

impl RankedPair {
    /// Sorts the rows of both models: scores of the first and the second, label and cluster of each.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn new(scores: [&[f32]; 2], positives: &[bool], clusters: &[u32]) -> Self {
        let n = positives.len();
        assert!(scores[0].len() == n && scores[1].len() == n && clusters.len() == n, "as many of each");
        let of_model = |model: usize| {
            let rows = positives.iter().zip(clusters);
            let ranked = mid_ranks(scores[model]).into_iter().zip(rows);
            ranked.map(move |(rank, (&positive, &cluster))| (rank, positive, 2 * cluster + model as u32))
        };
        let mut ranked: Vec<(f64, bool, u32)> = of_model(0).chain(of_model(1)).collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut steps, mut negatives) = (Vec::new(), 0);
        for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
            let positives = tied.iter().filter(|(_, positive, _)| *positive).count() as u32;
            negatives += tied.len() as u32 - positives;
            if positives > 0 {
                steps.push(Step { negatives: std::mem::take(&mut negatives), positives });
            }
        }
        Self { rows: ranked.into_iter().map(|(_, _, row)| row).collect(), steps }
    }

    /// Average precision of the second model less that of the first, the models swapped where `swapped`; a negative
    /// counts `negatives_factor` times as much. None without a positive.
    pub fn average_precision_difference(&self, negatives_factor: f64, swapped: &[bool]) -> Option<f64> {
        let mut rest = self.rows.as_slice();
        // Of so many rows those of the first model and those of the second.
        let mut split = |rows: u32| {
            let (run, after) = rest.split_at(rows as usize);
            rest = after;
            let second: u32 = run.iter().map(|row| (row & 1) ^ u32::from(swapped[(row >> 1) as usize])).sum();
            [rows - second, second]
        };
        let (mut hits, mut negatives, mut sum) = ([0u32; 2], [0u32; 2], [0.0; 2]);
        for step in &self.steps {
            let (above, new) = (split(step.negatives), split(step.positives));
            for model in [0, 1] {
                negatives[model] += above[model];
                hits[model] += new[model];
                if new[model] > 0 {
                    let alerts = f64::from(hits[model]) + negatives_factor * f64::from(negatives[model]);
                    sum[model] += f64::from(new[model]) * f64::from(hits[model]) / alerts;
                }
            }
        }
        let area = |model: usize| (hits[model] > 0).then(|| sum[model] / f64::from(hits[model]));
        Some(area(1)? - area(0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::{SCORES, SECOND, labels, single};
    use crate::statistics::ranking::average_precision;

    fn counts(true_alerts: u64, false_alerts: u64) -> Counts {
        Counts { true_alerts, false_alerts }
    }

    #[test]
    fn precision_differs_by_what_each_cluster_adds() {
        let clusters = [[counts(3, 1), counts(4, 0)], [counts(1, 3), counts(2, 2)]];
        assert_eq!(precision_difference(&clusters, 1.0, &[false, false]), Some(6.0 / 8.0 - 4.0 / 8.0));
        assert_eq!(precision_difference(&clusters, 1.0, &[true, true]), Some(4.0 / 8.0 - 6.0 / 8.0));
        assert_eq!(precision_difference(&clusters, 1.0, &[true, false]), Some(5.0 / 8.0 - 5.0 / 8.0));
        assert_eq!(precision_difference(&clusters, 10.0, &[false, false]), Some(6.0 / 26.0 - 4.0 / 44.0));
        assert_eq!(precision_difference(&[[counts(1, 1), counts(0, 0)]], 1.0, &[false]), None);
    }

    #[test]
    fn few_clusters_give_the_probability_of_all_swaps() {
        // The second model is better by one alert in each of 5 clusters: only no swap at all differs as much,
        // 1 of 32; either way 2 of 32.
        let clusters = [[counts(1, 1), counts(2, 0)]; 5];
        let test = cluster_permutation(5, 20_000, 3, |swapped| precision_difference(&clusters, 1.0, swapped)).unwrap();
        assert_eq!(test.difference, 0.5);
        assert!((test.p_greater - 1.0 / 32.0).abs() < 0.004, "{test:?}");
        assert!((test.p_two_sided - 2.0 / 32.0).abs() < 0.006, "{test:?}");
    }

    #[test]
    fn swaps_follow_the_seed_and_not_the_threads() {
        let clusters = [[counts(1, 1), counts(2, 1)], [counts(3, 1), counts(2, 0)], [counts(1, 2), counts(5, 1)]];
        let on = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let difference = |swapped: &[bool]| precision_difference(&clusters, 1.0, swapped);
            pool.install(|| cluster_permutation(3, 999, seed, difference))
        };
        assert_eq!(on(1, 5), on(3, 5));
        assert_ne!(on(1, 5), on(1, 6));
    }

    #[test]
    fn without_swaps_average_precision_is_each_models_own() {
        let (first, second) = (single(SCORES), single(SECOND));
        let clusters: Vec<u32> = (0..24).map(|row| row % 6).collect();
        let pair = RankedPair::new([&first, &second], &labels(), &clusters);
        let own = |scores: &[f32]| average_precision(scores, &labels()).unwrap();
        let found = pair.average_precision_difference(1.0, &[false; 6]).unwrap();
        assert!((found - (own(&second) - own(&first))).abs() < 1e-12, "{found}");
        let swapped = pair.average_precision_difference(1.0, &[true; 6]).unwrap();
        assert!((swapped + found).abs() < 1e-12, "{swapped}");
    }

    #[test]
    fn a_swapped_cluster_takes_the_other_models_ranks() {
        // Ranks of the first: 4 3 2 1, of the second: 1 2 3 4; rows 0 and 3 are positives. Row 3 alone swapped gives
        // the first model ranks 4 3 2 4 (AP 1), the second 1 2 3 1 (AP 2/4).
        let pair =
            RankedPair::new([&[0.9, 0.8, 0.7, 0.6], &[0.1, 0.2, 0.3, 0.4]], &[true, false, false, true], &[0, 0, 0, 1]);
        let found = pair.average_precision_difference(1.0, &[false, true]).unwrap();
        assert!((found - (0.5 - 1.0)).abs() < 1e-12, "{found}");
        assert_eq!(RankedPair::new([&[0.5], &[0.5]], &[false], &[0]).average_precision_difference(1.0, &[false]), None);
    }
}
