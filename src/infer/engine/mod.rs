//! Engines: one trait, ONNX Runtime and tract behind it, and the choice between them.
//!
//! [`open`] takes the engine that was asked for; [`Adaptive`] runs its sessions and halves the batch when a device
//! runs out of memory.

pub mod adaptive;
#[cfg(feature = "ort")]
mod ort;
mod quiet;
mod tensor;
mod tract;

use std::fmt;
use std::path::PathBuf;

use ndarray::{ArrayD, ArrayView4};

use crate::{Error, Result};

pub use adaptive::{Adaptive, SafeBatch};

/// `--engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// ONNX Runtime where it loads, else tract.
    Auto,
    /// ONNX Runtime or an error.
    Ort,
    /// tract.
    Tract,
}

/// `--device`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor, whatever else there is: a GPU is used when asked for.
    Auto,
    /// The processor.
    Cpu,
    /// CUDA device of this index.
    Cuda(u32),
    /// TensorRT on the CUDA device of this index.
    TensorRt(u32),
    /// ONNX Runtime's OpenVINO provider.
    OpenVino,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::TensorRt(index) => write!(f, "tensorrt:{index}"),
            Self::OpenVino => f.write_str("openvino"),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct EngineRequest {
    /// `--engine`
    pub engine: EngineChoice,
    /// `--device`
    pub device: Device,
    /// `--ort-lib`
    pub ort_lib: Option<PathBuf>,
}

/// What runs: goes into the run record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EngineInfo {
    /// `onnxruntime` or `tract`
    pub engine: String,
    /// Version of the engine.
    pub version: String,
    /// `cpu`, `cuda:0`, `tensorrt:0`, `openvino`
    pub provider: String,
    /// The library file that was loaded, for ONNX Runtime.
    pub library: Option<String>,
    /// Why `auto` did not take the engine it prefers.
    pub fallback_reason: Option<String>,
}

/// A loaded engine that makes sessions.
pub trait Engine: Send + Sync {
    /// What it is.
    fn info(&self) -> &EngineInfo;

    /// A session over an ONNX graph (fp32, scanned), for batches of exactly `batch` rows of
    /// `[bands, height, width]`; one intra-op thread.
    fn session(&self, graph: &[u8], batch: usize, input: [usize; 3]) -> Result<Box<dyn Session>>;
}

/// One session, used by one worker.
pub trait Session: Send {
    /// Runs one batch, `[batch, bands, height, width]` exactly as the session was made for, contiguous.
    /// The result is `[batch, …]`. It may hold NaN; the heads deal with that.
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>>;
}

/// Opens the engine and device that `request` asks for.
///
/// [`EngineChoice::Auto`] takes ONNX Runtime where one of the implicit places holds a library that loads, else tract,
/// and [`EngineInfo::fallback_reason`] says why. Whatever was asked for by name (an engine, a device other than the
/// processor, a library by flag or `ORT_DYLIB_PATH`) either runs or is an error: [`Kind::Usage`](crate::Kind::Usage)
/// where the request contradicts itself, else [`Kind::Engine`](crate::Kind::Engine).
pub fn open(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    let processor = matches!(request.device, Device::Auto | Device::Cpu);
    match request.engine {
        EngineChoice::Tract if !processor => Err(Error::usage(format!(
            "--device {}: tract runs on the processor alone; use --engine ort",
            request.device
        ))),
        EngineChoice::Tract if request.ort_lib.is_some() => {
            Err(Error::usage("--ort-lib names an ONNX Runtime library, but --engine tract does not use one"))
        }
        EngineChoice::Tract => Ok(Box::new(tract::Tract::new(None))),
        EngineChoice::Ort => open_ort(request),
        EngineChoice::Auto if !processor || names_library(request) => open_ort(request),
        EngineChoice::Auto => match open_ort(request) {
            Ok(engine) => Ok(engine),
            Err(error) => Ok(Box::new(tract::Tract::new(Some(error.to_string())))),
        },
    }
}

#[cfg(feature = "ort")]
fn open_ort(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    ort::open(request)
}

#[cfg(feature = "ort")]
fn names_library(request: &EngineRequest) -> bool {
    request.ort_lib.is_some() || ort::library_in_environment().is_some()
}

#[cfg(not(feature = "ort"))]
fn open_ort(_: &EngineRequest) -> Result<Box<dyn Engine>> {
    Err(Error::engine("this build holds tract alone, without ONNX Runtime: use --engine tract and --device cpu"))
}

#[cfg(not(feature = "ort"))]
fn names_library(request: &EngineRequest) -> bool {
    request.ort_lib.is_some()
}
