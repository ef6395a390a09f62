//! Positives more or less frequent than in the calibration data: thresholds keep their recall, precision moves.

/// Iterations of [`prevalence_by_em`]; it converges by a factor a step.
const ITERATIONS_MAX: usize = 100_000;
/// Change of the prevalence that ends them.
const TOLERANCE: f64 = 1e-12;

/// Precision at a prevalence, π R / (π R + (1 − π) F). None without alerts.
pub fn precision_at(prevalence: f64, recall: f64, false_positive_rate: f64) -> Option<f64> {
    let (hits, false_alerts) = (prevalence * recall, (1.0 - prevalence) * false_positive_rate);
    (hits + false_alerts > 0.0).then(|| hits / (hits + false_alerts))
}

/// The prevalence that explains a share of alerts, held to 0 and 1 (Lipton et al. 2018, "Detecting and correcting for
/// label shift with black box predictors"). None where alerts tell positives from negatives no better than chance.
pub fn prevalence_by_alerts(share_alerts: f64, recall: f64, false_positive_rate: f64) -> Option<f64> {
    let told_apart = recall - false_positive_rate;
    (told_apart > 0.0).then(|| ((share_alerts - false_positive_rate) / told_apart).clamp(0.0, 1.0))
}

/// How much more a negative and a positive count where the prevalence is `target` and not `source`.
pub fn class_weights(source: f64, target: f64) -> [f64; 2] {
    [(1.0 - target) / (1.0 - source), target / source]
}

/// The probability of a calibrated one where the prevalence is `target` and not `source`.
pub fn moved(probability: f64, source: f64, target: f64) -> f64 {
    let [negative, positive] = class_weights(source, target);
    let share = probability * positive;
    share / (share + (1.0 - probability) * negative)
}

/// The prevalence at which calibrated probabilities of unlabelled samples are their own mean (Saerens et al. 2002,
/// "Adjusting the outputs of a classifier to new a priori probabilities"), by expectation and maximisation from the
/// prevalence they were calibrated at, which is between 0 and 1. None without a probability.
pub fn prevalence_by_em(probabilities: &[f64], source: f64) -> Option<f64> {
    let mut target = source;
    for _ in 0..ITERATIONS_MAX {
        let mean = probabilities.iter().map(|p| moved(*p, source, target)).sum::<f64>() / probabilities.len() as f64;
        let change = (mean - target).abs();
        target = mean;
        if change < TOLERANCE {
            break;
        }
    }
    (!probabilities.is_empty()).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: f64 = 1.0 / 11.0;

    #[test]
    fn precision_falls_with_the_prevalence() {
        for (prevalence, precision) in [(SOURCE, 0.810), (0.05, 0.691), (0.02, 0.464), (0.01, 0.300), (0.001, 0.041)] {
            assert!((precision_at(prevalence, 0.85, 0.02).unwrap() - precision).abs() < 5e-4, "{prevalence}");
        }
        assert_eq!(precision_at(0.0, 0.85, 0.0), None);
    }

    // (0.05 − 0.02) / (0.85 − 0.02)
    #[test]
    fn alerts_tell_the_prevalence_and_the_weights() {
        let found = prevalence_by_alerts(0.05, 0.85, 0.02).unwrap();
        assert!((found - 0.036_144_578).abs() < 1e-9);
        let [negative, positive] = class_weights(SOURCE, found);
        assert!((positive - 0.397_590).abs() < 1e-6 && (negative - 1.060_241).abs() < 1e-6);
        assert_eq!(prevalence_by_alerts(0.01, 0.85, 0.02), Some(0.0));
        assert_eq!(prevalence_by_alerts(0.9, 0.85, 0.02), Some(1.0));
        assert_eq!(prevalence_by_alerts(0.05, 0.02, 0.02), None);
    }

    // numpy 2.4, the iteration written out
    #[test]
    fn expectation_and_maximisation_agree_with_numpy() {
        let probabilities = [
            0.02, 0.03, 0.05, 0.01, 0.9, 0.04, 0.6, 0.02, 0.1, 0.3, 0.01, 0.05, 0.02, 0.8, 0.03, 0.02, 0.01, 0.15,
            0.07, 0.02,
        ];
        let target = prevalence_by_em(&probabilities, SOURCE).unwrap();
        assert!((target - 0.269_537_716_6).abs() < 1e-9, "{target}");
        for (item, expected) in [(4, 0.970_768), (6, 0.846_976), (9, 0.612_615)] {
            assert!((moved(probabilities[item], SOURCE, target) - expected).abs() < 1e-6, "{item}");
        }
        assert_eq!(prevalence_by_em(&[], SOURCE), None);
    }

    #[test]
    fn an_unchanged_prevalence_moves_nothing() {
        assert!((moved(0.3, 0.2, 0.2) - 0.3).abs() < 1e-15);
        assert!((prevalence_by_em(&[0.2; 10], 0.2).unwrap() - 0.2).abs() < 1e-12);
    }
}
