//! ONNX Runtime, loaded at run time.

mod elf;
mod failure;
mod library;
mod provider;
mod search;
mod session;

use std::path::{Path, PathBuf};

use ::ort::environment::Environment;

use self::library::Library;
use super::{Device, Engine, EngineInfo, EngineRequest, Session, tensor};
use crate::{Error, Result};

pub use search::library_in_environment;

/// Finds and loads the library, and checks that the device can be had from it.
pub fn open(request: &EngineRequest) -> Result<Box<dyn Engine>> {
    let library = load(request)?;
    provider::check_files(request.device, &library.path)?;
    let info = EngineInfo {
        engine: "onnxruntime".to_owned(),
        version: library.version,
        provider: provider::name(request.device),
        library: Some(library.path.display().to_string()),
        fallback_reason: None,
    };
    let engine = OnnxRuntime { info, environment: library.environment, device: request.device };
    engine.builder().map_err(|error| error.context(format!("--device {}", request.device)))?;
    Ok(Box::new(engine))
}

/// The library that was named, or the first of the implicit ones that loads.
fn load(request: &EngineRequest) -> Result<Library> {
    if let Some(path) = &request.ort_lib {
        return load_named(path, "--ort-lib");
    }
    if let Some(path) = library_in_environment() {
        return load_named(&path, search::VARIABLE);
    }
    let places = search::places();
    let mut failures = Vec::new();
    for path in places.iter().filter_map(|place| search::library_in(place)) {
        match library::load(&path) {
            Ok(library) => return Ok(library),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if failures.is_empty() {
        return Err(Error::engine(search::not_found(&places)));
    }
    Err(Error::engine(failures.join("; ")))
}

fn load_named(named: &Path, source: &str) -> Result<Library> {
    let path: PathBuf = match named.is_dir() {
        true => search::library_in(named).ok_or_else(|| {
            Error::engine(format!("{source}: the folder {} holds no libonnxruntime.so", named.display()))
        })?,
        false => named.to_owned(),
    };
    library::load(&path).map_err(|error| error.context(source))
}

struct OnnxRuntime {
    info: EngineInfo,
    environment: Environment,
    device: Device,
}

impl OnnxRuntime {
    fn builder(&self) -> Result<::ort::session::builder::SessionBuilder> {
        session::builder(&self.environment, self.device)
    }
}

impl Engine for OnnxRuntime {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn session(&self, graph: &[u8], batch: usize, input: [usize; 3]) -> Result<Box<dyn Session>> {
        let shape = tensor::batch_shape(batch, input)?;
        Ok(Box::new(session::OrtSession::new(self.builder()?, graph, shape)?))
    }
}
