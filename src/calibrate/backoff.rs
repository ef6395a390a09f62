//! Where a group with too few positives takes its threshold from.

use super::binomial::{Choice, Level};
use crate::decide::{SEASON_SKY_GROUPS, group_name};
use crate::statistics::correlation::{design_effect, intraclass, mean_cluster_size};

/// A group with its positives.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Its name; `REGION/winter-cloudy` is a part of `winter-cloudy`.
    pub(super) group: String,
    /// Scores of its positives, ascending, each with the number of its site; one without a site has a number of its own.
    pub(super) positives: Vec<(f64, u32)>,
    /// Scores of its negatives, ascending.
    pub(super) negatives: Vec<f64>,
    /// Different sites among the positives, where all are known.
    pub(super) n_sites: Option<u64>,
}

/// Sites that a correlation is measured from, at least. With nine the promise was measured to hold
/// (calibration/guarantee.md); with four it was broken in 15 of 88 calibrations.
pub(super) const MEASURED_SITES_MIN: usize = 9;

/// How much positives of one site are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Correlation {
    /// So much.
    Given(f64),
    /// As much as is measured.
    Measured,
}

impl Correlation {
    /// Kish's design effect: positives tell as much as so many times fewer independent ones.
    pub(super) fn design_effect(self, positives: &[(f64, u32)]) -> f64 {
        let correlation = match self {
            Self::Given(correlation) => correlation,
            Self::Measured if is_measurable(positives) => measured(positives).unwrap_or(0.0).clamp(0.0, 1.0),
            // Each site counts as one positive.
            Self::Measured => 1.0,
        };
        let sites: Vec<u32> = positives.iter().map(|(_, site)| *site).collect();
        design_effect(mean_cluster_size(&sites).unwrap_or(1.0), correlation)
    }
}

/// Whether there are sites enough to measure a correlation within them; also where every positive has its own, as there is
/// nothing to measure then.
pub(super) fn is_measurable(positives: &[(f64, u32)]) -> bool {
    let sites: std::collections::HashSet<u32> = positives.iter().map(|(_, site)| *site).collect();
    sites.len() == positives.len() || sites.len() >= MEASURED_SITES_MIN
}

/// The intraclass correlation of the log-odds of positives' scores; none where no site has two of them.
pub(super) fn measured(positives: &[(f64, u32)]) -> Option<f64> {
    /// Scores of 0 and 1 are taken for the nearest that `f32` tells from them.
    const HELD: f64 = 1.0 / 33_554_432.0;
    let log_odds = |score: f64| {
        let held = score.clamp(HELD, 1.0 - HELD);
        held.ln() - (-held).ln_1p()
    };
    let values: Vec<f64> = positives.iter().map(|(score, _)| log_odds(*score)).collect();
    let sites: Vec<u32> = positives.iter().map(|(_, site)| *site).collect();
    intraclass(&values, &sites)
}

/// The threshold that `node` inherits and the larger group it is from: the smallest one that contains the node
/// and has enough positives itself, or a feasible member's where that is lower. Needs one feasible choice among
/// `choices` (one per node), which makes the group of all feasible.
pub(super) fn inherit(
    node: &Node,
    nodes: &[Node],
    choices: &[Option<Choice>],
    level: &Level,
    correlation: Correlation,
) -> (f64, String) {
    for parent in parents(&node.group) {
        let members = || nodes.iter().zip(choices).filter(|(other, _)| parent.holds(&other.group));
        let mut pooled: Vec<(f64, u32)> = members().flat_map(|(other, _)| other.positives.iter().copied()).collect();
        pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(own) = level.choose(&pooled, correlation.design_effect(&pooled)) else { continue };
        let thresholds = members().filter_map(|(_, choice)| *choice).map(|choice| choice.threshold);
        return (thresholds.fold(own.threshold, f64::min), parent.name());
    }
    // Not reached with a feasible choice; the threshold that misses nothing if it were.
    (0.0, "all".to_owned())
}

/// A group that holds others.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Parent<'a> {
    /// A season and a sky over all regions.
    Shift(&'a str),
    /// A sky over all seasons and regions.
    Sky(&'static str),
    All,
}

impl Parent<'_> {
    fn holds(&self, group: &str) -> bool {
        match self {
            Self::Shift(shift) => shift_of(group) == *shift,
            Self::Sky(sky) => sky_of(group) == Some(*sky),
            Self::All => true,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Shift(name) => (*name).to_owned(),
            Self::Sky(name) => (*name).to_owned(),
            Self::All => "all".to_owned(),
        }
    }
}

/// From the smallest.
fn parents(group: &str) -> Vec<Parent<'_>> {
    let shift = shift_of(group);
    let region = (shift != group).then_some(Parent::Shift(shift));
    region.into_iter().chain(sky_of(group).map(Parent::Sky)).chain([Parent::All]).collect()
}

/// The name without its region.
fn shift_of(group: &str) -> &str {
    group.rsplit_once('/').map_or(group, |(_, shift)| shift)
}

/// `clear` or `cloudy` for a group of season × sky.
fn sky_of(group: &str) -> Option<&'static str> {
    let shift = shift_of(group);
    SEASON_SKY_GROUPS.iter().find(|&&(season, sky)| group_name(season, sky) == shift).map(|(_, sky)| sky.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(group: &str, positives: &[f64]) -> Node {
        let mut positives: Vec<(f64, u32)> = positives.iter().copied().zip(0..).collect();
        positives.sort_by(|a, b| a.0.total_cmp(&b.0));
        Node { group: group.into(), positives, negatives: Vec::new(), n_sites: None }
    }

    fn inherited(nodes: &[Node], which: usize) -> (f64, String) {
        let level = Level { recall: 0.8, miss: Some(0.1) };
        let choices: Vec<_> = nodes.iter().map(|node| level.choose(&node.positives, 1.0)).collect();
        assert!(choices[which].is_none());
        inherit(&nodes[which], nodes, &choices, &level, Correlation::Given(0.0))
    }

    #[test]
    fn a_small_group_takes_the_lowest_of_its_sky_and_its_feasible_sibling() {
        let high = [0.9; 20];
        let nodes =
            [node("summer-clear", &[0.05; 30]), node("summer-cloudy", &high), node("winter-cloudy", &[0.3, 0.4])];
        // Pooled, the cloudy groups have 22 positives and rank 2: the 0.4 of the small group itself.
        assert_eq!(inherited(&nodes, 2), (0.4, "cloudy".into()));
        let nodes = [node("summer-cloudy", &[0.2; 20]), node("winter-cloudy", &[0.9; 8])];
        assert_eq!(inherited(&nodes, 1), (0.2, "cloudy".into()));
    }

    #[test]
    fn without_enough_of_its_sky_it_takes_the_lowest_of_all() {
        let nodes = [node("summer-clear", &[0.5; 20]), node("winter-clear", &[0.1; 11]), node("winter-cloudy", &[0.9])];
        assert_eq!(inherited(&nodes, 2), (0.1, "all".into()));
    }

    #[test]
    fn a_small_region_takes_the_threshold_of_its_season_and_sky_over_all_regions() {
        let nodes = [
            node("delta/winter-cloudy", &[0.6; 20]),
            node("fjord/winter-cloudy", &[0.7; 3]),
            node("fjord/summer-cloudy", &[0.1; 20]),
        ];
        assert_eq!(inherited(&nodes, 1), (0.6, "winter-cloudy".into()));
    }

    #[test]
    fn groups_of_other_names_have_only_all_above_them() {
        let nodes = [node("harbour", &[0.5; 20]), node("beach", &[0.9; 3])];
        assert_eq!(inherited(&nodes, 1), (0.5, "all".into()));
    }
}
