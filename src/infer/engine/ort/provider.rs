//! Execution providers: which device of ONNX Runtime does the work. One that was asked for runs or is an error.

use std::path::{Path, PathBuf};

use ::ort::ep::{self, ExecutionProviderDispatch};

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::super::{Device, Network};
use super::elf;
use crate::model::manifest::Precision;
use crate::onnx::graph::Graph;
use crate::{Error, Result};

/// The provider as the run record names it.
pub fn name(device: Device) -> String {
    match device {
        Device::Auto | Device::Cpu => "cpu".to_owned(),
        other => other.to_string(),
    }
}

/// What TensorRT is told of a network before it builds an engine for it.
#[derive(Debug, Clone)]
pub struct Engine {
    /// What it is to be computed in.
    pub precision: Precision,
    /// The input and its fixed sides: `input:32x3x64x64`.
    pub shape: String,
    /// Where built engines are kept.
    pub cache: Option<PathBuf>,
}

impl Engine {
    /// For `graph`, in batches of `shape`.
    ///
    /// # Errors
    /// [`crate::Kind::Engine`] for a graph in 8 bits with zero points, which TensorRT has not.
    pub fn of(network: Network<'_>, shape: [usize; 4], cache: Option<PathBuf>) -> Result<Self> {
        let graph = Graph::decode(network.graph)?;
        let unsigned = |tensor: &&TensorProto| tensor.data_type == DataType::Uint8 as i32;
        if network.precision == Precision::Int8 && graph.constants.values().any(|tensor| unsigned(&tensor)) {
            return Err(Error::engine(
                "the model's activations are unsigned bytes, which TensorRT does not take: quantize it with \
                 `s2infer quantize --activations signed`",
            ));
        }
        let sides = shape.map(|side| side.to_string()).join("x");
        Ok(Self { precision: network.precision, shape: format!("{}:{sides}", graph.input()), cache })
    }
}

/// The providers to register, in order of preference; none for the processor, which is always the last. Without `engine`,
/// to see whether the device can be had.
pub fn registered(device: Device, engine: Option<&Engine>) -> Result<Vec<ExecutionProviderDispatch>> {
    let providers = match device {
        Device::Auto | Device::Cpu => vec![],
        Device::Cuda(gpu) => vec![cuda(index(gpu)?)],
        Device::TensorRt(gpu) => vec![tensorrt(index(gpu)?, engine), cuda(index(gpu)?)],
        // fp32 is asked for: the provider's own choice on recent processors is bf16, a precision with other scores.
        Device::OpenVino => {
            let provider = ep::OpenVINO::default().with_device_type("CPU").with_precision("FP32");
            vec![provider.with_num_threads(1).build()]
        }
    };
    Ok(providers.into_iter().map(ExecutionProviderDispatch::error_on_failure).collect())
}

/// TF32 off and algorithms by heuristics instead of by timing them: the same scores in every run.
fn cuda(gpu: i32) -> ExecutionProviderDispatch {
    let provider = ep::CUDA::default().with_device_id(gpu).with_tf32(false);
    let search = ep::cuda::ConvAlgorithmSearch::Heuristic;
    let growth = ep::ArenaExtendStrategy::SameAsRequested;
    provider.with_conv_algorithm_search(search).with_arena_extend_strategy(growth).build()
}

/// Precisions that the network is not of stay off; one fixed shape, so that one engine is built and tuned for it. Engines
/// are kept where that is asked for. TensorRT's own TF32 is on unless the environment says NVIDIA_TF32_OVERRIDE=0; the
/// golden batch tells.
fn tensorrt(gpu: i32, engine: Option<&Engine>) -> ExecutionProviderDispatch {
    let is = |precision| engine.is_some_and(|engine| engine.precision == precision);
    let provider = ep::TensorRT::default()
        .with_device_id(gpu)
        .with_fp16(is(Precision::Fp16))
        .with_bf16(is(Precision::Bf16))
        .with_int8(is(Precision::Int8));
    let Some(engine) = engine else { return provider.with_engine_cache(false).build() };
    let shape = engine.shape.as_str();
    let provider =
        provider.with_profile_min_shapes(shape).with_profile_opt_shapes(shape).with_profile_max_shapes(shape);
    match &engine.cache {
        Some(folder) => {
            let folder = folder.display().to_string();
            provider
                .with_engine_cache(true)
                .with_engine_cache_path(&folder)
                .with_timing_cache(true)
                .with_timing_cache_path(folder)
        }
        None => provider.with_engine_cache(false),
    }
    .build()
}

fn index(gpu: u32) -> Result<i32> {
    i32::try_from(gpu).map_err(|_| Error::usage(format!("--device: there is no GPU {gpu}")))
}

/// Checks that the provider's own libraries lie beside `library` and are whole, so that the error names them.
pub fn check_files(device: Device, library: &Path) -> Result<()> {
    let (files, package): (&[&str], &str) = match device {
        Device::Auto | Device::Cpu => return Ok(()),
        Device::Cuda(_) => (&["shared", "cuda"], "onnxruntime-gpu"),
        Device::TensorRt(_) => (&["shared", "cuda", "tensorrt"], "onnxruntime-gpu"),
        Device::OpenVino => (&["shared", "openvino"], "onnxruntime-openvino"),
    };
    for file in files {
        let path = library.with_file_name(format!("libonnxruntime_providers_{file}.so"));
        elf::check(&path).map_err(|reason| {
            Error::engine(format!(
                "--device {device} needs {}: {reason}; install it with `pip install {package}` and point --ort-lib at \
                 its onnxruntime/capi folder",
                path.display()
            ))
        })?;
    }
    Ok(())
}
