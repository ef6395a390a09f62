//! When enough has been measured: the median's interval by order statistics.

use serde::Serialize;

/// With fewer rounds no interval between two of them holds the median with 95 %.
pub const ROUNDS_MIN: usize = 6;
/// A median is stable once its interval lies within this share of it, to either side.
pub const STABLE_WITHIN: f64 = 0.02;
/// Probability that the interval misses the median, on either side.
const ONE_SIDED: f64 = 0.025;

/// A median and where the true one lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// Ends of the interval that holds the true median with 95 % or more; `None` with fewer than [`ROUNDS_MIN`] values.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// Of the values of rounds that are independent draws; `None` without any.
    ///
    /// The k-th of n ordered values lies above the median with probability P(Bin(n, ½) < k) (David & Nagaraja, Order
    /// Statistics, 3rd ed., § 7.1); the interval goes from the largest such k to its mirror image.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let median = median(&values)?;
        let rank = rank(values.len());
        let ends = (rank > 0).then(|| Some([*values.get(rank - 1)?, *values.get(values.len() - rank)?]));
        Some(Self { median, interval: ends.flatten() })
    }

    /// Whether the interval lies within [`STABLE_WITHIN`] of the median.
    pub fn is_stable(&self) -> bool {
        let reach = STABLE_WITHIN * self.median.abs();
        self.interval.is_some_and(|[low, high]| self.median - low <= reach && high - self.median <= reach)
    }
}

/// The middle of ascending values, or the mean of the two in the middle; `None` of none.
pub fn median(ascending: &[f64]) -> Option<f64> {
    let high = ascending.get(ascending.len() / 2)?;
    let low = ascending.get(ascending.len().checked_sub(1)? / 2)?;
    Some(0.5 * (low + high))
}

/// The largest k with P(Bin(n, ½) < k) ≤ [`ONE_SIDED`]; 0 where there is none.
fn rank(n: usize) -> usize {
    let mut probability = 0.5f64.powi(n as i32);
    let mut below = 0.0;
    for k in 0..n {
        below += probability;
        if below > ONE_SIDED {
            return k;
        }
        probability *= (n - k) as f64 / (k + 1) as f64;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.stats.binom.ppf(0.025, n, 0.5), where the value itself still has probability above it: the classical table
    // of Dixon & Mood's sign test.
    #[test]
    fn ranks_are_those_of_the_sign_test() {
        for (n, expected) in [(5, 0), (6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8), (50, 18)] {
            assert_eq!(rank(n), expected, "{n}");
        }
    }

    #[test]
    fn a_median_is_stable_once_its_interval_is_narrow() {
        let five = Estimate::of([1.0; 5]).unwrap();
        assert_eq!((five.interval, five.is_stable()), (None, false));
        let narrow = Estimate::of([100.0, 101.0, 99.0, 100.0, 100.5, 99.5]).unwrap();
        assert_eq!((narrow.median, narrow.interval, narrow.is_stable()), (100.0, Some([99.0, 101.0]), true));
        let wide = Estimate::of([100.0, 103.0, 99.0, 100.0, 100.5, 99.5]).unwrap();
        assert!(!wide.is_stable());
        assert_eq!(Estimate::of([]), None);
    }
}
