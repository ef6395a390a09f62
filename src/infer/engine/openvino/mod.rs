//! OpenVINO on the processor, loaded at run time: the only engine with bf16.

mod files;
mod library;
mod network;
mod precision;
mod scan;
mod session;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use self::library::Library;
use self::network::Compiled;
use super::dylib::{Dylib, elf, places};
use super::{Engine, EngineInfo, EngineRequest, Network, Session, failure, quiet, tensor};
use crate::Result;
use crate::model::manifest::Precision;

/// How the library is found. The variable is that of the `openvino` crate.
const LIBRARY: Dylib = Dylib {
    name: "OpenVINO",
    stem: "libopenvino_c.so",
    flag: "--openvino-lib",
    variable: "OPENVINO_LIB_PATH",
    remedy: files::REMEDY,
};

/// Finds and loads the library, and checks that it can compute in the precision asked for; `fallback_reason` says why
/// `auto` came to it, if it did.
pub fn open(request: &EngineRequest, fallback_reason: Option<String>) -> Result<Box<dyn Engine>> {
    let library = LIBRARY.load(request.openvino_lib.as_deref(), &own_places(), library::load)?;
    library.check_precision(request.precision)?;
    let info = EngineInfo {
        engine: "openvino".to_owned(),
        version: library.version.clone(),
        provider: "cpu".to_owned(),
        library: Some(library.path.display().to_string()),
        fallback_reason,
    };
    Ok(Box::new(OpenVino { info, library, streams: request.sessions.max(1), latest: Mutex::new(None) }))
}

/// Folders of OpenVINO's own: `openvino` beside the executable or in the `lib` next to its folder, then the installation
/// whose `setupvars.sh` was sourced.
fn own_places() -> Vec<PathBuf> {
    let executable = env::current_exe().ok();
    let home = executable.as_deref().and_then(Path::parent);
    let mut places: Vec<PathBuf> = home
        .into_iter()
        .flat_map(|home| [home.join("openvino"), home.with_file_name("lib").join("openvino")])
        .collect();
    if let Some(installed) = env::var_os("INTEL_OPENVINO_DIR").map(PathBuf::from).filter(|path| path.is_absolute()) {
        let processor = if cfg!(target_arch = "aarch64") { "aarch64" } else { "intel64" };
        places.push(installed.join("runtime/lib").join(processor));
    }
    places
}

/// What a network was compiled from: a hash of the graph, the batch's shape, the precision.
type Key = ([u8; 32], [usize; 4], Precision);

struct OpenVino {
    info: EngineInfo,
    library: Library,
    /// Sessions of one network that run at the same time.
    streams: usize,
    /// The latest network: the workers of a run ask for the same one. Its sessions share the weights, so that a further
    /// one costs its activations alone: 8 MB instead of 120 for a ResNet-18, and no second compilation. A row comes out
    /// the same whatever the batch, the place in it and the thread (tests/engine_openvino.rs).
    latest: Mutex<Option<(Key, Compiled)>>,
}

impl Engine for OpenVino {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn session(&self, network: Network<'_>, batch: usize) -> Result<Box<dyn Session>> {
        let shape = tensor::batch_shape(batch, network.input)?;
        self.library.check_precision(network.precision)?;
        let key = (blake3::hash(network.graph).into(), shape, network.precision);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = match latest.take().filter(|(present, _)| *present == key) {
            Some((_, compiled)) => compiled,
            None => network::compile(&self.library, network, shape, self.streams)?,
        };
        let (_, compiled) = latest.insert((key, compiled));
        Ok(Box::new(session::OpenVinoSession::new(compiled, shape)?))
    }
}
