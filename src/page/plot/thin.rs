//! Fewer points for the same line.

use std::collections::BinaryHeap;

/// At most `most` of a line's points that keep its shape: ends first, then, again and again, the point that is farthest
/// from the line drawn so far (Douglas and Peucker, 1973, with a bound on the number of points in place of one on the
/// error). Points that could not be told from the one before, nearer than a quarter of a unit, are left out first.
pub(super) fn thin(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    let points = distinct(points);
    if points.len() <= most.max(2) {
        return points;
    }
    let mut kept = vec![0, points.len() - 1];
    let mut spans = BinaryHeap::from_iter(Span::new(&points, 0, points.len() - 1));
    while kept.len() < most
        && let Some(span) = spans.pop()
    {
        kept.push(span.farthest);
        spans.extend(Span::new(&points, span.from, span.farthest));
        spans.extend(Span::new(&points, span.farthest, span.to));
    }
    kept.sort_unstable();
    kept.into_iter().filter_map(|i| points.get(i).copied()).collect()
}

/// The points that are a quarter of a unit or more from the one kept before them, and the last.
fn distinct(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut kept: Vec<[f64; 2]> = Vec::new();
    for point in points {
        if kept.last().is_none_or(|last| (point[0] - last[0]).hypot(point[1] - last[1]) >= 0.25) {
            kept.push(*point);
        }
    }
    if let (Some(last), Some(end)) = (kept.last(), points.last())
        && last != end
    {
        kept.push(*end);
    }
    kept
}

/// A stretch of the line, ordered by how far its farthest point is from the straight line between its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    /// The distance squared, as the bits of a number that is never negative: these order as the numbers do.
    distance: u64,
    farthest: usize,
    from: usize,
    to: usize,
}

impl Span {
    /// None where nothing lies between the ends.
    fn new(points: &[[f64; 2]], from: usize, to: usize) -> Option<Self> {
        let (start, end) = (points.get(from)?, points.get(to)?);
        (from + 1..to)
            .map(|i| (distance_squared(points[i], *start, *end).to_bits(), i))
            .max()
            .map(|(distance, farthest)| Self { distance, farthest, from, to })
    }
}

/// From a point to the stretch between two others, squared.
fn distance_squared(point: [f64; 2], start: [f64; 2], end: [f64; 2]) -> f64 {
    let (dx, dy) = (end[0] - start[0], end[1] - start[1]);
    let (px, py) = (point[0] - start[0], point[1] - start[1]);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    let (rx, ry) = (px - along * dx, py - along * dy);
    rx * rx + ry * ry
}
