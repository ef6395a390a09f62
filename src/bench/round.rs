//! One pass over the tiles, timed.

use crate::pipeline::StageTime;

/// What one pass took. Making sessions is not in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// Tiles that were decided.
    pub tiles: u64,
    /// Windows of them.
    pub windows: u64,
    /// Seconds by the clock.
    pub wall_seconds: f64,
    /// Seconds of all processors that this process used.
    pub cpu_seconds: f64,
    /// Where they went; empty where the engine alone ran.
    pub stages: Vec<StageTime>,
    /// Milliseconds that each batch was in the engine.
    pub batch_ms: Vec<f32>,
}

impl Round {
    /// Tiles per second by the clock.
    pub fn tiles_per_second(&self) -> f64 {
        self.tiles as f64 / self.wall_seconds.max(f64::MIN_POSITIVE)
    }

    /// Tiles per second of a processor.
    pub fn tiles_per_cpu_second(&self) -> f64 {
        self.tiles as f64 / self.cpu_seconds.max(f64::MIN_POSITIVE)
    }
}
