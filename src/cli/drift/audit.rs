//! `s2infer drift audit`: labelled positives in, evidence out, night after night.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use s2infer::drift::{Audit, AuditTable, audit_metrics};
use s2infer::limits::{TABLE_BYTES_MAX, read_bounded};
use s2infer::output::{AtomicFile, Lock};
use s2infer::{Error, Result};

use super::super::values::open_share;
use super::super::{Common, logging};
use super::Results;

const EXAMPLES: &str = "\
The table has the columns tile and missed (1 or 0, a real positive each row), or tile, decision and label as after a run,
and optionally date; rows in the order in which they were audited. Tiles must be audited for reasons that have nothing to do
with the decision: a sample of alerts alone never contains a miss.

With --state the evidence goes on: give the whole table or what is new, no tile counts twice. The alarm holds however often
one looks, and stays.

Examples:
  s2infer drift audit --labels audited.csv --state audit.json --fail-on-drift
  s2infer drift audit --labels audited.csv --target-recall 0.9 --format json";

/// Following audited positives.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditLabels {
    /// Audited tiles with their labels.
    #[arg(long, value_name = "CSV")]
    labels: PathBuf,
    /// What was counted so far; written anew.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Share of the real positives that is to be caught.
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = open_share)]
    target_recall: f64,
    /// Chance of a false alarm, at most, over all nights together.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = open_share)]
    level: f64,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    common: Common,
}

impl AuditLabels {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let mut read = vec![("--labels", self.labels.as_path())];
        read.extend(self.state.as_deref().map(|state| ("--state", state)));
        self.results.check_files(&read)?;
        // Two increments at once would each lose the other's.
        let _lock = self.state.as_deref().map(|state| Lock::acquire(state, Duration::ZERO)).transpose()?;
        let mut audit = match self.state.as_deref().filter(|state| state.exists()) {
            Some(state) => {
                let bytes = read_bounded(state, TABLE_BYTES_MAX)?;
                Audit::parse(&bytes, &state.display().to_string(), self.target_recall)?
            }
            None => Audit::new(self.target_recall)?,
        };
        let report = audit
            .add(&AuditTable::read(&self.labels)?, self.level)
            .map_err(|error| error.context(self.labels.display()))?;
        if let Some(state) = &self.state {
            let mut file = AtomicFile::create(state)?;
            let written = file.write_all(audit.to_json().as_bytes());
            written.map_err(|error| Error::output(error).context(state.display()))?;
            file.commit()?;
        }
        self.results
            .give(&report, report.to_text(), report.alarm, Vec::new(), |metrics| audit_metrics(&report, metrics))
    }
}
