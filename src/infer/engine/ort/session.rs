//! One ONNX Runtime session: one thread, one batch shape.

use ::ort::environment::Environment;
use ::ort::session::Session as Inner;
use ::ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ::ort::value::{TensorElementType, TensorRef, ValueType};
use ndarray::{ArrayD, ArrayView4};

use super::super::{Device, Probe, Session, quiet, tensor};
use super::{failure, provider};
use crate::{Error, Kind, Result};

/// Options for a session on `device`, its providers registered.
///
/// Graph optimisation is at its highest level (basic is 0.17 to 0.7 times as fast). Threads that wait do not spin: the
/// workers are the parallelism. Shapes are fixed, so memory is planned once.
pub fn builder(environment: &Environment, device: Device, engine: Option<&provider::Engine>) -> Result<SessionBuilder> {
    let providers = provider::registered(device, engine)?;
    let build = || -> ::ort::Result<SessionBuilder> {
        let builder = Inner::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_parallel_execution(false)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_memory_pattern(true)?
            .with_deterministic_compute(true)?;
        Ok(builder.with_execution_providers(&providers)?)
    };
    quiet::catch(build).map_err(Error::engine)?.map_err(|error| failure::classify("ONNX Runtime", Kind::Engine, &error))
}

/// A session for batches of exactly one shape.
pub struct OrtSession {
    inner: Inner,
    shape: [usize; 4],
}

impl OrtSession {
    /// Loads `graph`, which must have one input and one output.
    pub fn new(builder: SessionBuilder, graph: &[u8], shape: [usize; 4]) -> Result<Self> {
        let inner = commit(builder, graph)?;
        let (inputs, outputs) = (inner.inputs().len(), inner.outputs().len());
        if (inputs, outputs) != (1, 1) {
            return Err(Error::refused(format!(
                "the model has {inputs} inputs and {outputs} outputs, not one of each"
            )));
        }
        for input in inner.inputs() {
            check_input(input.dtype(), shape)?;
        }
        Ok(Self { inner, shape })
    }

    /// The session itself.
    pub fn into_inner(self) -> Inner {
        self.inner
    }
}

/// Loads `graph`.
pub fn commit(mut builder: SessionBuilder, graph: &[u8]) -> Result<Inner> {
    quiet::catch(|| builder.commit_from_memory(graph))
        .map_err(Error::refused)?
        .map_err(|error| failure::classify("ONNX Runtime does not take the model", load_kind(&error), &error))
}

/// A session with several outputs, for any number of rows.
pub struct OrtProbe(Inner);

impl OrtProbe {
    /// Loads `graph`, which must have one input.
    pub fn new(builder: SessionBuilder, graph: &[u8]) -> Result<Self> {
        commit(builder, graph).map(Self)
    }
}

impl Probe for OrtProbe {
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<Vec<ArrayD<f32>>> {
        let (rows, bands, height, width) = input.dim();
        let shape = [rows, bands, height, width];
        let values = tensor::contiguous(&input, shape)?;
        let fail = |error: ::ort::Error| failure::classify("ONNX Runtime failed on a batch", Kind::Engine, &error);
        let view = TensorRef::from_array_view((shape, values)).map_err(fail)?;
        let outputs = self.0.run(::ort::inputs![view]).map_err(fail)?;
        let owned =
            |output: ::ort::value::ValueRef<'_>| output.try_extract_array::<f32>().map(|array| array.into_owned());
        outputs.values().map(|output| owned(output).map_err(fail)).collect()
    }
}

/// The input as the graph declares it must be float32 and admit `expected`; free axes are −1.
fn check_input(declared: &ValueType, expected: [usize; 4]) -> Result<()> {
    let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = declared else {
        return Err(Error::refused(format!("the model's input is {declared}; only float32 inputs are fed")));
    };
    let admits = |(&side, expected): (&i64, usize)| side < 0 || side as u64 == expected as u64;
    if shape.len() != expected.len() || !shape.iter().zip(expected).all(admits) {
        return Err(Error::refused(format!("the model's input is {declared}, which does not admit {expected:?}")));
    }
    Ok(())
}

/// A graph that does not load is the model's fault, unless a provider says that it is its own.
fn load_kind(error: &::ort::Error) -> Kind {
    match error.code() {
        ::ort::ErrorCode::ExecutionProviderFailure | ::ort::ErrorCode::EngineError | ::ort::ErrorCode::DeviceReset => {
            Kind::Engine
        }
        _ => Kind::Refused,
    }
}

impl Session for OrtSession {
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>> {
        let values = tensor::contiguous(&input, self.shape)?;
        let fail = |error: ::ort::Error| failure::classify("ONNX Runtime failed on a batch", Kind::Engine, &error);
        let view = TensorRef::from_array_view((self.shape, values)).map_err(fail)?;
        let outputs = self.inner.run(::ort::inputs![view]).map_err(fail)?;
        let output = outputs.values().next().ok_or_else(|| Error::engine("ONNX Runtime returned no output"))?;
        let (shape, values) = output
            .try_extract_tensor::<f32>()
            .map_err(|error| Error::refused(format!("only float32 outputs are read: {}", failure::chain(&error))))?;
        let shape: Option<Vec<usize>> = shape.iter().map(|&side| usize::try_from(side).ok()).collect();
        let shape = shape.ok_or_else(|| Error::engine("ONNX Runtime returned a negative dimension"))?;
        tensor::output(&shape, values.to_vec(), self.shape[0])
    }
}
