//! The new model folder: a draft beside its final name until the gate is passed.

use std::fs;
use std::path::Path;

use ndarray::{Array4, ArrayD};
use s2infer::infer::engine::{Engine, Network};
use s2infer::model::manifest::{Manifest, WeightsStorage};
use s2infer::model::{Golden, Model, Role, seal, write_golden};
use s2infer::{Error, Result};

use super::super::new_folder::NewFolder;
use super::{Made, Quantize};

/// Least and greatest tolerance of a golden batch in a coarse precision.
const TOLERANCE: [f32; 2] = [0.01, 0.1];

/// A folder that is not there yet.
pub struct Draft {
    folder: NewFolder,
    /// The model in it, without a profile.
    pub model: Model,
}

impl Draft {
    /// Writes graph, golden batch and manifest; the golden batch is the original's, with what `engine` makes of it now.
    pub fn write(
        folder: NewFolder,
        command: &Quantize,
        engine: &dyn Engine,
        original: &Model,
        made: &Made,
    ) -> Result<Self> {
        let path = folder.path();
        let mut manifest = manifest(command, original);
        put(&path.join("model.onnx"), made.graph())?;
        put(&path.join("card.md"), b"# A draft\n")?;
        copy_examples(command, original, path)?;
        let golden = path.join("golden.safetensors");
        let before = original.golden()?;
        let input = before.input.clone();
        // The graph that engines get is the one that loading the folder gives.
        write_golden(&golden, &Golden { input: input.clone(), output: before.output.clone() })?;
        let loaded = seal(path, &manifest)?;
        let output = run(engine, &loaded, &input)?;
        manifest.golden_tolerance = tolerance(&before.output, &output);
        write_golden(&golden, &Golden { input, output })?;
        let model = seal(path, &manifest)?;
        Ok(Self { folder, model })
    }

    /// Adds profile and card, and gives the folder its name.
    pub fn finish(self, profile: Option<Vec<u8>>, card: &str, out: &Path) -> Result<()> {
        let path = self.folder.path();
        put(&path.join("card.md"), card.as_bytes())?;
        if let Some(profile) = profile {
            put(&path.join("profile.json"), &profile)?;
        }
        seal(path, &self.model.manifest)?;
        self.folder.finish(out)
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::output(error).context(path.display()))
}

/// The manifest, but for the golden batch's tolerance and the files.
pub fn manifest(command: &Quantize, original: &Model) -> Manifest {
    let precision = command.precision();
    let mut manifest = original.manifest.clone();
    manifest.name = command.name.clone().unwrap_or_else(|| format!("{}-{precision}", manifest.name));
    manifest.precision = precision;
    manifest.weights_storage = WeightsStorage::Fp32;
    manifest.item = serde_json::Value::Null;
    manifest.assets.clear();
    manifest.about.created = jiff::Timestamp::now().to_string();
    manifest
}

/// Example tiles go with the model.
fn copy_examples(command: &Quantize, original: &Model, to: &Path) -> Result<()> {
    let Some(folder) = Model::folder(&command.model) else { return Ok(()) };
    let examples = original.manifest.assets.iter().filter(|asset| asset.role == Role::Example);
    for asset in examples {
        let target = to.join(&asset.href);
        let failed = |error: std::io::Error| Error::output(error).context(target.display());
        target.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        fs::copy(folder.join(&asset.href), &target).map_err(failed)?;
    }
    Ok(())
}

fn run(engine: &dyn Engine, model: &Model, input: &Array4<f32>) -> Result<ArrayD<f32>> {
    let (windows, bands, height, width) = input.dim();
    let precision = model.manifest.precision;
    engine
        .session(Network { graph: &model.graph, input: [bands, height, width], precision }, windows)?
        .run(input.view())
}

/// Engines round differently where a value lies between two levels, by less than the levels themselves cost: the largest
/// relative difference from fp32 on the golden batch, within bounds.
fn tolerance(fp32: &ArrayD<f32>, now: &ArrayD<f32>) -> f32 {
    let relative = |(a, b): (&f32, &f32)| (a - b).abs() / a.abs().max(1.0);
    let largest = fp32.iter().zip(now).map(relative).fold(0f32, f32::max);
    // Three digits, so that the manifest's decimal is the number.
    (largest.clamp(TOLERANCE[0], TOLERANCE[1]) * 1000.0).ceil() / 1000.0
}
