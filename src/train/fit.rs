//! The training loop.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};

use super::augment;
use super::forward::{Precision, forward};
use super::metrics::average_precision;
use super::optimiser::{AdamW, learning_rate};
use super::parameters::{Parameters, values};
use crate::output::AtomicFile;
use crate::{Error, Result};

/// Batches of the forward pass without gradients.
const SCORING_BATCH: i64 = 256;

/// Everything a training depends on besides its data.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Passes over the training patches.
    pub epochs: usize,
    /// Epochs over which the learning rate rises.
    pub warmup_epochs: usize,
    /// Patches a step.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Weight of a positive in the loss.
    pub positive_weight: f64,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
    /// Numbers that layers compute with.
    pub precision: Precision,
    /// Where it runs.
    pub device: Device,
}

/// Network inputs `[n, bands, side, side]` with labels `[n]` of 0 and 1.
#[derive(Debug)]
pub struct Samples {
    /// Standardised reflectance.
    pub pixels: Tensor,
    /// One label a patch.
    pub labels: Tensor,
}

/// What one epoch came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Average precision on the patches that choose the epoch.
    pub average_precision: f64,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A finished training: the parameters of the best epoch and the story of all.
#[derive(Debug)]
pub struct Fitted {
    /// Parameters of the epoch with the highest average precision, the last such.
    pub parameters: Parameters,
    /// All epochs.
    pub history: Vec<Epoch>,
    /// The epoch that was chosen.
    pub best: usize,
}

/// What stands beside the tensors of a checkpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    steps: i32,
    history: Vec<Epoch>,
}

/// A folder of checkpoints: parameters and moments by epoch, and `progress.json`, which is written after them and says
/// which epoch counts. Wherever a training is killed, what it says is there.
struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    fn of(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| Error::output(e).context(folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn parameters(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("parameters-{epoch}.safetensors"))
    }

    fn moments(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("moments-{epoch}.safetensors"))
    }

    fn progress_path(&self) -> PathBuf {
        self.folder.join("progress.json")
    }

    fn progress(&self) -> Result<Progress> {
        let path = self.progress_path();
        let text = std::fs::read(&path).map_err(|e| Error::io(e).context(path.display()))?;
        serde_json::from_slice(&text).map_err(|e| Error::malformed(e).context(path.display()))
    }

    fn write(&self, parameters: &Parameters, optimiser: &AdamW, progress: &Progress) -> Result<()> {
        let epoch = progress.history.len();
        parameters.write(&self.parameters(epoch))?;
        optimiser.write(&self.moments(epoch))?;
        let text = serde_json::to_vec_pretty(progress).map_err(Error::output)?;
        let mut file = AtomicFile::create(&self.progress_path())?;
        file.write_all(&text).map_err(|e| Error::output(e).context(self.progress_path().display()))?;
        file.commit()?;
        let best = chosen(&progress.history);
        for old in 1..epoch {
            let _ = std::fs::remove_file(self.moments(old));
            if best != Some(old) {
                let _ = std::fs::remove_file(self.parameters(old));
            }
        }
        Ok(())
    }
}

/// Trains a ResNet-18 with one logit on `train` and chooses the epoch by the average precision on `select`. Every
/// epoch leaves a checkpoint in `folder`; with `resume` the training goes on from the last one there.
pub fn fit(recipe: &Recipe, train: &Samples, select: &Samples, folder: &Path, resume: bool) -> Result<Fitted> {
    let files = Checkpoints::of(folder)?;
    let bands = train.pixels.size()[1] as usize;
    let mut parameters = Parameters::resnet18(bands, 1, recipe.seed, recipe.device);
    let mut optimiser = AdamW::new(&parameters, recipe.weight_decay);
    let mut progress = Progress::default();
    if resume && files.progress_path().exists() {
        progress = files.progress()?;
        let epoch = progress.history.len();
        parameters.copy_from(&Parameters::read(&files.parameters(epoch), recipe.device)?)?;
        optimiser.restore(&files.moments(epoch), progress.steps)?;
        tracing::info!("resuming after epoch {epoch}");
    }
    tracing::info!("{} parameters, {} training patches", parameters.count(), train.labels.numel());
    for epoch in progress.history.len() + 1..=recipe.epochs {
        let started = Instant::now();
        let loss = pass(recipe, &parameters, &mut optimiser, &mut progress.steps, train, epoch)?;
        let logits = logits(&parameters, &select.pixels, recipe.precision, recipe.device);
        let labels: Vec<bool> = values(&select.labels).iter().map(|label| *label > 0.5).collect();
        let average_precision = average_precision(&logits, &labels);
        let seconds = started.elapsed().as_secs_f64();
        progress.history.push(Epoch { epoch, loss, average_precision, seconds });
        files.write(&parameters, &optimiser, &progress)?;
        tracing::info!(
            "epoch {epoch}/{}: loss {loss:.4}, average precision {average_precision:.4}, {seconds:.0} s",
            recipe.epochs
        );
    }
    finished(folder, bands, recipe.device)
}

/// The outcome of a training on `bands` bands that left its checkpoints in `folder`.
pub fn finished(folder: &Path, bands: usize, device: Device) -> Result<Fitted> {
    let files = Checkpoints::of(folder)?;
    let history = files.progress()?.history;
    let best = chosen(&history).ok_or_else(|| Error::usage(format!("{}: no epoch was finished", folder.display())))?;
    let path = files.parameters(best);
    let mut parameters = Parameters::resnet18(bands, 1, 0, device);
    parameters.copy_from(&Parameters::read(&path, device)?).map_err(|e| e.context(path.display()))?;
    Ok(Fitted { parameters, history, best })
}

/// The epoch with the highest average precision, from 1; of equals the last, which had the lowest learning rate.
fn chosen(history: &[Epoch]) -> Option<usize> {
    let best = history.iter().max_by(|a, b| a.average_precision.total_cmp(&b.average_precision))?;
    Some(best.epoch)
}

/// One epoch; returns the mean loss.
fn pass(
    recipe: &Recipe,
    parameters: &Parameters,
    optimiser: &mut AdamW,
    steps: &mut i32,
    train: &Samples,
    epoch: usize,
) -> Result<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    rng.set_stream(epoch as u64);
    let mut order: Vec<i64> = (0..train.labels.numel() as i64).collect();
    order.shuffle(&mut rng);
    let steps_per_epoch = order.len().div_ceil(recipe.batch);
    let positive_weight = Tensor::from(recipe.positive_weight as f32).to_device(recipe.device);
    let mut total = 0.0;
    for (batch, rows) in order.chunks(recipe.batch).enumerate() {
        let (x, y) = augment::batch(&train.pixels, &train.labels, rows, &mut rng);
        let (x, y) = (x.to_device(recipe.device), y.to_device(recipe.device));
        let logits = forward(parameters, &x, recipe.precision, true).squeeze_dim(1);
        let loss =
            logits.binary_cross_entropy_with_logits(&y, None::<&Tensor>, Some(&positive_weight), Reduction::Mean);
        loss.backward();
        let (warmup, all) = (recipe.warmup_epochs * steps_per_epoch, recipe.epochs * steps_per_epoch);
        optimiser.step(parameters, learning_rate(recipe.learning_rate, *steps as usize, warmup, all));
        *steps += 1;
        let loss = loss.double_value(&[]);
        if !loss.is_finite() {
            return Err(Error::engine("the loss is no longer finite; lower --learning-rate"));
        }
        total += loss * rows.len() as f64;
        tracing::debug!("epoch {epoch}, step {}/{steps_per_epoch}: loss {loss:.4}", batch + 1);
    }
    Ok(total / order.len() as f64)
}

/// One logit for every patch, in the order of `pixels`, with the running statistics of batch normalisation.
pub fn logits(parameters: &Parameters, pixels: &Tensor, precision: Precision, device: Device) -> Vec<f32> {
    let parts = pixels.split(SCORING_BATCH, 0).into_iter().map(|x| {
        tch::no_grad(|| values(&forward(parameters, &x.to_device(device), precision, false).to_kind(Kind::Float)))
    });
    parts.flatten().collect()
}
