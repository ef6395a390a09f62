//! Everything that a training depends on besides its data.

use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::augment::Mixing;
use super::loss::Loss;
use super::{ensemble, segment};

/// The recipe; it stands whole, as one flat list, in `metrics.jsonl` and in the checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Steps and their size.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// The rest.
    #[serde(flatten)]
    pub method: Method,
}

/// How many steps of which size: the same for whatever is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Passes over the training patches.
    pub epochs: usize,
    /// Epochs over which the learning rate rises.
    pub warmup_epochs: usize,
    /// Patches a step.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// What the learning rate of all layers but the last is multiplied by.
    pub backbone_rate: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Decay a step of the moving average of the parameters, which is what is kept; 0 keeps the parameters.
    pub ema: f64,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
}

/// What is learned, and from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Method {
    /// A label for every patch.
    Patches(Patches),
    /// A label for every pixel.
    Masks(segment::Method),
    /// A label for every patch, by several networks.
    Members(ensemble::Method),
}

/// Learning a label for every patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patches {
    /// What is minimised.
    pub loss: Loss,
    /// Weight of a positive in binary cross-entropy.
    pub positive_weight: f64,
    /// Share of a label that is spread over all classes.
    pub label_smoothing: f64,
    /// Groups of season × sky are drawn from with probability ∝ (their patches)^power.
    pub group_power: f64,
    /// Step of group-DRO's weights (Sagawa et al. 2020); 0 weighs all groups alike.
    pub group_dro: f64,
    /// What happens to every patch.
    pub augmentation: Augmentation,
    /// What happens to pairs of patches.
    pub mixing: Mixing,
    /// Share of the last epochs that pairs are left alone in.
    pub unmixed_share: f64,
    /// Balanced patches that the last layer is fitted to once more when all is over (deep feature reweighting,
    /// Kirichenko et al. 2023); 0 for none.
    pub refit_patches: usize,
}

impl Method {
    /// Step of group-DRO's weights.
    pub(super) fn group_dro(&self) -> f64 {
        match self {
            Self::Patches(of) => of.group_dro,
            Self::Masks(_) | Self::Members(_) => 0.0,
        }
    }
}
