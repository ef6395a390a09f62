//! Engines: one trait, ONNX Runtime and tract behind it, and the choice between them.

use std::path::PathBuf;

use ndarray::{ArrayD, ArrayView4};

use crate::Result;

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
