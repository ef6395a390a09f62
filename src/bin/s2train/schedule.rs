//! The steps of a training, on the command line.

use clap::Args;
use s2infer::train::recipe::Schedule;
use s2infer::{Error, Result};

/// How many steps of which size
#[derive(Debug, Args)]
pub struct ScheduleArguments {
    /// Passes over the training patches
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Epochs of rising learning rate
    #[arg(long, value_name = "EPOCHS", default_value_t = 1)]
    warmup: usize,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    learning_rate: f64,
    /// What the learning rate of all layers but the last is multiplied by; less than 1 with --pretrained
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    backbone_rate: f64,
    /// AdamW's weight decay
    #[arg(long, value_name = "DECAY", default_value_t = 0.05)]
    weight_decay: f64,
    /// Decay a step of the parameters' moving average, which is kept; 0 for none
    #[arg(long, value_name = "DECAY", default_value_t = 0.99)]
    ema: f64,
    /// Seed of initialisation, order and augmentation; one thread and the same seed give the same model
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl ScheduleArguments {
    /// The schedule, of so many patches a step.
    ///
    /// # Errors
    /// A setting out of its range, by its flag.
    pub fn schedule(&self, batch: usize) -> Result<Schedule> {
        if !(0.0..1.0).contains(&self.ema) {
            return Err(Error::usage(format!("--ema {}: give a number from 0 to less than 1", self.ema)));
        }
        if self.warmup >= self.epochs.max(2) {
            return Err(Error::usage(format!("--warmup {}: give fewer than --epochs {}", self.warmup, self.epochs)));
        }
        let counts = [("--epochs", self.epochs), ("--batch", batch)];
        if let Some((flag, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::usage(format!("{flag} 0: give at least 1")));
        }
        let rates = [("--learning-rate", self.learning_rate), ("--backbone-rate", self.backbone_rate)];
        if let Some((flag, value)) = rates.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return Err(Error::usage(format!("{flag} {value}: give a number above 0")));
        }
        Ok(Schedule {
            epochs: self.epochs,
            warmup_epochs: self.warmup,
            batch,
            learning_rate: self.learning_rate,
            backbone_rate: self.backbone_rate,
            weight_decay: self.weight_decay,
            ema: self.ema,
            seed: self.seed,
        })
    }
}

/// Refuses a share that is none, by its flag.
pub fn check_shares(shares: &[(&str, f64)]) -> Result<()> {
    match shares.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
        Some((flag, value)) => Err(Error::usage(format!("{flag} {value}: give a number from 0 to 1"))),
        None => Ok(()),
    }
}
