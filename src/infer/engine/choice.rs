//! Which engine runs.

use super::{Device, Engine, EngineChoice, EngineRequest, environment_names_ort, open_openvino, open_ort, tract};
use crate::model::manifest::Precision;
use crate::{Error, Result};

/// Opens the engine and device that `request` asks for.
///
/// [`EngineChoice::Auto`] goes by the precision. In fp32 it takes ONNX Runtime where one of the implicit places holds a
/// library that loads, else tract; in fp16 and int8, which tract cannot compute, ONNX Runtime, else OpenVINO; in bf16
/// OpenVINO, the only one that can. [`EngineInfo::fallback_reason`](super::EngineInfo::fallback_reason) says why it was
/// not the first. Whatever was asked for by name (an engine, a device other than the processor, a library by flag or
/// `ORT_DYLIB_PATH`) either runs or is an error: [`Kind::Usage`](crate::Kind::Usage) where the request contradicts
/// itself, else [`Kind::Engine`](crate::Kind::Engine).
pub fn open(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    check(request)?;
    match request.engine {
        EngineChoice::Tract => Ok(Box::new(tract::Tract::new(None))),
        EngineChoice::Ort => open_ort(request),
        EngineChoice::OpenVino => open_openvino(request, None),
        EngineChoice::Auto if request.openvino_lib.is_some() => open_openvino(request, None),
        EngineChoice::Auto if request.ort_lib.is_some() || !on_processor(request) => open_ort(request),
        EngineChoice::Auto => open_by_precision(request),
    }
}

fn open_by_precision(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    if request.precision == Precision::Bf16 {
        return open_openvino(request, None);
    }
    let reason = match open_ort(request) {
        Err(error) if !environment_names_ort() => error.to_string(),
        named_or_open => return named_or_open,
    };
    match request.precision {
        Precision::Fp32 => Ok(Box::new(tract::Tract::new(Some(reason)))),
        _ => open_openvino(request, Some(reason.clone()))
            .map_err(|error| Error::engine(format!("no engine for {}: {reason}; {error}", request.precision))),
    }
}

fn on_processor(request: &EngineRequest) -> bool {
    matches!(request.device, Device::Auto | Device::Cpu)
}

/// Refuses a device or library that the engine has no use for.
fn check(request: &EngineRequest) -> Result<()> {
    if request.engine_cache.is_some() && !matches!(request.device, Device::TensorRt(_)) {
        return Err(Error::usage("--engine-cache keeps TensorRT's engines: it goes with --device tensorrt"));
    }
    let engine = match request.engine {
        EngineChoice::Tract => "tract",
        EngineChoice::OpenVino => "openvino",
        EngineChoice::Ort => "ort",
        EngineChoice::Auto if request.openvino_lib.is_some() => "openvino",
        EngineChoice::Auto => return Ok(()),
    };
    if engine != "ort" && !on_processor(request) {
        let device = request.device;
        return Err(Error::usage(format!("--device {device}: {engine} runs on the processor alone; use --engine ort")));
    }
    if engine != "ort" && request.ort_lib.is_some() {
        return Err(Error::usage(format!("--ort-lib names an ONNX Runtime library, but {engine} does not use one")));
    }
    if engine != "openvino" && request.openvino_lib.is_some() {
        return Err(Error::usage(format!("--openvino-lib names an OpenVINO library, but {engine} does not use one")));
    }
    Ok(())
}
