//! `s2infer calibrate`: labelled scores in, a threshold profile with a guarantee out.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use s2infer::calibrate::{CalibrateRequest, Scores, calibrate};
use s2infer::decide::{Bounds, Rule};
use s2infer::model::manifest::Tta;
use s2infer::model::{Model, Role};
use s2infer::output::AtomicFile;
use s2infer::{Error, Result};

use super::calibration;
use super::claims::Claims;
use super::flags::BUILT_IN;
use super::values::{TtaArg, open_share};
use super::{Common, logging, shell};

const EXAMPLES: &str = "\
The scores table has a header and the columns tile,label,score,season,cloud and optionally site and group:
  label   1, 0, true, false, positive or negative
  score   the model's score, 0 to 1
  season  summer or winter; cloud: clear, cloudy or a percentage; a column group overrides both
A table that s2infer wrote, with a column label added, will do as well: without season and cloud its shift is the group
(winter-cloudy), and rows that abstain or failed are left out.

Examples:
  s2infer calibrate --scores scores.csv --target-recall 0.8 --confidence 0.9 --out profile.json
  s2infer calibrate --scores scores.csv --joint --model models/my-model --format json";

/// Calibrating thresholds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Calibrate {
    /// Labelled scores.
    #[arg(long, value_name = "CSV")]
    scores: PathBuf,
    /// Share of the real positives to be caught in every group.
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = open_share)]
    target_recall: f64,
    /// Confidence with which it is caught.
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = open_share)]
    confidence: f64,
    /// The confidence is for all groups at once (Šidák).
    #[arg(long)]
    joint: bool,
    /// Positives of one site are correlated by this much, 0 to 1, and count as fewer (exact rule): thresholds fall. 0.3
    /// is often met; without it all positives are taken for independent.
    #[arg(long, value_name = "RHO")]
    site_correlation: Option<f64>,
    /// Lower a group's threshold further while no more than this share of its negatives alert, as 0.005: where the model
    /// hardly errs, more positives than demanded are caught for next to nothing, and the promise holds all the more.
    #[arg(long, value_name = "SHARE")]
    spare_alarms: Option<f64>,
    /// exact: the share is caught with the stated confidence; mean: only on average over calibrations; budget: one
    /// threshold for all groups that gives as many alerts as there are positives, with no promise.
    #[arg(long, value_enum, default_value = "exact")]
    rule: RuleArg,
    /// The model that gave the scores; the profile holds for it alone.
    #[arg(long, value_name = "NAME|FOLDER", default_value = BUILT_IN)]
    model: String,
    /// The augmentation that was on [default: the model's].
    #[arg(long, value_enum)]
    tta: Option<TtaArg>,
    /// Where the profile goes.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: FormatArg,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RuleArg {
    Exact,
    Mean,
    Budget,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Text,
    Json,
}

impl Calibrate {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let model = Model::resolve(&self.model)?;
        self.check_out(&model)?;
        let bounds = Bounds::default();
        let scores = Scores::read(&self.scores, &bounds)?;
        let calibration = calibrate(&scores, &self.request(&model, bounds))?;
        if let Some(path) = &self.out {
            let mut file = AtomicFile::create(path)?;
            file.write_all(calibration.to_json().as_bytes())
                .map_err(|error| Error::output(format!("{}: {error}", path.display())))?;
            file.commit()?;
        }
        match self.format {
            FormatArg::Text => shell::print(calibration.to_text().as_bytes()),
            FormatArg::Json => {
                calibration.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                shell::print(calibration.to_json().as_bytes())
            }
        }
    }

    /// The profile may replace the model's own, which is then to be sealed again, and nothing else that is read.
    fn check_out(&self, model: &Model) -> Result<()> {
        let Some(path) = &self.out else { return Ok(()) };
        let mut claims = Claims::default();
        claims.output("--out", path)?;
        claims.input("--scores", &self.scores)?;
        claims.model(&self.model, model, |asset| asset.role != Role::Profile)
    }

    fn request(&self, model: &Model, bounds: Bounds) -> CalibrateRequest {
        let rule = match self.rule {
            RuleArg::Exact => Rule::Exact,
            RuleArg::Mean => Rule::Mean,
            RuleArg::Budget => Rule::Budget,
        };
        CalibrateRequest {
            target_recall: self.target_recall,
            confidence: self.confidence,
            joint: self.joint,
            site_correlation: self.site_correlation,
            spare_alarms: self.spare_alarms,
            bounds,
            ..calibration::request(model, self.tta.map_or(model.manifest.tta, Tta::from), rule)
        }
    }
}
