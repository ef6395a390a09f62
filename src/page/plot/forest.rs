//! Estimates with intervals, a row each: how sure each one is, at a glance.

use maud::{Markup, html};

use super::axes::ticks_below;
use super::legend::{Key, legend};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, LINE_HEIGHT, WIDTH, colour, elide, line, marker, text, text_width};

/// Space between a label and the data's area.
const GAP: f64 = 12.0;
/// The widest that labels may grow.
const LABEL_MAX: f64 = 150.0;

/// Estimates with intervals. Rows that follow each other with the same label share it: one line each series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forest {
    /// From top to bottom.
    pub rows: Vec<ForestRow>,
    /// Names in the key, in the order of colours.
    pub series: Vec<String>,
    /// A value to compare with, and its name.
    pub line: Option<(f64, String)>,
    /// The name of the values, with the unit.
    pub axis: String,
    /// Lowest and highest value shown. An interval that reaches beyond ends in an arrow.
    pub range: [f64; 2],
}

/// An estimate with its interval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForestRow {
    /// What is estimated on.
    pub label: String,
    /// Index into [`Forest::series`].
    pub series: usize,
    /// The point.
    pub estimate: f64,
    /// The ends of the line.
    pub interval: [f64; 2],
}

impl Forest {
    pub(super) fn draw(&self) -> Drawing {
        let (key, mut top) = legend(self.series.iter().enumerate().map(|(i, name)| (i, Key::Point, name.as_str())));
        let widest = self.rows.iter().map(|row| text_width(&row.label)).fold(0.0, f64::max).min(LABEL_MAX);
        let (left, right) = (widest + GAP, WIDTH - 14.0);
        let scale = Scale::new(self.range, false, [left, right]);
        let rule = self.line.as_ref().filter(|(value, _)| scale.holds(*value));
        top += if rule.is_some_and(|(_, name)| !name.is_empty()) { LINE_HEIGHT + 4.0 } else { 4.0 };
        let groups: Vec<&[ForestRow]> = self.rows.chunk_by(|a, b| a.label == b.label).collect();
        let heights = groups.iter().map(|rows| band_height(rows.len()));
        let tops = heights.scan(top, |y, height| Some(std::mem::replace(y, *y + height)));
        let bottom = top + groups.iter().map(|rows| band_height(rows.len())).sum::<f64>();
        let body = html! {
            (key)
            (axis(&scale, [top, bottom], right, &self.axis))
            @if let Some((value, name)) = rule { (rule_line(&scale, *value, name, [left, right], [top, bottom])) }
            @for (i, (rows, y)) in groups.iter().zip(tops).enumerate() {
                @if i > 0 { (line("grid", [0.0, y], [right, y])) }
                (band(rows, y, left, &scale))
            }
        };
        Drawing { width: WIDTH, height: bottom + 2.0 * LINE_HEIGHT + 8.0, body }
    }
}

fn band_height(rows: usize) -> f64 {
    12.0 * rows as f64 + 11.0
}

/// The rows of one label.
fn band(rows: &[ForestRow], top: f64, left: f64, scale: &Scale) -> Markup {
    let middle = top + band_height(rows.len()) / 2.0;
    let label = rows.first().map_or("", |row| &row.label);
    html! {
        (text(left - GAP, middle + 4.5, Anchor::End, "", &elide(label, LABEL_MAX)))
        @for (i, row) in rows.iter().enumerate() {
            (estimate(row, top + 11.5 + 12.0 * i as f64, scale))
        }
    }
}

fn estimate(row: &ForestRow, y: f64, scale: &Scale) -> Markup {
    let class = format!("line {}", colour(row.series));
    let ends = scale.at_clamped(row.interval[0]).zip(scale.at_clamped(row.interval[1]));
    html! {
        @if let Some((from, to)) = ends {
            (line(&class, [from, y], [to, y]))
            (end(&class, [from, y], 4.0, scale.holds(row.interval[0])))
            (end(&class, [to, y], -4.0, scale.holds(row.interval[1])))
        }
        @if let Some(x) = scale.at(row.estimate).filter(|_| scale.holds(row.estimate)) { (marker(row.series, [x, y], 4.0)) }
    }
}

/// The end of an interval: a stroke, or an arrow where it goes on beyond the range.
fn end(class: &str, [x, y]: [f64; 2], inwards: f64, is_within: bool) -> Markup {
    if is_within {
        return line(class, [x, y - 3.0], [x, y + 3.0]);
    }
    html! {
        (line(class, [x, y], [x + inwards, y - 3.5]))
        (line(class, [x, y], [x + inwards, y + 3.5]))
    }
}

fn axis(scale: &Scale, [top, bottom]: [f64; 2], right: f64, name: &str) -> Markup {
    html! {
        (ticks_below(scale, Some([top, bottom]), bottom + 15.0, WIDTH))
        (text(right, bottom + 2.0 * LINE_HEIGHT + 2.0, Anchor::End, "name", &elide(name, right)))
    }
}

fn rule_line(scale: &Scale, value: f64, name: &str, [left, right]: [f64; 2], [top, bottom]: [f64; 2]) -> Markup {
    let name = &elide(name, right / 2.0);
    let half = text_width(name) / 2.0;
    let x = scale.at(value).unwrap_or(left);
    html! {
        (line("rule", [x, top], [x, bottom]))
        (text(x.min(right + 13.0 - half).max(half), top - 5.0, Anchor::Middle, "note", name))
    }
}
