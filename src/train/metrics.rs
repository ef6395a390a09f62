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

/// How often each class (row) was taken for each class (column).
pub fn confusion(predicted: &[usize], labels: &[u8], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (&predicted, &label) in predicted.iter().zip(labels) {
        counts[usize::from(label)][predicted] += 1;
    }
    counts
}

/// F1 of every class, the harmonic mean of precision and recall: 2 hits / (labelled + predicted). 0 for a class that
/// is neither.
pub fn f1(confusion: &[Vec<usize>]) -> Vec<f64> {
    let class = |class: usize| {
        let labelled: usize = confusion[class].iter().sum();
        let predicted: usize = confusion.iter().map(|row| row[class]).sum();
        2.0 * confusion[class][class] as f64 / ((labelled + predicted) as f64).max(1.0)
    };
    (0..confusion.len()).map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::{average_precision, confusion, f1};

    // scikit-learn 1.9.1, f1_score(average=None) of [0, 0, 1, 1, 2, 2, 2] against [0, 1, 1, 1, 2, 0, 2]
    #[test]
    fn f1_agrees_with_scikit_learn() {
        let of = f1(&confusion(&[0, 1, 1, 1, 2, 0, 2], &[0, 0, 1, 1, 2, 2, 2], 3));
        for (value, expected) in of.iter().zip([0.5, 0.8, 0.8]) {
            assert!((value - expected).abs() < 1e-12);
        }
    }

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
