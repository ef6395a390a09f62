//! How honest scores are as probabilities. All figures are undefined (none) without a score.

use super::interval::clopper_pearson;

/// Where scores are held when their logarithms are taken: one of `f32` nearer to 1 than 2⁻²⁵ is 1, and 0 is held to
/// the same.
pub const HELD: [f64; 2] = [1.0 / 33_554_432.0, 1.0 - 1.0 / 33_554_432.0];

/// Confidence of the interval of a reliability bin.
const CONFIDENCE: f64 = 0.95;

/// Scores of like size and how many of them were positives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Scores.
    pub n: usize,
    /// Their mean.
    pub mean_score: f64,
    /// Share of positives among them.
    pub share_positive: f64,
    /// Clopper–Pearson interval of that share at 95 %.
    pub interval: [f64; 2],
}

/// Mean squared distance of score and outcome (Brier 1950).
pub fn brier(scores: &[f64], positives: &[bool]) -> Option<f64> {
    mean(scores, positives, |score, outcome| (score - outcome).powi(2))
}

/// Mean −ln of the probability given to what happened, in nats; scores held to [`HELD`].
pub fn log_loss(scores: &[f64], positives: &[bool]) -> Option<f64> {
    mean(scores, positives, |score, outcome| {
        let score = score.clamp(HELD[0], HELD[1]);
        if outcome > 0.5 { -score.ln() } else { -(-score).ln_1p() }
    })
}

/// Expected calibration error (Naeini et al. 2015) over bins of as many scores each: the mean distance of mean score
/// and share of positives. Bins are numpy's `array_split` of the scores in ascending, stable order.
pub fn ece_equal_mass(scores: &[f64], positives: &[bool], bins: usize) -> Option<f64> {
    expected_error(&equal_mass(scores, positives, bins))
}

/// Expected calibration error over bins of equal width (Guo et al. 2017), lower edges inclusive.
pub fn ece_equal_width(scores: &[f64], positives: &[bool], bins: usize) -> Option<f64> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let mut tallies = vec![Tally::default(); bins];
    for (&score, &positive) in scores.iter().zip(positives) {
        let bin = ((score * bins as f64) as usize).min(bins.checked_sub(1)?);
        tallies[bin].add(score, positive);
    }
    expected_error(&tallies)
}

/// The reliability diagram (DeGroot and Fienberg 1983) over bins of as many scores each, ascending.
pub fn reliability(scores: &[f64], positives: &[bool], bins: usize) -> Vec<Bin> {
    let bin = |tally: &Tally| {
        let n = tally.n as f64;
        Bin {
            n: tally.n,
            mean_score: tally.scores / n,
            share_positive: tally.positives as f64 / n,
            interval: clopper_pearson(tally.positives, tally.n, CONFIDENCE),
        }
    };
    equal_mass(scores, positives, bins).iter().map(bin).collect()
}

/// Sums over the scores of a bin.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    n: usize,
    scores: f64,
    positives: usize,
}

impl Tally {
    fn add(&mut self, score: f64, positive: bool) {
        self.n += 1;
        self.scores += score;
        self.positives += usize::from(positive);
    }
}

/// Bins of as many scores each, the first ones one more where they do not divide; no bin is empty.
fn equal_mass(scores: &[f64], positives: &[bool], bins: usize) -> Vec<Tally> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut rest = order.as_slice();
    let sizes = (0..bins).map(|bin| scores.len() / bins + usize::from(bin < scores.len() % bins));
    let tallies = sizes.take_while(|size| *size > 0).map(|size| {
        let (rows, after) = rest.split_at(size);
        rest = after;
        let mut tally = Tally::default();
        rows.iter().for_each(|&row| tally.add(scores[row], positives[row]));
        tally
    });
    tallies.collect()
}

/// Σ |mean score − share of positives| weighed by the scores in a bin.
fn expected_error(bins: &[Tally]) -> Option<f64> {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    let off: f64 = bins.iter().map(|bin| (bin.scores - bin.positives as f64).abs()).sum();
    (n > 0).then(|| off / n as f64)
}

fn mean(scores: &[f64], positives: &[bool], of: impl Fn(f64, f64) -> f64) -> Option<f64> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let outcomes = positives.iter().map(|positive| f64::from(u8::from(*positive)));
    let sum: f64 = scores.iter().zip(outcomes).map(|(score, outcome)| of(*score, outcome)).sum();
    (!scores.is_empty()).then(|| sum / scores.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::{SCORES, labels};

    fn close(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?} {expected}");
    }

    // scikit-learn 1.9.1, brier_score_loss and log_loss
    #[test]
    fn brier_score_and_log_loss_agree_with_scikit_learn() {
        close(brier(&SCORES, &labels()), 0.145_929_167);
        close(log_loss(&SCORES, &labels()), 0.443_113_877);
    }

    // numpy: stable argsort, array_split
    #[test]
    fn errors_over_bins_of_equal_mass_agree_with_numpy() {
        for (bins, expected) in [(4, 0.087_916_667), (6, 0.170_416_667), (8, 0.129_583_333)] {
            close(ece_equal_mass(&SCORES, &labels(), bins), expected);
        }
    }

    #[test]
    fn errors_over_bins_of_equal_width_agree_with_numpy() {
        for (bins, expected) in [(4, 0.094_583_333), (6, 0.078_750_000), (8, 0.117_083_333)] {
            close(ece_equal_width(&SCORES, &labels(), bins), expected);
        }
    }

    #[test]
    fn more_bins_than_scores_are_a_bin_for_each_score() {
        assert_eq!(reliability(&SCORES, &labels(), 100).len(), 24);
        close(ece_equal_mass(&[0.1, 0.6], &[false, true], 5), 0.25);
    }

    #[test]
    fn reliability_bins_hold_all_scores_and_their_intervals() {
        let bins = reliability(&SCORES, &labels(), 5);
        assert_eq!(bins.iter().map(|bin| bin.n).collect::<Vec<_>>(), [5, 5, 5, 5, 4]);
        assert!((bins[0].mean_score - 0.072).abs() < 1e-12);
        assert_eq!(bins[4].share_positive, 1.0);
        // 4 of 4: the lower bound is 0.025^(1/4).
        assert!((bins[4].interval[0] - 0.025f64.powf(0.25)).abs() < 1e-12);
    }

    #[test]
    fn certain_scores_that_are_wrong_cost_as_much_as_f32_can_tell() {
        close(log_loss(&[0.0], &[true]), 25.0 * std::f64::consts::LN_2);
        close(log_loss(&[1.0], &[false]), 25.0 * std::f64::consts::LN_2);
    }

    #[test]
    fn nothing_is_undefined() {
        assert_eq!((brier(&[], &[]), log_loss(&[], &[])), (None, None));
        assert_eq!((ece_equal_mass(&[], &[], 4), ece_equal_width(&[], &[], 4)), (None, None));
        assert_eq!((ece_equal_mass(&[0.5], &[true], 0), ece_equal_width(&[0.5], &[true], 0)), (None, None));
        assert!(reliability(&[], &[], 4).is_empty());
    }
}
