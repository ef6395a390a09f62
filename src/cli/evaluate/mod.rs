//! `s2infer evaluate`: labelled tiles or scores in, a report with a verdict out.

mod checks;
mod contestants;
mod maps;
mod tables;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use s2infer::evaluate::{Frame, Judged, Picture, Requirement, Settings, evaluate, evaluate_classes, paint, unmet};
use s2infer::labelled::{Audit, Labels, write};
use s2infer::model::Model;
use s2infer::model::manifest::{Head, Tta};
use s2infer::output::AtomicFile;
use s2infer::page::Document;
use s2infer::{Error, Kind, Result};

use super::claims::Claims;
use super::flags::{BUILT_IN, EngineArgs, SceneArgs};
use super::prefilter::PrefilterArgs;
use super::scoring::Scoring;
use super::values::{TtaArg, finite, open_share};
use super::{Common, logging, shell};
use checks::same_classes;
use contestants::class_contestant;

const EXAMPLES: &str = "\
The manifest is a CSV with the columns path,label,split,site,region,season,cloud (cloud: clear, cloudy or a percentage);
only path, label and, for thresholds per season and sky, season and cloud are always needed. Any further column becomes
a slice of the report. Tables of scores have tile and score instead of path. For a segmentation model the column mask stands
in the place of label: a raster of one band of uint8 and of the tile's size, the number of the class in every pixel, 255 or
the raster's nodata value where there is none.

A demand is METRIC >= NUMBER (or <=, >, <), with `in every group` or `in GROUP`; METRIC drop is how much lower it is than
the baseline's. Without --require, 'recall>=TARGET in every group' and, with a baseline, 'precision drop<=0.05' are
reported but do not fail. Metrics: recall, recall_lower (one-sided 95 %), false_alarms, precision, precision_lower,
f1, f1_lower (as precision, at --prevalence), average_precision, average_precision_lower, auroc, brier, ece, accuracy,
alerts_per_1000; for several classes accuracy, macro_f1 (also _lower, over sites) and recall, precision, f1 of a class; for maps mean_iou, accuracy (also _lower), kl and
kl_repository (the divergence of class shares, 1e-8 and 1e-7 added to each; also _upper), kl_of_mean (of the mean of the
training tiles, given to every tile), and iou, recall, precision, f1 of a class.

Examples:
  s2infer evaluate --manifest tiles.csv --model models/new --baseline models/old --out report
  s2infer evaluate --scores new.csv --model models/new --baseline-scores old.csv --baseline models/old --out report
  s2infer evaluate --manifest tiles.csv --require 'recall>=0.8 in every group' --require 'precision>=0.6' --out report

Exit codes: 0 done, and every demand of --require met; 2 usage, or a table or tile that cannot be read; 3 no engine; 4 a
demand is not met, the splits leak, or a profile is of another model; 5 the report cannot be written.";

/// The split whose tiles the global threshold and thresholds per group come from.
const CALIBRATION: &str = "calibration";

/// The report's files.
const REPORTS: [&str; 3] = ["report.json", "report.md", "report.html"];

/// Evaluating models.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Evaluate {
    /// Labelled tiles; the models are run over them. For a segmentation model also a folder with train/images and train/masks,
    /// as the Preligens challenge hands them out.
    #[arg(long, value_name = "CSV", required_unless_present = "scores", conflicts_with = "scores")]
    manifest: Option<PathBuf>,
    /// The split of the table that measures [default: measurement or test, or the only one; all tiles where there is none].
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// The model's scores of labelled tiles, instead of running it.
    #[arg(long, value_name = "CSV")]
    scores: Option<PathBuf>,
    /// The model that is judged: the candidate.
    #[arg(long, value_name = "NAME|FOLDER", default_value = BUILT_IN)]
    model: String,
    /// Its threshold profile [default: its own].
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Its scores of labelled calibration tiles, for the comparison of one threshold with one per group [default: the
    /// manifest's split `calibration`].
    #[arg(long, value_name = "CSV")]
    calibration: Option<PathBuf>,
    /// The model it is compared with: the incumbent.
    #[arg(long, value_name = "NAME|FOLDER")]
    baseline: Option<String>,
    /// The baseline's scores of the same tiles.
    #[arg(long, value_name = "CSV", requires = "baseline")]
    baseline_scores: Option<PathBuf>,
    /// The baseline's threshold profile [default: its own].
    #[arg(long, value_name = "FILE", requires = "baseline")]
    baseline_profile: Option<PathBuf>,
    /// The baseline's scores of labelled calibration tiles.
    #[arg(long, value_name = "CSV", requires = "baseline")]
    baseline_calibration: Option<PathBuf>,
    /// Folder for report.html, report.md, report.json and the tables of scores.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// A demand, as 'recall>=0.8 in every group'; may be given again. Not met: exit code 4.
    #[arg(long, value_name = "DEMAND")]
    require: Vec<Requirement>,
    /// A table of what trained or calibrated the models: its sites, tiles and places must not be among the measured.
    #[arg(long, value_name = "CSV")]
    against: Vec<PathBuf>,
    /// Tiles of different splits nearer than this share a place, in kilometres; 0 looks at sites and names alone.
    #[arg(long, value_name = "KM", default_value = "1", value_parser = kilometres)]
    place_gap_km: f64,
    /// Write the report although the splits leak; it says so, and the exit code stays 4.
    #[arg(long)]
    despite_leaks: bool,
    /// Share of positives that precision, alerts and accuracy are stated for.
    #[arg(long, value_name = "SHARE", default_value = "0.0909090909", value_parser = open_share)]
    prevalence: f64,
    /// Other shares of positives, as they are met in operation.
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "0.05,0.02,0.01,0.001", value_parser = open_share)]
    operational: Vec<f64>,
    /// Recall that thresholds are for.
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = open_share)]
    target_recall: f64,
    /// Resamples of the bootstrap and permutations of the tests.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    resamples: u32,
    /// Seed of the resamples.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder of the tiles that a table of scores names, for the pictures of failures.
    #[arg(long, value_name = "FOLDER", conflicts_with = "manifest")]
    tiles: Option<PathBuf>,
    /// What the tiles are, for the report's beginning: prose with `code`, **bold** and *italics*.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Test-time augmentation of both models [default: each model's].
    #[arg(long, value_enum)]
    tta: Option<TtaArg>,
    #[command(flatten)]
    prefilter: PrefilterArgs,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    common: Common,
}

/// An evaluation that is done.
struct Found {
    document: Document,
    json: String,
    requirements: Vec<Judged>,
    audit: Audit,
    /// A line for standard output.
    remark: String,
}

impl Evaluate {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        if self.scores.is_some() && self.baseline.is_some() && self.baseline_scores.is_none() {
            return Err(Error::usage(
                "--baseline with --scores needs --baseline-scores, the baseline's of the same tiles",
            ));
        }
        let mut model = Model::resolve(&self.model)?;
        let baseline = self.baseline.as_deref().map(Model::resolve).transpose();
        let mut baseline = baseline.map_err(|error| error.context("--baseline"))?;
        self.prefilter.apply([&mut model].into_iter().chain(&mut baseline))?;
        if let Some(baseline) = &baseline {
            same_classes(&model, baseline)?;
        }
        self.check(&model, baseline.as_ref())?;
        let claims = self.claim(&model, baseline.as_ref())?;
        let scoring = Scoring::new(self.scene.options()?, &self.engine, &self.common);
        let found = match model.manifest.head {
            Head::Segmentation => self.maps(&model, baseline.as_ref(), &scoring, claims)?,
            _ => self.labels(&model, baseline.as_ref(), &scoring, &claims)?,
        };
        self.write(&found)?;
        if let Some(leak) = found.audit.first() {
            return Err(Error::refused(format!("the splits leak: {leak}; the report says so")));
        }
        match unmet(&found.requirements) {
            Some(unmet) if !self.require.is_empty() => Err(Error::refused(unmet)),
            _ => self.summary(&found),
        }
    }

    /// Tiles that have one label each.
    fn labels(&self, model: &Model, baseline: Option<&Model>, scoring: &Scoring, claims: &Claims) -> Result<Found> {
        let tables = self.tables(model, baseline, scoring, claims)?;
        let painter = |tile: &str| self.paint(tile, model, scoring);
        let spinner = logging::spinner(&self.common);
        let found = match model.manifest.head {
            Head::Binary => {
                let candidate = self.contestant(model, &tables, scoring, None)?;
                let other = baseline
                    .map(|model| self.contestant(model, &tables, scoring, Some(&candidate.profile)))
                    .transpose()?;
                let mut progress = |what: &str| spinner.set_message(what.to_owned());
                let mut found = evaluate(
                    &tables.candidate,
                    tables.audit.clone(),
                    &candidate,
                    other.as_ref(),
                    &self.settings(),
                    &self.requirements()?,
                    &painter,
                    &mut progress,
                )?;
                found.data.n_abstained_positives = tables.n_abstained_positives;
                Found {
                    document: found.document(&self.frame()),
                    json: json(&found)?,
                    requirements: found.requirements,
                    audit: found.audit,
                    remark: String::new(),
                }
            }
            _ => {
                let candidate = class_contestant(model, &tables.candidate)?;
                let other = baseline.zip(tables.baseline.as_ref());
                let other = other.map(|(model, table)| class_contestant(model, table)).transpose()?;
                let found = evaluate_classes(
                    &tables.candidate,
                    &model.manifest.classes,
                    tables.audit.clone(),
                    &candidate,
                    other.as_ref(),
                    &self.settings(),
                    &self.require,
                    &painter,
                )?;
                Found {
                    document: found.document(&self.frame()),
                    json: json(&found)?,
                    requirements: found.requirements,
                    audit: found.audit,
                    remark: String::new(),
                }
            }
        };
        spinner.finish_and_clear();
        if self.manifest.is_some() {
            self.make_folder()?;
            let labels = Labels::of(&model.manifest.classes);
            write(&self.out.join("scores-candidate.csv"), &tables.candidate, &labels)?;
            if let Some(baseline) = &tables.baseline {
                write(&self.out.join("scores-baseline.csv"), baseline, &labels)?;
            }
        }
        Ok(found)
    }

    /// Says what was demanded and found, and where the report is.
    fn summary(&self, found: &Found) -> Result<u8> {
        if self.common.quiet {
            return Ok(0);
        }
        let line = |Judged { requirement, found, is_met }: &Judged| {
            format!("{}  {requirement}: {found}\n", if *is_met { "met    " } else { "not met" })
        };
        let lines: String = found.requirements.iter().map(line).collect();
        shell::print(format!("{}{lines}{}\n", found.remark, self.out.join("report.html").display()).as_bytes())
    }

    fn tta(&self, model: &Model) -> Tta {
        self.tta.map_or(model.manifest.tta, Tta::from)
    }

    fn settings(&self) -> Settings {
        Settings {
            prevalence: self.prevalence,
            operational: self.operational.clone(),
            target_recall: self.target_recall,
            resamples: self.resamples as usize,
            permutations: self.resamples as usize,
            seed: self.seed,
        }
    }

    fn requirements(&self) -> Result<Vec<Requirement>> {
        if !self.require.is_empty() {
            return Ok(self.require.clone());
        }
        let mut usual: Vec<Requirement> = vec![format!("recall>={} in every group", self.target_recall).parse()?];
        if self.baseline.is_some() {
            usual.push("precision drop<=0.05".parse()?);
        }
        Ok(usual)
    }

    fn frame(&self) -> Frame {
        let words: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
        Frame {
            note: self.note.clone(),
            command: format!("s2infer {}", words.join(" ")),
            created: Timestamp::now().strftime("%Y-%m-%d").to_string(),
        }
    }

    /// A picture of a tile that is there; a report without one is still a report.
    fn paint(&self, tile: &str, model: &Model, scoring: &Scoring) -> Option<Picture> {
        let folder = self.manifest.as_deref().map(|manifest| match manifest.is_dir() {
            true => manifest,
            false => manifest.parent().unwrap_or(Path::new("")),
        });
        let folder = folder.or(self.tiles.as_deref())?;
        match paint(&folder.join(tile), &model.manifest, scoring.scene()) {
            Ok(picture) => Some(picture),
            // Larger than the model's window: as it should be, where a model gives maps.
            Err(error) if error.kind() == Kind::Unsupported => {
                tracing::debug!("no picture of {tile}: {error}");
                None
            }
            Err(error) => {
                tracing::warn!("no picture of {tile}: {error}");
                None
            }
        }
    }

    fn make_folder(&self) -> Result<()> {
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Error::output(error).context(format!("--out {}", self.out.display())))
    }

    fn write(&self, Found { document, json, .. }: &Found) -> Result<()> {
        self.make_folder()?;
        let files =
            [("report.json", json.as_str()), (REPORTS[1], &document.to_markdown()), (REPORTS[2], &document.to_html())];
        for (name, text) in files {
            let path = self.out.join(name);
            let mut file = AtomicFile::create(&path)?;
            file.write_all(text.as_bytes()).map_err(|error| Error::output(error).context(path.display()))?;
            file.commit()?;
        }
        Ok(())
    }
}

fn json(found: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(found).map_err(Error::output)? + "\n")
}

/// A distance, 0 or more.
fn kilometres(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|km| *km >= 0.0).ok_or_else(|| "give a number of at least 0".into())
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
