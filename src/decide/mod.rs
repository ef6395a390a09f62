//! From a score to a decision: threshold profiles, the shift a tile belongs to, and the rule.
//!
//! Everything here is pure: bytes, dates and numbers in, decisions out.

mod fixed;
mod prefilter;
mod profile;
mod resolve;
mod shift;
pub mod sites;

pub use profile::{
    Binding, Group, ModelRef, PROFILE_FORMAT, PROFILE_VERSION, Probability, Profile, Rule, ScoresRef, SiteRule,
    UnseenRegion,
};
pub(crate) use profile::{sha256, validate_group_name};
pub use resolve::{Observation, Resolution};
pub use shift::{Bounds, SEASON_SKY_GROUPS, Season, ShiftChoice, Sky, group_name};

/// What is said of one window.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The score reaches the threshold.
    Positive,
    /// The score stays under the threshold.
    Negative,
    /// The class with the highest probability, for a model with more than two.
    Class(String),
    /// No decision, for the reason beside it: too few valid pixels, too much cloud.
    Abstain,
    /// The window could not be read or scored.
    Error,
}

impl Decision {
    /// The word in the output's `decision` column.
    pub fn text(&self) -> &str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Class(name) => name,
            Self::Abstain => "abstain",
            Self::Error => "error",
        }
    }
}

/// The rule: positive if and only if `score >= threshold`, so that a tie is caught. Where either is not a
/// finite number there is no decision.
///
/// ```
/// use s2infer::decide::{Decision, threshold_rule};
/// assert_eq!(threshold_rule(0.7, 0.7), Decision::Positive);
/// assert_eq!(threshold_rule(0.6, 0.7), Decision::Negative);
/// assert_eq!(threshold_rule(f32::NAN, 0.7), Decision::Abstain);
/// ```
pub fn threshold_rule(score: f32, threshold: f32) -> Decision {
    if !score.is_finite() || !threshold.is_finite() {
        Decision::Abstain
    } else if score >= threshold {
        Decision::Positive
    } else {
        Decision::Negative
    }
}

/// Share of the views whose own scores fall on the side of `decision`, 0 to 1; 1 where there are none.
///
/// ```
/// use s2infer::decide::{Decision, agreement};
/// assert_eq!(agreement(&[0.9, 0.6, 0.2, 0.5], 0.5, &Decision::Positive), 0.75);
/// assert_eq!(agreement(&[], 0.5, &Decision::Negative), 1.0);
/// ```
pub fn agreement(views: &[f32], threshold: f32, decision: &Decision) -> f64 {
    let agreeing = views.iter().filter(|score| threshold_rule(**score, threshold) == *decision).count();
    if views.is_empty() { 1.0 } else { agreeing as f64 / views.len() as f64 }
}

/// The class of a pixel by the probabilities of its classes: the most likely, the first of equals. With a threshold, the
/// likeliest of the classes after the first that reach it, and the first where none does.
///
/// ```
/// use s2infer::decide::pixel_rule;
/// let probabilities = [0.5, 0.3, 0.2];
/// assert_eq!(pixel_rule(3, None, |class| probabilities[class]), 0);
/// assert_eq!(pixel_rule(3, Some(0.3), |class| probabilities[class]), 1);
/// assert_eq!(pixel_rule(3, Some(0.6), |class| probabilities[class]), 0);
/// ```
pub fn pixel_rule(classes: usize, threshold: Option<f32>, probability: impl Fn(usize) -> f32) -> usize {
    let mut best = 0;
    for class in 1..classes {
        let is_better = match threshold {
            None => probability(class) > probability(best),
            Some(least) => probability(class) >= least && (best == 0 || probability(class) > probability(best)),
        };
        best = if is_better { class } else { best };
    }
    best
}

#[cfg(test)]
mod tests;
