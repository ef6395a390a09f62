//! Lines over two axes: precision against recall, a share against a condition, a process in time.

use maud::{Markup, html};

use super::axes::{Frame, Side};
use super::label::Room;
use super::legend::{Key, legend};
use super::svg::{Drawing, Px, WIDTH, colour, line, marker};
use super::thin::thin;

/// The points of a series in the file, at most; more would not show.
const POINTS_MAX: usize = 500;
/// Height of the data's area, in units.
const HEIGHT: f64 = 215.0;

/// Lines, points that are named, and lines of reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// In the order of colours.
    pub series: Vec<Series>,
    /// Named points, such as operating points.
    pub marks: Vec<Mark>,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Lines across the whole plot, such as a target.
    pub lines: Vec<Reference>,
}

/// A line through points, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Its name in the key; without one it is not in the key.
    pub name: String,
    /// `(x, y)` in the units of the axes.
    pub points: Vec<(f64, f64)>,
    /// Whether a value holds until the next point, in place of a straight line to it.
    pub step: bool,
    /// Whether the line is dashed.
    pub dashed: bool,
}

/// A named point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mark {
    /// In the units of the horizontal axis.
    pub x: f64,
    /// In the units of the vertical axis.
    pub y: f64,
    /// Left out where there is no room for it.
    pub label: String,
    /// The series whose colour it has, from 0.
    pub series: usize,
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// Its name, with the unit.
    pub label: String,
    /// Lowest and highest value shown.
    pub range: [f64; 2],
    /// Whether it is logarithmic.
    pub log: bool,
}

/// A line across the whole plot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reference {
    /// Its value on the axis that it crosses.
    pub at: f64,
    /// Left out where there is no room for it.
    pub label: String,
    /// Whether it stands at a value of the horizontal axis; else it lies at one of the vertical axis.
    pub vertical: bool,
}

impl Axis {
    fn side(&self) -> Side<'_> {
        Side { label: &self.label, range: self.range, log: self.log }
    }
}

impl Curves {
    pub(super) fn draw(&self) -> Drawing {
        let keys = self.series.iter().enumerate().map(|(i, s)| (i, Key::Line { dashed: s.dashed }, s.name.as_str()));
        let (key, top) = legend(keys);
        let frame = Frame::new(&self.x.side(), &self.y.side(), top, HEIGHT);
        let mut room = Room::new([frame.left, frame.top], [frame.right, frame.bottom]);
        let paths: Vec<Vec<[f64; 2]>> = self.series.iter().map(|series| series.path(&frame)).collect();
        room.keep_off(paths.iter().flatten().copied());
        let rules = self.rules(&frame);
        for (_, [from, to]) in &rules {
            room.keep_off_line(*from, *to);
        }
        let marks = self.draw_marks(&frame, &mut room);
        let body = html! {
            (key)
            (frame.draw(&self.x.label, &self.y.label))
            @for (_, [from, to]) in &rules { (line("rule", *from, *to)) }
            (frame.clip(&html! {
                @for (i, (path, series)) in paths.iter().zip(&self.series).enumerate() {
                    @if path.len() > 1 { (curve(i, path, series)) }
                }
            }))
            @for label in rules.iter().filter_map(|(rule, ends)| rule_label(rule, ends[0], &mut room)) { (label) }
            (marks)
        };
        Drawing { width: WIDTH, height: frame.height(), body }
    }

    fn draw_marks(&self, frame: &Frame, room: &mut Room) -> Markup {
        let held = self.marks.iter().filter(|mark| frame.x.holds(mark.x) && frame.y.holds(mark.y));
        let placed: Vec<_> = held.filter_map(|mark| Some((mark, frame.at(mark.x, mark.y)?))).collect();
        room.keep_off(placed.iter().flat_map(|(_, at)| [*at; 3]));
        html! {
            @for (mark, at) in placed {
                (marker(mark.series, at, 4.5))
                @if let Some(label) = room.about(at, "note", &mark.label) { (label) }
            }
        }
    }

    /// The lines of reference that lie on the axes, from end to end.
    fn rules(&self, frame: &Frame) -> Vec<(&Reference, [[f64; 2]; 2])> {
        let ends = |line: &Reference| {
            let scale = if line.vertical { &frame.x } else { &frame.y };
            let at = scale.at(line.at).filter(|_| scale.holds(line.at))?;
            let upright = [[at, frame.top], [at, frame.bottom]];
            Some(if line.vertical { upright } else { [[frame.left, at], [frame.right, at]] })
        };
        self.lines.iter().filter_map(|line| Some((line, ends(line)?))).collect()
    }
}

/// The label of a line of reference, where there is room.
fn rule_label(rule: &Reference, [x, y]: [f64; 2], room: &mut Room) -> Option<Markup> {
    if rule.vertical {
        room.beside_vertical(x, "note", &rule.label)
    } else {
        room.along_horizontal(y, "note", &rule.label)
    }
}

impl Series {
    /// The line in the drawing, thinned.
    fn path(&self, frame: &Frame) -> Vec<[f64; 2]> {
        let points: Vec<[f64; 2]> = self.points.iter().filter_map(|(x, y)| frame.at(*x, *y)).collect();
        thin(&points, POINTS_MAX)
    }
}

fn curve(index: usize, path: &[[f64; 2]], series: &Series) -> Markup {
    let mut d = String::new();
    for (i, [x, y]) in path.iter().map(|point| point.map(Px)).enumerate() {
        d += &match (i, series.step) {
            (0, _) => format!("M{x} {y}"),
            (_, true) => format!("H{x}V{y}"),
            (_, false) => format!("L{x} {y}"),
        };
    }
    html! { path class=(format!("line {}{}", colour(index), if series.dashed { " dashed" } else { "" })) d=(d) {} }
}
