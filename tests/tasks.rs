//! The table of tasks: every kind of model through the same loop, by its folder alone, with equal results on every engine,
//! with one thread and several, with and without test-time augmentation.

mod common;
#[path = "common/ensembles.rs"]
mod ensembles;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What comes out for a window or tile.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    /// Positive or negative, by a threshold.
    Label,
    /// The likeliest class.
    Class,
    /// Shares of all classes.
    Distribution,
    /// A class for every pixel.
    Map,
}

struct Task {
    name: &'static str,
    /// The folder of the model, in the repository.
    model: &'static str,
    /// Tiles, in the repository.
    tiles: &'static [&'static str],
    outcome: Outcome,
    /// Other views than the model's own; with them go no thresholds of a profile.
    other_views: &'static [&'static str],
    /// Labelled examples, and what the model comes to on them at least.
    labelled: Option<[&'static str; 2]>,
}

/// The rows of the table; a row is a folder, not a path through the code.
const TASKS: [Task; 5] = [
    Task {
        name: "construction",
        model: "models/construction",
        tiles: &[
            "models/construction/examples/simulated_summer-clear_Residential_2587_20180624T103000.tif",
            "models/construction/examples/simulated_winter-cloudy_AnnualCrop_325_20180104T103000.tif",
        ],
        outcome: Outcome::Label,
        other_views: &["--tta", "none", "--threshold", "0.5"],
        labelled: Some(["models/construction/examples/tiles.csv", "recall>=0.5 in every group"]),
    },
    Task {
        name: "eurosat",
        model: "models/eurosat",
        tiles: &[
            "models/construction/examples/simulated_summer-clear_Forest_1790_20180624T103000.tif",
            "models/construction/examples/simulated_summer-clear_SeaLake_636_20180623T103000.tif",
        ],
        outcome: Outcome::Class,
        other_views: &["--tta", "none"],
        labelled: None,
    },
    Task {
        name: "landcover",
        model: "models/landcover",
        tiles: &["models/landcover/examples/test/images/11338.tif"],
        outcome: Outcome::Distribution,
        other_views: &["--tta", "flips"],
        labelled: Some(["models/landcover/examples", "kl<=0.5"]),
    },
    Task {
        name: "clouds",
        model: "models/clouds",
        tiles: &["models/clouds/examples/chips/simulated-1_20180911T103000"],
        outcome: Outcome::Map,
        other_views: &["--tta", "flips"],
        labelled: Some(["models/clouds/examples/manifest.csv", "iou>=0.6 in cloud"]),
    },
    Task {
        name: "landslides",
        model: "models/landslides",
        tiles: &[
            "models/landslides/examples/simulated_none-1.tif",
            "models/landslides/examples/simulated_none-cloudy.tif",
            "models/landslides/examples/simulated_slide-large.tif",
            "models/landslides/examples/simulated_slide-small.tif",
        ],
        outcome: Outcome::Label,
        other_views: &["--tta", "none"],
        labelled: Some(["models/landslides/examples/tiles.csv", "f1>=0.1"]),
    },
];

/// What a run made: for every row its decision and numbers, for every map its bytes.
#[derive(Debug, PartialEq)]
struct Made {
    labels: Vec<String>,
    numbers: Vec<f64>,
    masks: Vec<Vec<u8>>,
}

fn engines() -> Vec<&'static str> {
    if common::ort_library().is_some() {
        return vec!["tract", "ort"];
    }
    common::skip_or_fail("the ONNX Runtime library");
    vec!["tract"]
}

fn run(task: &Task, place: &Path, engine: &str, threads: &str, views: &[&str]) -> Made {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (model, tiles) = (root.join(task.model), task.tiles.iter().map(|tile| root.join(tile)));
    let masks = place.join("masks");
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.args(["--quiet", "--engine", engine, "--threads", threads, "--model"]).arg(model).args(tiles);
    command.args(views);
    match task.outcome {
        Outcome::Distribution => command.args(["--format", "distribution"]),
        Outcome::Map => command.args(["--format", "ndjson", "--masks"]).arg(&masks),
        Outcome::Label | Outcome::Class => command.args(["--format", "ndjson"]),
    };
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", task.name, String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let made = match task.outcome {
        Outcome::Distribution => shares(&text),
        _ => windows(&text),
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&masks).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let masks = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    Made { masks, ..made }
}

fn windows(text: &str) -> Made {
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let labels = rows.iter().map(|row| row["decision"].as_str().unwrap().to_owned()).collect();
    let numbers = rows.iter().flat_map(|row| {
        let scores = row["scores"].as_object().into_iter().flat_map(|scores| scores.values());
        [&row["score"]].into_iter().chain(scores).map(|score| score.as_f64().unwrap()).collect::<Vec<_>>()
    });
    Made { labels, numbers: numbers.collect(), masks: Vec::new() }
}

fn shares(text: &str) -> Made {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let numbers = rows.iter().flat_map(|row| row.iter().skip(1).map(|cell| cell.parse().unwrap())).collect();
    Made { labels: rows.iter().map(|row| row[0].to_owned()).collect(), numbers, masks: Vec::new() }
}

/// The kind of result that the table promises.
fn check_kind(task: &Task, made: &Made) {
    let is_label = |label: &String| label == "positive" || label == "negative";
    let (labels, name) = (&made.labels, task.name);
    assert!(!labels.is_empty(), "{name}");
    match task.outcome {
        Outcome::Label => assert!(labels.iter().all(is_label), "{name}: {labels:?}"),
        Outcome::Class => {
            assert!(!labels.iter().any(|label| is_label(label) || label == "abstain"), "{name}: {labels:?}")
        }
        Outcome::Distribution => {
            let classes = made.numbers.len() / labels.len();
            for shares in made.numbers.chunks(classes) {
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{name}: {shares:?}");
            }
        }
        Outcome::Map => assert!(made.masks.len() == labels.len() && made.masks[0].len() > 1000, "{name}"),
    }
}

#[test]
fn every_task_gives_its_kind_of_result_and_the_same_on_every_engine() {
    for task in &TASKS {
        let mut of_own_views: Option<Made> = None;
        for views in [&[][..], task.other_views] {
            let mut reference: Option<Made> = None;
            for engine in engines() {
                let place = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
                let one = run(task, place[0].path(), engine, "1", views);
                let several = run(task, place[1].path(), engine, "3", views);
                assert_eq!(one, several, "{} on {engine}: threads change nothing", task.name);
                check_kind(task, &one);
                let reference = reference.get_or_insert(one);
                assert_eq!(several.labels, reference.labels, "{} on {engine}", task.name);
                assert_eq!(several.masks, reference.masks, "{} on {engine}", task.name);
                assert_eq!(several.numbers.len(), reference.numbers.len());
                for (found, expected) in several.numbers.iter().zip(&reference.numbers) {
                    assert!((found - expected).abs() < 1e-5, "{} on {engine}: {found}, {expected}", task.name);
                }
            }
            // Other views give other numbers.
            assert_ne!(of_own_views.as_ref().map(|own| &own.numbers), reference.as_ref().map(|made| &made.numbers));
            of_own_views = of_own_views.or(reference);
        }
    }
}

#[test]
fn every_task_is_measured_on_its_labelled_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = tempfile::tempdir().unwrap();
    for task in &TASKS {
        let Some([manifest, demand]) = task.labelled else { continue };
        let out = place.path().join(task.name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.args(["evaluate", "--engine", "tract", "--resamples", "100", "--prevalence", "0.17"]);
        command.args(["--require", demand, "--model"]).arg(root.join(task.model));
        let output = command.arg("--manifest").arg(root.join(manifest)).arg("--out").arg(&out).output().unwrap();
        assert!(output.status.success(), "{}: {}", task.name, String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("met      "), "{}", task.name);
        let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
        assert_eq!(report["requirements"][0]["requirement"], demand);
    }
}

/// Runs and gives the exit code and the one line that says why.
fn refused(arguments: &[&str], folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    let output = command.current_dir(folder).args(arguments).arg("--quiet").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let mut lines = said.lines().filter(|line| line.starts_with("s2infer: "));
    let line = lines.next().unwrap_or_default().to_owned();
    assert_eq!(lines.next(), None, "{said}");
    (output.status.code(), line)
}

#[test]
fn what_is_incomplete_is_refused_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chip = "simulated-1_20180911T103000";
    std::fs::create_dir_all(place.path().join(chip)).unwrap();
    for band in ["B02", "B03", "B04"] {
        let file = format!("{chip}/{band}.tif");
        std::fs::copy(root.join("models/clouds/examples/chips").join(&file), place.path().join(&file)).unwrap();
    }
    let mask = format!("models/clouds/examples/masks/{chip}.tif");
    std::fs::copy(root.join(mask), place.path().join("mask.tif")).unwrap();
    std::fs::write(place.path().join("maps.csv"), format!("path,mask\n{chip},mask.tif\n")).unwrap();
    let clouds = root.join("models/clouds");
    let clouds = clouds.to_str().unwrap();
    let evaluate = ["evaluate", "--model", clouds, "--engine", "tract", "--manifest", "maps.csv", "--out", "report"];
    let (code, line) = refused(&evaluate, place.path());
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains(chip) && line.contains("band B08 missing"), "{line}");

    ensembles::write_ensemble(&place.path().join("model"), &ensembles::ensemble_manifest()).unwrap();
    std::fs::remove_file(place.path().join("model/member-02.onnx")).unwrap();
    let (code, line) = refused(&["--model", "model", "--engine", "tract", chip], place.path());
    assert_eq!(code, Some(4), "{line}");
    assert!(line.contains("member-02.onnx: cannot be read") && line.contains("copy the model folder again"), "{line}");
}
