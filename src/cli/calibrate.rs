//! `s2infer calibrate`: labelled scores in, a threshold profile with a guarantee out.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use s2infer::calibrate::{CalibrateRequest, Scores, Sites, calibrate};
use s2infer::decide::{Bounds, Probability, Rule};
use s2infer::labelled::{Labelled, Labels, write};
use s2infer::model::manifest::{Head, Tta};
use s2infer::model::{Model, Role};
use s2infer::output::AtomicFile;
use s2infer::{Error, Result};

use super::calibration;
use super::claims::Claims;
use super::flags::{BUILT_IN, EngineArgs, SceneArgs};
use super::prefilter::PrefilterArgs;
use super::scoring::{Scoring, check_model};
use super::values::{TtaArg, finite, open_share};
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
  s2infer calibrate --manifest tiles.csv --model models/my-model --one-per-site --out profile.json
  s2infer calibrate --scores scores.csv --joint --model models/my-model --format json";

/// The split that calibrates where --split does not say.
const CALIBRATION: &str = "calibration";

/// Calibrating thresholds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Calibrate {
    /// Labelled scores.
    #[arg(long, value_name = "CSV", required_unless_present = "manifest", conflicts_with = "manifest")]
    scores: Option<PathBuf>,
    /// Labelled tiles, which the model is run over: a CSV with the columns path,label,season,cloud and optionally split,
    /// site, region.
    #[arg(long, value_name = "CSV")]
    manifest: Option<PathBuf>,
    /// The split of the table that calibrates [default: calibration, where the table has splits].
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Where the scores of the manifest's tiles go.
    #[arg(long, value_name = "CSV", requires = "manifest")]
    scores_out: Option<PathBuf>,
    /// Of a model with several classes, the one that positives are of: labels are then 1 or 0, and a run with the profile
    /// decides whether a tile has it. A segmentation model's score is the class's mean soft-max over the tile's pixels.
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Share of the real positives to be caught in every group.
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = open_share)]
    target_recall: f64,
    /// Confidence with which it is caught.
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = open_share)]
    confidence: f64,
    /// The confidence is for all groups at once (Šidák).
    #[arg(long)]
    joint: bool,
    /// Positives of one site are correlated by this much, 0 to 1 or `measured`, and count as fewer (exact rule): thresholds
    /// fall. 0.3 is often met; without it all positives are taken for independent.
    #[arg(long, value_name = "RHO|measured", value_parser = site_correlation)]
    site_correlation: Option<Sites>,
    /// Of each site one positive counts, chosen by its name: sites are then all that needs to be independent.
    #[arg(long, conflicts_with = "site_correlation")]
    one_per_site: bool,
    /// Find a threshold for regions that calibrated nothing (column `region`): nine regions bear a confidence of 90 %. Used
    /// by `s2infer --unseen-region`.
    #[arg(long)]
    unseen_region: bool,
    /// Fit what turns scores into probabilities, for reports; decisions do not change.
    #[arg(long, value_enum, requires = "probability_scores")]
    probability: Option<ProbabilityArg>,
    /// Labelled scores to fit it to, of tiles that calibrate no threshold.
    #[arg(long, value_name = "CSV", requires = "probability")]
    probability_scores: Option<PathBuf>,
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
    prefilter: PrefilterArgs,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProbabilityArg {
    Temperature,
    Platt,
    Beta,
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
        let mut model = Model::resolve(&self.model)?;
        self.prefilter.apply([&mut model].into_iter())?;
        let class = self.class_index(&model)?;
        let claims = self.claim(&model)?;
        let bounds = Bounds::default();
        let scores = Scores::of(self.table(&model, class, &claims, &bounds)?)?;
        let mut calibration = calibrate(&scores, &self.request(&model, bounds.clone()))?;
        calibration.profile.prefilter = model.asks_prefilter();
        calibration.profile.check_prefilter(model.asks_prefilter())?;
        calibration.profile.probability = self.probability(&scores, &bounds)?;
        if let Some(class) = &self.class {
            calibration.profile.guarantee += &format!(
                " A positive is a tile with {class}; its score is the class's probability, of a segmentation model its mean \
                 soft-max over the tile's valid pixels."
            );
            calibration.profile.class = Some(class.clone());
        }
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

    /// The index of `--class`, which a model with more than two needs.
    fn class_index(&self, model: &Model) -> Result<Option<usize>> {
        let (name, classes) = (&model.manifest.name, &model.manifest.classes);
        match (model.manifest.head, &self.class) {
            (Head::Binary, None) => Ok(None),
            (Head::Binary, Some(_)) => Err(Error::usage(format!("--class: {name} has one score; leave it out"))),
            (_, None) => Err(Error::usage(format!(
                "{name} has several classes: give --class NAME, the one that positives are of ({})",
                classes.join(", ")
            ))),
            (_, Some(class)) => match classes.iter().position(|other| other == class) {
                Some(index) => Ok(Some(index)),
                None => Err(Error::usage(format!("--class {class}: {name} has {}", classes.join(", ")))),
            },
        }
    }

    /// The profile may replace the model's own, which is then to be sealed again, and nothing else that is read.
    fn claim(&self, model: &Model) -> Result<Claims> {
        let mut claims = Claims::default();
        for (flag, path) in [("--out", &self.out), ("--scores-out", &self.scores_out)] {
            path.iter().try_for_each(|path| claims.output(flag, path))?;
        }
        let read = [
            ("--scores", &self.scores),
            ("--manifest", &self.manifest),
            ("--probability-scores", &self.probability_scores),
            ("--metadata", &self.scene.metadata),
        ];
        read.into_iter().try_for_each(|(flag, path)| path.iter().try_for_each(|path| claims.input(flag, path)))?;
        claims.model(&self.model, model, |asset| asset.role != Role::Profile)?;
        Ok(claims)
    }

    /// The labelled scores: a table's, or the model's of a manifest's tiles.
    fn table(&self, model: &Model, class: Option<usize>, claims: &Claims, bounds: &Bounds) -> Result<Labelled> {
        let labels = if class.is_some() { Labels::binary() } else { Labels::of(&model.manifest.classes) };
        let tta = self.tta.map_or(model.manifest.tta, Tta::from);
        let (path, all) = match (&self.manifest, &self.scores) {
            (Some(path), _) => (path, Labelled::read_manifest(path, &labels, bounds)?),
            (None, Some(path)) => {
                let table = Labelled::read_scores(path, &labels, bounds)?;
                let table = check_model(table, model).map_err(|error| error.context(path.display()))?;
                if model.asks_prefilter() == Some(true) && table.prefilter.is_none() {
                    return Err(Error::refused(format!(
                        "{}: nothing says that the model's prefilter was asked for these scores, and thresholds of other \
                         scores promise nothing behind it: add a column prefilter (on), or give --no-prefilter for scores \
                         of a run without it",
                        path.display()
                    )));
                }
                (path, table)
            }
            (None, None) => return Err(Error::usage("give --scores or --manifest")),
        };
        let splits = all.splits();
        let chosen = self.split.clone().or_else(|| (!splits.is_empty()).then(|| CALIBRATION.to_owned()));
        let table = match &chosen {
            Some(name) => all.filtered(|row| row.split.as_deref() == Some(name)),
            None => all,
        };
        if table.rows.is_empty() {
            return Err(Error::usage(format!(
                "{}: no tile of split {:?}; it has {}: give --split",
                path.display(),
                chosen.unwrap_or_default(),
                splits.join(", ")
            )));
        }
        if self.manifest.is_none() {
            return Ok(table);
        }
        table.check_groups()?;
        table.rows.iter().try_for_each(|row| claims.input("the tile", &table.folder.join(&row.tile)))?;
        let scored =
            Scoring::new(self.scene.options()?, &self.engine, &self.common).score(&table, model, class, tta)?.table;
        if let Some(path) = &self.scores_out {
            write(path, &scored, &labels)?;
            // The profile names the scores that anybody can look at.
            return Labelled::read_scores(path, &labels, bounds);
        }
        Ok(scored)
    }

    fn probability(&self, thresholds: &Scores, bounds: &Bounds) -> Result<Option<Probability>> {
        let (Some(method), Some(path)) = (self.probability, &self.probability_scores) else { return Ok(None) };
        let scores = Scores::read(path, bounds)?;
        if let Some(tile) = scores.tile_in_common(thresholds) {
            return Err(Error::usage(format!(
                "--probability-scores: {tile} calibrates the thresholds; give other tiles"
            )));
        }
        let method = match method {
            ProbabilityArg::Temperature => "temperature",
            ProbabilityArg::Platt => "platt",
            ProbabilityArg::Beta => "beta",
        };
        scores.probability(method).map(Some)
    }

    fn sites(&self) -> Sites {
        if self.one_per_site { Sites::OnePerSite } else { self.site_correlation.unwrap_or(Sites::Independent) }
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
            sites: self.sites(),
            unseen_region: self.unseen_region,
            spare_alarms: self.spare_alarms,
            bounds,
            ..calibration::request(model, self.tta.map_or(model.manifest.tta, Tta::from), rule)
        }
    }
}

fn site_correlation(text: &str) -> Result<Sites, String> {
    if text == "measured" {
        return Ok(Sites::MeasuredCorrelation);
    }
    finite(text).map(Sites::Correlation).map_err(|_| "give a number from 0 to 1, or `measured`".into())
}
