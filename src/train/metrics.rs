//! How well scores rank.

/// Average precision: the step-wise area under the precision-recall curve, ties taken together. 0 without a positive.
pub fn average_precision(scores: &[f32], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let positives = labels.iter().filter(|label| **label).count();
    let (mut alerts, mut hits, mut sum) = (0usize, 0usize, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let new = tied.iter().filter(|&&i| labels[i]).count();
        alerts += tied.len();
        hits += new;
        sum += new as f64 * hits as f64 / alerts as f64;
    }
    if positives == 0 { 0.0 } else { sum / positives as f64 }
}

#[cfg(test)]
mod tests {
    use super::average_precision;

    // scikit-learn 1.9.1, average_precision_score
    #[test]
    fn average_precision_agrees_with_scikit_learn() {
        let negatives =
            [0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.22, 0.25, 0.28, 0.33, 0.40, 0.45, 0.55, 0.62, 0.71];
        let positives = [0.18, 0.36, 0.52, 0.64, 0.73, 0.81, 0.90, 0.95];
        let scores: Vec<f32> = negatives.iter().chain(&positives).copied().collect();
        let labels: Vec<bool> = (0..24).map(|i| i >= 16).collect();
        assert!((average_precision(&scores, &labels) - 0.815_972_222).abs() < 1e-9);
    }

    #[test]
    fn no_positive_gives_zero() {
        assert_eq!(average_precision(&[0.5], &[false]), 0.0);
    }
}
