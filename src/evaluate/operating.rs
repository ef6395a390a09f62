//! What thresholds come to: recall, false alarms, precision and alerts, per group and of all together.

use serde::Serialize;

use super::cases::Cases;
use super::{ALL, CONFIDENCE, Estimate, Settings, Thresholds};
use crate::decide::{Decision, threshold_rule};
use crate::statistics::interval::{clopper_pearson, lower_bound};
use crate::{Error, Result};

/// Hits among trials, with the interval of Clopper and Pearson (1934).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Hits.
    pub hits: usize,
    /// Trials.
    pub n: usize,
    /// Their ratio; none without a trial.
    pub estimate: Option<f64>,
    /// Two-sided interval at 95 %.
    pub interval: [f64; 2],
    /// One-sided lower bound at 95 %.
    pub lower: f64,
}

impl Share {
    pub(super) fn of(hits: usize, n: usize) -> Self {
        Self {
            hits,
            n,
            estimate: (n > 0).then(|| hits as f64 / n as f64),
            interval: clopper_pearson(hits, n, CONFIDENCE),
            lower: lower_bound(hits, n, CONFIDENCE),
        }
    }
}

/// Alerts and tiles by label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) caught: u64,
    pub(super) positives: u64,
    pub(super) alarms: u64,
    pub(super) negatives: u64,
}

impl Counts {
    pub(super) fn add(&mut self, positive: bool, alert: bool, times: u64) {
        let (alerts, all) = match positive {
            true => (&mut self.caught, &mut self.positives),
            false => (&mut self.alarms, &mut self.negatives),
        };
        *alerts += times * u64::from(alert);
        *all += times;
    }

    /// Adds positives caught and all, negatives that alarm and all, so many times.
    pub(super) fn add_weighted(&mut self, [caught, positives, alarms, negatives]: &[u32; 4], weight: u32) {
        let times = |count: &u32| u64::from(*count) * u64::from(weight);
        self.caught += times(caught);
        self.positives += times(positives);
        self.alarms += times(alarms);
        self.negatives += times(negatives);
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            caught: self.caught + other.caught,
            positives: self.positives + other.positives,
            alarms: self.alarms + other.alarms,
            negatives: self.negatives + other.negatives,
        }
    }

    /// Precision at a prevalence; none without an alert, or without tiles of one label.
    pub(super) fn precision(&self, prevalence: f64) -> Option<f64> {
        let (caught, alarms) = self.alert_rates(prevalence)?;
        (caught + alarms > 0.0).then(|| caught / (caught + alarms))
    }

    /// Harmonic mean of recall and precision at a prevalence, 2 TP / (2 TP + FP + FN); none without tiles of one label.
    pub(super) fn f1(&self, prevalence: f64) -> Option<f64> {
        let (caught, alarms) = self.alert_rates(prevalence)?;
        Some(2.0 * caught / (caught + alarms + prevalence))
    }

    /// Alerts on positives and on negatives, of one tile at a prevalence.
    fn alert_rates(&self, prevalence: f64) -> Option<(f64, f64)> {
        if self.positives == 0 || self.negatives == 0 {
            return None;
        }
        let recall = self.caught as f64 / self.positives as f64;
        let alarm_rate = self.alarms as f64 / self.negatives as f64;
        Some((prevalence * recall, (1.0 - prevalence) * alarm_rate))
    }
}

/// What was measured of one group at its threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtThreshold {
    /// The group, or `all`.
    pub group: String,
    /// Its threshold; none of all together.
    pub threshold: Option<f64>,
    /// Share of the positives that alert.
    pub recall: Share,
    /// Share of the negatives that alert.
    pub false_alarms: Share,
    /// Share of the alerts that are positives, at the stated prevalence. None without an alert.
    pub precision: Estimate,
    /// Harmonic mean of recall and precision, at the stated prevalence.
    pub f1: Estimate,
    /// Precision at other prevalences.
    pub operational: Vec<AtPrevalence>,
    /// Alerts per 1,000 tiles at the stated prevalence; like all below none without tiles of both labels.
    pub alerts_per_1000: Option<f64>,
    /// Share of right decisions at the stated prevalence.
    pub accuracy: Option<f64>,
    /// Mean of recall and the share of negatives that stay silent.
    pub balanced_accuracy: Option<f64>,
}

/// Precision where positives are rarer or more frequent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtPrevalence {
    /// Share of positives among tiles.
    pub prevalence: f64,
    /// Precision there; none without an alert.
    pub precision: Option<f64>,
    /// Alerts per 1,000 tiles; none without tiles of both labels.
    pub alerts_per_1000: Option<f64>,
}

/// One choice of thresholds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operating {
    /// `own`, `one` or `per-group`
    pub thresholds: &'static str,
    /// The groups, in the usual order.
    pub groups: Vec<AtThreshold>,
    /// All groups together.
    pub all: AtThreshold,
    /// The group with the lowest recall, of those with positives.
    pub worst_group: String,
}

/// Whether each tile alerts at the threshold of its group.
///
/// # Errors
/// [`crate::Kind::Refused`] where a group has none.
pub(super) fn alerts(cases: &Cases, scores: &[f64], thresholds: &Thresholds, model: &str) -> Result<Vec<bool>> {
    let of_group = |name: &String| {
        thresholds.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = thresholds.keys().map(String::as_str).collect();
            Error::refused(format!("{model}: its profile has no group {name:?}; it has {}", known.join(", ")))
        })
    };
    let of_groups: Vec<f64> = cases.groups.iter().map(of_group).collect::<Result<_>>()?;
    Ok(scores.iter().zip(&cases.group).map(|(score, &group)| is_alert(*score, of_groups[group as usize])).collect())
}

/// The rule of a run, which compares in 32 bits.
pub(super) fn is_alert(score: f64, threshold: f64) -> bool {
    threshold_rule(score as f32, threshold as f32) == Decision::Positive
}

/// Counts of every group, and of all at the end.
pub(super) fn counts(cases: &Cases, alerts: &[bool]) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); cases.groups.len() + 1];
    for ((&alert, &positive), &group) in alerts.iter().zip(&cases.positive).zip(&cases.group) {
        counts[group as usize].add(positive, alert, 1);
        counts[cases.groups.len()].add(positive, alert, 1);
    }
    counts
}

/// What one choice of thresholds comes to; `counts` as of [`counts`].
pub(super) fn operating(
    which: &'static str,
    cases: &Cases,
    counts: &[Counts],
    thresholds: &Thresholds,
    settings: &Settings,
) -> Operating {
    let of_group =
        |(name, counts): (&String, &Counts)| at_threshold(name, thresholds.get(name).copied(), counts, settings);
    let groups: Vec<AtThreshold> = cases.groups.iter().zip(counts).map(of_group).collect();
    let recalls = groups.iter().filter_map(|at| Some((at.recall.estimate?, &at.group)));
    let worst = recalls.min_by(|a, b| a.0.total_cmp(&b.0));
    Operating {
        thresholds: which,
        worst_group: worst.map(|(_, group)| group.clone()).unwrap_or_default(),
        all: at_threshold(ALL, None, &counts[cases.groups.len()], settings),
        groups,
    }
}

fn at_threshold(name: &str, threshold: Option<f64>, counts: &Counts, settings: &Settings) -> AtThreshold {
    let alerts = |prevalence: f64| counts.alert_rates(prevalence).map(|(caught, alarms)| 1000.0 * (caught + alarms));
    let share = |hits: u64, n: u64| Share::of(hits as usize, n as usize);
    let (recall, false_alarms) = (share(counts.caught, counts.positives), share(counts.alarms, counts.negatives));
    let right = recall.estimate.zip(false_alarms.estimate.map(|alarms| 1.0 - alarms));
    let at = |&prevalence: &f64| AtPrevalence {
        prevalence,
        precision: counts.precision(prevalence),
        alerts_per_1000: alerts(prevalence),
    };
    AtThreshold {
        group: name.to_owned(),
        threshold,
        recall,
        false_alarms,
        precision: Estimate { estimate: counts.precision(settings.prevalence), interval: None },
        f1: Estimate { estimate: counts.f1(settings.prevalence), interval: None },
        operational: settings.operational.iter().map(at).collect(),
        alerts_per_1000: alerts(settings.prevalence),
        accuracy: right.map(|(recall, silent)| settings.prevalence * recall + (1.0 - settings.prevalence) * silent),
        balanced_accuracy: right.map(|(recall, silent)| (recall + silent) / 2.0),
    }
}
