//! What stands out on the later date, or changed between the dates, and is no slide: slides and gullies that were there
//! before, scars that grow over, clear-cuts, new roads, rivers that moved. Positives and negatives have the same of it.

use rand::RngExt;

use super::SIDE;
use super::land::{Land, When, is_forest};
use super::palette::{Cover, Matter, Palette, debris};
use super::region::Region;
use super::terrain::Terrain;
use super::tongue::{self, Footprint};
use crate::simulate::random::{Span, log_uniform, uniform};

/// How often a patch has one of each, and again one more.
const OLD_SLIDE: f32 = 0.16;
const GULLY: f32 = 0.08;
const REGROWTH: f32 = 0.04;
const CLEAR_CUT: f32 = 0.1;
const ROAD: f32 = 0.08;
const RIVER_MOVED: f32 = 0.25;
/// Length of slides in pixels, uniform in the logarithm to this power, so that large ones are more; and their width for a
/// length: `factor × length^0.75`.
const LENGTH_PX: Span = [3.0, 40.0];
const LENGTH_POWER: f32 = 0.45;
const WIDTH_FACTOR: Span = [0.6, 1.1];
const WIDTH_EXPONENT: f32 = 0.75;
/// Side of clear-cuts in pixels.
const CLEAR_CUT_PX: Span = [4.0, 18.0];
/// Share of the ground that a slide lays bare, and an old one still does.
const BARE: Span = [0.65, 1.0];
const STILL_BARE: Span = [0.25, 1.0];

/// Where a slide comes down, or would.
pub fn slide(terrain: &Terrain, land: &Land, rng: &mut impl RngExt) -> Footprint {
    let [shortest, longest] = LENGTH_PX;
    let length_px = shortest * (longest / shortest).powf(rng.random::<f32>().powf(LENGTH_POWER));
    let line = tongue::fall_line(terrain, land, length_px, rng);
    tongue::footprint(&line, log_uniform(WIDTH_FACTOR, rng) * length_px.powf(WIDTH_EXPONENT), rng)
}

/// Lays a slide's rubble.
pub fn lay_slide(land: &mut Land, footprint: &Footprint, matter: &Matter, rng: &mut impl RngExt) {
    let bare = uniform(BARE, rng);
    footprint.iter().for_each(|(pixel, share)| land.lay(*pixel, share * bare, matter, When::Later));
}

/// The rubble of one slide: lighter or darker, rougher or smoother than others.
pub fn rubble(region: &Region, palette: &Palette, rng: &mut impl RngExt) -> Matter {
    let typical = palette.matter(Cover::Debris);
    let [vv, vh] = [uniform([-2.0, 2.5], rng), uniform([-1.5, 1.0], rng)];
    let gain = [vv, vv + vh].map(|db| 10f32.powf(db / 10.0));
    Matter {
        colour: debris(region, uniform([0.0, 0.6], rng), rng),
        scatter: typical.scatter.map(|scatter| [scatter[0] * gain[0], scatter[1] * gain[1]]),
    }
}

/// Lays all that is no slide of these weeks.
pub fn lay_others(land: &mut Land, terrain: &Terrain, region: &Region, palette: &Palette, rng: &mut impl RngExt) {
    for (chance, when) in [(OLD_SLIDE, When::Both), (REGROWTH, When::Earlier)] {
        while rng.random::<f32>() < chance {
            let old = slide(terrain, land, rng);
            let (matter, bare) = (rubble(region, palette, rng), uniform(STILL_BARE, rng));
            old.iter().for_each(|(pixel, share)| land.lay(*pixel, share * bare, &matter, when));
        }
    }
    while rng.random::<f32>() < GULLY {
        let line = tongue::fall_line(terrain, land, uniform([15.0, 60.0], rng), rng);
        let (matter, width) = (rubble(region, palette, rng), uniform([0.5, 1.6], rng));
        let gully = tongue::footprint(&line, width, rng);
        gully.iter().for_each(|(pixel, share)| land.lay(*pixel, share * 0.9, &matter, When::Both));
    }
    while rng.random::<f32>() < CLEAR_CUT {
        clear_cut(land, palette, rng);
    }
    while rng.random::<f32>() < ROAD {
        road(land, terrain, palette, rng);
    }
    if terrain.has_river() && rng.random::<f32>() < RIVER_MOVED {
        river_moved(land, terrain, palette, rng);
    }
}

/// A clear-cut with straight sides in forest, and what it leaves: slash, grass or bare soil.
fn clear_cut(land: &mut Land, palette: &Palette, rng: &mut impl RngExt) {
    let [y, x] = std::array::from_fn(|_| uniform([0.0, SIDE as f32], rng));
    let (sin, cos) = uniform([0.0, std::f32::consts::PI], rng).sin_cos();
    let size: [f32; 2] = std::array::from_fn(|_| log_uniform(CLEAR_CUT_PX, rng));
    let [slash, soil] = [Cover::Slash, Cover::Soil].map(|cover| palette.matter(cover));
    let soil_share = rng.random::<f32>() * 0.8;
    // Some are of years ago.
    let when = if rng.random::<f32>() < 0.4 { When::Both } else { When::Later };
    for pixel in (0..SIDE * SIDE).filter(|pixel| is_forest(land.covers[*pixel])).collect::<Vec<_>>() {
        let [down, right] = [(pixel / SIDE) as f32 + 0.5 - y, (pixel % SIDE) as f32 + 0.5 - x];
        let inside = |at: f32, size: f32| (size / 2.0 - at.abs() + 0.5).clamp(0.0, 1.0);
        let share = inside(down * cos + right * sin, size[0]) * inside(right * cos - down * sin, size[1]);
        if share > 0.0 {
            land.lay(pixel, share, &slash, when);
            land.lay(pixel, share * soil_share, &soil, when);
        }
    }
}

/// A road along the slope, a pixel wide or less, with the bank below it.
fn road(land: &mut Land, terrain: &Terrain, palette: &Palette, rng: &mut impl RngExt) {
    let mut at: [f32; 2] = std::array::from_fn(|_| uniform([8.0, SIDE as f32 - 8.0], rng));
    let turn = if rng.random::<bool>() { 1.0 } else { -1.0 };
    let climb = uniform([-0.25, 0.25], rng);
    let length = uniform([20.0, 90.0], rng);
    let mut line = Vec::new();
    while line.len() as f32 * 0.5 < length && at.iter().all(|value| (0.0..SIDE as f32).contains(value)) {
        line.push(at);
        let [down, right] = terrain.gradient(at[0] as usize * SIDE + at[1] as usize);
        let norm = down.hypot(right).max(1e-3);
        at = [at[0] + 0.5 * (turn * right + climb * down) / norm, at[1] + 0.5 * (climb * right - turn * down) / norm];
    }
    let [road, soil] = [Cover::Road, Cover::Soil].map(|cover| palette.matter(cover));
    let when = if rng.random::<f32>() < 0.5 { When::Both } else { When::Later };
    let bank = tongue::footprint(&line, uniform([0.6, 2.2], rng), rng);
    bank.iter().for_each(|(pixel, share)| land.lay(*pixel, *share, &soil, when));
    let lane = tongue::footprint(&line, 0.6, rng);
    lane.iter().for_each(|(pixel, share)| land.lay(*pixel, *share, &road, when));
}

/// A flood laid gravel on one bank and took it from the other.
fn river_moved(land: &mut Land, terrain: &Terrain, palette: &Palette, rng: &mut impl RngExt) {
    let [gravel, water] = [Cover::Gravel, Cover::Water].map(|cover| palette.matter(cover));
    let floor = terrain.floor_px;
    let (at, half) = (uniform([0.2, 0.7], rng) * floor, uniform([0.1, 0.3], rng) * floor);
    for (pixel, distance) in terrain.from_axis_px.iter().enumerate() {
        let within = |at: f32, half: f32| (half - (distance - at).abs() + 0.5).clamp(0.0, 1.0);
        land.lay(pixel, within(at, half), &gravel, When::Later);
        land.lay(pixel, within(0.25 * floor, 0.1 * floor) * 0.8, &water, When::Later);
    }
}
