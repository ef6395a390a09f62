//! From trained parameters to a sealed model folder.

use std::path::Path;

use ndarray::{Array4, ArrayD};
use tch::Tensor;

use super::card::{self, Story};
use super::export;
use super::parameters::{Parameters, values};
use crate::infer::engine::{EngineRequest, Network, open};
use crate::model::manifest::WeightsStorage;
use crate::model::{Golden, Manifest, Model, REFERENCE, seal, write_golden};
use crate::onnx::Weights;
use crate::{Error, Result};

/// Writes `model.onnx` or the members' files, `golden.safetensors`, `card.md` and `model.json` into `folder`, which appears
/// if need be; `networks` are the members of `manifest` in their order, or the one network. `golden` is a small batch of
/// network inputs, whose outputs come from the exported graph. Graphs, a profile and a drift reference from before would be
/// of another model and are removed.
pub fn write(
    folder: &Path,
    manifest: &Manifest,
    networks: &[&Parameters],
    golden: &Tensor,
    story: &Story,
) -> Result<Model> {
    std::fs::create_dir_all(folder).map_err(|e| Error::output(e).context(folder.display()))?;
    let weights = match manifest.weights_storage {
        WeightsStorage::Fp16 => Weights::Fp16,
        WeightsStorage::Fp32 => Weights::Fp32,
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|e| Error::output(e).context(path.display()))
    };
    remove_stale(folder)?;
    let mut files: Vec<String> = manifest.members.iter().map(|member| format!("{}.onnx", member.model)).collect();
    if files.is_empty() {
        files.push("model.onnx".into());
    }
    for (file, parameters) in files.iter().zip(networks) {
        write(file, &export::onnx(parameters, &manifest.name, manifest.tile_px as usize, weights))?;
    }
    write("card.md", card::render(manifest, story).as_bytes())?;
    let path = folder.join("golden.safetensors");
    let size: Vec<usize> = golden.size().iter().map(|&n| n as usize).collect();
    let input = ArrayD::from_shape_vec(size, values(golden)).map_err(Error::usage)?;
    let input: Array4<f32> = input.into_dimensionality().map_err(Error::usage)?;
    // The graph that engines get is the one that loading the folder gives; the first golden batch has no answers yet.
    let shapes = networks.iter().map(|of| of.architecture.output_shape(manifest.tile_px as usize));
    let of_row = shapes.reduce(|sum, shape| [&[sum[0] + shape[0]], &shape[1..]].concat()).unwrap_or_default();
    let unanswered = [&[input.dim().0], &of_row[..]].concat();
    let unanswered = ArrayD::zeros(unanswered);
    write_golden(&path, &Golden { input: input.clone(), output: unanswered })?;
    let output = run(&seal(folder, manifest)?.graph, &input)?;
    write_golden(&path, &Golden { input, output })?;
    seal(folder, manifest)
}

/// What the graph makes of a batch, on the processor.
fn run(graph: &[u8], input: &Array4<f32>) -> Result<ArrayD<f32>> {
    let (windows, bands, height, width) = input.dim();
    let request = EngineRequest::default();
    open(&request)?.session(Network::fp32(graph, [bands, height, width]), windows)?.run(input.view())
}

fn remove_stale(folder: &Path) -> Result<()> {
    let failed = |e: std::io::Error| Error::output(e).context(folder.display());
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_graph = path.extension().is_some_and(|extension| extension == "onnx");
        if is_graph || path.file_name().is_some_and(|name| name == "profile.json" || name == REFERENCE) {
            std::fs::remove_file(&path).map_err(|e| Error::output(e).context(path.display()))?;
        }
    }
    Ok(())
}
