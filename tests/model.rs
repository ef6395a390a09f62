//! Model folders: what loads, what is refused, and what the messages say.

mod common;
#[path = "common/model_folders.rs"]
mod folders;

use std::path::Path;

use folders::{encode, half_tensor, int, linear_golden, linear_graph, manifest, node, write_folder_with};
use prost::Message;
use s2infer::Kind;
use s2infer::infer::engine::{EngineChoice, EngineRequest, Network, open};
use s2infer::model::manifest::{Head, TrainingStatistics, WeightsStorage};
use s2infer::model::{Manifest, Model, check_golden, describe};
use serde_json::{Value, json};
use tract_onnx::pb::ModelProto;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn good(folder: &Path) -> Model {
    write_folder_with(folder, &manifest(), &encode(linear_graph()), &linear_golden()).unwrap()
}

#[test]
fn sealed_folder_loads_with_what_was_sealed() {
    let dir = folder();
    let sealed = good(dir.path());
    let loaded = Model::load(dir.path()).unwrap();
    assert_eq!(loaded.manifest, sealed.manifest);
    assert_eq!(loaded.manifest.bands, manifest().bands);
    let golden = loaded.golden.unwrap();
    assert_eq!(golden.input, linear_golden().input);
    assert_eq!(golden.output, linear_golden().output);
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

/// [`linear_graph`] with its weights as FLOAT16 behind casts.
fn half_graph() -> tract_onnx::pb::GraphProto {
    let mut graph = linear_graph();
    graph.initializer = vec![half_tensor("w16", &[1, 4], &[1.0, -1.0, 0.5, 0.25]), half_tensor("b16", &[1], &[0.5])];
    graph.node.insert(0, node("Cast", &["w16"], "fc.weight", vec![int("to", 1)]));
    graph.node.insert(1, node("Cast", &["b16"], "fc.bias", vec![int("to", 1)]));
    graph
}

#[test]
fn half_weights_are_widened_and_their_casts_are_gone() {
    let dir = folder();
    let half = Manifest { weights_storage: WeightsStorage::Fp16, ..manifest() };
    let model = write_folder_with(dir.path(), &half, &encode(half_graph()), &linear_golden()).unwrap();
    let graph = ModelProto::decode(&model.graph[..]).unwrap().graph.unwrap();
    let expected = linear_graph();
    assert_eq!(graph.initializer, expected.initializer);
    assert_eq!(graph.node, expected.node);
    assert_eq!(model.facts.widened, 2);
    assert_eq!(model.facts.parameters, 5);
}

#[test]
fn manifest_that_is_wrong_about_weights_storage_is_refused() {
    let dir = folder();
    let error = write_folder_with(dir.path(), &manifest(), &encode(half_graph()), &linear_golden()).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("weights_storage"), "{error}");
}

#[test]
fn scanned_graph_gives_the_golden_output_on_tract() {
    let dir = folder();
    let model =
        write_folder_with(dir.path(), &manifest(), &encode(folders::small_graph()), &folders::small_golden()).unwrap();
    let request = EngineRequest { engine: EngineChoice::Tract, ..EngineRequest::default() };
    let mut session = open(&request).unwrap().session(Network::fp32(&model.graph, [4, 8, 8]), 2).unwrap();
    let golden = model.golden.as_ref().unwrap();
    let output = session.run(golden.input.view()).unwrap();
    check_golden(golden, output.view(), 1e-5).unwrap();
}

/// One change of a good `model.json`: where, what, and a part of the message that must refuse it.
#[test]
fn manifests_that_contradict_themselves_are_refused_with_the_reason() {
    let dir = folder();
    let good = good(dir.path()).manifest.to_item().unwrap();
    let block = "/properties/s2infer:inference";
    let input = "/properties/mlm:input/0";
    let output = "/properties/mlm:output/0";
    let cases: Vec<(String, Value, &str)> = vec![
        (format!("{block}/schema"), json!("9.0"), "schema"),
        (format!("{block}/tta"), json!("d16"), "unknown variant"),
        (format!("{block}/surprise"), json!(1), "unknown field"),
        (format!("{block}/temperature"), json!(0), "temperature"),
        (format!("{block}/temperature"), json!(1e39), "out of range"),
        (format!("{block}/minimum_valid_share"), json!(1.5), "minimum_valid_share"),
        (format!("{block}/overlap_px"), json!(8), "overlap_px"),
        (format!("{block}/clip"), json!([0.3, 0.1]), "clip"),
        (format!("{block}/golden_tolerance"), json!(1), "golden_tolerance"),
        (format!("{block}/precision"), json!("fp64"), "unknown variant `fp64`"),
        (format!("{block}/dn_defaults/uint7"), json!({"dn_scale": 1.0, "dn_offset": 0.0}), "uint7"),
        (format!("{block}/dn_defaults/uint16/dn_scale"), json!(0.0), "dn_scale"),
        (format!("{block}/training_statistics/B99"), json!({"p02": 0.0, "median": 0.1, "p98": 0.2}), "B99"),
        (format!("{input}/bands/1"), json!("B04"), "twice"),
        (format!("{input}/bands/1"), json!("B3"), "\"B03\""),
        (format!("{input}/bands/1"), json!("b08a"), "\"B8A\""),
        (format!("{input}/bands/1"), json!(""), "band name"),
        (format!("{input}/bands"), json!(["B04", "B03", "B02"]), "shape"),
        (format!("{input}/value_scaling/0/stddev"), json!(0), "above 0"),
        (format!("{input}/value_scaling/0/mean"), json!(1e39), "out of range"),
        (format!("{input}/value_scaling/0/type"), json!("min-max"), "z-score"),
        (format!("{input}/resize_type"), json!("crop"), "resize_type"),
        (format!("{input}/input/shape/3"), json!(9), "side"),
        (format!("{input}/input/shape"), json!([-1, 4, 1_000_000, 1_000_000]), "input side"),
        (format!("{input}/input/data_type"), json!("uint16"), "float32"),
        (format!("{input}/input/dim_order"), json!(["batch", "height", "width", "bands"]), "dim_order"),
        (format!("{output}/result/shape"), json!([-1, 2]), "output"),
        (format!("{output}/classification:classes/1/value"), json!(7), "value 7"),
        (format!("{output}/classification:classes/1/name"), json!("other"), "twice"),
        ("/properties/mlm:name".into(), json!("../x"), "mlm:name"),
        ("/properties/mlm:input".into(), json!([]), "mlm:input"),
        ("/stac_extensions".into(), json!([]), "stac_extensions"),
        ("/type".into(), json!("Collection"), "Feature"),
        ("/assets/model/href".into(), json!("../model.onnx"), "own folder"),
        ("/assets/model/href".into(), json!("/etc/passwd"), "own folder"),
        ("/assets/model/href".into(), json!("https://example.org/model.onnx"), "own folder"),
        ("/assets/model/file:checksum".into(), json!("1220abcd"), "file:checksum"),
        ("/assets/model/file:size".into(), json!(1), "bytes"),
        ("/assets/model/roles".into(), json!(["data"]), "mlm:model"),
        ("/assets/card/roles".into(), json!(["mlm:model"]), "second"),
    ];
    for (pointer, value, message) in cases {
        let mut item = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match item.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
            Value::Object(map) => drop(map.insert(key.to_owned(), value.clone())),
            other => panic!("{pointer}: {other}"),
        }
        std::fs::write(dir.path().join("model.json"), serde_json::to_vec(&item).unwrap()).unwrap();
        let error = Model::load(dir.path()).expect_err(&format!("{pointer} = {value}"));
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains(message), "{pointer} = {value}: {error}");
    }
}

#[test]
fn other_spellings_of_the_extension_are_read() {
    let dir = folder();
    let mut item = good(dir.path()).manifest.to_item().unwrap();
    let input = &mut item["properties"]["mlm:input"][0];
    input["input"]["dim_order"][1] = json!("channel");
    input["bands"][0] = json!({"name": "B04"});
    input["value_scaling"] = json!([{"type": "z-score", "mean": 0.5, "stddev": 0.25}]);
    let manifest = Manifest::parse(&serde_json::to_vec(&item).unwrap()).unwrap();
    assert_eq!(manifest.bands[0].name, "B04");
    assert!(manifest.bands.iter().all(|band| band.mean == 0.5 && band.standard_deviation == 0.25));
}

#[test]
fn pointer_files_and_web_pages_are_called_by_name() {
    for (text, hint) in [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        ("<!DOCTYPE html>\n<html><body>Not Found</body></html>", "web page"),
    ] {
        for name in ["model.onnx", "golden.safetensors", "model.json"] {
            let dir = folder();
            good(dir.path());
            std::fs::write(dir.path().join(name), text).unwrap();
            let error = Model::load(dir.path()).unwrap_err();
            assert_eq!(error.kind(), Kind::Refused);
            assert!(error.to_string().contains(hint) && error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn fifo_in_place_of_a_file_is_refused_at_once() {
    let dir = folder();
    good(dir.path());
    let path = dir.path().join("golden.safetensors");
    std::fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let error = Model::load(dir.path()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn golden_batch_of_another_shape_or_with_nan_is_refused() {
    let mut short = linear_golden();
    short.output = short.output.slice(ndarray::s![..1, ..]).to_owned().into_dyn();
    let mut nan = linear_golden();
    nan.input[[0, 0, 0, 0]] = f32::NAN;
    for golden in [short, nan] {
        let dir = folder();
        let error = write_folder_with(dir.path(), &manifest(), &encode(linear_graph()), &golden).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("golden"), "{error}");
    }
}

#[test]
fn profile_and_examples_are_sealed_and_a_lost_example_is_no_obstacle() {
    let dir = folder();
    std::fs::create_dir_all(dir.path().join("examples")).unwrap();
    std::fs::write(dir.path().join("examples/a.tif"), b"II*\0").unwrap();
    std::fs::write(dir.path().join("profile.json"), br#"{"groups":[{"group":"summer-clear","threshold":0.25}]}"#)
        .unwrap();
    let model = good(dir.path());
    let keys: Vec<&str> = model.manifest.assets.iter().map(|asset| asset.key.as_str()).collect();
    assert_eq!(keys, ["card", "example-a.tif", "golden", "model", "profile"]);
    let facts = describe(&model);
    assert_eq!(facts["profile"]["thresholds"]["summer-clear"], json!(0.25));
    assert_eq!(facts["operators"]["Gemm"], json!(1));
    assert_eq!(facts["bands"][0]["name"], json!("B04"));
    std::fs::remove_file(dir.path().join("examples/a.tif")).unwrap();
    Model::load(dir.path()).unwrap();
    std::fs::remove_file(dir.path().join("profile.json")).unwrap();
    assert!(Model::load(dir.path()).unwrap_err().to_string().contains("profile.json"));
}

#[test]
fn the_script_that_makes_folders_refuses_in_one_line_what_could_not_run() {
    let Some(python) = common::python() else { return common::skip_or_fail("Python with onnxruntime") };
    let dir = folder();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/model_folder.py");
    let bands: Vec<Value> =
        folders::BANDS.iter().map(|name| json!({"name": name, "mean": 0.1, "stddev": 0.05})).collect();
    let about = json!({"name": "made", "bands": bands, "classes": ["other", "construction"], "head": "binary"});
    let make = |graph: &tract_onnx::pb::GraphProto, about: &Value| {
        std::fs::write(dir.path().join("model.onnx"), encode(graph.clone())).unwrap();
        std::fs::write(dir.path().join("about.json"), about.to_string()).unwrap();
        let mut command = std::process::Command::new(&python);
        command.current_dir(dir.path()).arg(&script).args(["model.onnx", "about.json", "made"]).output().unwrap()
    };
    let with = |change: &dyn Fn(&mut tract_onnx::pb::GraphProto)| {
        let mut graph = linear_graph();
        change(&mut graph);
        graph
    };
    let flat = with(&|graph| graph.initializer[1] = folders::tensor("fc.bias", &[1], &[f32::NAN]));
    let stuck = with(&|graph| graph.input = vec![folders::value("input", &[1, 4, 8, 8])]);
    let dangling = with(&|graph| graph.node[0].input[0] = "nowhere".into());
    let custom = with(&|graph| graph.node[0].op_type = "Frobnicate".into());
    let two = with(&|graph| {
        graph.initializer =
            vec![folders::tensor("fc.weight", &[2, 4], &[0.5; 8]), folders::tensor("fc.bias", &[2], &[0.5; 2])];
        graph.output = vec![folders::value("logits", &[-1, 2])];
    });
    let multiclass = json!({"name": "made", "bands": bands, "classes": ["a", "b", "c"], "head": "multiclass"});
    let mut level = about.clone();
    level["bands"][2]["stddev"] = json!(0);
    let cases = [
        (flat, about.clone(), "not finite"),
        (stuck, about.clone(), "batch is fixed at 1"),
        (dangling, about.clone(), "nowhere"),
        (two, about.clone(), "needs an output of [4, 1], not [4, 2]"),
        (custom, about.clone(), "Frobnicate"),
        (linear_graph(), multiclass, "needs an output of [4, 3], not [4, 1]"),
        (linear_graph(), level, "band B02: stddev is 0"),
        (linear_graph(), json!({"name": "made"}), "no bands, classes, head"),
    ];
    for (graph, about, words) in cases {
        let output = make(&graph, &about);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{words}: {said}");
        assert!(said.starts_with("refused: ") && said.trim_end().lines().count() == 1, "{said}");
        assert!(!dir.path().join("made").exists(), "{words}: something was written");
    }
    let output = make(&linear_graph(), &about);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Model::load(&dir.path().join("made")).unwrap();
}
