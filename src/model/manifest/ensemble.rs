//! A model of several networks, and of trees before them: members with their thresholds, and the prefilter.

use std::collections::BTreeSet;

use super::validate::require;
use super::{Head, Manifest};
use crate::Result;
use crate::limits::MODEL_MEMBERS_MAX;

/// How far `lost_share_max` may lie below what its positives prove: it is written with few digits.
const LOST_SHARE_ROUNDING: f64 = 1e-4;

/// Numbers that trees get of a channel: mean, standard deviation, minimum, quartiles and maximum.
pub const GATE_STATISTICS: usize = 7;

/// One network of an ensemble.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Member {
    /// The key of its asset, `member-01`; its file is called after it, `member-01.onnx`.
    pub model: String,
    /// The score from which on this network by itself says positive, between 0 and 1. Its scores are shifted, in logits, so
    /// that they reach one half there.
    pub threshold: f32,
}

/// A tree ensemble that decides what the network need not look at.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The key of its asset, `prefilter`; its file is called after it, `prefilter.onnx`.
    pub asset: String,
    /// A window whose score by the trees is below this is negative without a look by the network.
    pub cutoff: f32,
    /// Positives that were not trained on and that all reach the cut-off.
    pub calibration_positives: u64,
    /// Share of new positives that are lost at most, with [`Self::confidence`].
    pub lost_share_max: f64,
    /// Probability, over the draw of the calibration positives, that no larger share is lost.
    pub confidence: f64,
}

impl Gate {
    /// A gate whose cut-off is the lowest score of so many positives.
    pub fn new(asset: impl Into<String>, cutoff: f32, calibration_positives: u64, confidence: f64) -> Self {
        let lost_share_max = lost_share_max(calibration_positives, confidence);
        Self { asset: asset.into(), cutoff, calibration_positives, lost_share_max, confidence }
    }

    /// What the gate promises, in words.
    pub fn guarantee(&self) -> String {
        format!(
            "of new positives of the kind of the {} that the cut-off {} was calibrated on, at most {:.2} % are lost, with a \
             confidence of {} %",
            self.calibration_positives,
            self.cutoff,
            100.0 * self.lost_share_max,
            100.0 * self.confidence
        )
    }
}

/// With the cut-off at the lowest score of `positives` that are exchangeable with new ones: the share of new ones below it,
/// which with this confidence is not larger. The share below the least of n is beta-distributed with the parameters 1 and n,
/// so that it exceeds q with the probability (1 − q)^n.
pub fn lost_share_max(positives: u64, confidence: f64) -> f64 {
    1.0 - (1.0 - confidence).powf(1.0 / positives.max(1) as f64)
}

impl Manifest {
    /// Logits of a window, or of each of its pixels: one a class; for a binary head one, or one a member.
    pub fn logits(&self) -> usize {
        match self.head {
            Head::Binary => self.members.len().max(1),
            Head::Multiclass | Head::Segmentation => self.classes.len(),
        }
    }

    pub(super) fn validate_ensemble(&self) -> Result<()> {
        let is_binary = self.head == Head::Binary;
        require(self.members.is_empty() || is_binary, || "members are for a binary head")?;
        require(self.members.len() <= MODEL_MEMBERS_MAX, || {
            format!("{} members are more than {MODEL_MEMBERS_MAX}", self.members.len())
        })?;
        let mut seen = BTreeSet::new();
        for Member { model, threshold } in &self.members {
            require(is_file_stem(model), || format!("member {model:?} must hold letters, digits, '-' and '_' only"))?;
            require(seen.insert(model), || format!("member {model:?} is listed twice"))?;
            require(*threshold > 0.0 && *threshold < 1.0, || {
                format!("the threshold of member {model:?} is {threshold}, expected more than 0 and less than 1")
            })?;
        }
        require(self.view_agreement_minimum.is_none_or(|share| is_binary && (0.0..=1.0).contains(&share)), || {
            format!(
                "view_agreement_minimum {} must lie in 0..1, and only a binary head has one",
                self.view_agreement_minimum.unwrap_or_default()
            )
        })?;
        self.gate.as_ref().map_or(Ok(()), |gate| self.validate_gate(gate))
    }

    fn validate_gate(&self, gate: &Gate) -> Result<()> {
        require(self.head == Head::Binary, || "a gate is for a binary head")?;
        require(is_file_stem(&gate.asset), || {
            format!("the gate's asset {:?} must hold letters, digits, '-' and '_' only", gate.asset)
        })?;
        require(gate.cutoff.is_finite(), || "the gate's cutoff is not finite")?;
        require(gate.calibration_positives > 0, || "the gate has no calibration_positives")?;
        require(gate.confidence > 0.0 && gate.confidence < 1.0, || {
            format!("the gate's confidence {} must be more than 0 and less than 1", gate.confidence)
        })?;
        let proven = lost_share_max(gate.calibration_positives, gate.confidence);
        require(gate.lost_share_max <= 1.0 && gate.lost_share_max >= proven - LOST_SHARE_ROUNDING, || {
            format!(
                "the gate's lost_share_max is {}, and {} positives prove {proven:.4} with a confidence of {}",
                gate.lost_share_max, gate.calibration_positives, gate.confidence
            )
        })
    }
}

fn is_file_stem(key: &str) -> bool {
    (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_lost_is_that_of_the_order_statistic() {
        assert!((lost_share_max(150, 0.95) - 0.019_773).abs() < 1e-6);
        // The share below the least of n uniform numbers exceeds it in one draw of twenty.
        let n = 10;
        let bound = lost_share_max(n, 0.95);
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let draws = 20_000;
        let exceeded = (0..draws).filter(|_| (0..n).map(|_| uniform()).fold(1.0, f64::min) > bound).count();
        assert!((exceeded as f64 / f64::from(draws) - 0.05).abs() < 0.006, "{exceeded}");
    }
}
