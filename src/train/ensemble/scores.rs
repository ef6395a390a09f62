//! What a member makes of patches, over all views of each, as a run does it.

use rayon::prelude::*;
use tch::Tensor;

use super::patches::Patches;
use crate::infer::augment::views;
use crate::model::manifest::Tta;
use crate::train::fit::Machine;
use crate::train::forward::forward;
use crate::train::parameters::{Parameters, values};
use crate::train::samples::Scaling;

/// Patches a forward pass without gradients.
const BATCH: usize = 64;

/// The logit of every patch of `indices`, the mean over its views.
pub fn logits(
    parameters: &Parameters,
    patches: &Patches,
    indices: &[usize],
    scaling: &Scaling,
    tta: Tta,
    machine: Machine,
) -> Vec<f64> {
    let (channels, side_px) = (patches.channels, patches.side_px);
    let size = channels * side_px * side_px;
    let views = views(tta);
    let mut means = Vec::with_capacity(indices.len());
    for indices in indices.chunks(BATCH) {
        let mut sums = vec![0.0; indices.len()];
        for view in views {
            let mut seen = vec![0.0; indices.len() * size];
            seen.par_chunks_mut(size).zip(indices).for_each(|(to, &index)| {
                view.apply(&patches.input(index, scaling), to, side_px);
            });
            let input = Tensor::from_slice(&seen)
                .view([-1, channels as i64, side_px as i64, side_px as i64])
                .to_device(machine.device);
            let logits = tch::no_grad(|| values(&forward(parameters, &input, machine.precision, false).logits));
            sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += f64::from(logit));
        }
        means.extend(sums.into_iter().map(|sum| sum / views.len() as f64));
    }
    means
}
