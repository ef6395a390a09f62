//! What the training loop asks of a task: batches, a loss, measures.

use std::time::Duration;

use tch::Tensor;

use super::evaluate::Assessment;
use super::fit::Machine;
use super::groups::GroupWeights;
use super::parameters::Parameters;
use crate::Result;

/// A task with its data.
pub trait Task {
    /// What one step learns from.
    type Batch;

    /// Patches of an epoch.
    fn patches(&self) -> usize;

    /// Hands the batches of an epoch to `step`, in order. What a batch holds depends on the seed, `epoch` and its place
    /// alone. Returns the time that was spent waiting for batches.
    fn batches(&self, epoch: usize, step: &mut dyn FnMut(Self::Batch) -> Result<()>) -> Result<Duration>;

    /// The network's input, `[n, bands, height, width]`.
    fn inputs<'a>(&self, batch: &'a Self::Batch) -> &'a Tensor;

    /// The loss of a batch.
    fn loss(&self, batch: &Self::Batch, logits: &Tensor, groups: &mut GroupWeights) -> Loss;

    /// Measures on what chooses the epoch.
    fn assess(&self, kept: &Parameters, machine: Machine) -> Assessment;

    /// What is done to the parameters after the last epoch, before they are assessed.
    fn finish(&self, kept: &mut Parameters, machine: Machine) -> Result<()>;
}

/// What a step came to: scalars.
#[derive(Debug)]
pub struct Loss {
    /// The mean loss of the batch, which is told.
    pub mean: f64,
    /// What gradients are taken of.
    pub minimised: Tensor,
}
