//! From ONNX bytes to a network compiled for one batch shape.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use ::openvino::{CompiledModel, Core, DeviceType, InferenceError, Model, PartialShape, RwPropertyKey};
use rustix::fs::{MemfdFlags, memfd_create};

use super::library::Library;
use super::{Network, failure, precision, quiet, scan};
use crate::onnx::dense::{Integers, dense};
use crate::{Error, Kind, Result};

/// A network compiled for batches of one shape.
pub struct Compiled(pub CompiledModel);

/// Compiles `network` for batches of `shape`, of which `streams` can run at the same time, each on one thread.
///
/// # Errors
/// [`Kind::Refused`] where OpenVINO does not take the graph, or it has not one input of this shape and one output.
pub fn compile(library: &Library, network: Network<'_>, shape: [usize; 4], streams: usize) -> Result<Compiled> {
    let compile = || {
        let mut core = library.core();
        scan::check(network.graph)?;
        let graph = dense(network.graph, network.input, Integers::Gemm)?;
        let mut model = read(&mut core, graph).map_err(refuse)?;
        check_ends(&model)?;
        fix_shape(&mut model, shape)?;
        configure(&mut core, precision::hint(network.precision), streams)
            .map_err(|error| classify(Kind::Engine, &error))?;
        core.compile_model(&model, DeviceType::CPU).map_err(refuse)
    };
    quiet::catch(compile).unwrap_or_else(|panic| Err(Error::refused(panic))).map(Compiled)
}

/// Reads from a file in memory, where the system has such: a buffer OpenVINO copies twice before it parses it.
fn read(core: &mut Core, graph: Cow<'_, [u8]>) -> Result<Model, InferenceError> {
    let Ok((_file, path)) = memory_file(&graph) else {
        return core.read_model_from_buffer(&graph, None);
    };
    drop(graph);
    core.read_model_from_file(&path, "")
}

/// `bytes` as a file that is nowhere on disk and ends with its handle, and its path in this process.
fn memory_file(bytes: &[u8]) -> io::Result<(File, String)> {
    let mut file = File::from(memfd_create("model.onnx", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // /proc may not be mounted.
    File::open(&path)?;
    Ok((file, path))
}

/// As one thread a stream and as many streams as there are workers: the workers are the parallelism. Threads are not
/// bound to cores, of which other processes have need as well; and logical cores count as cores, since more workers than
/// streams would wait for one another. Nothing is kept on disk.
fn configure(core: &mut Core, hint: &str, streams: usize) -> Result<(), InferenceError> {
    let streams = streams.to_string();
    let settings = [
        (RwPropertyKey::HintPerformanceMode, "LATENCY"),
        (RwPropertyKey::NumStreams, streams.as_str()),
        (RwPropertyKey::InferenceNumThreads, streams.as_str()),
        (RwPropertyKey::HintEnableCpuPinning, "NO"),
        (RwPropertyKey::HintEnableHyperThreading, "YES"),
        (RwPropertyKey::HintInferencePrecision, hint),
    ];
    core.set_properties(&DeviceType::CPU, settings)
}

fn check_ends(model: &Model) -> Result<()> {
    let count = || Ok((model.get_inputs_len()?, model.get_outputs_len()?));
    match count().map_err(refuse)? {
        (1, 1) => Ok(()),
        (inputs, outputs) => {
            Err(Error::refused(format!("the model has {inputs} inputs and {outputs} outputs, not one of each")))
        }
    }
}

/// Fixes the input's shape, which the graph must admit: OpenVINO would take any other.
fn fix_shape(model: &mut Model, shape: [usize; 4]) -> Result<()> {
    let declared = model.get_input_by_index(0).and_then(|input| input.get_partial_shape()).map_err(refuse)?;
    let sides = declared.get_dimensions();
    let admits = |(side, expected): (&::openvino::Dimension, usize)| {
        let expected = expected as i64;
        side.get_min() <= expected && (side.get_max() < 0 || expected <= side.get_max())
    };
    if sides.len() != shape.len() || !sides.iter().zip(shape).all(admits) {
        let declared: Vec<i64> = sides.iter().map(::openvino::Dimension::get_max).collect();
        return Err(Error::refused(format!("the model's input is {declared:?}, which does not admit {shape:?}")));
    }
    let fixed = PartialShape::new_static(4, &shape.map(|side| side as i64)).map_err(refuse)?;
    model.reshape_single_input(&fixed).map_err(refuse)
}

fn refuse(error: InferenceError) -> Error {
    classify(Kind::Refused, &error)
}

fn classify(kind: Kind, error: &InferenceError) -> Error {
    failure::classify("OpenVINO does not take the model", kind, error)
}
