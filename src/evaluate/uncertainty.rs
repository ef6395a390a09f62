//! How much the figures depend on which sites happened to be measured: the bootstrap over sites.
//!
//! Sites are drawn with replacement, all of a site's tiles at once and the same for both models, so that differences
//! between the models keep what their errors have in common. Intervals are Efron's BCa (1987).

use super::cases::Cases;
use super::operating::{Counts, Operating};
use super::quality::{Population, Quality};
use super::{CONFIDENCE, Estimate, Settings};
use crate::statistics::bootstrap::{bca_interval, column, jackknife, quantile, resample_many};

/// Blocks that sites are put into for the acceleration where they are more.
const JACKKNIFE_BLOCKS_MAX: usize = 200;
/// Figures of a group: precision, average precision and AUROC of the candidate, of the baseline, and the differences.
const FIGURES: usize = 9;
/// Their places.
const PRECISION: usize = 0;
const AVERAGE_PRECISION: usize = 1;
const AUROC: usize = 2;
const DIFFERENCE: usize = 6;

/// A model with what depends on its sites.
pub(super) struct Weighed<'a> {
    /// Groups, and all at the end.
    populations: &'a [Population],
    /// Outcomes of each group's clusters at the model's own thresholds, and of all at the end.
    clusters: Vec<Vec<(u32, Counts)>>,
}

impl<'a> Weighed<'a> {
    pub(super) fn new(cases: &Cases, populations: &'a [Population], alerts: &[bool]) -> Self {
        // A group at a time: there may be as many clusters as tiles.
        let of_group = |group: usize| {
            let mut counts = vec![Counts::default(); cases.clusters];
            for (row, &alert) in alerts.iter().enumerate() {
                if group == cases.groups.len() || cases.group[row] as usize == group {
                    counts[cases.cluster[row] as usize].add(cases.positive[row], alert, 1);
                }
            }
            let numbered = counts.into_iter().enumerate().map(|(cluster, counts)| (cluster as u32, counts));
            numbered.filter(|(_, counts)| counts.positives + counts.negatives > 0).collect()
        };
        Self { populations, clusters: (0..=cases.groups.len()).map(of_group).collect() }
    }

    /// Precision, average precision and AUROC of a group whose clusters count `weights` times; NaN where undefined.
    fn figures(&self, group: usize, weights: &[u32], prevalence: f64) -> [f64; 3] {
        let mut sum = Counts::default();
        for (cluster, counts) in &self.clusters[group] {
            sum.add_weighted(counts, u64::from(weights[*cluster as usize]));
        }
        let ranked = &self.populations[group].ranked;
        let factor = Population::negatives_factor(sum.positives as f64, sum.negatives as f64, prevalence);
        let average_precision = (sum.negatives > 0).then(|| ranked.average_precision(weights, factor)).flatten();
        [sum.precision(prevalence), average_precision, ranked.auroc(weights)].map(|value| value.unwrap_or(f64::NAN))
    }
}

/// Intervals of one group's figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intervals {
    estimates: [f64; FIGURES],
    intervals: [Option<[f64; 2]>; FIGURES],
    /// What the difference exceeds with 95 %: precision, average precision, AUROC.
    lower: [Option<f64>; 3],
}

/// Intervals for every group, and for all at the end.
pub(super) fn intervals(
    cases: &Cases,
    candidate: &Weighed<'_>,
    baseline: Option<&Weighed<'_>>,
    settings: &Settings,
) -> Vec<Intervals> {
    let groups = cases.groups.len() + 1;
    let figures = |group: usize, weights: &[u32]| -> [f64; FIGURES] {
        let mut values = [f64::NAN; FIGURES];
        values[..3].copy_from_slice(&candidate.figures(group, weights, settings.prevalence));
        if let Some(baseline) = baseline {
            values[3..6].copy_from_slice(&baseline.figures(group, weights, settings.prevalence));
            (0..3).for_each(|i| values[DIFFERENCE + i] = values[i] - values[3 + i]);
        }
        values
    };
    let resampled =
        resample_many(cases.clusters, settings.resamples, settings.seed, groups * FIGURES, |weights, out| {
            out.chunks_mut(FIGURES).enumerate().for_each(|(group, out)| out.copy_from_slice(&figures(group, weights)));
        });
    let ones = vec![1; cases.clusters];
    let of_group = |group: usize| {
        let estimates = figures(group, &ones);
        let left_out: Vec<[Option<f64>; FIGURES]> = jackknife(cases.clusters, JACKKNIFE_BLOCKS_MAX, |weights| {
            figures(group, weights).map(|value| Some(value).filter(|value| value.is_finite()))
        });
        let drawn: Vec<Vec<f64>> =
            (0..FIGURES).map(|i| column(&resampled, groups * FIGURES, group * FIGURES + i)).collect();
        let interval = |i: usize| {
            let left_out: Vec<f64> = left_out.iter().filter_map(|values| values[i]).collect();
            if !estimates[i].is_finite() {
                return None;
            }
            bca_interval(&drawn[i], estimates[i], &left_out, CONFIDENCE)
        };
        let lower = |i: usize| {
            let mut ascending = drawn[DIFFERENCE + i].clone();
            ascending.sort_by(f64::total_cmp);
            quantile(&ascending, 1.0 - CONFIDENCE)
        };
        Intervals { estimates, intervals: std::array::from_fn(interval), lower: std::array::from_fn(lower) }
    };
    (0..groups).map(of_group).collect()
}

/// Puts the intervals of the model of that number (0 the candidate, 1 the baseline) where they belong.
pub(super) fn fill(intervals: &[Intervals], model: usize, own: &mut Operating, quality: &mut [Quality]) {
    let groups = own.groups.iter_mut().chain([&mut own.all]);
    for ((of, at), quality) in intervals.iter().zip(groups).zip(quality) {
        at.precision.interval = of.intervals[3 * model + PRECISION];
        quality.average_precision.interval = of.intervals[3 * model + AVERAGE_PRECISION];
        quality.auroc.interval = of.intervals[3 * model + AUROC];
    }
}

impl Intervals {
    /// The difference of the models' precision, and what it exceeds with 95 %.
    pub(super) fn precision_difference(&self) -> (Estimate, Option<f64>) {
        self.difference(PRECISION)
    }

    /// The difference of the models' average precision, and what it exceeds with 95 %.
    pub(super) fn average_precision_difference(&self) -> (Estimate, Option<f64>) {
        self.difference(AVERAGE_PRECISION)
    }

    fn difference(&self, figure: usize) -> (Estimate, Option<f64>) {
        let estimate = Some(self.estimates[DIFFERENCE + figure]).filter(|value| value.is_finite());
        (Estimate { estimate, interval: self.intervals[DIFFERENCE + figure] }, self.lower[figure])
    }
}
