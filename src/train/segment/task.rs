//! The task of finding a label for every pixel.

use std::time::Duration;

use tch::Tensor;

use super::Method;
use super::crops::{Batch, Crops};
use super::loss::Objective;
use super::measures::assess;
use super::tiles::Tiles;
use crate::Result;
use crate::train::evaluate::Assessment;
use crate::train::fit::Machine;
use crate::train::groups::GroupWeights;
use crate::train::parameters::Parameters;
use crate::train::recipe::Schedule;
use crate::train::samples::Scaling;
use crate::train::task::{Loss, Task};

/// Tiles to train on, others to choose the epoch, and what is done with them.
#[derive(Debug)]
pub struct Segmentation<'a> {
    crops: Crops<'a>,
    select: &'a Tiles,
    objective: Objective,
    ignored: Vec<bool>,
}

impl<'a> Segmentation<'a> {
    /// `ignored` says of every class whether its pixels count as not labelled.
    pub fn new(
        train: &'a Tiles,
        select: &'a Tiles,
        ignored: Vec<bool>,
        scaling: Scaling,
        schedule: &Schedule,
        method: &Method,
    ) -> Self {
        let mut weights = method.class_weights.of(&train.pixels(ignored.len()));
        weights.iter_mut().zip(&ignored).filter(|(_, ignored)| **ignored).for_each(|(weight, _)| *weight = 0.0);
        let objective = Objective::new(weights, method.label_smoothing, method.dice);
        let crops = Crops { tiles: train, scaling, method: method.clone(), batch: schedule.batch, seed: schedule.seed };
        Self { crops, select, objective, ignored }
    }
}

impl Task for Segmentation<'_> {
    type Batch = Batch;

    fn patches(&self) -> usize {
        self.crops.len()
    }

    fn batches(&self, epoch: usize, step: &mut dyn FnMut(Batch) -> Result<()>) -> Result<Duration> {
        self.crops.run(epoch, step)
    }

    fn inputs<'b>(&self, batch: &'b Batch) -> &'b Tensor {
        &batch.inputs
    }

    fn loss(&self, batch: &Batch, logits: &Tensor, _: &mut GroupWeights) -> Loss {
        let minimised = self.objective.loss(logits, &batch.labels, &batch.weights);
        Loss { mean: minimised.double_value(&[]), minimised }
    }

    fn assess(&self, kept: &Parameters, machine: Machine) -> Assessment {
        let Crops { scaling, method, .. } = &self.crops;
        assess(kept, self.select, scaling, &self.ignored, method.choose, machine)
    }

    fn finish(&self, _: &mut Parameters, _: Machine) -> Result<()> {
        Ok(())
    }
}
