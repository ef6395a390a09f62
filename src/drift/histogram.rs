//! Histograms over the quantiles of a reference, fine enough for distances and merged for tests that count.

use serde::{Deserialize, Serialize};

/// Bins of a reference: the distance at their edges misses at most this share's inverse of the true one.
const FINE_BINS: usize = 50;
/// Products of two numbers of tiles must fit 64 bits.
pub(super) const TILES_MAX: u64 = u32::MAX as u64;
/// Bins of a population stability index hold at least this share of both samples together.
const BIN_SHARE_MIN: f64 = 0.1;
/// And are expected to hold at least so many of the smaller one (Cochran 1954).
const EXPECTED_MIN: f64 = 5.0;

/// Counts of one quantity between edges; a value equal to an edge lies above it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Histogram {
    /// Of the values themselves.
    pub median: f64,
    /// Strictly ascending; the first and the last bin are open.
    pub edges: Vec<f64>,
    /// One more than edges.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Of finite values, with edges at their quantiles.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let quantile = |index: usize| sorted.get(index * sorted.len() / FINE_BINS).copied().map(five_digits);
        let mut edges: Vec<f64> = (1..FINE_BINS).filter_map(quantile).collect();
        edges.dedup();
        Self::with_edges(values, edges)
    }

    /// Of finite values, with these edges.
    pub fn with_edges(values: &[f64], edges: Vec<f64>) -> Self {
        let counts = count(values, &edges);
        Self { median: five_digits(median(values).unwrap_or(0.0)), edges, counts }
    }

    /// Values in all bins.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Other values over the same bins.
    pub fn count(&self, values: &[f64]) -> Vec<u64> {
        count(values, &self.edges)
    }

    pub fn validate(&self) -> Result<(), String> {
        let ascends = self.edges.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        let finite = self.edges.iter().all(|edge| edge.is_finite()) && self.median.is_finite();
        let total = self.counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        if !ascends || !finite || self.counts.len() != self.edges.len() + 1 {
            return Err("edges must ascend, with one count more than edges".into());
        }
        if total.is_none_or(|total| total > TILES_MAX) {
            return Err(format!("more than {TILES_MAX} tiles"));
        }
        Ok(())
    }
}

fn count(values: &[f64], edges: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len() + 1];
    for value in values {
        counts[edges.partition_point(|edge| edge <= value)] += 1;
    }
    counts
}

/// The middle value, the upper one of two; none of none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Short enough for a small file.
pub(super) fn five_digits(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// Neighbouring bins put together until each holds a tenth of both samples and enough of the smaller one. Only counts of
/// both samples together decide, so that what is merged says nothing about which of them has more.
pub(super) fn merge_for_psi(reference: &[u64], current: &[u64]) -> (Vec<u64>, Vec<u64>) {
    merge(reference, current, BIN_SHARE_MIN)
}

/// As [`merge_for_psi`] for shares of groups, which only sparse ones lose their own bin in.
pub(super) fn merge_sparse(reference: &[u64], current: &[u64]) -> (Vec<u64>, Vec<u64>) {
    merge(reference, current, 0.0)
}

fn merge(reference: &[u64], current: &[u64], share_min: f64) -> (Vec<u64>, Vec<u64>) {
    let (m, n): (u64, u64) = (reference.iter().sum(), current.iter().sum());
    let both = (m + n) as f64;
    let enough = (share_min * both).max(EXPECTED_MIN * both / m.min(n).max(1) as f64);
    let (mut merged, mut open) = (Vec::<(u64, u64)>::new(), (0, 0));
    for (r, c) in reference.iter().zip(current) {
        open = (open.0 + r, open.1 + c);
        // A sum of shares must not fail by rounding.
        if (open.0 + open.1) as f64 >= enough * (1.0 - 1e-9) {
            merged.push(std::mem::take(&mut open));
        }
    }
    match merged.last_mut() {
        Some(last) => *last = (last.0 + open.0, last.1 + open.1),
        None => merged.push(open),
    }
    merged.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lie_at_quantiles_and_a_value_on_one_lies_above() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let histogram = Histogram::of(&values);
        assert_eq!((histogram.edges.len(), histogram.counts.len(), histogram.median), (49, 50, 500.0));
        assert!(histogram.counts.iter().all(|count| *count == 20), "{histogram:?}");
        assert_eq!(histogram.count(&[-5.0, 19.0, 20.0, 5000.0])[..2], [2, 1]);
        histogram.validate().unwrap();
    }

    #[test]
    fn a_value_that_most_have_is_one_edge() {
        let mut values = vec![1.0; 95];
        values.extend([0.91, 0.92, 0.93, 0.94, 0.95]);
        let histogram = Histogram::of(&values);
        assert_eq!((histogram.edges.last(), histogram.counts.last()), (Some(&1.0), Some(&95)));
        assert!(Histogram { counts: vec![1], ..histogram }.validate().is_err());
    }

    #[test]
    fn merged_bins_hold_a_tenth_and_five_expected_and_no_tile_is_lost() {
        let (reference, current) = merge_for_psi(&[20; 50], &[2; 50]);
        assert_eq!((reference, current), (vec![100; 10], vec![10; 10]));
        // Of 25 tiles a bin of a tenth expects 2.5.
        let (reference, current) = merge_for_psi(&[20; 50], &[[1, 0]; 25].concat());
        assert_eq!((reference.len(), current.iter().sum::<u64>()), (5, 25));
        assert_eq!(merge_sparse(&[700, 100, 3, 197], &[70, 10, 0, 20]), (vec![700, 100, 200], vec![70, 10, 20]));
    }
}
