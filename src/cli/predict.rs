//! `s2infer TILES…`: from flags to a job, and from its summary to an exit code.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use s2infer::bench::tune;
use s2infer::decide::Profile;
use s2infer::drift::{Report, drift_metrics};
use s2infer::infer::augment::views;
use s2infer::infer::engine::{self, Device, Engine};
use s2infer::limits::{CONFIG_BYTES_MAX, read_bounded};
use s2infer::model::Model;
use s2infer::model::manifest::{Head, Tta};
use s2infer::output::{
    AtomicFile, DistributionKey, DistributionWriter, Journal, Lock, Metrics, NamedFile, RunRecord, SharedCoverage,
    journal_path, lock_path, sample_id, signal, tile_text,
};
use s2infer::pipeline::{self, Input, Job, Observer, Outputs, Summary, Thresholds};
use s2infer::{Error, Result};

use super::calibration::binding;
use super::claims::Claims;
use super::drift::{ALARM, DriftArgs, Watch};
use super::flags::{CloudArgs, DecideArgs, EngineArgs, ModelArgs, OutputArgs, SceneArgs};
use super::foreign::UNSEALED;
use super::values::BatchArg;
use super::{Common, clouds, dry_run, inputs, logging, stac, tables};

/// Deciding tiles.
#[derive(Debug, Args)]
pub struct Predict {
    /// Tiles and scenes: files, SAFE products (folder or .zip), folders with one file a band, STAC items, other folders
    /// (searched recursively) or quoted globs.
    pub(super) inputs: Vec<PathBuf>,
    /// Read more tiles from a list, one a line or NUL-separated; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) files_from: Option<PathBuf>,
    #[command(flatten)]
    pub(super) model: ModelArgs,
    #[command(flatten)]
    pub(super) decide: DecideArgs,
    #[command(flatten)]
    pub(super) scene: SceneArgs,
    #[command(flatten)]
    pub(super) clouds: CloudArgs,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) drift: DriftArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) common: Common,
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
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        if self.is_empty() {
            return Err(Error::usage("no tiles: give files, folders or quoted globs, or --files-from FILE"));
        }
        self.decide().map(|(code, _)| code)
    }

    /// Runs and gives the exit code and the run's record; none of a dry run.
    pub(super) fn decide(mut self) -> Result<(u8, Option<RunRecord>)> {
        let started = Timestamp::now();
        self.output.resolve_standard_output()?;
        let model = self.model.resolve()?;
        self.check_flags(&model)?;
        stac::check(&self.output)?;
        let mut claims = self.claims(&model)?;
        let tta = self.model.tta.map_or(model.manifest.tta, Tta::from);
        let (thresholds, profile) = self.thresholds(&model, tta)?;
        let mut watch = self.drift.watch(&model, tta)?;
        let inputs = inputs::expand(&self.inputs, self.files_from.as_deref())?;
        self.claim_tiles(&mut claims, &inputs)?;
        self.check_samples(&inputs)?;
        let scene = self.scene.options()?;
        // Not before: a handled signal does not end the wait for a pipe that has nothing to say.
        signal::install()?;
        let paths = inputs.iter().map(|input| input.path.as_path());
        let remarks = scene.table.as_ref().map_or_else(Vec::new, |table| table.remarks(paths));
        remarks.iter().for_each(|remark| tracing::warn!("--metadata: {remark}"));
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request(model.manifest.precision))?.into();
        let clouds = self.clouds.open(&self.engine)?;
        clouds.iter().try_for_each(|clouds| self.clouds.claim(&claims, clouds))?;
        let threads = self.engine.threads();
        let is_gpu = matches!(self.engine.device.0, Device::Cuda(_) | Device::TensorRt(_));
        let mut job = Job {
            overlap_px: self.model.overlap.unwrap_or(model.manifest.overlap_px),
            batch: self.engine.batch_rows(model.manifest.tile_px, inputs::expected_tiles(&inputs), is_gpu),
            sessions: if is_gpu { 1 } else { threads },
            readers: threads,
            inputs,
            engine,
            thresholds,
            scene,
            clouds,
            tta,
            model,
        };
        if self.output.dry_run {
            return dry_run::run(&job).map(|code| (code, None));
        }
        if let Some(reason) = &job.engine.info().fallback_reason {
            tracing::info!("{} runs: {reason}", job.engine.info().engine);
        }
        job.batch = self.batch(&job, is_gpu)?;
        let mut record = self.record(&job, profile.as_ref(), started);
        let _locks = self.lock()?;
        let record_file = self.output.record.as_deref().map(AtomicFile::create).transpose()?;
        let metrics_file = self.output.metrics_file.as_deref().map(AtomicFile::create).transpose()?;
        let stac_file = self.output.stac.as_deref().map(AtomicFile::create).transpose()?;
        let paths = stac_file.as_ref().map(|_| job.inputs.iter().map(|input| input.path.clone()).collect());
        let coverage = SharedCoverage::default();
        let is_unsealed = job.model.unsealed.is_some();
        let mut summary = self.execute(job, profile.as_ref(), watch.as_mut(), &coverage)?;
        for warning in &summary.warnings.listed {
            tracing::warn!("{warning}");
        }
        let drift = watch.map(|watch| watch.report());
        let is_alarm = self.drift.fail_on_drift && drift.as_ref().is_some_and(|report| report.alarm);
        let code = if is_alarm { ALARM } else { u8::from(summary.counts.tiles_failed > 0) };
        if is_unsealed {
            summary.warnings.push(UNSEALED.into());
        }
        remarks.into_iter().for_each(|remark| summary.warnings.push(format!("--metadata: {remark}")));
        record.complete(summary, drift.as_ref(), code)?;
        if let Some(file) = metrics_file {
            record.metrics(drift.as_ref()).write(file)?;
        }
        if let Some(file) = record_file {
            record.0.write(file)?;
        }
        let is_decided = record.0.counts.tiles_failed < record.0.counts.tiles;
        if stac_file.is_some() && !is_decided {
            tracing::warn!("--stac: no item, since no tile was decided");
        }
        if let Some(file) = stac_file.filter(|_| is_decided) {
            stac::write(file, &self.output, &record.0, &coverage.get()?, paths.unwrap_or_default())?;
        }
        Ok((code, Some(record.0)))
    }

    /// Takes the locks of the tables; under them, what a killed run left of its unfinished files goes.
    fn lock(&self) -> Result<Vec<Lock>> {
        let arguments = &self.output;
        let tables = [&arguments.output, &arguments.sites].into_iter().flatten();
        let locks: Vec<Lock> = tables
            .map(|path: &PathBuf| Lock::acquire(path, Duration::from_secs(arguments.wait)))
            .collect::<Result<_>>()?;
        if !locks.is_empty() {
            arguments.files().for_each(AtomicFile::remove_leftovers);
        }
        Ok(locks)
    }

    /// Under the lock: opens the outputs, runs, and settles the journal.
    fn execute(
        &self,
        job: Job,
        profile: Option<&NamedFile>,
        watch: Option<&mut Watch>,
        coverage: &SharedCoverage,
    ) -> Result<Summary> {
        let arguments = &self.output;
        let classes = job.model.manifest.classes.clone();
        let maps = arguments.maps();
        let shares = arguments.shares();
        let keeps_journal = maps.is_empty() && shares.is_none();
        let journal = match &arguments.output {
            Some(path) if keeps_journal => {
                Some(Journal::open(&journal_path(path), &self.run_key(&job, profile), arguments.resume)?)
            }
            _ => None,
        };
        let ignored = job.model.manifest.ignored();
        let writer = |target| DistributionWriter::create(target, DistributionKey::SampleId, &classes, ignored);
        let distributions = shares.map(writer).transpose()?;
        for (flag, folder, _) in maps.folders() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::output(format!("{flag} {}: {error}", folder.display())))?;
        }
        let bar = logging::progress(&self.common, job.inputs.len());
        let mut observe = watch.map(|watch| |_: &str, tile| watch.add(tile));
        let outputs = Outputs {
            sink: tables::open(arguments, classes, coverage)?,
            journal,
            keep_journal: arguments.resume,
            maps,
            distributions,
            progress: &mut |done| bar.set(done),
            observe: observe.as_mut().map(|observe| observe as Observer),
        };
        let summary = pipeline::run(job, outputs);
        bar.finish_and_clear();
        summary
    }

    /// The batch that was asked for, or that is usual for so many tiles; for very many of them the best.
    fn batch(&self, job: &Job, is_gpu: bool) -> Result<usize> {
        if job.model.is_single_row() {
            return Ok(1);
        }
        // What is unsealed has no batch to be measured on.
        if job.model.golden.is_none()
            || is_gpu
            || self.engine.batch != BatchArg::Auto
            || job.inputs.len() < tune::TILES_MIN
        {
            return Ok(job.batch);
        }
        let (model, views) = (&job.model, views(job.tta).len());
        let wanted = tune::Wanted { model, engine: job.engine.as_ref(), views, usual: job.batch };
        tune::choose(wanted, tune::Cache::of_user().as_ref())
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
            "prefilter": job.model.gate.is_some(),
            "tta": job.tta,
            "overlap_px": job.overlap_px,
            "bands": job.scene.bands,
            "resolution_m": job.scene.resolution_m,
            "clouds": job.clouds.as_ref().map(CloudArgs::key),
            "dn": format!("{:?}", job.scene.dn),
            "batch": self.engine.batch.rows(),
            "engine": [&info.engine, &info.version, &info.provider],
        })
        .to_string()
    }

    /// The files that this run writes; none of them may be another, or a file that is read.
    fn claims(&self, model: &Model) -> Result<Claims> {
        // Before a lock or a journal is made beside it.
        self.output.files().try_for_each(AtomicFile::check)?;
        let mut claims = Claims::default();
        if let Some(path) = &self.output.output {
            claims.table(path)?;
        }
        if let Some(path) = &self.output.sites {
            claims.output("the lock of --sites,", &lock_path(path))?;
        }
        let others = [
            ("--record", &self.output.record),
            ("--metrics-file", &self.output.metrics_file),
            ("--distributions", &self.output.distributions),
            ("--sites", &self.output.sites),
            ("--stac", &self.output.stac),
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
            ("--openvino-lib", &self.engine.openvino_lib),
        ];
        read.into_iter().try_for_each(|(flag, path)| path.iter().try_for_each(|path| claims.input(flag, path)))?;
        Ok(claims)
    }

    fn claim_tiles(&self, claims: &mut Claims, inputs: &[Input]) -> Result<()> {
        for (flag, folder, path_of) in self.output.maps().folders() {
            let mut files = inputs.iter().map(|input| path_of(folder, &tile_text(&input.path)));
            files.try_for_each(|file| claims.output(flag, &file))?;
        }
        // What cannot be read, such as a loop of links, is reported when it is its turn.
        inputs.iter().filter(|input| input.problem.is_none()).try_for_each(|input| claims.tile(&input.path))
    }

    /// Refuses two tiles that a table of class shares would call the same.
    fn check_samples(&self, inputs: &[Input]) -> Result<()> {
        if self.output.shares().is_none() {
            return Ok(());
        }
        let mut seen = HashMap::new();
        for input in inputs {
            let path = tile_text(&input.path);
            let id = sample_id(&path);
            if let Some(other) = seen.insert(id.clone(), path.clone()) {
                return Err(Error::usage(format!(
                    "{other} and {path} both have the sample_id {id}; give class shares of one folder a run"
                )));
            }
        }
        Ok(())
    }

    fn check_flags(&self, model: &Model) -> Result<()> {
        let tile_px = model.manifest.tile_px;
        if let Some(overlap) = self.model.overlap.filter(|overlap| *overlap >= tile_px) {
            return Err(Error::usage(format!(
                "--overlap {overlap}: give less than the {tile_px} px of the model's input"
            )));
        }
        if model.is_single_row() && views(self.model.tta.map_or(model.manifest.tta, Tta::from)).len() > 1 {
            return Err(Error::usage(format!(
                "--tta: the graph of {} takes one row at a time; export it with a free batch",
                model.manifest.name
            )));
        }
        if self.output.sites.is_some() && model.manifest.head != Head::Binary && self.decide.profile.is_none() {
            return Err(Error::usage(format!(
                "--sites merges positive windows, and {} decides by its most likely class: give the --profile of a class, as \
                 `s2infer calibrate --class` makes it",
                model.manifest.name
            )));
        }
        if self.output.shares().is_none() || model.manifest.head == Head::Segmentation {
            return Ok(());
        }
        let flag = if self.output.distributions.is_some() { "--distributions" } else { "--format distribution" };
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
            None if model.profile.is_none() && !model.manifest.members.is_empty() && self.decide.is_usual() => {
                return Ok((Thresholds::Members, None));
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
        profile.check_prefilter(model.asks_prefilter())?;
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
            model_sealed: job.model.unsealed.is_none(),
            model: NamedFile { name: job.model.manifest.name.clone(), sha256: job.model.sha256.clone() },
            profile: profile.cloned(),
            cloud_model: job.clouds.as_ref().map(clouds::named),
            prefilter: job.model.gate.as_ref().map(|prefilter| prefilter.gate.guarantee()),
            shift: match &job.thresholds {
                Thresholds::Members => job.thresholds.name().map(str::to_owned),
                _ => profile.map(|_| self.decide.threshold_profile.to_string()),
            },
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
            summary.stages.iter().map(|time| (time.stage.as_str().to_owned(), time.wall_seconds)).collect();
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
