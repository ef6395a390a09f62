//! How often classes are taken for one another.

/// How often each class (row) was taken for each class (column).
///
/// # Panics
/// Where a label or a prediction is not below `classes`.
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

/// Hits, labelled and given of a class.
pub fn margins(confusion: &[Vec<u64>], class: usize) -> (u64, u64, u64) {
    (confusion[class][class], confusion[class].iter().sum(), confusion.iter().map(|row| row[class]).sum())
}

/// Intersection over union of every class (Jaccard 1912), hits / (labelled + given − hits); none for a class that is
/// neither.
pub fn iou(confusion: &[Vec<u64>]) -> Vec<Option<f64>> {
    let class = |class| {
        let (hits, labelled, given) = margins(confusion, class);
        let union = labelled + given - hits;
        (union > 0).then(|| hits as f64 / union as f64)
    };
    (0..confusion.len()).map(class).collect()
}

/// Shares below this count as this, so that the divergence stays finite.
pub const SHARE_MIN: f64 = 1e-7;

/// Σ y ln(y / ŷ) in nats (Kullback and Leibler 1951) of shares `labelled` from shares `given`.
pub fn divergence(labelled: &[f64], given: &[f64]) -> f64 {
    let term = |(y, given): (&f64, &f64)| {
        let y = y.max(SHARE_MIN);
        y * (y / given.max(SHARE_MIN)).ln()
    };
    labelled.iter().zip(given).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::{confusion, divergence, f1};

    // scipy 1.17.1: entropy([0.5, 0.3, 0.2], [0.4, 0.4, 0.2]) = 0.025 267 153 916
    #[test]
    fn divergence_is_that_of_scipy() {
        let found = divergence(&[0.5, 0.3, 0.2], &[0.4, 0.4, 0.2]);
        assert!((found - 0.025_267_153_916).abs() < 1e-11, "{found}");
        assert_eq!(divergence(&[1.0, 0.0], &[1.0, 0.0]), 0.0);
        // 1 % that was given nothing costs 0.01 · ln(0.01 / 1e-7).
        let missed = divergence(&[0.99, 0.01], &[1.0, 0.0]);
        assert!((missed - (0.99 * 0.99_f64.ln() + 0.01 * 1e5_f64.ln())).abs() < 1e-12, "{missed}");
    }

    // scikit-learn 1.9.1, f1_score(average=None) of [0, 0, 1, 1, 2, 2, 2] against [0, 1, 1, 1, 2, 0, 2]
    #[test]
    fn f1_agrees_with_scikit_learn() {
        let of = f1(&confusion(&[0, 1, 1, 1, 2, 0, 2], &[0, 0, 1, 1, 2, 2, 2], 3));
        for (value, expected) in of.iter().zip([0.5, 0.8, 0.8]) {
            assert!((value - expected).abs() < 1e-12);
        }
    }
}
