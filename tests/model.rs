//! Model folders: what loads, what is refused, and what the messages say.

#[path = "common/model_folders.rs"]
mod folders;

use std::path::Path;

use folders::{encode, linear_golden, linear_graph, manifest, write_folder};
use s2infer::Kind;
use s2infer::model::{Manifest, Model, check_golden};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn good(folder: &Path) -> Model {
    write_folder(folder, &manifest(), &encode(linear_graph())).unwrap()
}

#[test]
fn sealed_folder_loads_with_what_was_sealed() {
    let dir = folder();
    let sealed = good(dir.path());
    let loaded = Model::load(dir.path()).unwrap();
    assert_eq!(loaded.manifest, sealed.manifest);
    assert_eq!(loaded.manifest.bands, manifest().bands);
    assert_eq!(loaded.golden.input, linear_golden().input);
    assert_eq!(loaded.golden.output, linear_golden().output);
    assert_eq!(loaded.sha256.len(), 64);
}

#[test]
fn manifest_survives_the_way_to_json_and_back() {
    let dir = folder();
    let first = good(dir.path()).manifest;
    let json = serde_json::to_vec(&first.to_item().unwrap()).unwrap();
    let second = Manifest::parse(&json).unwrap();
    assert_eq!(first, second);
}

#[test]
fn changed_file_is_refused_by_name_and_hash() {
    for name in ["model.onnx", "golden.safetensors", "card.md"] {
        let dir = folder();
        good(dir.path());
        let path = dir.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = Model::load(dir.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        let message = error.to_string();
        assert!(message.contains(name) && message.contains("SHA-256"), "{message}");
    }
}

#[test]
fn missing_folder_is_a_usage_error() {
    let error = Model::load(Path::new("no/such/folder")).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn golden_check_refuses_nan_and_what_is_past_the_tolerance() {
    let golden = linear_golden();
    let mut output = golden.output.clone();
    check_golden(&golden, output.view(), 1e-4).unwrap();
    output[[1, 0]] += 1e-3;
    assert_eq!(check_golden(&golden, output.view(), 1e-4).unwrap_err().kind(), Kind::Refused);
    output[[1, 0]] = f32::NAN;
    assert_eq!(check_golden(&golden, output.view(), 1e-4).unwrap_err().kind(), Kind::Refused);
}
