//! The trainer from labelled patches to a model folder, through its binary.

mod common;
#[path = "common/tiles.rs"]
mod tiles;
#[path = "common/trainer.rs"]
mod trainer;

use std::path::{Path, PathBuf};
use std::process::Command;

use s2infer::decide::Profile;
use s2infer::model::Model;
use s2infer::train::evaluate::logits;
use s2infer::train::fit::{Machine, finished};
use s2infer::train::forward::Precision;
use s2infer::train::patches::{self, Patch, Split};
use s2infer::train::samples::{Samples, Scaling};
use tch::Device;
use trainer::{compare, kill_after_the_first_epoch, s2train, succeed};

const SIDE: u32 = 32;

/// 100 patches of three bands: positives hold a bright square on dark, textured ground. The last 40 calibrate.
fn patches(folder: &Path) -> PathBuf {
    let rows: Vec<Patch> = (0..100)
        .map(|index| {
            let label = u8::from(index % 3 == 0);
            let name = format!("patch-{index}.tif");
            tiles::write_u16(&folder.join(&name), 3, SIDE, |band, row, column| {
                let corner = 4 + index % 16;
                let square = (corner..corner + 8).contains(&row) && (corner..corner + 8).contains(&column);
                let texture = (row * 31 + column * 17 + index * 7) % 97;
                let ground = 600 + 100 * band as u32 + 4 * texture;
                (if label == 1 && square { 2400 } else { ground }) as u16
            });
            let split = match index {
                0..42 => Split::Train,
                42..60 => Split::Select,
                _ => Split::Calibration,
            };
            let (season, cloud) = match split {
                Split::Calibration => (Some("summer".into()), Some("5".into())),
                _ => (None, None),
            };
            let (site, path) = (format!("site-{}", index / 5), name.into());
            let (longitude, latitude) = (10.0, 50.0);
            Patch { path, label, split, site, longitude, latitude, season, cloud, ..Patch::default() }
        })
        .collect();
    let manifest = folder.join("patches.csv");
    patches::write(&manifest, &rows).unwrap();
    manifest
}

fn train(manifest: &Path, checkpoints: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = s2train(&["train", "--name", "square", "--precision", "fp32"]);
    if !more.contains(&"--classes") {
        command.args(["--classes", "nothing,square"]);
    }
    command.arg("--patches").arg(manifest).arg("--checkpoints").arg(checkpoints).arg("--out").arg(out);
    command.args(["--tile-px", "32", "--batch", "16", "--clip", "0,0.275", "--tta", "none"]).args(more);
    command
}

/// Logits that libtorch computes for the golden batch: the first two patches of each class of `select`.
fn torch_logits(manifest: &Path, checkpoints: &Path, model: &Model) -> Vec<f32> {
    let rows = patches::read(manifest).unwrap();
    let of = |label| rows.iter().filter(move |p| p.split == Split::Select && p.label == label).take(2);
    let golden: Vec<&Patch> = (0..model.manifest.classes.len() as u8).flat_map(of).collect();
    let samples = Samples::read(manifest.parent().unwrap(), &golden, &model.manifest).unwrap();
    let fitted = finished(checkpoints, Device::Cpu).unwrap();
    let machine = Machine { precision: Precision::Fp32, device: Device::Cpu };
    logits(&fitted.parameters, &samples, &Scaling::of(&model.manifest), machine)
}

#[test]
fn every_network_is_exported_as_what_libtorch_computes() {
    let Some(python) = common::python() else {
        return common::skip_or_fail("Python with onnx, onnxruntime and numpy");
    };
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let networks = [
        ("small-stem", "--network resnet18 --width 8 --stem 2 --pooling gem --refit 60"),
        ("full-resolution", "--network resnet18 --width 8 --stem 1 --group-dro 0.1 --loss logit-adjusted"),
        ("resnet50", "--network resnet50 --width 8 --loss focal"),
        ("convnext", "--network convnext-atto --width 8 --stem 2 --ema 0"),
        ("three-classes", "--width 8 --classes nothing,square,never --loss focal --label-smoothing 0.1"),
    ];
    for (name, flags) in networks {
        let (checkpoints, out) = (folder.path().join(format!("{name}-checkpoints")), folder.path().join(name));
        let flags: Vec<&str> = flags.split(' ').chain(["--epochs", "1", "--weights", "fp32"]).collect();
        succeed(train(&manifest, &checkpoints, &out, &flags).output().unwrap());
        let model = Model::load(&out).unwrap();
        compare(&python, &out, &torch_logits(&manifest, &checkpoints, &model), "1e-4");
    }
}

#[test]
fn trained_folder_loads_and_its_onnx_computes_what_libtorch_does() {
    let Some(python) = common::python() else {
        return common::skip_or_fail("Python with onnx, onnxruntime and numpy");
    };
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let (checkpoints, out) = (folder.path().join("checkpoints"), folder.path().join("square"));
    succeed(train(&manifest, &checkpoints, &out, &["--epochs", "2", "--weights", "fp32"]).output().unwrap());
    let model = Model::load(&out).unwrap();
    assert_eq!(model.manifest.classes, ["nothing", "square"]);
    assert_eq!(model.manifest.about.total_parameters, Some(11_177_025));
    assert!(model.manifest.bands.iter().all(|band| (0.05..0.15).contains(&band.mean)), "{:?}", model.manifest.bands);
    let logits = torch_logits(&manifest, &checkpoints, &model);
    compare(&python, &out, &logits, "1e-5");
    let profile = Profile::parse(model.profile.as_deref().unwrap(), "profile.json").unwrap();
    let group = profile.group("summer-clear").unwrap();
    // 14 positives at 90 %: the lowest score is the threshold.
    assert_eq!((group.n_positives, group.rank, group.feasible), (14, Some(1), true));
    let scores = std::fs::read_to_string(folder.path().join("square-calibration/scores.csv")).unwrap();
    let positives = scores.lines().skip(1).filter(|line| line.contains(",1,"));
    let lowest = positives.map(|line| line.split(',').nth(2).unwrap().parse::<f32>().unwrap()).fold(1.0, f32::min);
    assert_eq!(lowest, group.threshold as f32);
    let mut export =
        s2train(&["export", "--name", "square", "--tile-px", "32", "--clip", "0,0.275", "--weights", "fp16"]);
    export.arg("--patches").arg(&manifest).arg("--checkpoints").arg(&checkpoints).arg("--out").arg(&out);
    succeed(export.output().unwrap());
    assert!(std::fs::metadata(out.join("model.onnx")).unwrap().len() < 23_000_000);
    Model::load(&out).unwrap();
    compare(&python, &out, &logits, "1e-2");
}

#[test]
fn training_that_was_killed_resumes_to_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let whole = (folder.path().join("whole"), folder.path().join("whole-model"));
    let broken = (folder.path().join("broken"), folder.path().join("broken-model"));
    succeed(train(&manifest, &whole.0, &whole.1, &["--width", "16", "--epochs", "3"]).output().unwrap());
    kill_after_the_first_epoch(train(&manifest, &broken.0, &broken.1, &["--width", "16", "--epochs", "3"]), &broken.0);
    succeed(train(&manifest, &broken.0, &broken.1, &["--width", "16", "--epochs", "3", "--resume"]).output().unwrap());
    let sha256 = |folder: &Path| Model::load(folder).unwrap().sha256;
    assert_eq!(sha256(&whole.1), sha256(&broken.1));
}

#[test]
fn another_recipe_does_not_go_on_from_these_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let (checkpoints, out) = (folder.path().join("checkpoints"), folder.path().join("square"));
    let small = ["--width", "8", "--epochs", "1"];
    succeed(train(&manifest, &checkpoints, &out, &small).output().unwrap());
    let lines = std::fs::read_to_string(checkpoints.join("metrics.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["recipe"]["epochs"], 1);
    assert_eq!(lines[1]["epoch"], 1);
    let output = train(&manifest, &checkpoints, &out, &["--width", "8", "--epochs", "2", "--resume"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--resume"));
}

#[test]
fn a_name_that_no_model_may_have_is_refused_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let checkpoints = folder.path().join("c");
    let mut command = s2train(&["train", "--name", "c3", "--classes", "nothing,square", "--tile-px", "32"]);
    command.arg("--patches").arg(&manifest).arg("--checkpoints").arg(&checkpoints).arg("--out");
    let output = command.arg(folder.path().join("m")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"c3\""));
    assert!(!checkpoints.exists());
}

#[test]
fn a_label_without_a_class_names_the_row() {
    let message = refused(|text| text.replace("patch-3.tif,1", "patch-3.tif,2"), &[]);
    assert!(message.contains("patch-3.tif: label 2"), "{message}");
}

#[test]
fn rendered_tiles_are_the_same_for_the_same_seed_and_read_back_as_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let model = folder.path().join("square");
    let checkpoints = folder.path().join("checkpoints");
    succeed(train(&manifest, &checkpoints, &model, &["--epochs", "1"]).output().unwrap());
    let render = |name: &str, seed: &str| -> PathBuf {
        let out = folder.path().join(name);
        let mut command = s2train(&["render", "--split", "select", "--seed", seed]);
        command.arg("--patches").arg(&manifest).arg("--model").arg(&model).arg("--out").arg(&out);
        succeed(command.output().unwrap());
        out
    };
    let (first, again, other) = (render("first", "1"), render("again", "1"), render("other", "2"));
    let rows = patches::read(&first.join("tiles.csv")).unwrap();
    assert_eq!(rows.len(), 18 * 4);
    let read = |folder: &Path, tile: &Path| std::fs::read(folder.join(tile)).ok();
    for row in &rows {
        assert_eq!(read(&first, &row.path), read(&again, &row.path), "{:?}", row.path);
        if row.season.as_deref() == Some("winter") || row.cloud.as_deref() == Some("cloudy") {
            assert_ne!(read(&first, &row.path), read(&other, &row.path), "{:?}", row.path);
        }
    }
    let manifest = Model::load(&model).unwrap().manifest;
    for row in &rows {
        let scene = s2infer::scene::Scene::open(&first.join(&row.path), &manifest, &Default::default()).unwrap();
        assert_eq!((scene.bands.source.as_str(), &scene.bands.indices[..]), ("descriptions", &[0, 1, 2][..]));
        assert_eq!(scene.geo().unwrap().epsg, Some(32632));
        assert_eq!(scene.radiometry.source, "file");
        assert_eq!(scene.date.map(|date| date.to_string()), row.date);
        assert_eq!(scene.cloud_cover_percent, row.cloud_cover);
        let (longitude, latitude) = scene.longitude_latitude(scene.extent()).unwrap();
        assert!((longitude - 10.0).abs() < 1e-3 && (latitude - 50.0).abs() < 1e-3, "{longitude} {latitude}");
    }
}

#[test]
fn a_manifest_with_an_unreadable_patch_names_the_patch() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    std::fs::write(folder.path().join("patch-3.tif"), "not a tile").unwrap();
    let output = train(&manifest, &folder.path().join("c"), &folder.path().join("m"), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("patch-3.tif"));
}

#[test]
fn without_patches_that_choose_the_last_epoch_is_kept_and_another_training_starts_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let text = std::fs::read_to_string(&manifest).unwrap().replace(",select,", ",train,");
    std::fs::write(&manifest, text).unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let out = |name: &str| folder.path().join("models").join(name);
    succeed(train(&manifest, &first, &out("all"), &["--epochs", "2"]).output().unwrap());
    let fitted = finished(&first, Device::Cpu).unwrap();
    assert_eq!((fitted.best, fitted.progress.history.len()), (2, 2));
    Model::load(&out("all")).unwrap();

    // At a rate of nearly nothing, and with the running average off, the weights are those that it started from.
    let more = ["--epochs", "1", "--ema", "0", "--learning-rate", "1e-12", "--weight-decay", "0", "--pretrained"];
    let started = [&more[..], &[first.to_str().unwrap()]].concat();
    succeed(train(&manifest, &second, &out("on"), &started).output().unwrap());
    let [before, after] = [&first, &second].map(|from| finished(from, Device::Cpu).unwrap().parameters);
    let largest = |name: &str| (before.get(name) - after.get(name)).abs().max().double_value(&[]);
    assert!(largest("layer1.0.conv1.weight") < 1e-6 && largest("fc.weight") < 1e-6);

    let nothing = folder.path().join("nothing");
    let nothing = [&more[..], &[nothing.to_str().unwrap()]].concat();
    let refused = train(&manifest, &folder.path().join("third"), &out("no"), &nothing).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && message.contains("nothing"), "{message}");
}

#[test]
fn a_manifest_without_patches_to_train_on_is_refused() {
    let message = refused(|text| text.replace(",train,", ",select,"), &[]);
    assert!(message.contains("patches.csv") && message.contains("split `train`"), "{message}");
}

/// What `s2train train` says of a manifest changed by `change`, which it must refuse before it trains.
fn refused(change: impl Fn(String) -> String, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    std::fs::write(&manifest, change(std::fs::read_to_string(&manifest).unwrap())).unwrap();
    let (checkpoints, out) = (folder.path().join("checkpoints"), folder.path().join("out"));
    let refused = train(&manifest, &checkpoints, &out, more).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(!checkpoints.join("progress.json").exists());
    message
}

#[test]
fn patches_that_stand_twice_or_show_one_class_are_refused() {
    let message = refused(|text| text.replace("patch-50.tif", "patch-3.tif"), &[]);
    assert!(message.contains("patches.csv") && message.contains("patch-3.tif: stands twice"), "{message}");
    let of_split = |text: String, split: &str| {
        let line = |line: &str| match line.contains(&format!(",1,{split},")) {
            true => line.replace(",1,", ",0,"),
            false => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    assert!(refused(|text| of_split(text, "train"), &[]).contains("split `train`"));
    assert!(refused(|text| of_split(text, "select"), &[]).contains("split `select`"));
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    let unchanged = |text| text;
    for (flags, what) in [
        (["--width", "0"], "--width 0"),
        (["--threads", "0"], "--threads"),
        (["--label-smoothing", "1"], "--label-smoothing 1"),
        (["--group-dro", "inf"], "--group-dro inf"),
        (["--warmup", "20"], "--warmup 20"),
        (["--style", "1.5"], "--style 1.5"),
    ] {
        let message = refused(unchanged, &flags);
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn a_file_in_the_folders_place_is_found_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (checkpoints, out) in [(folder.path().join("c"), file.join("model")), (file.clone(), folder.path().join("m"))] {
        let refused = train(&manifest, &checkpoints, &out, &[]).output().unwrap();
        let message = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{message}");
        assert!(message.contains("file: is no folder"), "{message}");
    }
}

#[test]
fn a_model_is_called_as_its_folder_and_a_new_training_replaces_an_old_one_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = patches(folder.path());
    let (checkpoints, out) = (folder.path().join("c"), folder.path().join("squares-2"));
    let run = |epochs: &str| {
        let mut command =
            s2train(&["train", "--precision", "fp32", "--tile-px", "32", "--width", "8", "--batch", "16"]);
        command.args(["--classes", "nothing,square", "--epochs", epochs, "--patches"]).arg(&manifest);
        let ran = command.arg("--checkpoints").arg(&checkpoints).arg("--out").arg(&out).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{said}");
        said
    };
    run("2");
    assert_eq!(Model::load(&out).unwrap().manifest.name, "squares-2");
    assert!(run("1").contains("replaces a training of 2 epochs"));
    let left = std::fs::read_dir(&checkpoints).unwrap();
    let left: Vec<String> = left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.contains("-2.")), "{left:?}");
}
