//! The training loop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::Device;

use super::checkpoints::{Checkpoints, Progress};
use super::evaluate::Assessment;
use super::forward::{Precision, forward};
use super::groups::GroupWeights;
use super::network::Architecture;
use super::optimiser::{AdamW, learning_rate};
use super::parameters::Parameters;
use super::recipe::Recipe;
use super::task::{Loss, Task};
use crate::{Error, Result};

/// What one epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss.
    pub loss: f64,
    /// What the epoch is chosen by: average precision of the worst group for two classes, else macro-F1.
    pub criterion: f64,
    /// Measures on the patches that choose the epoch, by name.
    pub select: BTreeMap<String, f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Wall time in seconds, of which the network waited for batches, and of which the assessment took.
    pub seconds: f64,
    /// Seconds that the network waited for batches.
    pub waiting_seconds: f64,
    /// Seconds that the assessment took.
    pub assessment_seconds: f64,
}

/// Where and in what numbers the network runs.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Numbers that layers compute with.
    pub precision: Precision,
    /// Where it runs.
    pub device: Device,
}

/// What happens during a training.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many epochs were there already.
    Resumed(&'a [Epoch]),
    /// A step of an epoch was taken.
    Step {
        /// Steps of this epoch so far.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// The loss of this step.
        loss: f64,
    },
    /// An epoch ended.
    Epoch(&'a Epoch),
}

/// A training: what, how, on which machine, and who is told.
pub struct Training<'a> {
    /// The network.
    pub architecture: Architecture,
    /// The recipe.
    pub recipe: Recipe,
    /// The machine.
    pub machine: Machine,
    /// Weights to start from and the names of the bands.
    pub pretrained: Option<(&'a Path, &'a [String])>,
    /// The run on the MLflow server, kept with the checkpoints.
    pub mlflow_run: Option<String>,
    /// Is told of every event; an error ends the training.
    pub observer: &'a mut dyn FnMut(Event) -> Result<()>,
}

/// A finished training: the parameters of the best epoch and the story of all.
#[derive(Debug)]
pub struct Fitted {
    /// Parameters of the chosen epoch.
    pub parameters: Parameters,
    /// What led there.
    pub progress: Progress,
    /// The epoch that was chosen.
    pub best: usize,
}

/// What changes from step to step.
struct State {
    parameters: Parameters,
    kept: Parameters,
    optimiser: AdamW,
    weights: GroupWeights,
    progress: Progress,
}

impl Training<'_> {
    /// Trains, and chooses the epoch by the task's measures. Every epoch leaves a checkpoint in `folder`; with `resume`
    /// the training goes on from the last one there, to the same result as if it had never stopped.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where `folder` holds a training of another recipe or network; a loss that is no longer
    /// finite; what cannot be written.
    pub fn fit<T: Task>(mut self, task: &T, folder: &Path, resume: bool) -> Result<Fitted> {
        let files = Checkpoints::of(folder)?;
        if !resume && files.exist() {
            let epochs = files.progress().map_or(0, |progress| progress.history.len());
            tracing::warn!(
                "{}: replaces a training of {epochs} epochs; --resume would go on with it",
                folder.display()
            );
            files.clear()?;
        }
        let mut state = if resume && files.exist() { self.restore(&files, folder)? } else { self.start()? };
        (self.observer)(Event::Resumed(&state.progress.history))?;
        let epochs = self.recipe.schedule.epochs;
        for epoch in state.progress.history.len() + 1..=epochs {
            let started = Instant::now();
            let (loss, waiting_seconds) = self.epoch(&mut state, task, epoch)?;
            if epoch == epochs {
                task.finish(&mut state.kept, self.machine)?;
            }
            let assessing = Instant::now();
            let Assessment { criterion, measures } = task.assess(&state.kept, self.machine);
            state.progress.history.push(Epoch {
                epoch,
                loss,
                criterion,
                select: measures,
                learning_rate: self.learning_rate(&state.progress, task.patches()),
                seconds: started.elapsed().as_secs_f64(),
                waiting_seconds,
                assessment_seconds: assessing.elapsed().as_secs_f64(),
            });
            state.progress.group_weights = state.weights.list();
            files.write(&state.parameters, &state.kept, &state.optimiser, &state.progress)?;
            if let Some(last) = state.progress.history.last() {
                (self.observer)(Event::Epoch(last))?;
            }
        }
        finished(folder, self.machine.device)
    }

    fn start(&self) -> Result<State> {
        let mut parameters = Parameters::fresh(self.architecture, self.recipe.schedule.seed, self.machine.device);
        if let Some((path, bands)) = self.pretrained {
            let taken = super::pretrained::load(&mut parameters, path, bands)?;
            tracing::info!("{taken} tensors from {}", path.display());
        }
        let optimiser = AdamW::new(&parameters, self.recipe.schedule.weight_decay);
        let progress = Progress {
            architecture: self.architecture,
            recipe: self.recipe.clone(),
            steps: 0,
            group_weights: Vec::new(),
            mlflow_run: self.mlflow_run.clone(),
            history: Vec::new(),
        };
        let weights = GroupWeights::new(self.recipe.method.group_dro(), &[]);
        Ok(State { kept: parameters.detached(), parameters, optimiser, weights, progress })
    }

    fn restore(&self, files: &Checkpoints, folder: &Path) -> Result<State> {
        let mut progress = files.progress()?;
        if progress.recipe != self.recipe || progress.architecture != self.architecture {
            return Err(Error::usage(format!(
                "--resume: {} holds a training of another recipe or network; give the same settings, another \
                 --checkpoints, or leave --resume out to start afresh",
                folder.display()
            )));
        }
        progress.mlflow_run = self.mlflow_run.clone().or(progress.mlflow_run);
        let (parameters, kept, optimiser) = files.restore(&progress, self.machine.device)?;
        let weights = GroupWeights::new(self.recipe.method.group_dro(), &progress.group_weights);
        Ok(State { parameters, kept, optimiser, weights, progress })
    }

    fn learning_rate(&self, progress: &Progress, patches: usize) -> f64 {
        let schedule = &self.recipe.schedule;
        let steps = patches.div_ceil(schedule.batch);
        let (warmup, all) = (schedule.warmup_epochs * steps, schedule.epochs * steps);
        learning_rate(schedule.learning_rate, progress.steps as usize, warmup, all)
    }

    /// One epoch; returns the mean loss and the seconds spent waiting for batches.
    fn epoch<T: Task>(&mut self, state: &mut State, task: &T, epoch: usize) -> Result<(f64, f64)> {
        let steps = task.patches().div_ceil(self.recipe.schedule.batch);
        let (mut total, mut all, mut step) = (0.0, 0.0, 0);
        let waited = task.batches(epoch, &mut |batch| {
            let patches = task.inputs(&batch).size()[0] as f64;
            let loss = self.step(state, task, &batch)?;
            total += loss * patches;
            all += patches;
            step += 1;
            (self.observer)(Event::Step { step, steps, loss })
        })?;
        Ok((total / all, waited.as_secs_f64()))
    }

    fn step<T: Task>(&self, state: &mut State, task: &T, batch: &T::Batch) -> Result<f64> {
        let inputs = task.inputs(batch).to_device(self.machine.device);
        let logits = forward(&state.parameters, &inputs, self.machine.precision, true).logits;
        let Loss { mean, minimised } = task.loss(batch, &logits, &mut state.weights);
        if !mean.is_finite() {
            return Err(Error::engine("the loss is no longer finite; lower --learning-rate"));
        }
        minimised.backward();
        let schedule = &self.recipe.schedule;
        let rate = self.learning_rate(&state.progress, task.patches());
        let last = state.parameters.architecture.family.ends()[0];
        state
            .optimiser
            .step(&state.parameters, |name| if name.starts_with(last) { rate } else { rate * schedule.backbone_rate });
        state.progress.steps += 1;
        // Early averages forget faster, or the random start would stay in them.
        let steps = f64::from(state.progress.steps);
        let decay = schedule.ema.min((1.0 + steps) / (10.0 + steps));
        state.kept.move_towards(&state.parameters, if schedule.ema > 0.0 { 1.0 - decay } else { 1.0 });
        Ok(mean)
    }
}

/// The outcome of a training that left its checkpoints in `folder`.
///
/// # Errors
/// [`crate::Kind::Usage`] where no epoch was finished.
pub fn finished(folder: &Path, device: Device) -> Result<Fitted> {
    let (files, progress, best) = best_of(folder)?;
    Ok(Fitted { parameters: files.kept(&progress, best, device)?, progress, best })
}

/// The weights of the best epoch of the training that left its checkpoints in `folder`.
///
/// # Errors
/// [`crate::Kind::Usage`] where no epoch was finished.
pub fn best(folder: &Path) -> Result<PathBuf> {
    let (files, _, best) = best_of(folder)?;
    Ok(files.kept_path(best))
}

fn best_of(folder: &Path) -> Result<(Checkpoints, Progress, usize)> {
    let files = Checkpoints::of(folder)?;
    if !files.exist() {
        return Err(Error::usage(format!("{}: no epoch of a training was finished there", folder.display())));
    }
    let progress = files.progress()?;
    let best = progress.best().ok_or_else(|| Error::malformed(format!("{}: no epoch", folder.display())))?;
    Ok((files, progress, best))
}
