//! What turns scores into probabilities, for reports, prevalence and triage: no decision depends on it.

use super::Scores;
use crate::decide::{Probability, ScoresRef};
use crate::statistics::calibrator::{Calibrator, Method, fit};
use crate::{Error, Result};

impl Scores {
    /// Fits a map from these scores to probabilities. It is monotone, so that no ranking and no decision changes.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] where none fits: one class is missing, scores separate the classes without an error, or
    /// rank them no better than chance; [`crate::Kind::Usage`] for an unknown method.
    pub fn probability(&self, method: &str) -> Result<Probability> {
        let of = |name: &str| match name {
            "temperature" => Ok(Method::Temperature),
            "platt" => Ok(Method::Platt),
            "beta" => Ok(Method::Beta),
            _ => Err(Error::usage(format!("--probability {name}: give temperature, platt or beta"))),
        };
        let rows: Vec<(f64, bool)> = self.rows.iter().map(|row| (row.score, row.positive)).collect();
        let found = fit(of(method)?, &rows).map_err(|why| Error::refused(format!("{}: {why}", self.file)))?;
        let Calibrator { a, b, c } = found.calibrator;
        let log_loss = [found.log_loss_before, found.log_loss_after];
        Ok(Probability { method: method.to_owned(), a, b, c, log_loss, scores: self.reference() })
    }

    /// What a profile says of these scores.
    pub(super) fn reference(&self) -> ScoresRef {
        ScoresRef {
            file: self.file.clone(),
            sha256: self.sha256.clone(),
            n_rows: self.rows.len() as u64,
            n_positives: self.rows.iter().filter(|row| row.positive).count() as u64,
            n_sites: self.n_sites(),
        }
    }
}

impl Probability {
    /// The probability of a score.
    pub fn of(&self, score: f64) -> f64 {
        Calibrator { a: self.a, b: self.b, c: self.c }.apply(score)
    }
}
