//! How far logits lie from those of fp32, by group.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};

/// The logits in fp32, and the group of each row.
pub struct Noise {
    reference: Vec<ArrayD<f32>>,
    groups: Vec<usize>,
}

impl Noise {
    /// With batches of logits, `[n, …]`, and the groups of all their rows in order.
    pub fn new(reference: Vec<ArrayD<f32>>, groups: &[usize]) -> Self {
        Self { reference, groups: groups.to_vec() }
    }

    /// The smallest ratio of signal to noise of a group, in decibels: 10 lg of the variance of its logits over the mean
    /// squared difference. A single logit has no variance: then that of all.
    pub fn worst_sqnr_db(&self, logits: &[ArrayD<f32>]) -> f64 {
        let (mut groups, mut all): (BTreeMap<usize, Sums>, _) = (BTreeMap::new(), Sums::default());
        let rows = self.reference.iter().zip(logits).flat_map(|(a, b)| a.axis_iter(Axis(0)).zip(b.axis_iter(Axis(0))));
        for ((expected, found), group) in rows.zip(&self.groups) {
            let group = groups.entry(*group).or_default();
            for (expected, found) in expected.iter().zip(&found) {
                group.add(f64::from(*expected), f64::from(*found));
                all.add(f64::from(*expected), f64::from(*found));
            }
        }
        let sqnr_db = |group: &Sums| {
            let variance = if group.n > 1.0 { group.variance() } else { all.variance() };
            10.0 * (variance / (group.noise / group.n)).log10()
        };
        groups.values().map(sqnr_db).fold(f64::INFINITY, f64::min)
    }
}

#[derive(Default)]
struct Sums {
    n: f64,
    sum: f64,
    squares: f64,
    noise: f64,
}

impl Sums {
    fn add(&mut self, expected: f64, found: f64) {
        self.n += 1.0;
        self.sum += expected;
        self.squares += expected * expected;
        // A logit that is no number is as far off as can be.
        let difference = expected - found;
        self.noise += if difference.is_finite() { difference * difference } else { f64::INFINITY };
    }

    fn variance(&self) -> f64 {
        self.squares / self.n - (self.sum / self.n).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_worst_group_counts_and_a_logit_that_is_no_number_is_the_worst() {
        let reference = vec![array![[1.0f32], [-1.0], [3.0], [-3.0]].into_dyn()];
        let noise = Noise::new(reference, &[0, 0, 1, 1]);
        let off = |a: f32| vec![array![[1.1f32], [-1.1], [3.0 + a], [-3.0]].into_dyn()];
        // Variance 1 and noise 0.01: 20 dB. The other group has variance 9 and noise 0.5.
        assert!((noise.worst_sqnr_db(&off(0.0)) - 20.0).abs() < 1e-4);
        assert!((noise.worst_sqnr_db(&off(1.0)) - 10.0 * 18f64.log10()).abs() < 1e-4);
        assert_eq!(noise.worst_sqnr_db(&off(f32::NAN)), f64::NEG_INFINITY);
    }

    #[test]
    fn a_group_of_one_logit_is_held_against_the_variance_of_all() {
        let noise = Noise::new(vec![array![[2.0f32], [-2.0], [0.0]].into_dyn()], &[0, 0, 1]);
        let found = vec![array![[2.0f32], [-2.0], [0.1]].into_dyn()];
        // Variance 8 / 3 and noise 0.01.
        assert!((noise.worst_sqnr_db(&found) - 10.0 * (800f64 / 3.0).log10()).abs() < 1e-4);
    }
}
