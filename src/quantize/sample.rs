//! What a set of labelled tiles can tell: how many a group must have to be judged, and the loss that it cannot see.

use super::gate::{Budget, groups};
use crate::evaluate::ALL;
use crate::labelled::LabelledRow;
use crate::limits::{GATE_LABELLED_MIN, GATE_TILES_MIN};
use crate::statistics::interval::upper_bound;
use crate::{Error, Result};

/// Confidence of the loss that is not seen.
const CONFIDENCE: f64 = 0.95;

/// What figures are shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Positives; precision needs negatives as well.
    Positives,
    /// Tiles of several classes, or with maps of labels.
    Tiles,
}

impl Counted {
    /// The plural.
    fn words(self) -> &'static str {
        match self {
            Self::Positives => "positives",
            Self::Tiles => "tiles",
        }
    }
}

/// The loss that `rows` are too few to see: one part for each group in which a single tile is more than `budget` allows;
/// none where every group has tiles enough. `needed` are groups that must be measured whether they have rows or not.
///
/// # Errors
/// [`crate::Kind::Usage`] where a group has fewer than [`GATE_LABELLED_MIN`] positives or negatives, or fewer than
/// [`GATE_TILES_MIN`] tiles, naming it.
pub fn unseen_loss(counted: Counted, budget: &Budget, rows: &[LabelledRow], needed: &[&str]) -> Result<Option<String>> {
    let mut groups = groups(rows);
    let absent = needed.iter().filter(|name| !groups.iter().any(|(group, _)| group == *name));
    let absent: Vec<_> = absent.map(|name| ((*name).to_owned(), Vec::new())).collect();
    groups.extend(absent);
    let mut parts = Vec::new();
    for (group, members) in groups {
        let n = enough(counted, rows, &group, &members)?;
        let most = if group == ALL { budget.recall_all } else { budget.recall_group };
        let one = 1.0 / n as f64;
        if one > most + 1e-12 {
            let unseen = 100.0 * upper_bound(0, n, CONFIDENCE);
            let (one, most) = (100.0 * one, 100.0 * most);
            let words = counted.words();
            parts.push(format!(
                "{group}: one of {n} {words} is {one:.2} points, {most:.1} are allowed; with none lost, {unseen:.1} may be"
            ));
        }
    }
    let text = || format!("too few tiles to see the whole budget (confidence 95 %): {}", parts.join(", "));
    Ok((!parts.is_empty()).then(text))
}

/// The number that figures of this group are shares of.
fn enough(counted: Counted, rows: &[LabelledRow], group: &str, members: &[usize]) -> Result<usize> {
    let n_positives = members.iter().filter(|row| rows[**row].is_positive()).count();
    let n_negatives = members.len() - n_positives;
    match counted {
        Counted::Positives if n_positives.min(n_negatives) < GATE_LABELLED_MIN => Err(Error::usage(format!(
            "group {group}: {n_positives} positives and {n_negatives} negatives to measure on, at least {GATE_LABELLED_MIN} \
             of each are needed; add labelled tiles, or leave the group out of all splits"
        ))),
        Counted::Tiles if members.len() < GATE_TILES_MIN => Err(Error::usage(format!(
            "group {group}: {} tiles to measure on, at least {GATE_TILES_MIN} are needed; add labelled tiles, or leave the \
             group out of all splits",
            members.len()
        ))),
        Counted::Positives => Ok(n_positives),
        Counted::Tiles => Ok(members.len()),
    }
}
