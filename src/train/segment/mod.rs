//! Learning a label for every pixel, from tiles with maps of labels.
//!
//! | part | file |
//! | --- | --- |
//! | tiles and labels in memory | [`tiles`] |
//! | batches of crops | [`crops`] |
//! | what is minimised | [`loss`] |
//! | what an epoch is chosen by | [`measures`] |
//! | the logits' temperature | [`temperature`] |
//! | from where on a pixel is of the second of two classes | [`threshold`] |
//! | all of it, for the training loop | [`task`] |

pub mod crops;
pub mod loss;
pub mod measures;
pub mod task;
pub mod temperature;
pub mod threshold;
pub mod tiles;

use serde::{Deserialize, Serialize};

/// How labels of pixels are learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Height and width of what a step sees of a tile, in pixels.
    pub crop_px: usize,
    /// Crops of every tile in an epoch.
    pub crops: usize,
    /// Whether crops are turned and flipped.
    pub symmetries: bool,
    /// What happens to their reflectance.
    pub jitter: Jitter,
    /// How much the pixels of each class count.
    pub class_weights: ClassWeights,
    /// Share of the Dice loss, the rest being cross-entropy.
    pub dice: f64,
    /// Share of a label that is spread over all classes that are learned.
    pub label_smoothing: f64,
    /// Classes whose pixels count as not labelled.
    pub ignored_classes: Vec<String>,
    /// What the epoch is chosen by.
    pub choose: Choose,
}

/// `reflectance · gain · band gain + offset`, drawn anew for every crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// The gain of all bands is uniform in 1 ± this: light.
    pub gain: f64,
    /// Standard deviation of each band's own gain about 1: calibration.
    pub band_gain: f64,
    /// Standard deviation of each band's offset in reflectance: haze, and what atmospheric correction left of it.
    pub offset: f64,
}

/// How much the pixels of a class count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All alike. The soft-max then estimates E[y | x], which minimises the divergence of class shares, and every other
    /// weight makes it estimate something else.
    None,
    /// ∝ 1 / √share of the training pixels.
    Sqrt,
    /// ∝ 1 / share of the training pixels.
    Inverse,
}

/// What an epoch is chosen by, and the temperature fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choose {
    /// Mean intersection over union of the classes; the temperature minimises the mean logarithmic loss of the pixels.
    Iou,
    /// Mean divergence of the tiles' class shares; the temperature minimises that as well.
    Kl,
}

/// Most that a pixel of a rare class counts of one of a class with the mean share. Inverse frequency alone would have 1,071
/// pixels of snow among 1.2 billion count 140,000 times.
pub const CLASS_WEIGHT_MAX: f64 = 20.0;

impl ClassWeights {
    /// A weight for every class, of which so many pixels are labelled; classes without a pixel have that of the mean share.
    pub fn of(self, pixels: &[u64]) -> Vec<f32> {
        let power = match self {
            Self::None => 0.0,
            Self::Sqrt => 0.5,
            Self::Inverse => 1.0,
        };
        let present: Vec<u64> = pixels.iter().copied().filter(|&n| n > 0).collect();
        let mean = present.iter().sum::<u64>() as f64 / present.len().max(1) as f64;
        let weight = |&n: &u64| if n == 0 { 1.0 } else { (mean / n as f64).powf(power).min(CLASS_WEIGHT_MAX) as f32 };
        pixels.iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The pixels of the classes of the land-cover challenge, snow the seventh.
    const PIXELS: [u64; 8] =
        [60_971_025, 404_760_981, 277_012_377, 96_473_046, 333_407_133, 9_775_295, 1_071, 29_404_605];

    #[test]
    fn rare_classes_count_more_but_never_without_bound() {
        assert_eq!(ClassWeights::None.of(&PIXELS), [1.0; 8]);
        let inverse = ClassWeights::Inverse.of(&PIXELS);
        // The mean is 1,211,805,533 / 8.
        assert!((inverse[0] - 2.484_388).abs() < 1e-5 && (inverse[1] - 0.374_236).abs() < 1e-5, "{inverse:?}");
        assert_eq!(inverse[6], CLASS_WEIGHT_MAX as f32);
        let sqrt = ClassWeights::Sqrt.of(&PIXELS);
        assert!((sqrt[0] - 2.484_388f32.sqrt()).abs() < 1e-5, "{sqrt:?}");
        assert_eq!(ClassWeights::Inverse.of(&[4, 0, 4]), [1.0; 3]);
    }
}
