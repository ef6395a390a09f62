//! The task of finding a label for every patch.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::augment::Mixing;
use super::evaluate::{Assessment, assess};
use super::fit::Machine;
use super::groups::GroupWeights;
use super::loader::{Batch, Loader};
use super::loss::Objective;
use super::parameters::Parameters;
use super::recipe::{Patches, Schedule};
use super::samples::{Samples, Scaling};
use super::task::{Loss, Task};
use super::{refit, sampling};
use crate::Result;

/// Labelled patches to train on, others to choose the epoch, and what is done with them.
#[derive(Debug)]
pub struct Classification<'a> {
    select: &'a Samples,
    loader: Loader<'a>,
    objective: Objective,
    method: Patches,
    /// Epochs in which patches are mixed.
    mixed_epochs: usize,
}

impl<'a> Classification<'a> {
    /// A task of `classes` classes, two of which have one logit.
    pub fn new(
        train: &'a Samples,
        select: &'a Samples,
        classes: usize,
        scaling: Scaling,
        schedule: &Schedule,
        method: &Patches,
    ) -> Self {
        let mut counts = vec![0usize; classes];
        train.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
        let objective = Objective {
            loss: method.loss,
            positive_weight: method.positive_weight,
            label_smoothing: method.label_smoothing,
            priors: counts.iter().map(|&count| count.max(1) as f64 / train.len() as f64).collect(),
        };
        let loader = Loader {
            samples: train,
            classes,
            scaling,
            augmentation: method.augmentation.clone(),
            mixing: method.mixing,
            batch: schedule.batch,
            seed: schedule.seed,
        };
        let mixed_epochs = ((1.0 - method.unmixed_share) * schedule.epochs as f64).round() as usize;
        Self { select, loader, objective, method: method.clone(), mixed_epochs }
    }
}

impl Task for Classification<'_> {
    type Batch = Batch;

    fn patches(&self) -> usize {
        self.loader.samples.len()
    }

    fn batches(&self, epoch: usize, step: &mut dyn FnMut(Batch) -> Result<()>) -> Result<Duration> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.loader.seed);
        rng.set_stream(epoch as u64);
        let order = sampling::epoch(self.loader.samples, self.method.group_power, &mut rng);
        match epoch > self.mixed_epochs {
            true => self.loader.with(Mixing::NONE).run(&order, epoch, step),
            false => self.loader.run(&order, epoch, step),
        }
    }

    fn inputs<'a>(&self, batch: &'a Batch) -> &'a Tensor {
        &batch.inputs
    }

    fn loss(&self, batch: &Batch, logits: &Tensor, groups: &mut GroupWeights) -> Loss {
        let losses = self.objective.losses(logits, &batch.labels.to_device(logits.device()));
        let mean = losses.mean(Kind::Float);
        let told = mean.double_value(&[]);
        let minimised = match groups.of(&losses, &batch.circumstances) {
            Some(weights) => (losses * Tensor::from_slice(&weights).to_device(logits.device())).sum(Kind::Float),
            None => mean,
        };
        Loss { mean: told, minimised }
    }

    fn assess(&self, kept: &Parameters, machine: Machine) -> Assessment {
        assess(kept, self.select, &self.loader.scaling, self.loader.classes, machine)
    }

    fn finish(&self, kept: &mut Parameters, machine: Machine) -> Result<()> {
        match self.method.refit_patches {
            0 => Ok(()),
            patches => refit::last_layer(kept, &self.loader, patches, self.method.label_smoothing, machine),
        }
    }
}
