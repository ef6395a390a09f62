//! What every engine checks about the tensors that go in and come out.

use ndarray::{ArrayD, ArrayView4, IxDyn};

use crate::model::manifest::Precision;
use crate::{Error, Result};

/// The error of an engine that cannot compute in `precision`.
pub fn wrong_precision(engine: &str, precision: Precision) -> Error {
    let remedy = match precision {
        Precision::Bf16 => "use --engine openvino",
        _ => "use --engine ort or openvino, or the fp32 model",
    };
    Error::engine(format!("{engine} cannot compute this model's {precision}: {remedy}"))
}

/// The contiguous values of `input`, which must be `[batch, bands, height, width]` as the session was made for.
pub fn contiguous<'a>(input: &'a ArrayView4<'_, f32>, expected: [usize; 4]) -> Result<&'a [f32]> {
    if input.shape() != expected {
        return Err(Error::engine(format!("the session takes batches of shape {expected:?}, not {:?}", input.shape())));
    }
    input.as_slice().ok_or_else(|| Error::engine("a batch must lie contiguously in memory"))
}

/// The output tensor as an array, if its first axis is the batch.
pub fn output(shape: &[usize], values: Vec<f32>, batch: usize) -> Result<ArrayD<f32>> {
    if shape.first() != Some(&batch) {
        return Err(Error::refused(format!(
            "the model's output has shape {shape:?} for a batch of {batch}: its first axis must be the batch"
        )));
    }
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| Error::engine(format!("the output tensor contradicts its shape {shape:?}: {error}")))
}

/// `[batch, bands, height, width]`; an error where a side is 0 or the product is beyond the limit.
pub fn batch_shape(batch: usize, [bands, height, width]: [usize; 3]) -> Result<[usize; 4]> {
    let shape = [batch, bands, height, width];
    let elements = shape.iter().try_fold(1u64, |product, &side| product.checked_mul(side as u64));
    match elements {
        Some(1..=crate::limits::TENSOR_ELEMENTS_MAX) => Ok(shape),
        _ => Err(Error::limit(format!(
            "a batch of shape {shape:?} is empty or holds more than {} values",
            crate::limits::TENSOR_ELEMENTS_MAX
        ))),
    }
}
