//! Batches of labelled patches, made on all cores.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::Tensor;

use super::ahead;
use super::augment::{Augmentation, Circumstances, Image, Scratch};
use super::augment::{Mix, Mixing, existential_label, style};
use super::samples::{Samples, Scaling};

/// How an epoch's patches become batches.
#[derive(Debug)]
pub struct Loader<'a> {
    /// The patches.
    pub samples: &'a Samples,
    /// Classes; two classes have one logit.
    pub classes: usize,
    /// The model's standardisation.
    pub scaling: Scaling,
    /// What happens to every patch.
    pub augmentation: Augmentation,
    /// What happens to pairs of patches.
    pub mixing: Mixing,
    /// Patches a batch.
    pub batch: usize,
    /// Seed of everything random.
    pub seed: u64,
}

/// Network inputs with soft labels and what each patch now shows.
#[derive(Debug)]
pub struct Batch {
    /// `[n, bands, side, side]`
    pub inputs: Tensor,
    /// `[n, 1]` for two classes, else `[n, classes]`.
    pub labels: Tensor,
    /// Season and sky after augmentation; of a mixed pair, those of the first.
    pub circumstances: Vec<Circumstances>,
}

/// Numbers on their way to a tensor.
struct Raw {
    inputs: Vec<f32>,
    labels: Vec<f32>,
    circumstances: Vec<Circumstances>,
}

impl Loader<'_> {
    /// Hands the batches of `order` to `step`, in order. What a batch holds depends on the seed, `epoch` and its place
    /// alone, not on threads. Returns the time that was spent waiting for batches.
    pub fn run<E: Send>(
        &self,
        order: &[usize],
        epoch: usize,
        mut step: impl FnMut(Batch) -> Result<(), E>,
    ) -> Result<Duration, E> {
        let batches = order.len().div_ceil(self.batch);
        let rows = |index: usize| &order[index * self.batch..order.len().min((index + 1) * self.batch)];
        let columns = self.columns() as i64;
        let make = |index: usize| self.raw(rows(index), epoch, index);
        ahead::run(batches, make, |raw| {
            step(Batch {
                inputs: self.samples.tensor(&raw.inputs),
                labels: Tensor::from_slice(&raw.labels).view([-1, columns]),
                circumstances: raw.circumstances,
            })
        })
    }

    /// The same batches, mixed otherwise.
    pub fn with(&self, mixing: Mixing) -> Self {
        Self { mixing, scaling: self.scaling.clone(), augmentation: self.augmentation.clone(), ..*self }
    }

    fn columns(&self) -> usize {
        if self.classes == 2 { 1 } else { self.classes }
    }

    fn raw(&self, rows: &[usize], epoch: usize, batch: usize) -> Raw {
        let size = self.samples.size;
        let mut inputs = vec![0.0; rows.len() * size];
        let mut labels = vec![0.0; rows.len() * self.columns()];
        let circumstances: Vec<Circumstances> = inputs
            .par_chunks_mut(size)
            .zip(labels.par_chunks_mut(self.columns()))
            .enumerate()
            .map_init(Scratch::default, |scratch, (row, (values, labels))| {
                let index = rows[row];
                self.label(self.samples.labels[index], labels);
                values.copy_from_slice(self.samples.patch(index));
                let mut rng = ahead::rng(self.seed, epoch, batch, row);
                let samples = self.samples;
                // Before season and sky, which come over all styles alike.
                if let Some(share) = self.mixing.draw_style(&mut rng) {
                    let other = samples.patch(rows[rng.random_range(0..rows.len())]);
                    style::restyle(values, other, share, samples.side_px * samples.side_px);
                }
                let mut image = Image { values, side_px: samples.side_px, optics: &samples.optics };
                self.augmentation.apply(&mut image, samples.circumstances[index], &mut rng, scratch)
            })
            .collect();
        self.mix(&mut inputs, &mut labels, ahead::rng(self.seed, epoch, batch, rows.len()));
        inputs.par_chunks_mut(size).for_each(|patch| self.scaling.apply(patch));
        Raw { inputs, labels, circumstances }
    }

    fn label(&self, class: u8, columns: &mut [f32]) {
        match self.classes {
            2 => columns[0] = f32::from(class),
            _ => columns[usize::from(class)] = 1.0,
        }
    }

    /// Mixes patches with others of the same batch.
    fn mix(&self, inputs: &mut [f32], labels: &mut [f32], mut rng: ChaCha8Rng) {
        let (size, columns) = (self.samples.size, self.columns());
        let rows = labels.len() / columns;
        let mixes: Vec<Option<Mix>> = (0..rows).map(|_| self.mixing.draw(self.samples.side_px, &mut rng)).collect();
        if mixes.iter().all(Option::is_none) {
            return;
        }
        let mut partners: Vec<usize> = (0..rows).collect();
        partners.shuffle(&mut rng);
        let (all, all_labels) = (inputs.to_vec(), labels.to_vec());
        let pairs = inputs.par_chunks_mut(size).zip(labels.par_chunks_mut(columns));
        pairs.enumerate().for_each(|(row, (own, own_labels))| {
            let Some(mix) = &mixes[row] else { return };
            let partner = partners[row];
            let share = mix.apply(own, &all[partner * size..][..size], self.samples.side_px);
            let others = &all_labels[partner * columns..][..columns];
            for (own, other) in own_labels.iter_mut().zip(others) {
                *own = match columns {
                    1 => existential_label(*own, *other, share),
                    _ => share * *own + (1.0 - share) * other,
                };
            }
        });
    }
}
