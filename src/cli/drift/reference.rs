//! `s2infer drift reference`: tiles that are as they should be in, a reference out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use s2infer::decide::{Profile, ShiftChoice};
use s2infer::drift::{Observation, Reference, ReferenceRequest, write_table};
use s2infer::infer::engine::{self, Engine};
use s2infer::model::manifest::{Head, Tta};
use s2infer::model::{Model, REFERENCE, seal};
use s2infer::output::{self, AtomicFile, Format, Target, signal};
use s2infer::pipeline::{self, Job, Outputs, Thresholds};
use s2infer::{Error, Result};

use super::super::calibration::binding;
use super::super::claims::Claims;
use super::super::flags::{EngineArgs, ModelArgs, SceneArgs};
use super::super::{Common, inputs, logging};
use super::bands;

/// Making a reference.
#[derive(Debug, Args)]
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
        let model = Model::resolve(&self.model.model)?;
        let folder = Model::folder(&self.model.model);
        if self.out.is_none() && folder.is_none() {
            return Err(Error::usage(
                "the model is part of the program: give --out FILE, and --drift-reference when running",
            ));
        }
        let table = self.files(&model)?;
        signal::install()?;
        let (names, tiles, failed) = self.observe(&model)?;
        let tta = self.model.tta.map_or(model.manifest.tta, Tta::from);
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

    /// The files to be written may be none that are read; gives the table under construction.
    fn files(&self, model: &Model) -> Result<Option<AtomicFile>> {
        let mut claims = Claims::default();
        for (flag, path) in [("--out", &self.out), ("--table", &self.table)] {
            path.iter().try_for_each(|path| claims.output(flag, path))?;
        }
        claims.model(&self.model.model, model, |asset| asset.href != REFERENCE)?;
        let read = [("--files-from", &self.files_from), ("--metadata", &self.scene.metadata)];
        read.into_iter().try_for_each(|(flag, path)| path.iter().try_for_each(|path| claims.input(flag, path)))?;
        self.table.as_deref().map(AtomicFile::create).transpose()
    }

    /// Runs the tiles as a run would: their names, what was seen of them, and how many failed.
    fn observe(&self, model: &Model) -> Result<(Vec<String>, Vec<Observation>, u64)> {
        let inputs = inputs::expand(&self.inputs, self.files_from.as_deref())?;
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request())?.into();
        let threads = self.engine.threads();
        let bar = logging::progress(&self.common, inputs.len());
        let tta = self.model.tta.map_or(model.manifest.tta, Tta::from);
        let job = Job {
            overlap_px: self.model.overlap.unwrap_or(model.manifest.overlap_px),
            batch: self.engine.batch_rows(model.manifest.tile_px, inputs.len(), false),
            sessions: threads,
            readers: threads,
            inputs,
            engine,
            thresholds: thresholds(model, tta),
            scene: self.scene.options()?,
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
            sink: output::open(Format::Csv, nowhere, &model.manifest.classes)?,
            journal: None,
            keep_journal: false,
            masks: None,
            distributions: None,
            progress: &mut |done| bar.set_position(done),
            observe: Some(&mut observe),
        };
        let summary = pipeline::run(job, outputs);
        bar.finish_and_clear();
        Ok((names, tiles, summary?.counts.tiles_failed))
    }
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
