//! `s2train compare`

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use s2infer::calibrate::{CalibrateRequest, Scores, calibrate};
use s2infer::decide::{Bounds, ModelRef, Profile, Rule};
use s2infer::infer::preprocess::preprocessing_id;
use s2infer::model::Model;
use s2infer::output::AtomicFile;
use s2infer::train::compare::{Contestant, compare};
use s2infer::train::scored;
use s2infer::{Error, Result};

const EXAMPLES: &str = "\
Each model is measured at both kinds of thresholds, which follow from its calibration scores: one for
all groups by a budget of alerts (s2infer calibrate --rule budget) and one per group for the target
recall (--rule exact). The profile in each folder must be one of the two, unchanged.

Example:
  s2train compare --incumbent models/incumbent --incumbent-scores incumbent.csv \\
    --candidate models/construction --candidate-scores construction.csv --out report.md --json report.json";

/// Compare two models on labelled scores of the same tiles: per group, and as a whole
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    /// Model folder of the incumbent
    #[arg(long, value_name = "FOLDER")]
    incumbent: PathBuf,
    /// Its labelled scores of the tiles that measure
    #[arg(long, value_name = "CSV")]
    incumbent_scores: PathBuf,
    /// Its labelled calibration scores [default: calibration/NAME/scores.csv beside models/NAME]
    #[arg(long, value_name = "CSV")]
    incumbent_calibration: Option<PathBuf>,
    /// Model folder of the candidate
    #[arg(long, value_name = "FOLDER")]
    candidate: PathBuf,
    /// Its labelled scores of the same tiles
    #[arg(long, value_name = "CSV")]
    candidate_scores: PathBuf,
    /// Its labelled calibration scores [default: calibration/NAME/scores.csv beside models/NAME]
    #[arg(long, value_name = "CSV")]
    candidate_calibration: Option<PathBuf>,
    /// Share of the positives that thresholds per group are to catch
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    target_recall: f64,
    /// Confidence that they do
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    confidence: f64,
    /// Correlation of positives of one site, for a model whose own profile states none
    #[arg(long, value_name = "RHO")]
    site_correlation: Option<f64>,
    /// What the tiles are, in Markdown, for the report's beginning
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Markdown to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The same in JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Compare {
    pub fn run(&self) -> Result<()> {
        let incumbent =
            self.contestant(&self.incumbent, self.incumbent_calibration.as_deref(), &self.incumbent_scores)?;
        let candidate =
            self.contestant(&self.candidate, self.candidate_calibration.as_deref(), &self.candidate_scores)?;
        let comparison = compare(&incumbent, &candidate)?;
        let title = format!("# `{}` against `{}`", candidate.name, incumbent.name);
        let parts = [title, self.note.trim().to_owned(), comparison.to_markdown()];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        write(&self.out, &parts.join("\n\n"))?;
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(&comparison).map_err(Error::output)?;
            write(path, &(json + "\n"))?;
        }
        tracing::info!("wrote {}", self.out.display());
        Ok(())
    }

    fn contestant(&self, folder: &Path, calibration: Option<&Path>, measured: &Path) -> Result<Contestant> {
        let model = Model::load(folder)?;
        let calibration = calibration.map_or_else(|| beside(folder), Path::to_owned);
        let bounds = Bounds::default();
        let scores = Scores::read(&calibration, &bounds)?;
        let own = model
            .profile
            .as_ref()
            .map(|bytes| Profile::parse(bytes, &folder.join("profile.json").display().to_string()));
        let own = own.transpose()?;
        let correlation = own.as_ref().and_then(|own| own.site_correlation).or(self.site_correlation);
        let profile = |rule: Rule| {
            let site_correlation = correlation.filter(|_| rule == Rule::Exact);
            let spare_alarms = own.as_ref().and_then(|own| own.spare_alarms).filter(|_| rule == Rule::Exact);
            let request = CalibrateRequest { site_correlation, spare_alarms, ..self.request(&model, rule, &bounds) };
            calibrate(&scores, &request).map(|found| found.profile)
        };
        let (budget, exact) = (profile(Rule::Budget)?, profile(Rule::Exact)?);
        let is_one_of = |own: &Profile| [&budget, &exact].iter().any(|found| thresholds(found) == thresholds(own));
        if own.as_ref().is_some_and(|own| !is_one_of(own)) {
            return Err(Error::refused(format!(
                "{}: profile.json is not what {} gives; write it with `s2infer calibrate`",
                folder.display(),
                calibration.display()
            )));
        }
        Ok(Contestant {
            name: model.manifest.name.clone(),
            one_threshold: thresholds(&budget),
            per_group: thresholds(&exact),
            scores: scored::read(measured, 2)?,
        })
    }

    fn request(&self, model: &Model, rule: Rule, bounds: &Bounds) -> CalibrateRequest {
        let manifest = &model.manifest;
        let (name, sha256, precision) = (manifest.name.clone(), model.sha256.clone(), manifest.precision.clone());
        CalibrateRequest {
            model: ModelRef { name, sha256, precision },
            preprocessing_version: preprocessing_id(manifest),
            tta: manifest.tta,
            rule,
            target_recall: self.target_recall,
            confidence: self.confidence,
            joint: false,
            site_correlation: None,
            spare_alarms: None,
            bounds: bounds.clone(),
            command: String::new(),
            created: jiff::Timestamp::now(),
        }
    }
}

/// `calibration/NAME/scores.csv` for `models/NAME`.
fn beside(folder: &Path) -> PathBuf {
    let (models, name) = (folder.parent().unwrap_or(Path::new("")), folder.file_name().unwrap_or_default());
    models.with_file_name("calibration").join(name).join("scores.csv")
}

fn thresholds(profile: &Profile) -> BTreeMap<String, f64> {
    profile.groups.iter().map(|group| (group.group.clone(), group.threshold)).collect()
}

/// Writes a text, complete or not at all.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::output(e).context(path.display()))?;
    file.commit()
}
