//! Outlines on the map: polygons with holes, in the forms that the formats take.

mod antimeridian;
mod area;
mod wkb;

use serde_json::{Value, json};

use super::text::fixed;

pub(super) use antimeridian::bounds_in_degrees;
pub(super) use area::ellipsoidal_area_m2;

/// Longitude and latitude in degrees, or easting and northing.
pub(super) type Point = (f64, f64);
/// A ring without its first point repeated.
pub(super) type Ring = Vec<Point>;

/// Polygons, at least one: each an outer ring, counter-clockwise, and its holes, clockwise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape(Vec<Vec<Ring>>);

impl Shape {
    /// What rings of longitudes and latitudes enclose, cut in two where it crosses the antimeridian (RFC 7946, 3.1.9).
    /// None if a coordinate is not a number.
    pub(super) fn of_degrees(rings: Vec<Ring>) -> Option<Self> {
        let sides = antimeridian::cut(rings)?;
        Self::new(sides.into_iter().flat_map(assembled).collect(), DEGREE_DECIMALS)
    }

    /// What rings in a plane enclose.
    pub(super) fn of_plane(rings: Vec<Ring>, decimals: usize) -> Option<Self> {
        Self::new(assembled(rings), decimals)
    }

    /// A box `[west, south, east, north]`, however wide; in two parts where west is greater than east.
    pub(super) fn of_box([west, south, east, north]: [f64; 4]) -> Self {
        let part = |west, east| vec![vec![(west, south), (east, south), (east, north), (west, north)]];
        Self(if west <= east { vec![part(west, east)] } else { vec![part(west, 180.0), part(-180.0, east)] })
    }

    fn new(mut polygons: Vec<Vec<Ring>>, decimals: usize) -> Option<Self> {
        for ring in polygons.iter_mut().flatten() {
            for point in ring.iter_mut() {
                *point = (rounded(point.0, decimals)?, rounded(point.1, decimals)?);
            }
            ring.dedup();
        }
        // A sliver beyond the line may be thinner than the last decimal.
        polygons.iter_mut().for_each(|rings| rings.retain(|ring| doubled_area(ring) != 0.0));
        polygons.retain(|rings| rings.first().is_some_and(|ring| doubled_area(ring) > 0.0));
        (!polygons.is_empty()).then_some(Self(polygons))
    }

    /// Smallest and largest of both coordinates: `[min x, min y, max x, max y]`.
    pub(super) fn bounds(&self) -> [f64; 4] {
        let points = self.0.iter().flatten().flatten();
        points.fold(EMPTY_BOUNDS, |[left, bottom, right, top], &(x, y)| {
            [left.min(x), bottom.min(y), right.max(x), top.max(y)]
        })
    }

    /// A GeoJSON geometry.
    pub(super) fn to_json(&self) -> Value {
        let closed = |ring: &Ring| ring.iter().chain(ring.first()).map(|&(x, y)| [x, y]).collect::<Vec<_>>();
        let polygon = |rings: &Vec<Ring>| rings.iter().map(closed).collect::<Vec<_>>();
        match self.0.as_slice() {
            [one] => json!({ "type": "Polygon", "coordinates": polygon(one) }),
            many => json!({ "type": "MultiPolygon", "coordinates": many.iter().map(polygon).collect::<Vec<_>>() }),
        }
    }

    /// Whether it takes more than one polygon.
    pub(super) fn is_multiple(&self) -> bool {
        self.0.len() > 1
    }
}

/// Bounds that any point widens.
pub(super) const EMPTY_BOUNDS: [f64; 4] = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];

/// Decimals of degrees: a centimetre.
pub(super) const DEGREE_DECIMALS: usize = 7;

/// A coordinate as its decimals say it; none if it is not a number.
pub(super) fn rounded(value: f64, decimals: usize) -> Option<f64> {
    fixed(value, decimals).parse().ok().filter(|value: &f64| value.is_finite())
}

/// Rings that do not cross sorted into polygons. Which way outer rings run is what the largest ring says, since no hole is
/// larger than what it is in.
fn assembled(mut rings: Vec<Ring>) -> Vec<Vec<Ring>> {
    rings.retain(|ring| ring.len() > 2);
    let largest = rings.iter().map(|ring| doubled_area(ring)).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    if largest.is_some_and(|area| area < 0.0) {
        rings.iter_mut().for_each(|ring| ring.reverse());
    }
    let (outer, holes): (Vec<Ring>, Vec<Ring>) = rings.into_iter().partition(|ring| doubled_area(ring) > 0.0);
    let mut polygons: Vec<Vec<Ring>> = outer.into_iter().map(|ring| vec![ring]).collect();
    for hole in holes {
        // Rings may share corners, but no part of an edge.
        let (from, to) = (hole[0], hole[1]);
        let inside = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        let around = polygons.iter_mut().filter(|polygon| contains(&polygon[0], inside));
        let closest = around.min_by(|a, b| doubled_area(&a[0]).total_cmp(&doubled_area(&b[0])));
        closest.into_iter().for_each(|polygon| polygon.push(hole.clone()));
    }
    polygons
}

/// Twice the area, positive for a counter-clockwise ring (the shoelace formula).
fn doubled_area(ring: &[Point]) -> f64 {
    // From its first corner, so that a place far from the origin costs no digits.
    let Some(&(x, y)) = ring.first() else { return 0.0 };
    let from_first = ring.iter().map(|point| (point.0 - x, point.1 - y));
    let following = from_first.clone().cycle().skip(1);
    from_first.zip(following).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum()
}

/// Whether a point that is on no edge lies inside: a ray to the right crosses the ring an odd number of times.
fn contains(ring: &[Point], (x, y): Point) -> bool {
    let edges = ring.iter().zip(ring.iter().cycle().skip(1));
    let is_crossed =
        |(a, b): &(&Point, &Point)| (a.1 > y) != (b.1 > y) && x < a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0);
    edges.filter(is_crossed).count() % 2 == 1
}

#[cfg(test)]
mod tests;
