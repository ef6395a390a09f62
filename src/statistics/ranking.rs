//! How well scores rank positives above negatives. Tied scores count as one step: no order is read into them.

pub use super::ranked::{Areas, Ranked};

/// What a threshold does: an alert is a score of at least `threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operating {
    /// Least score that is an alert.
    pub threshold: f32,
    /// Share of the positives that are alerts.
    pub recall: f64,
    /// Share of the alerts that are positives.
    pub precision: f64,
}

/// Alerts at one distinct score.
struct Step {
    threshold: f32,
    /// Positives of this very score.
    new_hits: usize,
    /// Rows of this very score.
    new_alerts: usize,
    /// Positives of this score and above.
    hits: usize,
    /// Rows of this score and above.
    alerts: usize,
}

/// Average precision: the step-wise area under the precision-recall curve, Σ (R_k − R_k−1) P_k (as scikit-learn's;
/// trapezia would flatter, Davis and Goadrich 2006). None without a positive.
pub fn average_precision(scores: &[f32], positives: &[bool]) -> Option<f64> {
    let steps = steps(scores, positives);
    let all = steps.last()?.hits;
    let area = |step: &Step| step.new_hits as f64 * step.hits as f64 / step.alerts as f64;
    (all > 0).then(|| steps.iter().map(area).sum::<f64>() / all as f64)
}

/// Area under the receiver operating characteristic: the probability that a positive scores above a negative, ties
/// half (Mann and Whitney 1947). None unless there are both.
pub fn auroc(scores: &[f32], positives: &[bool]) -> Option<f64> {
    let steps = steps(scores, positives);
    let last = steps.last()?;
    let (hits, negatives) = (last.hits as f64, (last.alerts - last.hits) as f64);
    let won = |step: &Step| {
        let tied = (step.new_alerts - step.new_hits) as f64;
        let not_below = (step.alerts - step.hits) as f64;
        step.new_hits as f64 * (negatives - not_below + 0.5 * tied)
    };
    (hits > 0.0 && negatives > 0.0).then(|| steps.iter().map(won).sum::<f64>() / (hits * negatives))
}

/// What every distinct score does as the threshold, highest first. Empty without a positive.
pub fn curve(scores: &[f32], positives: &[bool]) -> Vec<Operating> {
    let steps = steps(scores, positives);
    let all = steps.last().map_or(0, |last| last.hits);
    let operating = |step: &Step| Operating {
        threshold: step.threshold,
        recall: step.hits as f64 / all as f64,
        precision: step.hits as f64 / step.alerts as f64,
    };
    if all == 0 { Vec::new() } else { steps.iter().map(operating).collect() }
}

/// The most precise threshold that has at least the recall, of equals the one of most recall; none where none has.
pub fn max_precision_at_recall(curve: &[Operating], recall: f64) -> Option<Operating> {
    let enough = curve.iter().filter(|operating| operating.recall >= recall);
    enough.max_by(|a, b| a.precision.total_cmp(&b.precision).then(a.recall.total_cmp(&b.recall))).copied()
}

/// The threshold of most recall that has at least the precision, of equals the most precise; none where none has.
pub fn max_recall_at_precision(curve: &[Operating], precision: f64) -> Option<Operating> {
    let enough = curve.iter().filter(|operating| operating.precision >= precision);
    enough.max_by(|a, b| a.recall.total_cmp(&b.recall).then(a.precision.total_cmp(&b.precision))).copied()
}

/// Distinct scores, highest first.
fn steps(scores: &[f32], positives: &[bool]) -> Vec<Step> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut hits, mut alerts) = (0, 0);
    let tied = order.chunk_by(|&a, &b| scores[a] == scores[b]);
    tied.map(|rows| {
        let (new_hits, new_alerts) = (rows.iter().filter(|&&row| positives[row]).count(), rows.len());
        hits += new_hits;
        alerts += new_alerts;
        Step { threshold: scores[rows[0]], new_hits, new_alerts, hits, alerts }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::{SCORES, labels, single};

    // scikit-learn 1.9.1, average_precision_score and roc_auc_score
    #[test]
    fn areas_agree_with_scikit_learn() {
        assert!((average_precision(&single(SCORES), &labels()).unwrap() - 0.815_972_222).abs() < 1e-9);
        assert!((auroc(&single(SCORES), &labels()).unwrap() - 0.855_468_75).abs() < 1e-12);
    }

    #[test]
    fn a_class_that_is_missing_leaves_the_areas_undefined() {
        assert_eq!(average_precision(&[0.5], &[false]), None);
        assert_eq!(average_precision(&[], &[]), None);
        assert_eq!(average_precision(&[0.5], &[true]), Some(1.0));
        assert_eq!(auroc(&[0.5], &[false]), None);
        assert_eq!(auroc(&[0.5], &[true]), None);
        assert!(curve(&[0.5], &[false]).is_empty());
    }

    #[test]
    fn scores_that_are_all_tied_tell_nothing() {
        let positives = [true, false, false, false];
        assert_eq!(average_precision(&[0.5; 4], &positives), Some(0.25));
        assert_eq!(auroc(&[0.5; 4], &positives), Some(0.5));
        assert_eq!(curve(&[0.5; 4], &positives), [Operating { threshold: 0.5, recall: 1.0, precision: 0.25 }]);
    }

    // scikit-learn 1.9.1, precision_recall_curve
    #[test]
    fn best_thresholds_agree_with_scikit_learn() {
        let curve = curve(&single(SCORES), &labels());
        assert_eq!(curve.len(), 23);
        let precise = max_precision_at_recall(&curve, 0.8).unwrap();
        assert_eq!((precise.threshold, precise.recall), (0.36, 0.875));
        assert!((precise.precision - 0.583_333_333).abs() < 1e-9);
        let sensitive = max_recall_at_precision(&curve, 0.8).unwrap();
        assert_eq!((sensitive.threshold, sensitive.recall), (0.64, 0.625));
        assert_eq!(max_precision_at_recall(&curve, 1.01), None);
    }
}
