//! Execution providers: which device of ONNX Runtime does the work. One that was asked for runs or is an error.

use std::path::Path;

use ::ort::ep::{self, ExecutionProviderDispatch};

use super::super::Device;
use super::elf;
use crate::{Error, Result};

/// The provider as the run record names it.
pub fn name(device: Device) -> String {
    match device {
        Device::Auto | Device::Cpu => "cpu".to_owned(),
        other => other.to_string(),
    }
}

/// The providers to register, in order of preference; none for the processor, which is always the last.
pub fn registered(device: Device) -> Result<Vec<ExecutionProviderDispatch>> {
    let providers = match device {
        Device::Auto | Device::Cpu => vec![],
        Device::Cuda(gpu) => vec![cuda(index(gpu)?)],
        Device::TensorRt(gpu) => vec![tensorrt(index(gpu)?), cuda(index(gpu)?)],
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

/// No engine cache: whoever can write to it chooses the model.
fn tensorrt(gpu: i32) -> ExecutionProviderDispatch {
    ep::TensorRT::default().with_device_id(gpu).with_fp16(false).with_engine_cache(false).build()
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
