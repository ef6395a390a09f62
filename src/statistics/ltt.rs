//! Probabilities of chance for "learn then test" (Angelopoulos et al. 2021): whether a threshold meets a target, from
//! whole counts. Over several thresholds hold them against an adjusted level, or test in an order fixed before.

use super::binomial;

/// Probability of at most so many missed positives, were the recall below the target.
pub fn recall_p(misses: u64, positives: u64, recall: f64) -> f64 {
    binomial::at_most(misses, positives, 1.0 - recall)
}

/// Probability of at least so many true ones among the alerts, were the precision below the target. It holds at the
/// prevalence of the samples.
pub fn precision_p(true_alerts: u64, alerts: u64, precision: f64) -> f64 {
    binomial::at_least(true_alerts, alerts, precision)
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1, binom.sf(47, 60, 0.7) and binom.cdf(11, 85, 0.2)
    #[test]
    fn probabilities_are_those_of_scipy() {
        assert!((precision_p(48, 60, 0.7) - 0.056_771).abs() < 1e-6);
        assert!((recall_p(11, 85, 0.8) - 0.062_676_123).abs() < 1e-9);
    }

    #[test]
    fn no_sample_is_no_evidence() {
        assert_eq!((recall_p(0, 0, 0.8), precision_p(0, 0, 0.7)), (1.0, 1.0));
    }
}
