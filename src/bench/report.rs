//! What a comparison comes to, as it is exported. Fields are the keys of the JSON file.

use jiff::Timestamp;
use serde::Serialize;

use super::compare::rate;
use super::{Case, Estimate, Machine, Measured, Round};
use crate::infer::engine::EngineInfo;
use crate::pipeline::Stage;

/// Version of the JSON file's form: it grows when a key goes or changes its meaning, not when one is added.
pub const SCHEMA: u32 = 1;

/// A comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Version of this program.
    pub version: String,
    /// The command line, argument by argument.
    pub command: Vec<String>,
    /// When it began (UTC).
    pub started: Timestamp,
    /// When it ended (UTC).
    pub finished: Timestamp,
    /// What it ran on.
    pub machine: Machine,
    /// What it was measured with.
    pub tiles: TilesUsed,
    /// Rounds that were not counted.
    pub warmup_rounds: usize,
    /// A median is stable once its 95 % interval lies within this share of it.
    pub stable_within: f64,
    /// One line for each combination that ran and for each that did not.
    pub lines: Vec<Line>,
}

/// The tiles.
#[derive(Debug, Clone, Serialize)]
pub struct TilesUsed {
    /// How many, for each model.
    pub count: usize,
    /// Whether they were made for this.
    pub made: bool,
}

/// One line of the table: a combination, with files or from memory.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Line {
    /// The model as it was asked for.
    pub model: String,
    /// SHA-256 of its graph.
    pub model_sha256: String,
    /// What it is computed in.
    pub precision: String,
    /// The engine that was asked for.
    pub engine: String,
    /// The device that was asked for.
    pub device: String,
    /// What ran.
    pub engine_info: Option<EngineInfo>,
    /// Rows of a batch.
    pub batch: usize,
    /// Sessions.
    pub threads: usize,
    /// `none`, `flips` or `d4`
    pub tta: String,
    /// `files`, the whole program; or `memory`, the engine alone.
    pub source: String,
    /// Why there are no figures.
    pub not_run: Option<String>,
    /// Rounds that count.
    pub rounds: usize,
    /// Whether the rate's median is stable.
    pub stable: bool,
    /// By the clock.
    pub tiles_per_second: Option<Estimate>,
    /// Per second of a processor.
    pub tiles_per_cpu_second: Option<Estimate>,
    /// In the engine, per batch.
    pub latency_ms: Option<Latency>,
    /// Where the processor's time goes; of whole runs alone.
    pub cpu_us_per_tile: Option<Split>,
    /// The whole program's rate as a share of the engine's, median of the rounds' ratios.
    pub share_of_engine: Option<Estimate>,
    /// Operations of a window in billions, views of augmentation included.
    pub gflop_per_window: Option<f64>,
    /// The engine's best rate on large products, in billions of operations a second.
    pub peak_gflops: Option<f64>,
    /// The rate of operations as a share of that.
    pub share_of_peak: Option<f64>,
}

/// Quantiles over all batches of all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f32,
    /// 95 of 100 batches took no longer.
    pub p95: f32,
    /// 99 of 100 batches took no longer.
    pub p99: f32,
}

impl Latency {
    /// Of batches in any order; by the nearest rank. `None` of none.
    pub fn of(mut batch_ms: Vec<f32>) -> Option<Self> {
        batch_ms.sort_by(f32::total_cmp);
        let at = |share: f64| batch_ms.get(((share * batch_ms.len() as f64).ceil() as usize).max(1) - 1).copied();
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)? })
    }
}

/// Microseconds of a processor per tile, by stage ([`Stage`]); mean over all rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the stages have their words at `Stage`")]
pub struct Split {
    pub read: f64,
    pub decode: f64,
    pub preprocess: f64,
    pub copy: f64,
    pub infer: f64,
    pub write: f64,
    /// Between the stages: threads, queues, the operating system.
    pub other: f64,
    /// All of them.
    pub total: f64,
}

impl Split {
    fn of(rounds: &[Round]) -> Option<Self> {
        let tiles: u64 = rounds.iter().map(|round| round.tiles).sum();
        let per_tile = |seconds: f64| 1e6 * seconds / tiles as f64;
        let times = || rounds.iter().flat_map(|round| &round.stages);
        let spent = |stage| times().filter(|time| time.stage == stage).map(|time| time.cpu_seconds).sum::<f64>();
        times().next().filter(|_| tiles > 0)?;
        let total = per_tile(rounds.iter().map(|round| round.cpu_seconds).sum());
        let stages: f64 = Stage::ALL.into_iter().filter(|stage| *stage != Stage::Start).map(spent).sum();
        Some(Self {
            read: per_tile(spent(Stage::Read)),
            decode: per_tile(spent(Stage::Decode)),
            preprocess: per_tile(spent(Stage::Preprocess)),
            copy: per_tile(spent(Stage::Copy)),
            infer: per_tile(spent(Stage::Infer)),
            write: per_tile(spent(Stage::Write)),
            other: total - per_tile(stages),
            total,
        })
    }
}

impl Line {
    /// The lines of a case: its whole runs, and the engine's alone where it was measured. `line` says what it is;
    /// `peak_gflops` is the engine's at the case's precision.
    pub fn of(line: &Line, case: &Case, measured: &Measured, peak_gflops: Option<f64>) -> Vec<Self> {
        let rates = |rounds: &[Round]| rounds.iter().map(|round| rate(case, round)).collect::<Vec<_>>();
        let ratios =
            rates(&measured.program).into_iter().zip(rates(&measured.engine)).map(|(whole, bare)| whole / bare);
        let share_of_engine = Estimate::of(ratios);
        if let Some(failure) = &measured.failure {
            return vec![Self { not_run: Some(failure.to_string()), source: "files".into(), ..line.clone() }];
        }
        let figures = |source: &str, rounds: &[Round]| {
            let rate = Estimate::of(rates(rounds));
            let per_round = |of: fn(&Round) -> f64| Estimate::of(rounds.iter().map(of));
            let gflops =
                line.gflop_per_window.zip(rate).map(|(gflop, rate)| gflop * rate.median * windows_per_tile(rounds));
            Self {
                source: source.into(),
                rounds: rounds.len(),
                stable: rate.is_some_and(|rate| rate.is_stable()),
                tiles_per_second: per_round(Round::tiles_per_second),
                tiles_per_cpu_second: per_round(Round::tiles_per_cpu_second),
                latency_ms: Latency::of(rounds.iter().flat_map(|round| round.batch_ms.iter().copied()).collect()),
                cpu_us_per_tile: Split::of(rounds),
                share_of_engine: share_of_engine.filter(|_| source == "files"),
                peak_gflops,
                share_of_peak: gflops.zip(peak_gflops).map(|(gflops, peak)| gflops / peak),
                ..line.clone()
            }
        };
        let mut lines = vec![figures("files", &measured.program)];
        if !measured.engine.is_empty() {
            lines.push(figures("memory", &measured.engine));
        }
        lines
    }
}

fn windows_per_tile(rounds: &[Round]) -> f64 {
    rounds.first().map_or(1.0, |round| round.windows as f64 / round.tiles.max(1) as f64)
}
