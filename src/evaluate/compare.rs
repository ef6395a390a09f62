//! Paired tests of a candidate against a baseline on the same tiles.
//!
//! Recall: McNemar's exact test on the positives that only one of the two catches; it takes positives for independent.
//! Precision and average precision: permutations that swap the models within whole sites. Over the groups each kind of
//! test is adjusted by Holm's rule.

use serde::Serialize;

use super::cases::Cases;
use super::uncertainty::Intervals;
use super::{Estimate, Settings, Side};
use crate::statistics::paired::{
    Counts, McNemar, Permutation, RankedPair, cluster_permutation, holm, precision_difference,
};

use super::quality::Population;

/// The tests of one group, each model at its own thresholds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    /// The group, or `all`.
    pub group: String,
    /// Positives that one model catches and the other does not.
    pub recall: PairedRecall,
    /// Precision at the stated prevalence.
    pub precision: PairedScore,
    /// Average precision at the stated prevalence.
    pub average_precision: PairedScore,
}

/// McNemar's test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedRecall {
    /// Positives that only the candidate catches.
    pub gained: u64,
    /// Positives that only the baseline catches.
    pub lost: u64,
    /// Exact, two-sided.
    pub p: f64,
    /// Adjusted for the number of groups; none of all together.
    pub p_holm: Option<f64>,
}

/// A difference, candidate less baseline, with its permutation test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedScore {
    /// The difference, with the interval of the bootstrap over sites.
    pub difference: Estimate,
    /// What the difference exceeds with 95 %.
    pub lower: Option<f64>,
    /// Two-sided, of permutations within sites; none where the difference is undefined.
    pub p: Option<f64>,
    /// Adjusted for the number of groups; none of all together.
    pub p_holm: Option<f64>,
}

/// The tests of every group, and of all at the end.
pub(super) fn paired(
    cases: &Cases,
    candidate: &Side,
    baseline: &Side,
    intervals: &[Intervals],
    settings: &Settings,
) -> Vec<Paired> {
    let groups = cases.groups.len();
    let of_group = |(group, intervals): (usize, &Intervals)| {
        let [precision, average_precision] = permuted(cases, group, candidate, baseline, settings);
        let score = |(difference, lower), test: Option<Permutation>| PairedScore {
            difference,
            lower,
            p: test.map(|test| test.p_two_sided),
            p_holm: None,
        };
        let (gained, lost) = disagreements(cases, group, candidate, baseline);
        Paired {
            group: candidate.populations[group].name.clone(),
            recall: PairedRecall { gained, lost, p: McNemar::of(gained, lost).two_sided, p_holm: None },
            precision: score(intervals.precision_difference(), precision),
            average_precision: score(intervals.average_precision_difference(), average_precision),
        }
    };
    let mut paired: Vec<Paired> = intervals.iter().enumerate().map(of_group).collect();
    let (of_groups, _) = paired.split_at_mut(groups);
    // A group without positives tests nothing that the others would have to answer for.
    let has_positives = |group: usize| rows(cases, group).any(|row| cases.positive[row]);
    let recalls = of_groups.iter_mut().enumerate();
    let recalls = recalls.map(|(group, test)| (has_positives(group).then_some(test.recall.p), &mut test.recall.p_holm));
    adjust(recalls.collect());
    adjust(of_groups.iter_mut().map(|test| (test.precision.p, &mut test.precision.p_holm)).collect());
    adjust(of_groups.iter_mut().map(|test| (test.average_precision.p, &mut test.average_precision.p_holm)).collect());
    paired
}

fn adjust(tests: Vec<(Option<f64>, &mut Option<f64>)>) {
    let defined: Vec<(f64, &mut Option<f64>)> =
        tests.into_iter().filter_map(|(p, adjusted)| Some((p?, adjusted))).collect();
    let all: Vec<f64> = defined.iter().map(|(p, _)| *p).collect();
    defined.into_iter().zip(holm(&all)).for_each(|((_, slot), adjusted)| *slot = Some(adjusted));
}

/// Rows of a group; of all where the group is one beyond the last.
fn rows(cases: &Cases, group: usize) -> impl Iterator<Item = usize> {
    let is_all = group == cases.groups.len();
    (0..cases.positive.len()).filter(move |&row| is_all || cases.group[row] as usize == group)
}

fn disagreements(cases: &Cases, group: usize, candidate: &Side, baseline: &Side) -> (u64, u64) {
    let positives = rows(cases, group).filter(|&row| cases.positive[row]);
    let count = |(gained, lost), row: usize| match (candidate.alerts[row], baseline.alerts[row]) {
        (true, false) => (gained + 1, lost),
        (false, true) => (gained, lost + 1),
        _ => (gained, lost),
    };
    positives.fold((0, 0), count)
}

/// Tests of precision and of average precision.
fn permuted(
    cases: &Cases,
    group: usize,
    candidate: &Side,
    baseline: &Side,
    settings: &Settings,
) -> [Option<Permutation>; 2] {
    let mut counts = vec![[Counts::default(); 2]; cases.clusters];
    let (mut positives, mut negatives) = (0u64, 0u64);
    for row in rows(cases, group) {
        let cluster = &mut counts[cases.cluster[row] as usize];
        for (side, counts) in [baseline, candidate].into_iter().zip(cluster) {
            let alert = u64::from(side.alerts[row]);
            *(if cases.positive[row] { &mut counts.true_alerts } else { &mut counts.false_alerts }) += alert;
        }
        *(if cases.positive[row] { &mut positives } else { &mut negatives }) += 1;
    }
    if positives == 0 || negatives == 0 {
        return [None, None];
    }
    let factor = Population::negatives_factor(positives as f64, negatives as f64, settings.prevalence);
    let test = |difference: &(dyn Fn(&[bool]) -> Option<f64> + Sync)| {
        cluster_permutation(cases.clusters, settings.permutations, settings.seed, difference)
    };
    let [first, second] = [baseline, candidate].map(|side| &side.populations[group]);
    let pair = RankedPair::new([&first.scores, &second.scores], &first.positives, &first.clusters);
    [
        test(&|swapped| precision_difference(&counts, factor, swapped)),
        test(&|swapped| pair.average_precision_difference(factor, swapped)),
    ]
}
