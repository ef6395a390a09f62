//! What can be demanded of a model with two classes.

use super::{Estimate, Evaluation, Measurable};

impl Measurable for Evaluation {
    fn metrics() -> &'static [&'static str] {
        &[
            "recall",
            "recall_lower",
            "false_alarms",
            "precision",
            "precision_lower",
            "f1",
            "f1_lower",
            "average_precision",
            "average_precision_lower",
            "auroc",
            "brier",
            "ece",
            "accuracy",
            "alerts_per_1000",
        ]
    }

    fn value(&self, metric: &str, group: &str, is_baseline: bool) -> Option<f64> {
        let measured = self.model(is_baseline)?;
        let mut groups = measured.own.groups.iter().chain([&measured.own.all]).zip(&measured.quality);
        let (at, quality) = groups.find(|(at, _)| at.group == group)?;
        let low = |estimate: &Estimate| estimate.interval.map(|[low, _]| low);
        match metric {
            "recall" => at.recall.estimate,
            "recall_lower" => at.recall.estimate.map(|_| at.recall.lower),
            "false_alarms" => at.false_alarms.estimate,
            "precision" => at.precision.estimate,
            "precision_lower" => low(&at.precision),
            "f1" => at.f1.estimate,
            "f1_lower" => low(&at.f1),
            "average_precision" => quality.average_precision.estimate,
            "average_precision_lower" => low(&quality.average_precision),
            "auroc" => quality.auroc.estimate,
            "brier" => quality.brier,
            "ece" => quality.ece,
            "accuracy" => at.accuracy,
            "alerts_per_1000" => at.alerts_per_1000,
            _ => None,
        }
    }
}

impl Evaluation {
    /// Whether a metric counts the positives, or the negatives, so that it is undefined without them.
    pub(super) fn counts(metric: &str, positives: bool) -> bool {
        match metric {
            "recall" | "recall_lower" => positives,
            "false_alarms" => !positives,
            "brier" | "ece" => false,
            _ => true,
        }
    }
}
