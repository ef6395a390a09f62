//! Logging a training to an MLflow server over its REST interface, version 2.0.
//!
//! A server that cannot be reached is an error while a training starts, and only a warning later: what could not be
//! said then is kept and said with the next epoch.

mod batch;
mod client;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Result;
use client::{Client, Failure};

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It came to its end.
    Finished,
    /// An error ended it.
    Failed,
    /// A signal ended it; it may be resumed.
    Killed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }
}

/// A run on an MLflow server. One that is dropped without [`Tracker::finish`] is marked as failed.
#[derive(Debug)]
pub struct Tracker {
    client: Client,
    run_id: String,
    /// Metrics that the server has not taken yet.
    unsent: Vec<Value>,
    /// The last call failed, so that the next one is not repeated for long.
    away: bool,
    ended: bool,
}

impl Tracker {
    /// Begins a run called `run_name` in `experiment`, which is made if it is not there, on the server at `url`, and
    /// logs its parameters and tags. With `resume`, the id of a run, that run goes on; parameters that it has keep
    /// their values, because the server would not change them.
    ///
    /// Credentials come from `MLFLOW_TRACKING_USERNAME` with `MLFLOW_TRACKING_PASSWORD`, else from
    /// `MLFLOW_TRACKING_TOKEN`, as for MLflow's own clients.
    ///
    /// # Errors
    ///
    /// A usage error where `url` is no address; an output error that names `--mlflow` where the server cannot be
    /// reached, refuses, or does not know the run.
    pub fn start(
        url: &str,
        experiment: &str,
        run_name: &str,
        params: &[(String, String)],
        tags: &[(String, String)],
        resume: Option<&str>,
    ) -> Result<Self> {
        let client = Client::new(url, client::authorization(|name| std::env::var(name).ok()))?;
        let begin = || -> Result<(String, Vec<(String, String)>), Failure> {
            match resume {
                Some(run_id) => go_on(&client, run_id, params),
                None => Ok((create_run(&client, experiment, run_name)?, params.to_vec())),
            }
        };
        let (run_id, params) = begin().map_err(|failure| failure.at_start(client.address(), resume))?;
        let tracker = Self { client, run_id, unsent: Vec::new(), away: false, ended: false };
        for request in batch::params(&params).into_iter().chain(batch::tags(tags)) {
            let logged = tracker.log(request, client::TRIES);
            logged.map_err(|failure| failure.at_start(tracker.client.address(), resume))?;
        }
        Ok(tracker)
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Logs the metrics of an epoch. Where the server does not take them this is a warning, and they are sent again
    /// with the next epoch.
    pub fn epoch(&mut self, step: u64, metrics: &[(String, f64)]) {
        let now = now_ms();
        self.unsent.extend(metrics.iter().map(|(name, value)| batch::metric(name, *value, step, now)));
        self.send();
    }

    /// Sends what is left and ends the run. Where the server does not take it this is a warning.
    pub fn finish(mut self, status: Status) {
        self.end(status);
    }

    fn end(&mut self, status: Status) {
        self.ended = true;
        self.send();
        let body = json!({ "run_id": self.run_id, "status": status.name(), "end_time": now_ms() });
        if let Err(failure) = self.client.post("runs/update", &body, self.tries()) {
            tracing::warn!("MLflow at {} was not told the run's end: {failure}", self.client.address());
        }
    }

    /// Sends the metrics that wait. What the server refuses today it refuses tomorrow; what did not arrive waits on.
    fn send(&mut self) {
        while !self.unsent.is_empty() {
            let count = self.unsent.len().min(batch::METRICS_MAX);
            let sent = self.log(json!({ "metrics": self.unsent[..count] }), self.tries());
            self.away = sent.as_ref().is_err_and(|failure| !failure.is_final());
            if let Err(failure) = sent {
                let address = self.client.address();
                tracing::warn!("MLflow at {address} did not take {count} metrics: {failure}; the training goes on");
            }
            if self.away {
                return;
            }
            self.unsent.drain(..count);
        }
    }

    fn tries(&self) -> u32 {
        if self.away { 1 } else { client::TRIES }
    }

    fn log(&self, mut batch: Value, tries: u32) -> Result<Value, Failure> {
        batch["run_id"] = json!(self.run_id);
        self.client.post("runs/log-batch", &batch, tries)
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Status::Failed);
        }
    }
}

/// Makes a run, and its experiment where there is none of that name; returns its id.
fn create_run(client: &Client, experiment: &str, run_name: &str) -> Result<String, Failure> {
    let found = client.get("experiments/get-by-name", ("experiment_name", experiment));
    let experiment_id = match found {
        Ok(answer) => text_at(&answer, "/experiment/experiment_id")?,
        Err(failure) if failure.is_unknown() => {
            let answer = client.post("experiments/create", &json!({ "name": experiment }), client::TRIES)?;
            text_at(&answer, "/experiment_id")?
        }
        Err(failure) => return Err(failure),
    };
    let body = json!({ "experiment_id": experiment_id, "run_name": run_name, "start_time": now_ms() });
    text_at(&client.post("runs/create", &body, client::TRIES)?, "/run/info/run_id")
}

/// Sets a run to running again; returns its id and the parameters that it lacks.
fn go_on(
    client: &Client,
    run_id: &str,
    params: &[(String, String)],
) -> Result<(String, Vec<(String, String)>), Failure> {
    let run = client.get("runs/get", ("run_id", run_id))?;
    client.post("runs/update", &json!({ "run_id": run_id, "status": "RUNNING" }), client::TRIES)?;
    let logged = run.pointer("/run/data/params").and_then(Value::as_array);
    let has = |name: &str| logged.is_some_and(|params| params.iter().any(|param| param["key"] == name));
    let lacking = params.iter().filter(|(name, _)| !has(&batch::name(name))).cloned();
    Ok((run_id.to_owned(), lacking.collect()))
}

fn text_at(answer: &Value, pointer: &str) -> Result<String, Failure> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Failure::strange(format!("no {pointer} in its answer")))
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}
