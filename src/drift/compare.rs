//! A run's tiles against a reference.

use std::collections::HashMap;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::histogram::{Histogram, median, merge_for_psi, merge_sparse};
use super::observation::{Observation, Quantity, band_values};
use super::reference::{Reference, ReferenceGroup, subsample};
use super::report::{Finding, Report, Status, Test};
use super::{ALL, KS_EFFECT_MIN, MMD_EFFECT_MIN, PSI_EFFECT_MIN, TILES_MIN, evidence, wording};
use crate::statistics::{ks, mmd, psi};

/// More permutations cost more than a smaller p-value is worth.
const PERMUTATIONS_MAX: usize = 100_000;
/// Everything is drawn from this: the same tiles give the same report.
const SEED: u64 = 11;

/// Compares each group with its like, tiles of unknown group with all, and of all tiles together the mix of groups and how
/// many abstain. Groups that the run has no tile of appear in the mix alone.
pub fn compare(reference: &Reference, tiles: &[Observation], level: f64) -> Report {
    let groups = by_group(reference, tiles);
    let univariate = groups.par_iter().flat_map_iter(|(group, tiles)| quantities(reference, group, tiles));
    let mut findings: Vec<Finding> = univariate.collect();
    findings.extend(abstained(reference, tiles));
    findings.extend(mix(reference, &groups));
    // A permutation's p-value is no smaller than its number allows, and must be able to reach the level.
    let tests = findings.iter().map(|finding| finding.tests.len()).sum::<usize>() + groups.len();
    let permutations = ((2.0 * tests as f64 / level).ceil() as usize).min(PERMUTATIONS_MAX);
    let joint = groups.par_iter().filter_map(|(group, tiles)| bands(reference, group, tiles, permutations));
    findings.extend(joint.collect::<Vec<_>>());
    // Stable, so that quantities keep their order within a group; the mix and the unknown come last.
    let rank = |finding: &Finding| reference.groups.iter().position(|group| group.group == finding.group);
    findings.sort_by_key(rank);
    let tests = evidence::decide(&mut findings, level);
    let scored = tiles.iter().filter(|tile| tile.score.is_some()).count();
    let with_bands = tiles.iter().filter(|tile| tile.summary.is_some()).count();
    Report {
        reference_sha256: reference.sha256(),
        level,
        tests,
        tiles: tiles.len() as u64,
        tiles_scored: scored as u64,
        tiles_with_bands: with_bands as u64,
        alarm: findings.iter().any(Finding::is_alarm),
        alarms: wording::alarms(&findings),
        remarks: remarks(&groups, tiles.len(), with_bands),
        findings,
    }
}

type Groups<'a> = Vec<(&'a ReferenceGroup, Vec<&'a Observation>)>;

/// The groups that have tiles, in the reference's order. A tile of unknown group that nothing was read of (its sky was
/// overcast) is in none.
fn by_group<'a>(reference: &'a Reference, tiles: &'a [Observation]) -> Groups<'a> {
    let known: HashMap<&str, usize> =
        reference.groups.iter().enumerate().map(|(index, group)| (group.group.as_str(), index)).collect();
    let mut groups: Groups = reference.groups.iter().map(|group| (group, Vec::new())).collect();
    let is_seen = |tile: &&Observation| tile.group.is_some() || tile.score.is_some() || tile.summary.is_some();
    for tile in tiles.iter().filter(is_seen) {
        let index = tile.group.as_deref().and_then(|group| known.get(group)).or_else(|| known.get(ALL));
        if let Some((_, members)) = index.and_then(|&index| groups.get_mut(index)) {
            members.push(tile);
        }
    }
    groups.retain(|(_, members)| !members.is_empty());
    groups
}

fn remarks(groups: &Groups, tiles: usize, with_bands: usize) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some((_, unknown)) = groups.iter().find(|(group, _)| group.group == ALL) {
        remarks.push(format!(
            "{} tiles of unknown season or sky are compared with all tiles of the reference, whatever theirs",
            unknown.len()
        ));
    }
    if with_bands < tiles {
        remarks.push(format!(
            "{} of {tiles} tiles count with their scores alone: their pixels were not read (resumed, or from a table)",
            tiles - with_bands
        ));
    }
    remarks
}

/// How many of all tiles abstain, whatever their group: an overcast sky leaves it unknown.
fn abstained(reference: &Reference, tiles: &[Observation]) -> Option<Finding> {
    let group = reference.groups.iter().find(|group| group.group == ALL)?;
    let all = Quantity::all(reference.bands.len()).into_iter().zip(&group.histograms);
    let (quantity, histogram) = all.into_iter().find(|(quantity, _)| *quantity == Quantity::Abstained)?;
    let values: Vec<f64> = tiles.iter().filter_map(|tile| quantity.value(tile)).collect();
    (!values.is_empty()).then(|| univariate(ALL, quantity.name(&reference.bands), histogram, &values))
}

/// The quantities of one group that any of its tiles has.
fn quantities(reference: &Reference, group: &ReferenceGroup, tiles: &[&Observation]) -> Vec<Finding> {
    let all = Quantity::all(reference.bands.len()).into_iter().zip(&group.histograms);
    let all = all.filter(|(quantity, _)| group.group != ALL || *quantity != Quantity::Abstained);
    let finding = |(quantity, histogram): (Quantity, &Histogram)| {
        let values: Vec<f64> = tiles.iter().filter_map(|tile| quantity.value(tile)).collect();
        (!values.is_empty()).then(|| univariate(&group.group, quantity.name(&reference.bands), histogram, &values))
    };
    all.filter_map(finding).collect()
}

fn univariate(group: &str, quantity: String, reference: &Histogram, values: &[f64]) -> Finding {
    let (n, n_reference) = (values.len() as u64, reference.total());
    let mut tests = Vec::new();
    if n.min(n_reference) >= TILES_MIN {
        let current = reference.count(values);
        let (merged_reference, merged) = merge_for_psi(&reference.counts, &current);
        if let Some(psi) = psi::psi(&merged_reference, &merged) {
            tests.push(test("psi", psi.value, PSI_EFFECT_MIN, psi.p_value_pearson));
        }
        if let Some(ks) = ks::binned(&reference.counts, &current) {
            tests.push(test("ks", ks.distance, KS_EFFECT_MIN, ks.p_value));
        }
    }
    let (group, median_reference) = (group.to_owned(), Some(reference.median));
    Finding { group, quantity, n, n_reference, median: median(values), median_reference, tests, status: Status::Stable }
}

/// The shares of the groups among the tiles whose group is known; none for a reference of one group.
fn mix(reference: &Reference, groups: &Groups) -> Option<Finding> {
    let known: Vec<&ReferenceGroup> = reference.groups.iter().filter(|group| group.group != ALL).collect();
    let tiles_of =
        |name: &str| groups.iter().find(|(group, _)| group.group == name).map_or(0, |(_, tiles)| tiles.len());
    let counts: Vec<u64> = known.iter().map(|group| tiles_of(&group.group) as u64).collect();
    let reference: Vec<u64> = known.iter().map(|group| group.n_tiles).collect();
    let (n, n_reference) = (counts.iter().sum::<u64>(), reference.iter().sum::<u64>());
    if known.len() < 2 || n == 0 {
        return None;
    }
    let (merged_reference, merged) = merge_sparse(&reference, &counts);
    let psi = psi::psi(&merged_reference, &merged).filter(|_| n.min(n_reference) >= TILES_MIN);
    let tests = psi.map(|psi| test("psi", psi.value, PSI_EFFECT_MIN, psi.p_value_pearson)).into_iter().collect();
    let (group, quantity) = (ALL.to_owned(), "group_mix".to_owned());
    Some(Finding {
        group,
        quantity,
        n,
        n_reference,
        median: None,
        median_reference: None,
        tests,
        status: Status::Stable,
    })
}

/// All means and deviations of a group at once, on subsamples.
fn bands(
    reference: &Reference,
    group: &ReferenceGroup,
    tiles: &[&Observation],
    permutations: usize,
) -> Option<Finding> {
    let rows: Vec<Vec<f32>> = tiles.iter().filter_map(|tile| band_values(tile, reference.bands.len())).collect();
    let rows = subsample(rows, SEED);
    let (n, n_reference) = (rows.len() as u64, group.samples.len() as u64);
    if rows.is_empty() {
        return None;
    }
    let mut tests = Vec::new();
    if n.min(n_reference) >= TILES_MIN
        && let Some((a, b)) = standardised(&rows, &group.samples)
        && let Some(mmd) = mmd::mmd(a.view(), b.view(), permutations, SEED)
    {
        tests.push(test("mmd", mmd.value, MMD_EFFECT_MIN, mmd.p_value));
    }
    let (group, quantity) = (group.group.clone(), "bands".to_owned());
    Some(Finding {
        group,
        quantity,
        n,
        n_reference,
        median: None,
        median_reference: None,
        tests,
        status: Status::Stable,
    })
}

/// Both samples over the standard deviation of both together, column by column: which tile is whose plays no part, as
/// the permutations demand.
fn standardised(a: &[Vec<f32>], b: &[Vec<f32>]) -> Option<(Array2<f64>, Array2<f64>)> {
    let (rows, columns) = (a.len() + b.len(), a.first()?.len());
    let values = a.iter().chain(b).flatten().map(|value| f64::from(*value)).collect();
    let mut both = Array2::from_shape_vec((rows, columns), values).ok()?;
    for mut column in both.columns_mut() {
        let deviation = column.std(0.0);
        if deviation > 0.0 {
            column.mapv_inplace(|value| value / deviation);
        }
    }
    let (first, second) = both.view().split_at(Axis(0), a.len());
    Some((first.to_owned(), second.to_owned()))
}

fn test(statistic: &'static str, effect: f64, effect_min: f64, p_value: f64) -> Test {
    Test { statistic, effect, effect_min, p_value, p_value_adjusted: 1.0, is_alarm: false }
}

#[cfg(test)]
mod tests;
