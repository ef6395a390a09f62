//! How well scores rank and what they are worth as probabilities, whatever the threshold.

use serde::Serialize;

use super::cases::Cases;
use super::{ALL, Estimate, Settings};
use crate::decide::Probability;
use crate::statistics::probability::{brier, ece_equal_mass, log_loss, reliability};
use crate::statistics::ranking::{Ranked, average_precision, curve, max_precision_at_recall};

/// Bins of the calibration error and of reliability diagrams, equally many tiles each.
pub(super) const CALIBRATION_BINS: usize = 15;

/// What was measured of the scores of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// The group, or `all`.
    pub group: String,
    /// Average precision at the stated prevalence: negatives weigh as if positives were as frequent as that.
    pub average_precision: Estimate,
    /// Average precision of the tiles as they are.
    pub average_precision_as_is: Option<f64>,
    /// Area under the ROC curve.
    pub auroc: Estimate,
    /// Mean squared distance of score and label.
    pub brier: Option<f64>,
    /// Mean log loss in nats.
    pub log_loss: Option<f64>,
    /// Expected calibration error over bins of equally many tiles.
    pub ece: Option<f64>,
    /// Highest precision (of the tiles as they are) among thresholds that catch the target share.
    pub precision_at_target_recall: Option<f64>,
    /// Mean score, share of positives, its interval and tiles of each bin.
    pub reliability: Vec<ReliabilityBin>,
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Mean score.
    pub mean_score: f64,
    /// Share of positives.
    pub share_positive: f64,
    /// Its interval at 95 %.
    pub interval: [f64; 2],
    /// Tiles.
    pub n: usize,
}

/// Scores of one group, or of all, sorted for many weighings.
pub(super) struct Population {
    pub(super) name: String,
    pub(super) scores: Vec<f32>,
    pub(super) positives: Vec<bool>,
    pub(super) clusters: Vec<u32>,
    pub(super) ranked: Ranked,
}

/// Every group, and all at the end.
pub(super) fn populations(cases: &Cases, scores: &[f64]) -> Vec<Population> {
    let all = 0..cases.positive.len();
    let population = |name: &str, rows: &[usize]| {
        let scores: Vec<f32> = rows.iter().map(|&row| scores[row] as f32).collect();
        let positives: Vec<bool> = rows.iter().map(|&row| cases.positive[row]).collect();
        let clusters: Vec<u32> = rows.iter().map(|&row| cases.cluster[row]).collect();
        let ranked = Ranked::new(&scores, &positives, &clusters);
        Population { name: name.to_owned(), scores, positives, clusters, ranked }
    };
    let mut populations: Vec<Population> = Vec::with_capacity(cases.groups.len() + 1);
    for (index, name) in cases.groups.iter().enumerate() {
        let rows: Vec<usize> = all.clone().filter(|&row| cases.group[row] as usize == index).collect();
        populations.push(population(name, &rows));
    }
    populations.push(population(ALL, &all.collect::<Vec<_>>()));
    populations
}

impl Population {
    /// What a negative must weigh for positives to have the prevalence.
    pub(super) fn negatives_factor(positives: f64, negatives: f64, prevalence: f64) -> f64 {
        positives * (1.0 - prevalence) / (prevalence * negatives)
    }

    /// Scores count as probabilities as they are, or by what turns them into those.
    pub(super) fn quality(&self, probability: Option<&Probability>, settings: &Settings) -> Quality {
        let positives = self.positives.iter().filter(|positive| **positive).count() as f64;
        let negatives = self.positives.len() as f64 - positives;
        let factor = Self::negatives_factor(positives, negatives, settings.prevalence);
        let areas = self.ranked.areas(&vec![1; self.ranked.n_clusters()], factor);
        let honest = |score: f64| probability.map_or(score, |probability| probability.of(score));
        let scores: Vec<f64> = self.scores.iter().map(|score| honest(f64::from(*score))).collect();
        let curve = curve(&self.scores, &self.positives);
        let bins = reliability(&scores, &self.positives, CALIBRATION_BINS);
        let bin = |bin: crate::statistics::probability::Bin| ReliabilityBin {
            mean_score: bin.mean_score,
            share_positive: bin.share_positive,
            interval: bin.interval,
            n: bin.n,
        };
        Quality {
            group: self.name.clone(),
            average_precision: Estimate {
                estimate: areas.average_precision.filter(|_| negatives > 0.0),
                interval: None,
            },
            average_precision_as_is: average_precision(&self.scores, &self.positives),
            auroc: Estimate { estimate: areas.auroc, interval: None },
            brier: brier(&scores, &self.positives),
            log_loss: log_loss(&scores, &self.positives),
            ece: ece_equal_mass(&scores, &self.positives, CALIBRATION_BINS),
            precision_at_target_recall: max_precision_at_recall(&curve, settings.target_recall)
                .map(|found| found.precision),
            reliability: bins.into_iter().map(bin).collect(),
        }
    }
}
