//! Which groups the tiles of a night are of.

use super::compare::Groups;
use super::histogram::merge_sparse;
use super::reference::Reference;
use super::report::{Finding, Test};
use super::{ALL, PSI_EFFECT_MIN, TILES_MIN};
use crate::decide::{SEASON_SKY_GROUPS, Season, group_name};
use crate::statistics::psi;

/// Tiles of one group: in the reference, in the night.
type Counts = (u64, u64);

/// Groups of season and sky: the sky within each season, since a night is of one season and a reference of the year. Other
/// groups: all of them. Nothing for a reference of one group.
pub(super) fn findings(reference: &Reference, groups: &Groups) -> Vec<Finding> {
    let of = |name: &str| groups.iter().find(|(group, _)| group.group == name).map_or(0, |(_, tiles)| tiles.len());
    let known: Vec<(&str, Counts)> =
        reference.known().map(|group| (group.group.as_str(), (group.n_tiles, of(&group.group) as u64))).collect();
    let names = |season: Season| SEASON_SKY_GROUPS.into_iter().filter(move |(of, _)| *of == season);
    let names = |season: Season| names(season).map(|(season, sky)| group_name(season, sky)).collect::<Vec<_>>();
    let is_season_sky = |name: &str| Season::ALL.into_iter().any(|season| names(season).iter().any(|sky| sky == name));
    if !known.iter().all(|(name, _)| is_season_sky(name)) {
        let counts: Vec<Counts> = known.iter().map(|(_, counts)| *counts).collect();
        return finding("group_mix".into(), &counts).into_iter().collect();
    }
    let sky = |season: Season| {
        let names = names(season);
        let of_season = known.iter().filter(|(name, _)| names.iter().any(|sky| sky == name));
        finding(format!("sky_of_{}", season.name()), &of_season.map(|(_, counts)| *counts).collect::<Vec<_>>())
    };
    Season::ALL.into_iter().filter_map(sky).collect()
}

fn finding(quantity: String, counts: &[Counts]) -> Option<Finding> {
    let (reference, night): (Vec<u64>, Vec<u64>) = counts.iter().copied().unzip();
    let (n_reference, n) = (reference.iter().sum::<u64>(), night.iter().sum::<u64>());
    if counts.len() < 2 || n == 0 {
        return None;
    }
    let (merged_reference, merged) = merge_sparse(&reference, &night);
    let psi = psi::psi(&merged_reference, &merged).filter(|_| n.min(n_reference) >= TILES_MIN);
    let tests = psi.map(|psi| Test::new("psi", psi.value, PSI_EFFECT_MIN, psi.p_value_pearson)).into_iter().collect();
    Some(Finding::without_median(ALL, quantity, [n, n_reference], tests))
}
