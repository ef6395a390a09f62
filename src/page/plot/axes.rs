//! The frame of a plot: two scales, their ticks, grid and names.

use maud::{Markup, html};

use super::scale::{Scale, Tick};
use super::svg::{Anchor, LINE_HEIGHT, Px, WIDTH, elide, line, text, text_width};

/// The rectangle of the data, in units of the view box, with a scale on each side.
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: Scale,
    pub y: Scale,
}

/// What a scale shows: name, range, and whether it is logarithmic.
pub(super) struct Side<'a> {
    pub label: &'a str,
    pub range: [f64; 2],
    pub log: bool,
}

impl Frame {
    /// A frame `height` high whose names and ticks begin at `top`.
    pub(super) fn new(x: &Side, y: &Side, top: f64, height: f64) -> Self {
        let top = top + if y.label.is_empty() { 8.0 } else { LINE_HEIGHT + 6.0 };
        let bottom = top + height;
        let y = Scale::new(y.range, y.log, [bottom, top]);
        let left = y.ticks_up().iter().map(|tick| text_width(&tick.label)).fold(0.0, f64::max) + 7.0;
        let right = WIDTH - 12.0;
        Self { left, right, top, bottom, x: Scale::new(x.range, x.log, [left, right]), y }
    }

    /// A point of the data in the drawing.
    pub(super) fn at(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        Some([self.x.at(x)?, self.y.at(y)?])
    }

    /// Grid, ticks, labels and both names.
    pub(super) fn draw(&self, x_label: &str, y_label: &str) -> Markup {
        html! {
            (ticks_below(&self.x, Some([self.top, self.bottom]), self.bottom + 18.5, WIDTH))
            g class="axis" { (self.up()) }
            (line("base", [self.left, self.bottom], [self.right, self.bottom]))
            (text(0.0, self.top - 11.0, Anchor::Start, "name", &elide(y_label, WIDTH)))
            (text(self.right, self.name_y(), Anchor::End, "name", &elide(x_label, self.right)))
        }
    }

    /// What the plot ends with: the base line of the horizontal axis's name and the space below it.
    pub(super) fn height(&self) -> f64 {
        self.name_y() + 6.0
    }

    /// The data's own area: what is drawn in it is cut off at the frame.
    pub(super) fn clip(&self, body: &Markup) -> Markup {
        let [width, height] = [self.right - self.left, self.bottom - self.top].map(Px);
        let [x, y] = [self.left, self.top].map(Px);
        html! {
            svg x=(x) y=(y) width=(width) height=(height) viewBox=(format!("{x} {y} {width} {height}")) { (body) }
        }
    }

    fn name_y(&self) -> f64 {
        self.bottom + 2.0 * LINE_HEIGHT + 4.0
    }

    fn up(&self) -> Markup {
        let ticks = self.y.ticks_up();
        html! {
            @for (at, Tick { label, .. }) in ticks.iter().filter_map(|tick| Some((self.y.at(tick.value)?, tick))) {
                (line("grid", [self.left, at], [self.right, at]))
                (text(self.left - 6.0, at + 3.5, Anchor::End, "", label))
            }
        }
    }
}

/// The labels of a horizontal scale on the base line `y`, each moved as far as it takes to stay in a drawing `width` wide,
/// and lines of the grid, where there is one, from its top to its bottom.
pub(super) fn ticks_below(scale: &Scale, grid: Option<[f64; 2]>, y: f64, width: f64) -> Markup {
    let ticks = scale.ticks_across();
    html! {
        g class="axis" {
            @for (at, Tick { label, .. }) in ticks.iter().filter_map(|tick| Some((scale.at(tick.value)?, tick))) {
                @let half = text_width(label) / 2.0;
                @if let Some([top, bottom]) = grid { (line("grid", [at, top], [at, bottom])) }
                (text(at.min(width - half).max(half), y, Anchor::Middle, "", label))
            }
        }
    }
}
