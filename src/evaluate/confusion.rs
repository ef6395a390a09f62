//! How often classes are taken for one another, by cluster, so that clusters can be weighed.

use std::collections::BTreeMap;

pub(super) use crate::statistics::classes::{iou, margins};

/// Confusion by cluster: few cells of each are not 0.
pub(super) struct Matrices {
    classes: usize,
    /// Cluster, class, class it was taken for, how many.
    cells: Vec<(u32, usize, usize, u64)>,
}

impl Matrices {
    /// Of cells in any order: cluster, class, class it was taken for, how many.
    pub(super) fn of(classes: usize, counted: impl Iterator<Item = (u32, usize, usize, u64)>) -> Self {
        let mut cells: BTreeMap<(u32, usize, usize), u64> = BTreeMap::new();
        for (cluster, of, to, n) in counted.filter(|(.., n)| *n > 0) {
            *cells.entry((cluster, of, to)).or_default() += n;
        }
        Self { classes, cells: cells.into_iter().map(|((cluster, of, to), n)| (cluster, of, to, n)).collect() }
    }

    /// Of all clusters together.
    pub(super) fn whole(&self) -> Vec<Vec<u64>> {
        self.sum(|_| 1)
    }

    /// Of clusters that count so many times.
    pub(super) fn weighted(&self, weights: &[u32]) -> Vec<Vec<u64>> {
        self.sum(|cluster| u64::from(weights[cluster as usize]))
    }

    fn sum(&self, weight: impl Fn(u32) -> u64) -> Vec<Vec<u64>> {
        let mut confusion = vec![vec![0; self.classes]; self.classes];
        for &(cluster, of, to, n) in &self.cells {
            confusion[of][to] += n * weight(cluster);
        }
        confusion
    }
}

/// Right ones and all.
pub(super) fn right(confusion: &[Vec<u64>]) -> (u64, u64) {
    let right = (0..confusion.len()).map(|class| confusion[class][class]).sum();
    (right, confusion.iter().flatten().sum())
}

/// F1 of every class, 2 hits / (labelled + given); 0 for a class that is neither.
pub(super) fn f1(confusion: &[Vec<u64>]) -> Vec<f64> {
    let class = |class| {
        let (hits, labelled, given) = margins(confusion, class);
        2.0 * hits as f64 / ((labelled + given) as f64).max(1.0)
    };
    (0..confusion.len()).map(class).collect()
}

/// Mean of what is defined; NaN where nothing is.
pub(super) fn mean(values: &[Option<f64>]) -> f64 {
    let defined: Vec<f64> = values.iter().copied().flatten().collect();
    defined.iter().sum::<f64>() / defined.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    // scikit-learn 1.9.1 on 5 + 3 + 2 labelled: jaccard_score(average=None) and f1_score(average=None)
    #[test]
    fn areas_are_those_of_scikit_learn() {
        let confusion = [vec![4, 1, 0, 0], vec![1, 2, 0, 0], vec![0, 1, 1, 0], vec![0, 0, 0, 0]];
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        let found = iou(&confusion);
        assert_eq!(found[3], None);
        [2.0 / 3.0, 0.4, 0.5].into_iter().zip(&found).for_each(|(expected, found)| close(found.unwrap(), expected));
        close(mean(&found), (2.0 / 3.0 + 0.9) / 3.0);
        [0.8, 4.0 / 7.0, 2.0 / 3.0, 0.0]
            .into_iter()
            .zip(f1(&confusion))
            .for_each(|(expected, found)| close(found, expected));
        assert_eq!(right(&confusion), (7, 10));
    }

    #[test]
    fn clusters_count_as_often_as_they_weigh() {
        let matrices = Matrices::of(2, [(0, 0, 0, 3), (1, 0, 1, 2), (0, 0, 0, 1), (1, 1, 1, 0)].into_iter());
        assert_eq!(matrices.whole(), [[4, 2], [0, 0]]);
        assert_eq!(matrices.weighted(&[2, 0]), [[8, 0], [0, 0]]);
    }
}
