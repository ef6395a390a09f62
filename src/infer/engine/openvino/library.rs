//! Loading the library, once for the whole process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::openvino::{Core, DeviceType, PropertyKey};

use super::{failure, files, precision, quiet};
use crate::model::manifest::Precision;
use crate::{Error, Result};

/// A loaded library.
#[derive(Clone)]
pub struct Library {
    /// The file, links resolved: the others are looked for beside it.
    pub path: PathBuf,
    /// Its version: `2026.4.1`.
    pub version: String,
    /// Name and capabilities of the processor, as the plugin sees it.
    processor: (String, String),
    /// The state of the plugins. A process has one, so that the sessions share memory and threads.
    core: Arc<Mutex<Core>>,
}

impl Library {
    /// The plugins, for one caller at a time: what is set of them holds for the next network compiled.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// [`Kind::Engine`](crate::Kind::Engine) where this processor cannot compute in `precision`.
    pub fn check_precision(&self, precision: Precision) -> Result<()> {
        let (name, capabilities) = &self.processor;
        if precision::is_among(capabilities, precision) {
            return Ok(());
        }
        Err(Error::engine(format!(
            "this processor ({name}) cannot compute in {precision}: OpenVINO has {capabilities} on it; use the fp32 or \
             int8 model"
        )))
    }
}

/// Loads `path` after checking that it and what it needs are whole; a second call for the same file is free, for another
/// an error.
pub fn load(path: &Path) -> Result<Library> {
    /// The file that is this process's library for good, and whether it can be used.
    static LOADED: Mutex<Option<(PathBuf, Result<Library>)>> = Mutex::new(None);
    let fail = |reason: String| Error::engine(format!("{} cannot be used: {reason}", path.display()));
    let file = path.canonicalize().map_err(|error| fail(format!("{error}; {}", files::REMEDY)))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((present, library)) = loaded.as_ref() {
        return match *present == file {
            true => library.clone(),
            false => Err(fail(format!("this process already holds {}", present.display()))),
        };
    }
    files::check(&file)?;
    // The bindings panic on a library that lacks a function they know.
    let library = quiet::catch(|| start(&file)).unwrap_or_else(Err);
    let library = library.map_err(|reason| fail(format!("{reason}; {}", files::REMEDY)));
    loaded.insert((file, library)).1.clone()
}

fn start(file: &Path) -> Result<Library, String> {
    ::openvino_sys::library::load_from(file)?;
    let core = Core::new().map_err(|error| failure::chain(&error))?;
    let ask = |key| core.get_property(&DeviceType::CPU, &key).map_err(|error| failure::chain(&error));
    let processor = (ask(PropertyKey::DeviceFullName)?, ask(PropertyKey::DeviceCapabilities)?);
    // `2026.4.1-22982-…`
    let build = ::openvino::version().build_number;
    let version = build.split('-').next().unwrap_or_default().to_owned();
    Ok(Library { path: file.to_owned(), version, processor, core: Arc::new(Mutex::new(core)) })
}
