//! A run's tiles against a reference.

use std::collections::HashMap;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::histogram::{Histogram, median, merge_for_psi};
use super::observation::{Observation, Quantity, band_values};
use super::reference::{Reference, ReferenceGroup, subsample};
use super::report::{Finding, Report, Status, Test};
use super::{ALL, KS_EFFECT_MIN, MMD_EFFECT_MIN, PSI_EFFECT_MIN, TILES_MIN, evidence, mix, pooled, wording};
use crate::statistics::{ks, mmd, psi};
use crate::{Error, Result};

/// More permutations cost more than a smaller p-value is worth.
const PERMUTATIONS_MAX: usize = 100_000;
/// Digits of a hash that tell models apart.
const SHORT_DIGITS: usize = 12;
/// Everything is drawn from this: the same tiles give the same report.
const SEED: u64 = 11;

/// Compares each group with its like, groups of too few tiles together, and of all tiles together the mix of groups and
/// how many abstain. Tiles whose group the reference does not know are compared with all of it, and judged only where it
/// has no groups. Groups that the run has no tile of appear in the mix alone.
pub fn compare(reference: &Reference, tiles: &[Observation], level: f64) -> Report {
    let groups = by_group(reference, tiles);
    let univariate = groups.par_iter().flat_map_iter(|(group, tiles)| quantities(reference, group, tiles));
    let mut findings: Vec<Finding> = univariate.collect();
    findings.extend(pooled::findings(reference, &groups));
    findings.extend(abstained(reference, tiles));
    findings.extend(mix::findings(reference, &groups));
    // A permutation's p-value is no smaller than its number allows, and must be able to reach the level.
    let judged = || groups.par_iter().filter(|(group, _)| is_judged(reference, group));
    let others = findings.iter().filter(|finding| finding.status != Status::Shown);
    let tests = others.map(|finding| finding.tests.len()).sum::<usize>() + judged().count();
    let permutations = ((2.0 * tests as f64 / level).ceil() as usize).min(PERMUTATIONS_MAX);
    let joint = judged().filter_map(|(group, tiles)| bands(reference, group, tiles, permutations));
    findings.extend(joint.collect::<Vec<_>>());
    // Stable, so that quantities keep their order within a group; the mix, the unknown and the pooled come last.
    let rank = |group: &str| reference.groups.iter().position(|other| other.group == group);
    findings.sort_by_key(|finding| rank(&finding.group).unwrap_or(reference.groups.len()));
    let tests = evidence::decide(&mut findings, level);
    let scored = tiles.iter().filter(|tile| tile.score.is_some()).count();
    let with_bands = tiles.iter().filter(|tile| tile.summary.is_some()).count();
    let mut remarks = remarks(reference, &groups, tiles.len(), with_bands);
    if tests as f64 / (PERMUTATIONS_MAX + 1) as f64 > level {
        remarks.push(format!("MMD cannot reach level {level} over {tests} tests: PSI and KS alone decide"));
    }
    Report {
        model: reference.model.name.clone(),
        model_sha256: reference.model.sha256.chars().take(SHORT_DIGITS).collect(),
        tta: reference.tta,
        reference_sha256: reference.sha256(),
        level,
        tests,
        tiles: tiles.len() as u64,
        tiles_scored: scored as u64,
        tiles_with_bands: with_bands as u64,
        alarm: findings.iter().any(Finding::is_alarm),
        alarms: wording::alarms(&findings),
        remarks,
        findings,
    }
}

/// Checks that every test of a comparison with this reference can reach a level, however many others share it.
///
/// # Errors
/// [`crate::Kind::Usage`] naming the least level that can be.
pub fn check_level(reference: &Reference, level: f64) -> Result<()> {
    let quantities = Quantity::all(reference.bands.len()).len();
    // Two of every quantity and one of all bands a group; abstentions and mix of the whole night.
    let tests = reference.known().count().max(1) * (2 * quantities + 1) + 4;
    let least = tests as f64 / (PERMUTATIONS_MAX + 1) as f64;
    if level >= least {
        return Ok(());
    }
    Err(Error::usage(format!(
        "--drift-level {level}: up to {tests} tests share it, and the smallest p-value of {PERMUTATIONS_MAX} permutations \
         cannot reach it; give {:.4} or more",
        (least * 1e4).ceil() / 1e4
    )))
}

pub(super) type Groups<'a> = Vec<(&'a ReferenceGroup, Vec<&'a Observation>)>;

/// Tiles of all seasons and skies are no measure for a night's, where the reference tells them apart.
fn is_judged(reference: &Reference, group: &ReferenceGroup) -> bool {
    group.group != ALL || reference.known().next().is_none()
}

/// The groups that have tiles, in the reference's order. A tile of unknown group that nothing was read of (its sky was
/// overcast) is in none.
fn by_group<'a>(reference: &'a Reference, tiles: &'a [Observation]) -> Groups<'a> {
    let all = reference.groups.iter().filter(|group| group.group == ALL);
    let mut groups: Groups = reference.known().chain(all).map(|group| (group, Vec::new())).collect();
    let known: HashMap<&str, usize> =
        groups.iter().enumerate().map(|(index, (group, _))| (group.group.as_str(), index)).collect();
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

fn remarks(reference: &Reference, groups: &Groups, tiles: usize, with_bands: usize) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some((group, unknown)) = groups.iter().find(|(group, _)| group.group == ALL) {
        let how = match is_judged(reference, group) {
            true => "",
            false => {
                ": shown, not judged; state season and sky with --metadata, or --date and --cloud-cover (of a table: the \
                 columns season and cloud, or group)"
            }
        };
        remarks.push(format!(
            "{} tiles of unknown season or sky, or of a group that the reference lacks, are compared with all tiles of \
             the reference, whatever theirs{how}",
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
        if values.is_empty() {
            return None;
        }
        let finding = univariate(&group.group, quantity.name(&reference.bands), histogram, &values);
        Some(if is_judged(reference, group) { finding } else { finding.shown() })
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
            tests.push(Test::new("psi", psi.value, PSI_EFFECT_MIN, psi.p_value_pearson));
        }
        if let Some(ks) = ks::binned(&reference.counts, &current) {
            tests.push(Test::new("ks", ks.distance, KS_EFFECT_MIN, ks.p_value));
        }
    }
    let finding = Finding::without_median(group, quantity, [n, n_reference], tests);
    Finding { median: median(values), median_reference: Some(reference.median), ..finding }
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
        tests.push(Test::new("mmd", mmd.value, MMD_EFFECT_MIN, mmd.p_value));
    }
    Some(Finding::without_median(&group.group, "bands".into(), [n, n_reference], tests))
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

#[cfg(test)]
mod tests;
