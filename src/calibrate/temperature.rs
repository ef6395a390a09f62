//! The temperature that makes scores honest probabilities: p = σ(z / T) with the T of least log loss (Guo et al. 2017,
//! "On calibration of modern neural networks"). It is monotone, so that no ranking and no decision changes.

use crate::{Error, Result};

/// Logits are held to ± ln(2²⁵): a score of `f32` nearer to 1 than 2⁻²⁵ is 1, and 0 is held to the same.
const LOGIT_MAX: f64 = 17.328_679_513_998_633;
/// Temperatures that are looked at.
const RANGE: [f64; 2] = [0.01, 100.0];
/// Halvings of the range of logarithms; 60 leave nothing of it.
const HALVINGS: usize = 60;

/// A fitted temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The temperature, relative to the one that the scores were written at.
    pub temperature: f64,
    /// Mean log loss in nats of the scores as they are.
    pub log_loss_before: f64,
    /// Mean log loss in nats at the temperature.
    pub log_loss_after: f64,
}

/// Fits a temperature to scores (0 to 1) and whether each is of a positive.
///
/// The loss is convex in 1/T, so that its derivative Σ z (σ(z/T) − y) crosses 0 once.
///
/// # Errors
/// [`crate::Kind::Refused`] where no temperature from 0.01 to 100 is best: one class is missing, scores separate the
/// classes without an error, or rank them no better than chance.
pub fn fit(scores: &[(f64, bool)]) -> Result<Fit> {
    let logits: Vec<(f64, bool)> = scores.iter().map(|&(score, positive)| (logit(score), positive)).collect();
    let rises_towards_cold = |temperature: f64| -> bool {
        let slope = |&(z, positive): &(f64, bool)| z * (logistic(z / temperature) - f64::from(u8::from(positive)));
        logits.iter().map(slope).sum::<f64>() > 0.0
    };
    let positives = scores.iter().filter(|(_, positive)| *positive).count();
    let refused = |why: &str| Err(Error::refused(format!("no temperature can be fitted: {why}")));
    if positives == 0 || positives == scores.len() {
        return refused("the scores are of one class alone");
    }
    let [mut low, mut high] = RANGE;
    if !rises_towards_cold(low) {
        return refused("the scores separate the classes without an error; give more patches");
    }
    if rises_towards_cold(high) {
        return refused("the scores rank positives no better than chance");
    }
    for _ in 0..HALVINGS {
        let middle = (low * high).sqrt();
        if rises_towards_cold(middle) { low = middle } else { high = middle }
    }
    let temperature = (low * high).sqrt();
    let (log_loss_before, log_loss_after) = (log_loss(&logits, 1.0), log_loss(&logits, temperature));
    Ok(Fit { temperature, log_loss_before, log_loss_after })
}

fn logit(score: f64) -> f64 {
    (score.ln() - (-score).ln_1p()).clamp(-LOGIT_MAX, LOGIT_MAX)
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn log_loss(logits: &[(f64, bool)], temperature: f64) -> f64 {
    let loss = |&(z, positive): &(f64, bool)| {
        let against = if positive { -z / temperature } else { z / temperature };
        // ln(1 + e^x) without overflow.
        against.max(0.0) + (-against.abs()).exp().ln_1p()
    };
    logits.iter().map(loss).sum::<f64>() / logits.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEGATIVES: [f64; 16] =
        [0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.22, 0.25, 0.28, 0.33, 0.40, 0.45, 0.55, 0.62, 0.71];
    const POSITIVES: [f64; 8] = [0.18, 0.36, 0.52, 0.64, 0.73, 0.81, 0.90, 0.95];

    fn fixture() -> Vec<(f64, bool)> {
        let of = |scores: &[f64], positive| scores.iter().map(|s| (*s, positive)).collect::<Vec<_>>();
        [of(&NEGATIVES, false), of(&POSITIVES, true)].concat()
    }

    // scipy 1.17.1, minimize_scalar of the mean log loss
    #[test]
    fn temperature_and_log_loss_agree_with_scipy() {
        let fit = fit(&fixture()).unwrap();
        assert!((fit.temperature - 0.797_513_787).abs() < 1e-6, "{fit:?}");
        assert!((fit.log_loss_before - 0.443_113_877).abs() < 1e-9, "{fit:?}");
        assert!((fit.log_loss_after - 0.437_172_812).abs() < 1e-9, "{fit:?}");
    }

    #[test]
    fn logits_three_times_as_large_have_three_times_the_temperature() {
        let sharp: Vec<_> = fixture().iter().map(|&(s, positive)| (logistic(3.0 * logit(s)), positive)).collect();
        assert!((fit(&sharp).unwrap().temperature - 3.0 * 0.797_513_787).abs() < 1e-6);
    }

    #[test]
    fn scores_of_zero_and_one_count_as_far_as_f32_can_tell() {
        let mut scores = fixture();
        scores.extend([(0.0, true), (1.0, false), (0.0, false), (1.0, true)]);
        let held = 2f64.powi(-25);
        let mut finite = fixture();
        finite.extend([(held, true), (1.0 - held, false), (held, false), (1.0 - held, true)]);
        let (at_ends, inside) = (fit(&scores).unwrap(), fit(&finite).unwrap());
        assert!(at_ends.temperature > 1.0);
        assert!((at_ends.temperature - inside.temperature).abs() < 1e-6, "{at_ends:?} {inside:?}");
    }

    #[test]
    fn scores_that_bear_no_temperature_are_refused_with_the_reason() {
        let why = |scores: &[(f64, bool)]| fit(scores).unwrap_err().to_string();
        assert!(why(&[(0.2, false), (0.9, false)]).contains("one class"));
        assert!(why(&[(0.2, false), (0.9, true)]).contains("separate"));
        assert!(why(&[(0.2, true), (0.9, false)]).contains("chance"));
    }
}
