//! A matrix of coloured cells: two conditions at once.

use maud::{Markup, html};

use super::axes::ticks_below;
use super::ramp::{colour_at, hex, ink_on};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, LINE_HEIGHT, Px, WIDTH, elide, text, text_width};

/// The widest that the labels of rows may grow.
const ROW_LABEL_MAX: f64 = 110.0;
/// The longest that labels of columns may grow where they stand upright.
const COLUMN_LABEL_MAX: f64 = 130.0;
/// Steps of the colour bar.
const BAR_STEPS: usize = 24;

/// A matrix of coloured cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heat {
    /// Labels from top to bottom.
    pub rows: Vec<String>,
    /// Labels from left to right.
    pub columns: Vec<String>,
    /// `rows × columns`; none where there is nothing to show.
    pub cells: Vec<Vec<Option<HeatCell>>>,
    /// The values of the palest and of the darkest colour.
    pub range: [f64; 2],
    /// What the colour shows, with the unit.
    pub legend: String,
    /// What the rows are.
    pub row_axis: String,
    /// What the columns are.
    pub column_axis: String,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeatCell {
    /// Makes the colour.
    pub value: f64,
    /// Written in the cell, one line for each line of it.
    pub text: String,
    /// Grey in place of the colour: too little data to trust the value.
    pub muted: bool,
}

/// Where the cells are.
struct Grid {
    left: f64,
    top: f64,
    cell: [f64; 2],
    width: f64,
    /// Whether labels of columns stand upright, for want of room.
    is_upright: bool,
}

impl Heat {
    pub(super) fn draw(&self) -> Drawing {
        let grid = self.grid();
        let bottom = grid.top + grid.cell[1] * self.rows.len() as f64;
        let body = html! {
            (self.axis_names(&grid))
            g class="axis" { @for (j, name) in self.columns.iter().enumerate() { (grid.column_label(j, name)) } }
            g class="axis" {
                @for (i, name) in self.rows.iter().enumerate() {
                    (text(grid.left - 7.0, grid.middle(i, 0)[1] + 4.5, Anchor::End, "", &elide(name, ROW_LABEL_MAX)))
                }
            }
            @for (i, row) in self.cells.iter().enumerate().take(self.rows.len()) {
                @for (j, cell) in row.iter().enumerate().take(self.columns.len()) {
                    @if let Some(cell) = cell { (self.cell(&grid, i, j, cell)) }
                }
            }
            (self.colour_bar(grid.left, bottom + 14.0, grid.width))
        };
        Drawing { width: grid.width, height: bottom + 2.0 * LINE_HEIGHT + 26.0, body }
    }

    fn grid(&self) -> Grid {
        let widest = |labels: &[String]| labels.iter().map(|label| text_width(label)).fold(0.0, f64::max);
        let written = self.cells.iter().flatten().flatten();
        let (mut text, mut lines) = (0.0, 1);
        for cell in written {
            text = cell.text.lines().map(text_width).fold(text, f64::max);
            lines = cell.text.lines().count().max(lines);
        }
        let left = widest(&self.rows).min(ROW_LABEL_MAX) + 9.0;
        let columns = self.columns.len().max(1) as f64;
        let needed = (text + 6.0).max(24.0);
        let width = WIDTH.max(left + columns * needed + 2.0);
        let cell = [(width - left - 2.0) / columns, 15.0 * lines as f64 + 11.0];
        let labels = widest(&self.columns);
        let is_upright = labels + 6.0 > cell[0];
        let head = if is_upright { labels.min(COLUMN_LABEL_MAX) + 8.0 } else { LINE_HEIGHT };
        let names = if self.column_axis.is_empty() && self.row_axis.is_empty() { 2.0 } else { LINE_HEIGHT + 6.0 };
        Grid { left, top: names + head, cell, width, is_upright }
    }

    fn axis_names(&self, grid: &Grid) -> Markup {
        let side_by_side = text_width(&self.row_axis) + 6.0 < grid.left;
        let joined = [self.row_axis.as_str(), self.column_axis.as_str()].join(" × ");
        html! {
            @if side_by_side {
                (text(0.0, grid.top - 6.0, Anchor::Start, "name", &self.row_axis))
                (text(grid.left, 13.0, Anchor::Start, "name", &elide(&self.column_axis, grid.width - grid.left)))
            } @else {
                (text(0.0, 13.0, Anchor::Start, "name", &elide(&joined, grid.width)))
            }
        }
    }

    fn cell(&self, grid: &Grid, row: usize, column: usize, cell: &HeatCell) -> Markup {
        let [x, y] = grid.middle(row, column);
        let colour = colour_at(Scale::new(self.range, false, [0.0, 1.0]).at(cell.value).unwrap_or(0.0));
        let is_muted = cell.muted || !cell.value.is_finite();
        let ink = if is_muted { "on-muted" } else { ink_on(colour) };
        let [width, height] = grid.cell.map(|side| Px(side - 2.0));
        let [left, top] = [x - grid.cell[0] / 2.0 + 1.0, y - grid.cell[1] / 2.0 + 1.0].map(Px);
        let lines = cell.text.lines().count() as f64;
        html! {
            rect class=[is_muted.then_some("muted")] fill=[(!is_muted).then(|| hex(colour))]
                x=(left) y=(top) width=(width) height=(height) rx="2" {}
            @for (i, words) in cell.text.lines().enumerate() {
                (text(x, y + 4.5 + 15.0 * (i as f64 - (lines - 1.0) / 2.0), Anchor::Middle, ink, words))
            }
        }
    }

    /// The colours from the least value to the greatest, and what they show.
    fn colour_bar(&self, left: f64, y: f64, width: f64) -> Markup {
        let bar = (width - left - 2.0).min(220.0);
        let scale = Scale::new(self.range, false, [left, left + bar]);
        let step = bar / BAR_STEPS as f64;
        html! {
            @for i in 0..BAR_STEPS {
                rect fill=(hex(colour_at((i as f64 + 0.5) / BAR_STEPS as f64))) x=(Px(left + step * i as f64)) y=(Px(y))
                    width=(Px(step + 0.4)) height="9" {}
            }
            (ticks_below(&scale, None, y + 23.0, width))
            (text(left, y + 23.0 + LINE_HEIGHT, Anchor::Start, "name", &elide(&self.legend, width - left)))
        }
    }
}

impl Grid {
    /// The middle of a cell.
    fn middle(&self, row: usize, column: usize) -> [f64; 2] {
        let [width, height] = self.cell;
        [self.left + width * (column as f64 + 0.5), self.top + height * (row as f64 + 0.5)]
    }

    fn column_label(&self, column: usize, name: &str) -> Markup {
        let [x, _] = self.middle(0, column);
        let (x, y) = if self.is_upright { (x + 4.5, self.top - 5.0) } else { (x, self.top - 6.0) };
        html! {
            @if self.is_upright {
                text transform=(format!("translate({} {}) rotate(-90)", Px(x), Px(y))) {
                    (elide(name, COLUMN_LABEL_MAX))
                }
            } @else { (text(x, y, Anchor::Middle, "", name)) }
        }
    }
}
