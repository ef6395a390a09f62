//! Logs and progress on standard error.

use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::Level;

/// `--log-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line a person reads.
    Text,
    /// One JSON object a line.
    Json,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Starts the log.
pub fn init(common: &super::Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::INFO,
        (false, _) => Level::DEBUG,
    };
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_coloured = match common.color {
        Color::Auto => std::io::stderr().is_terminal() && !no_color,
        Color::Always => true,
        Color::Never => false,
    };
    // Engines log through the same door; what they say matters only to those who ask.
    let filter = tracing_subscriber::filter::Targets::new()
        .with_target("s2infer", level)
        .with_default(if common.verbose > 1 { Level::INFO } else { Level::ERROR });
    use tracing_subscriber::prelude::*;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_coloured);
    let registry = tracing_subscriber::registry();
    let result = match common.log_format {
        LogFormat::Text => registry.with(layer.with_target(false).without_time().with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(layer.json().with_target(false).with_filter(filter)).try_init(),
    };
    // A second start in one process changes nothing.
    let _ = result;
}

/// A progress bar over tiles.
pub struct TileBar {
    bar: ProgressBar,
    /// Steps of the bar that are one tile.
    steps: f64,
}

/// Fewer tiles than this may be whole scenes: their bar moves within a tile too, and shows a percentage.
const COUNTED_TILES_MIN: usize = 20;
const STEPS_OF_A_SCENE: u64 = 1000;

/// A progress bar over `tiles`, drawn only on a terminal and only once it is worth it.
pub fn progress(common: &super::Common, tiles: usize) -> TileBar {
    let (steps, template) = match tiles < COUNTED_TILES_MIN {
        true => (STEPS_OF_A_SCENE, "{msg} {bar:40} {percent} %  {eta} left"),
        false => (1, "{msg} {bar:40} {human_pos}/{human_len} tiles  {per_sec}  {eta} left"),
    };
    let bar = ProgressBar::with_draw_target(Some(tiles as u64 * steps), ProgressDrawTarget::stderr_with_hz(5));
    if common.quiet || !std::io::stderr().is_terminal() || common.log_format == LogFormat::Json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    TileBar { bar, steps: steps as f64 }
}

impl TileBar {
    /// Shows how many tiles are done.
    pub fn set(&self, tiles: f64) {
        self.bar.set_position((tiles * self.steps) as u64);
    }

    /// Shows what is being done to them.
    pub fn set_message(&self, what: String) {
        self.bar.set_message(what);
    }

    /// Removes it.
    pub fn finish_and_clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// A line that says what is being done, for work whose length is not known.
pub fn spinner(common: &super::Common) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    if common.quiet || !std::io::stderr().is_terminal() || common.log_format == LogFormat::Json {
        spinner.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}
