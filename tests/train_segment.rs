//! The trainer of segmentation models from tiles and masks to a model folder, through its binary.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;
#[path = "common/trainer.rs"]
mod trainer;

use std::path::{Path, PathBuf};
use std::process::Command;

use s2infer::decide::Bounds;
use s2infer::labelled::{Labelled, Labels};
use s2infer::model::manifest::Head;
use s2infer::model::{Manifest, Model};
use s2infer::output::mask_path;
use s2infer::train::fit::{Machine, finished};
use s2infer::train::forward::Precision;
use s2infer::train::samples::Scaling;
use s2infer::train::segment::measures::{Pass, passes};
use s2infer::train::segment::tiles::{Tiles, sources};
use tch::{Device, Tensor};
use trainer::{compare, kill_after_the_first_epoch, s2train, succeed};

const SIDE: u32 = 32;
/// The third is nowhere.
const CLASSES: &str = "ground,square,never,stripe";

/// The class of a pixel of tile `index`: ground, a square of 12 pixels, and stripes in the lower third.
fn class(index: u32, row: u32, column: u32) -> u8 {
    let (top, left) = (1 + index % 7, 2 + index * 5 % 17);
    match (row, column) {
        (row, _) if row >= 24 => 3,
        (row, column) if (top..top + 12).contains(&row) && (left..left + 12).contains(&column) => 1,
        _ => 0,
    }
}

/// 24 tiles of four bands to train on and 8 to choose the epoch. Squares are bright; the ground is as bright as the
/// stripes on average, which only the neighbourhood tells apart.
fn write_tiles(folder: &Path) -> PathBuf {
    let mut manifest = String::from("path,mask,split,site,weight\n");
    for index in 0..32 {
        let sample = |band: usize, row: u32, column: u32| {
            let texture = (row * 31 + column * 17 + index * 7) % 97;
            let level = match class(index, row, column) {
                1 => 1100,
                3 if column.is_multiple_of(2) => 1000,
                3 => 600,
                _ => 800,
            };
            (level + 50 * band as u32 + texture) as u16
        };
        tiles::write_u16(&folder.join(format!("tile-{index}.tif")), 4, SIDE, sample);
        tiles::write_labels(&folder.join(format!("mask-{index}.tif")), SIDE, |row, column| class(index, row, column));
        let split = if index % 4 == 3 { "select" } else { "train" };
        manifest += &format!("tile-{index}.tif,mask-{index}.tif,{split},site-{index},{}\n", 1 + index % 2);
    }
    let path = folder.join("tiles.csv");
    std::fs::write(&path, manifest).unwrap();
    path
}

fn segment(manifest: &Path, name: &str, more: &[&str]) -> Command {
    segment_classes(CLASSES, manifest, name, more)
}

fn segment_classes(classes: &str, manifest: &Path, name: &str, more: &[&str]) -> Command {
    let folder = manifest.parent().unwrap();
    let mut command = s2train(&[
        "segment",
        "--name",
        "squares",
        "--classes",
        classes,
        "--bands",
        "B04,B03,B02,B08",
        "--tile-px",
        "32",
    ]);
    command.args(["--precision", "fp32", "--width", "8", "--depth", "2", "--batch", "6", "--learning-rate", "0.01"]);
    command.arg("--tiles").arg(manifest).arg("--checkpoints").arg(folder.join(format!("{name}-checkpoints")));
    command.arg("--out").arg(folder.join(name)).args(more);
    command
}

fn s2infer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.args(arguments);
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    command
}

/// Logits that libtorch computes for the golden batch, the first tile that chooses the epoch.
fn torch_logits(manifest: &Path, name: &str, model: &Model) -> Vec<f32> {
    let table = Labelled::read_maps(manifest, &Labels::of(&model.manifest.classes), &Bounds::default()).unwrap();
    let golden = &sources(&table, "select").unwrap()[..1];
    let tiles = Tiles::read(golden, &model.manifest, &[false; 4]).unwrap();
    let checkpoints = manifest.with_file_name(format!("{name}-checkpoints"));
    let fitted = finished(&checkpoints, Device::Cpu).unwrap();
    let machine = Machine { precision: Precision::Fp32, device: Device::Cpu };
    let mut logits = Vec::new();
    passes(&fitted.parameters, &tiles, &Scaling::of(&model.manifest), machine, &mut |pass: Pass| {
        logits.extend(Vec::<f32>::try_from(&pass.logits.flatten(0, -1)).unwrap());
    });
    logits
}

#[test]
fn what_was_trained_beats_the_commonest_class_on_every_engine_and_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_tiles(folder.path());
    let flags = "--epochs 10 --dice 0.3 --crop-px 16 --crops 4 --jitter 0.02,0.01,0.002 --weights fp32";
    let flags: Vec<&str> = flags.split(' ').collect();
    succeed(segment(&manifest, "squares", &flags).output().unwrap());
    let out = folder.path().join("squares");
    let model = Model::load(&out).unwrap();
    assert_eq!((model.manifest.head, model.manifest.tile_px, model.manifest.overlap_px), (Head::Segmentation, 32, 4));
    assert!(model.manifest.bands.iter().all(|band| band.training.is_some()));
    let common =
        (0..32u32).flat_map(|i| (0..1024u32).map(move |p| (i, p))).filter(|(i, p)| class(*i, p / 32, p % 32) == 0);
    let majority = common.count() as f64 / (32.0 * 1024.0);

    let evaluated = s2infer(&["evaluate", "--engine", "tract", "--split", "select", "--resamples", "100"])
        .arg("--manifest")
        .arg(&manifest)
        .arg("--model")
        .arg(&out)
        .args(["--require", &format!("accuracy>={}", majority + 0.2), "--require", "iou>=0.5 in square"])
        .arg("--out")
        .arg(folder.path().join("report"))
        .output();
    succeed(evaluated.unwrap());

    if common::ort_library().is_none() {
        return common::skip_or_fail("the ONNX Runtime library");
    }
    let tile = folder.path().join("tile-3.tif");
    let masks = ["tract", "ort"].map(|engine| {
        let masks = folder.path().join(engine);
        let mut command = s2infer(&["--engine", engine, "--model"]);
        command.arg(&out).arg(&tile).arg("--masks").arg(&masks).arg("-o").arg(folder.path().join("rows.csv"));
        succeed(command.output().unwrap());
        std::fs::read(mask_path(&masks, &tile.to_string_lossy())).unwrap()
    });
    assert_eq!(masks[0], masks[1]);

    let Some(python) = common::python() else {
        return common::skip_or_fail("Python with onnx, onnxruntime and numpy");
    };
    compare(&python, &out, &torch_logits(&manifest, "squares", &model), "1e-4");
}

#[test]
fn a_training_that_was_killed_resumes_to_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_tiles(folder.path());
    let flags = ["--epochs", "3", "--choose", "kl", "--class-weights", "sqrt", "--label-smoothing", "0.1"];
    succeed(segment(&manifest, "whole", &flags).output().unwrap());
    kill_after_the_first_epoch(segment(&manifest, "broken", &flags), &folder.path().join("broken-checkpoints"));
    succeed(segment(&manifest, "broken", &[&flags[..], &["--resume"]].concat()).output().unwrap());
    let [whole, broken] = ["whole", "broken"].map(|name| Model::load(&folder.path().join(name)).unwrap());
    assert_eq!(whole.sha256, broken.sha256);
    assert_eq!(whole.manifest.temperature, broken.manifest.temperature);
    let other = segment(&manifest, "broken", &[&flags[..], &["--resume", "--crops", "2"]].concat()).output().unwrap();
    let message = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.code() == Some(2) && message.contains("--resume"), "{message}");
}

/// Labelled pixels of the first tile that trains, with these classes ignored.
fn labels(manifest: &Path, ignored: [bool; 4]) -> Vec<u64> {
    let classes: Vec<String> = CLASSES.split(',').map(String::from).collect();
    let table = Labelled::read_maps(manifest, &Labels::of(&classes), &Bounds::default()).unwrap();
    let model = Manifest { tile_px: SIDE, ..model_folders::manifest() };
    Tiles::read(&sources(&table, "train").unwrap()[..1], &model, &ignored).unwrap().pixels(4)
}

#[test]
fn pixels_that_are_invalid_unlabelled_or_of_an_ignored_class_teach_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_tiles(folder.path());
    // DN 0 is no data.
    tiles::write_u16(&folder.path().join("tile-0.tif"), 4, SIDE, |_, row, _| if row < 4 { 0 } else { 900 });
    tiles::write_labels(&folder.path().join("mask-0.tif"), SIDE, |row, column| match (row, column) {
        (0..8, _) => 0,
        (_, 31) => 255,
        (8..16, _) => 1,
        _ => 3,
    });
    assert_eq!(labels(&manifest, [false; 4]), [4 * 31 + 4, 8 * 31, 0, 16 * 31]);
    assert_eq!(labels(&manifest, [false, true, false, false]), [4 * 31 + 4, 0, 0, 16 * 31]);
}

/// What `s2train segment` says of tiles changed by `change`, which it must refuse before it trains.
fn refused(change: impl Fn(&Path), more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_tiles(folder.path());
    change(folder.path());
    let refused = segment(&manifest, "none", more).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(matches!(refused.status.code(), Some(1 | 2)), "{message}");
    assert!(!folder.path().join("none-checkpoints/progress.json").exists() && !folder.path().join("none").exists());
    let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("s2train: ")).collect();
    let [error] = errors[..] else { panic!("{message}") };
    error.to_owned()
}

#[test]
fn masks_that_do_not_fit_are_refused_by_name() {
    let write = |class: fn(u32, u32) -> u8, side: u32| {
        move |folder: &Path| tiles::write_labels(&folder.join("mask-5.tif"), side, class)
    };
    let message = refused(write(|row, column| if (row, column) == (7, 20) { 9 } else { 0 }, SIDE), &[]);
    for part in ["mask-5.tif", "column 20, row 7", "class 9", "0 to 3"] {
        assert!(message.contains(part), "{message}");
    }
    let message = refused(write(|_, _| 0, 31), &[]);
    assert!(message.contains("mask-5.tif: 31×31 pixels, its tile has 32×32"), "{message}");
    let message = refused(|folder| std::fs::remove_file(folder.join("mask-7.tif")).unwrap(), &[]);
    assert!(message.contains("mask-7.tif"), "{message}");
    let message = refused(|folder| tiles::write_u16(&folder.join("mask-6.tif"), 1, SIDE, |_, _, _| 1), &[]);
    assert!(message.contains("mask-6.tif") && message.contains("uint8"), "{message}");
    let message = refused(|folder| tiles::write_u16(&folder.join("tile-6.tif"), 4, 16, |_, _, _| 900), &[]);
    assert!(message.contains("tile-6.tif: 16 × 16 pixels, but --tile-px is 32"), "{message}");
    let message = refused(|folder| tiles::write_u16(&folder.join("tile-6.tif"), 4, SIDE, |_, _, _| 30_000), &[]);
    assert!(message.contains("tile-6.tif") && message.contains("reflectance"), "{message}");
}

#[test]
fn tables_and_settings_that_mean_nothing_are_refused() {
    let rewrite = |change: fn(String) -> String| {
        move |folder: &Path| {
            let path = folder.join("tiles.csv");
            std::fs::write(&path, change(std::fs::read_to_string(&path).unwrap())).unwrap();
        }
    };
    let message = refused(rewrite(|text| text.replace("site-4,1", "site-4,-1")), &[]);
    assert!(message.contains("tiles.csv") && message.contains("tile-4.tif: its weight"), "{message}");
    let message = refused(rewrite(|text| text.replace("site-4,1", "site-4,much")), &[]);
    assert!(message.contains("tiles.csv") && message.contains("the column weight holds words"), "{message}");
    let message = refused(rewrite(|text| text.replace(",train,", ",test,")), &[]);
    assert!(message.contains("tiles.csv") && message.contains("split `train`"), "{message}");
    let message = refused(rewrite(|text| text.replace("mask", "label")), &[]);
    assert!(message.contains("no column mask"), "{message}");
    for (flags, what) in [
        (&["--ignore-class", "sea"][..], "--ignore-class sea"),
        (&["--ignore-class", "ground", "square", "never"], "two that are not ignored"),
        (&["--crop-px", "30"], "--crop-px 30: give a multiple of 4"),
        (&["--crop-px", "64"], "--crop-px 64: is larger"),
        (&["--tile-px", "50"], "--tile-px 50"),
        (&["--dice", "1.5"], "--dice 1.5"),
        (&["--crops", "0"], "--crops 0"),
        (&["--width", "0"], "--width 0"),
        (&["--fit-threshold"], "--fit-threshold: is for two classes, not 4"),
        (&["--ignore-class", "ground,square"], "no pixel of split"),
    ] {
        // Only the last one gets as far as the tiles.
        let paint = |folder: &Path| {
            for index in 0..32 {
                tiles::write_labels(&folder.join(format!("mask-{index}.tif")), SIDE, |_, column| (column % 2) as u8);
            }
        };
        let message = refused(paint, flags);
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn of_two_classes_the_threshold_is_fitted_on_the_tiles_that_choose() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_tiles(folder.path());
    for index in 0..32 {
        let square = |row, column| u8::from(class(index, row, column) == 1);
        tiles::write_labels(&folder.path().join(format!("mask-{index}.tif")), SIDE, square);
    }
    let train = |name: &str| {
        let flags = ["--epochs", "2", "--fit-threshold"];
        succeed(segment_classes("ground,square", &manifest, name, &flags).output().unwrap());
    };
    train("fitted");
    let fitted = Model::load(&folder.path().join("fitted")).unwrap().manifest.pixel_threshold;
    assert!(fitted.is_some_and(|share| (0.01..=0.99).contains(&share)), "{fitted:?}");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace(",select,", ",other,")).unwrap();
    train("unfitted");
    assert_eq!(Model::load(&folder.path().join("unfitted")).unwrap().manifest.pixel_threshold, None);
}

#[test]
fn without_tiles_that_choose_the_last_epoch_is_kept_and_a_tile_of_no_weight_teaches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_tiles(folder.path());
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace(",select,", ",train,")).unwrap();
    succeed(segment(&manifest, "all", &["--epochs", "2"]).output().unwrap());
    let fitted = finished(&folder.path().join("all-checkpoints"), Device::Cpu).unwrap();
    assert_eq!((fitted.best, fitted.progress.history.len()), (2, 2));
    let model = Model::load(&folder.path().join("all")).unwrap();
    assert_eq!(model.manifest.temperature, 1.0);
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    assert!(largest(fitted.parameters.get("head.bias")) > 0.0);
    let lines: Vec<&str> = text.lines().collect();
    let none: Vec<String> = lines
        .iter()
        .map(|line| line.strip_suffix(['1', '2']).map_or((*line).into(), |line| format!("{line}0")))
        .collect();
    std::fs::write(&manifest, none.join("\n").replace(",select,", ",train,")).unwrap();
    succeed(segment(&manifest, "nothing", &["--epochs", "1", "--ema", "0"]).output().unwrap());
    let fitted = finished(&folder.path().join("nothing-checkpoints"), Device::Cpu).unwrap();
    assert_eq!(largest(fitted.parameters.get("head.bias")), 0.0);
}
