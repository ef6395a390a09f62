//! Engines: one trait, ONNX Runtime, OpenVINO and tract behind it, and the choice between them.
//!
//! [`open`] takes the engine that was asked for; [`Adaptive`] runs its sessions and halves the batch when a device
//! runs out of memory.

pub mod adaptive;
mod choice;
#[cfg(any(feature = "ort", feature = "openvino"))]
mod dylib;
#[cfg(any(feature = "ort", feature = "openvino"))]
mod failure;
#[cfg(feature = "openvino")]
mod openvino;
#[cfg(feature = "ort")]
mod ort;
pub(crate) mod quiet;
mod tensor;
mod tract;

use std::fmt;
use std::path::PathBuf;

use ndarray::{ArrayD, ArrayView4};

use crate::model::manifest::Precision;
use crate::{Error, Result};

pub use adaptive::{Adaptive, SafeBatch};
pub use choice::open;

/// Keeps ONNX Runtime from reporting its starts to its makers. The first of these events comes before the library's own
/// switch can be thrown, but it asks the environment whether it may. Programs call this first of all, while they have one
/// thread.
#[allow(unsafe_code)]
pub fn forbid_telemetry() {
    // SAFETY: no other thread is there yet that could read the environment meanwhile.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// `--engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// By precision: ONNX Runtime where it loads, else tract for fp32 and OpenVINO for fp16 and int8; OpenVINO for bf16.
    Auto,
    /// ONNX Runtime or an error.
    Ort,
    /// OpenVINO or an error.
    OpenVino,
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
    /// `--openvino-lib`
    pub openvino_lib: Option<PathBuf>,
    /// `--engine-cache`: where TensorRT keeps the engines it builds; none: nowhere.
    pub engine_cache: Option<PathBuf>,
    /// What the network is to be computed in.
    pub precision: Precision,
    /// Sessions that run at the same time. More of them are right, but an engine whose sessions share a network may let
    /// them wait for one another.
    pub sessions: usize,
}

impl Default for EngineRequest {
    /// Whatever runs fp32 on the processor, on all cores.
    fn default() -> Self {
        Self {
            engine: EngineChoice::Auto,
            device: Device::Auto,
            ort_lib: None,
            openvino_lib: None,
            engine_cache: None,
            precision: Precision::Fp32,
            sessions: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// What runs: goes into the run record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EngineInfo {
    /// `onnxruntime`, `openvino` or `tract`
    pub engine: String,
    /// Version of the engine.
    pub version: String,
    /// `cpu`, `cuda:0`, `tensorrt:0`, `openvino`
    pub provider: String,
    /// The library file that was loaded, for ONNX Runtime and OpenVINO.
    pub library: Option<String>,
    /// Why `auto` did not take the engine it prefers.
    pub fallback_reason: Option<String>,
}

/// What an engine is to run.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// An ONNX graph that was scanned: float32 in and out, one of each.
    pub graph: &'a [u8],
    /// `[bands, height, width]` of a row.
    pub input: [usize; 3],
    /// What it is to be computed in.
    pub precision: Precision,
}

impl<'a> Network<'a> {
    /// A network that is computed in fp32.
    pub fn fp32(graph: &'a [u8], input: [usize; 3]) -> Self {
        Self { graph, input, precision: Precision::Fp32 }
    }
}

/// A loaded engine that makes sessions.
pub trait Engine: Send + Sync {
    /// What it is.
    fn info(&self) -> &EngineInfo;

    /// Whether it computes in `precision`; [`Self::session`] asks as well.
    ///
    /// # Errors
    /// [`Kind::Engine`](crate::Kind::Engine) where it cannot, with what can.
    fn check_precision(&self, _: Precision) -> Result<()> {
        Ok(())
    }

    /// A session for batches of exactly `batch` rows; one intra-op thread.
    ///
    /// # Errors
    /// [`Kind::Engine`](crate::Kind::Engine) where the engine cannot compute in the network's precision.
    fn session(&self, network: Network<'_>, batch: usize) -> Result<Box<dyn Session>>;

    /// The graph that sessions are made of, where that is another than the network's. A session for it computes the same, so
    /// that whoever makes several can hold it in the place of the file.
    ///
    /// # Errors
    /// [`Kind::Refused`](crate::Kind::Refused) where the network's is no graph.
    fn rewritten(&self, _: Network<'_>) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// A look into a network: a session for any number of rows that gives all of the graph's outputs.
    ///
    /// # Errors
    /// [`Kind::Engine`](crate::Kind::Engine) where the engine cannot give it.
    fn probe(&self, _: Network<'_>) -> Result<Box<dyn Probe>> {
        Err(Error::engine(format!("{} does not look into networks: use --engine ort", self.info().engine)))
    }
}

/// One session, used by one worker.
pub trait Session: Send {
    /// Runs one batch, `[batch, bands, height, width]` exactly as the session was made for, contiguous.
    /// The result is `[batch, …]`. It may hold NaN; the heads deal with that.
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>>;
}

/// A session with several outputs.
pub trait Probe: Send {
    /// Runs a batch, `[n, bands, height, width]`; the outputs in the order of the graph.
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<Vec<ArrayD<f32>>>;
}

#[cfg(feature = "ort")]
fn open_ort(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    ort::open(request)
}

#[cfg(feature = "ort")]
fn environment_names_ort() -> bool {
    ort::LIBRARY.in_environment().is_some()
}

#[cfg(not(feature = "ort"))]
fn open_ort(_: &EngineRequest) -> Result<Box<dyn Engine>> {
    Err(not_built("ONNX Runtime"))
}

#[cfg(not(feature = "ort"))]
fn environment_names_ort() -> bool {
    false
}

#[cfg(feature = "openvino")]
fn open_openvino(request: &EngineRequest, fallback_reason: Option<String>) -> Result<Box<dyn Engine>> {
    openvino::open(request, fallback_reason)
}

#[cfg(not(feature = "openvino"))]
fn open_openvino(_: &EngineRequest, _: Option<String>) -> Result<Box<dyn Engine>> {
    Err(not_built("OpenVINO"))
}

#[cfg(not(all(feature = "ort", feature = "openvino")))]
fn not_built(name: &str) -> crate::Error {
    crate::Error::engine(format!("this build is without {name}: use --engine tract and --device cpu"))
}
