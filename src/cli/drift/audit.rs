//! `s2infer drift audit`: labelled positives in, evidence out, night after night.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use s2infer::drift::{Audit, AuditTable, audit_metrics};
use s2infer::limits::{TABLE_BYTES_MAX, read_bounded};
use s2infer::output::{AtomicFile, Lock, lock_path};
use s2infer::{Error, Kind, Result};

use super::super::values::open_share;
use super::super::{Common, logging};
use super::Results;

const EXAMPLES: &str = "\
The table has the columns tile and missed (1 or 0, a real positive each row), or tile, decision and label as after a run,
and optionally date (YYYY-MM-DD): the same tile of another date is another positive. Rows of one tile are its windows, and
it is caught where one of them is. Rows with an empty label are left out. Tiles must be audited for reasons that have nothing
to do with the decision: a sample of alerts alone never contains a miss.

The evidence is looked at once for each date, the earliest first, or once for each table without dates. The order of rows
plays no part, so that a table may be sorted in any way; give the nights in their order and each of them whole, since misses
that are given first and hits later would look like a run of misses.

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
    /// What the audit is called: the label `audit` of its metrics. Kept in --state.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// Chance of a false alarm, at most, over all nights together.
    #[arg(long, visible_alias = "drift-level", value_name = "SHARE", default_value = "0.05", value_parser = open_share)]
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
        self.check_files()?;
        // Two increments at once would each lose the other's.
        let _lock = self.state.as_deref().map(lock).transpose()?;
        let mut audit = match self.state.as_deref().filter(|state| state.exists()) {
            Some(state) => {
                let bytes = read_bounded(state, TABLE_BYTES_MAX)?;
                Audit::parse(&bytes, &state.display().to_string(), self.target_recall)?
            }
            None => Audit::new(self.target_recall)?,
        };
        audit.set_name(self.name).map_err(|error| match &self.state {
            Some(state) => error.context(state.display()),
            None => error,
        })?;
        let report = audit
            .add(&AuditTable::read(&self.labels)?, self.level)
            .map_err(|error| error.context(self.labels.display()))?;
        if let Some(state) = &self.state {
            let mut file = AtomicFile::create(state)?;
            let written = file.write_all(audit.to_json().as_bytes());
            written.map_err(|error| Error::output(error).context(state.display()))?;
            file.commit()?;
        }
        let labels = report.name.iter().map(|name| ("audit", name.clone())).collect();
        self.results.give(&report, report.to_text(), report.alarm, labels, |metrics| audit_metrics(&report, metrics))
    }

    /// The state and its lock are written like the metrics: one that is not there yet is an output all the same.
    fn check_files(&self) -> Result<()> {
        let mut claims = self.results.claims(&[])?;
        if let Some(state) = &self.state {
            claims.output("--state", state)?;
            claims.output("the lock of --state,", &lock_path(state))?;
        }
        claims.input("--labels", &self.labels)
    }
}

/// An audit takes no time worth waiting for.
fn lock(state: &Path) -> Result<Lock> {
    Lock::acquire(state, Duration::ZERO).map_err(|error| match error.kind() {
        Kind::Locked => Error::locked(format!(
            "--state {}: another audit is writing it; run this one again when that has ended",
            state.display()
        )),
        _ => error,
    })
}
