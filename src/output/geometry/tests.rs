//! Rings, holes and the antimeridian.

use super::*;

fn square(left: f64, bottom: f64, side: f64) -> Ring {
    vec![(left, bottom), (left + side, bottom), (left + side, bottom + side), (left, bottom + side)]
}

fn reversed(mut ring: Ring) -> Ring {
    ring.reverse();
    ring
}

#[test]
fn rings_are_turned_counter_clockwise() {
    let clockwise = vec![(10.0, 50.0), (10.0, 51.0), (11.0, 51.0), (11.0, 50.0)];
    let wanted = json!([[[11.0, 50.0], [11.0, 51.0], [10.0, 51.0], [10.0, 50.0], [11.0, 50.0]]]);
    assert_eq!(Shape::of_degrees(vec![clockwise.clone()]).unwrap().to_json()["coordinates"], wanted);
    let turned = Shape::of_degrees(vec![reversed(clockwise.clone())]).unwrap();
    assert_eq!(turned.0, [[reversed(clockwise)]]);
}

#[test]
fn a_footprint_across_the_antimeridian_is_cut_in_two() {
    let ring = vec![(179.5, -17.0), (-179.5, -17.0), (-179.5, -16.0), (179.5, -16.0)];
    let cut = Shape::of_degrees(vec![ring]).unwrap().to_json();
    assert_eq!(cut["type"], "MultiPolygon");
    let longitudes = |part: usize| -> Vec<f64> {
        let ring = cut["coordinates"][part][0].as_array().unwrap();
        ring.iter().map(|point| point[0].as_f64().unwrap()).collect()
    };
    assert!(longitudes(0).iter().all(|x| (179.5..=180.0).contains(x)));
    assert!(longitudes(1).iter().all(|x| (-180.0..=-179.5).contains(x)));
}

#[test]
fn longitudes_beyond_the_line_come_back_on_its_other_side() {
    let beyond = Shape::of_degrees(vec![square(180.0, 10.0, 1.0)]).unwrap();
    assert_eq!(beyond.0, [[square(-180.0, 10.0, 1.0)]]);
}

#[test]
fn what_ends_at_the_line_does_not_cross_it() {
    let hair = 3e-14;
    let near = vec![(179.0, 0.0), (180.0 + hair, 0.0), (180.0 + hair, 1.0), (179.0, 1.0)];
    assert_eq!(bounds_in_degrees(std::slice::from_ref(&near)), [179.0, 0.0, 180.0, 1.0]);
    assert_eq!(Shape::of_degrees(vec![near]).unwrap().0, [[square(179.0, 0.0, 1.0)]]);
    let beyond = vec![(180.0 - hair, 0.0), (181.0, 0.0), (181.0, 1.0), (180.0 - hair, 1.0)];
    assert_eq!(bounds_in_degrees(std::slice::from_ref(&beyond)), [-180.0, 0.0, -179.0, 1.0]);
    assert_eq!(Shape::of_degrees(vec![beyond]).unwrap().0, [[square(-180.0, 0.0, 1.0)]]);
    assert_eq!(bounds_in_degrees(&[square(179.5, 0.0, 1.0)]), [179.5, 0.0, -179.5, 1.0]);
}

/// A comb whose teeth cross the line has a part for each tooth beyond it, and one with its hole on the near side.
#[test]
fn what_crosses_several_times_falls_into_as_many_parts() {
    let comb = vec![
        (178.0, 0.0),
        (181.0, 0.0),
        (181.0, 1.0),
        (179.0, 1.0),
        (179.0, 2.0),
        (181.0, 2.0),
        (181.0, 3.0),
        (178.0, 3.0),
    ];
    let shape = Shape::of_degrees(vec![comb, reversed(square(178.25, 0.25, 0.5))]).unwrap();
    let rings: Vec<usize> = shape.0.iter().map(Vec::len).collect();
    assert_eq!(rings, [2, 1, 1]);
    let area: f64 = shape.0.iter().flatten().map(|ring| doubled_area(ring)).sum();
    assert_eq!(area / 2.0, 7.0 - 0.25);
}

#[test]
fn a_hole_on_the_line_becomes_a_notch_of_both_sides() {
    let shape = Shape::of_degrees(vec![square(178.0, 0.0, 4.0), reversed(square(179.5, 1.0, 1.0))]).unwrap();
    let found: Vec<(usize, f64)> = shape.0.iter().map(|rings| (rings.len(), doubled_area(&rings[0]) / 2.0)).collect();
    assert_eq!(found, [(1, 7.5), (1, 7.5)]);
}

/// Outside the line outer ring and hole share a corner, and the line cuts both.
#[test]
fn a_ring_that_would_meet_itself_after_the_cut_is_parted() {
    let outer = vec![(178.0, 0.0), (182.0, 0.0), (182.0, 4.0), (179.0, 4.0), (179.0, 3.0), (178.0, 3.0)];
    let hole = vec![(179.0, 2.0), (179.0, 3.0), (181.0, 3.0), (181.0, 2.0)];
    let shape = Shape::of_degrees(vec![outer, hole]).unwrap();
    for ring in shape.0.iter().flatten() {
        let mut points: Vec<_> = ring.iter().map(|point| (point.0.to_bits(), point.1.to_bits())).collect();
        points.sort_unstable();
        points.dedup();
        assert_eq!(points.len(), ring.len(), "{ring:?}");
    }
    let area: f64 = shape.0.iter().flatten().map(|ring| doubled_area(ring)).sum();
    assert_eq!(area / 2.0, 15.0 - 2.0);
}

#[test]
fn a_hole_goes_to_the_smallest_ring_around_it() {
    let rings = vec![
        reversed(square(4.0, 4.0, 2.0)),
        square(0.0, 0.0, 10.0),
        reversed(square(1.0, 1.0, 8.0)),
        square(3.0, 3.0, 4.0),
    ];
    let shape = Shape::of_plane(rings, 3).unwrap();
    assert_eq!(shape.0.len(), 2);
    assert_eq!(shape.0[0], [square(0.0, 0.0, 10.0), reversed(square(1.0, 1.0, 8.0))]);
    assert_eq!(shape.0[1], [square(3.0, 3.0, 4.0), reversed(square(4.0, 4.0, 2.0))]);
}

#[test]
fn what_is_no_number_has_no_shape() {
    assert_eq!(Shape::of_degrees(vec![vec![(0.0, 0.0), (1.0, f64::NAN), (1.0, 1.0)]]), None);
    assert_eq!(Shape::of_plane(vec![vec![(0.0, 0.0), (1.0, f64::INFINITY), (1.0, 1.0)]], 3), None);
}
