//! What tests need from outside, and what happens where it is missing.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Says that a test is skipped for want of `what`; an error where everything must be there.
pub fn skip_or_fail(what: &str) {
    assert!(env::var_os("S2INFER_REQUIRE_ALL").is_none_or(|value| value != "1"), "missing: {what}");
    eprintln!("SKIPPED: {what} is missing");
}

/// Says that a test is skipped for want of data that no script installs.
pub fn skip_without_data(what: &str) {
    eprintln!("SKIPPED: {what} is missing");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Python with the packages of the tests: `S2INFER_PYTHON`, else the repository's virtual environment.
pub fn python() -> Option<PathBuf> {
    let path = env::var_os("S2INFER_PYTHON").map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    path.is_file().then_some(path)
}

/// The program `mlflow`: `S2INFER_MLFLOW`, else that of the repository's `.mlflow` folder.
pub fn mlflow() -> Option<PathBuf> {
    let path = env::var_os("S2INFER_MLFLOW").map_or_else(|| root().join(".mlflow/bin/mlflow"), PathBuf::from);
    path.is_file().then_some(path)
}

/// Python with the servers of the tests: `S2INFER_SERVERS`, else that of the repository's `.servers` folder.
pub fn servers() -> Option<PathBuf> {
    let path = env::var_os("S2INFER_SERVERS").map_or_else(|| root().join(".servers/bin/python"), PathBuf::from);
    path.is_file().then_some(path)
}

/// The ONNX Runtime library: `ORT_DYLIB_PATH`, else the repository's `.ort` folder.
pub fn ort_library() -> Option<PathBuf> {
    let named = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let installed = fs::read_dir(root().join(".ort")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut libraries = installed.filter(|path| path.to_string_lossy().contains("libonnxruntime.so"));
    named.or_else(|| libraries.next()).filter(|path| path.exists())
}

/// The OpenVINO library or its folder: `OPENVINO_LIB_PATH`, else the repository's `.openvino` folder.
pub fn openvino_library() -> Option<PathBuf> {
    let path = env::var_os("OPENVINO_LIB_PATH").map_or_else(|| root().join(".openvino"), PathBuf::from);
    path.exists().then_some(path)
}
