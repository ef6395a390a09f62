//! `s2infer bench MODEL… [TILES…]`: how fast, side by side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use s2infer::bench::{
    Case, Line, Machine, Report, SCHEMA, STABLE_WITHIN, Settings, Subject, TilesUsed, compare, gflop_per_row,
    peak_gflops, write_tiles,
};
use s2infer::infer::augment::views;
use s2infer::infer::engine::{self, Device, EngineInfo, EngineRequest};
use s2infer::model::Model;
use s2infer::model::manifest::Tta;
use s2infer::output::{AtomicFile, signal};
use s2infer::pipeline::Input;
use s2infer::scene::{DnFlags, SceneOptions};
use s2infer::{Error, Kind, Result};

use super::claims::Claims;
use super::flags::{SceneArgs, batch_rows};
use super::values::{BatchArg, DeviceArg, EngineArg, TtaArg};
use super::{Common, inputs, logging, shell};

const EXAMPLES: &str = "\
Rates are of the whole program, files to table, without the loading of model and sessions; with --from-memory also of the
engine alone, fed with windows that were prepared before. All combinations take their turns, round by round, until the 95 %
interval of each median rate (order statistics, six rounds or more) lies within 2 % of it, or --max-seconds have passed: a
rate that is not stable then has a `?`. tiles/CPU-s is per second of a processor, which other work on the machine hardly
changes. Precisions are model folders. The peak is the engine's best here on large matrix products and convolutions in the
model's precision.

Examples:
  s2infer bench construction
  s2infer bench construction --engine ort,tract --from-memory
  s2infer bench models/fp32,models/int8 tiles --engine ort --batch 8,16,32 --threads 1,2
  s2infer bench construction --tta none,d4 --export-json bench.json --export-markdown bench.md";

/// Measuring models and engines.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// Models by name or folder, with commas between them.
    #[arg(value_name = "MODEL[,MODEL…]")]
    models: String,
    /// Tiles: files, folders (searched recursively) or quoted globs [default: some are made in a temporary folder].
    #[arg(value_name = "TILES")]
    inputs: Vec<PathBuf>,
    /// So many tiles are made, of the model's bands and size: uint16, Deflate with predictor 2, smooth ground with noise.
    #[arg(long, value_name = "N", default_value_t = 512, conflicts_with = "inputs", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tiles: u32,
    #[command(flatten)]
    combinations: Combinations,
    /// Feed the engine from memory as well: its bare rate, and the program's as a share of it.
    #[arg(long)]
    from_memory: bool,
    /// Rounds that are not counted.
    #[arg(long, value_name = "N", default_value_t = 1)]
    warmup: u16,
    /// No round begins later than this.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    max_seconds: u32,
    /// Everything that was measured, as JSON.
    #[arg(long, value_name = "FILE")]
    export_json: Option<PathBuf>,
    /// The table, as Markdown.
    #[arg(long, value_name = "FILE")]
    export_markdown: Option<PathBuf>,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    common: Common,
}

/// What is put side by side: every combination of these.
#[derive(Debug, Args)]
#[command(next_help_heading = "Combinations")]
struct Combinations {
    /// Engines.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "auto")]
    engine: Vec<EngineArg>,
    /// Devices: auto, cpu, cuda[:N], tensorrt[:N] or openvino.
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    device: Vec<DeviceArg>,
    /// The ONNX Runtime library, or the folder it is in. Also: ORT_DYLIB_PATH.
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,
    /// OpenVINO's library, or the folder it is in. Also: OPENVINO_LIB_PATH.
    #[arg(long, value_name = "PATH")]
    openvino_lib: Option<PathBuf>,
    /// Rows of a batch, windows times views, or auto: what a run over many tiles takes [default: auto].
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    batch: Vec<BatchArg>,
    /// Sessions that run at the same time, each on one core.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Vec<u16>,
    /// Test-time augmentation [default: the model's].
    #[arg(long, value_enum, value_delimiter = ',')]
    tta: Vec<TtaArg>,
}

impl Combinations {
    /// Refuses a library that no engine is to use.
    fn check(&self) -> Result<()> {
        let uses = |engines: &[EngineArg]| self.engine.iter().any(|engine| engines.contains(engine));
        if self.ort_lib.is_some() && !uses(&[EngineArg::Auto, EngineArg::Ort]) {
            return Err(Error::usage("--ort-lib names an ONNX Runtime library, but ort is not among --engine"));
        }
        if self.openvino_lib.is_some() && !uses(&[EngineArg::OpenVino]) {
            return Err(Error::usage("--openvino-lib names an OpenVINO library, but openvino is not among --engine"));
        }
        Ok(())
    }
}

/// A combination as the table has it, and what runs it or why nothing does.
struct Combination {
    line: Line,
    case: Result<Case>,
}

impl Bench {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let started = Timestamp::now();
        let machine = Machine::here();
        let models =
            self.models.split(',').map(|name| Ok((name, Model::resolve(name)?))).collect::<Result<Vec<_>>>()?;
        let given = if self.inputs.is_empty() { Vec::new() } else { inputs::expand(&self.inputs, None)? };
        self.claims(&models, &given)?;
        self.combinations.check()?;
        signal::install()?;
        let [json, markdown] =
            [&self.export_json, &self.export_markdown].map(|path| path.as_deref().map(AtomicFile::create).transpose());
        let (json, markdown) = (json?, markdown?);
        let spinner = logging::spinner(&self.common);
        spinner.set_message("making tiles");
        let folder = tempfile::Builder::new().prefix("s2infer-bench-").tempdir().map_err(Error::output)?;
        let subjects = models.into_iter().enumerate();
        let subjects = subjects.map(|(index, (name, model))| {
            self.subject(name, model, &given, &folder.path().join(index.to_string())).map(Arc::new)
        });
        let subjects = subjects.collect::<Result<Vec<_>>>()?;
        let count = subjects.first().map_or(0, |subject| subject.inputs.len());
        let combinations = self.combinations(&subjects);
        let kind = kind_of_none(&combinations);
        let lines = self.measure(combinations, &mut |what| spinner.set_message(what))?;
        spinner.finish_and_clear();
        let report = Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            command: std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            started,
            finished: Timestamp::now(),
            machine,
            tiles: TilesUsed { count, made: given.is_empty() },
            warmup_rounds: self.warmup.into(),
            stable_within: STABLE_WITHIN,
            lines,
        };
        let text = serde_json::to_string_pretty(&report).map_err(Error::output)? + "\n";
        export(json, &text)?;
        export(markdown, &report.to_markdown())?;
        nothing_ran(&report, kind)?;
        shell::print(report.to_text().as_bytes())
    }

    fn claims(&self, models: &[(&str, Model)], tiles: &[Input]) -> Result<()> {
        let mut claims = Claims::default();
        for (flag, path) in [("--export-json", &self.export_json), ("--export-markdown", &self.export_markdown)] {
            path.iter().try_for_each(|path| claims.output(flag, path))?;
        }
        models.iter().try_for_each(|(name, model)| claims.model(name, model, |_| true))?;
        for (flag, path) in [("--metadata", &self.scene.metadata), ("--ort-lib", &self.combinations.ort_lib)] {
            path.iter().try_for_each(|path| claims.input(flag, path))?;
        }
        tiles.iter().try_for_each(|tile| claims.input("the tile", &tile.path))
    }

    /// A model with the tiles that were given, or some that are made for it.
    fn subject(&self, name: &str, model: Model, given: &[Input], folder: &Path) -> Result<Subject> {
        if !given.is_empty() {
            return Ok(Subject { name: name.to_owned(), model, inputs: given.to_vec(), scene: self.scene.options()? });
        }
        std::fs::create_dir(folder).map_err(|error| Error::output(error).context(folder.display()))?;
        let paths = write_tiles(folder, &model.manifest, self.tiles as usize)?;
        // The files state their own scale and offset.
        let scene = SceneOptions { dn: DnFlags::default(), bands: None, ..self.scene.options()? };
        let inputs = paths.into_iter().map(|path| Input { path, problem: None }).collect();
        Ok(Subject { name: name.to_owned(), model, inputs, scene })
    }

    fn combinations(&self, subjects: &[Arc<Subject>]) -> Vec<Combination> {
        let asked = &self.combinations;
        let engines = asked.engine.iter().flat_map(|engine| asked.device.iter().map(move |device| (*engine, device.0)));
        let threads: Vec<usize> = asked.threads.iter().map(|threads| usize::from(*threads)).collect();
        let mut all = Vec::new();
        for (engine, device) in engines {
            for (subject, threads) in subjects.iter().flat_map(|of| threads.iter().map(move |threads| (of, *threads))) {
                self.add(&mut all, subject, (engine, device), threads);
            }
        }
        all
    }

    /// The combinations of one model on one engine with so many threads.
    fn add(&self, all: &mut Vec<Combination>, subject: &Arc<Subject>, on: (EngineArg, Device), threads: usize) {
        let asked = &self.combinations;
        let manifest = &subject.model.manifest;
        let (engine, device) = on;
        let request = EngineRequest {
            engine: engine.into(),
            device,
            // Of several engines each gets its own.
            ort_lib: asked.ort_lib.clone().filter(|_| matches!(engine, EngineArg::Auto | EngineArg::Ort)),
            openvino_lib: asked.openvino_lib.clone().filter(|_| matches!(engine, EngineArg::OpenVino)),
            engine_cache: None,
            precision: manifest.precision,
            sessions: threads,
        };
        let opened: Result<Arc<dyn engine::Engine>> = engine::open(&request).map(Arc::from);
        let info = opened.as_ref().ok().map(|engine| engine.info().clone());
        let is_gpu = matches!(device, Device::Cuda(_) | Device::TensorRt(_));
        let many = if self.inputs.is_empty() { subject.inputs.len() } else { usize::MAX };
        let usual = batch_rows(manifest.tile_px, many, is_gpu);
        let ttas: Vec<Tta> = asked.tta.iter().map(|tta| Tta::from(*tta)).collect();
        let batches: Vec<usize> = asked.batch.iter().map(|batch| batch.rows().unwrap_or(usual)).collect();
        for tta in or(&ttas, &[manifest.tta]) {
            for batch in or(&batches, &[usual]) {
                let case = opened.clone().and_then(|engine| {
                    // Given tiles may have many windows each; those made here have one.
                    if self.inputs.is_empty() {
                        fills(subject, tta, batch)?;
                    }
                    Ok(Case { subject: subject.clone(), engine, batch, threads, tta, device })
                });
                all.push(Combination {
                    line: line(subject, (engine, device, info.clone()), [batch, threads], tta),
                    case,
                });
            }
        }
    }

    fn measure(&self, combinations: Vec<Combination>, progress: &mut dyn FnMut(String)) -> Result<Vec<Line>> {
        let settings = Settings {
            warmup_rounds: self.warmup.into(),
            time_max: Duration::from_secs(self.max_seconds.into()),
            from_memory: self.from_memory,
        };
        let cases: Vec<Case> = combinations.iter().filter_map(|it| it.case.as_ref().ok().cloned()).collect();
        let measured = if cases.is_empty() { Vec::new() } else { compare(&cases, &settings, progress)? };
        let mut measured = measured.into_iter();
        let mut peaks: Vec<((EngineInfo, &str), Option<f64>)> = Vec::new();
        let mut lines = Vec::new();
        for Combination { line, case } in &combinations {
            let case = match case {
                Ok(case) => case,
                Err(error) => {
                    lines.push(Line { not_run: Some(error.to_string()), ..line.clone() });
                    continue;
                }
            };
            let measured = measured.next().unwrap_or_default();
            let precision = case.subject.model.manifest.precision.as_str();
            let key = (case.engine.info().clone(), precision);
            if measured.failure.is_none() && !peaks.iter().any(|(known, _)| *known == key) {
                progress(format!("the peak of {} in {precision}", key.0.engine));
                peaks.push((key.clone(), peak(case)?));
            }
            let peak = peaks.iter().find(|(known, _)| *known == key).and_then(|(_, peak)| *peak);
            lines.extend(Line::of(line, case, &measured, peak));
        }
        Ok(lines)
    }
}

/// The peak, or none where the engine has no such graph; a signal ends it.
fn peak(case: &Case) -> Result<Option<f64>> {
    match peak_gflops(case) {
        Ok(peak) => Ok(Some(peak)),
        Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => Err(error),
        Err(error) => {
            tracing::warn!("no peak of {}: {error}", case.engine.info().engine);
            Ok(None)
        }
    }
}

fn or<T: Copy>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}

fn line(
    subject: &Subject,
    (engine, device, info): (EngineArg, Device, Option<EngineInfo>),
    [batch, threads]: [usize; 2],
    tta: Tta,
) -> Line {
    let manifest = &subject.model.manifest;
    let side = manifest.tile_px as usize;
    let gflop = gflop_per_row(&subject.model.graph, [manifest.bands.len(), side, side]);
    let gflop = gflop.inspect_err(|error| tracing::warn!("{}: {error}", subject.name)).ok();
    Line {
        model: subject.name.clone(),
        model_sha256: subject.model.sha256.clone(),
        precision: manifest.precision.to_string(),
        engine: engine.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        device: device.to_string(),
        engine_info: info,
        batch,
        threads,
        tta: TtaArg::from(tta).to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        source: "files".into(),
        gflop_per_window: gflop.map(|gflop| gflop * views(tta).len() as f64),
        ..Line::default()
    }
}

fn export(file: Option<AtomicFile>, text: &str) -> Result<()> {
    use std::io::Write;
    let Some(mut file) = file else { return Ok(()) };
    let name = file.path().display().to_string();
    file.write_all(text.as_bytes()).map_err(|error| Error::output(error).context(name))?;
    file.commit()
}

/// What it is if no combination runs: flags that contradict each other in all of them are what they are to a run.
fn kind_of_none(combinations: &[Combination]) -> Kind {
    let is_usage = |it: &Combination| it.case.as_ref().is_err_and(|error| error.kind() == Kind::Usage);
    if combinations.iter().all(is_usage) { Kind::Usage } else { Kind::Engine }
}

/// An error with every reason where no combination ran.
fn nothing_ran(report: &Report, kind: Kind) -> Result<()> {
    let mut reasons: Vec<&str> = report.lines.iter().filter_map(|line| line.not_run.as_deref()).collect();
    if reasons.len() < report.lines.len() {
        return Ok(());
    }
    reasons.dedup();
    Err(Error::new(kind, format!("no combination could run: {}", reasons.join("; "))))
}

/// Refuses batches that the tiles do not fill: what is missing is computed all the same, and would count for nothing.
fn fills(subject: &Subject, tta: Tta, batch: usize) -> Result<()> {
    let rows = subject.inputs.len() * views(tta).len();
    if rows >= batch {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} tiles make {rows} rows, less than a batch of {batch}: give more tiles",
        subject.inputs.len()
    )))
}
