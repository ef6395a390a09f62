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

#[cfg(test)]
mod tests {
    use super::{confusion, f1};

    // scikit-learn 1.9.1, f1_score(average=None) of [0, 0, 1, 1, 2, 2, 2] against [0, 1, 1, 1, 2, 0, 2]
    #[test]
    fn f1_agrees_with_scikit_learn() {
        let of = f1(&confusion(&[0, 1, 1, 1, 2, 0, 2], &[0, 0, 1, 1, 2, 2, 2], 3));
        for (value, expected) in of.iter().zip([0.5, 0.8, 0.8]) {
            assert!((value - expected).abs() < 1e-12);
        }
    }
}
