//! Cutting what crosses the antimeridian (RFC 7946, 3.1.9).

use std::collections::HashMap;

use super::{DEGREE_DECIMALS, EMPTY_BOUNDS, Point, Ring, rounded};

/// The rings on either side of the line, those of each side with its longitudes: one entry for what does not cross it.
/// None if a coordinate is not a number.
pub(super) fn cut(mut rings: Vec<Ring>) -> Option<Vec<Vec<Ring>>> {
    let (mut west, mut east) = (f64::INFINITY, f64::NEG_INFINITY);
    for point in rings.iter_mut().flatten() {
        *point = (wrapped(point.0)?, rounded(point.1, DEGREE_DECIMALS)?);
        (west, east) = (west.min(point.0), east.max(point.0));
    }
    // Nothing that is outlined is half the Earth wide, so what is wider lies on both sides of the line.
    if east - west <= 180.0 {
        return Some(vec![rings]);
    }
    rings.iter_mut().flatten().filter(|point| point.0 < 0.0).for_each(|point| point.0 += 360.0);
    let near = half(&rings, |longitude| 180.0 - longitude);
    let mut beyond = half(&rings, |longitude| longitude - 180.0);
    beyond.iter_mut().flatten().for_each(|point| point.0 -= 360.0);
    Some([near, beyond].into_iter().filter(|rings| !rings.is_empty()).collect())
}

/// The box around rings of longitudes and latitudes, `[west, south, east, north]`; across the antimeridian west is greater
/// than east (RFC 7946, 5.2).
pub(in super::super) fn bounds_in_degrees(rings: &[Ring]) -> [f64; 4] {
    let around = |shift: fn(f64) -> f64| {
        let points = rings.iter().flatten().filter_map(|point| Some((shift(wrapped(point.0)?), point.1)));
        points.fold(EMPTY_BOUNDS, |[west, south, east, north], (x, y)| {
            [west.min(x), south.min(y), east.max(x), north.max(y)]
        })
    };
    let plain = around(|longitude| longitude);
    if plain[2] - plain[0] <= 180.0 {
        return plain;
    }
    let [west, south, east, north] = around(|longitude| if longitude < 0.0 { longitude + 360.0 } else { longitude });
    // What only touches the line from beyond does not cross it.
    let west = if west < 180.0 { west } else { west - 360.0 };
    [west, south, if east > 180.0 { east - 360.0 } else { east }, north]
}

/// A longitude within ±180°, rounded before it is compared with the line: what a raster puts there is off by a hair.
fn wrapped(longitude: f64) -> Option<f64> {
    let longitude = rounded(longitude, DEGREE_DECIMALS)?;
    let beyond = (longitude.abs() > 180.0).then(|| (longitude + 180.0).rem_euclid(360.0) - 180.0);
    beyond.map_or(Some(longitude), |longitude| rounded(longitude, DEGREE_DECIMALS))
}

/// What the rings enclose where `side(longitude)` is positive.
fn half(rings: &[Ring], side: impl Fn(f64) -> f64) -> Vec<Ring> {
    let (mut whole, mut chains) = (Vec::new(), Vec::new());
    for ring in rings {
        let Some(start) = ring.iter().position(|point| side(point.0) <= 0.0) else {
            whole.push(ring.clone());
            continue;
        };
        let walk = || ring.iter().cycle().skip(start).take(ring.len() + 1);
        let mut chain = Vec::new();
        for (from, to) in walk().zip(walk().skip(1)) {
            match (side(from.0) > 0.0, side(to.0) > 0.0) {
                (false, true) => chain = vec![crossing(*from, *to), *to],
                (true, true) => chain.push(*to),
                (true, false) => {
                    chain.push(crossing(*from, *to));
                    chains.push(std::mem::take(&mut chain));
                }
                (false, false) => {}
            }
        }
    }
    whole.extend(closed_along_line(chains));
    whole
}

/// Where the edge meets the line; the same point from either end.
fn crossing(from: Point, to: Point) -> Point {
    let (a, b) = if from.0 < to.0 { (from, to) } else { (to, from) };
    (180.0, a.1 + (180.0 - a.0) / (b.0 - a.0) * (b.1 - a.1))
}

/// Chains from the line back to the line, closed along it: of the places where it is met, in the order of latitude, the
/// first and second bound a stretch inside, and so do the third and fourth.
fn closed_along_line(mut chains: Vec<Ring>) -> Vec<Ring> {
    let latitude = |point: Option<&Point>| point.map_or(0.0, |point| point.1);
    let mut ends: Vec<(f64, usize, bool)> = chains.iter().enumerate().fold(Vec::new(), |mut ends, (index, chain)| {
        ends.extend([(latitude(chain.first()), index, true), (latitude(chain.last()), index, false)]);
        ends
    });
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut following = vec![None; chains.len()];
    for first in (0..ends.len()).step_by(2) {
        // Ends that meet in one point may stand in either order: every stretch has one of each kind.
        let fitting = (first + 1..ends.len()).find(|&second| ends[second].2 != ends[first].2).unwrap_or(first);
        if fitting > first + 1 {
            ends.swap(first + 1, fitting);
        }
        if let Some([a, b]) = ends.get(first..first + 2).and_then(|pair| <[_; 2]>::try_from(pair).ok()) {
            let (entry, exit) = if a.2 { (a.1, b.1) } else { (b.1, a.1) };
            following[exit] = Some(entry);
        }
    }
    let mut rings = Vec::new();
    for start in 0..chains.len() {
        let (mut ring, mut next) = (Vec::new(), Some(start));
        while let Some(chain) = next {
            ring.append(&mut chains[chain]);
            next = following[chain].take();
        }
        rings.extend(simple(ring));
    }
    rings
}

/// A ring cut where it meets itself: an outer ring and a hole that share a corner become one where the line cuts both.
fn simple(ring: Ring) -> Vec<Ring> {
    let mut simple = Vec::new();
    let mut path = Ring::new();
    let mut places = HashMap::new();
    for point in ring {
        let key = |point: &Point| (point.0.to_bits(), point.1.to_bits());
        if let Some(&place) = places.get(&key(&point)) {
            let part: Ring = path.drain(place..).collect();
            part.iter().for_each(|point| _ = places.remove(&key(point)));
            simple.push(part);
        }
        places.insert(key(&point), path.len());
        path.push(point);
    }
    simple.push(path);
    simple
}
