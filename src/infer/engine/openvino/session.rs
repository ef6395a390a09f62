//! One request of a compiled network: one worker's.

use ::openvino::{ElementType, InferRequest, InferenceError};
use ndarray::{ArrayD, ArrayView4};

use super::network::Compiled;
use super::{Session, failure, quiet, tensor};
use crate::{Error, Kind, Result};

/// A session for batches of exactly one shape.
pub struct OpenVinoSession {
    request: InferRequest,
    shape: [usize; 4],
}

impl OpenVinoSession {
    /// A request of `compiled`, whose input and output must be float32.
    pub fn new(compiled: &mut Compiled, shape: [usize; 4]) -> Result<Self> {
        let request = quiet::catch(|| request(compiled)).unwrap_or_else(|panic| Err(Error::refused(panic)))?;
        Ok(Self { request, shape })
    }
}

fn request(compiled: &mut Compiled) -> Result<InferRequest> {
    let refuse = |error: InferenceError| failure::classify("OpenVINO cannot run the model", Kind::Refused, &error);
    let (input, output) =
        compiled.0.get_input().and_then(|input| Ok((input, compiled.0.get_output()?))).map_err(refuse)?;
    for (end, port) in [("input", &input), ("output", &output)] {
        let kind = port.get_element_type().map_err(refuse)?;
        if kind != ElementType::F32 {
            return Err(Error::refused(format!("the model's {end} is {kind:?}, not float32")));
        }
    }
    // The bindings cannot read the shape of a tensor without axes.
    if output.get_partial_shape().map_err(refuse)?.get_dimensions().is_empty() {
        return Err(Error::refused("the model's output has no axes: its first must be the batch"));
    }
    compiled.0.create_infer_request().map_err(refuse)
}

impl Session for OpenVinoSession {
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>> {
        let values = tensor::contiguous(&input, self.shape)?;
        let outcome = quiet::catch(|| infer(&mut self.request, values));
        let (shape, values) = outcome
            .map_err(|panic| Error::engine(format!("OpenVINO failed on a batch: {panic}")))?
            .map_err(|error| failure::classify("OpenVINO failed on a batch", Kind::Engine, &error))?;
        let shape: Option<Vec<usize>> = shape.iter().map(|&side| usize::try_from(side).ok()).collect();
        let shape = shape.ok_or_else(|| Error::engine("OpenVINO returned a negative dimension"))?;
        tensor::output(&shape, values, self.shape[0])
    }
}

/// One run: shape and values of the output. The input is copied into the request's own tensor, once; wrapping the
/// caller's memory would take unsafe code for half a percent.
fn infer(request: &mut InferRequest, values: &[f32]) -> Result<(Vec<i64>, Vec<f32>), InferenceError> {
    request.get_input_tensor()?.get_data_mut::<f32>()?.copy_from_slice(values);
    request.infer()?;
    let output = request.get_output_tensor()?;
    Ok((output.get_shape()?.get_dimensions().to_vec(), output.get_data::<f32>()?.to_vec()))
}
