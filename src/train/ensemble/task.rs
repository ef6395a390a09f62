//! One member, for the training loop.

use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::patches::Patches;
use super::{Method, scores};
use crate::Result;
use crate::infer::augment::views;
use crate::model::manifest::Tta;
use crate::statistics::ranking::average_precision;
use crate::train::ahead;
use crate::train::augment::noise::near_normal;
use crate::train::evaluate::Assessment;
use crate::train::fit::Machine;
use crate::train::groups::GroupWeights;
use crate::train::loss::{self, Objective};
use crate::train::parameters::Parameters;
use crate::train::recipe::Schedule;
use crate::train::samples::Scaling;
use crate::train::task::{Loss, Task};

/// A member: what it learns from and what it does without.
#[derive(Debug)]
pub struct Member<'a> {
    patches: &'a Patches,
    scaling: &'a Scaling,
    method: Method,
    /// Channels of the first branch, which are the optical ones.
    optical: usize,
    /// Standard deviation of each of them.
    deviations: Vec<f32>,
    learned: Vec<usize>,
    held_out: Vec<usize>,
    objective: Objective,
    batch: usize,
    seed: u64,
}

/// Patches with their labels.
#[derive(Debug)]
pub struct Batch {
    /// `[n, channels, side, side]`
    inputs: Tensor,
    /// `[n, 1]`
    labels: Tensor,
}

impl<'a> Member<'a> {
    /// A member that learns from what is not in its fold; `folds` has that of every patch, `optical` channels come first
    /// and have these standard deviations.
    pub fn new(
        (patches, scaling): (&'a Patches, &'a Scaling),
        folds: &[usize],
        deviations: Vec<f32>,
        schedule: &Schedule,
        method: &Method,
    ) -> Self {
        let (held_out, learned) = (0..patches.len()).partition(|&patch| folds[patch] + 1 == method.member);
        let objective = Objective {
            loss: loss::Loss::CrossEntropy,
            positive_weight: method.positive_weight,
            label_smoothing: method.label_smoothing,
            priors: vec![0.5; 2],
        };
        Self {
            patches,
            scaling,
            method: method.clone(),
            optical: deviations.len(),
            deviations,
            learned,
            held_out,
            objective,
            batch: schedule.batch,
            seed: schedule.seed,
        }
    }

    /// The patches of its own fold.
    pub fn held_out(&self) -> &[usize] {
        &self.held_out
    }

    fn input(&self, patch: usize, to: &mut [f32], rng: &mut ChaCha8Rng) {
        let side_px = self.patches.side_px;
        let area = side_px * side_px;
        let mut values = self.patches.patch(patch);
        for (channel, deviation) in values.chunks_mut(area).zip(&self.deviations) {
            let gain = (1.0 + self.method.jitter.gain * f64::from(near_normal(rng))) as f32;
            let offset = (self.method.jitter.offset * f64::from(near_normal(rng))) as f32 * deviation;
            channel.iter_mut().for_each(|value| *value = *value * gain + offset);
        }
        self.scaling.apply(&mut values);
        if rng.random_bool(self.method.sensor_dropout) && (1..self.patches.channels).contains(&self.optical) {
            let (optical, radar) = values.split_at_mut(self.optical * area);
            // What no sensor saw is what preprocessing makes of no data.
            if rng.random_bool(0.5) { optical } else { radar }.fill(0.0);
        }
        let views = views(if self.method.symmetries { Tta::D4 } else { Tta::None });
        views[rng.random_range(0..views.len())].apply(&values, to, side_px);
    }
}

impl Task for Member<'_> {
    type Batch = Batch;

    fn patches(&self) -> usize {
        self.learned.len()
    }

    fn batches(&self, epoch: usize, step: &mut dyn FnMut(Batch) -> Result<()>) -> Result<Duration> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch as u64);
        let mut order = self.learned.clone();
        order.shuffle(&mut rng);
        let batches: Vec<&[usize]> = order.chunks(self.batch).collect();
        let (channels, side) = (self.patches.channels as i64, self.patches.side_px as i64);
        let size = (channels * side * side) as usize;
        let make = |batch: usize| {
            let mut inputs = vec![0.0; batches[batch].len() * size];
            inputs.par_chunks_mut(size).zip(batches[batch]).enumerate().for_each(|(row, (to, &patch))| {
                self.input(patch, to, &mut ahead::rng(self.seed, epoch, batch, row));
            });
            let labels: Vec<f32> = batches[batch].iter().map(|&p| f32::from(self.patches.positives[p])).collect();
            (inputs, labels)
        };
        ahead::run(batches.len(), make, |(inputs, labels)| {
            step(Batch {
                inputs: Tensor::from_slice(&inputs).view([-1, channels, side, side]),
                labels: Tensor::from_slice(&labels).view([-1, 1]),
            })
        })
    }

    fn inputs<'b>(&self, batch: &'b Batch) -> &'b Tensor {
        &batch.inputs
    }

    fn loss(&self, batch: &Batch, logits: &Tensor, _: &mut GroupWeights) -> Loss {
        let minimised = self.objective.losses(logits, &batch.labels.to_device(logits.device())).mean(Kind::Float);
        Loss { mean: minimised.double_value(&[]), minimised }
    }

    /// All epochs count alike, so that the last one is kept: an epoch chosen on the fold would make its scores, and the
    /// threshold from them, too good.
    fn assess(&self, kept: &Parameters, machine: Machine) -> Assessment {
        let logits = scores::logits(kept, self.patches, &self.held_out, self.scaling, Tta::None, machine);
        let single: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
        let positives: Vec<bool> = self.held_out.iter().map(|&patch| self.patches.positives[patch]).collect();
        let measures = average_precision(&single, &positives).map(|value| ("average_precision".to_owned(), value));
        Assessment { criterion: 0.0, measures: measures.into_iter().collect() }
    }

    fn finish(&self, _: &mut Parameters, _: Machine) -> Result<()> {
        Ok(())
    }
}
