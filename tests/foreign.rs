//! Other people's models: ONNX files with the metadata of GeoDeep and Deepness, and STAC-MLM items, against what numpy and
//! onnxruntime make of the same files by their preprocessing (tests/make_foreign.py).

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use s2infer::raster::{Planes, Raster, ReadOptions, Window};
use serde_json::Value;

const SCENE_PX: u32 = 128;
const SAID: [&str; 6] = ["--model-bands", "B04,B03,B02", "--model-scale", "dn/65535", "--model-level", "L2A"];

/// The folder of generated files; `None` (and a skip) without Python.
fn files() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/make_foreign.py");
        let output = Command::new(common::python()?).arg(script).arg(folder.path()).output().unwrap();
        if String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError") {
            return None;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(folder)
    });
    if folder.is_none() {
        common::skip_or_fail("Python with numpy, onnx, onnxruntime and rasterio");
    }
    folder.as_ref().map(tempfile::TempDir::path)
}

fn engines() -> Vec<&'static str> {
    if common::ort_library().is_some() {
        return vec!["tract", "ort"];
    }
    common::skip_or_fail("the ONNX Runtime library");
    vec!["tract"]
}

fn command(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(arguments);
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    command.output().unwrap()
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = command(folder, arguments);
    let [out, log] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{arguments:?}: {log}");
    (out, log)
}

/// The message of a run that fails: one line that holds every one of `needles`.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], code: i32, needles: &[&str]) -> String {
    let output = command(folder, arguments);
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {log}");
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("s2infer: ")).collect();
    let [line] = lines[..] else { panic!("{arguments:?}: {log}") };
    needles.iter().for_each(|needle| assert!(line.contains(needle), "{arguments:?}: {line:?} lacks {needle:?}"));
    line.to_owned()
}

fn pixels(path: &Path) -> Vec<u8> {
    let map = Raster::open(path, &ReadOptions::default()).unwrap();
    let mut planes = Planes::new();
    map.read(Window { x: 0, y: 0, width: SCENE_PX, height: SCENE_PX }, &[0], &mut planes).unwrap();
    planes.bytes
}

fn only_file(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

/// Runs a segmentation model and compares its maps with those expected under `name`.
#[track_caller]
fn assert_maps(files: &Path, name: &str, engine: &str, arguments: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let folder = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let (masks, scores) = (folder("masks"), folder("scores"));
    let common = ["--engine", engine, "--overlap", "0", "--masks", &masks, "--score-maps", &scores];
    run(files, &[arguments, &common].concat());
    let expected = |kind: &str| std::fs::read(files.join(format!("{name}.{kind}.bin"))).unwrap();
    let (classes, percent) = (expected("classes"), expected("percent"));
    let (found, shares) = (pixels(&only_file(Path::new(&masks))), pixels(&only_file(Path::new(&scores))));
    for pixel in (0..classes.len()).filter(|&pixel| classes[pixel] != 254) {
        assert_eq!(found[pixel], classes[pixel], "{name} on {engine}: class of pixel {pixel}");
        if classes[pixel] != 255 {
            assert!(shares[pixel].abs_diff(percent[pixel]) <= 1, "{name} on {engine}: percent of pixel {pixel}");
        }
    }
}

#[test]
fn maps_are_those_of_the_makers_preprocessing_on_onnxruntime() {
    let Some(files) = files() else { return };
    let rgb = ["--model-bands", "B04,B03,B02", "--model-level", "L2A", "--model-scale"];
    for engine in engines() {
        let cases: [(&str, &str, &str, &str, &[&str]); 7] = [
            // One sigmoid, one row at a time, mean and deviation of samples / 255.
            ("roads", "picture.tif", "roads.onnx", "0-1:0.3", &[]),
            ("reflectance", "scene.tif", "roads.onnx", "0-1:0.3", &[]),
            // The file's own names find its bands.
            ("reflectance", "shuffled.tif", "roads.onnx", "0-1:0.3", &[]),
            ("sixteen", "scene.tif", "sixteen.onnx", "dn/255", &[]),
            ("geodeep", "scene.tif", "geodeep.onnx", "dn/65535", &[]),
            ("by-hand", "scene.tif", "by-hand.onnx", "dn/65535", &["--model-output", "probabilities"]),
            ("one-by-hand", "scene.tif", "one-by-hand.onnx", "dn/65535", &["--model-output", "probabilities"]),
        ];
        for (name, scene, model, scale, further) in cases {
            assert_maps(files, name, engine, &[&[scene, "--model", model], &rgb[..], &[scale], further].concat());
        }
    }
}

#[test]
fn what_is_open_is_asked_for_at_once_and_the_example_runs() {
    let Some(files) = files() else { return };
    let asked = ["--model-bands", "--model-scale", "--model-level"];
    let message = refused(files, &["scene.tif", "--model", "roads.onnx"], 2, &asked);
    let example = message.split('`').nth(1).unwrap();
    let words: Vec<&str> = example.split(' ').collect();
    assert_eq!(words[..4], ["s2infer", "scene.tif", "--model", "roads.onnx"], "{example}");
    run(files, &words[1..]);
    // What was said already stands in the example.
    let said = ["scene.tif", "--model", "roads.onnx", "--model-bands", "B02,B03,B04"];
    let message = refused(files, &said, 2, &["--model-bands B02,B03,B04 --model-scale"]);
    assert!(!message.contains("order of its bands"), "{message}");
    // Without any metadata everything is open.
    let all = ["--model-task", "--model-tile", "--model-classes", "--model-bands", "--model-scale", "--model-level"];
    refused(files, &["scene.tif", "--model", "open.onnx"], 2, &all);
    let said = ["--model-task", "segmentation", "--model-tile", "32", "--model-classes", "a,b,c"];
    run(files, &[&["scene.tif", "--model", "open.onnx"], &said[..], &SAID].concat());
    refused(
        files,
        &[&["scene.tif", "--model", "by-hand.onnx"], &SAID[..]].concat(),
        2,
        &["--model-output", "ends in Div"],
    );
}

#[test]
fn a_run_says_that_the_model_is_unsealed_and_what_was_understood() {
    let Some(files) = files() else { return };
    let out = tempfile::tempdir().unwrap();
    let record = out.path().join("run.json");
    let model = ["--model-bands", "B04,B03,B02", "--model-scale", "0-1:0.3", "--model-level", "unknown"];
    let arguments =
        [&["scene.tif", "--model", "roads.onnx", "--record", record.to_str().unwrap()], &model[..]].concat();
    let (_, log) = run(files, &arguments);
    for needle in
        ["unsealed", "Sigmoid", "not_road, road", "from 0.3 on", "overlap by 16 px", "seg_small_segment", "10 m"]
    {
        assert!(log.contains(needle), "{log} lacks {needle}");
    }
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!(record["model_sealed"], false);
    assert!(record["warnings"].to_string().contains("unsealed"), "{record}");
    let facts = |arguments: &[&str]| -> Value {
        serde_json::from_str(&run(files, &[&["inspect", "roads.onnx", "--format", "json"], arguments].concat()).0)
            .unwrap()
    };
    let known = facts(&model);
    assert_eq!(known["sealed"], false);
    assert_eq!(known["pixel_threshold"], 0.3);
    assert_eq!(known["resolution_m"], 10.0);
    assert_eq!(known["golden"], Value::Null);
    let open = facts(&[]);
    assert_eq!(open["metadata"]["model_type"], "\"Segmentor\"");
    assert!(open["open"].as_str().unwrap().contains("--model-scale"), "{open}");
}

#[test]
fn another_pixel_size_is_refused_until_somebody_decides() {
    let Some(files) = files() else { return };
    let fine =
        |further: &[&str]| command(files, &[&["fine.tif", "--model", "geodeep.onnx"], &SAID[..], further].concat());
    let output = fine(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("its pixels are 0.50 m") && text.contains("made for 10 m"), "{text}");
    assert_eq!(fine(&["--model-resolution", "0.5"]).status.code(), Some(0));
    let coarse = [&["scene.tif", "--model", "geodeep.onnx", "--model-resolution", "0.2"], &SAID[..]].concat();
    assert_eq!(command(files, &coarse).status.code(), Some(1));
    let (_, log) = run(files, &[&coarse[..], &["--resolution", "10"]].concat());
    assert!(log.contains("resolution"), "{log}");
}

#[test]
fn an_item_gives_the_scores_of_its_own_scaling_and_asks_what_its_numbers_are() {
    let Some(files) = files() else { return };
    let answers: Value = serde_json::from_slice(&std::fs::read(files.join("answers.json")).unwrap()).unwrap();
    let level = ["--model-level", "L1C"];
    let item = [&["four.tif", "--model", "eurosat.json", "--format", "ndjson"], &level[..]].concat();
    // The well-known trap: z-scores of DN, which nothing says.
    refused(files, &item, 2, &["2296.8", "no reflectance", "dn+1000", "--model-scale dn"]);
    let wrong = [&item[..], &["--model-scale", "reflectance"]].concat();
    refused(files, &wrong, 2, &["--model-scale reflectance", "1354.4", "no images have"]);
    for engine in engines() {
        let (text, _) = run(files, &[&item[..], &["--model-scale", "dn", "--engine", engine]].concat());
        let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        for (class, score) in ["Annual_Crop", "Forest", "SeaLake"].iter().zip(answers["scores"].as_array().unwrap()) {
            let (found, expected) = (row["scores"][*class].as_f64().unwrap(), score.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-4, "{engine}: {class} {found}, expected {expected}");
        }
        let binary =
            ["four.tif", "--model", "binary.onnx", "--model-bands", "B04,B03,B02,B08", "--model-scale", "reflectance"];
        let threshold = ["--threshold", "0.5", "--format", "ndjson", "--engine", engine];
        let (text, _) = run(files, &[&binary[..], &level, &threshold].concat());
        let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let (found, expected) = (row["score"].as_f64().unwrap(), answers["ship"].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-5, "{engine}: {found}, expected {expected}");
    }
    refused(
        files,
        &[
            "four.tif",
            "--model",
            "binary.onnx",
            "--model-bands",
            "B04,B03,B02,B08",
            "--model-scale",
            "reflectance",
            "--model-level",
            "L1C",
        ],
        4,
        &["--threshold SCORE"],
    );
}

#[test]
fn an_item_that_says_what_is_not_done_is_refused_by_the_field() {
    let Some(files) = files() else { return };
    let original: Value = serde_json::from_slice(&std::fs::read(files.join("eurosat.json")).unwrap()).unwrap();
    let changes: [(&str, Value, i32, &[&str]); 12] = [
        (
            "/assets/model/href",
            "https://example.com/m/model.onnx".into(),
            4,
            &["nothing is fetched", "download model.onnx"],
        ),
        ("/assets/model/href", "../eurosat.onnx".into(), 4, &["beside the item"]),
        ("/assets/model/file:checksum", format!("1220{}", "0".repeat(64)).into(), 4, &["SHA-256", "download it again"]),
        ("/assets/model/file:checksum", "d50110aa".into(), 4, &["file:checksum"]),
        ("/assets/model/roles", serde_json::json!(["data"]), 4, &["mlm:model"]),
        (
            "/properties/mlm:input/0/pre_processing_function",
            serde_json::json!({"format": "python", "expression": "a.b"}),
            4,
            &["pre_processing_function", "a.b"],
        ),
        ("/properties/mlm:input/0/resize_type", "interpolation-linear".into(), 4, &["resize_type"]),
        ("/properties/mlm:input/0/value_scaling/0/type", "processing".into(), 4, &["value_scaling", "z-score"]),
        (
            "/properties/mlm:input/0/value_scaling/0",
            serde_json::json!({"type": "scale", "value": 0.0001}),
            4,
            &["divides"],
        ),
        ("/properties/mlm:input/0/bands", serde_json::json!(["B04", "B03"]), 2, &["2 bands", "4 channels"]),
        ("/properties/mlm:output/0/tasks", serde_json::json!(["regression"]), 4, &["tasks", "regression"]),
        ("/properties/mlm:output/0/classification:classes/0/value", 7.into(), 4, &["classification:classes"]),
    ];
    for (place, value, code, needles) in changes {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(files.join("eurosat.onnx"), folder.path().join("eurosat.onnx")).unwrap();
        std::fs::copy(files.join("four.tif"), folder.path().join("four.tif")).unwrap();
        let mut item = original.clone();
        *item.pointer_mut(place).unwrap() = value;
        std::fs::write(folder.path().join("item.json"), item.to_string()).unwrap();
        let arguments = ["four.tif", "--model", "item.json", "--model-scale", "dn", "--model-level", "L1C"];
        refused(folder.path(), &arguments, code, needles);
    }
    // The other ways of scaling, each the same numbers: x / 1, and the range 0 to 1 of x.
    let folder = tempfile::tempdir().unwrap();
    for name in ["eurosat.onnx", "four.tif"] {
        std::fs::copy(files.join(name), folder.path().join(name)).unwrap();
    }
    let scores = |scaling: Value, scale: &str| {
        let mut item = original.clone();
        *item.pointer_mut("/properties/mlm:input/0/value_scaling").unwrap() = scaling;
        std::fs::write(folder.path().join("item.json"), item.to_string()).unwrap();
        // A folder with one item is as good as the item.
        let arguments =
            ["four.tif", "--model", ".", "--model-scale", scale, "--model-level", "L1C", "--format", "ndjson"];
        let row: Value = serde_json::from_str(run(folder.path(), &arguments).0.lines().next().unwrap()).unwrap();
        row["scores"]["Forest"].as_f64().unwrap()
    };
    let plain = scores(Value::Null, "reflectance");
    let others = [
        (serde_json::json!([{"type": "scale", "value": 10000}]), "dn"),
        (serde_json::json!([{"type": "min-max", "minimum": 0, "maximum": 10000}]), "dn"),
        (serde_json::json!([{"type": "min-max", "minimum": 1000, "maximum": 11000}]), "dn+1000"),
        (serde_json::json!([{"type": "clip", "minimum": 0, "maximum": 1}]), "reflectance"),
        (serde_json::json!([null, null, null, null]), "reflectance"),
    ];
    for (scaling, scale) in others {
        assert!((scores(scaling.clone(), scale) - plain).abs() < 1e-5, "{scaling} on {scale}");
    }
    let moved = scores(serde_json::json!([{"type": "offset", "value": 0.5}]), "reflectance");
    assert!((moved - plain).abs() > 1e-3, "an offset does something");
}

#[test]
fn what_is_not_run_is_refused_in_one_line() {
    let Some(files) = files() else { return };
    let cases: [(&str, i32, &[&str]); 13] = [
        ("cars.onnx", 4, &["Detector", "s2infer runs Segmentor models and classifiers"]),
        ("boxes.onnx", 4, &["output is [?, 3, 4096]", "[batch, classes, height, width]"]),
        ("four-rows.onnx", 4, &["[4, 3, 64, 64]", "free batch"]),
        ("bytes.onnx", 4, &["uint8", "expected float"]),
        ("last.onnx", 4, &["bands last", "--inputs-as-nchw"]),
        ("labels.onnx", 4, &["a sigmoid of its own"]),
        ("wrong-axis.onnx", 4, &["soft-max is over axis 3"]),
        ("third.onnx", 2, &["seg_thresh 0.4 for 3 classes", "--model-threshold"]),
        ("mean-alone.onnx", 4, &["only one of standardization_mean"]),
        ("two-sizes.onnx", 4, &["tile_size is 32, tiles_size 64"]),
        ("text.onnx", 4, &["seg_thresh is \"high\"", "a number"]),
        ("outside.onnx", 4, &["outside the file"]),
        ("branches.onnx", 4, &["If", "not on the list"]),
    ];
    for (model, code, needles) in cases {
        let output = if model == "branches.onnx" { &["--model-output", "logits"][..] } else { &[] };
        refused(files, &[&["scene.tif", "--model", model], &SAID[..], output].concat(), code, needles);
    }
    let logits = [&["scene.tif", "--model", "logits.onnx"], &SAID[..]].concat();
    let contradictions: [(&[&str], &[&str]); 6] = [
        (&["--model-output", "probabilities"], &["--model-output contradicts", "Conv"]),
        (&["--model-tile", "32"], &["--model-tile 32", "64 px"]),
        (&["--model-classes", "a,b"], &["2 class names", "3 channels"]),
        (&["--model-classes", "a,a,b"], &["listed twice"]),
        (&["--threshold", "0.5"], &["most likely class"]),
        (&["--profile", "four.tif"], &[]),
    ];
    for (further, needles) in contradictions {
        let arguments = [&logits[..], further].concat();
        let output = command(files, &arguments);
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(2 | 4)), "{arguments:?}: {log}");
        needles.iter().for_each(|needle| assert!(log.contains(needle), "{log} lacks {needle:?}"));
    }
    let bands = [
        "scene.tif",
        "--model",
        "logits.onnx",
        "--model-bands",
        "B04,B03",
        "--model-scale",
        "dn",
        "--model-level",
        "L2A",
    ];
    refused(files, &bands, 2, &["2 bands", "3 channels"]);
    let views = [&["scene.tif", "--model", "roads.onnx", "--tta", "flips"], &SAID[..]].concat();
    let views: Vec<&str> = views.into_iter().map(|word| if word == SAID[3] { "0-1:0.3" } else { word }).collect();
    refused(files, &views, 2, &["--tta", "one row at a time"]);
    refused(files, &["scene.tif", "--model-level", "L2A"], 2, &["construction", "drop these flags"]);
    refused(
        files,
        &["calibrate", "--manifest", "x.csv", "--model", "roads.onnx", "--out", "p.json"],
        2,
        &["s2infer seal"],
    );
}

#[test]
fn a_sealed_folder_is_a_model_like_all_others() {
    let Some(files) = files() else { return };
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("geodeep");
    let folder = folder.to_str().unwrap();
    run(files, &[&["seal", "geodeep.onnx", "--out", folder], &SAID[..]].concat());
    for engine in engines() {
        assert_maps(files, "geodeep", engine, &["scene.tif", "--model", folder]);
    }
    let (_, log) = run(files, &["scene.tif", "--model", folder]);
    assert!(!log.contains("unsealed"), "{log}");
    let facts: Value = serde_json::from_str(&run(files, &["inspect", folder, "--format", "json"]).0).unwrap();
    assert_eq!((&facts["sealed"], &facts["golden"]["windows"]), (&true.into(), &2.into()));
    assert_eq!(facts["resolution_m"], 10.0);
    let again = [&["seal", "geodeep.onnx", "--out", folder], &SAID[..]].concat();
    refused(files, &again, 2, &["is there already"]);
    let single = out.path().join("roads");
    let scale = ["--model-bands", "B04,B03,B02", "--model-scale", "0-1:0.3", "--model-level", "L2A", "--out"];
    // Convolutions do not mind a second row, whatever the file says of its batch.
    run(files, &[&["seal", "roads.onnx"], &scale[..], &[single.to_str().unwrap()]].concat());
    assert_maps(files, "roads", "tract", &["picture.tif", "--model", single.to_str().unwrap()]);
}

#[test]
fn a_model_that_computes_otherwise_in_a_full_batch_is_not_sealed() {
    let Some(files) = files() else { return };
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("crowded");
    let arguments = [&["seal", "crowded.onnx", "--out", folder.to_str().unwrap()], &SAID[..]].concat();
    refused(files, &arguments, 4, &["in a batch of 32 rows", "row by row", "--engine"]);
    assert!(!folder.exists());
}
