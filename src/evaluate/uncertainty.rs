//! How much the figures depend on which sites happened to be measured: the bootstrap over sites.
//!
//! Sites are drawn with replacement, all of a site's tiles at once and the same for both models, so that differences
//! between the models keep what their errors have in common. Intervals are Efron's BCa (1987).

use super::cases::Cases;
use super::operating::{Counts, Operating};
use super::quality::{Population, Quality};
use super::{CONFIDENCE, Estimate, JACKKNIFE_BLOCKS_MAX, Settings};
use crate::statistics::bootstrap::{bca_interval, column, jackknife, quantile, resample};

/// Figures of a model: precision, average precision, AUROC and F1.
const OF_MODEL: usize = 4;
/// Figures of a group: those of the candidate, of the baseline, and the differences.
const FIGURES: usize = 3 * OF_MODEL;
/// Their places.
const PRECISION: usize = 0;
const AVERAGE_PRECISION: usize = 1;
const AUROC: usize = 2;
const F1: usize = 3;
const DIFFERENCE: usize = 2 * OF_MODEL;

/// A model with what depends on its sites.
pub(super) struct Weighed<'a> {
    /// Groups, and all at the end.
    populations: &'a [Population],
    /// Outcomes of each group's clusters at the model's own thresholds: positives caught and all, negatives that alarm
    /// and all. There may be as many clusters as tiles, and all of them are read in every draw.
    clusters: Vec<Vec<(u32, [u32; 4])>>,
}

impl<'a> Weighed<'a> {
    pub(super) fn new(cases: &Cases, populations: &'a [Population], alerts: &[bool]) -> Self {
        let of_group = |group: usize| {
            let mut counts = vec![[0; 4]; cases.clusters];
            for (row, &alert) in alerts.iter().enumerate().filter(|(row, _)| cases.group[*row] as usize == group) {
                let counts = &mut counts[cases.cluster[row] as usize];
                let label = if cases.positive[row] { 0 } else { 2 };
                counts[label] += u32::from(alert);
                counts[label + 1] += 1;
            }
            let numbered = counts.into_iter().enumerate().map(|(cluster, counts)| (cluster as u32, counts));
            numbered.filter(|(_, counts)| *counts != [0; 4]).collect()
        };
        Self { populations, clusters: (0..cases.groups.len()).map(of_group).collect() }
    }

    /// Precision, average precision, AUROC and F1 of the groups, and of all at the end, where clusters count `weights` times;
    /// NaN where undefined.
    fn figures(&self, weights: &[u32], prevalence: f64) -> impl Iterator<Item = [f64; OF_MODEL]> {
        let of_group = |clusters: &Vec<(u32, [u32; 4])>| {
            let mut sum = Counts::default();
            for (cluster, counts) in clusters {
                sum.add_weighted(counts, weights[*cluster as usize]);
            }
            sum
        };
        let mut sums: Vec<Counts> = self.clusters.iter().map(of_group).collect();
        sums.push(sums.iter().copied().fold(Counts::default(), Counts::plus));
        self.populations.iter().zip(sums).map(move |(population, sum)| {
            let factor = Population::negatives_factor(sum.positives as f64, sum.negatives as f64, prevalence);
            let areas = population.ranked.areas(weights, factor);
            let average_precision = areas.average_precision.filter(|_| sum.negatives > 0);
            let figures = [sum.precision(prevalence), average_precision, areas.auroc, sum.f1(prevalence)];
            figures.map(|value| value.unwrap_or(f64::NAN))
        })
    }
}

/// Intervals of one group's figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intervals {
    estimates: [f64; FIGURES],
    intervals: [Option<[f64; 2]>; FIGURES],
    /// What the difference exceeds with 95 %: precision, average precision, AUROC, F1.
    lower: [Option<f64>; OF_MODEL],
}

/// Intervals for every group, and for all at the end.
pub(super) fn intervals(
    cases: &Cases,
    candidate: &Weighed<'_>,
    baseline: Option<&Weighed<'_>>,
    settings: &Settings,
) -> Vec<Intervals> {
    let groups = cases.groups.len() + 1;
    let n_statistics = groups * FIGURES;
    let figures = |weights: &[u32], values: &mut [f64]| {
        let mut put = |model: &Weighed<'_>, at: usize| {
            for (values, figures) in values.chunks_mut(FIGURES).zip(model.figures(weights, settings.prevalence)) {
                values[at..at + OF_MODEL].copy_from_slice(&figures);
            }
        };
        put(candidate, 0);
        if let Some(baseline) = baseline {
            put(baseline, OF_MODEL);
            for values in values.chunks_mut(FIGURES) {
                (0..OF_MODEL).for_each(|i| values[DIFFERENCE + i] = values[i] - values[OF_MODEL + i]);
            }
        }
    };
    let resampled = resample(cases.clusters, settings.resamples, settings.seed, n_statistics, figures);
    let left_out = jackknife(cases.clusters, JACKKNIFE_BLOCKS_MAX, n_statistics, figures);
    let mut values = vec![f64::NAN; n_statistics];
    figures(&vec![1; cases.clusters], &mut values);
    let of_group = |group: usize| {
        let estimates: [f64; FIGURES] = std::array::from_fn(|i| values[group * FIGURES + i]);
        let of = |all: &[f64], i: usize| column(all, n_statistics, group * FIGURES + i);
        let drawn: [Vec<f64>; FIGURES] = std::array::from_fn(|i| of(&resampled, i));
        let interval = |i: usize| {
            let estimate = Some(estimates[i]).filter(|value| value.is_finite())?;
            // Where no draw differs, as with two alerts that are right, sites say nothing of what others would do.
            let first = drawn[i].first()?;
            drawn[i].iter().find(|value| *value != first)?;
            bca_interval(&drawn[i], estimate, &of(&left_out, i), CONFIDENCE)
        };
        let lower = |i: usize| {
            let mut ascending = drawn[DIFFERENCE + i].clone();
            ascending.sort_by(f64::total_cmp);
            quantile(&ascending, 1.0 - CONFIDENCE).filter(|value| value.is_finite())
        };
        Intervals { estimates, intervals: std::array::from_fn(interval), lower: std::array::from_fn(lower) }
    };
    (0..groups).map(of_group).collect()
}

/// Figures of all tiles with their intervals: `figures` fills as many slots as there are statistics for clusters that
/// count so many times, NaN where undefined.
pub(super) fn over_sites(
    cases: &Cases,
    n_statistics: usize,
    settings: &Settings,
    figures: impl Fn(&[u32], &mut [f64]) + Sync,
) -> Vec<Estimate> {
    let drawn = resample(cases.clusters, settings.resamples, settings.seed, n_statistics, &figures);
    let left_out = jackknife(cases.clusters, JACKKNIFE_BLOCKS_MAX, n_statistics, &figures);
    let mut values = vec![f64::NAN; n_statistics];
    figures(&vec![1; cases.clusters], &mut values);
    let estimate = |(i, value): (usize, f64)| {
        let [drawn, left_out] = [&drawn, &left_out].map(|values| column(values, n_statistics, i));
        let estimate = Some(value).filter(|value| value.is_finite());
        Estimate { estimate, interval: estimate.and_then(|value| bca_interval(&drawn, value, &left_out, CONFIDENCE)) }
    };
    values.into_iter().enumerate().map(estimate).collect()
}

/// Puts the intervals of the model of that number (0 the candidate, 1 the baseline) where they belong.
pub(super) fn fill(intervals: &[Intervals], model: usize, own: &mut Operating, quality: &mut [Quality]) {
    let groups = own.groups.iter_mut().chain([&mut own.all]);
    for ((of, at), quality) in intervals.iter().zip(groups).zip(quality) {
        let of_model = &of.intervals[OF_MODEL * model..];
        (at.precision.interval, at.f1.interval) = (of_model[PRECISION], of_model[F1]);
        quality.average_precision.interval = of_model[AVERAGE_PRECISION];
        quality.auroc.interval = of_model[AUROC];
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
