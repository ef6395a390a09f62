//! Evaluation of segmentation models: pixels of tiles that have a map of labels.
//!
//! Intersection over union and accuracy count pixels; the divergence compares each tile's class shares with its mean
//! soft-max. Intervals draw whole sites, as the pixels of a tile are no independent samples.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::Cases;
use super::confusion::{Matrices, f1, iou, margins, mean, right};
use super::uncertainty::over_sites;
use super::{ALL, Data, Estimate, Judged, Measurable, Painter, Pictured, Requirement, Settings, data};
use crate::labelled::{Audit, Labelled, LabelledRow, MapOutcome};
use crate::statistics::classes::{KL_EPSILON, KL_EPSILON_REPOSITORY, divergence_with};
use crate::{Error, Result};

/// Figures of a model: accuracy of pixels, mean IoU, mean divergence with either epsilon.
const FIGURES: usize = 4;
/// What is added to the shares of a divergence, in the order of its figures.
const EPSILONS: [f64; 2] = [KL_EPSILON, KL_EPSILON_REPOSITORY];
/// Tiles shown.
const SHOWN: usize = 12;

/// A model with what became of each tile.
#[derive(Debug, Clone)]
pub struct MapContestant {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file.
    pub model_sha256: String,
    /// `fp32`, `fp16` or `int8`
    pub precision: String,
    /// One for each tile.
    pub outcomes: Vec<MapOutcome>,
}

/// What was measured of one model.
#[derive(Debug, Clone, Serialize)]
pub struct MapMeasured {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file.
    pub model_sha256: String,
    /// `fp32`, `fp16` or `int8`
    pub precision: String,
    /// Share of the labelled pixels that were given their own class.
    pub accuracy: Estimate,
    /// Mean of the classes' intersection over union; classes that are nowhere are left out.
    pub mean_iou: Estimate,
    /// Mean over the tiles of Σ y ln(y / ŷ), y the class shares of the labels and ŷ the mean soft-max, in nats
    /// (Kullback and Leibler 1951); 1e-8 is added to each share.
    pub mean_kl: Estimate,
    /// The same with 1e-7.
    pub mean_kl_repository: Estimate,
    /// The classes, in the order of their numbers.
    pub classes: Vec<MapClass>,
    /// Pixels of each class (row) that were taken for each class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Labelled pixels that are invalid in their tiles; they count nowhere else.
    pub n_undecided_pixels: u64,
    /// By region; empty where no tile states one.
    pub regions: BTreeMap<String, MapPart>,
    /// By season; empty where no tile states one.
    pub seasons: BTreeMap<String, MapPart>,
    /// By group; empty where no tile states one.
    pub groups: BTreeMap<String, MapPart>,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapClass {
    /// Its name.
    pub class: String,
    /// Intersection over union; none for a class that is nowhere.
    pub iou: Option<f64>,
    /// Share of its pixels that were given it; none where it has none.
    pub recall: Option<f64>,
    /// Share of the pixels that were given it that are its own; none where none was.
    pub precision: Option<f64>,
    /// Harmonic mean of both; 0 for a class that is nowhere.
    pub f1: f64,
    /// Pixels that are its own.
    pub n_pixels: u64,
}

/// What saying the same of every tile comes to: the mean shares of other tiles.
#[derive(Debug, Clone, Serialize)]
pub struct MeanPrediction {
    /// The tiles that the mean is of: `split train`.
    pub of: String,
    /// The shares that every tile is given.
    pub shares: Vec<f64>,
    /// Mean divergence.
    pub mean_kl: Estimate,
    /// With the other epsilon.
    pub mean_kl_repository: Estimate,
    /// The candidate's divergence less this one; less is better.
    pub difference: Estimate,
}

/// Some of the tiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapPart {
    /// Tiles.
    pub tiles: usize,
    /// Accuracy of their pixels.
    pub accuracy: f64,
    /// Mean of the classes' intersection over union.
    pub mean_iou: f64,
    /// That of every class over all their pixels; none for a class that is nowhere.
    pub iou: Vec<Option<f64>>,
    /// Mean divergence of their class shares; none where no tile has a valid pixel.
    pub mean_kl: Option<f64>,
}

/// The differences, candidate less baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MapDifference {
    /// In accuracy of pixels.
    pub accuracy: Estimate,
    /// In mean IoU.
    pub mean_iou: Estimate,
    /// In mean divergence; less is better.
    pub mean_kl: Estimate,
    /// With the other epsilon.
    pub mean_kl_repository: Estimate,
}

/// The whole evaluation.
#[derive(Debug, Clone, Serialize)]
pub struct MapEvaluation {
    /// The settings.
    pub settings: Settings,
    /// The tiles.
    pub data: Data,
    /// What they share with what they must not.
    pub audit: Audit,
    /// The model that is judged.
    pub candidate: MapMeasured,
    /// The one it is compared with.
    pub baseline: Option<MapMeasured>,
    /// The comparison.
    pub difference: Option<MapDifference>,
    /// What no model at all would come to.
    pub predict_the_mean: MeanPrediction,
    /// The candidate's worst tiles.
    pub failures: Vec<Pictured>,
    /// The demands, each met or not.
    pub requirements: Vec<Judged>,
}

/// Evaluates a candidate, and compares it with a baseline where there is one, and with the shares of `constant`, which has
/// a name, for every tile.
///
/// # Errors
/// [`crate::Kind::Usage`] for demands that mean nothing, and tiles without a pixel that is both labelled and valid.
#[allow(clippy::too_many_arguments, reason = "two models, their tiles and what is asked of them")]
pub fn evaluate_maps(
    table: &Labelled,
    classes: &[String],
    audit: Audit,
    candidate: &MapContestant,
    baseline: Option<&MapContestant>,
    constant: (&str, &[f64]),
    settings: &Settings,
    requirements: &[Requirement],
    paint: &Painter<'_>,
) -> Result<MapEvaluation> {
    requirements.iter().try_for_each(|demand| demand.check::<MapEvaluation>(classes, baseline.is_some()))?;
    let cases = Cases::of(table);
    let given = candidate.outcomes.iter().map(|outcome| MapOutcome {
        confusion: Vec::new(),
        shares: outcome.shares.as_ref().map(|_| constant.1.to_vec()),
        ..outcome.clone()
    });
    let mean_outcomes: Vec<MapOutcome> = given.collect();
    let outcomes = [Some(&candidate.outcomes), baseline.map(|model| &model.outcomes), Some(&mean_outcomes)];
    let models: Vec<Weighed> =
        outcomes.into_iter().flatten().map(|outcomes| Weighed::of(outcomes, &cases, classes.len())).collect();
    let (mean_model, judged) = (models.len() - 1, models.len() - 1);
    if models[..judged].iter().any(|model| right(&model.pixels.whole()).1 == 0) {
        return Err(Error::usage(format!("{}: no labelled pixel is valid in its tile", table.file)));
    }
    let estimates = estimates(&cases, &models, settings);
    let of =
        |index: usize| -> [Estimate; FIGURES] { std::array::from_fn(|figure| estimates[FIGURES * index + figure]) };
    // Differences from the candidate stand behind the models, in their order.
    let less = |index: usize| of(models.len() + index - 1);
    let measured = |(index, model): (usize, &MapContestant)| measure(table, model, &models[index], classes, of(index));
    let mut evaluation = MapEvaluation {
        settings: settings.clone(),
        data: data(table, &cases),
        audit,
        candidate: measured((0, candidate)),
        baseline: baseline.map(|baseline| measured((1, baseline))),
        difference: baseline.map(|_| {
            let [accuracy, mean_iou, mean_kl, mean_kl_repository] = less(1);
            MapDifference { accuracy, mean_iou, mean_kl, mean_kl_repository }
        }),
        predict_the_mean: MeanPrediction {
            of: constant.0.to_owned(),
            shares: constant.1.to_vec(),
            mean_kl: of(mean_model)[2],
            mean_kl_repository: of(mean_model)[3],
            difference: less(mean_model)[2],
        },
        failures: worst(table, candidate, classes, paint),
        requirements: Vec::new(),
    };
    evaluation.requirements = requirements.iter().map(|demand| demand.judge(&evaluation, classes)).collect();
    Ok(evaluation)
}

/// With each of the [`EPSILONS`].
fn divergences_of(outcome: &MapOutcome) -> Option<[f64; 2]> {
    let given = outcome.shares.as_ref()?;
    Some(EPSILONS.map(|epsilon| divergence_with(&outcome.labelled_shares, given, epsilon)))
}

/// What depends on how often clusters count.
struct Weighed {
    pixels: Matrices,
    /// Sums of the divergences and number of tiles of every cluster.
    divergences: Vec<([f64; 2], u32)>,
}

impl Weighed {
    fn of(outcomes: &[MapOutcome], cases: &Cases, classes: usize) -> Self {
        let mut divergences = vec![([0.0; 2], 0); cases.clusters];
        for (outcome, &cluster) in outcomes.iter().zip(&cases.cluster) {
            if let Some(found) = divergences_of(outcome) {
                let (sums, n) = &mut divergences[cluster as usize];
                sums.iter_mut().zip(found).for_each(|(sum, divergence)| *sum += divergence);
                *n += 1;
            }
        }
        let cells = outcomes.iter().zip(&cases.cluster).flat_map(|(outcome, &cluster)| {
            outcome.confusion.iter().enumerate().map(move |(cell, &n)| (cluster, cell / classes, cell % classes, n))
        });
        Self { pixels: Matrices::of(classes, cells), divergences }
    }

    /// Accuracy, mean IoU and mean divergences; NaN where undefined.
    fn figures(&self, weights: &[u32]) -> [f64; FIGURES] {
        let confusion = self.pixels.weighted(weights);
        let (right, all) = right(&confusion);
        let weighed = self.divergences.iter().zip(weights);
        let ([one, other], n) = weighed.fold(([0.0; 2], 0.0), |([one, other], n), ((sums, tiles), &weight)| {
            let weight = f64::from(weight);
            ([one + weight * sums[0], other + weight * sums[1]], n + weight * f64::from(*tiles))
        });
        [right as f64 / all as f64, mean(&iou(&confusion)), one / n, other / n]
    }
}

/// The figures of the candidate and of the others, then the candidate's less those of each other.
fn estimates(cases: &Cases, models: &[Weighed], settings: &Settings) -> Vec<Estimate> {
    let n_statistics = FIGURES * (2 * models.len() - 1);
    let figures = |weights: &[u32], values: &mut [f64]| {
        for (model, values) in models.iter().zip(values.chunks_mut(FIGURES)) {
            values.copy_from_slice(&model.figures(weights));
        }
        let (found, differences) = values.split_at_mut(FIGURES * models.len());
        for (differences, other) in differences.chunks_mut(FIGURES).zip(found.chunks(FIGURES).skip(1)) {
            (0..FIGURES).for_each(|figure| differences[figure] = found[figure] - other[figure]);
        }
    };
    over_sites(cases, n_statistics, settings, figures)
}

fn measure(
    table: &Labelled,
    model: &MapContestant,
    weighed: &Weighed,
    classes: &[String],
    [accuracy, mean_iou, mean_kl, mean_kl_repository]: [Estimate; FIGURES],
) -> MapMeasured {
    let confusion = weighed.pixels.whole();
    let (ious, f1) = (iou(&confusion), f1(&confusion));
    let class = |(index, name): (usize, &String)| {
        let (hits, labelled, given) = margins(&confusion, index);
        let share = |of: u64| (of > 0).then(|| hits as f64 / of as f64);
        MapClass {
            class: name.clone(),
            iou: ious[index],
            recall: share(labelled),
            precision: share(given),
            f1: f1[index],
            n_pixels: labelled,
        }
    };
    let by = |name: &dyn Fn(&LabelledRow) -> Option<String>| {
        let mut parts: BTreeMap<String, Vec<&MapOutcome>> = BTreeMap::new();
        for (row, outcome) in table.rows.iter().zip(&model.outcomes) {
            if let Some(name) = name(row) {
                parts.entry(name).or_default().push(outcome);
            }
        }
        parts.into_iter().map(|(name, outcomes)| (name, part(&outcomes, classes.len()))).collect()
    };
    MapMeasured {
        name: model.name.clone(),
        model_sha256: model.model_sha256.clone(),
        precision: model.precision.clone(),
        accuracy,
        mean_iou,
        mean_kl,
        mean_kl_repository,
        classes: classes.iter().enumerate().map(class).collect(),
        n_undecided_pixels: model.outcomes.iter().map(|outcome| outcome.n_undecided).sum(),
        regions: by(&|row| row.region.as_ref().map(|region| region.to_string())),
        seasons: by(&|row| row.season.map(|season| season.name().to_owned())),
        groups: by(&|row| Some(row.group.to_string()).filter(|group| !group.is_empty())),
        confusion,
    }
}

fn part(outcomes: &[&MapOutcome], classes: usize) -> MapPart {
    let mut confusion = vec![vec![0; classes]; classes];
    for (cell, n) in outcomes.iter().flat_map(|outcome| outcome.confusion.iter().enumerate()) {
        confusion[cell / classes][cell % classes] += n;
    }
    let (right, all) = right(&confusion);
    let divergences: Vec<Option<f64>> =
        outcomes.iter().map(|outcome| divergences_of(outcome).map(|[page, _]| page)).collect();
    let iou = iou(&confusion);
    MapPart {
        tiles: outcomes.len(),
        accuracy: right as f64 / all.max(1) as f64,
        mean_iou: mean(&iou),
        iou,
        mean_kl: Some(mean(&divergences)).filter(|mean| mean.is_finite()),
    }
}

/// The tiles of the lowest mean IoU, each site once before any comes again.
fn worst(table: &Labelled, model: &MapContestant, classes: &[String], paint: &Painter<'_>) -> Vec<Pictured> {
    let mut tiles: Vec<(f64, usize)> = (0..table.rows.len())
        .map(|row| (part(&[&model.outcomes[row]], classes.len()).mean_iou, row))
        .filter(|(iou, _)| iou.is_finite())
        .collect();
    tiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sites = std::collections::HashSet::new();
    let (first, others): (Vec<_>, Vec<_>) =
        tiles.into_iter().partition(|&(_, row)| table.rows[row].site.as_ref().is_none_or(|site| sites.insert(site)));
    let pictured = |(iou, row): (f64, usize)| {
        let tile = &table.rows[row];
        Pictured {
            kind: "mapped",
            tile: tile.tile.clone(),
            group: tile.group.to_string(),
            site: tile.site.as_ref().map(|site| site.to_string()),
            class: None,
            taken_for: None,
            score: iou,
            threshold: None,
            picture: paint(&tile.tile),
        }
    };
    first.into_iter().chain(others).take(SHOWN).map(pictured).collect()
}

impl Measurable for MapEvaluation {
    fn metrics() -> &'static [&'static str] {
        &[
            "accuracy",
            "accuracy_lower",
            "mean_iou",
            "mean_iou_lower",
            "kl",
            "kl_upper",
            "kl_repository",
            "kl_repository_upper",
            "kl_of_mean",
            "iou",
            "recall",
            "precision",
            "f1",
        ]
    }

    /// Groups are the classes.
    fn value(&self, metric: &str, group: &str, is_baseline: bool) -> Option<f64> {
        let measured = if is_baseline { self.baseline.as_ref()? } else { &self.candidate };
        let interval = |estimate: &Estimate, end: usize| estimate.interval.map(|interval| interval[end]);
        let class = measured.classes.iter().find(|class| class.class == group);
        match (metric, class) {
            ("accuracy", None) if group == ALL => measured.accuracy.estimate,
            ("accuracy_lower", None) if group == ALL => interval(&measured.accuracy, 0),
            ("mean_iou", None) if group == ALL => measured.mean_iou.estimate,
            ("mean_iou_lower", None) if group == ALL => interval(&measured.mean_iou, 0),
            ("kl", None) if group == ALL => measured.mean_kl.estimate,
            ("kl_upper", None) if group == ALL => interval(&measured.mean_kl, 1),
            ("kl_repository", None) if group == ALL => measured.mean_kl_repository.estimate,
            ("kl_repository_upper", None) if group == ALL => interval(&measured.mean_kl_repository, 1),
            ("kl_of_mean", None) if group == ALL => self.predict_the_mean.mean_kl.estimate,
            ("iou", Some(class)) => class.iou,
            ("recall", Some(class)) => class.recall,
            ("precision", Some(class)) => class.precision,
            ("f1", Some(class)) => Some(class.f1),
            _ => None,
        }
    }
}
