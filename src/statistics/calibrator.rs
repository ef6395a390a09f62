//! Maps that make scores honest probabilities: p' = σ(a ln p − b ln(1 − p) + c) with a, b ≥ 0 (Kull et al. 2017,
//! "Beta calibration"). Temperature (Guo et al. 2017, "On calibration of modern neural networks") is a = b = 1/T,
//! c = 0; Platt's scaling (1999) is a = b. All are monotone, so that no ranking changes.

use super::logistic::{self, Row, logistic};
use super::probability::HELD;

pub use super::isotonic::isotonic;

/// Temperatures that are looked at.
const TEMPERATURES: [f64; 2] = [0.01, 100.0];
/// The map that changes nothing.
const IDENTITY: [f64; 3] = [1.0, 1.0, 0.0];

const ONE_CLASS: &str = "the scores are of one class alone";
const SEPARATED: &str = "the scores separate the classes without an error; give more patches";
const CHANCE: &str = "the scores rank positives no better than chance";

/// Which map is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One parameter: how sharp.
    Temperature,
    /// Two: how sharp, and a shift of the prevalence.
    Platt,
    /// Three: high and low scores apart.
    Beta,
}

/// The map p' = σ(a ln p − b ln(1 − p) + c).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrator {
    /// How sharp low scores are told apart.
    pub a: f64,
    /// How sharp high scores are told apart.
    pub b: f64,
    /// Shift of the logit.
    pub c: f64,
}

/// A fitted map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Which map.
    pub method: Method,
    /// The map itself.
    pub calibrator: Calibrator,
    /// Mean log loss in nats of the scores as they are.
    pub log_loss_before: f64,
    /// Mean log loss in nats of the mapped scores.
    pub log_loss_after: f64,
}

impl Calibrator {
    /// The probability of a score; scores are held to [`HELD`].
    pub fn apply(&self, score: f64) -> f64 {
        let [ln, ln_rest] = logarithms(score);
        logistic(self.a * ln + self.b * ln_rest + self.c)
    }

    /// The temperature, relative to the one that the scores were written at; none of another map.
    pub fn temperature(&self) -> Option<f64> {
        (self.a == self.b && self.c == 0.0).then(|| self.a.recip())
    }
}

/// Fits the map of least log loss to scores (0 to 1) and whether each is of a positive.
///
/// # Errors
/// Where no such map is best: one class is missing, scores separate the classes without an error, or rank them no
/// better than chance; in words.
pub fn fit(method: Method, scores: &[(f64, bool)]) -> Result<Fit, String> {
    refuse_one_class(scores)?;
    if method == Method::Temperature {
        return temperature(scores);
    }
    let of_class = |class: bool| scores.iter().filter(move |(_, positive)| *positive == class).map(|(score, _)| *score);
    let low = of_class(true).fold(f64::INFINITY, f64::min);
    let high = of_class(false).fold(f64::NEG_INFINITY, f64::max);
    let is_constant = scores.iter().all(|(score, _)| *score == low);
    if low >= high && !is_constant {
        return no_fit(SEPARATED);
    }
    best(method, scores, [0.0, 1.0]).map_or_else(|| no_fit(CHANCE), Ok)
}

/// Fits Platt's map to targets (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2) in place of 1 and 0 (Platt 1999), for few scores.
///
/// # Errors
/// Where one class is missing or the scores rank the classes no better than chance; in words.
pub fn platt_smoothed(scores: &[(f64, bool)]) -> Result<Fit, String> {
    refuse_one_class(scores)?;
    let positives = scores.iter().filter(|(_, positive)| *positive).count() as f64;
    let negatives = scores.len() as f64 - positives;
    let targets = [1.0 / (negatives + 2.0), (positives + 1.0) / (positives + 2.0)];
    best(Method::Platt, scores, targets).map_or_else(|| no_fit(CHANCE), Ok)
}

fn no_fit<T>(why: &str) -> Result<T, String> {
    Err(format!("no calibration can be fitted: {why}"))
}

fn refuse_one_class(scores: &[(f64, bool)]) -> Result<(), String> {
    let has = |class: bool| scores.iter().any(|(_, positive)| *positive == class);
    if has(true) && has(false) { Ok(()) } else { no_fit(ONE_CLASS) }
}

/// The loss is convex in 1/T, so that its slope changes sign once within the temperatures or not at all.
fn temperature(scores: &[(f64, bool)]) -> Result<Fit, String> {
    let rows = rows(Method::Temperature, scores, [0.0, 1.0]);
    let slope = |temperature: f64| -> f64 {
        rows.iter().map(|&([z, ..], target)| z * (logistic(z / temperature) - target)).sum()
    };
    if slope(TEMPERATURES[0]) <= 0.0 {
        return no_fit(SEPARATED);
    }
    if slope(TEMPERATURES[1]) > 0.0 {
        return no_fit(CHANCE);
    }
    best(Method::Temperature, scores, [0.0, 1.0]).map_or_else(|| no_fit(CHANCE), Ok)
}

/// The map of least loss with a, b ≥ 0; none if that is the constant one. The loss is convex, so that the least is
/// the free fit if that is inside, otherwise the best of those that hold a or b or both at 0.
fn best(method: Method, scores: &[(f64, bool)], targets: [f64; 2]) -> Option<Fit> {
    let fitted = rows(method, scores, targets);
    let free: &[[bool; 3]] = match method {
        Method::Temperature => &[[true, false, false]],
        Method::Platt => &[[true, false, true], [false, false, true]],
        Method::Beta => &[[true; 3], [true, false, true], [false, true, true], [false, false, true]],
    };
    let inside = |free: &[bool; 3]| {
        let start = [f64::from(u8::from(free[0])), f64::from(u8::from(free[1])), 0.0];
        logistic::fit(&fitted, start, *free).filter(|[a, b, _]| *a >= 0.0 && *b >= 0.0)
    };
    let loss = |coefficients: &[f64; 3]| logistic::log_loss(&fitted, *coefficients);
    let held = || free[1..].iter().filter_map(inside).min_by(|one, other| loss(one).total_cmp(&loss(other)));
    let [a, b, c] = inside(&free[0]).or_else(held)?;
    let [a, b, c] = if method == Method::Beta { [a, b, c] } else { [a, a, c] };
    let plain = rows(Method::Beta, scores, [0.0, 1.0]);
    (a > 0.0 || b > 0.0).then(|| Fit {
        method,
        calibrator: Calibrator { a, b, c },
        log_loss_before: logistic::log_loss(&plain, IDENTITY),
        log_loss_after: logistic::log_loss(&plain, [a, b, c]),
    })
}

/// What is regressed on: the logit, or its two parts, and a constant.
fn rows(method: Method, scores: &[(f64, bool)], targets: [f64; 2]) -> Vec<Row> {
    let row = |&(score, positive): &(f64, bool)| {
        let [ln, ln_rest] = logarithms(score);
        let features = if method == Method::Beta { [ln, ln_rest, 1.0] } else { [ln + ln_rest, 0.0, 1.0] };
        (features, targets[usize::from(positive)])
    };
    scores.iter().map(row).collect()
}

/// ln p and −ln(1 − p).
fn logarithms(score: f64) -> [f64; 2] {
    let held = score.clamp(HELD[0], HELD[1]);
    [held.ln(), -(-held).ln_1p()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::labelled;

    fn fitted(method: Method) -> Fit {
        fit(method, &labelled()).unwrap()
    }

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() < tolerance, "{found} {expected}");
    }

    // scipy 1.17.1: brentq on the slope of the mean log loss
    #[test]
    fn temperature_and_log_loss_agree_with_scipy() {
        let fit = fitted(Method::Temperature);
        close(fit.calibrator.temperature().unwrap(), 0.797_513_775_434, 1e-11);
        close(fit.log_loss_before, 0.443_113_877, 1e-9);
        close(fit.log_loss_after, 0.437_172_812, 1e-9);
    }

    // scipy 1.17.1, minimize of the mean log loss
    #[test]
    fn platt_scaling_agrees_with_scipy() {
        let raw = fitted(Method::Platt);
        close(raw.calibrator.a, 1.195_340, 1e-6);
        close(raw.calibrator.c, -0.403_122, 1e-6);
        close(raw.log_loss_after, 0.426_028_282, 1e-9);
        let smoothed = platt_smoothed(&labelled()).unwrap();
        close(smoothed.calibrator.a, 0.849_086, 1e-6);
        close(smoothed.calibrator.c, -0.415_200, 1e-6);
        assert!(smoothed.log_loss_after > raw.log_loss_after);
        assert_eq!((raw.calibrator.b, raw.calibrator.temperature()), (raw.calibrator.a, None));
    }

    // scipy 1.17.1, minimize of the mean log loss
    #[test]
    fn beta_calibration_agrees_with_scipy() {
        let fit = fitted(Method::Beta);
        close(fit.calibrator.a, 0.517_024, 1e-6);
        close(fit.calibrator.b, 2.043_339, 1e-6);
        close(fit.calibrator.c, -1.649_081, 1e-6);
        close(fit.log_loss_after, 0.421_458_791, 1e-9);
    }

    #[test]
    fn applying_the_map_gives_the_loss_that_was_fitted() {
        let fit = fitted(Method::Beta);
        let loss = |&(score, positive): &(f64, bool)| {
            let p = fit.calibrator.apply(score);
            -if positive { p.ln() } else { (1.0 - p).ln() }
        };
        close(labelled().iter().map(loss).sum::<f64>() / 24.0, fit.log_loss_after, 1e-12);
    }

    #[test]
    fn logits_three_times_as_large_have_three_times_the_temperature() {
        let sharp = Calibrator { a: 3.0, b: 3.0, c: 0.0 };
        let sharp: Vec<_> = labelled().iter().map(|&(score, positive)| (sharp.apply(score), positive)).collect();
        let found = fit(Method::Temperature, &sharp).unwrap().calibrator.temperature().unwrap();
        close(found, 3.0 * 0.797_513_775_434, 1e-9);
    }

    #[test]
    fn scores_of_zero_and_one_count_as_far_as_f32_can_tell() {
        let with = |ends: [f64; 2]| {
            let mut scores = labelled();
            scores.extend([(ends[0], true), (ends[1], false), (ends[0], false), (ends[1], true)]);
            fit(Method::Temperature, &scores).unwrap()
        };
        assert!(with([0.0, 1.0]).calibrator.temperature().unwrap() > 1.0);
        assert_eq!(with([0.0, 1.0]), with(HELD));
    }

    #[test]
    fn a_map_that_would_fall_is_held_where_it_is_flat() {
        // Positives in the middle: the best a or b without the constraint is below 0.
        let mut scores: Vec<_> = (1..40).map(|i| (f64::from(i) / 40.0, (12..28).contains(&i))).collect();
        scores.extend([(0.99, true), (0.98, true), (0.97, true)]);
        let Calibrator { a, b, c } = fit(Method::Beta, &scores).unwrap().calibrator;
        assert!((a > 0.0 && b == 0.0) || (a == 0.0 && b > 0.0), "{a} {b}");
        // Nothing allowed nearby is better.
        let rows = rows(Method::Beta, &scores, [0.0, 1.0]);
        let least = logistic::log_loss(&rows, [a, b, c]);
        for [da, db, dc] in [[0.01, 0.0, 0.0], [-0.01, 0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 0.01], [0.0, 0.0, -0.01]]
        {
            assert!(logistic::log_loss(&rows, [a + da, b + db, c + dc]) > least, "{da} {db} {dc}");
        }
    }

    #[test]
    fn scores_that_bear_no_calibration_are_refused_with_the_reason() {
        for method in [Method::Temperature, Method::Platt, Method::Beta] {
            let why = |scores: &[(f64, bool)]| fit(method, scores).unwrap_err();
            assert!(why(&[(0.2, false), (0.9, false)]).contains("one class"), "{method:?}");
            assert!(why(&[(0.2, false), (0.9, true)]).contains("separate"), "{method:?}");
            assert!(why(&[(0.2, true), (0.9, false)]).contains("chance"), "{method:?}");
            assert!(why(&[]).contains("one class"), "{method:?}");
        }
        assert!(fit(Method::Platt, &[(0.5, true), (0.5, false)]).unwrap_err().contains("chance"));
        // Smoothed targets are never at the end of the range.
        assert!(platt_smoothed(&[(0.2, false), (0.9, true)]).is_ok());
        assert!(platt_smoothed(&[(0.9, false), (0.2, true)]).unwrap_err().contains("chance"));
    }
}
