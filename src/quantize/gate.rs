//! The gate: what a model in another precision may lose, in all and by group, at thresholds of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sample::{Counted, unseen_loss};
use crate::evaluate::ALL;
use crate::labelled::{LabelledRow, MapOutcome};
use crate::model::manifest::Precision;
use crate::page::{Cell, Column, Table, Tone};
use crate::statistics::rank_correlation::spearman;
use crate::statistics::ranking::average_precision;
use crate::{Error, Result};

/// What may be lost. Shares of 1; a loss is fp32's figure less the other's. A single tile may be lost in any case: less
/// than one cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Budget {
    /// Of recall (accuracy, mean intersection over union) over all tiles.
    pub recall_all: f64,
    /// Of recall (accuracy, mean intersection over union) in any group.
    pub recall_group: f64,
    /// Of precision in any group.
    pub precision_group: f64,
    /// Of average precision in any group.
    pub average_precision_group: f64,
    /// Least share of tiles that both decide alike.
    pub agreement: f64,
    /// Largest absolute difference of a logit; none: not limited.
    pub logit_difference: Option<f64>,
}

impl Budget {
    /// The budget of a precision.
    pub fn of(precision: Precision) -> Self {
        let coarse = Self {
            recall_all: 0.003,
            recall_group: 0.01,
            precision_group: 0.01,
            average_precision_group: 0.005,
            agreement: 0.995,
            logit_difference: None,
        };
        match precision {
            Precision::Fp16 => Self { agreement: 0.9995, logit_difference: Some(0.02), ..coarse },
            _ => coarse,
        }
    }
}

/// What one model says of the tiles of a task with two classes.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Of each tile, in the order of the rows.
    pub scores: Vec<f64>,
    /// Its threshold of each group.
    pub thresholds: BTreeMap<String, f64>,
}

/// Figures of one group: fp32's and the other's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupLoss {
    /// Its name, or `all`.
    pub group: String,
    /// Tiles.
    pub n: usize,
    /// In the order of [`Gate::metrics`].
    pub figures: Vec<[Option<f64>; 2]>,
    /// What one tile is worth in each of them; 0 where tiles are not counted.
    pub one_tile: Vec<f64>,
}

/// Both models side by side, and what was lost beyond the budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// The other's precision.
    pub precision: Precision,
    /// What was allowed.
    pub budget: Budget,
    /// The names of the figures.
    pub metrics: Vec<&'static str>,
    /// All together, then the groups.
    pub groups: Vec<GroupLoss>,
    /// Share of tiles that both decide alike.
    pub agreement: Option<f64>,
    /// Largest absolute difference of a logit; none where there is no logit to compare.
    pub logit_difference: Option<f64>,
    /// Spearman's correlation of the ranks of scores; none where there are none.
    pub rank_correlation: Option<f64>,
    /// Recall of the other at fp32's thresholds, in the order of `groups`: why it has its own.
    pub recall_at_old_thresholds: Vec<Option<f64>>,
    /// The loss that these tiles are too few to see, in words.
    pub unseen: Option<String>,
    /// What was lost beyond the budget; empty where the gate is passed.
    pub refusals: Vec<String>,
}

const DECISIONS: [&str; 3] = ["recall", "precision", "average precision"];

impl Gate {
    /// Of a task with two classes, every tile at its group's threshold.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where a group has no threshold, or too few positives or negatives.
    pub fn decisions(precision: Precision, rows: &[LabelledRow], before: &Scored, after: &Scored) -> Result<Self> {
        let [old, new] = [alerts(rows, before, before)?, alerts(rows, after, after)?];
        let crossed = alerts(rows, after, before)?;
        let mut gate = Self::empty(precision, &DECISIONS, rows, Counted::Positives)?;
        for (group, members) in groups(rows) {
            let recall = |alerts: &[bool]| share(&members, alerts, |row| rows[row].is_positive());
            let precision = |alerts: &[bool]| {
                share(&members, &rows.iter().map(LabelledRow::is_positive).collect::<Vec<_>>(), |row| alerts[row])
            };
            let ranked = |scores: &[f64]| {
                let scores: Vec<f32> = members.iter().map(|row| scores[*row] as f32).collect();
                let positives: Vec<bool> = members.iter().map(|row| rows[*row].is_positive()).collect();
                average_precision(&scores, &positives)
            };
            let figures = vec![
                [recall(&old), recall(&new)],
                [precision(&old), precision(&new)],
                [ranked(&before.scores), ranked(&after.scores)],
            ];
            let n_positives = members.iter().filter(|row| rows[**row].is_positive()).count();
            let n_alerts = members.iter().filter(|row| old[**row]).count();
            let one_tile = vec![one_of(n_positives), one_of(n_alerts), 0.0];
            gate.recall_at_old_thresholds.push(recall(&crossed));
            gate.groups.push(GroupLoss { group, n: members.len(), figures, one_tile });
        }
        gate.agreement = Some(alike(&old, &new));
        gate.logit_difference = Some(logit_difference(&before.scores, &after.scores));
        let narrow = |scores: &[f64]| scores.iter().map(|score| *score as f32).collect::<Vec<f32>>();
        gate.rank_correlation = spearman(&narrow(&before.scores), &narrow(&after.scores));
        let Budget { recall_all, recall_group, precision_group, average_precision_group, .. } = gate.budget;
        Ok(gate.judged(&[
            (recall_all, recall_group),
            (f64::INFINITY, precision_group),
            (f64::INFINITY, average_precision_group),
        ]))
    }

    /// Of a task with several classes, by the class decided on.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where a group has too few tiles.
    pub fn classes(
        precision: Precision,
        rows: &[LabelledRow],
        before: &[Option<u16>],
        after: &[Option<u16>],
    ) -> Result<Self> {
        let right = |given: &[Option<u16>]| -> Vec<bool> {
            rows.iter().zip(given).map(|(row, given)| *given == Some(row.label)).collect()
        };
        let [old, new] = [right(before), right(after)];
        let mut gate = Self::empty(precision, &["accuracy"], rows, Counted::Tiles)?;
        for (group, members) in groups(rows) {
            let figures = vec![[share(&members, &old, |_| true), share(&members, &new, |_| true)]];
            let one_tile = vec![one_of(members.len())];
            gate.groups.push(GroupLoss { group, n: members.len(), figures, one_tile });
        }
        gate.agreement = Some(alike(before, after));
        let Budget { recall_all, recall_group, .. } = gate.budget;
        Ok(gate.judged(&[(recall_all, recall_group)]))
    }

    /// Of a segmentation task with `n_classes`, by pixels.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where a group has too few tiles.
    pub fn maps(
        precision: Precision,
        rows: &[LabelledRow],
        n_classes: usize,
        before: &[MapOutcome],
        after: &[MapOutcome],
    ) -> Result<Self> {
        let mut gate = Self::empty(precision, &["mean IoU"], rows, Counted::Tiles)?;
        for (group, members) in groups(rows) {
            let iou =
                |outcomes: &[MapOutcome]| mean_iou(members.iter().filter_map(|row| outcomes.get(*row)), n_classes);
            let figures = vec![[iou(before), iou(after)]];
            gate.groups.push(GroupLoss { group, n: members.len(), figures, one_tile: vec![0.0] });
        }
        let Budget { recall_all, recall_group, .. } = gate.budget;
        Ok(gate.judged(&[(recall_all, recall_group)]))
    }

    fn empty(precision: Precision, metrics: &[&'static str], rows: &[LabelledRow], counted: Counted) -> Result<Self> {
        let budget = Budget::of(precision);
        Ok(Self {
            precision,
            budget,
            unseen: unseen_loss(counted, &budget, rows, &[])?,
            metrics: metrics.to_vec(),
            groups: Vec::new(),
            agreement: None,
            logit_difference: None,
            rank_correlation: None,
            recall_at_old_thresholds: Vec::new(),
            refusals: Vec::new(),
        })
    }

    /// With what goes beyond the budget: of each metric, what all tiles and what any group may lose.
    fn judged(mut self, losses_max: &[(f64, f64)]) -> Self {
        for GroupLoss { group, figures, one_tile, .. } in &self.groups {
            let of_metrics = self.metrics.iter().zip(figures).zip(one_tile).zip(losses_max);
            for (((metric, [before, after]), one_tile), (of_all, of_group)) in of_metrics {
                let most = if group == ALL { of_all.min(*of_group) } else { *of_group }.max(*one_tile);
                let loss = before.zip(*after).map(|(before, after)| before - after);
                // A figure that is undefined in one of the two is a loss of its own.
                let is_within = if before.is_none() { true } else { loss.is_some_and(|loss| loss <= most + 1e-12) };
                if !is_within {
                    let loss = loss.map_or("undefined".to_owned(), |loss| format!("{:.2} points lower", 100.0 * loss));
                    self.refusals.push(format!("{group}: {metric} is {loss}, {:.1} are allowed", 100.0 * most));
                }
            }
        }
        let one_otherwise = 1.0 - self.groups.first().map_or(0.0, |all| one_of(all.n));
        let least = self.budget.agreement.min(one_otherwise);
        if let Some(agreement) = self.agreement.filter(|agreement| *agreement < least - 1e-12) {
            let (agreement, least) = (100.0 * agreement, 100.0 * self.budget.agreement);
            self.refusals.push(format!("{agreement:.2} % of the tiles are decided alike, {least} % are demanded"));
        }
        if let Some((found, most)) = self.logit_difference.zip(self.budget.logit_difference).filter(|(a, b)| a > b) {
            self.refusals.push(format!("a logit differs by {found:.4}, {most} is allowed"));
        }
        self
    }

    /// Whether nothing was lost beyond the budget.
    pub fn is_passed(&self) -> bool {
        self.refusals.is_empty()
    }

    /// The groups as rows, every figure of both models side by side.
    pub fn table(&self) -> Table {
        let name = self.precision.as_str();
        let heads = self.metrics.iter().flat_map(|metric| [format!("{metric}, fp32"), format!("{metric}, {name}")]);
        let mut columns = vec![Column::text("group"), Column::number("tiles")];
        columns.extend(heads.map(Column::number));
        if !self.recall_at_old_thresholds.is_empty() {
            columns.push(Column::number(format!("recall, {name} at fp32's thresholds")));
        }
        let figure = |value: Option<f64>| Cell::from(value.map_or("–".to_owned(), |value| format!("{value:.4}")));
        let row = |(index, of): (usize, &GroupLoss)| {
            let mut cells = vec![Cell::from(of.group.as_str()), Cell::from(of.n.to_string())];
            for [before, after] in &of.figures {
                let is_lower = before.zip(*after).is_some_and(|(before, after)| after < before);
                let tone = if is_lower { Tone::Warning } else { Tone::Neutral };
                cells.extend([figure(*before), Cell { tone, ..figure(*after) }]);
            }
            cells.extend(self.recall_at_old_thresholds.get(index).map(|recall| figure(*recall)));
            cells
        };
        let alike = self.agreement.map_or(String::new(), |share| format!(" {:.2} % are decided alike.", 100.0 * share));
        Table {
            caption: format!("fp32 and {name}, each at thresholds of its own.{alike}"),
            columns,
            rows: self.groups.iter().enumerate().map(row).collect(),
        }
    }
}

/// All rows, then those of each group.
pub(super) fn groups(rows: &[LabelledRow]) -> Vec<(String, Vec<usize>)> {
    let mut of_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| !row.group.is_empty()) {
        of_group.entry(&row.group).or_default().push(index);
    }
    let all = (ALL.to_owned(), (0..rows.len()).collect());
    std::iter::once(all).chain(of_group.into_iter().map(|(name, members)| (name.to_owned(), members))).collect()
}

/// Whether each tile alerts: `scores` of one model at the thresholds of another.
fn alerts(rows: &[LabelledRow], scores: &Scored, thresholds: &Scored) -> Result<Vec<bool>> {
    let alert = |(row, score): (&LabelledRow, &f64)| match thresholds.thresholds.get(&*row.group) {
        Some(threshold) => Ok(score >= threshold),
        None => Err(Error::usage(format!("{}: group {:?} has no threshold of its own", row.tile, row.group))),
    };
    rows.iter().zip(&scores.scores).map(alert).collect()
}

/// Share of `hit` among the members that `counts` chooses.
fn share(members: &[usize], hit: &[bool], counts: impl Fn(usize) -> bool) -> Option<f64> {
    let counted: Vec<usize> = members.iter().copied().filter(|row| counts(*row)).collect();
    let hits = counted.iter().filter(|row| hit[**row]).count();
    (!counted.is_empty()).then(|| hits as f64 / counted.len() as f64)
}

fn alike<T: PartialEq>(before: &[T], after: &[T]) -> f64 {
    before.iter().zip(after).filter(|(before, after)| before == after).count() as f64 / before.len().max(1) as f64
}

fn one_of(n: usize) -> f64 {
    1.0 / n.max(1) as f64
}

/// The largest absolute difference of log-odds, of scores that still have any.
fn logit_difference(before: &[f64], after: &[f64]) -> f64 {
    // Beyond it a score in 32 bits has lost its last digits to the 1.
    const LOGIT_MAX: f64 = 10.0;
    let logit = |score: f64| (score / (1.0 - score)).ln();
    let pairs = before.iter().zip(after).map(|(before, after)| (logit(*before), logit(*after)));
    let within = pairs.filter(|(before, _)| before.abs() < LOGIT_MAX);
    within.map(|(before, after)| (before - after).abs()).fold(0.0, f64::max)
}

/// Mean over the classes that occur of intersection over union, of all members' pixels together.
fn mean_iou<'a>(outcomes: impl Iterator<Item = &'a MapOutcome>, n_classes: usize) -> Option<f64> {
    let mut confusion = vec![0u64; n_classes * n_classes];
    for outcome in outcomes {
        confusion.iter_mut().zip(&outcome.confusion).for_each(|(sum, count)| *sum += count);
    }
    let at = |of: usize, to: usize| confusion[of * n_classes + to];
    let class = |class: usize| {
        let labelled: u64 = (0..n_classes).map(|to| at(class, to)).sum();
        let given: u64 = (0..n_classes).map(|of| at(of, class)).sum();
        let union = labelled + given - at(class, class);
        (union > 0).then(|| at(class, class) as f64 / union as f64)
    };
    let defined: Vec<f64> = (0..n_classes).filter_map(class).collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

#[cfg(test)]
mod tests;
