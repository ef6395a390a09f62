//! `s2infer TILES…`: from flags to a job, and from its summary to an exit code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use s2infer::decide::Profile;
use s2infer::drift::{Report, drift_metrics};
use s2infer::infer::engine::{self, Device, Engine};
use s2infer::limits::{CONFIG_BYTES_MAX, read_bounded};
use s2infer::model::Model;
use s2infer::model::manifest::{Head, Tta};
use s2infer::output::{
    self, AtomicFile, DistributionWriter, Format, Journal, Lock, Metrics, NamedFile, RunRecord, Target, journal_path,
    mask_path, signal, tile_text,
};
use s2infer::pipeline::{self, Input, Job, Observer, Outputs, Summary, Thresholds};
use s2infer::{Error, Result};

use super::calibration::binding;
use super::claims::Claims;
use super::drift::{ALARM, DriftArgs, Watch};
use super::flags::{DecideArgs, EngineArgs, ModelArgs, OutputArgs, SceneArgs};
use super::{Common, dry_run, inputs, logging};

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
    drift: DriftArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    common: Common,
}

impl Predict {
    /// Whether no tiles were given in any way.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.files_from.is_none()
    }

    /// Whether the first tile is no file but a subcommand that a flag stands before.
    pub fn names_subcommand(&self, command: &clap::Command) -> bool {
        let first = self.inputs.first().filter(|path| path.symlink_metadata().is_err());
        first.and_then(|path| path.to_str()).is_some_and(|name| command.find_subcommand(name).is_some())
    }

    /// Runs and gives the exit code.
    pub fn run(mut self) -> Result<u8> {
        logging::init(&self.common);
        if self.is_empty() {
            return Err(Error::usage("no tiles: give files, folders or quoted globs, or --files-from FILE"));
        }
        let started = Timestamp::now();
        self.output.resolve_standard_output()?;
        let model = Model::resolve(&self.model.model)?;
        self.check_flags(&model)?;
        let mut claims = self.claims(&model)?;
        let tta = self.model.tta.map_or(model.manifest.tta, Tta::from);
        let (thresholds, profile) = self.thresholds(&model, tta)?;
        let mut watch = self.drift.watch(&model, tta)?;
        let inputs = inputs::expand(&self.inputs, self.files_from.as_deref())?;
        self.claim_tiles(&mut claims, &inputs)?;
        let scene = self.scene.options()?;
        // Not before: a handled signal does not end the wait for a pipe that has nothing to say.
        signal::install()?;
        let paths = inputs.iter().map(|input| input.path.as_path());
        let remarks = scene.table.as_ref().map_or_else(Vec::new, |table| table.remarks(paths));
        remarks.iter().for_each(|remark| tracing::warn!("--metadata: {remark}"));
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request())?.into();
        let threads = self.engine.threads();
        let is_gpu = matches!(self.engine.device.0, Device::Cuda(_) | Device::TensorRt(_));
        let job = Job {
            overlap_px: self.model.overlap.unwrap_or(model.manifest.overlap_px),
            batch: self.engine.batch_rows(model.manifest.tile_px, inputs.len(), is_gpu),
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
            return dry_run::run(&job);
        }
        if let Some(reason) = &job.engine.info().fallback_reason {
            tracing::info!("tract runs: {reason}");
        }
        let mut record = self.record(&job, profile.as_ref(), started);
        let record_file = self.output.record.as_deref().map(AtomicFile::create).transpose()?;
        let metrics_file = self.output.metrics_file.as_deref().map(AtomicFile::create).transpose()?;
        let mut summary = self.execute(job, profile.as_ref(), watch.as_mut())?;
        for warning in &summary.warnings.listed {
            tracing::warn!("{warning}");
        }
        let drift = watch.map(|watch| watch.report());
        let is_alarm = self.drift.fail_on_drift && drift.as_ref().is_some_and(|report| report.alarm);
        let code = if is_alarm { ALARM } else { u8::from(summary.counts.tiles_failed > 0) };
        remarks.into_iter().for_each(|remark| summary.warnings.push(format!("--metadata: {remark}")));
        record.complete(summary, drift.as_ref(), code)?;
        if let Some(file) = metrics_file {
            record.metrics(drift.as_ref()).write(file)?;
        }
        if let Some(file) = record_file {
            record.0.write(file)?;
        }
        Ok(code)
    }

    /// Under the lock: opens the outputs, runs, and settles the journal.
    fn execute(&self, job: Job, profile: Option<&NamedFile>, watch: Option<&mut Watch>) -> Result<Summary> {
        let arguments = &self.output;
        let _lock = match &arguments.output {
            Some(path) => {
                let lock = Lock::acquire(path, Duration::from_secs(arguments.wait))?;
                AtomicFile::remove_leftovers(path);
                Some(lock)
            }
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
        let mut observe = watch.map(|watch| |_: &str, tile| watch.add(tile));
        let outputs = Outputs {
            sink: output::open(format, target, &classes)?,
            journal,
            keep_journal: arguments.resume,
            masks: arguments.masks.clone(),
            distributions,
            progress: &mut |done| bar.set_position(done),
            observe: observe.as_mut().map(|observe| observe as Observer),
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
            "unseen_region": self.decide.unseen_region,
            "tta": job.tta,
            "overlap_px": job.overlap_px,
            "bands": job.scene.bands,
            "dn": format!("{:?}", job.scene.dn),
            "batch": self.engine.batch,
            "engine": [&info.engine, &info.version, &info.provider],
        })
        .to_string()
    }

    /// The files that this run writes; none of them may be another, or a file that is read.
    fn claims(&self, model: &Model) -> Result<Claims> {
        let mut claims = Claims::default();
        if let Some(path) = &self.output.output {
            claims.table(path)?;
        }
        let others = [
            ("--record", &self.output.record),
            ("--metrics-file", &self.output.metrics_file),
            ("--distributions", &self.output.distributions),
        ];
        for (flag, path) in others {
            path.iter().try_for_each(|path| claims.output(flag, path))?;
        }
        claims.model(&self.model.model, model, |_| true)?;
        let read = [
            ("--files-from", &self.files_from),
            ("--metadata", &self.scene.metadata),
            ("--profile", &self.decide.profile),
            ("--drift-reference", &self.drift.drift_reference),
            ("--ort-lib", &self.engine.ort_lib),
        ];
        read.into_iter().try_for_each(|(flag, path)| path.iter().try_for_each(|path| claims.input(flag, path)))?;
        Ok(claims)
    }

    fn claim_tiles(&self, claims: &mut Claims, inputs: &[Input]) -> Result<()> {
        if let Some(folder) = &self.output.masks {
            let mut masks = inputs.iter().map(|input| mask_path(folder, &tile_text(&input.path)));
            masks.try_for_each(|mask| claims.output("--masks", &mask))?;
        }
        inputs.iter().try_for_each(|input| claims.input("the tile", &input.path))
    }

    fn check_flags(&self, model: &Model) -> Result<()> {
        let tile_px = model.manifest.tile_px;
        if let Some(overlap) = self.model.overlap.filter(|overlap| *overlap >= tile_px) {
            return Err(Error::usage(format!(
                "--overlap {overlap}: give less than the {tile_px} px of the model's input"
            )));
        }
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
            match (&self.decide.profile, self.decide.threshold) {
                (None, None) => return Ok((Thresholds::ArgMax, None)),
                (_, Some(_)) => {
                    return Err(Error::usage(format!(
                        "--threshold: {} decides by its most likely class, or with --profile by a class's thresholds, as \
                         `s2infer calibrate --class` makes them",
                        model.manifest.name
                    )));
                }
                (Some(_), None) => {}
            }
        }
        if let Some(threshold) = self.decide.threshold {
            return Ok((Thresholds::Fixed(threshold), None));
        }
        let (name, bytes) = match &self.decide.profile {
            Some(path) => {
                let bytes = read_bounded(path, CONFIG_BYTES_MAX)
                    .map_err(|error| Error::refused(format!("--profile {error}")))?;
                (path.display().to_string(), bytes)
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
        profile.class_index(model.manifest.head, &model.manifest.classes).map_err(|error| error.context(&name))?;
        profile.check_choice(&self.decide.threshold_profile)?;
        let file = NamedFile { name, sha256: profile.sha256() };
        let profile = if self.decide.unseen_region { profile.for_unseen_region()? } else { profile };
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
            drift: None,
            exit_code: 0,
        })
    }
}

/// A run record under way.
struct Record(RunRecord);

impl Record {
    fn complete(&mut self, summary: Summary, drift: Option<&Report>, exit_code: u8) -> Result<()> {
        let record = &mut self.0;
        record.finished = Timestamp::now();
        record.counts = summary.counts;
        record.seconds =
            summary.stage_seconds.into_iter().map(|(stage, seconds)| (stage.to_owned(), seconds)).collect();
        record.warnings = summary.warnings;
        record.errors = summary.errors;
        record.exit_code = exit_code;
        record.drift = drift.map(serde_json::to_value).transpose().map_err(Error::output)?;
        Ok(())
    }

    fn metrics(&self, drift: Option<&Report>) -> Metrics {
        let mut metrics = Metrics::new(vec![("model", self.0.model.name.clone()), ("command", "run".into())]);
        metrics.run(&self.0);
        drift.iter().for_each(|report| drift_metrics(report, &mut metrics));
        metrics
    }
}

/// The flag's word for an augmentation.
fn tta_name(tta: Tta) -> &'static str {
    match tta {
        Tta::None => "none",
        Tta::Flips => "flips",
        Tta::D4 => "d4",
    }
}
