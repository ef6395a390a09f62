//! Losses, one number a patch: binary from one logit, multi-class from one logit a class. Labels are soft, so that
//! mixed patches and smoothed labels need no case of their own.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Loss {
    /// Cross-entropy.
    CrossEntropy,
    /// Lin et al. 2017: patches that are already right count (1 − p)^gamma as much.
    Focal {
        /// Exponent.
        gamma: f64,
        /// Weight of a positive, 1 − alpha that of a negative; of no effect with several classes.
        alpha: f64,
    },
    /// Menon et al. 2021: cross-entropy of logits shifted by the logarithm of the classes' prior odds.
    LogitAdjusted {
        /// How much of the shift.
        tau: f64,
    },
}

/// A loss with what it needs of the training set.
#[derive(Debug)]
pub struct Objective {
    /// What is minimised.
    pub loss: Loss,
    /// Weight of a positive in binary cross-entropy.
    pub positive_weight: f64,
    /// Share of a label that is spread over all classes.
    pub label_smoothing: f64,
    /// Share of every class among the training patches.
    pub priors: Vec<f64>,
}

impl Objective {
    /// Loss of every patch, `[n]`, of logits `[n, outputs]` and labels of the same shape: the probability of the
    /// positive class, or of every class.
    pub fn losses(&self, logits: &Tensor, labels: &Tensor) -> Tensor {
        let classes = self.priors.len() as f64;
        let labels = labels * (1.0 - self.label_smoothing) + self.label_smoothing / classes;
        match logits.size()[1] {
            1 => self.binary(&logits.squeeze_dim(1), &labels.squeeze_dim(1)),
            _ => self.multiclass(logits, &labels),
        }
    }

    fn binary(&self, z: &Tensor, y: &Tensor) -> Tensor {
        // −ln p = softplus(−z), −ln (1 − p) = softplus(z)
        let cross_entropy = |z: &Tensor| (y * self.positive_weight, 1.0 - y, (-z).softplus(), z.softplus());
        let (positive, negative, miss, alarm) = match self.loss {
            Loss::CrossEntropy => cross_entropy(z),
            Loss::LogitAdjusted { tau } => cross_entropy(&(z + tau * (self.priors[1] / self.priors[0]).ln())),
            Loss::Focal { gamma, alpha } => {
                let p = z.sigmoid();
                let easy = |wrong: &Tensor| wrong.pow_tensor_scalar(gamma);
                let (miss, alarm) = ((-z).softplus() * easy(&(1.0 - &p)), z.softplus() * easy(&p));
                (y * alpha, (1.0 - y) * (1.0 - alpha), miss, alarm)
            }
        };
        positive * miss + negative * alarm
    }

    fn multiclass(&self, z: &Tensor, y: &Tensor) -> Tensor {
        let logarithms = match self.loss {
            Loss::LogitAdjusted { tau } => {
                let shift: Vec<f32> = self.priors.iter().map(|prior| (tau * prior.ln()) as f32).collect();
                (z + Tensor::from_slice(&shift).to_device(z.device())).log_softmax(1, Kind::Float)
            }
            _ => z.log_softmax(1, Kind::Float),
        };
        let logarithms = match self.loss {
            Loss::Focal { gamma, .. } => {
                let wrong: Tensor = 1.0 - logarithms.exp();
                wrong.pow_tensor_scalar(gamma) * logarithms
            }
            _ => logarithms,
        };
        -(y * logarithms).sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::parameters::values;

    fn of(loss: Loss, positive_weight: f64, label_smoothing: f64, priors: &[f64]) -> Objective {
        Objective { loss, positive_weight, label_smoothing, priors: priors.to_vec() }
    }

    fn column(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([-1, 1])
    }

    fn assert_near(losses: &Tensor, expected: &[f64]) {
        for (value, expected) in values(losses).iter().zip(expected) {
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{value} is not {expected}");
        }
    }

    // Python's math: softplus(-2) = 0.126928, softplus(0.5) = 0.974077, softplus(-0.5) = 0.474077, sigmoid(2) =
    // 0.880797, sigmoid(0.5) = 0.622459.
    #[test]
    fn binary_losses_are_those_worked_by_hand() {
        let (z, y) = (column(&[2.0, 0.5]), column(&[1.0, 0.0]));
        let plain = of(Loss::CrossEntropy, 1.0, 0.0, &[0.5, 0.5]);
        assert_near(&plain.losses(&z, &y), &[0.126928, 0.974077]);
        let smoothed = of(Loss::CrossEntropy, 1.0, 0.1, &[0.5, 0.5]);
        assert_near(&smoothed.losses(&z, &y), &[0.95 * 0.126928 + 0.05 * 2.126928, 0.95 * 0.974077 + 0.05 * 0.474077]);
        let focal = of(Loss::Focal { gamma: 2.0, alpha: 0.75 }, 1.0, 0.0, &[0.5, 0.5]);
        let expected = [0.75 * 0.119203f64.powi(2) * 0.126928, 0.25 * 0.622459f64.powi(2) * 0.974077];
        assert_near(&focal.losses(&z, &y), &expected);
        // Odds of 1:10 shift by −2.302585: softplus(0.302585) = 0.855841, softplus(−1.802585) = 0.152611
        let adjusted = of(Loss::LogitAdjusted { tau: 1.0 }, 1.0, 0.0, &[10.0 / 11.0, 1.0 / 11.0]);
        assert_near(&adjusted.losses(&z, &y), &[0.855841, 0.152611]);
    }

    // Logits 1, 2, 3: soft-max .090031, .244728, .665241.
    #[test]
    fn multiclass_losses_are_those_worked_by_hand() {
        let z = Tensor::from_slice(&[1.0f32, 2.0, 3.0]).view([1, 3]);
        let y = Tensor::from_slice(&[0.0f32, 0.0, 1.0]).view([1, 3]);
        let thirds = [1.0 / 3.0; 3];
        assert_near(&of(Loss::CrossEntropy, 1.0, 0.0, &thirds).losses(&z, &y), &[0.407606]);
        let focal = of(Loss::Focal { gamma: 1.0, alpha: 0.5 }, 1.0, 0.0, &thirds);
        assert_near(&focal.losses(&z, &y), &[(1.0 - 0.665241) * 0.407606]);
        let adjusted = of(Loss::LogitAdjusted { tau: 1.0 }, 1.0, 0.0, &thirds);
        assert_near(&adjusted.losses(&z, &y), &[0.407606]);
    }

    #[test]
    fn huge_logits_cost_what_they_are_worth() {
        let plain = of(Loss::CrossEntropy, 1.0, 0.0, &[0.5, 0.5]);
        assert_near(&plain.losses(&column(&[-200.0, 200.0]), &column(&[1.0, 1.0])), &[200.0, 0.0]);
    }
}
