//! Cross-entropy and Dice loss over labelled pixels.

use tch::{Kind, Tensor};

use crate::output::NO_CLASS;

/// Pixels that every class is thought to have besides its own in the Dice loss, so that a class of few pixels does not
/// jump between 0 and 1.
const DICE_SMOOTHING_PX: f64 = 1.0;
/// Least sum of the pixels' weights, so that a batch without a label costs nothing.
const WEIGHT_MIN: f64 = 1e-6;

/// What is minimised, with what it needs of the training set.
#[derive(Debug)]
pub struct Objective {
    /// How much the pixels of each class count; 0 for a class that is not learned.
    class_weights: Vec<f32>,
    label_smoothing: f64,
    dice: f64,
}

impl Objective {
    /// `class_weights` has 0 for classes that are not learned.
    pub fn new(class_weights: Vec<f32>, label_smoothing: f64, dice: f64) -> Self {
        Self { class_weights, label_smoothing, dice }
    }

    /// The loss, a scalar, of logits `[n, classes, h, w]`, labels `[n, h, w]` of int64 and weights of the crops, `[n]`:
    /// (1 − dice) · cross-entropy + dice · Dice loss, both means over the labelled pixels by their weights.
    pub fn loss(&self, logits: &Tensor, labels: &Tensor, weights: &Tensor) -> Tensor {
        let device = logits.device();
        let (labels, weights) = (labels.to_device(device), weights.to_device(device));
        let classes = self.class_weights.len();
        let mut by_label = self.class_weights.clone();
        by_label.resize(usize::from(NO_CLASS) + 1, 0.0);
        let is_labelled: Vec<f32> = (0..=NO_CLASS).map(|label| f32::from(usize::from(label) < classes)).collect();
        let of_label = |table: &[f32]| Tensor::from_slice(table).to_device(device).take(&labels);
        let weights = weights.view([-1, 1, 1]);
        let target = labels.clamp_max(classes as i64 - 1).unsqueeze(1);
        let logarithms = logits.log_softmax(1, Kind::Float);
        let own = logarithms.gather(1, &target, false).squeeze_dim(1);
        let mut cross_entropy = -&own;
        if self.label_smoothing > 0.0 {
            cross_entropy =
                cross_entropy * (1.0 - self.label_smoothing) - self.mean_logarithm(&logarithms) * self.label_smoothing;
        }
        let pixels = of_label(&by_label) * &weights;
        let cross_entropy = (cross_entropy * &pixels).sum(Kind::Float) / pixels.sum(Kind::Float).clamp_min(WEIGHT_MIN);
        if self.dice == 0.0 {
            return cross_entropy;
        }
        let dice = self.dice_loss(&logarithms, &own, &target, &(of_label(&is_labelled) * &weights));
        cross_entropy * (1.0 - self.dice) + dice * self.dice
    }

    /// Over the classes that are learned.
    fn mean_logarithm(&self, logarithms: &Tensor) -> Tensor {
        let learned: Vec<f32> = self.class_weights.iter().map(|&weight| f32::from(weight > 0.0)).collect();
        let count: f32 = learned.iter().sum();
        let learned = Tensor::from_slice(&learned).to_device(logarithms.device()).view([1, -1, 1, 1]);
        (logarithms * learned).sum_dim_intlist([1i64].as_slice(), false, Kind::Float) / f64::from(count)
    }

    /// 1 − the mean of 2 Σ p y / (Σ p + Σ y) (Milletari et al. 2016) over the classes that the batch has pixels of.
    fn dice_loss(&self, logarithms: &Tensor, own: &Tensor, target: &Tensor, pixels: &Tensor) -> Tensor {
        let zeros = || Tensor::zeros([self.class_weights.len() as i64], (Kind::Float, logarithms.device()));
        let target = target.flatten(0, -1);
        let by_class = |values: Tensor| zeros().index_add(0, &target, &values.flatten(0, -1));
        let hits = by_class(own.exp() * pixels);
        let labelled = by_class(pixels.shallow_clone());
        let given =
            (logarithms.exp() * pixels.unsqueeze(1)).sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Float);
        let dice = (hits * 2.0 + DICE_SMOOTHING_PX) / (given + &labelled + DICE_SMOOTHING_PX);
        let present = labelled.gt(0.0).to_kind(Kind::Float);
        let count = present.sum(Kind::Float).clamp_min(1.0);
        (&present - dice * &present).sum(Kind::Float) / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One crop of 1 × 3 pixels, of which the last has no label. Soft-max of 1, 2, 3: .090031, .244728, .665241.
    fn loss(class_weights: &[f32], label_smoothing: f64, dice: f64, weights: &[f32]) -> f64 {
        let pixels = [[1.0f32, 2.0, 3.0], [3.0, 2.0, 1.0], [9.0, 0.0, 0.0]];
        let by_class: Vec<f32> = (0..3).flat_map(|class| pixels.map(|pixel| pixel[class])).collect();
        let logits = Tensor::from_slice(&by_class).view([1, 3, 1, 3]);
        let labels = Tensor::from_slice(&[2i64, 2, 255]).view([1, 1, 3]);
        let objective = Objective::new(class_weights.to_vec(), label_smoothing, dice);
        objective.loss(&logits, &labels, &Tensor::from_slice(weights)).double_value(&[])
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }

    // Minus the logarithms of soft-max: 2.407606, 1.407606, .407606.
    #[test]
    fn cross_entropy_is_the_mean_over_labelled_pixels() {
        assert_near(loss(&[1.0; 3], 0.0, 0.0, &[1.0]), (0.407606 + 2.407606) / 2.0);
        // The weight of the only class, or of the only crop, changes no mean.
        assert_near(loss(&[1.0, 1.0, 7.0], 0.0, 0.0, &[0.5]), (0.407606 + 2.407606) / 2.0);
        let smooth = |own: f64| 0.9 * own + 0.1 * (2.407606 + 1.407606 + 0.407606) / 3.0;
        assert_near(loss(&[1.0; 3], 0.1, 0.0, &[1.0]), (smooth(0.407606) + smooth(2.407606)) / 2.0);
        // Class 0 is not learned: nothing of a label is spread to it.
        let spread = |own: f64, others: f64| 0.9 * own + 0.1 * others / 2.0;
        let expected = (spread(0.407606, 1.407606 + 0.407606) + spread(2.407606, 1.407606 + 2.407606)) / 2.0;
        assert_near(loss(&[0.0, 1.0, 1.0], 0.1, 0.0, &[1.0]), expected);
    }

    #[test]
    fn dice_is_that_of_the_classes_that_are_there() {
        // Class 2: hits .665241 + .090031, given the same, labelled 2.
        let given = 0.665241 + 0.090031;
        assert_near(loss(&[1.0; 3], 0.0, 1.0, &[1.0]), 1.0 - (2.0 * given + 1.0) / (given + 2.0 + 1.0));
    }

    #[test]
    fn a_batch_without_labels_costs_nothing() {
        assert_eq!(loss(&[1.0; 3], 0.0, 0.5, &[0.0]), 0.0);
    }
}
