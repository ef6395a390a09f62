//! The probability from which on a pixel is of the second of two classes, fitted on tiles that no gradient saw.

use super::measures::passes;
use super::tiles::Tiles;
use crate::output::NO_CLASS;
use crate::train::fit::Machine;
use crate::train::parameters::{Parameters, values};
use crate::train::samples::Scaling;

/// Thresholds tried: 1 / 100 to 99 / 100.
const STEPS: usize = 100;

/// The threshold of the second class's probability, logits divided by `temperature`, at which its intersection over union on
/// all labelled pixels is highest. None without a labelled pixel of it, or with other than two classes.
pub fn fit(
    parameters: &Parameters,
    tiles: &Tiles,
    scaling: &Scaling,
    temperature: f64,
    machine: Machine,
) -> Option<f32> {
    // Pixels by hundredths of their probability, of either class.
    let mut counts = [[0u64; STEPS]; 2];
    let mut classes = 0;
    passes(parameters, tiles, scaling, machine, &mut |pass| {
        classes = pass.logits.size()[1];
        let probabilities = (&pass.logits / temperature).softmax(1, tch::Kind::Float).select(1, 1);
        for (probability, label) in values(&probabilities).into_iter().zip(values(&pass.labels)) {
            if label < f32::from(NO_CLASS) {
                counts[usize::from(label == 1.0)][((probability * STEPS as f32) as usize).min(STEPS - 1)] += 1;
            }
        }
    });
    let [of_first, of_second] = counts;
    (classes == 2).then(|| best(&of_first, &of_second)).flatten()
}

/// The threshold with the highest intersection over union, from counts of pixels of both classes by hundredths.
fn best(of_first: &[u64; STEPS], of_second: &[u64; STEPS]) -> Option<f32> {
    let positives: u64 = of_second.iter().sum();
    let iou = |&step: &usize| {
        let taken = |counts: &[u64]| counts[step..].iter().sum::<u64>();
        taken(of_second) as f64 / (positives + taken(of_first)) as f64
    };
    let step = (1..STEPS).max_by(|a, b| iou(a).total_cmp(&iou(b)))?;
    (positives > 0).then_some(step as f32 / STEPS as f32)
}

#[cfg(test)]
mod tests {
    use super::{STEPS, best};

    #[test]
    fn the_threshold_is_where_the_intersection_over_union_is_highest() {
        let (mut first, mut second) = ([0; STEPS], [0; STEPS]);
        (first[10], first[35], second[20], second[40]) = (900, 100, 300, 600);
        // From 11 to 20: 900 / 1000; from 21 to 35: 600 / 1000; from 36 to 40: 600 / 900.
        assert!((0.11..=0.20).contains(&best(&first, &second).unwrap()));
        second[20] = 50;
        // 650 / 750 against 600 / 650.
        assert!((0.36..=0.40).contains(&best(&first, &second).unwrap()));
        assert_eq!(best(&first, &[0; STEPS]), None);
    }
}
