//! What a threshold came to: how many positives were caught, how many negatives alarmed.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use super::scored::Scored;

/// Outcomes at a threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Positives.
    pub positives: usize,
    /// Positives at or above the threshold.
    pub caught: usize,
    /// Negatives.
    pub negatives: usize,
    /// Negatives at or above the threshold.
    pub alarms: usize,
}

impl Outcome {
    /// Outcomes of rows, each at its group's threshold; rows of other groups do not count.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Scored>, thresholds: &BTreeMap<String, f64>) -> Self {
        let mut outcome = Self::default();
        for row in rows {
            let Some(threshold) = thresholds.get(&row.group()) else { continue };
            // As the rule compares them: both in 32 bits.
            let is_alert = row.score >= *threshold as f32;
            outcome += match (row.label, is_alert) {
                (1, is_alert) => Self { positives: 1, caught: usize::from(is_alert), ..Self::default() },
                (_, is_alert) => Self { negatives: 1, alarms: usize::from(is_alert), ..Self::default() },
            };
        }
        outcome
    }

    /// Share of the positives that were caught; 0 without positives.
    pub fn recall(&self) -> f64 {
        self.caught as f64 / self.positives.max(1) as f64
    }

    /// Share of the alerts that are positives where there are `negatives` for every positive:
    /// recall / (recall + negatives × false alarm rate). 0 without an alert.
    pub fn precision(&self, negatives: f64) -> f64 {
        let alarms = negatives * self.alarms as f64 / self.negatives.max(1) as f64;
        self.recall() / (self.recall() + alarms).max(f64::MIN_POSITIVE)
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.positives += other.positives;
        self.caught += other.caught;
        self.negatives += other.negatives;
        self.alarms += other.alarms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_brought_to_the_wanted_prevalence() {
        // A true positive rate of .85 and a false positive rate of .02 give .810 at 1:10 and .300 at 1:99.
        let outcome = Outcome { positives: 100, caught: 85, negatives: 50, alarms: 1 };
        assert!((outcome.precision(10.0) - 0.8095).abs() < 1e-4);
        assert!((outcome.precision(99.0) - 0.3003).abs() < 1e-4);
        assert_eq!(Outcome::default().precision(10.0), 0.0);
    }

    #[test]
    fn a_score_at_its_groups_threshold_is_an_alert() {
        let row = |label, score, season: &str| Scored {
            tile: String::new(),
            label,
            score,
            season: season.into(),
            cloud: "clear".into(),
            site: String::new(),
            ..Scored::default()
        };
        let rows = [row(1, 0.5, "summer"), row(1, 0.5, "winter"), row(0, 0.7, "winter"), row(0, 0.4, "summer")];
        let thresholds = [("summer-clear".to_owned(), 0.5), ("winter-clear".to_owned(), 0.6)].into();
        let expected = Outcome { positives: 2, caught: 1, negatives: 2, alarms: 1 };
        assert_eq!(Outcome::of(&rows, &thresholds), expected);
    }
}
