//! Evaluation: two models side by side on labelled tiles, per group of season and sky, with intervals, tests, and a
//! verdict on what was demanded.

mod cases;
mod classes;
mod compare;
mod confusion;
mod gallery;
mod maps;
mod metrics;
mod operating;
mod quality;
mod report;
mod require;
mod slices;
mod transfer;
mod uncertainty;

use std::collections::BTreeMap;

use serde::Serialize;

pub use cases::check_demands;
pub use classes::{ClassContestant, ClassEvaluation, ClassFigures, ClassMeasured, ClassPaired, evaluate_classes};
pub use compare::{Paired, PairedRecall, PairedScore};
pub use gallery::{Painter, Picture, Pictured, paint};
pub use maps::{
    MapClass, MapContestant, MapDifference, MapEvaluation, MapMeasured, MapPart, MeanPrediction, evaluate_maps,
};
pub use operating::{AtPrevalence, AtThreshold, Operating, Share};
pub use quality::{Quality, ReliabilityBin};
pub use report::Frame;
pub use require::{Judged, Measurable, Requirement};
pub use slices::{RegionSeason, Slice, SlicePart};
pub use transfer::Transfer;

use crate::decide::Profile;
use crate::labelled::{Audit, Labelled, LabelledRow};
use crate::{Error, Result};

use cases::Cases;
use operating::{alerts, counts, operating};
use quality::{Population, populations};
use uncertainty::Weighed;

/// The name of all groups together.
pub const ALL: &str = "all";
/// Confidence of intervals.
pub const CONFIDENCE: f64 = 0.95;
/// Blocks that sites are put into for the acceleration of intervals where they are more.
const JACKKNIFE_BLOCKS_MAX: usize = 200;

/// Thresholds by group.
pub type Thresholds = BTreeMap<String, f64>;

/// What an evaluation is told beside tiles and scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Share of positives that precision, alerts and accuracy are stated for.
    pub prevalence: f64,
    /// Other shares, as they are met in operation.
    pub operational: Vec<f64>,
    /// Recall that thresholds are for.
    pub target_recall: f64,
    /// Resamples of the bootstrap over sites.
    pub resamples: usize,
    /// Permutations of the paired tests.
    pub permutations: usize,
    /// Seed of both.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prevalence: 1.0 / 11.0,
            operational: vec![0.05, 0.02, 0.01, 0.001],
            target_recall: 0.8,
            resamples: 2000,
            permutations: 2000,
            seed: 1,
        }
    }
}

/// A number with its interval at 95 %; none where it is undefined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// As measured.
    pub estimate: Option<f64>,
    /// Two-sided.
    pub interval: Option<[f64; 2]>,
}

/// A model with what it said of the tiles.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file.
    pub model_sha256: String,
    /// `fp32`, `fp16` or `int8`
    pub precision: String,
    /// The profile it is deployed with.
    pub profile: Profile,
    /// Whether its prefilter was asked for the scores, of a model that has one: `on`, `off` or `not stated`.
    pub prefilter: Option<&'static str>,
    /// One threshold for all groups, by a budget of alerts; none where no calibration scores were at hand.
    pub one: Option<f64>,
    /// Thresholds per group for the target recall; none likewise.
    pub per_group: Option<Thresholds>,
    /// Scores of the tiles, in their order.
    pub scores: Vec<f64>,
}

/// What was measured of one model.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file.
    pub model_sha256: String,
    /// `fp32`, `fp16` or `int8`
    pub precision: String,
    /// Whether its prefilter was asked for the scores, of a model that has one: `on`, `off` or `not stated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefilter: Option<&'static str>,
    /// SHA-256 of its profile.
    pub profile_sha256: String,
    /// What the profile promises, in words.
    pub guarantee: String,
    /// What is doubtful about the profile.
    pub profile_warnings: Vec<String>,
    /// At the thresholds it is deployed with.
    pub own: Operating,
    /// At one threshold for all groups.
    pub one: Option<Operating>,
    /// At thresholds per group.
    pub per_group: Option<Operating>,
    /// By what the profile turns scores into probabilities (`temperature`, `platt` or `beta`); none where scores count as
    /// those.
    pub probability: Option<String>,
    /// Of the scores, per group and of all at the end.
    pub quality: Vec<Quality>,
}

/// What the tiles are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// The table's file name.
    pub file: String,
    /// SHA-256 of the table.
    pub sha256: String,
    /// Whether the table says which model gave its scores; if not, nothing shows that they are the candidate's.
    pub states_model: bool,
    /// Tiles that were evaluated on.
    pub tiles: usize,
    /// Tiles by group.
    pub groups: Vec<GroupData>,
    /// Different sites; 0 where the table has none, and every tile counts as a site of its own.
    pub sites: usize,
    /// Different regions.
    pub regions: usize,
    /// Tiles left out: more cloud than a run decides on.
    pub n_overcast: u64,
    /// Tiles left out: a run did not decide them.
    pub n_undecided: u64,
    /// Positives among those that a model abstained on, where it was run for this evaluation.
    pub n_abstained_positives: u64,
}

/// The tiles of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupData {
    /// The group.
    pub group: String,
    /// Positives.
    pub positives: usize,
    /// Negatives.
    pub negatives: usize,
    /// Different sites among the positives.
    pub positive_sites: usize,
}

/// The whole evaluation of a model with two classes. [`Self::document`] tells it in words and plots, its
/// serialisation in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// The settings.
    pub settings: Settings,
    /// The tiles.
    pub data: Data,
    /// What they share with what they must not.
    pub audit: Audit,
    /// The model that is judged.
    pub candidate: Measured,
    /// The one it is compared with.
    pub baseline: Option<Measured>,
    /// Paired tests by group, and of all at the end; empty without a baseline.
    pub paired: Vec<Paired>,
    /// The candidate's thresholds of one group on the tiles of another; empty where it has one for all.
    pub transfer: Vec<Transfer>,
    /// The candidate by region and season.
    pub regions: Vec<RegionSeason>,
    /// The candidate by columns of the table.
    pub slices: Vec<Slice>,
    /// The candidate's worst misses and false alarms.
    pub failures: Vec<Pictured>,
    /// The demands, each met or not.
    pub requirements: Vec<Judged>,
    /// What plots are drawn from.
    #[serde(skip)]
    pub(crate) plots: report::PlotData,
}

/// Evaluates a candidate, and compares it with a baseline where there is one. `progress` hears what is being done.
///
/// # Errors
/// [`crate::Kind::Usage`] for tiles without positives or without negatives and for demands that mean nothing,
/// [`crate::Kind::Refused`] for a group that a profile lacks.
#[allow(clippy::too_many_arguments, reason = "two models, their tiles and what is asked of them")]
pub fn evaluate(
    table: &Labelled,
    audit: Audit,
    candidate: &Contestant,
    baseline: Option<&Contestant>,
    settings: &Settings,
    requirements: &[Requirement],
    paint: &Painter<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Evaluation> {
    let cases = Cases::of(table);
    cases.check_binary(table)?;
    requirements.iter().try_for_each(|demand| demand.check::<Evaluation>(&cases.groups, baseline.is_some()))?;
    progress("ranking scores");
    let mut side = Side::of(&cases, candidate, settings)?;
    let mut other = baseline.map(|model| Side::of(&cases, model, settings)).transpose()?;
    progress("resampling sites");
    let weighed = Weighed::new(&cases, &side.populations, &side.alerts);
    let weighed_other = other.as_ref().map(|other| Weighed::new(&cases, &other.populations, &other.alerts));
    let intervals = uncertainty::intervals(&cases, &weighed, weighed_other.as_ref(), settings);
    drop((weighed, weighed_other));
    uncertainty::fill(&intervals, 0, &mut side.measured.own, &mut side.measured.quality);
    if let Some(other) = &mut other {
        uncertainty::fill(&intervals, 1, &mut other.measured.own, &mut other.measured.quality);
    }
    progress("comparing in pairs");
    let paired = other.as_ref().map(|other| compare::paired(&cases, &side, other, &intervals, settings));
    progress("slicing");
    let mut evaluation = Evaluation {
        settings: settings.clone(),
        data: data(table, &cases),
        audit,
        transfer: transfer::transfer(&cases, candidate),
        regions: slices::region_season(&table.rows, &side.alerts),
        slices: slices::slices(table, &side.alerts),
        failures: gallery::worst(table, candidate, &side, paint),
        paired: paired.unwrap_or_default(),
        plots: report::PlotData::of(&side.populations, other.as_ref().map(|other| other.populations.as_slice())),
        candidate: side.measured,
        baseline: other.map(|other| other.measured),
        requirements: Vec::new(),
    };
    evaluation.requirements = requirements.iter().map(|demand| demand.judge(&evaluation, &cases.groups)).collect();
    Ok(evaluation)
}

impl Evaluation {
    fn model(&self, is_baseline: bool) -> Option<&Measured> {
        if is_baseline { self.baseline.as_ref() } else { Some(&self.candidate) }
    }
}

/// The first demand that is not met, in a line.
pub fn unmet(requirements: &[Judged]) -> Option<String> {
    let unmet: Vec<&Judged> = requirements.iter().filter(|judged| !judged.is_met).collect();
    let first = unmet.first()?;
    let more = if unmet.len() > 1 { format!(" (and {} more)", unmet.len() - 1) } else { String::new() };
    Some(format!("not met: {}: {}{more}", first.requirement, first.found))
}

/// A model with everything that follows from its scores.
struct Side {
    measured: Measured,
    populations: Vec<Population>,
    alerts: Vec<bool>,
}

impl Side {
    fn of(cases: &Cases, model: &Contestant, settings: &Settings) -> Result<Self> {
        if model.scores.len() != cases.positive.len() {
            return Err(Error::usage(format!("{}: not a score for every tile", model.name)));
        }
        let own_thresholds: Thresholds =
            model.profile.groups.iter().map(|group| (group.group.clone(), group.threshold)).collect();
        let at = |which: &'static str, thresholds: &Thresholds| -> Result<(Operating, Vec<bool>)> {
            let alerts = alerts(cases, &model.scores, thresholds, &model.name)?;
            Ok((operating(which, cases, &counts(cases, &alerts), thresholds, settings), alerts))
        };
        let (own, alerts) = at("own", &own_thresholds)?;
        let one = model.one.map(|one| cases.groups.iter().map(|group| (group.clone(), one)).collect::<Thresholds>());
        let one = one.map(|one| at("one", &one)).transpose()?.map(|(operating, _)| operating);
        let per_group = model.per_group.as_ref().map(|thresholds| at("per-group", thresholds)).transpose()?;
        let populations = populations(cases, &model.scores);
        let measured = Measured {
            name: model.name.clone(),
            model_sha256: model.model_sha256.clone(),
            precision: model.precision.clone(),
            prefilter: model.prefilter,
            profile_sha256: model.profile.sha256(),
            guarantee: model.profile.guarantee.clone(),
            profile_warnings: model.profile.warnings.clone(),
            own,
            one,
            per_group: per_group.map(|(operating, _)| operating),
            probability: model.profile.probability.as_ref().map(|probability| probability.method.clone()),
            quality: populations
                .iter()
                .map(|population| population.quality(model.profile.probability.as_ref(), settings))
                .collect(),
        };
        Ok(Self { measured, populations, alerts })
    }
}

fn data(table: &Labelled, cases: &Cases) -> Data {
    let group = |(index, name): (usize, &String)| {
        let rows = || {
            let numbered = table.rows.iter().zip(&cases.group);
            numbered.filter(move |(_, group)| **group as usize == index).map(|(row, _)| row)
        };
        let positives = rows().filter(|row| row.is_positive()).count();
        GroupData {
            group: name.clone(),
            positives,
            negatives: rows().count() - positives,
            positive_sites: different(rows().filter(|row| row.is_positive()), |row| row.site.as_deref()),
        }
    };
    Data {
        file: table.file.clone(),
        sha256: table.sha256.clone(),
        tiles: table.rows.len(),
        groups: cases.groups.iter().enumerate().map(group).collect(),
        sites: cases.sites,
        regions: different(table.rows.iter(), |row| row.region.as_deref()),
        n_overcast: table.n_overcast,
        n_undecided: table.n_undecided,
        states_model: table.model_sha256.is_some(),
        n_abstained_positives: 0,
    }
}

fn different<'a>(
    rows: impl Iterator<Item = &'a LabelledRow>,
    name: impl Fn(&'a LabelledRow) -> Option<&'a str>,
) -> usize {
    rows.filter_map(name).collect::<std::collections::HashSet<_>>().len()
}
