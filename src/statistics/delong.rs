//! Areas under the receiver operating characteristic of two models on the same rows (DeLong et al. 1988, "Comparing
//! the areas under two or more correlated receiver operating characteristic curves"), by mid-ranks (Sun and Xu 2014).
//! Rows are taken as independent: for clustered rows use the bootstrap.

use super::mid_ranks::mid_ranks;
use super::normal;

/// Two areas and how surely they differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Areas of the first and the second model.
    pub areas: [f64; 2],
    /// Their covariance matrix.
    pub covariance: [[f64; 2]; 2],
    /// Variance of their difference.
    pub variance: f64,
    /// First less second, in standard errors.
    pub z: f64,
    /// Two-sided probability of such a z.
    pub p: f64,
}

/// Compares the areas of two models. None with fewer than two positives or two negatives, or where the difference has
/// no variance (the models rank alike).
pub fn compare(scores: [&[f32]; 2], positives: &[bool]) -> Option<Comparison> {
    let placements = [placements(scores[0], positives)?, placements(scores[1], positives)?];
    let entry = |i: usize, j: usize| covariance(&placements[i], &placements[j]);
    let matrix = [[entry(0, 0), entry(0, 1)], [entry(1, 0), entry(1, 1)]];
    let areas = [placements[0].area(), placements[1].area()];
    let variance = matrix[0][0] + matrix[1][1] - 2.0 * matrix[0][1];
    let z = (areas[0] - areas[1]) / variance.sqrt();
    let found = Comparison { areas, covariance: matrix, variance, z, p: normal::two_sided(z) };
    (variance > f64::EPSILON * matrix[0][0]).then_some(found)
}

/// One model's area and its variance. None with fewer than two positives or two negatives.
pub fn area(scores: &[f32], positives: &[bool]) -> Option<[f64; 2]> {
    let placements = placements(scores, positives)?;
    Some([placements.area(), covariance(&placements, &placements)])
}

/// Interval of an area on the logit scale, so that it stays within 0 and 1 (Pepe 2003, §5.2.4). None at an area of 0
/// or 1.
pub fn logit_interval(area: f64, variance: f64, confidence: f64) -> Option<[f64; 2]> {
    let odds = area * (1.0 - area);
    let half = normal::quantile(0.5 * (1.0 + confidence)) * variance.sqrt() / odds;
    let logit = area.ln() - (-area).ln_1p();
    let logistic = |z: f64| 1.0 / (1.0 + (-z).exp());
    (odds > 0.0).then(|| [logistic(logit - half), logistic(logit + half)])
}

/// For each positive the share of negatives below it, for each negative the share of positives above it; ties half.
struct Placements {
    of_positives: Vec<f64>,
    of_negatives: Vec<f64>,
}

impl Placements {
    fn area(&self) -> f64 {
        mean(&self.of_positives)
    }
}

fn placements(scores: &[f32], positives: &[bool]) -> Option<Placements> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let overall = mid_ranks(scores);
    // Rank among all less rank in the own class: how many of the other class are below.
    let below = |class: bool| -> Vec<f64> {
        let rows: Vec<usize> = (0..scores.len()).filter(|row| positives[*row] == class).collect();
        let own = mid_ranks(&rows.iter().map(|row| scores[*row]).collect::<Vec<_>>());
        rows.iter().zip(own).map(|(row, own)| overall[*row] - own).collect()
    };
    let (of_positives, of_negatives) = (below(true), below(false));
    let (m, n) = (of_positives.len() as f64, of_negatives.len() as f64);
    (m > 1.0 && n > 1.0).then(|| Placements {
        of_positives: of_positives.iter().map(|below| below / n).collect(),
        of_negatives: of_negatives.iter().map(|below| 1.0 - below / m).collect(),
    })
}

fn covariance(a: &Placements, b: &Placements) -> f64 {
    let part = |a: &[f64], b: &[f64]| {
        let (mean_a, mean_b, n) = (mean(a), mean(b), a.len() as f64);
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / (n - 1.0) / n
    };
    part(&a.of_positives, &b.of_positives) + part(&a.of_negatives, &b.of_negatives)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::{SCORES, SECOND, labels, single};

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() < tolerance, "{found} {expected}");
    }

    // numpy 2.4, by the definition: all pairs of positives and negatives
    #[test]
    fn comparison_agrees_with_the_definition() {
        let found = compare([&single(SCORES), &single(SECOND)], &labels()).unwrap();
        close(found.areas[0], 0.855_468_75, 1e-12);
        close(found.areas[1], 0.804_687_5, 1e-12);
        close(found.covariance[0][0], 0.007_371_01, 1e-8);
        close(found.covariance[0][1], 0.007_136_46, 1e-8);
        close(found.covariance[1][0], 0.007_136_46, 1e-8);
        close(found.covariance[1][1], 0.009_320_36, 1e-8);
        close(found.variance, 0.002_418_445, 1e-9);
        close(found.z, 1.032_607_424, 1e-9);
        close(found.p, 0.301_787_653, 1e-9);
    }

    #[test]
    fn an_interval_on_the_logit_scale_stays_below_one() {
        let [found, variance] = area(&single(SCORES), &labels()).unwrap();
        // The plain interval of the same variance, [0.687197, 1.023741], does not.
        close(found + 1.959_964 * variance.sqrt(), 1.023_741, 1e-6);
        let [low, high] = logit_interval(found, variance, 0.95).unwrap();
        // numpy: logit(0.85546875) ± 1.959964 × 0.0858546 / (0.85546875 × 0.14453125)
        close(low, 0.602_811_266, 1e-6);
        close(high, 0.958_477_675, 1e-6);
        assert_eq!(logit_interval(1.0, 0.0, 0.95), None);
    }

    #[test]
    fn what_cannot_be_compared_is_undefined() {
        let scores = single(SCORES);
        assert_eq!(compare([&scores, &scores], &labels()), None);
        assert_eq!(area(&[0.1, 0.2, 0.3], &[true, false, false]), None);
        assert_eq!(area(&[], &[]), None);
    }
}
