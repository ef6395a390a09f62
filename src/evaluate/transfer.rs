//! What the thresholds of one group do on the tiles of another: why each needs its own.

use serde::Serialize;

use super::Contestant;
use super::cases::Cases;
use super::operating::{Counts, Share, is_alert};

/// One group's threshold on another group's tiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transfer {
    /// The group the threshold is of.
    pub threshold_of: String,
    /// The group whose tiles it was used on.
    pub tiles_of: String,
    /// Share of the positives that alert.
    pub recall: Share,
    /// Share of the negatives that alert.
    pub false_alarms: Share,
}

/// Every group's threshold on every group's tiles; empty where all groups have the same threshold.
pub(super) fn transfer(cases: &Cases, model: &Contestant) -> Vec<Transfer> {
    let thresholds: Vec<(&String, f64)> =
        cases.groups.iter().filter_map(|group| Some((group, model.profile.group(group)?.threshold))).collect();
    if thresholds.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        return Vec::new();
    }
    let mut cells = Vec::new();
    for (threshold_of, threshold) in thresholds {
        let mut counts = vec![Counts::default(); cases.groups.len()];
        for ((score, &positive), &group) in model.scores.iter().zip(&cases.positive).zip(&cases.group) {
            counts[group as usize].add(positive, is_alert(*score, threshold), 1);
        }
        cells.extend(cases.groups.iter().zip(counts).map(|(tiles_of, counts)| Transfer {
            threshold_of: threshold_of.clone(),
            tiles_of: tiles_of.clone(),
            recall: Share::of(counts.caught as usize, counts.positives as usize),
            false_alarms: Share::of(counts.alarms as usize, counts.negatives as usize),
        }));
    }
    cells
}
