//! Incumbent and candidate side by side: each model at one threshold for all groups and at thresholds per group, so
//! that what the model gains is not mistaken for what the thresholds do.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::{distribution, quantile};
use super::interval::clopper_pearson;
use super::outcome::Outcome;
use super::report::{CONFIDENCE, NEGATIVES_PER_POSITIVE, outcomes_by_class, ranking};
use super::scored::{self, Scored};
use crate::decide::{SEASON_SKY_GROUPS, group_name};
use crate::{Error, Result};

/// Recall that the candidate must reach in every group.
pub const RECALL_TARGET: f64 = 0.8;
/// How far the candidate's pooled precision may lie under the incumbent's.
pub const PRECISION_MARGIN: f64 = 0.05;
/// Pooled precision that the candidate must reach.
pub const PRECISION_TARGET: f64 = 0.6;
/// Recall that the incumbent must fail to exceed in its worst group for the benchmark to show the failure.
pub const FAILURE_RECALL: f64 = 0.65;
/// The name of all groups together.
const ALL: &str = "all";
/// Seed of the bootstrap.
const SEED: u64 = 1;

/// A model with its scores of the tiles that measure.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// Thresholds by group, all the same: by a budget of alerts on pooled calibration scores.
    pub one_threshold: BTreeMap<String, f64>,
    /// Thresholds by group for the target recall.
    pub per_group: BTreeMap<String, f64>,
    /// Labelled scores of the tiles that measure.
    pub scores: Vec<Scored>,
}

/// The whole comparison; [`Comparison::to_markdown`] tells it in words, its serialisation in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Incumbent and candidate.
    pub models: [Measured; 2],
    /// Pooled precision at 1:10 of the candidate at thresholds per group, less the incumbent's at its one threshold.
    pub precision_difference: Difference,
    /// What was aimed at, and whether it was met.
    pub target: Target,
}

/// What was measured of one model.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Average precision by group and of `all`.
    pub average_precision: BTreeMap<String, f64>,
    /// At one threshold for all groups.
    pub one_threshold: AtThresholds,
    /// At thresholds per group.
    pub per_group: AtThresholds,
}

/// What was measured at one choice of thresholds.
#[derive(Debug, Clone, Serialize)]
pub struct AtThresholds {
    /// By group.
    pub groups: BTreeMap<String, AtThreshold>,
    /// All groups together.
    pub all: AtThreshold,
    /// The group with the lowest recall.
    pub worst_group: String,
    /// Negatives and false alarms by class in the source data.
    pub false_alarms: BTreeMap<String, Outcome>,
}

/// What was measured of one group.
#[derive(Debug, Clone, Serialize)]
pub struct AtThreshold {
    /// The threshold; none of all groups together.
    pub threshold: Option<f64>,
    /// The counts.
    pub outcome: Outcome,
    /// Share of the positives that was caught.
    pub recall: f64,
    /// Its interval at 95 %, Clopper and Pearson's.
    pub recall_interval: [f64; 2],
    /// Precision where there are ten negatives for every positive.
    pub precision: f64,
}

/// A difference with its bootstrap over places.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// As measured.
    pub estimate: f64,
    /// 2.5 % and 97.5 % of the resamples.
    pub interval: [f64; 2],
    /// 5 % of the resamples: what it exceeds with 95 %.
    pub lower_bound: f64,
    /// Places.
    pub places: usize,
}

/// The target, each part met or not.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// Groups in which the candidate's recall stays under [`RECALL_TARGET`].
    pub groups_missed: Vec<String>,
    /// Pooled precision not more than [`PRECISION_MARGIN`] under the incumbent's.
    pub precision_held: bool,
    /// Pooled precision at least [`PRECISION_TARGET`].
    pub precision_reached: bool,
    /// The incumbent's recall in its worst group is at most [`FAILURE_RECALL`].
    pub incumbent_fails: bool,
}

/// Compares two models that scored the same tiles.
///
/// # Errors
/// [`crate::Kind::Usage`] where their tiles differ, or a group has no positives or no negatives.
pub fn compare(incumbent: &Contestant, candidate: &Contestant) -> Result<Comparison> {
    scored::check_same_tiles(&incumbent.scores, &candidate.scores)?;
    let models = [measure(incumbent)?, measure(candidate)?];
    let precision_difference = difference(incumbent, candidate);
    let [before, after] = [&models[0].one_threshold, &models[1].per_group];
    let missed = |(name, group): (&String, &AtThreshold)| (group.recall < RECALL_TARGET).then(|| name.clone());
    let target = Target {
        groups_missed: after.groups.iter().filter_map(missed).collect(),
        precision_held: precision_difference.estimate >= -PRECISION_MARGIN,
        precision_reached: after.all.precision >= PRECISION_TARGET,
        incumbent_fails: before.groups[&before.worst_group].recall <= FAILURE_RECALL,
    };
    Ok(Comparison { models, precision_difference, target })
}

fn measure(model: &Contestant) -> Result<Measured> {
    let mut average_precision = BTreeMap::from([(ALL.to_owned(), ranking(&model.scores.iter().collect::<Vec<_>>()))]);
    for (season, sky) in SEASON_SKY_GROUPS {
        let group = group_name(season, sky);
        let of: Vec<&Scored> = model.scores.iter().filter(|row| row.group() == group).collect();
        let positives = of.iter().filter(|row| row.label == 1).count();
        if positives == 0 || positives == of.len() {
            return Err(Error::usage(format!(
                "{group}: {positives} of {} tiles are positives; both are needed",
                of.len()
            )));
        }
        average_precision.insert(group, ranking(&of));
    }
    Ok(Measured {
        name: model.name.clone(),
        average_precision,
        one_threshold: at_thresholds(&model.scores, &model.one_threshold),
        per_group: at_thresholds(&model.scores, &model.per_group),
    })
}

fn at_thresholds(rows: &[Scored], thresholds: &BTreeMap<String, f64>) -> AtThresholds {
    let at = |threshold: Option<f64>, outcome: Outcome| AtThreshold {
        threshold,
        outcome,
        recall: outcome.recall(),
        recall_interval: clopper_pearson(outcome.caught, outcome.positives, CONFIDENCE),
        precision: outcome.precision(NEGATIVES_PER_POSITIVE),
    };
    let group = |(name, threshold): (&String, &f64)| {
        let of = rows.iter().filter(|row| row.group() == *name);
        (name.clone(), at(Some(*threshold), Outcome::of(of, thresholds)))
    };
    let groups: BTreeMap<String, AtThreshold> = thresholds.iter().map(group).collect();
    let worst = groups.iter().min_by(|a, b| a.1.recall.total_cmp(&b.1.recall));
    AtThresholds {
        worst_group: worst.map(|(name, _)| name.clone()).unwrap_or_default(),
        all: at(None, Outcome::of(rows, thresholds)),
        false_alarms: outcomes_by_class(rows, thresholds),
        groups,
    }
}

/// Places are drawn with replacement, all of a place's tiles at once and the same for both models.
fn difference(incumbent: &Contestant, candidate: &Contestant) -> Difference {
    let mut places: BTreeMap<&str, [Outcome; 2]> = BTreeMap::new();
    let contestants = [(incumbent, &incumbent.one_threshold), (candidate, &candidate.per_group)];
    for (index, (model, thresholds)) in contestants.into_iter().enumerate() {
        for row in &model.scores {
            places.entry(&row.site).or_default()[index] += Outcome::of([row], thresholds);
        }
    }
    let places: Vec<[Outcome; 2]> = places.into_values().collect();
    let of = |drawn: &[usize]| {
        let mut sum = [Outcome::default(); 2];
        drawn.iter().for_each(|&place| (0..2).for_each(|model| sum[model] += places[place][model]));
        let [before, after] = sum.map(|outcome| outcome.precision(NEGATIVES_PER_POSITIVE));
        after - before
    };
    let resampled = distribution(places.len(), SEED, of);
    let miss = (1.0 - CONFIDENCE) / 2.0;
    Difference {
        estimate: of(&(0..places.len()).collect::<Vec<_>>()),
        interval: [quantile(&resampled, miss), quantile(&resampled, 1.0 - miss)],
        lower_bound: quantile(&resampled, 1.0 - CONFIDENCE),
        places: places.len(),
    }
}

#[cfg(test)]
mod tests;
