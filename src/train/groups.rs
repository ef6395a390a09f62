//! Group-DRO: weights of the groups of season × sky that grow where the loss is high.

use std::collections::BTreeMap;

use tch::Tensor;

use super::augment::Circumstances;
use super::parameters::values;
use super::samples::group;

/// Online group-DRO (Sagawa et al. 2020, algorithm 1): after every batch each group's weight is multiplied by
/// e^(step × its mean loss), then all are brought to a sum of 1.
#[derive(Debug)]
pub struct GroupWeights {
    step: f64,
    weights: BTreeMap<String, f64>,
}

impl GroupWeights {
    /// Weights to go on from; a `step` of 0 weighs all patches alike.
    pub fn new(step: f64, weights: &[(String, f64)]) -> Self {
        Self { step, weights: weights.iter().cloned().collect() }
    }

    /// The weights by group.
    pub fn list(&self) -> Vec<(String, f64)> {
        self.weights.iter().map(|(group, weight)| (group.clone(), *weight)).collect()
    }

    /// Weight of every patch's loss, after the weights moved; none where all patches count alike.
    pub fn of(&mut self, losses: &Tensor, circumstances: &[Circumstances]) -> Option<Vec<f32>> {
        if self.step == 0.0 {
            return None;
        }
        let groups: Vec<String> = circumstances.iter().map(group).collect();
        let mut sums: BTreeMap<&String, (f64, f64)> = BTreeMap::new();
        for (group, loss) in groups.iter().zip(values(losses)) {
            let (sum, count) = sums.entry(group).or_default();
            *sum += f64::from(loss);
            *count += 1.0;
        }
        for (&group, (sum, count)) in &sums {
            *self.weights.entry(group.clone()).or_insert(1.0) *= (self.step * sum / count).exp();
        }
        let total: f64 = self.weights.values().sum();
        self.weights.values_mut().for_each(|weight| *weight /= total);
        Some(groups.iter().map(|group| (self.weights[group] / sums[group].1) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Season, Sky};

    #[test]
    fn the_group_with_the_higher_loss_gains_weight() {
        let of = |season| Circumstances { season: Some(season), sky: Some(Sky::Clear), latitude_deg: None };
        let circumstances = [of(Season::Summer), of(Season::Summer), of(Season::Summer), of(Season::Winter)];
        let losses = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 2.0]);
        let mut weights = GroupWeights::new(0.5, &[]);
        let of_patches = weights.of(&losses, &circumstances).unwrap();
        // e^.5 and e^1, brought to a sum of 1
        let (summer, winter) = (0.377_541, 0.622_459);
        assert!((f64::from(of_patches[0]) - summer / 3.0).abs() < 1e-6);
        assert!((f64::from(of_patches[3]) - winter).abs() < 1e-6);
        assert!(GroupWeights::new(0.0, &[]).of(&losses, &circumstances).is_none());
    }
}
