//! How far a long command is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// Draws a second.
const REFRESH_HZ: u8 = 4;

/// A bar on standard error, where that is a terminal; it goes away when dropped.
pub fn bar(unit: &str, count: usize) -> ProgressBar {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {unit}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr_with_hz(REFRESH_HZ))
        .with_style(style)
        .with_finish(ProgressFinish::AndClear)
}
