//! The drawing that every plot ends in, and the few shapes that all of them use.

use std::fmt;

use maud::{Markup, html};

/// The width of a drawing that fits a phone, in units of the view box.
pub(super) const WIDTH: f64 = 360.0;
/// The size of all text, in the same units; the style sheet says the same.
pub(super) const TEXT_SIZE: f64 = 12.5;
/// From one line of text to the next.
pub(super) const LINE_HEIGHT: f64 = 17.0;
/// Colours in the style sheet, `.s0` to `.s6`; further series begin anew.
pub(super) const SERIES_COLOURS: usize = 7;

/// A finished plot, without the `svg` element around it.
pub(in crate::page) struct Drawing {
    pub width: f64,
    pub height: f64,
    pub body: Markup,
}

impl Drawing {
    /// The `svg` element; `title` is what a screen reader says of it.
    pub(in crate::page) fn svg(&self, title: &str) -> Markup {
        html! {
            svg viewBox=(format!("0 0 {} {}", Px(self.width), Px(self.height))) role="img" aria-label=(title)
                style=(format!("--units: {}", Px(self.width))) {
                title { (title) }
                (self.body)
            }
        }
    }
}

/// A coordinate, written with at most one decimal: a tenth of a unit is less than a pixel on any screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Px(pub f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let (whole, tenth) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
        f.write_str(if tenths < 0 { "-" } else { "" })?;
        if tenth == 0 { write!(f, "{whole}") } else { write!(f, "{whole}.{tenth}") }
    }
}

/// The class that gives a series its colour.
pub(super) fn colour(series: usize) -> String {
    format!("s{}", series % SERIES_COLOURS)
}

/// Where a text stands about its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A line of text whose base line is at `y`.
pub(super) fn text(x: f64, y: f64, anchor: Anchor, class: &str, words: &str) -> Markup {
    html! { text x=(Px(x)) y=(Px(y)) text-anchor=(anchor.name()) class=(class) { (words) } }
}

/// A straight line.
pub(super) fn line(class: &str, from: [f64; 2], to: [f64; 2]) -> Markup {
    html! { line class=(class) x1=(Px(from[0])) y1=(Px(from[1])) x2=(Px(to[0])) y2=(Px(to[1])) {} }
}

/// A rectangle between two corners in any order.
pub(super) fn rect(class: &str, from: [f64; 2], to: [f64; 2]) -> Markup {
    let (x, y) = (from[0].min(to[0]), from[1].min(to[1]));
    let (width, height) = ((to[0] - from[0]).abs(), (to[1] - from[1]).abs());
    html! { rect class=(class) x=(Px(x)) y=(Px(y)) width=(Px(width)) height=(Px(height)) {} }
}

/// The point of a series: a shape as well as a colour for each, for eyes that tell some colours apart badly.
pub(super) fn marker(series: usize, [x, y]: [f64; 2], radius: f64) -> Markup {
    let class = format!("dot {}", colour(series));
    let polygon = |corners: &[(f64, f64)]| {
        let points: Vec<String> =
            corners.iter().map(|(dx, dy)| format!("{},{}", Px(x + dx * radius), Px(y + dy * radius))).collect();
        html! { polygon class=(class) points=(points.join(" ")) {} }
    };
    match series % 4 {
        0 => html! { circle class=(class) cx=(Px(x)) cy=(Px(y)) r=(Px(radius)) {} },
        1 => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        2 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        _ => polygon(&[(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)]),
    }
}

/// About the width of a line of text: an upper bound for the usual sans-serif fonts, of which Verdana and DejaVu Sans are
/// the widest.
pub(super) fn text_width(words: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | 'I' => 0.36,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' | '/' => 0.43,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.98,
        '0'..='9' | 'a'..='z' => 0.635,
        'A'..='Z' => 0.74,
        '⁰' | '¹' | '²'..='³' | '⁴'..='⁹' | '⁻' => 0.45,
        _ if c.is_ascii() => 0.84,
        // Beyond Latin, a full square.
        _ if c > '\u{2e7f}' => 1.0,
        _ => 0.84,
    };
    words.chars().map(em).sum::<f64>() * TEXT_SIZE
}

/// `words`, cut with an ellipsis where they are wider than `width`.
pub(super) fn elide(words: &str, width: f64) -> String {
    if text_width(words) <= width {
        return words.to_owned();
    }
    let mut kept = String::new();
    for c in words.chars() {
        kept.push(c);
        if text_width(&kept) + TEXT_SIZE > width {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end())
}
