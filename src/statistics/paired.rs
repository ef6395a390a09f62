//! Two models on the same samples: whether one is better by more than chance.

use super::{binomial, normal};

pub use super::permutation::{Counts, Permutation, RankedPair, cluster_permutation, precision_difference};

/// Slack for what rounding does to figures that are equal, relative.
const ROUNDING: f64 = 1e-12;

/// The test of McNemar (1947) on the samples that the models disagree on: `b` that only the candidate has right, `c`
/// that only the incumbent has. All probabilities are 1 and the statistic 0 where they agree on every sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Exact probability of a disagreement as uneven, either way.
    pub two_sided: f64,
    /// Exact probability that the candidate leads by so much or more.
    pub one_sided: f64,
    /// `two_sided` with the observed split counted half (Fagerland et al. 2013): less conservative.
    pub mid_p: f64,
    /// The statistic with continuity correction (Edwards 1948).
    pub chi2_corrected: f64,
    /// Its probability, χ² of one degree of freedom; for large counts.
    pub chi2_p: f64,
}

impl McNemar {
    /// The test for `b` and `c` disagreements.
    pub fn of(b: u64, c: u64) -> Self {
        let n = b + c;
        let as_uneven = 2.0 * binomial::at_most(b.min(c), n, 0.5);
        let one_sided = binomial::at_least(b, n, 0.5);
        let observed = one_sided - binomial::at_least(b + 1, n, 0.5);
        let (two_sided, mid_p) = (as_uneven.min(1.0), as_uneven - observed);
        let uneven = (b.abs_diff(c) as f64 - 1.0).max(0.0);
        let chi2_corrected = if n == 0 { 0.0 } else { uneven * uneven / n as f64 };
        let chi2_p = normal::two_sided(chi2_corrected.sqrt());
        Self { two_sided, one_sided, mid_p, chi2_corrected, chi2_p }
    }
}

/// Probabilities of several tests adjusted so that each may be held against the level of all (Holm 1979), in order.
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let (mut adjusted, mut so_far) = (vec![0.0; probabilities.len()], 0.0f64);
    for (done, test) in order.into_iter().enumerate() {
        let left = (probabilities.len() - done) as f64;
        so_far = so_far.max((left * probabilities[test]).min(1.0));
        adjusted[test] = so_far;
    }
    adjusted
}

/// (1 + how many permuted figures are at least the observed one) / (1 + how many there are): never 0, and exact for
/// random permutations (Phipson and Smyth 2010). An undefined figure (NaN) counts as at least.
pub fn permutation_p(observed: f64, permuted: impl Iterator<Item = f64>) -> f64 {
    let least = observed - ROUNDING * observed.abs();
    let (mut at_least, mut all) = (1u64, 1u64);
    for figure in permuted {
        all += 1;
        at_least += u64::from(figure.is_nan() || figure >= least);
    }
    at_least as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    // scipy 1.17.1, binomtest and binom.pmf; statistic by hand, its probability by chi2.sf
    #[test]
    fn disagreements_have_the_probabilities_of_scipy() {
        let table = [
            (18, 6, 0.022_655_845, 0.011_327_922, 0.014_633_298),
            (31, 12, 0.005_401_573, 0.002_700_786, 0.003_657_767),
            (5, 1, 0.218_75, 0.109_375, 0.125),
        ];
        for (b, c, two_sided, one_sided, mid_p) in table {
            let test = McNemar::of(b, c);
            close(test.two_sided, two_sided);
            close(test.one_sided, one_sided);
            close(test.mid_p, mid_p);
        }
        close(McNemar::of(18, 6).chi2_corrected, 5.041_666_667);
        assert!((McNemar::of(18, 6).chi2_p - 0.024_744_672).abs() < 1e-9);
    }

    #[test]
    fn the_incumbent_in_the_lead_is_no_evidence_for_the_candidate() {
        let (behind, ahead) = (McNemar::of(6, 18), McNemar::of(18, 6));
        assert_eq!(behind.two_sided, ahead.two_sided);
        close(behind.mid_p, ahead.mid_p);
        // P(X ≥ 6) = 1 − P(X ≥ 19), X of Bin(24, ½).
        close(behind.one_sided, 1.0 - 0.003_305_375_576_019_287);
    }

    #[test]
    fn models_that_agree_or_split_evenly_do_not_differ() {
        let none = McNemar::of(0, 0);
        assert_eq!((none.two_sided, none.one_sided, none.mid_p), (1.0, 1.0, 1.0));
        assert_eq!((none.chi2_corrected, none.chi2_p), (0.0, 1.0));
        assert_eq!(McNemar::of(4, 4).two_sided, 1.0);
        close(McNemar::of(4, 4).mid_p, 1.0);
    }

    // By hand: 4 × 0.01, 3 × 0.02, 2 × 0.03 → 0.06, 0.2
    #[test]
    fn adjusted_probabilities_never_fall() {
        for (found, expected) in holm(&[0.03, 0.01, 0.2, 0.02]).into_iter().zip([0.06, 0.04, 0.2, 0.06]) {
            close(found, expected);
        }
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn the_observed_figure_is_one_of_the_permutations() {
        assert_eq!(permutation_p(0.5, [0.1, 0.5, 0.7, 0.2].into_iter()), 0.6);
        assert_eq!(permutation_p(0.5, std::iter::empty()), 1.0);
        assert_eq!(permutation_p(0.3, [0.1 + 0.2, 0.3 - 1e-15, f64::NAN].into_iter()), 1.0);
    }
}
