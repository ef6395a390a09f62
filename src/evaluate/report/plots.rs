//! Precision and recall, score densities, reliability: a plot per group.

use super::super::quality::Population;
use super::super::{Evaluation, Quality};
use crate::page::{Axis, Block, Curves, Figure, Histogram, Mark, Plot, Reference, Reliability, Section, Series};
use crate::statistics::ranking::curve;

/// Points kept of a curve.
const CURVE_POINTS_MAX: usize = 500;
/// Bins of a density.
const DENSITY_BINS: usize = 40;
/// Scores are drawn on the scale of log-odds, within these bounds.
const LOG_ODDS: [f64; 2] = [-14.0, 14.0];

/// What plots need of the scores, a few hundred numbers a group.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlotData {
    candidate: Vec<Drawn>,
    baseline: Vec<Drawn>,
}

/// The scores of one group.
#[derive(Debug, Clone)]
struct Drawn {
    group: String,
    /// Recall and precision of the tiles as they are.
    curve: Vec<(f64, f64)>,
    /// Positives for every negative.
    odds: f64,
    edges: Vec<f64>,
    negatives: Vec<f64>,
    positives: Vec<f64>,
}

impl PlotData {
    /// Keeps what is drawn of every group, and of all at the end.
    pub(in crate::evaluate) fn of(candidate: &[Population], baseline: Option<&[Population]>) -> Self {
        let drawn = |populations: &[Population]| populations.iter().map(Drawn::of).collect();
        Self { candidate: drawn(candidate), baseline: baseline.map(drawn).unwrap_or_default() }
    }
}

impl Drawn {
    fn of(population: &Population) -> Self {
        let curve = curve(&population.scores, &population.positives);
        let step = curve.len().div_ceil(CURVE_POINTS_MAX).max(1);
        let last = curve.len().saturating_sub(1);
        let kept = curve.iter().enumerate().filter(|(index, _)| index % step == 0 || *index == last);
        let curve = kept.map(|(_, at)| (at.recall, at.precision)).collect();
        let log_odds: Vec<f64> = population.scores.iter().map(|score| log_odds(f64::from(*score))).collect();
        let low = log_odds.iter().copied().fold(LOG_ODDS[1], f64::min).floor();
        let high = log_odds.iter().copied().fold(LOG_ODDS[0], f64::max).ceil().max(low + 1.0);
        let width = (high - low) / DENSITY_BINS as f64;
        let shares = |positive: bool| {
            let mut bins = vec![0.0; DENSITY_BINS];
            let of_label = log_odds.iter().zip(&population.positives).filter(|(_, label)| **label == positive);
            let values: Vec<f64> = of_label.map(|(value, _)| *value).collect();
            for value in &values {
                bins[(((value - low) / width) as usize).min(DENSITY_BINS - 1)] += 1.0 / values.len() as f64;
            }
            bins
        };
        let positives = population.positives.iter().filter(|positive| **positive).count() as f64;
        Self {
            group: population.name.clone(),
            curve,
            odds: positives / (population.positives.len() as f64 - positives),
            edges: (0..=DENSITY_BINS).map(|bin| low + width * bin as f64).collect(),
            negatives: shares(false),
            positives: shares(true),
        }
    }

    /// The curve where positives are as frequent as stated; empty without tiles of both labels.
    fn at_prevalence(&self, prevalence: f64) -> Vec<(f64, f64)> {
        if !self.odds.is_finite() {
            return Vec::new();
        }
        let wanted = prevalence / (1.0 - prevalence);
        let at = |&(recall, precision): &(f64, f64)| {
            let false_per_true = (1.0 / precision - 1.0) * self.odds / wanted;
            (recall, 1.0 / (1.0 + false_per_true))
        };
        self.curve.iter().filter(|(_, precision)| *precision > 0.0).map(at).collect()
    }
}

fn log_odds(score: f64) -> f64 {
    (score.ln() - (-score).ln_1p()).clamp(LOG_ODDS[0], LOG_ODDS[1])
}

pub(super) fn section(evaluation: &Evaluation) -> Section {
    let data = &evaluation.plots;
    let groups = 0..data.candidate.len();
    let blocks = vec![
        Block::Text(
            "Dots are the thresholds that the models are deployed with. Scores are shown as log-odds, so that those near 0 and \
             1 can be told apart."
                .into(),
        ),
        Block::Figures(groups.clone().map(|group| precision_recall(evaluation, group)).collect()),
        Block::Figures(groups.map(|group| density(evaluation, group)).collect()),
        Block::Figures(evaluation.candidate.quality.iter().map(reliability).collect()),
        Block::Figures(vec![by_prevalence(evaluation)]),
    ];
    Section { title: "Plots".into(), blocks }
}

fn precision_recall(evaluation: &Evaluation, group: usize) -> Figure {
    let data = &evaluation.plots;
    let prevalence = evaluation.settings.prevalence;
    let mut series = Vec::new();
    let mut marks = Vec::new();
    let baseline = evaluation.baseline.as_ref().zip(data.baseline.get(group));
    for (model, drawn) in baseline.into_iter().chain([(&evaluation.candidate, &data.candidate[group])]) {
        let at = model.own.groups.get(group).unwrap_or(&model.own.all);
        if let Some((recall, precision)) = at.recall.estimate.zip(at.precision.estimate) {
            marks.push(Mark { x: recall, y: precision, label: String::new(), series: series.len() });
        }
        series.push(Series {
            name: model.name.clone(),
            points: drawn.at_prevalence(prevalence),
            step: false,
            dashed: false,
        });
    }
    Figure {
        caption: format!(
            "{}: precision at {} positives against recall.",
            data.candidate[group].group,
            super::text::percent(prevalence)
        ),
        plot: Plot::Curves(Curves {
            series,
            marks,
            x: Axis { label: "recall".into(), range: [0.0, 1.0], log: false },
            y: Axis { label: "precision".into(), range: [0.0, 1.0], log: false },
            lines: vec![Reference { at: evaluation.settings.target_recall, label: "target".into(), vertical: true }],
        }),
    }
}

fn density(evaluation: &Evaluation, group: usize) -> Figure {
    let drawn = &evaluation.plots.candidate[group];
    let own = &evaluation.candidate.own;
    let threshold = own.groups.get(group).and_then(|at| at.threshold);
    let thresholds = match threshold {
        Some(threshold) => vec![(log_odds(threshold), "threshold".to_owned())],
        None => own.groups.iter().filter_map(|at| Some((log_odds(at.threshold?), at.group.clone()))).collect(),
    };
    Figure {
        caption: format!(
            "{}: scores of `{}`, share of the tiles of each label.",
            drawn.group, evaluation.candidate.name
        ),
        plot: Plot::Histogram(Histogram {
            series: vec![("negatives".into(), drawn.negatives.clone()), ("positives".into(), drawn.positives.clone())],
            edges: drawn.edges.clone(),
            x_label: "score, log-odds".into(),
            lines: thresholds,
            log_x: false,
        }),
    }
}

fn reliability(quality: &Quality) -> Figure {
    let bin = |bin: &super::super::ReliabilityBin| (bin.mean_score, bin.share_positive, bin.interval, bin.n);
    Figure {
        caption: format!("{}: share of positives among tiles of like score.", quality.group),
        plot: Plot::Reliability(Reliability {
            bins: quality.reliability.iter().map(bin).collect(),
            title: quality.group.clone(),
        }),
    }
}

/// Precision falls with the prevalence whatever the recall does.
fn by_prevalence(evaluation: &Evaluation) -> Figure {
    let models = evaluation.baseline.iter().chain([&evaluation.candidate]);
    let series = models.map(|model| {
        let at = &model.own.all;
        let rates = at.recall.estimate.zip(at.false_alarms.estimate);
        let point = |step: i32| {
            let prevalence = 10f64.powf(-4.0 + f64::from(step) * 0.1);
            let (recall, alarms) = rates?;
            Some((prevalence, crate::statistics::prior_shift::precision_at(prevalence, recall, alarms)?))
        };
        let points = (0..=36).filter_map(point).collect();
        Series { name: model.name.clone(), points, step: false, dashed: false }
    });
    Figure {
        caption: "All groups: precision at the deployed thresholds against the share of positives among tiles.".into(),
        plot: Plot::Curves(Curves {
            series: series.collect(),
            marks: Vec::new(),
            x: Axis { label: "share of positives".into(), range: [1e-4, 0.4], log: true },
            y: Axis { label: "precision".into(), range: [0.0, 1.0], log: false },
            lines: vec![Reference { at: evaluation.settings.prevalence, label: "stated".into(), vertical: true }],
        }),
    }
}
