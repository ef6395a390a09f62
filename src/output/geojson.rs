//! The table as a GeoJSON feature collection (RFC 7946).

use serde_json::{Value, json};

use super::ndjson::{Members, rounded, to_json};
use super::{Row, Sink, Stream};
use crate::Result;

pub(super) struct GeoJson {
    stream: Stream,
    classes: Vec<String>,
    empty: bool,
}

impl GeoJson {
    pub(super) fn new(mut stream: Stream, classes: &[String]) -> Result<Self> {
        stream.write("{\"type\":\"FeatureCollection\",\"features\":[")?;
        Ok(Self { stream, classes: classes.to_vec(), empty: true })
    }
}

impl Sink for GeoJson {
    fn write(&mut self, row: &Row) -> Result<()> {
        let separator = if self.empty { "\n" } else { ",\n" };
        self.empty = false;
        let properties = to_json(&Members { row, classes: &self.classes })?;
        let geometry = geometry(row);
        self.stream
            .write(&format!("{separator}{{\"type\":\"Feature\",\"geometry\":{geometry},\"properties\":{properties}}}"))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.stream.write("\n]}\n")?;
        self.stream.finish()
    }
}

/// The outline, else the centre, else null.
fn geometry(row: &Row) -> Value {
    let polygon = row.footprint.as_ref().and_then(polygon);
    let point = || {
        let (longitude, latitude) = row.longitude_latitude?;
        Some(json!({ "type": "Point", "coordinates": [rounded(longitude)?, rounded(latitude)?] }))
    };
    polygon.or_else(point).unwrap_or(Value::Null)
}

/// A polygon with its ring counter-clockwise; one that crosses the antimeridian is cut there into two
/// (RFC 7946, 3.1.6 and 3.1.9).
fn polygon(ring: &[(f64, f64); 5]) -> Option<Value> {
    let longitudes = || ring.iter().map(|point| point.0);
    let span = longitudes().fold(f64::MIN, f64::max) - longitudes().fold(f64::MAX, f64::min);
    if !span.is_finite() {
        return None;
    }
    // No tile is half the Earth wide, so a wider one lies on both sides of the line.
    if span <= 180.0 {
        return Some(json!({ "type": "Polygon", "coordinates": [closed(ring.iter().copied().take(4).collect())?] }));
    }
    let unrolled: Vec<_> = ring.iter().take(4).map(|&(x, y)| (if x < 0.0 { x + 360.0 } else { x }, y)).collect();
    let west = closed(clip(&unrolled, |x| 180.0 - x))?;
    let beyond = clip(&unrolled, |x| x - 180.0).into_iter().map(|(x, y)| (x - 360.0, y)).collect();
    Some(json!({ "type": "MultiPolygon", "coordinates": [[west], [closed(beyond)?]] }))
}

/// The part of an open ring where `side(longitude)` is not negative (Sutherland and Hodgman's step).
fn clip(ring: &[(f64, f64)], side: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let mut kept = Vec::with_capacity(ring.len() + 2);
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let (from, to) = (side(a.0), side(b.0));
        if from >= 0.0 {
            kept.push(*a);
        }
        if from * to < 0.0 {
            let share = from / (from - to);
            kept.push((180.0, a.1 + share * (b.1 - a.1)));
        }
    }
    kept
}

/// An open ring closed, counter-clockwise, with rounded coordinates.
fn closed(mut ring: Vec<(f64, f64)>) -> Option<Vec<[f64; 2]>> {
    let following = ring.iter().cycle().skip(1);
    let doubled_area: f64 = ring.iter().zip(following).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
    if doubled_area < 0.0 {
        ring.reverse();
    }
    let first = *ring.first()?;
    ring.push(first);
    ring.into_iter().map(|(x, y)| Some([rounded(x)?, rounded(y)?])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_turned_counter_clockwise() {
        let clockwise = [(10.0, 50.0), (10.0, 51.0), (11.0, 51.0), (11.0, 50.0), (10.0, 50.0)];
        let mut counter = clockwise;
        counter.reverse();
        let wanted = json!([[[11.0, 50.0], [11.0, 51.0], [10.0, 51.0], [10.0, 50.0], [11.0, 50.0]]]);
        assert_eq!(polygon(&clockwise).unwrap()["coordinates"], wanted);
        let from_counter = &polygon(&counter).unwrap()["coordinates"][0];
        assert_eq!(from_counter.as_array().unwrap().len(), 5);
        assert_eq!(from_counter[1], json!([11.0, 50.0]));
    }

    #[test]
    fn a_footprint_across_the_antimeridian_is_cut_in_two() {
        let ring = [(179.5, -17.0), (-179.5, -17.0), (-179.5, -16.0), (179.5, -16.0), (179.5, -17.0)];
        let cut = polygon(&ring).unwrap();
        assert_eq!(cut["type"], "MultiPolygon");
        let longitudes = |part: usize| -> Vec<f64> {
            let ring = cut["coordinates"][part][0].as_array().unwrap();
            ring.iter().map(|point| point[0].as_f64().unwrap()).collect()
        };
        assert!(longitudes(0).iter().all(|x| (179.5..=180.0).contains(x)));
        assert!(longitudes(1).iter().all(|x| (-180.0..=-179.5).contains(x)));
    }
}
