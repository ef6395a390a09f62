//! The engine alone, fed with windows that were prepared before.

use std::sync::Barrier;
use std::time::Instant;

use cpu_time::ProcessTime;
use ndarray::Array4;

use super::{Case, Round};
use crate::infer::augment::views;
use crate::infer::engine::{Network, Session};
use crate::infer::preprocess::Preprocessing;
use crate::infer::windows::Windows;
use crate::output::signal;
use crate::raster::Planes;
use crate::scene::Scene;
use crate::{Error, Result};

/// Batches that are kept; a session takes them in turn, so that its input is not always in the cache.
const BATCHES: usize = 8;

/// Runs as many batches as `windows` windows fill, spread over the case's sessions. Sessions and batches are made, and
/// each session has run once, before the time is taken.
///
/// # Errors
/// Those of tiles and engine.
pub(super) fn round(case: &Case, tiles: u64, windows: u64) -> Result<Round> {
    let batches = prepare(case, windows)?;
    let sessions = if case.is_gpu() { 1 } else { case.threads };
    let runs = (windows as usize).div_ceil(case.windows_per_batch());
    let sessions = (0..sessions).map(|_| session(case, &batches)).collect::<Result<Vec<_>>>()?;
    let barrier = Barrier::new(sessions.len() + 1);
    let share = |index: usize| runs / sessions.len() + usize::from(index < runs % sessions.len());
    let shares: Vec<usize> = (0..sessions.len()).map(share).collect();
    let (started, cpu, batch_ms) = std::thread::scope(|scope| {
        let work = |(session, runs)| {
            let (batches, barrier) = (&batches, &barrier);
            scope.spawn(move || {
                barrier.wait();
                run(session, batches, runs)
            })
        };
        let threads: Vec<_> = sessions.into_iter().zip(shares).map(work).collect();
        let (started, cpu) = (Instant::now(), ProcessTime::now());
        barrier.wait();
        let done = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Error::engine("the engine's thread broke off; please report this")))
        });
        (started, cpu, done.collect::<Result<Vec<_>>>())
    });
    let (wall_seconds, cpu_seconds) = (started.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    // The last batch is a whole one: what it holds beyond the windows asked for was computed as well.
    let done = (runs * case.windows_per_batch()) as u64;
    let tiles = tiles as f64 * done as f64 / windows.max(1) as f64;
    let batch_ms = batch_ms?.concat();
    Ok(Round { tiles: tiles.round() as u64, windows: done, wall_seconds, cpu_seconds, stages: Vec::new(), batch_ms })
}

fn session(case: &Case, batches: &[Array4<f32>]) -> Result<Box<dyn Session>> {
    let model = &case.subject.model;
    let network = Network { graph: &model.graph, input: case.input(), precision: model.manifest.precision };
    let mut session = case.engine.session(network, case.rows_per_batch())?;
    batches.first().map_or(Ok(()), |batch| session.run(batch.view()).map(drop))?;
    Ok(session)
}

fn run(mut session: Box<dyn Session>, batches: &[Array4<f32>], runs: usize) -> Result<Vec<f32>> {
    let mut took = Vec::with_capacity(runs);
    for batch in batches.iter().cycle().take(runs) {
        signal::check()?;
        let started = Instant::now();
        session.run(batch.view())?;
        took.push(1e3 * started.elapsed().as_secs_f32());
    }
    Ok(took)
}

/// The first batches of the tiles, filled up with the first windows where there are fewer.
fn prepare(case: &Case, windows: u64) -> Result<Vec<Array4<f32>>> {
    let wanted = (windows as usize).div_ceil(case.windows_per_batch()).clamp(1, BATCHES) * case.windows_per_batch();
    let rows = rows(case, wanted)?;
    let [bands, height, width] = case.input();
    let shape = (case.rows_per_batch(), bands, height, width);
    let row = rows.len() / wanted.max(1) * case.windows_per_batch();
    let batch = |rows: &[f32]| Array4::from_shape_vec(shape, rows.to_vec()).map_err(Error::engine);
    rows.chunks_exact(row.max(1)).map(batch).collect()
}

/// `wanted` windows with their views, one after the other, as the program would feed them.
fn rows(case: &Case, wanted: usize) -> Result<Vec<f32>> {
    let manifest = &case.subject.model.manifest;
    let (side, row) = (manifest.tile_px as usize, case.input().iter().product::<usize>());
    let views = views(case.tta);
    let preprocessing = Preprocessing::new(manifest);
    let (mut planes, mut valid) = (Planes::new(), vec![true; side * side]);
    let mut rows = Vec::with_capacity(wanted * views.len() * row);
    for input in &case.subject.inputs {
        let scene = Scene::open(&input.path, manifest, &case.subject.scene)?;
        let extent = scene.extent();
        let windows =
            Windows::plan(extent.width, extent.height, manifest.tile_px, manifest.overlap_px, manifest.padding)?;
        for index in 0..windows.count() {
            if rows.len() == wanted * views.len() * row {
                return Ok(rows);
            }
            scene.image.read(windows.window(index), &scene.bands.indices, &mut planes)?;
            let first = rows.len();
            rows.resize(first + views.len() * row, 0.0);
            let (as_it_is, others) = rows[first..].split_at_mut(row);
            preprocessing.apply(&planes, &scene.radiometry, as_it_is, &mut valid);
            let others = others.chunks_exact_mut(row).zip(&views[1..]);
            others.for_each(|(target, view)| view.apply(as_it_is, target, side));
        }
    }
    if rows.is_empty() {
        return Err(Error::usage("no window in the tiles"));
    }
    let held = rows.len();
    (held..wanted * views.len() * row).for_each(|index| rows.push(rows[index % held]));
    Ok(rows)
}
