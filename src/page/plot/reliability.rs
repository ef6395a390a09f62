//! Observed shares against predicted scores: points on the diagonal are calibrated.

use maud::{Markup, html};

use super::axes::{Frame, Side};
use super::svg::{Anchor, Drawing, LINE_HEIGHT, WIDTH, elide, line, marker, rect, text};

/// Height of the data's area, in units: about as much as it is wide.
const HEIGHT: f64 = 290.0;
/// How much of the height the largest count takes.
const COUNT_SHARE: f64 = 0.2;

/// A bin of scores: their mean, the share of positives, the interval of that share, and the number of tiles.
pub type ReliabilityBin = (f64, f64, [f64; 2], usize);

/// A reliability diagram with the number of tiles in each bin as bars along the bottom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reliability {
    /// In ascending order of scores.
    pub bins: Vec<ReliabilityBin>,
    /// Written above the plot.
    pub title: String,
}

impl Reliability {
    pub(super) fn draw(&self) -> Drawing {
        let x = Side { label: "mean score", range: [0.0, 1.0], log: false };
        let y = Side { label: "share of positives, bars: number of tiles", range: [0.0, 1.0], log: false };
        let top = if self.title.is_empty() { 0.0 } else { LINE_HEIGHT + 5.0 };
        let frame = Frame::new(&x, &y, top, HEIGHT);
        let most = self.bins.iter().map(|bin| bin.3).max().unwrap_or(0).max(1) as f64;
        let body = html! {
            (text(0.0, LINE_HEIGHT - 3.0, Anchor::Start, "title", &elide(&self.title, 0.9 * WIDTH)))
            (frame.draw(x.label, y.label))
            (line("rule", [frame.left, frame.bottom], [frame.right, frame.top]))
            @for bin in &self.bins { (count(bin, most, &frame)) }
            @for bin in &self.bins { (point(bin, &frame)) }
        };
        Drawing { width: WIDTH, height: frame.height(), body }
    }
}

fn count((score, _, _, n): &ReliabilityBin, most: f64, frame: &Frame) -> Markup {
    let height = (frame.bottom - frame.top) * COUNT_SHARE * *n as f64 / most;
    html! {
        @if let Some(x) = frame.x.at(*score).filter(|_| frame.x.holds(*score)) {
            (rect("count", [(x - 6.0).max(frame.left), frame.bottom - height], [(x + 6.0).min(frame.right), frame.bottom]))
        }
    }
}

fn point((score, share, [low, high], _): &ReliabilityBin, frame: &Frame) -> Markup {
    let Some(x) = frame.x.at(*score).filter(|_| frame.x.holds(*score)) else { return html! {} };
    html! {
        @if let Some((from, to)) = frame.y.at_clamped(*low).zip(frame.y.at_clamped(*high)) {
            (line("line s0", [x, from], [x, to]))
        }
        @if let Some(y) = frame.y.at(*share).filter(|_| frame.y.holds(*share)) { (marker(0, [x, y], 4.0)) }
    }
}
