//! The golden batch: a small input with the output that every engine must reproduce.

use std::path::Path;

use ndarray::{Array4, ArrayD, ArrayViewD, IxDyn};
use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

use super::{Golden, Manifest, manifest::Head};
use crate::limits::GOLDEN_WINDOWS_MAX;
use crate::{Error, Result};

const REMEDY: &str = "make the model folder again with the --engine that runs it, of a graph whose rows do not depend \
                      on each other, or install a version of the engine that agrees";

/// Reads a golden batch: a safetensors file with the f32 tensors `input` and `output`.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Golden> {
    let refuse = |what: String| Error::refused(format!("{file}: {what}"));
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|error| refuse(format!("not a safetensors file: {error}")))?;
    let read = |name: &str| -> Result<ArrayD<f32>> {
        let tensor = tensors.tensor(name).map_err(|_| refuse(format!("holds no tensor {name:?}")))?;
        if tensor.dtype() != Dtype::F32 {
            return Err(refuse(format!("{name} is {:?}, expected F32", tensor.dtype())));
        }
        let (quads, _) = tensor.data().as_chunks::<4>();
        let values: Vec<f32> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(refuse(format!("{name} holds NaN or infinity")));
        }
        ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).map_err(|e| refuse(format!("{name}: {e}")))
    };
    let input = read("input")?;
    let shape = input.shape().to_vec();
    let input: Array4<f32> = input
        .into_dimensionality()
        .map_err(|_| refuse(format!("input has the shape {shape:?}, expected [n, bands, height, width]")))?;
    Ok(Golden { input, output: read("output")? })
}

/// Refuses a batch that is not one of this manifest's inputs and outputs.
pub(super) fn check_shapes(golden: &Golden, manifest: &Manifest) -> Result<()> {
    let side = manifest.tile_px as usize;
    let windows = golden.input.shape().first().copied().unwrap_or(0);
    let input = [windows, manifest.bands.len(), side, side];
    let output = match manifest.head {
        Head::Binary | Head::Multiclass => vec![windows, manifest.logits()],
        Head::Segmentation => vec![windows, manifest.logits(), side, side],
    };
    let fits =
        (1..=GOLDEN_WINDOWS_MAX).contains(&windows) && golden.input.shape() == input && golden.output.shape() == output;
    if fits {
        return Ok(());
    }
    Err(Error::refused(format!(
        "golden batch: input {:?} and output {:?}, expected {input:?} and {output:?} with 1 to \
         {GOLDEN_WINDOWS_MAX} windows",
        golden.input.shape(),
        golden.output.shape()
    )))
}

/// Writes `golden` as a safetensors file to `path`, complete or not at all.
pub fn write_golden(path: &Path, golden: &Golden) -> Result<()> {
    let bytes =
        |values: &mut dyn Iterator<Item = &f32>| -> Vec<u8> { values.flat_map(|value| value.to_le_bytes()).collect() };
    let input = bytes(&mut golden.input.iter());
    let output = bytes(&mut golden.output.iter());
    let view = |shape: &[usize], data| TensorView::new(Dtype::F32, shape.to_vec(), data);
    let failed = |error| Error::output(format!("{}: {error}", path.display()));
    let tensors = [
        ("input", view(golden.input.shape(), &input[..]).map_err(failed)?),
        ("output", view(golden.output.shape(), &output[..]).map_err(failed)?),
    ];
    let file = serialize(tensors, None).map_err(failed)?;
    super::seal::write_whole(path, &file)
}

/// Compares what an engine made of `expected.input` with `expected.output`.
///
/// Passes when |actual − expected| ≤ `tolerance` × max(1, |expected|) everywhere; NaN never does.
/// A failure is [`crate::Kind::Refused`] and states the worst element.
pub fn check_golden(expected: &Golden, actual: ArrayViewD<'_, f32>, tolerance: f32) -> Result<()> {
    if actual.shape() != expected.output.shape() {
        return Err(Error::refused(format!(
            "golden batch: the engine returns the shape {:?}, expected {:?}; {REMEDY}",
            actual.shape(),
            expected.output.shape()
        )));
    }
    let mut worst: Option<(f32, f32, f32)> = None;
    for (&a, &e) in actual.iter().zip(&expected.output) {
        let difference = (a - e).abs() / e.abs().max(1.0);
        let difference = if difference.is_nan() { f32::INFINITY } else { difference };
        if worst.is_none_or(|(largest, ..)| difference > largest) {
            worst = Some((difference, a, e));
        }
    }
    match worst {
        Some((difference, a, e)) if difference > tolerance => Err(Error::refused(format!(
            "golden batch: the engine computes {a} where the model says {e}: \
             relative difference {difference:.2e}, tolerance {tolerance:.0e}; {REMEDY}"
        ))),
        _ => Ok(()),
    }
}
