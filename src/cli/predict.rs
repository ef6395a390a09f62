//! `s2infer TILES…`: from flags to a job, and from its summary to an exit code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use s2infer::decide::{Binding, Observation, Profile, Resolution, ShiftChoice};
use s2infer::infer::engine::{self, Device, Engine, EngineRequest};
use s2infer::infer::preprocess::preprocessing_id;
use s2infer::model::Model;
use s2infer::model::manifest::{Head, Tta};
use s2infer::output::{
    self, DistributionWriter, Format, Journal, Lock, NamedFile, RunRecord, Target, journal_path, signal,
};
use s2infer::pipeline::{self, Job, Outputs, Summary, Thresholds};
use s2infer::raster::ReadOptions;
use s2infer::scene::{DnFlags, SceneOptions, TileTable, canonical_band, parse_date};
use s2infer::{Error, Result};

use super::values::{DeviceArg, EngineArg, TtaArg, finite, percent, threshold};
use super::{Common, inputs, logging, shell};

/// The model in the binary.
const BUILT_IN: &str = "construction";
/// Rows of a batch on the processor for tiles of this size; larger tiles get fewer, so that a batch stays within
/// the time that a stop may take.
const CPU_BATCH_ROWS: usize = 8;
const GPU_BATCH_ROWS: usize = 64;

/// Deciding tiles.
#[derive(Debug, Args)]
pub struct Predict {
    /// Tiles: files, folders (searched recursively) or quoted globs.
    inputs: Vec<PathBuf>,
    /// Read more tiles from a list, one a line or NUL-separated; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    decide: DecideArgs,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    common: Common,
}

/// Which model, and how it looks at a tile.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A model by name or folder.
    #[arg(long, value_name = "NAME|FOLDER", default_value = BUILT_IN)]
    pub model: String,
    /// Test-time augmentation: the views whose logits are averaged [default: the model's].
    #[arg(long, value_enum)]
    pub tta: Option<TtaArg>,
    /// Overlap of neighbouring windows of a tile larger than the model's input, in pixels [default: the model's].
    #[arg(long, value_name = "PX")]
    pub overlap: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Thresholds")]
struct DecideArgs {
    /// The threshold profile [default: the model's own].
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// The shift: auto, summer, winter, clear, cloudy, winter-cloudy, … or a group of the profile. `auto` goes by
    /// each tile's date, place and cloudiness; what stays unknown takes the lowest threshold still possible.
    #[arg(long, value_name = "SHIFT", default_value = "auto")]
    threshold_profile: ShiftChoice,
    /// One threshold for all tiles, without any guarantee, instead of a profile.
    #[arg(long, value_name = "SCORE", value_parser = threshold, conflicts_with_all = ["profile", "threshold_profile"])]
    threshold: Option<f32>,
}

/// What the pixels mean, where the files do not say.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tiles")]
pub struct SceneArgs {
    /// The files' bands in file order, e.g. B04,B03,B02.
    #[arg(long, value_name = "BANDS", value_delimiter = ',')]
    bands: Option<Vec<String>>,
    /// Reflectance of one DN: reflectance = (DN + offset) × scale.
    #[arg(long, value_name = "SCALE", value_parser = finite)]
    dn_scale: Option<f64>,
    /// DN added before scaling: -1000 for processing baseline 04.00 and later.
    #[arg(long, value_name = "DN", value_parser = finite, allow_negative_numbers = true)]
    dn_offset: Option<f64>,
    /// Believe --dn-scale and --dn-offset where a file contradicts them.
    #[arg(long)]
    dn_force: bool,
    /// Acquisition date of tiles that no --metadata row dates.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    date: Option<Date>,
    /// Cloud cover in percent of tiles that no --metadata row states it for.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    cloud_cover: Option<f64>,
    /// Side table `tile,date,cloud_cover` (percent), matched by path or file name.
    #[arg(long, value_name = "CSV")]
    metadata: Option<PathBuf>,
    /// Read files instead of mapping them into memory. A mapped file that is truncated while it is read fails
    /// alone either way; reading is for network file systems.
    #[arg(long)]
    no_mmap: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
struct EngineArgs {
    /// The engine; only `auto` falls back.
    #[arg(long, value_enum, default_value = "auto")]
    engine: EngineArg,
    /// auto, cpu, cuda[:N], tensorrt[:N] or openvino; a device asked for by name runs or is an error.
    #[arg(long, default_value = "auto")]
    device: DeviceArg,
    /// The ONNX Runtime library, or the folder it is in. Also: ORT_DYLIB_PATH.
    #[arg(long, value_name = "PATH")]
    ort_lib: Option<PathBuf>,
    /// Sessions that run at the same time, each on one core [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Rows of a batch, windows times views [default: 8 on the processor, 64 on a GPU; fewer for large inputs].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: Option<u16>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// csv, ndjson or geojson [default: by --output's extension, else csv].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Where the table goes; it appears complete or not at all [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Class maps of segmentation models, a GeoTIFF for every tile.
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    /// Class shares of segmentation models, a row for every tile.
    #[arg(long, value_name = "FILE")]
    distributions: Option<PathBuf>,
    /// The run record: versions, hashes, engine, counts, timings, errors.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Take over what an earlier run with the same model, profile and options already decided, by content, and keep
    /// the journal (OUTPUT.journal) for the next.
    #[arg(long, requires = "output", conflicts_with_all = ["masks", "distributions"])]
    resume: bool,
    /// Wait this many seconds for another run on the same output instead of giving up.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// List each tile's shift and threshold, and decide nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Predict {
    /// Whether no tiles were given in any way.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.files_from.is_none()
    }

    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        signal::install()?;
        if self.is_empty() {
            return Err(Error::usage("no tiles: give files, folders or quoted globs, or --files-from FILE"));
        }
        let started = Timestamp::now();
        let model = Model::resolve(&self.model.model)?;
        self.check_outputs(&model)?;
        let tta = self.model.tta.map_or(model.manifest.tta, Tta::from);
        let (thresholds, profile) = self.thresholds(&model, tta)?;
        let inputs = inputs::expand(&self.inputs, self.files_from.as_deref())?;
        let scene = self.scene.options()?;
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request())?.into();
        let threads = self.engine.threads();
        let is_gpu = matches!(self.engine.device.0, Device::Cuda(_) | Device::TensorRt(_));
        let job = Job {
            overlap_px: self.model.overlap.unwrap_or(model.manifest.overlap_px),
            batch: self.engine.batch_rows(model.manifest.tile_px, is_gpu),
            sessions: if is_gpu { 1 } else { threads },
            readers: threads,
            inputs,
            engine,
            thresholds,
            scene,
            tta,
            model,
        };
        if self.output.dry_run {
            return dry_run(&job);
        }
        if let Some(reason) = &job.engine.info().fallback_reason {
            tracing::info!("tract runs: {reason}");
        }
        let mut record = self.record(&job, profile.as_ref(), started);
        let summary = self.execute(job, profile.as_ref())?;
        for warning in &summary.warnings.listed {
            tracing::warn!("{warning}");
        }
        let code = u8::from(summary.counts.tiles_failed > 0);
        if let Some(path) = &self.output.record {
            record.complete(summary, code);
            record.0.write(path)?;
        }
        Ok(code)
    }

    /// Under the lock: opens the outputs, runs, and settles the journal.
    fn execute(&self, job: Job, profile: Option<&NamedFile>) -> Result<Summary> {
        let arguments = &self.output;
        let _lock = match &arguments.output {
            Some(path) => Some(Lock::acquire(path, Duration::from_secs(arguments.wait))?),
            None => None,
        };
        let classes = job.model.manifest.classes.clone();
        let format = Format::choose(arguments.format, arguments.output.as_deref());
        let target = match &arguments.output {
            Some(path) => Target::File(path.clone()),
            None => Target::Stdout(Box::new(std::io::stdout())),
        };
        let keeps_journal = arguments.masks.is_none() && arguments.distributions.is_none();
        let journal = match &arguments.output {
            Some(path) if keeps_journal => {
                Some(Journal::open(&journal_path(path), &self.run_key(&job, profile), arguments.resume)?)
            }
            _ => None,
        };
        let distributions =
            arguments.distributions.as_deref().map(|path| DistributionWriter::create(path, &classes)).transpose()?;
        if let Some(folder) = &arguments.masks {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::output(format!("--masks {}: {error}", folder.display())))?;
        }
        let bar = logging::progress(&self.common, job.inputs.len());
        let outputs = Outputs {
            sink: output::open(format, target, &classes)?,
            journal,
            keep_journal: arguments.resume,
            masks: arguments.masks.clone(),
            distributions,
            progress: &mut |done| bar.set_position(done),
        };
        let summary = pipeline::run(job, outputs);
        bar.finish_and_clear();
        summary
    }

    /// Everything that a row depends on beside its tile.
    fn run_key(&self, job: &Job, profile: Option<&NamedFile>) -> String {
        let info = job.engine.info();
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": job.model.sha256,
            "manifest": job.model.manifest.item,
            "profile": profile.map(|profile| &profile.sha256),
            "threshold_profile": self.decide.threshold_profile.to_string(),
            "threshold": self.decide.threshold,
            "tta": job.tta,
            "overlap_px": job.overlap_px,
            "bands": job.scene.bands,
            "dn": format!("{:?}", job.scene.dn),
            "batch": job.batch,
            "engine": [&info.engine, &info.version, &info.provider],
        })
        .to_string()
    }

    fn check_outputs(&self, model: &Model) -> Result<()> {
        let is_map = model.manifest.head == Head::Segmentation;
        let flag = match (&self.output.masks, &self.output.distributions) {
            (Some(_), _) => "--masks",
            (None, Some(_)) => "--distributions",
            (None, None) => return Ok(()),
        };
        if is_map {
            return Ok(());
        }
        Err(Error::usage(format!("{flag} is for segmentation models, and {} is none", model.manifest.name)))
    }

    fn thresholds(&self, model: &Model, tta: Tta) -> Result<(Thresholds, Option<NamedFile>)> {
        if model.manifest.head != Head::Binary {
            return match (&self.decide.profile, self.decide.threshold) {
                (None, None) => Ok((Thresholds::ArgMax, None)),
                _ => Err(Error::usage(format!(
                    "{} decides by its most likely class; it takes no threshold",
                    model.manifest.name
                ))),
            };
        }
        if let Some(threshold) = self.decide.threshold {
            return Ok((Thresholds::Fixed(threshold), None));
        }
        let (name, bytes) = match &self.decide.profile {
            Some(path) => {
                let name = path.display().to_string();
                let bytes =
                    std::fs::read(path).map_err(|error| Error::refused(format!("--profile {name}: {error}")))?;
                (name, bytes)
            }
            None => {
                let bytes = model.profile.clone().ok_or_else(|| {
                    Error::refused(format!(
                        "model {} has no threshold profile: give --profile FILE (made by `s2infer calibrate`), or \
                         --threshold SCORE to decide without a guarantee",
                        model.manifest.name
                    ))
                })?;
                (format!("{}/profile.json", model.manifest.name), bytes)
            }
        };
        let profile = Profile::parse(&bytes, &name)?;
        profile.check(&binding(model, tta))?;
        profile.check_choice(&self.decide.threshold_profile)?;
        let file = NamedFile { name, sha256: profile.sha256() };
        Ok((Thresholds::Profile(Box::new(profile), self.decide.threshold_profile.clone()), Some(file)))
    }

    fn record(&self, job: &Job, profile: Option<&NamedFile>, started: Timestamp) -> Record {
        Record(RunRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            command: std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            started,
            finished: started,
            model: NamedFile { name: job.model.manifest.name.clone(), sha256: job.model.sha256.clone() },
            profile: profile.cloned(),
            shift: profile.map(|_| self.decide.threshold_profile.to_string()),
            tta: tta_name(job.tta).into(),
            engine: Some(job.engine.info().clone()),
            counts: Default::default(),
            seconds: Default::default(),
            warnings: Default::default(),
            errors: Default::default(),
            exit_code: 0,
        })
    }
}

/// A run record under way.
struct Record(RunRecord);

impl Record {
    fn complete(&mut self, summary: Summary, exit_code: u8) {
        let record = &mut self.0;
        record.finished = Timestamp::now();
        record.counts = summary.counts;
        record.seconds =
            summary.stage_seconds.into_iter().map(|(stage, seconds)| (stage.to_owned(), seconds)).collect();
        record.warnings = summary.warnings;
        record.errors = summary.errors;
        record.exit_code = exit_code;
    }
}

/// What a profile must have been calibrated for.
pub fn binding(model: &Model, tta: Tta) -> Binding {
    Binding {
        model_sha256: model.sha256.clone(),
        precision: model.manifest.precision.clone(),
        preprocessing_version: preprocessing_id(&model.manifest),
        tta,
    }
}

/// The flag's word for an augmentation.
pub fn tta_name(tta: Tta) -> &'static str {
    match tta {
        Tta::None => "none",
        Tta::Flips => "flips",
        Tta::D4 => "d4",
    }
}

fn dry_run(job: &Job) -> Result<u8> {
    shell::print(b"tile,date,latitude,cloud_cover,shift,threshold,reason\n")?;
    let mut failed = false;
    for input in &job.inputs {
        signal::check()?;
        let planned = pipeline::dry_run(job, input);
        failed |= planned.is_err();
        let cells = dry_run_cells(planned).map(|cell| cell.map_or_else(String::new, |cell| output::csv_cell(&cell)));
        let tile = output::csv_cell(&output::tile_text(&input.path));
        shell::print(format!("{tile},{}\n", cells.join(",")).as_bytes())?;
    }
    Ok(u8::from(failed))
}

fn dry_run_cells(planned: Result<(Observation, Option<Resolution>)>) -> [Option<String>; 6] {
    let (observed, resolution) = match planned {
        Ok(planned) => planned,
        Err(error) => return [None, None, None, None, None, Some(error.to_string())],
    };
    let (shift, threshold, reason) = match resolution {
        None => (None, None, None),
        Some(Resolution::Threshold { shift, threshold, guaranteed }) => {
            (Some(shift), Some(threshold.to_string()), (!guaranteed).then(|| "without guarantee".to_owned()))
        }
        Some(Resolution::Abstain { shift, reason }) => (Some(shift), None, Some(reason)),
    };
    [
        observed.date.map(|date| date.to_string()),
        observed.latitude.map(|latitude| format!("{latitude:.4}")),
        observed.cloud_cover_percent.map(|percent| percent.to_string()),
        shift,
        threshold,
        reason,
    ]
}

impl SceneArgs {
    /// The library's form of these flags; reads the side table.
    pub fn options(&self) -> Result<SceneOptions> {
        let table = self.metadata.as_deref().map(TileTable::read).transpose()?;
        Ok(SceneOptions {
            bands: self.bands.as_ref().map(|bands| bands.iter().map(|band| canonical_band(band)).collect()),
            dn: DnFlags { scale: self.dn_scale, offset: self.dn_offset, force: self.dn_force },
            date: self.date,
            cloud_cover_percent: self.cloud_cover,
            table: table.map(Arc::new),
            read: ReadOptions { mmap: !self.no_mmap },
        })
    }
}

impl EngineArgs {
    fn request(&self) -> EngineRequest {
        EngineRequest { engine: self.engine.into(), device: self.device.0, ort_lib: self.ort_lib.clone() }
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    fn batch_rows(&self, tile_px: u32, is_gpu: bool) -> usize {
        let rows = if is_gpu { GPU_BATCH_ROWS } else { CPU_BATCH_ROWS };
        // 64 px is the usual patch; a window of k times its area counts k-fold.
        let area = (tile_px as usize).pow(2).div_ceil(64 * 64);
        self.batch.map_or_else(|| (rows / area).max(1), usize::from)
    }
}
