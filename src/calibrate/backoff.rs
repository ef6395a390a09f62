//! Where a group with too few positives takes its threshold from.

use super::binomial::{Choice, Level};
use crate::decide::{SEASON_SKY_GROUPS, group_name};

/// A group with its positives.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Its name.
    pub(super) group: String,
    /// Scores of its positives, ascending.
    pub(super) positives: Vec<f64>,
    /// Scores of its negatives, ascending.
    pub(super) negatives: Vec<f64>,
    /// Different sites among them, where known.
    pub(super) n_sites: Option<u64>,
    /// Positives of the same site as a positive, itself among them, on average over positives; 1 where sites are
    /// unknown.
    pub(super) site_size: f64,
}

/// Kish's design effect: positives with `site_size` of them in a site and a correlation within sites tell as much as
/// so many times fewer independent ones.
pub(super) fn design_effect(site_size: f64, correlation: f64) -> f64 {
    1.0 + (site_size - 1.0) * correlation
}

/// The threshold that `node` inherits and the larger group it is from: the smallest one that contains the node
/// and has enough positives itself, or a feasible member's where that is lower. Needs one feasible choice among
/// `choices` (one per node), which makes the group of all feasible.
pub(super) fn inherit(
    node: &Node,
    nodes: &[Node],
    choices: &[Option<Choice>],
    level: &Level,
    correlation: f64,
) -> (f64, String) {
    let parents = sky_of(&node.group).map(|sky| (Some(sky), sky)).into_iter().chain([(None, "all")]);
    for (sky, name) in parents {
        let member = |other: &Node| sky.is_none_or(|sky| sky_of(&other.group) == Some(sky));
        let mut pooled: Vec<f64> =
            nodes.iter().filter(|other| member(other)).flat_map(|other| other.positives.iter().copied()).collect();
        pooled.sort_by(f64::total_cmp);
        // The groups may hold the same sites.
        let site_size: f64 = nodes.iter().filter(|other| member(other)).map(|other| other.site_size).sum();
        let Some(own) = level.choose(&pooled, design_effect(site_size, correlation)) else { continue };
        let members = nodes.iter().zip(choices).filter(|(other, _)| member(other));
        let lowest =
            members.filter_map(|(_, choice)| *choice).map(|choice| choice.threshold).fold(own.threshold, f64::min);
        return (lowest, name.to_owned());
    }
    // Not reached with a feasible choice; the threshold that misses nothing if it were.
    (0.0, "all".to_owned())
}

/// `clear` or `cloudy` for a group of season × sky.
fn sky_of(group: &str) -> Option<&'static str> {
    SEASON_SKY_GROUPS.iter().find(|&&(season, sky)| group_name(season, sky) == group).map(|(_, sky)| sky.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(group: &str, positives: &[f64]) -> Node {
        let mut positives = positives.to_vec();
        positives.sort_by(f64::total_cmp);
        Node { group: group.into(), positives, negatives: Vec::new(), n_sites: None, site_size: 1.0 }
    }

    fn inherited(nodes: &[Node], which: usize) -> (f64, String) {
        let level = Level { recall: 0.8, miss: Some(0.1) };
        let choices: Vec<_> = nodes.iter().map(|node| level.choose(&node.positives, 1.0)).collect();
        assert!(choices[which].is_none());
        inherit(&nodes[which], nodes, &choices, &level, 0.0)
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
    fn groups_of_other_names_have_only_all_above_them() {
        let nodes = [node("harbour", &[0.5; 20]), node("beach", &[0.9; 3])];
        assert_eq!(inherited(&nodes, 1), (0.5, "all".into()));
    }
}
