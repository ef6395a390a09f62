//! The scores that the tests share: two models on 16 negatives and then 8 positives.

pub(super) const SCORES: [f64; 24] = [
    0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.22, 0.25, 0.28, 0.33, 0.40, 0.45, 0.55, 0.62, 0.71, // negatives
    0.18, 0.36, 0.52, 0.64, 0.73, 0.81, 0.90, 0.95,
];

pub(super) const SECOND: [f64; 24] = [
    0.10, 0.02, 0.30, 0.08, 0.20, 0.05, 0.35, 0.15, 0.40, 0.12, 0.55, 0.33, 0.60, 0.25, 0.70, 0.50, // negatives
    0.22, 0.28, 0.45, 0.58, 0.66, 0.75, 0.62, 0.85,
];

pub(super) fn labels() -> Vec<bool> {
    (0..24).map(|row| row >= 16).collect()
}

pub(super) fn single(scores: [f64; 24]) -> [f32; 24] {
    scores.map(|score| score as f32)
}

pub(super) fn labelled() -> Vec<(f64, bool)> {
    SCORES.into_iter().zip(labels()).collect()
}
