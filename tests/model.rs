//! Model folders: what loads, what is refused, and what the messages say.

mod common;
#[path = "common/model_folders.rs"]
mod folders;

use std::path::Path;

use folders::{encode, linear_golden, linear_graph, manifest, write_folder};
use s2infer::Kind;
use s2infer::model::manifest::{Head, TrainingStatistics};
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

#[test]
fn sealed_item_satisfies_stac_the_extension_and_our_schema() {
    let Some(python) = common::python() else { return common::skip_or_fail("Python with stac-model") };
    let dir = folder();
    let mut manifests = vec![manifest()];
    let mut rich = manifest();
    rich.head = Head::Multiclass;
    rich.classes = vec!["water".into(), "Annual_Crop".into(), "forest".into()];
    rich.bands[0].training = Some(TrainingStatistics { p02: 0.01, median: 0.1, p98: 0.3 });
    rich.about.training_bbox = Some([-7.5, 35.0, 17.4, 60.0]);
    rich.about.training_period = Some(["2015-06-23T00:00:00Z".into(), "2018-01-01T00:00:00Z".into()]);
    rich.about.total_parameters = Some(11_200_000);
    rich.about.license = Some("MIT".into());
    rich.about.hyperparameters.insert("epochs".into(), 30.into());
    rich.clip = None;
    manifests.push(rich);
    let mut map = manifest();
    map.head = Head::Segmentation;
    manifests.push(map);
    let assets = good(dir.path()).manifest.assets;
    let mut command = std::process::Command::new(python);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    command.arg(root.join("tests/validate_manifest.py")).arg(root.join("models/s2infer-inference.schema.json"));
    for (index, mut manifest) in manifests.into_iter().enumerate() {
        manifest.assets = assets.clone();
        let item = manifest.to_item().unwrap();
        let path = dir.path().join(format!("{index}.json"));
        std::fs::write(&path, serde_json::to_vec(&item).unwrap()).unwrap();
        let read = Manifest::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(Manifest { item: serde_json::Value::Null, ..read }, manifest);
        command.arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
