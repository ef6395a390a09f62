//! Draws that every part of the simulation needs.

use std::f32::consts::TAU;

use rand::RngExt;

/// A bound below and above; equal bounds are allowed.
pub type Span = [f32; 2];

/// Uniform between the bounds.
pub fn uniform([low, high]: Span, rng: &mut impl RngExt) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Uniform in the logarithm; both bounds must be above 0.
pub fn log_uniform([low, high]: Span, rng: &mut impl RngExt) -> f32 {
    uniform([low.ln(), high.ln()], rng).exp()
}

/// Two independent standard normal numbers (Box and Muller, 1958).
pub fn normal_pair(rng: &mut impl RngExt) -> [f32; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
    [radius * cos, radius * sin]
}

/// 0 below 0, 1 above 1, with level ends in between.
pub fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
