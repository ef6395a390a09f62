//! What runs down a slope: slides, old and new, gullies and avalanche tracks. A line along the fall of the slope, wide where
//! it broke off and where it came to rest.

use rand::RngExt;

use super::SIDE;
use super::land::Land;
use super::palette::Cover;
use super::terrain::Terrain;
use crate::simulate::random::{Span, normal_pair, uniform};

/// Pixels between two points of a fall line.
const STEP_PX: f32 = 0.5;
/// Steepness that slides break off at, and that they come to rest below, as tan of the slope (20 to 50°; 7°).
const SOURCE_STEEPNESS: Span = [0.36, 1.2];
const REST_STEEPNESS: f32 = 0.12;
/// Share of its course that a slide keeps from step to step.
const INERTIA: f32 = 0.6;
/// Sources that are tried.
const SOURCES: usize = 40;
/// Distance from the patch's border that sources have in pixels.
const BORDER_PX: f32 = 4.0;

/// The pixels that one covers, each with the share of it that is covered.
pub type Footprint = Vec<(usize, f32)>;

/// Where something comes down: down the longest of some fall lines, or the first that is long enough. It breaks off on
/// vegetated ground, as far as there is any.
pub fn fall_line(terrain: &Terrain, land: &Land, length_px: f32, rng: &mut impl RngExt) -> Vec<[f32; 2]> {
    let mut best: (f32, Vec<[f32; 2]>) = (-1.0, Vec::new());
    for _ in 0..SOURCES {
        let source: [f32; 2] = std::array::from_fn(|_| uniform([BORDER_PX, SIDE as f32 - BORDER_PX], rng));
        let pixel = pixel_of(source).unwrap_or(0);
        let [least, most] = SOURCE_STEEPNESS;
        let is_steep = (least..most).contains(&terrain.steepness(pixel));
        let is_bare = matches!(land.covers[pixel], Cover::Rock | Cover::Soil | Cover::Crop);
        let line = descend(terrain, source, length_px);
        let reached = line.len() as f32 * STEP_PX / length_px;
        let merit = reached.min(1.0) - if is_steep { 0.0 } else { 0.6 } - if is_bare { 0.5 } else { 0.0 };
        if merit > best.0 {
            best = (merit, line);
        }
        if best.0 > 0.85 {
            break;
        }
    }
    best.1
}

/// Downhill from a source, until it is level, far enough or outside.
fn descend(terrain: &Terrain, source: [f32; 2], length_px: f32) -> Vec<[f32; 2]> {
    let (mut at, mut course) = (source, [0.0, 0.0]);
    let mut line = Vec::new();
    while line.len() as f32 * STEP_PX < length_px {
        let Some(pixel) = pixel_of(at) else { break };
        let [down, right] = terrain.gradient(pixel);
        let steepness = down.hypot(right);
        line.push(at);
        if steepness < REST_STEEPNESS {
            break;
        }
        let turned: [f32; 2] =
            std::array::from_fn(|axis| INERTIA * course[axis] - (1.0 - INERTIA) * [down, right][axis] / steepness);
        let norm = turned[0].hypot(turned[1]).max(1e-3);
        course = turned.map(|value| value / norm);
        at = std::array::from_fn(|axis| at[axis] + STEP_PX * course[axis]);
    }
    line
}

fn pixel_of(at: [f32; 2]) -> Option<usize> {
    let is_inside = at.iter().all(|value| (0.0..SIDE as f32).contains(value));
    is_inside.then(|| at[0] as usize * SIDE + at[1] as usize)
}

/// What a line of a mean width in pixels covers: wide at its source, narrow on its way, wide where it rests; ragged.
pub fn footprint(line: &[[f32; 2]], width_px: f32, rng: &mut impl RngExt) -> Footprint {
    let mut shares = vec![0.0f32; SIDE * SIDE];
    let [source, rest] = [uniform([1.0, 1.5], rng), uniform([0.8, 1.6], rng)];
    let mut ragged = 0.0;
    for (index, point) in line.iter().enumerate() {
        let along = index as f32 / line.len() as f32;
        let [noise, _] = normal_pair(rng);
        ragged = 0.8 * ragged + 0.1 * noise;
        let swell = |ends: f32, middle: f32| (1.0 - (along - middle).abs() / 0.4).max(0.0) * (ends - 0.75);
        let half_px = 0.5 * width_px * (0.75 + swell(source, 0.15) + swell(rest, 0.9) + ragged).max(0.3);
        raise(&mut shares, *point, half_px);
    }
    shares.into_iter().enumerate().filter(|(_, share)| *share > 0.0).collect()
}

/// Raises the shares of the pixels that a disc covers; one smaller than a pixel never covers all of it.
fn raise(shares: &mut [f32], [y, x]: [f32; 2], half_px: f32) {
    let range = |at: f32| ((at - half_px - 1.0).max(0.0) as usize)..((at + half_px + 2.0) as usize).min(SIDE);
    for row in range(y) {
        for column in range(x) {
            let distance = (row as f32 + 0.5 - y).hypot(column as f32 + 0.5 - x);
            let share = (half_px + 0.5 - distance).clamp(0.0, 1.0).min(2.0 * half_px);
            let old = &mut shares[row * SIDE + column];
            *old = old.max(share);
        }
    }
}
