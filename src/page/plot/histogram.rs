//! Shares per bin, laid over each other: how far apart two classes score.

use maud::{Markup, html};

use super::axes::{Frame, Side};
use super::label::Room;
use super::legend::{Key, legend};
use super::svg::{Drawing, Px, WIDTH, colour, line};

/// Height of the data's area, in units.
const HEIGHT: f64 = 165.0;

/// Shares per bin, an outline for each series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Names, and a share for each bin.
    pub series: Vec<(String, Vec<f64>)>,
    /// The edges of the bins, ascending: one more than there are bins.
    pub edges: Vec<f64>,
    /// The name of the values, with the unit.
    pub x_label: String,
    /// Values to compare with, such as thresholds, and their names.
    pub lines: Vec<(f64, String)>,
    /// Whether the horizontal axis is logarithmic.
    pub log_x: bool,
}

impl Histogram {
    pub(super) fn draw(&self) -> Drawing {
        let (key, top) = legend(self.series.iter().enumerate().map(|(i, (name, _))| (i, Key::Area, name.as_str())));
        let edges = self.edges.iter().copied().filter(|edge| edge.is_finite() && (!self.log_x || *edge > 0.0));
        let range = edges.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], e| [low.min(e), high.max(e)]);
        let shares = self.series.iter().flat_map(|(_, shares)| shares).copied().filter(|share| share.is_finite());
        let most = shares.fold(0.0, f64::max);
        let most = if most > 0.0 { most * 1.05 } else { 1.0 };
        let x = Side { label: &self.x_label, range, log: self.log_x };
        let y = Side { label: "share of tiles per bin", range: [0.0, most], log: false };
        let frame = Frame::new(&x, &y, top, HEIGHT);
        let mut room = Room::new([frame.left, frame.top], [frame.right, frame.bottom]);
        let lines: Vec<(f64, &str)> = self
            .lines
            .iter()
            .filter(|(at, _)| frame.x.holds(*at))
            .filter_map(|(at, name)| Some((frame.x.at(*at)?, name.as_str())))
            .collect();
        for (x, _) in &lines {
            room.keep_off_line([*x, frame.top], [*x, frame.bottom]);
        }
        let body = html! {
            (key)
            (frame.draw(x.label, y.label))
            @for (i, (_, shares)) in self.series.iter().enumerate() { (self.outline(i, shares, &frame)) }
            @for (x, _) in &lines { (line("rule", [*x, frame.top], [*x, frame.bottom])) }
            @for label in lines.iter().filter_map(|(x, name)| room.beside_vertical(*x, "note", name)) { (label) }
        };
        Drawing { width: WIDTH, height: frame.height(), body }
    }

    /// Steps from the base line over the bins and back to it.
    fn outline(&self, index: usize, shares: &[f64], frame: &Frame) -> Markup {
        let mut d = String::new();
        for (edges, share) in self.edges.windows(2).zip(shares) {
            let sides = frame.x.at(edges[0]).zip(frame.x.at(edges[1]));
            if let Some(((from, to), y)) = sides.zip(frame.y.at(*share)) {
                let start = if d.is_empty() { format!("M{} {}", Px(from), Px(frame.bottom)) } else { String::new() };
                d += &format!("{start}V{}H{}", Px(y), Px(to));
            }
        }
        let class = format!("area {}", colour(index));
        html! { @if !d.is_empty() { path class=(class) d=(format!("{d}V{}", Px(frame.bottom))) {} } }
    }
}
