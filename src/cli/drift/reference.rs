//! `s2infer drift reference`: tiles that are as they should be in, a reference out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use s2infer::decide::{Profile, ShiftChoice};
use s2infer::drift::{Observation, Reference, ReferenceRequest, TILES_MIN, sparse_groups, write_table};
use s2infer::infer::engine::{self, Engine};
use s2infer::limits::{CONFIG_BYTES_MAX, MODEL_BYTES_MAX, read_bounded};
use s2infer::model::manifest::{Head, Tta};
use s2infer::model::{Asset, Manifest, Model, REFERENCE, seal, sha256};
use s2infer::output::{self, AtomicFile, Format, TableOptions, Target, signal};
use s2infer::pipeline::{self, Input, Job, Outputs, Thresholds};
use s2infer::{Error, Result};

use super::super::calibration::binding;
use super::super::claims::Claims;
use super::super::flags::{EngineArgs, ModelArgs, SceneArgs};
use super::super::{Common, inputs, logging};
use super::{bands, read_reference};

const HELP: &str = "\
Give about 300 tiles a group (season and sky, or the profile's groups) or more, from all regions that nights come from: tiles
are taken for independent draws, and a night of a region that the reference hardly knows may alarm. A group of fewer than 20
tiles is left out.";

/// Making a reference.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct MakeReference {
    /// Tiles: files, folders (searched recursively) or quoted globs.
    inputs: Vec<PathBuf>,
    /// Read more tiles from a list, one a line or NUL-separated; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Where the reference goes [default: reference.json in the model's folder, which is sealed again].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A table of what was seen of each tile.
    #[arg(long, value_name = "CSV")]
    table: Option<PathBuf>,
    #[command(flatten)]
    scene: SceneArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    common: Common,
}

impl MakeReference {
    /// Runs and gives the exit code: 1 where some tiles could not be read.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        if self.inputs.is_empty() && self.files_from.is_none() {
            return Err(Error::usage("no tiles: give files, folders or quoted globs, or --files-from FILE"));
        }
        let folder = Model::folder(&self.model.model);
        let model = self.resolve(folder.as_deref())?;
        if self.out.is_none() && folder.is_none() {
            return Err(Error::usage(
                "the model is part of the program: give --out FILE, and --drift-reference when running",
            ));
        }
        let tta = self.model.tta.map_or(model.manifest.tta, Tta::from);
        if tta != model.manifest.tta {
            tracing::warn!(
                "--tta is not what the model uses by itself: only runs with the same --tta can be compared with this \
                 reference"
            );
        }
        let inputs = inputs::expand(&self.inputs, self.files_from.as_deref())?;
        let table = self.files(&model, folder.as_deref(), &inputs)?;
        signal::install()?;
        let (names, tiles, failed) = self.observe(&model, tta, inputs)?;
        let reference = Reference::of(
            &tiles,
            ReferenceRequest {
                model_name: model.manifest.name.clone(),
                binding: binding(&model, tta),
                bands: bands(&model),
                command: format!("s2infer {}", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
                created: jiff::Timestamp::now(),
            },
        )?;
        for (group, tiles) in sparse_groups(&tiles) {
            tracing::warn!(
                "{group}: {tiles} tiles, fewer than {TILES_MIN}; the group is left out, and its tiles will be shown and not \
                 judged: give more of them"
            );
        }
        if let Some(file) = table {
            write(file, &write_table(&names, &tiles, &reference.bands))?;
        }
        match (&self.out, folder) {
            (Some(path), _) => write(AtomicFile::create(path)?, &reference.to_json())?,
            (None, Some(folder)) => {
                write(AtomicFile::create(&folder.join(REFERENCE))?, &reference.to_json())?;
                seal(&folder, &model.manifest)?;
            }
            (None, None) => {}
        }
        for group in &reference.groups {
            println!("{:16} {:7} tiles", group.group, group.n_tiles);
        }
        Ok(u8::from(failed > 0))
    }

    /// The model. A folder whose reference is another than it was sealed with is one that this command was killed in.
    fn resolve(&self, folder: Option<&Path>) -> Result<Model> {
        match (self.model.resolve(), folder) {
            (Err(error), Some(folder)) if self.out.is_none() => finish_sealing(folder).unwrap_or(Err(error)),
            (model, _) => model,
        }
    }

    /// The files to be written may be none that are read; gives the table under construction.
    fn files(&self, model: &Model, folder: Option<&Path>, inputs: &[Input]) -> Result<Option<AtomicFile>> {
        let mut claims = Claims::default();
        for (flag, path) in [("--out", &self.out), ("--table", &self.table)] {
            path.iter().try_for_each(|path| claims.output(flag, path))?;
        }
        if let (None, Some(folder)) = (&self.out, folder) {
            claims.output("the model's", &folder.join(REFERENCE))?;
        }
        claims.model(&self.model.model, model, |asset| asset.href != REFERENCE)?;
        let read = [
            ("--files-from", &self.files_from),
            ("--metadata", &self.scene.metadata),
            ("--ort-lib", &self.engine.ort_lib),
            ("--openvino-lib", &self.engine.openvino_lib),
        ];
        read.into_iter().try_for_each(|(flag, path)| path.iter().try_for_each(|path| claims.input(flag, path)))?;
        inputs.iter().try_for_each(|input| claims.input("the tile", &input.path))?;
        self.table.as_deref().map(AtomicFile::create).transpose()
    }

    /// Runs the tiles as a run would: their names, what was seen of them, and how many failed.
    fn observe(&self, model: &Model, tta: Tta, inputs: Vec<Input>) -> Result<(Vec<String>, Vec<Observation>, u64)> {
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request(model.manifest.precision))?.into();
        let threads = self.engine.threads();
        let bar = logging::progress(&self.common, inputs.len());
        let job = Job {
            overlap_px: self.model.overlap.unwrap_or(model.manifest.overlap_px),
            batch: self.engine.batch_rows(model.manifest.tile_px, inputs.len(), false),
            sessions: threads,
            readers: threads,
            inputs,
            engine,
            thresholds: thresholds(model, tta),
            scene: self.scene.options()?,
            clouds: None,
            tta,
            model: model.clone(),
        };
        let (mut names, mut tiles) = (Vec::new(), Vec::new());
        let mut observe = |name: &str, tile: Observation| {
            names.push(name.to_owned());
            tiles.push(tile);
        };
        let nowhere = Target::Stdout(Box::new(std::io::sink()));
        let outputs = Outputs {
            sink: output::open(Format::Csv, nowhere, &TableOptions::default())?,
            journal: None,
            keep_journal: false,
            maps: Default::default(),
            distributions: None,
            progress: &mut |done| bar.set(done),
            observe: Some(&mut observe),
        };
        let summary = pipeline::run(job, outputs);
        bar.finish_and_clear();
        Ok((names, tiles, summary?.counts.tiles_failed))
    }
}

/// Seals a folder in which nothing but the reference has changed, and that to a valid one; none for any other.
fn finish_sealing(folder: &Path) -> Option<Result<Model>> {
    let manifest = Manifest::parse(&read_bounded(&folder.join("model.json"), CONFIG_BYTES_MAX).ok()?).ok()?;
    let path = folder.join(REFERENCE);
    read_reference(&path).ok()?;
    let is_whole = |asset: &Asset| {
        let bytes = read_bounded(&folder.join(&asset.href), MODEL_BYTES_MAX);
        bytes.is_ok_and(|bytes| sha256(&bytes) == asset.sha256)
    };
    if !manifest.assets.iter().filter(|asset| asset.href != REFERENCE).all(is_whole) {
        return None;
    }
    tracing::warn!("{}: newer than the folder's seal; sealed now", path.display());
    Some(seal(folder, &manifest))
}

/// Those of the model's own profile, so that groups and abstentions are a run's; without one that fits, none that matter.
fn thresholds(model: &Model, tta: Tta) -> Thresholds {
    if model.manifest.head != Head::Binary {
        return Thresholds::ArgMax;
    }
    let profile = model.profile.as_deref().and_then(|bytes| Profile::parse(bytes, "profile.json").ok());
    match profile.filter(|profile| profile.check(&binding(model, tta)).is_ok()) {
        Some(profile) => Thresholds::Profile(Box::new(profile), ShiftChoice::Auto),
        None => Thresholds::Fixed(0.5),
    }
}

fn write(mut file: AtomicFile, text: &str) -> Result<()> {
    let path: &Path = file.path();
    let name = path.display().to_string();
    file.write_all(text.as_bytes()).map_err(|error| Error::output(error).context(name))?;
    file.commit()
}
