//! Cases side by side, round by round.

use std::time::{Duration, Instant};

use super::{Case, Estimate, ROUNDS_MIN, Round, memory, program};
use crate::output::signal;
use crate::{Error, Kind, Result};

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Rounds of every case before any counts.
    pub warmup_rounds: usize,
    /// No round begins after this, be the figures stable or not.
    pub time_max: Duration,
    /// Whether the engine is fed from memory as well.
    pub from_memory: bool,
}

/// What came of a case.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Rounds of the whole program.
    pub program: Vec<Round>,
    /// Rounds of the engine alone, if they were asked for.
    pub engine: Vec<Round>,
    /// Why it cannot run.
    pub failure: Option<Error>,
}

/// Tiles per second of a processor, or by the clock on a GPU.
pub(super) fn rate(case: &Case, round: &Round) -> f64 {
    if case.is_gpu() { round.tiles_per_second() } else { round.tiles_per_cpu_second() }
}

/// Measures the cases: the warm-up, then rounds in which each has its turn, until the medians of all are stable
/// ([`Estimate::is_stable`]) or the time is up. `progress` hears what is about to be done.
///
/// # Errors
/// A tile that cannot be decided, and a signal. A case that its engine cannot run is a [`Measured::failure`].
pub fn compare(cases: &[Case], settings: &Settings, progress: &mut dyn FnMut(String)) -> Result<Vec<Measured>> {
    let mut measured = vec![Measured::default(); cases.len()];
    let started = Instant::now();
    let mut rounds = 0;
    loop {
        let is_warm = rounds >= settings.warmup_rounds;
        if rounds == settings.warmup_rounds {
            measured.iter_mut().for_each(|it| (it.program, it.engine) = Default::default());
        }
        for (index, (case, it)) in cases.iter().zip(&mut measured).enumerate() {
            signal::check()?;
            let name =
                if is_warm { format!("round {}", rounds - settings.warmup_rounds + 1) } else { "warm-up".into() };
            progress(format!("{name}, combination {} of {}", index + 1, cases.len()));
            if it.failure.is_none() {
                it.failure = round(case, settings, it).err().map(keep_to_the_case).transpose()?;
            }
        }
        rounds += 1;
        let counted = rounds.saturating_sub(settings.warmup_rounds);
        let is_over = started.elapsed() >= settings.time_max || measured.iter().all(|it| it.failure.is_some());
        if is_over && counted > 0 || counted >= ROUNDS_MIN && all_stable(cases, &measured) {
            return Ok(measured);
        }
    }
}

fn round(case: &Case, settings: &Settings, measured: &mut Measured) -> Result<()> {
    let round = program::round(case)?;
    if settings.from_memory {
        measured.engine.push(memory::round(case, round.tiles, round.windows)?);
    }
    measured.program.push(round);
    Ok(())
}

/// What the engine or the model is to blame for stays with the case; anything else ends the comparison.
fn keep_to_the_case(error: Error) -> Result<Error> {
    match error.kind() {
        Kind::Engine | Kind::OutOfMemory | Kind::Refused => Ok(error),
        _ => Err(error),
    }
}

fn all_stable(cases: &[Case], measured: &[Measured]) -> bool {
    let is_stable = |case: &Case, rounds: &[Round]| {
        rounds.is_empty() || Estimate::of(rounds.iter().map(|round| rate(case, round))).is_some_and(|e| e.is_stable())
    };
    let mut pairs = cases.iter().zip(measured).filter(|(_, it)| it.failure.is_none());
    pairs.all(|(case, it)| is_stable(case, &it.program) && is_stable(case, &it.engine))
}
