//! A session whose input and output lie in memory that the device copies from and to by itself.
//!
//! On a GPU that is pinned memory: a copy from elsewhere is staged through a pinned buffer of the driver first, and waits.
//! One buffer each is made with the session and stays; what the readers prepare meanwhile is in memory of their own, so
//! that preparing the next batch, copying and computing overlap.

use ::ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ::ort::session::Session as Inner;
use ::ort::value::{Tensor, ValueType};
use ndarray::{ArrayD, ArrayView4};

use super::super::{Device, Session, failure, tensor};
use crate::{Error, Kind, Result};

/// The session, and its buffers.
pub struct BoundSession {
    inner: Inner,
    shape: [usize; 4],
    names: [String; 2],
    input: Tensor<f32>,
    output: Tensor<f32>,
    output_shape: Vec<usize>,
}

/// Memory of the host that `device` reads and writes directly.
fn host_memory(device: Device) -> Option<(AllocationDevice<'static>, i32)> {
    match device {
        Device::Cuda(gpu) | Device::TensorRt(gpu) => Some((AllocationDevice::CUDA_PINNED, i32::try_from(gpu).ok()?)),
        Device::Auto | Device::Cpu | Device::OpenVino => None,
    }
}

impl BoundSession {
    /// Whether sessions on `device` are to be bound.
    pub fn is_for(device: Device) -> bool {
        host_memory(device).is_some()
    }

    /// With buffers for batches of `shape`. The output's other sides must be known: the graph declares them.
    pub fn new(inner: Inner, device: Device, shape: [usize; 4]) -> Result<Self> {
        let (place, id) = host_memory(device).unwrap_or((AllocationDevice::CPU, 0));
        Self::on(inner, place, id, shape)
    }

    fn on(inner: Inner, place: AllocationDevice<'static>, id: i32, shape: [usize; 4]) -> Result<Self> {
        let (Some(input), Some(output)) = (inner.inputs().first(), inner.outputs().first()) else {
            return Err(Error::refused("the model has no input or no output"));
        };
        let names = [input.name().to_owned(), output.name().to_owned()];
        let output_shape = sides(output.dtype(), shape[0])?;
        let buffers = || -> ::ort::Result<(Tensor<f32>, Tensor<f32>)> {
            let memory = MemoryInfo::new(place, id, AllocatorType::Device, MemoryType::CPUInput)?;
            let allocator = Allocator::new(&inner, memory)?;
            Ok((Tensor::new(&allocator, shape)?, Tensor::new(&allocator, output_shape.clone())?))
        };
        let (input, output) = buffers().map_err(|error| failure::classify("no pinned memory", Kind::Engine, &error))?;
        Ok(Self { inner, shape, names, input, output, output_shape })
    }

    fn bound_run(&mut self) -> ::ort::Result<()> {
        let [input, output] = &self.names;
        // Binding an input is what copies it.
        let mut binding = self.inner.create_binding()?;
        binding.bind_input(input.as_str(), &self.input)?;
        binding.bind_output(output.as_str(), &mut self.output)?;
        binding.synchronize_inputs()?;
        drop(self.inner.run_binding(&binding)?);
        binding.synchronize_outputs()
    }
}

/// The sides of an output of float32 for a batch of `rows`: the first may be free.
fn sides(declared: &ValueType, rows: usize) -> Result<Vec<usize>> {
    let refuse =
        || Error::refused(format!("the model's output is {declared}; its sides beside the batch must be fixed"));
    let ValueType::Tensor { ty: ::ort::value::TensorElementType::Float32, shape, .. } = declared else {
        return Err(refuse());
    };
    let side = |(axis, &side): (usize, &i64)| match usize::try_from(side) {
        Ok(side) if axis > 0 || side == rows => Some(side),
        Err(_) if axis == 0 => Some(rows),
        _ => None,
    };
    shape.iter().enumerate().map(side).collect::<Option<_>>().ok_or_else(refuse)
}

impl Session for BoundSession {
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>> {
        let values = tensor::contiguous(&input, self.shape)?;
        let fail = |error: ::ort::Error| failure::classify("ONNX Runtime failed on a batch", Kind::Engine, &error);
        let (_, buffer) = self.input.try_extract_tensor_mut::<f32>().map_err(fail)?;
        buffer.copy_from_slice(values);
        self.bound_run().map_err(fail)?;
        let (_, values) = self.output.try_extract_tensor::<f32>().map_err(fail)?;
        tensor::output(&self.output_shape, values.to_vec(), self.shape[0])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::super::session::{self, OrtSession};
    use super::*;
    use crate::infer::engine::{EngineRequest, ort};
    use crate::onnx::{Conv, GraphBuilder, Weights};

    /// The binding itself, on memory that every machine has; pinned memory needs a GPU.
    #[test]
    fn a_bound_session_computes_what_a_plain_one_does_batch_after_batch() {
        if ort::LIBRARY.in_environment().is_none() {
            let required = std::env::var_os("S2INFER_REQUIRE_ALL").is_some_and(|value| value == "1");
            assert!(!required, "ORT_DYLIB_PATH names no library");
            return;
        }
        let mut graph = GraphBuilder::new("mean", Weights::Fp32);
        let x = graph.input("input", &[None, Some(2), Some(4), Some(4)]);
        let weight = graph.weight("weight", &[3, 2, 1, 1], &[0.5, -1.0, 2.0, 0.25, 1.0, 1.0]);
        let y = graph.conv(&x, &weight, None, Conv::default());
        graph.output("logits", &y, &[None, Some(3), Some(4), Some(4)]);
        let graph = graph.finish();
        let library = ort::LIBRARY.load(None, &[], ort::library::load).unwrap();
        let builder = || session::builder(&library.environment, Device::Cpu, None).unwrap();
        let shape = [5, 2, 4, 4];
        let mut plain = OrtSession::new(builder(), &graph, shape).unwrap();
        let inner = session::commit(builder(), &graph).unwrap();
        let mut bound = BoundSession::on(inner, AllocationDevice::CPU, 0, shape).unwrap();
        assert!(!BoundSession::is_for(EngineRequest::default().device) && BoundSession::is_for(Device::Cuda(0)));
        for seed in 0..3 {
            let input = Array4::from_shape_fn(shape, |(n, c, y, x)| ((seed + n * 31 + c * 17 + y * 5 + x) % 13) as f32);
            assert_eq!(bound.run(input.view()).unwrap(), plain.run(input.view()).unwrap());
        }
    }
}
