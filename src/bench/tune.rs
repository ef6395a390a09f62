//! The batch that a model runs fastest with on this machine, found by a short measurement and remembered.
//!
//! Rows are the same bits whatever the batch: only batches that `tests/built_in.rs` holds this for are candidates, and of
//! those only the ones that give the model at hand the same bits too.

mod cache;

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use ndarray::{Array4, ArrayD, Axis};

use crate::infer::engine::{Engine, Network};
use crate::model::Model;
use crate::model::manifest::Precision;
use crate::output::signal;
use crate::{Kind, Result};

pub use cache::Cache;

/// Batches that are tried on an engine for inputs of 64×64 px, in rows; larger inputs get fewer by their area. They are
/// those that the tests hold the rows' bits for: tract's differ at 64 rows. In fp32, 64 rows gain too little on ONNX Runtime
/// for the 60 MB that they take. An engine without tests has none.
pub fn tried_on(engine: &str, precision: Precision) -> &'static [usize] {
    match (engine, precision) {
        ("onnxruntime", Precision::Int8) => &[8, 16, 32, 64],
        ("onnxruntime" | "openvino" | "tract", _) => &[8, 16, 32],
        _ => &[],
    }
}

/// From so many tiles on it is measured: that takes about two seconds of a processor with a ResNet-18 on ONNX Runtime,
/// under 3 % of a run over this many tiles in fp32. For that network no batch gained anything beyond the spread over the
/// usual one: 64 rows against 32 came to +1 and +3 % in fp32, and to +7, +8 and -3 % in int8.
pub const TILES_MIN: usize = 20_000;
/// How long each candidate runs.
const RUNS_FOR: Duration = Duration::from_millis(400);
/// A run may take no longer: a stop waits for it, and must come within two seconds.
const RUN_MAX: Duration = Duration::from_millis(800);
/// Gains below this are noise, for which the usual batch is not left.
const GAIN_MIN: f64 = 0.03;

/// What a batch is wanted for, on a processor.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The model.
    pub model: &'a Model,
    /// What runs it.
    pub engine: &'a dyn Engine,
    /// Views of a window.
    pub views: usize,
    /// Rows of the batch that is taken otherwise.
    pub usual: usize,
}

/// What a candidate came to.
struct Trial {
    batch: usize,
    /// The best run's seconds of a processor per row.
    seconds_per_row: f64,
}

/// The candidates of [`tried_on`] for windows of `tile_px` with `views` views each: whole windows, ascending.
fn candidates(tried: &[usize], tile_px: u32, views: usize) -> Vec<usize> {
    let area = (tile_px as usize).pow(2).div_ceil(64 * 64);
    let whole = |&rows: &usize| (rows / area).max(1).next_multiple_of(views);
    let mut candidates: Vec<usize> = tried.iter().map(whole).collect();
    candidates.dedup();
    candidates
}

/// The batch: remembered in `cache`, else measured and put there. The usual one, where nothing gains 3 %.
///
/// # Errors
/// A signal. An engine that fails leaves the usual batch, with which the run will say what is wrong.
pub fn choose(wanted: Wanted<'_>, cache: Option<&Cache>) -> Result<usize> {
    let usual = wanted.usual.next_multiple_of(wanted.views);
    let manifest = &wanted.model.manifest;
    let tried = tried_on(&wanted.engine.info().engine, manifest.precision);
    let candidates = candidates(tried, manifest.tile_px, wanted.views);
    if candidates.iter().all(|&batch| batch == usual) {
        return Ok(usual);
    }
    let key = cache::key(wanted, &candidates);
    if let Some(batch) = cache.and_then(|cache| cache.get(&key)).filter(|batch| candidates.contains(batch)) {
        tracing::debug!(batch, "batch remembered");
        return Ok(batch);
    }
    let batch = match measure(wanted, usual, &candidates) {
        Ok(trials) => best(usual, &trials),
        Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => return Err(error),
        Err(error) => {
            tracing::debug!("no batch chosen: {error}");
            return Ok(usual);
        }
    };
    tracing::info!(batch, usual, "batch chosen by a short measurement");
    cache.inspect(|cache| cache.put(&key, batch));
    Ok(batch)
}

fn best(usual: usize, trials: &[Trial]) -> usize {
    let of_usual = trials.iter().find(|trial| trial.batch == usual).map(|trial| trial.seconds_per_row);
    let best = trials.iter().min_by(|a, b| a.seconds_per_row.total_cmp(&b.seconds_per_row));
    let (Some(of_usual), Some(best)) = (of_usual, best) else { return usual };
    if best.seconds_per_row <= of_usual * (1.0 - GAIN_MIN) { best.batch } else { usual }
}

/// The usual batch and all candidates that give the same bits; one session at a time, so that no more memory is taken
/// than the run itself will.
fn measure(wanted: Wanted<'_>, usual: usize, candidates: &[usize]) -> Result<Vec<Trial>> {
    let (expected, trial) = run(wanted, usual)?;
    let mut trials = vec![trial];
    for &batch in candidates.iter().filter(|&&batch| batch != usual) {
        let last = trials.last().map_or(0.0, |trial: &Trial| trial.seconds_per_row);
        if last * batch as f64 > RUN_MAX.as_secs_f64() {
            continue;
        }
        let (output, trial) = run(wanted, batch)?;
        match first_difference(&expected, &output) {
            None => trials.push(trial),
            Some(row) => tracing::debug!(batch, row, "gives other bits than the usual batch; not taken"),
        }
    }
    Ok(trials)
}

/// Output and rate of one batch, of the golden batch's rows over and over.
fn run(wanted: Wanted<'_>, batch: usize) -> Result<(ArrayD<f32>, Trial)> {
    let model = wanted.model;
    let golden = model.golden()?;
    let [bands, height, width] = [1, 2, 3].map(|axis| golden.input.len_of(Axis(axis)));
    let rows: Vec<usize> = (0..batch).map(|row| row % golden.input.len_of(Axis(0)).max(1)).collect();
    let input: Array4<f32> = golden.input.select(Axis(0), &rows);
    let network = Network { graph: &model.graph, input: [bands, height, width], precision: model.manifest.precision };
    let mut session = wanted.engine.session(network, batch)?;
    let output = session.run(input.view())?;
    let (started, mut best) = (Instant::now(), f64::INFINITY);
    while started.elapsed() < RUNS_FOR || best == f64::INFINITY {
        signal::check()?;
        let before = ThreadTime::now();
        session.run(input.view())?;
        best = best.min(before.elapsed().as_secs_f64());
    }
    Ok((output, Trial { batch, seconds_per_row: best / batch as f64 }))
}

/// The first row whose bits differ, of those that both outputs have.
fn first_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> Option<usize> {
    let bits = |value: &f32| value.to_bits();
    let mut rows = a.outer_iter().zip(b.outer_iter());
    rows.position(|(a, b)| !a.iter().map(bits).eq(b.iter().map(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_whole_windows_and_fewer_for_larger_inputs() {
        let tried = [8, 16, 32, 64];
        assert_eq!(candidates(&tried, 64, 1), [8, 16, 32, 64]);
        assert_eq!(candidates(&tried, 64, 8), [8, 16, 32, 64]);
        assert_eq!(candidates(&tried, 120, 1), [2, 4, 8, 16]);
        assert_eq!(candidates(&tried, 256, 1), [1, 2, 4]);
        assert_eq!(candidates(&tried, 256, 8), [8]);
        assert!(tried_on("another", Precision::Fp32).is_empty());
    }

    #[test]
    fn the_usual_batch_is_left_for_a_clear_gain_alone() {
        let trials =
            |other: f64| vec![Trial { batch: 32, seconds_per_row: 1.0 }, Trial { batch: 64, seconds_per_row: other }];
        assert_eq!(best(32, &trials(0.98)), 32);
        assert_eq!(best(32, &trials(0.9)), 64);
    }

    #[test]
    fn outputs_are_compared_bit_by_bit() {
        let a = ArrayD::from_shape_vec(vec![2, 1], vec![0.0, 1.0]).unwrap();
        let b = ArrayD::from_shape_vec(vec![3, 1], vec![0.0, 1.0 + f32::EPSILON, 3.0]).unwrap();
        assert_eq!(first_difference(&a, &b), Some(1));
        assert_eq!(first_difference(&a, &a), None);
    }
}
