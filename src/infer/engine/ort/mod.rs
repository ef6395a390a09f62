//! ONNX Runtime, loaded at run time.

mod bound;
mod cache;
mod library;
mod provider;
mod session;

use std::borrow::Cow;
use std::path::PathBuf;

use ::ort::environment::Environment;
use ::ort::session::builder::SessionBuilder;

use super::dylib::{Dylib, elf};
use super::{Device, Engine, EngineInfo, EngineRequest, Network, Probe, Session, failure, tensor};
use crate::Result;
use crate::model::manifest::Precision;
use crate::onnx::dense::{Integers, dense};

/// How the library is found. Other programs built on ONNX Runtime read the same variable.
pub const LIBRARY: Dylib = Dylib {
    name: "ONNX Runtime",
    stem: "libonnxruntime.so",
    flag: "--ort-lib",
    variable: "ORT_DYLIB_PATH",
    remedy: "install it with scripts/setup-ort.sh, or with `pip install onnxruntime` and --ort-lib \
             FOLDER/onnxruntime/capi, or set ORT_DYLIB_PATH",
};

/// Finds and loads the library, and checks that the device can be had from it.
pub fn open(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    let library = LIBRARY.load(request.ort_lib.as_deref(), &[], library::load)?;
    provider::check_files(request.device, &library.path)?;
    let info = EngineInfo {
        engine: "onnxruntime".to_owned(),
        version: library.version,
        provider: provider::name(request.device),
        library: Some(library.path.display().to_string()),
        fallback_reason: None,
    };
    let engine = OnnxRuntime {
        info,
        environment: library.environment,
        device: request.device,
        cache: request.engine_cache.clone(),
    };
    engine.builder(None).map_err(|error| error.context(format!("--device {}", request.device)))?;
    Ok(Box::new(engine))
}

struct OnnxRuntime {
    info: EngineInfo,
    environment: Environment,
    device: Device,
    /// Where TensorRT keeps engines.
    cache: Option<PathBuf>,
}

impl OnnxRuntime {
    fn builder(&self, engine: Option<&provider::Engine>) -> Result<SessionBuilder> {
        session::builder(&self.environment, self.device, engine)
    }

    /// What TensorRT is told of the network; nothing for other devices.
    fn engine(&self, network: Network<'_>, shape: [usize; 4]) -> Result<Option<provider::Engine>> {
        let Device::TensorRt(_) = self.device else { return Ok(None) };
        let options = format!("{} {shape:?}", network.precision);
        let folder = |directory: &PathBuf| cache::folder(directory, network.graph, &self.info.version, &options);
        let cache = self.cache.as_ref().map(folder).transpose()?;
        provider::Engine::of(network, shape, cache).map(Some)
    }
}

impl Engine for OnnxRuntime {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn check_precision(&self, precision: Precision) -> Result<()> {
        if precision == Precision::Bf16 && !matches!(self.device, Device::TensorRt(_)) {
            return Err(tensor::wrong_precision("ONNX Runtime", precision));
        }
        Ok(())
    }

    fn session(&self, network: Network<'_>, batch: usize) -> Result<Box<dyn Session>> {
        self.check_precision(network.precision)?;
        let shape = tensor::batch_shape(batch, network.input)?;
        let builder = self.builder(self.engine(network, shape)?.as_ref())?;
        // Of a graph that is written so already there is nothing to write.
        let graph = self.rewritten(network)?.map_or(Cow::Borrowed(network.graph), Cow::Owned);
        let session = session::OrtSession::new(builder, &graph, shape)?;
        match bound::BoundSession::is_for(self.device) {
            true => Ok(Box::new(bound::BoundSession::new(session.into_inner(), self.device, shape)?)),
            false => Ok(Box::new(session)),
        }
    }

    fn rewritten(&self, network: Network<'_>) -> Result<Option<Vec<u8>>> {
        let is_processor = matches!(self.device, Device::Auto | Device::Cpu);
        let written = is_processor.then(|| dense(network.graph, network.input, Integers::QGemm)).transpose()?;
        Ok(match written {
            Some(Cow::Owned(graph)) => Some(graph),
            Some(Cow::Borrowed(_)) | None => None,
        })
    }

    fn probe(&self, network: Network<'_>) -> Result<Box<dyn Probe>> {
        Ok(Box::new(session::OrtProbe::new(self.builder(None)?, network.graph)?))
    }
}
