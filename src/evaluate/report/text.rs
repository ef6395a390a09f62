//! Numbers in words.

use super::super::{Estimate, Share};

/// `0.813 [0.742, 0.871] 126/155`
pub(super) fn share(share: &Share) -> String {
    let Share { hits, n, interval: [low, high], .. } = share;
    share.estimate.map_or_else(|| "–".into(), |estimate| format!("{estimate:.3} [{low:.3}, {high:.3}] {hits}/{n}"))
}

/// The share of positives that alert.
pub(super) fn recall(share: &Share) -> String {
    if share.n == 0 { "no positives".into() } else { self::share(share) }
}

/// The share of negatives that alert.
pub(super) fn false_alarms(share: &Share) -> String {
    if share.n == 0 { "no negatives".into() } else { self::share(share) }
}

/// A whole number, or a dash.
pub(super) fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.0}"))
}

/// `0.710 [0.650, 0.760]`
pub(super) fn estimate(value: &Estimate) -> String {
    match (value.estimate, value.interval) {
        (None, _) => "–".into(),
        (Some(estimate), None) => format!("{estimate:.3}"),
        (Some(estimate), Some([low, high])) => format!("{estimate:.3} [{low:.3}, {high:.3}]"),
    }
}

/// `+0.456 [+0.349, +0.613]`
pub(super) fn difference(value: &Estimate) -> String {
    match (value.estimate, value.interval) {
        (None, _) => "–".into(),
        (Some(estimate), None) => format!("{estimate:+.3}"),
        (Some(estimate), Some([low, high])) => format!("{estimate:+.3} [{low:+.3}, {high:+.3}]"),
    }
}

/// Three digits, or a dash.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.3}"))
}

/// A probability of a test.
pub(super) fn p(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(p) if p < 0.001 => "< 0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// `9.1 %`
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 1.0 { format!("{percent:.1} %") } else { format!("{percent:.2} %") }
}

/// A hash, short enough to be read and long enough to be told apart.
pub(super) fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}
