//! How often drift monitoring alarms where nothing has changed, and where something has:
//!
//!     s2infer drift reference TILES --model MODEL --out reference.json --table tiles.csv
//!     cargo run --release --example drift_nights -- reference.json tiles.csv 1000 [OTHER_TILES.csv]…
//!
//! The tiles are halved at random: one half makes a reference, nights are drawn from the other. Tiles of a second table
//! are nights of another place.

use std::path::Path;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use s2infer::Result;
use s2infer::decide::Binding;
use s2infer::drift::{LEVEL_DEFAULT, Observation, Reference, ReferenceRequest, Report, compare, read_table};

/// Tiles of a night; 40 of four groups are too few for any of them by itself.
const TILES: [usize; 3] = [40, 100, 400];
/// An offset of 1,000 DN that was not removed.
const OFFSET: f32 = 0.1;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reference, tiles, nights, others @ ..] = arguments.as_slice() else {
        return Err(s2infer::Error::usage("give REFERENCE TILES NIGHTS [OTHER_TILES]…"));
    };
    let path = Path::new(reference);
    let reference = Reference::parse(&std::fs::read(path).map_err(s2infer::Error::usage)?, reference)?;
    let population = read_table(Path::new(tiles), &reference)?;
    let nights: u64 = nights.parse().map_err(s2infer::Error::usage)?;
    println!(
        "| nights of `{}` | tiles | nights with an alarm | 95 % interval | p ≤ 0.05: PSI | KS | MMD |",
        reference.model.name
    );
    println!("| --- | ---: | ---: | --- | ---: | ---: | ---: |");
    let (half, rest) = halves(&population, 0);
    let fixed = make(&half, &reference)?;
    for size in TILES.into_iter().filter(|size| *size <= rest.len()) {
        let fresh = |seed| {
            let (half, rest) = halves(&population, seed);
            make(&half, &reference).map(|made| compare(&made, &draw(&rest, size, seed), LEVEL_DEFAULT))
        };
        row("unchanged, a new reference for each night", size, nights, fresh)?;
        row("unchanged, one reference", size, nights, |seed| {
            Ok(compare(&fixed, &draw(&rest, size, seed), LEVEL_DEFAULT))
        })?;
        let is_summer = |tile: &&Observation| tile.group.as_ref().is_some_and(|group| group.starts_with("summer"));
        let summer: Vec<Observation> = rest.iter().filter(is_summer).cloned().collect();
        row("unchanged, one reference, summer alone", size, nights, |seed| {
            Ok(compare(&fixed, &draw(&summer, size, seed), LEVEL_DEFAULT))
        })?;
        row("an offset of +1,000 DN", size, nights / 10, |seed| {
            let mut night = draw(&rest, size, seed);
            night.iter_mut().flat_map(|tile| &mut tile.summary).flat_map(|summary| &mut summary.bands).for_each(
                |band| {
                    band.mean += OFFSET;
                },
            );
            Ok(compare(&fixed, &night, LEVEL_DEFAULT))
        })?;
        let is_cloudy = |tile: &&Observation| tile.group.as_ref().is_some_and(|group| group.ends_with("cloudy"));
        let (cloudy, clear): (Vec<_>, Vec<_>) = rest.iter().cloned().partition(|tile| is_cloudy(&tile));
        row("cloudier: 85 % of the tiles instead of half", size, nights / 10, |seed| {
            let mut night = draw(&cloudy, size * 85 / 100, seed);
            night.extend(draw(&clear, size - night.len(), seed));
            Ok(compare(&fixed, &night, LEVEL_DEFAULT))
        })?;
        for other in others {
            let elsewhere = read_table(Path::new(other), &reference)?;
            if elsewhere.len() < size {
                continue;
            }
            let name = Path::new(other).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            row(&format!("tiles of `{name}`"), size, nights / 10, |seed| {
                Ok(compare(&fixed, &draw(&elsewhere, size, seed), LEVEL_DEFAULT))
            })?;
        }
    }
    Ok(())
}

/// One line of the table.
fn row(name: &str, size: usize, nights: u64, night: impl Fn(u64) -> Result<Report> + Send + Sync) -> Result<()> {
    let reports: Vec<Report> = (1..=nights).into_par_iter().map(night).collect::<Result<_>>()?;
    let alarms = reports.iter().filter(|report| report.alarm).count();
    let [low, high] = wilson(alarms as f64, nights as f64);
    let small = |statistic: &str| {
        let tests = || reports.iter().flat_map(|report| &report.findings).flat_map(|finding| &finding.tests);
        let tests = || tests().filter(|test| test.statistic == statistic);
        let share = tests().filter(|test| test.p_value <= 0.05).count() as f64 / tests().count() as f64;
        if share.is_nan() { "–".into() } else { format!("{share:.3}") }
    };
    println!(
        "| {name} | {size} | {alarms} of {nights} | {:.1} to {:.1} % | {} | {} | {} |",
        100.0 * low,
        100.0 * high,
        small("psi"),
        small("ks"),
        small("mmd")
    );
    Ok(())
}

/// Wilson's interval (1927) of a share.
fn wilson(count: f64, n: f64) -> [f64; 2] {
    let (share, z) = (count / n, 1.959964);
    let (middle, scale) = (share + z * z / (2.0 * n), 1.0 + z * z / n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    [(middle - half) / scale, (middle + half) / scale]
}

fn halves(tiles: &[Observation], seed: u64) -> (Vec<Observation>, Vec<Observation>) {
    let mut tiles = tiles.to_vec();
    tiles.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let rest = tiles.split_off(tiles.len() / 2);
    (tiles, rest)
}

/// Without replacement, as far as there are enough.
fn draw(tiles: &[Observation], size: usize, seed: u64) -> Vec<Observation> {
    let (mut rng, mut tiles) = (ChaCha8Rng::seed_from_u64(seed ^ 0x5eed), tiles.to_vec());
    for position in 0..size.min(tiles.len()) {
        let drawn = rng.random_range(position..tiles.len());
        tiles.swap(position, drawn);
    }
    tiles.truncate(size);
    tiles
}

/// A reference of some of the tiles, for the same model.
fn make(tiles: &[Observation], of: &Reference) -> Result<Reference> {
    let binding = Binding {
        model_sha256: of.model.sha256.clone(),
        precision: of.model.precision,
        preprocessing_version: of.preprocessing_version.clone(),
        tta: of.tta,
    };
    Reference::of(
        tiles,
        ReferenceRequest {
            model_name: of.model.name.clone(),
            binding,
            bands: of.bands.clone(),
            command: "drift_nights".into(),
            created: of.created,
        },
    )
}
