//! The frame of a plot: two scales, their ticks, grid and names.

use maud::{Markup, html};

use super::scale::{Scale, Tick};
use super::svg::{Anchor, LINE_HEIGHT, Px, WIDTH, line, text, text_width};

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
        let ends = Scale::new(x.range, x.log, [left, WIDTH - 12.0]).ticks_across();
        let right = WIDTH - ends.last().map_or(8.0, |tick| text_width(&tick.label) / 2.0 + 1.0).max(8.0);
        Self { left, right, top, bottom, x: Scale::new(x.range, x.log, [left, right]), y }
    }

    /// A point of the data in the drawing.
    pub(super) fn at(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        Some([self.x.at(x)?, self.y.at(y)?])
    }

    /// Grid, ticks, labels and both names.
    pub(super) fn draw(&self, x_label: &str, y_label: &str) -> Markup {
        html! {
            g class="axis" { (self.across()) }
            g class="axis" { (self.up()) }
            (line("base", [self.left, self.bottom], [self.right, self.bottom]))
            (text(0.0, self.top - 11.0, Anchor::Start, "name", y_label))
            (text(self.right, self.name_y(), Anchor::End, "name", x_label))
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

    fn across(&self) -> Markup {
        let ticks = self.x.ticks_across();
        html! {
            @for (at, Tick { label, .. }) in ticks.iter().filter_map(|tick| Some((self.x.at(tick.value)?, tick))) {
                (line("grid", [at, self.top], [at, self.bottom]))
                (text(at, self.bottom + 18.5, Anchor::Middle, "", label))
            }
        }
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
