//! Where the time of a run goes: seconds by the clock and of the processor, per stage.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpu_time::{ProcessTime, ThreadTime};

/// A stage of a run, in the order of the street.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Making sessions, and the golden batch.
    Start,
    /// Opening tiles: the bytes of small files, headers, what they mean; hashes for the journal.
    Read,
    /// Windows out of tiles: decompression and predictors, and the bytes of files too large to be read whole.
    Decode,
    /// Reflectance, validity and standardisation, and the views of test-time augmentation.
    Preprocess,
    /// Filling up batches, and taking scores out of output tensors.
    Copy,
    /// The engine.
    Infer,
    /// Deciding, and writing rows in the order of the input.
    Write,
}

impl Stage {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Start, Self::Read, Self::Decode, Self::Preprocess, Self::Copy, Self::Infer, Self::Write];

    /// As the run record and the metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Read => "read",
            Self::Decode => "decode",
            Self::Preprocess => "preprocess",
            Self::Copy => "copy",
            Self::Infer => "infer",
            Self::Write => "write",
        }
    }
}

/// What a stage took, summed over its threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Seconds by the clock: waiting for a device or disk counts, and for a processor that others use.
    pub wall_seconds: f64,
    /// Seconds of the processor.
    pub cpu_seconds: f64,
}

/// The sums of all stages, shared by the threads of a run.
#[derive(Debug, Default)]
pub(super) struct Timers([Spent; Stage::ALL.len()]);

#[derive(Debug, Default)]
struct Spent {
    wall_ns: AtomicU64,
    cpu_ns: AtomicU64,
}

impl Timers {
    /// Starts the watch of the calling thread.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { timers: self, wall: Instant::now(), cpu: ThreadTime::now() }
    }

    /// Does `work` on the account of `stage`.
    pub(super) fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let mut watch = self.watch();
        let result = work();
        watch.lap(stage);
        result
    }

    /// The sums so far, in the order of [`Stage::ALL`].
    pub(super) fn times(&self) -> Vec<StageTime> {
        let seconds = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 * 1e-9;
        let of = |(stage, spent): (Stage, &Spent)| StageTime {
            stage,
            wall_seconds: seconds(&spent.wall_ns),
            cpu_seconds: seconds(&spent.cpu_ns),
        };
        Stage::ALL.into_iter().zip(&self.0).map(of).collect()
    }
}

/// Time since the last lap on one thread. One reading ends a stage and begins the next: the processor's clock is a system
/// call of about half a microsecond, and a tile takes four of them.
pub(super) struct Watch<'a> {
    timers: &'a Timers,
    wall: Instant,
    cpu: ThreadTime,
}

impl Watch<'_> {
    /// Puts the time since the last lap on the account of `stage`; returns it by the clock.
    pub(super) fn lap(&mut self, stage: Stage) -> Duration {
        let (wall, cpu) = (Instant::now(), ThreadTime::now());
        let took = wall.duration_since(self.wall);
        let spent = &self.timers.0[stage as usize];
        spent.wall_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        spent.cpu_ns.fetch_add(cpu.duration_since(self.cpu).as_nanos() as u64, Ordering::Relaxed);
        (self.wall, self.cpu) = (wall, cpu);
        took
    }
}

/// Time since the first session stood.
pub(super) struct Running {
    wall: Instant,
    cpu: ProcessTime,
    start_seconds: f64,
}

impl Running {
    pub(super) fn since_now(timers: &Timers) -> Self {
        Self { wall: Instant::now(), cpu: ProcessTime::now(), start_seconds: start_seconds(timers) }
    }

    /// Seconds by the clock, and of all processors without what went to [`Stage::Start`] meanwhile.
    pub(super) fn stop(self, timers: &Timers) -> (f64, f64) {
        let started_meanwhile = start_seconds(timers) - self.start_seconds;
        (self.wall.elapsed().as_secs_f64(), self.cpu.elapsed().as_secs_f64() - started_meanwhile)
    }
}

fn start_seconds(timers: &Timers) -> f64 {
    timers.times().iter().filter(|time| time.stage == Stage::Start).map(|time| time.cpu_seconds).sum()
}
