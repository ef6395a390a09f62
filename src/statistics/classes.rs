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

/// What is added to every share so that a divergence stays finite, as the page of the Preligens challenge says.
pub const KL_EPSILON: f64 = 1e-8;
/// The same as the repository of the challenge's benchmark has it (`framework/eval.py`).
pub const KL_EPSILON_REPOSITORY: f64 = 1e-7;

/// Σ y ln(y / ŷ) in nats (Kullback and Leibler 1951) of shares `labelled` from shares `given`, [`KL_EPSILON`] added to
/// each.
pub fn divergence(labelled: &[f64], given: &[f64]) -> f64 {
    divergence_with(labelled, given, KL_EPSILON)
}

/// [`divergence`] with another `epsilon`.
pub fn divergence_with(labelled: &[f64], given: &[f64], epsilon: f64) -> f64 {
    let term = |(y, given): (&f64, &f64)| (y + epsilon) * ((y + epsilon) / (given + epsilon)).ln();
    labelled.iter().zip(given).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy 2.4, as the repository's eval.py has it: y and ŷ plus epsilon, (y · log(y / ŷ)).sum()
    #[test]
    fn divergence_is_the_challenge_s() {
        let (y, given) = ([0.5, 0.3, 0.2], [0.4, 0.4, 0.2]);
        assert!((divergence(&y, &given) - 0.025_267_153_276).abs() < 1e-11);
        assert!((divergence_with(&y, &given, KL_EPSILON_REPOSITORY) - 0.025_267_147_468).abs() < 1e-11);
        assert_eq!(divergence(&[1.0, 0.0], &[1.0, 0.0]), 0.0);
        // 1 % that was given nothing.
        let (y, given) = ([0.99, 0.01], [1.0, 0.0]);
        assert!((divergence(&y, &given) - 0.128_205_421_2).abs() < 1e-9);
        assert!((divergence_with(&y, &given, KL_EPSILON_REPOSITORY) - 0.105_180_673_4).abs() < 1e-9);
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
