//! `s2infer watch FOLDER`: every new or changed scene, once; a night's work.

mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use s2infer::output::{CrsChoice, Format, Lock, MapCompression, RunRecord, signal, tile_text};
use s2infer::pipeline::Input;
use s2infer::{Error, Kind, Result};

use super::drift::DriftArgs;
use super::flags::{CloudArgs, DecideArgs, EngineArgs, Form, ModelArgs, OutputArgs, SceneArgs};
use super::predict::Predict;
use super::{Common, inputs, logging, shell};
use state::{SceneState, Signature, States, Status, content, path_hash};

const EXAMPLES: &str = "\
Examples:
  s2infer watch incoming --state state --output results --once
  s2infer watch incoming --state state --output results --interval 600 --write sites,map,quicklook,stac
  s2infer watch incoming --state state --output results --once --redo --model models/new

A scene is a SAFE product (folder or .zip), a folder with one file a band, or a raster. Its results lie below --output in a
folder of its own path. Standard output gets one JSON object a scene that was tried.

Exit codes of --once: 0 nothing failed, 1 a scene failed, 75 another watch holds the state; others as of s2infer itself.";

/// Hexadecimal digits of a path's hash in an item's name.
const ITEM_HASH_DIGITS: usize = 8;

/// Deciding what arrives.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The folder that scenes arrive in; searched recursively.
    folder: PathBuf,
    /// Where it is kept which scenes are done, failed or parked.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Where results go.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// What is written of every scene beside its decisions and the run record.
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = "sites")]
    write: Vec<WriteArg>,
    /// Form of decisions and sites: geojson, gpkg, parquet, csv or ndjson.
    #[arg(long, value_name = "FORMAT", default_value = "geojson")]
    format: Format,
    /// Coordinates of geometries: lonlat or source.
    #[arg(long, value_name = "CRS", default_value = "lonlat")]
    crs: CrsChoice,
    /// Look once and end, for cron and systemd timers.
    #[arg(long)]
    once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, conflicts_with = "once")]
    interval: u64,
    /// A scene whose youngest file is younger than this many seconds may still be arriving: it waits.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    settle: u64,
    /// Attempts after which a scene that fails is parked until it changes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    attempts: u32,
    /// Decide again what is done or parked, once.
    #[arg(long)]
    redo: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    decide: DecideArgs,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    clouds: CloudArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    common: Common,
}

/// `--write`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WriteArg {
    /// Neighbouring positive windows, merged.
    Sites,
    /// A Cloud-Optimized GeoTIFF of decisions or classes.
    Map,
    /// A Cloud-Optimized GeoTIFF of scores.
    ScoreMap,
    /// A picture.
    Quicklook,
    /// A STAC item, called as the scene is.
    Stac,
}

/// What became of the scenes in one look.
#[derive(Debug, Default)]
struct Round {
    failed: u64,
    parked: u64,
    by_other_models: u64,
}

impl Watch {
    /// Runs and gives the exit code.
    pub fn run(mut self) -> Result<u8> {
        logging::init(&self.common);
        self.check_folders()?;
        let states = States::open(&self.state)?;
        let _lock = Lock::acquire(&self.state.join("watch"), Duration::ZERO).map_err(|error| match error.kind() {
            Kind::Locked => Error::locked(format!("--state {}: another watch is at work on it", self.state.display())),
            _ => error,
        })?;
        let model = self.model.resolve()?.sha256;
        signal::install()?;
        loop {
            let round = self.round(&states, &model)?;
            if round.by_other_models > 0 {
                tracing::warn!(
                    "{} scenes were decided by another model than {}; --redo decides them again",
                    round.by_other_models,
                    self.model.model
                );
            }
            if round.parked > 0 {
                tracing::warn!("{} scenes are parked; their reasons lie in {}", round.parked, self.state.display());
            }
            if self.once {
                return Ok(u8::from(round.failed > 0));
            }
            self.redo = false;
            pause(Duration::from_secs(self.interval))?;
        }
    }

    /// Results and states among the scenes would be scenes themselves.
    fn check_folders(&self) -> Result<()> {
        let folder = self.folder.canonicalize();
        let folder = folder.map_err(|error| Error::usage(format!("{}: {error}", self.folder.display())))?;
        if !folder.is_dir() {
            return Err(Error::usage(format!(
                "{} is no folder: give the one that scenes arrive in",
                self.folder.display()
            )));
        }
        for (flag, path) in [("--state", &self.state), ("--output", &self.output)] {
            std::fs::create_dir_all(path)
                .map_err(|error| Error::output(format!("{flag} {}: {error}", path.display())))?;
            if path.canonicalize().is_ok_and(|path| path.starts_with(&folder)) {
                return Err(Error::usage(format!(
                    "{flag} {} lies in the watched folder, where its files would be taken for scenes; give another",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn round(&self, states: &States, model: &str) -> Result<Round> {
        let mut round = Round::default();
        let scenes = match inputs::expand(std::slice::from_ref(&self.folder), None) {
            Ok(scenes) => scenes,
            // An empty folder is a quiet night.
            Err(error) if error.kind() == Kind::Usage => Vec::new(),
            Err(error) => return Err(error),
        };
        for input in scenes {
            signal::check()?;
            let scene = input.path.strip_prefix(&self.folder).unwrap_or(&input.path).to_owned();
            let known = states.get(&scene)?;
            if let Some(state) = self.scene(states, &scene, &input, known)? {
                round.failed += u64::from(state.status != Status::Done);
                round.parked += u64::from(state.status == Status::Parked);
            } else if let Some(state) = states.get(&scene)? {
                round.parked += u64::from(state.status == Status::Parked);
                let is_other = state.model_sha256.as_deref().is_some_and(|other| other != model);
                round.by_other_models += u64::from(is_other && state.status == Status::Done);
            }
        }
        Ok(round)
    }

    /// Decides a scene if it is new, changed or due again; its new state if it was tried.
    fn scene(
        &self,
        states: &States,
        scene: &Path,
        input: &Input,
        known: Option<SceneState>,
    ) -> Result<Option<SceneState>> {
        let signature = match Signature::of(&input.path) {
            Ok(signature) => signature,
            // It went, or it cannot be read yet.
            Err(error) => {
                tracing::warn!("{error}");
                return Ok(None);
            }
        };
        let mut attempts = 0;
        if let Some(known) = known.filter(|_| !self.redo) {
            let is_same = known.signature == signature.text;
            if is_same && known.status != Status::Failed {
                return Ok(None);
            }
            if is_same {
                attempts = known.attempts;
            } else if self.is_settled(&signature) && content(&input.path).is_ok_and(|content| content == known.content)
            {
                // Copied or touched: another signature, the same scene.
                if known.status != Status::Failed {
                    states.put(scene, &SceneState { signature: signature.text, ..known })?;
                    return Ok(None);
                }
                attempts = known.attempts;
            }
        }
        if !self.is_settled(&signature) {
            tracing::info!("{}: written a moment ago, waits for the next look", scene.display());
            return Ok(None);
        }
        let started = Instant::now();
        let state = self.attempt(scene, input, signature, attempts)?;
        states.put(scene, &state)?;
        self.report(&state, started.elapsed())?;
        Ok(Some(state))
    }

    fn is_settled(&self, signature: &Signature) -> bool {
        // Far in the future a clock was wrong, and the scene has long arrived.
        Timestamp::now().as_second().abs_diff(signature.modified_s) >= self.settle
    }

    fn attempt(&self, scene: &Path, input: &Input, signature: Signature, attempts: u32) -> Result<SceneState> {
        // Before the run: what changes meanwhile is tried again.
        let content = content(&input.path).unwrap_or_default();
        let outcome = match &input.problem {
            Some(problem) => Err(problem.to_string()),
            None => self.decide(scene, &input.path)?,
        };
        let attempts = attempts + 1;
        let status = match &outcome {
            Ok(_) => Status::Done,
            Err(_) if attempts >= self.attempts => Status::Parked,
            Err(_) => Status::Failed,
        };
        Ok(SceneState {
            scene: tile_text(scene),
            signature: signature.text,
            content,
            status,
            attempts,
            model_sha256: outcome.as_ref().ok().map(|record| record.model.sha256.clone()),
            reason: outcome.err(),
            finished: Timestamp::now(),
        })
    }

    /// The record of the run, or why the scene failed.
    ///
    /// # Errors
    /// What no scene is to blame for: flags, engine, model, output, a signal.
    fn decide(&self, scene: &Path, path: &Path) -> Result<std::result::Result<RunRecord, String>> {
        let folder = self.output.join(scene);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::output(format!("--output {}: {error}", folder.display())))?;
        let run = Predict {
            inputs: vec![path.to_owned()],
            files_from: None,
            model: self.model.clone(),
            decide: self.decide.clone(),
            scene: self.scene.clone(),
            clouds: self.clouds.clone(),
            engine: self.engine.clone(),
            drift: DriftArgs::default(),
            output: self.outputs(&folder, &item_name(scene, path)),
            common: self.common.clone(),
        };
        let record = match run.decide() {
            Ok((_, record)) => record,
            // What the scene lacks or holds; everything else would meet the next one too.
            Err(error) if matches!(error.kind(), Kind::Malformed | Kind::Unsupported | Kind::Limit | Kind::Io) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let record = record.ok_or_else(|| Error::output("a run without a record"))?;
        Ok(match record.errors.listed.first() {
            Some(failed) => Err(failed.error.clone()),
            None => Ok(record),
        })
    }

    fn outputs(&self, folder: &Path, item: &str) -> OutputArgs {
        let wants = |what| self.write.contains(&what);
        let table = |name: &str| folder.join(format!("{name}.{}", self.format.extension()));
        OutputArgs {
            format: Some(Form::Rows(self.format)),
            output: Some(table("decisions")),
            crs: self.crs,
            sites: wants(WriteArg::Sites).then(|| table("sites")),
            stac: wants(WriteArg::Stac).then(|| folder.join(format!("{item}.json"))),
            masks: wants(WriteArg::Map).then(|| folder.join("map")),
            score_maps: wants(WriteArg::ScoreMap).then(|| folder.join("score-map")),
            quicklook: wants(WriteArg::Quicklook).then(|| folder.join("quicklook")),
            map_compression: MapCompression::default(),
            distributions: None,
            record: Some(folder.join("run.json")),
            metrics_file: None,
            resume: false,
            wait: 0,
            dry_run: false,
        }
    }

    /// One line of standard output.
    fn report(&self, state: &SceneState, took: Duration) -> Result<()> {
        let line = serde_json::json!({
            "scene": state.scene,
            "status": state.status,
            "attempts": state.attempts,
            "seconds": (took.as_secs_f64() * 1e3).round() / 1e3,
            "reason": state.reason,
        });
        if let Some(reason) = &state.reason {
            tracing::error!("{}: {reason}", state.scene);
        }
        shell::print(format!("{line}\n").as_bytes()).map(|_| ())
    }
}

/// What a scene's STAC item is called, and its id with it: the scene's name. Below a folder a hash of the path goes with it,
/// since catalogues hold each id once, and scenes of one name may lie in two folders.
fn item_name(scene: &Path, path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "scene".into(), |name| tile_text(Path::new(name)));
    let is_below = scene.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
    if is_below { format!("{name}-{}", &path_hash(scene)[..ITEM_HASH_DIGITS]) } else { name }
}

/// Waits, unless a signal ends the watch.
fn pause(length: Duration) -> Result<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        signal::check()?;
        std::thread::sleep(Duration::from_millis(200).min(until.saturating_duration_since(Instant::now())));
    }
    signal::check()
}
