//! `s2infer drift`: a table of scores against a model's reference, making references, and the audit of labels.

mod audit;
mod reference;
mod watch;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use s2infer::drift::{LEVEL_DEFAULT, Reference, Report, check_level, compare, drift_metrics, read_table};
use s2infer::limits::{CONFIG_BYTES_MAX, REFERENCE_BYTES_MAX, read_bounded};
use s2infer::model::{Manifest, Model};
use s2infer::output::{AtomicFile, Metrics};
use s2infer::{Error, Kind, Result};
use serde::Serialize;

use super::calibration::binding;
use super::claims::Claims;
use super::values::open_share;
use super::{Common, logging, shell};

pub use watch::{DriftArgs, Watch};

/// The exit code of an alarm, where one is asked for.
pub const ALARM: u8 = 4;

const EXAMPLES: &str = "\
The table is one that s2infer wrote, or has the column score and optionally tile, group (or season and cloud), valid_share,
and mean_BAND and deviation_BAND of every band, as `s2infer drift reference --table` writes it. Each group is compared with
its like; season and sky are known where the run had --metadata or dated tiles, and decided by a profile.

A quantity has drifted where the difference is large (PSI from 0.25, KS from 0.2, MMD² from 0.05: half a standard deviation
or more) and no chance: at most --drift-level of the nights raise any alarm where nothing has changed. MMD is over the bands'
means and standard deviations together. Groups of fewer than 20 tiles are tested together (pooled), each tile by where it
stands among the reference tiles of its own group. Of the mix, the sky within each season is compared, so that a night of
one season is none; other groups than season and sky are compared as a whole. Tiles of unknown season or sky are shown
beside all tiles of the reference and never alarm: state both with --metadata, or --date and --cloud-cover.

Tiles are taken for independent draws. Those of one place are not: a night of one region alone may alarm although the
reference knows the region. References want about 300 tiles a group, or more, from all regions that nights come from.

Examples:
  s2infer drift --reference construction --scores run.csv --fail-on-drift
  s2infer drift reference calibration-tiles --model models/my-model
  s2infer drift audit --labels audited.csv --state audit.json
  s2infer new-tiles --drift --record run.json --metrics-file s2infer.prom

Exit codes: 4 on an alarm with --fail-on-drift, else as ever.";

/// Watching a model for drift.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub struct Drift {
    #[command(subcommand)]
    command: Option<DriftCommand>,
    #[command(flatten)]
    check: Check,
}

#[derive(Debug, Subcommand)]
enum DriftCommand {
    /// Make the reference of a model from tiles that are as they should be, such as those it was calibrated on.
    Reference(Box<reference::MakeReference>),
    /// Follow labelled positives, night after night: are more missed than the target allows?
    Audit(audit::AuditLabels),
}

/// A table of scores against a reference.
#[derive(Debug, Args)]
struct Check {
    /// A model with a reference by name or folder, or the file of a reference.
    #[arg(long, value_name = "NAME|FOLDER|FILE", required = true)]
    reference: Option<PathBuf>,
    /// The result table of a run.
    #[arg(long, value_name = "CSV", required = true)]
    scores: Option<PathBuf>,
    /// Share of the nights that may raise an alarm where nothing has changed [default: 0.01].
    #[arg(long, value_name = "SHARE", value_parser = open_share)]
    drift_level: Option<f64>,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    common: Common,
}

/// What is said of it, and where.
#[derive(Debug, Args)]
struct Results {
    /// Exit with 4 on an alarm.
    #[arg(long)]
    fail_on_drift: bool,
    /// Metrics for Prometheus, as node_exporter's textfile collector reads them.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// What is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: FormatArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Text,
    Json,
}

impl Drift {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        match self.command {
            Some(DriftCommand::Reference(make)) => make.run(),
            Some(DriftCommand::Audit(audit)) => audit.run(),
            None => self.check.run(),
        }
    }
}

impl Check {
    fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let (Some(reference), Some(scores)) = (&self.reference, &self.scores) else {
            return Err(Error::usage("give --reference and --scores; see --help"));
        };
        let claims = self.results.claims(&[("--reference", reference), ("--scores", scores)])?;
        let reference = find_reference(reference, &claims)?;
        let report = compare(&reference, &read_table(scores, &reference)?, level(&reference, self.drift_level)?);
        let labels = vec![("model", reference.model.name.clone()), ("command", "drift".into())];
        self.results.give(&report, report.to_text(), report.alarm, labels, |metrics| drift_metrics(&report, metrics))
    }
}

impl Results {
    /// No file that is read may be replaced.
    fn claims(&self, read: &[(&str, &Path)]) -> Result<Claims> {
        let mut claims = Claims::default();
        self.metrics_file.iter().try_for_each(|path| claims.output("--metrics-file", path))?;
        read.iter().try_for_each(|(flag, file)| claims.input(flag, file))?;
        Ok(claims)
    }

    /// Prints, writes metrics and gives the exit code.
    fn give(
        &self,
        report: &impl Serialize,
        text: String,
        is_alarm: bool,
        labels: Vec<(&'static str, String)>,
        fill: impl FnOnce(&mut Metrics),
    ) -> Result<u8> {
        if let Some(path) = &self.metrics_file {
            let mut metrics = Metrics::new(labels);
            fill(&mut metrics);
            metrics.write(AtomicFile::create(path)?)?;
        }
        let text = match self.format {
            FormatArg::Text => text,
            FormatArg::Json => serde_json::to_string_pretty(report).map_err(Error::output)? + "\n",
        };
        let code = if is_alarm && self.fail_on_drift { ALARM } else { 0 };
        match shell::print(text.as_bytes()) {
            Err(error) if error.kind() != Kind::BrokenPipe => Err(error),
            // Whoever closed the pipe still wants to know of an alarm.
            _ => Ok(code),
        }
    }
}

/// The reference of a model, which must be of that model, or of a file. No output may be a file of that model.
fn find_reference(name: &Path, claims: &Claims) -> Result<Reference> {
    if name.is_file() {
        // It may lie in the folder of a model, whose other files are no output either.
        let folder = name.parent().unwrap_or(Path::new(""));
        let manifest =
            read_bounded(&folder.join("model.json"), CONFIG_BYTES_MAX).and_then(|json| Manifest::parse(&json));
        if let Ok(manifest) = manifest {
            claims.model_folder("--reference's", folder, &manifest, |_| true)?;
        }
        return read_reference(name);
    }
    let text = name.to_str().ok_or_else(|| Error::usage(format!("--reference {}: no such file", name.display())))?;
    let model = Model::resolve(text).map_err(|error| error.context("--reference"))?;
    if let Some(folder) = Model::folder(text) {
        claims.model_folder("--reference's", &folder, &model.manifest, |_| true)?;
    }
    let reference = own_reference(&model)?;
    // Scores do not say what augmentation was on.
    reference.check(&binding(&model, reference.tta), &bands(&model))?;
    Ok(reference)
}

fn read_reference(path: &Path) -> Result<Reference> {
    Reference::parse(&read_bounded(path, REFERENCE_BYTES_MAX)?, &path.display().to_string())
}

/// The reference in a model's folder.
fn own_reference(model: &Model) -> Result<Reference> {
    let name = &model.manifest.name;
    let bytes = model.reference.as_deref().ok_or_else(|| {
        Error::refused(format!(
            "model {name} has no drift reference: make one with `s2infer drift reference TILES --model FOLDER`, or give \
             the file of one"
        ))
    })?;
    Reference::parse(bytes, &format!("{name}/reference.json"))
}

/// The level that was asked for, which all tests must be able to reach, or the usual one.
fn level(reference: &Reference, asked: Option<f64>) -> Result<f64> {
    asked.iter().try_for_each(|level| check_level(reference, *level))?;
    Ok(asked.unwrap_or(LEVEL_DEFAULT))
}

fn bands(model: &Model) -> Vec<String> {
    model.manifest.sources().into_iter().map(|source| source.name).collect()
}

/// Says in the log what drifted.
fn log(report: &Report) {
    report.remarks.iter().for_each(|remark| tracing::info!("drift: {remark}"));
    report.alarms.iter().for_each(|alarm| tracing::warn!("drift: {alarm}"));
    tracing::info!("{}", report.verdict());
}
