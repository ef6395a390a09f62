//! Loading the library, once for the whole process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::ort::environment::Environment;
use ::ort::logging::LogLevel;

use super::super::quiet;
use super::elf::{self, Checked};
use super::failure;
use crate::{Error, Result};

/// A loaded library.
#[derive(Clone)]
pub struct Library {
    /// The file, links resolved: the providers are looked for beside it.
    pub path: PathBuf,
    /// Its version: `1.31.1`.
    pub version: String,
    /// ONNX Runtime's environment, of which a process has one.
    pub environment: Environment,
}

/// Loads `path` after checking that it is whole; a second call for the same file is free, for another an error.
pub fn load(path: &Path) -> Result<Library> {
    /// The file that is this process's library for good, and whether it can be used.
    static LOADED: Mutex<Option<(PathBuf, Result<Library>)>> = Mutex::new(None);
    let fail = |reason: String| Error::engine(format!("{} cannot be used: {reason}", path.display()));
    let fail_with_remedy = |reason: String| fail(format!("{reason}; {}", super::LIBRARY.remedy));
    let file = path.canonicalize().map_err(|error| fail_with_remedy(error.to_string()))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((present, library)) = loaded.as_ref() {
        return match *present == file {
            true => library.clone(),
            false => Err(fail(format!("this process already holds {}", present.display()))),
        };
    }
    let checked = elf::check(&file).map_err(fail_with_remedy)?;
    let builder = ::ort::init_from(&file).map_err(|error| fail_with_remedy(load_failure(&error)))?;
    let library = quiet::catch(|| environment(builder)).unwrap_or_else(Err).map_err(fail).map(|environment| {
        let version = version(&file, &checked);
        Library { path: file.clone(), version, environment }
    });
    loaded.insert((file, library)).1.clone()
}

fn environment(builder: ::ort::environment::EnvironmentBuilder) -> Result<Environment, String> {
    let environment = builder.with_name("s2infer").with_telemetry(false).with_logger(Arc::new(forward)).build();
    let environment = environment.map_err(|error| failure::chain(&error))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

fn load_failure(error: &::ort::LoadDynamicError) -> String {
    match error {
        ::ort::LoadDynamicError::Dlopen { error, .. } => failure::chain(error),
        ::ort::LoadDynamicError::MissingApi { .. } => {
            "it is not ONNX Runtime: it does not export OrtGetApiBase".to_owned()
        }
        ::ort::LoadDynamicError::BadVersion { version_str, .. } => {
            format!("it is ONNX Runtime {version_str}, too old: 1.{} or newer is needed", ::ort::MINOR_VERSION)
        }
        other => failure::chain(other),
    }
}

/// The version that the file's symbols carry if it agrees with what the library says of itself, else the latter.
fn version(file: &Path, checked: &Checked) -> String {
    // The build writes it as a symbol version, `VERS_1.31.1`; some builds have none.
    let symbols =
        checked.names().find_map(|name| name.strip_prefix("VERS_").filter(|version| version.starts_with("1.")));
    let minor = ::ort::util::probe(file);
    let own = minor.map(|minor| format!("1.{minor}"));
    let agrees = |version: &String| own.as_ref().is_none_or(|own| version.starts_with(&format!("{own}.")));
    symbols.map(str::to_owned).filter(agrees).or(own).unwrap_or_else(|| "unknown".to_owned())
}

/// ONNX Runtime would write its log to stderr. Whatever ends a call is returned as an error besides.
fn forward(_: LogLevel, category: &str, _: &str, place: &str, message: &str) {
    tracing::debug!(target: "onnxruntime", category, place, "{message}");
}
