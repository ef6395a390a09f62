//! Masks drawn as text, one character a window: `#` positive, `?` without a decision.

use super::*;

const SIDE_PX: u32 = 10;

fn sites(drawing: &str) -> Vec<Site<&str>> {
    let mut merger = SiteMerger::default();
    for (y, line) in (0..).zip(drawing.split_whitespace()) {
        for (x, mark) in (0..).zip(line.chars()) {
            let window = Window { x: x * SIDE_PX, y: y * SIDE_PX, width: SIDE_PX, height: SIDE_PX };
            match mark {
                '?' => merger.undecided(window),
                '#' => merger.positive(window, 0.5, line),
                _ => {}
            }
        }
    }
    merger.finish()
}

fn doubled_area(ring: &[[u32; 2]]) -> i64 {
    let at = |[x, y]: [u32; 2]| (i64::from(x), i64::from(y));
    let pairs = ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (at(*a), at(*b)));
    pairs.map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum()
}

#[test]
fn windows_that_touch_at_a_corner_are_one_site_of_two_rings() {
    let found = sites("#.. .#. ...");
    assert_eq!(found.len(), 1);
    let site = &found[0];
    assert_eq!((site.windows, site.area_px, site.outline.len()), (2, 200, 2));
    assert_eq!(site.extent, Window { x: 0, y: 0, width: 20, height: 20 });
    assert_eq!(site.centroid, (10.0, 10.0));
}

#[test]
fn arms_that_meet_later_are_one_site_numbered_by_its_first_window() {
    let found = sites("#..#.# #..#.. #..#.# ####.#");
    let windows: Vec<u64> = found.iter().map(|site| site.windows).collect();
    assert_eq!(windows, [10, 1, 2]);
}

#[test]
fn holes_run_the_other_way_and_touching_ones_stay_apart() {
    let found = sites("##### ##.## #.### #####");
    let mut areas: Vec<i64> = found[0].outline.iter().map(|ring| doubled_area(ring)).collect();
    areas.sort_unstable();
    assert_eq!(areas, [-200, -200, 4000]);
    assert!(found[0].outline.iter().all(|ring| ring.len() == 4), "corners alone: {:?}", found[0].outline);
}

#[test]
fn an_island_in_a_hole_that_it_touches_has_a_ring_of_its_own() {
    let found = sites("##### ##.## #.#.# ##.## #####");
    let mut areas: Vec<i64> = found[0].outline.iter().map(|ring| doubled_area(ring)).collect();
    areas.sort_unstable();
    // The hole goes around the island, which touches it in four corners.
    assert_eq!(areas, [-1000, 200, 5000]);
    assert_eq!(found.len(), 1);
}

#[test]
fn undecided_windows_count_once_for_a_site_whatever_it_grew_from() {
    let found = sites("#?#. ###. ?..? ...#");
    assert_eq!(found.iter().map(|site| site.undecided).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn overlapping_windows_count_their_pixels_once() {
    let mut merger = SiteMerger::default();
    let window = |x, y| Window { x, y, width: 8, height: 8 };
    for (x, y, score) in [(0, 0, 0.25), (4, 0, 1.0), (20, 0, 0.5), (2, 4, 0.25), (10, 4, 1.0)] {
        merger.positive(window(x, y), score, (x, y));
    }
    let found = merger.finish();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].windows, found[0].strongest, found[0].score_mean), (4, (4, 0), 0.625));
    let covered = |x: u32, y: u32| {
        [(0, 0), (4, 0), (2, 4), (10, 4)]
            .iter()
            .any(|&(left, top)| (left..left + 8).contains(&x) && (top..top + 8).contains(&y))
    };
    let pixels = (0..30).flat_map(|y| (0..30).map(move |x| (x, y))).filter(|&(x, y)| covered(x, y)).count();
    assert_eq!(found[0].area_px, pixels as u64);
    let outlined: i64 = found[0].outline.iter().map(|ring| doubled_area(ring)).sum();
    assert_eq!(outlined, 2 * pixels as i64);
    assert_eq!(found[1].extent, window(20, 0));
}
