//! Draws that every part of the simulation needs.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A bound below and above; equal bounds are allowed.
pub type Span = [f32; 2];

/// Random numbers for one purpose: the same seed and text give the same ones, in whatever order work is done.
pub fn rng(seed: u64, text: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(Sha256::digest(format!("{seed}/{text}").as_bytes()).into())
}

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
