//! `s2infer seal FILE`: a model folder of another's ONNX file or STAC-MLM item.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array4, ArrayD, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use s2infer::infer::engine::{self, Engine, Network};
use s2infer::model::manifest::WeightsStorage;
use s2infer::model::{Golden, Model, seal, write_golden};
use s2infer::{Error, Kind, Result};

use super::flags::{EngineArgs, batch_rows};
use super::foreign::{ForeignArgs, understood};
use super::new_folder::{NewFolder, check_free};
use super::{Common, logging};

const EXAMPLES: &str = "\
Examples:
  s2infer seal roads.onnx --model-bands B04,B03,B02 --model-scale 0-1:0.3 --model-level L2A --out models/roads
  s2infer seal item.json --model-scale dn --model-level L1C --out models/eurosat

The folder is one like all others: every command takes it, and it can be calibrated. Its golden batch is what the engine makes
of noise here and now: it shows that engines agree from now on, not that the file computes what its maker's did.";

/// Reflectance of the brightest noise.
const REFLECTANCE_MAX: f32 = 0.4;
/// Windows of the golden batch.
const WINDOWS: usize = 2;
/// Rows that a graph may give other bits for in a batch than alone.
const ROW_TOLERANCE: f32 = 1e-4;

/// Making a folder.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Seal {
    /// The ONNX file, or the STAC-MLM item.
    model: PathBuf,
    /// The new model folder.
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    common: Common,
}

impl Seal {
    /// Runs and gives the exit code.
    pub fn run(self) -> Result<u8> {
        logging::init(&self.common);
        let name = self.model.to_str().unwrap_or_default();
        if !Model::is_foreign(name) {
            return Err(Error::usage(format!("{}: no ONNX file and no STAC-MLM item", self.model.display())));
        }
        check_free(&self.out)?;
        let model = Model::resolve_with(name, &self.foreign.stated())?;
        let understood = understood(&model);
        understood.iter().for_each(|line| tracing::warn!("{name}: {line}"));
        let folder = NewFolder::beside(&self.out)?;
        let engine = engine::open(&self.engine.request(model.manifest.precision))?;
        let golden = golden(&*engine, &model).map_err(|error| error.context(name))?;
        let path = folder.path();
        let mut manifest = model.manifest.clone();
        // The graph is the one that was adapted and scanned, in which halves are widened.
        manifest.weights_storage = WeightsStorage::Fp32;
        if manifest.about.created.is_empty() {
            manifest.about.created = jiff::Timestamp::now().to_string();
        }
        if manifest.about.description.is_empty() {
            manifest.about.description = format!("Made from {}.", file_name(&self.model));
        }
        let card = format!(
            "# {}\n\nMade by `s2infer seal` from {} (SHA-256 {}).\n\n{}\n\nThe golden batch is what {} {} made of noise: it shows \
             that engines agree, not that the file computes what its maker's did.\n",
            manifest.name,
            file_name(&self.model),
            model.sha256,
            understood.iter().map(|line| format!("- {line}\n")).collect::<String>(),
            engine.info().engine,
            engine.info().version,
        );
        put(&path.join("model.onnx"), &model.graph)?;
        put(&path.join("card.md"), card.as_bytes())?;
        write_golden(&path.join("golden.safetensors"), &golden)?;
        seal(path, &manifest)?;
        folder.finish(&self.out)?;
        Ok(0)
    }
}

/// Noise as the network is fed it, of reflectance or within two standard deviations of a channel of another unit, and what
/// the engine makes of it: the same in a batch as row by row.
fn golden(engine: &dyn Engine, model: &Model) -> Result<Golden> {
    let manifest = &model.manifest;
    let (bands, side) = (manifest.bands.len(), manifest.tile_px as usize);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut input = Array4::zeros((WINDOWS, bands, side, side));
    for (band, mut plane) in manifest.bands.iter().cycle().zip(input.exact_chunks_mut((1, 1, side, side))) {
        plane.map_inplace(|value| {
            let noise = random.random::<f32>();
            *value = match manifest.is_reflectance(band) {
                true => (REFLECTANCE_MAX * noise - band.mean) / band.standard_deviation,
                false => 4.0 * noise - 2.0,
            };
        });
    }
    let run = |input: Array4<f32>| -> Result<ArrayD<f32>> {
        let network = Network { graph: &model.graph, input: [bands, side, side], precision: manifest.precision };
        engine.session(network, input.len_of(Axis(0)))?.run(input.view())
    };
    let rows =
        input.axis_iter(Axis(0)).map(|row| run(row.insert_axis(Axis(0)).to_owned())).collect::<Result<Vec<_>>>()?;
    let rows: Vec<_> = rows.iter().map(|row| row.view()).collect();
    let alone = ndarray::concatenate(Axis(0), &rows).map_err(Error::refused)?;
    let single_row = |what: String| {
        Error::refused(format!("its graph takes one row at a time ({what}); export it with a free batch"))
    };
    let output = run(input.clone()).map_err(|error| single_row(error.to_string()).with_kind(Kind::Refused))?;
    let is_same = |(a, b): (&f32, &f32)| (a - b).abs() <= ROW_TOLERANCE * b.abs().max(1.0);
    if output.shape() != alone.shape() || !output.iter().zip(&alone).all(is_same) {
        return Err(single_row("two rows together come out otherwise than alone".into()));
    }
    let usual = batch_rows(manifest.tile_px, usize::MAX, false).max(WINDOWS);
    let places: Vec<usize> = (0..usual).map(|row| row % WINDOWS).collect();
    let [batch, expected] = [run(input.select(Axis(0), &places))?, output.select(Axis(0), &places)];
    if !batch.iter().zip(&expected).all(is_same) {
        return Err(Error::refused(format!(
            "in a batch of {usual} rows {} computes other outputs than row by row; take another --engine",
            engine.info().engine
        )));
    }
    Ok(Golden { input, output })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::output(error).context(path.display()))
}
