//! `--mlflow`: what a training tells an MLflow server.

use std::path::Path;

use s2infer::Result;
use s2infer::train::checkpoints::Checkpoints;
use s2infer::train::fit::{Epoch, Event};
use s2infer::train::mlflow::{Status, Tracker};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub struct TrackingArguments {
    /// Log settings and every epoch to the MLflow server at this address. Credentials are taken from
    /// MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN
    #[arg(long, value_name = "URL")]
    mlflow: Option<String>,
    /// The experiment on that server; it is made if need be
    #[arg(long, value_name = "NAME", default_value = "s2train")]
    mlflow_experiment: String,
}

/// A run on an MLflow server, if there is one.
#[derive(Debug)]
pub struct Tracking {
    tracker: Option<Tracker>,
    /// The server knows of the epochs that are done.
    goes_on: bool,
}

impl TrackingArguments {
    /// Begins a run with these settings, or goes on with that of the checkpoints.
    pub fn start(
        &self,
        run_name: &str,
        settings: &[(String, String)],
        command: String,
        checkpoints: &Path,
        resume: bool,
    ) -> Result<Tracking> {
        let Some(url) = &self.mlflow else { return Ok(Tracking { tracker: None, goes_on: false }) };
        let files = Checkpoints::of(checkpoints)?;
        let run = if resume && files.exist() { files.progress()?.mlflow_run } else { None };
        let tags = [("command".to_owned(), command)];
        let tracker = Tracker::start(url, &self.mlflow_experiment, run_name, settings, &tags, run.as_deref())?;
        tracing::info!("logging to {url} as run {}", tracker.run_id());
        Ok(Tracking { tracker: Some(tracker), goes_on: run.is_some() })
    }
}

impl Tracking {
    /// The run's id.
    pub fn run_id(&self) -> Option<String> {
        self.tracker.as_ref().map(|tracker| tracker.run_id().to_owned())
    }

    /// Logs what belongs on the server.
    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Resumed(epochs) if !self.goes_on => epochs.iter().for_each(|epoch| self.log(epoch)),
            Event::Epoch(epoch) => self.log(epoch),
            _ => {}
        }
    }

    /// Says that the training came to its end.
    pub fn finish(self) {
        if let Some(tracker) = self.tracker {
            tracker.finish(Status::Finished);
        }
    }

    fn log(&mut self, epoch: &Epoch) {
        let Some(tracker) = &mut self.tracker else { return };
        let own = [
            ("loss", epoch.loss),
            ("criterion", epoch.criterion),
            ("learning rate", epoch.learning_rate),
            ("seconds", epoch.seconds),
            ("waiting seconds", epoch.waiting_seconds),
        ];
        let mut metrics: Vec<(String, f64)> = own.map(|(name, value)| (name.to_owned(), value)).into();
        metrics.extend(epoch.select.iter().map(|(name, value)| (format!("select/{name}"), *value)));
        tracker.epoch(epoch.epoch as u64, &metrics);
    }
}
