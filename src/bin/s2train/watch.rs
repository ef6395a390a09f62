//! What a training says while it runs: a bar on a terminal, and a line an epoch.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use s2infer::Result;
use s2infer::train::fit::{Epoch, Event};
use s2infer::train::recipe::Schedule;

const STYLE: &str = "epoch {msg} [{bar:30}] {pos}/{len}, {prefix}";
/// What counts of the loss of a step in the loss that is shown.
const SMOOTHING: f64 = 0.05;

/// The training so far.
pub struct Progress {
    epochs: usize,
    epoch: usize,
    /// Of the epoch so far.
    steps: usize,
    started: Instant,
    first: usize,
    loss: Option<f64>,
    worst: Option<f64>,
    bar: ProgressBar,
}

impl Progress {
    /// A training that has not begun.
    pub fn new(schedule: &Schedule) -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self {
            epochs: schedule.epochs,
            epoch: 1,
            steps: 0,
            started: Instant::now(),
            first: 0,
            loss: None,
            worst: None,
            bar,
        }
    }

    /// Shows what happened.
    pub fn on(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Resumed(history) => self.resumed(history),
            Event::Step { step, steps, loss } => self.step(*step, *steps, *loss),
            Event::Epoch(epoch) => self.ended(epoch),
        }
        Ok(())
    }

    fn resumed(&mut self, history: &[Epoch]) {
        if let Some(last) = history.last() {
            tracing::info!("going on after epoch {}", last.epoch);
        }
        (self.first, self.epoch) = (history.len(), history.len() + 1);
        self.started = Instant::now();
    }

    fn step(&mut self, step: usize, steps: usize, loss: f64) {
        tracing::debug!("epoch {}, step {step}/{steps}: loss {loss:.4}", self.epoch);
        let smooth = self.loss.map_or(loss, |before| before + SMOOTHING * (loss - before));
        self.loss = Some(smooth);
        self.steps = step;
        let done = (self.epoch - 1 - self.first) as f64 + step as f64 / steps as f64;
        let left = self.started.elapsed().mul_f64((self.epochs - self.first) as f64 / done - 1.0);
        let worst = self.worst.map_or_else(String::new, |worst| format!(", criterion so far {worst:.4}"));
        self.bar.set_length(steps as u64);
        self.bar.set_position(step as u64);
        self.bar.set_message(format!("{}/{}", self.epoch, self.epochs));
        self.bar.set_prefix(format!("loss {smooth:.4}{worst}, {} left", in_words(left)));
    }

    fn ended(&mut self, epoch: &Epoch) {
        let measures: String = epoch.select.iter().map(|(name, value)| format!(", {name} {value:.4}")).collect();
        let training = epoch.seconds - epoch.assessment_seconds;
        self.bar.suspend(|| {
            tracing::info!(
                "epoch {}/{}: loss {:.4}{measures}, {:.0} s, of which {:.1} in {} steps, {:.1} waiting for patches ({:.1} %)",
                epoch.epoch,
                self.epochs,
                epoch.loss,
                epoch.seconds,
                training - epoch.waiting_seconds,
                self.steps,
                epoch.waiting_seconds,
                100.0 * epoch.waiting_seconds / training.max(f64::MIN_POSITIVE)
            );
        });
        self.worst = Some(epoch.criterion);
        self.epoch = epoch.epoch + 1;
        if self.epoch > self.epochs {
            self.bar.finish_and_clear();
        }
    }
}

/// `1 h 05 min`, `12 min`, `40 s`
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}
