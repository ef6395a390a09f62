//! The benchmark on real pixels through its programs: rendered manifests, the temperature, and the one command that
//! measures a folder of patches, here with small models and synthetic patches.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use model_folders::{encode, int, manifest, node, tensor, value, write_folder_with};
use ndarray::{Array4, ArrayD, Axis, IxDyn};
use s2infer::model::manifest::{Band, Head, Tta};
use s2infer::model::{Golden, Manifest, Model, seal};
use s2infer::train::eurosat::{CLASSES, POSITIVES};
use s2infer::train::patches::{self, Patch, Split};
use tract_onnx::pb;

const SIDE: usize = 64;
const PATCHES_A_CLASS: usize = 12;
const GROUPS: [&str; 4] = ["summer-clear", "summer-cloudy", "winter-clear", "winter-cloudy"];

/// A patch of one class: its red tells the class, its green whether it is construction, with some noise.
fn write_patch(path: &Path, class: usize, index: usize) {
    let positive = POSITIVES.contains(&CLASSES[class]);
    tiles::write_u16(path, 3, SIDE as u32, |band, row, column| {
        let texture = ((row * 7 + column * 3 + index as u32) % 5) as u16;
        let level = match band {
            0 => 400 + 200 * class as u16,
            1 if positive => 1500 + 37 * (index as u16 % 7),
            1 => 700 + 61 * (index as u16 * 5 % 11),
            _ => 500,
        };
        level + texture
    });
}

/// `<Class>/<Class>_<n>.jpg`; TIFFs by their content, which is what counts.
fn folder_of_patches(root: &Path) -> PathBuf {
    for (class, name) in CLASSES.iter().enumerate() {
        let folder = root.join("patches").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        (1..=PATCHES_A_CLASS).for_each(|n| write_patch(&folder.join(format!("{name}_{n}.jpg")), class, n));
    }
    root.join("patches")
}

/// Standardised so that red is the number of the class.
fn manifest_of(name: &str, head: Head, classes: &[&str]) -> Manifest {
    let band = |name: &str| Band {
        name: name.into(),
        mean: 0.04,
        standard_deviation: 0.02,
        training: None,
        substitutes: Vec::new(),
        expression: None,
    };
    Manifest {
        name: name.into(),
        head,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        bands: ["B04", "B03", "B02"].map(band).into(),
        units: Default::default(),
        tile_px: SIDE as u32,
        tta: Tta::D4,
        ..manifest()
    }
}

/// A linear model of the bands' means: `weights` `[outputs, 3]`.
fn write_linear(folder: &Path, manifest: &Manifest, weights: &[f32], bias: &[f32]) -> Model {
    let (outputs, side) = (bias.len() as i64, SIDE as i64);
    let graph = pb::GraphProto {
        name: "linear".into(),
        node: vec![
            node("GlobalAveragePool", &["input"], "p", vec![]),
            node("Flatten", &["p"], "f", vec![int("axis", 1)]),
            node("Gemm", &["f", "w", "b"], "logits", vec![int("transB", 1)]),
        ],
        initializer: vec![tensor("w", &[outputs, 3], weights), tensor("b", &[outputs], bias)],
        input: vec![value("input", &[-1, 3, side, side])],
        output: vec![value("logits", &[-1, outputs])],
        ..Default::default()
    };
    let input =
        Array4::from_shape_fn((2, 3, SIDE, SIDE), |(n, c, y, x)| ((n * 7 + c * 5 + y * 3 + x) % 11) as f32 / 5.0);
    let mut output = ArrayD::zeros(IxDyn(&[2, bias.len()]));
    for (n, window) in input.axis_iter(Axis(0)).enumerate() {
        let mean: Vec<f32> = window.axis_iter(Axis(0)).map(|band| band.mean().unwrap()).collect();
        for (class, bias) in bias.iter().enumerate() {
            output[[n, class]] = bias + (0..3).map(|band| weights[class * 3 + band] * mean[band]).sum::<f32>();
        }
    }
    write_folder_with(folder, manifest, &encode(graph), &Golden { input, output }).unwrap()
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn s2train(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2train"));
    command.args(arguments);
    command
}

/// `models/NAME` with a profile by `rule` and the scores behind it in `calibration/NAME`.
fn write_construction(root: &Path, name: &str, weights: [f32; 3], bias: f32, rule: &str) {
    let folder = root.join("models").join(name);
    let manifest = manifest_of(name, Head::Binary, &["other", "construction"]);
    write_linear(&folder, &manifest, &weights, &[bias]);
    let mut table = "tile,label,score,season,cloud,site\n".to_owned();
    for (group, (season, cloud)) in GROUPS.map(|group| group.split_once('-').unwrap()).into_iter().enumerate() {
        for i in 0..220 {
            let label = u8::from(i < 20);
            // The further the group from the clear summer, the lower its positives.
            let score = if label == 1 { 0.95 - 0.15 * group as f64 - 0.01 * i as f64 } else { 0.002 * i as f64 };
            table += &format!("{group}-{i}.tif,{label},{score},{season},{cloud},place-{i}\n");
        }
    }
    let scores = root.join("calibration").join(name).join("scores.csv");
    std::fs::create_dir_all(scores.parent().unwrap()).unwrap();
    std::fs::write(&scores, table).unwrap();
    let mut calibrate = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    calibrate.args(["calibrate", "--rule", rule, "--scores"]).arg(&scores).arg("--model").arg(&folder);
    succeed(calibrate.arg("--out").arg(folder.join("profile.json")));
    seal(&folder, &manifest).unwrap();
}

fn write_models(root: &Path) {
    write_construction(root, "incumbent", [0.0, 1.5, 0.0], -4.0, "budget");
    write_construction(root, "candidate", [0.0, 4.0, -0.5], -20.0, "exact");
    // −(x − k)² but for x²: the nearest class.
    let weights: Vec<f32> = (0..10).flat_map(|k| [2.0 * k as f32, 0.0, 0.0]).collect();
    let bias: Vec<f32> = (0..10).map(|k| -((k * k) as f32)).collect();
    write_linear(&root.join("models/ten"), &manifest_of("ten", Head::Multiclass, &CLASSES), &weights, &bias);
}

fn evaluate(root: &Path, patches: &Path, index: Option<&Path>) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/evaluate-eurosat.sh"));
    command.arg(patches).args(index).env("OUT", root.join("out")).env("INCUMBENT", root.join("models/incumbent"));
    command.env("CANDIDATE", root.join("models/candidate")).env("CLASSES", root.join("models/ten"));
    command.env("S2INFER", env!("CARGO_BIN_EXE_s2infer")).env("S2TRAIN", env!("CARGO_BIN_EXE_s2train"));
    command
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Positives and negatives that s2infer itself decided to be positive, from the rows of its CSV of one group.
fn decided_positive(run: &Path, group: &str) -> [u64; 2] {
    let text = std::fs::read_to_string(run).unwrap();
    let mut counts = [0, 0];
    for line in text.lines().filter(|line| line.contains(&format!("simulated_{group}_")) && line.contains(",positive,"))
    {
        counts[usize::from(!POSITIVES.iter().any(|class| line.contains(class)))] += 1;
    }
    counts
}

#[test]
fn one_command_measures_a_folder_of_patches_and_counts_what_s2infer_decides() {
    let root = tempfile::tempdir().unwrap();
    let patches = folder_of_patches(root.path());
    write_models(root.path());
    // One forest that looks like a river: the ten classes have one error.
    write_patch(&patches.join("Forest/Forest_1.jpg"), 8, 1);
    let output = succeed(&mut evaluate(root.path(), root.path(), None));
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrote"), "no word of what was written");

    let out = root.path().join("out");
    let report = json(&out.join("construction/report.json"));
    for (of, name) in [("baseline", "incumbent"), ("candidate", "candidate")] {
        let run = root.path().join(format!("{name}.csv"));
        let mut s2infer = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        s2infer.arg(out.join("tiles")).arg("--model").arg(root.path().join("models").join(name));
        succeed(s2infer.arg("--output").arg(&run));
        for (index, group) in GROUPS.into_iter().enumerate() {
            let measured = &report[of]["own"]["groups"][index];
            assert_eq!(measured["group"], group);
            let shares = [&measured["recall"], &measured["false_alarms"]];
            assert_eq!(shares.map(|share| share["n"].as_u64().unwrap()), [8, 80], "{group}");
            let counts = shares.map(|share| share["hits"].as_u64().unwrap());
            assert_eq!(counts, decided_positive(&run, group), "{name} {group}");
        }
    }
    let clear = &report["candidate"]["own"]["groups"][0];
    assert_eq!(
        (&clear["recall"]["hits"], &clear["false_alarms"]["hits"]),
        (&8.into(), &0.into()),
        "separable in clear summers"
    );
    assert!(report["candidate"]["one"].is_object() && report["baseline"]["per_group"].is_object());
    let text = std::fs::read_to_string(out.join("construction/report.md")).unwrap();
    assert!(text.contains("No index was given") && text.contains("simulated"), "{text}");
    let classes = &json(&out.join("classes/report.json"))["candidate"];
    assert_eq!([&classes["accuracy"]["hits"], &classes["accuracy"]["n"]], [119, 120]);
    assert_eq!(classes["confusion"][1][8], 1);
}

#[test]
fn an_index_gives_places_and_countries() {
    let root = tempfile::tempdir().unwrap();
    let patches = folder_of_patches(root.path());
    write_models(root.path());
    let rows = CLASSES.iter().flat_map(|class| (1..=PATCHES_A_CLASS).map(move |n| (class, n)));
    let rows: String = rows.map(|(class, n)| format!("{class}/{class}_{n}.jpg,{}.5,48.0,{}\n", n % 4, n % 2)).collect();
    let index = root.path().join("index.csv");
    std::fs::write(&index, format!("file,longitude,latitude,country_id\n{rows}")).unwrap();
    succeed(&mut evaluate(root.path(), &patches, Some(&index)));
    let report = json(&root.path().join("out/construction/report.json"));
    assert_eq!(report["data"]["sites"], 4);
    let belgium = &json(&root.path().join("out/classes/report.json"))["candidate"]["regions"]["Belgium"];
    assert_eq!([&belgium["hits"], &belgium["n"]], [60, 60]);
}

#[test]
fn a_folder_that_cannot_be_measured_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let patches = folder_of_patches(root.path());
    write_models(root.path());
    let why = |patches: &Path| {
        let output = evaluate(root.path(), patches, None).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(why(&root.path().join("none")).contains("none: no such folder"));
    for n in 1..=PATCHES_A_CLASS {
        std::fs::write(patches.join(format!("SeaLake/SeaLake_{n}.jpg")), "no image").unwrap();
    }
    assert!(why(&patches).contains("SeaLake_"), "the unreadable patch is named");
    assert!(!root.path().join("out/construction").exists());
    std::fs::remove_dir_all(patches.join("River")).unwrap();
    assert!(why(&patches).contains("River"), "the missing class is named");
}

#[test]
fn rendered_tiles_and_patches_as_they_are_make_one_manifest() {
    let root = tempfile::tempdir().unwrap();
    let splits = [Split::Train, Split::Select, Split::Calibration];
    let rows: Vec<Patch> = (0..6)
        .map(|index| {
            let path: PathBuf = format!("patch-{index}.tif").into();
            write_patch(&root.path().join(&path), index, index);
            let (split, site) = (splits[index % 3], format!("site-{index}"));
            Patch { path, label: 0, split, site, longitude: 10.0, latitude: 50.0, ..Patch::default() }
        })
        .collect();
    patches::write(&root.path().join("patches.csv"), &rows).unwrap();
    let render = |out: &str, arguments: &[&str]| {
        let out = root.path().join("deep").join(out);
        let mut command = s2train(&["render", "--patches"]);
        succeed(command.arg(root.path().join("patches.csv")).args(arguments).arg("--out").arg(&out));
        let rows = patches::read(&out.join("tiles.csv")).unwrap();
        (out, rows)
    };
    let (out, rows) = render("all", &["--as-is", "train", "--split", "select", "--split", "calibration"]);
    let count = |split| rows.iter().filter(|row| row.split == split).count();
    assert_eq!(splits.map(count), [2, 8, 8]);
    assert!(rows.iter().all(|row| out.join(&row.path).is_file()));
    let plain: Vec<_> = rows.iter().filter(|row| row.split == Split::Train).collect();
    assert!(plain.iter().all(|row| (row.season.as_deref(), row.cloud.as_deref()) == (Some("summer"), Some("clear"))));
    let (alone, rows) = render("alone", &["--split", "calibration"]);
    assert_eq!(rows.len(), 8);
    for row in rows {
        let read = |folder: &Path| std::fs::read(folder.join(&row.path)).unwrap();
        assert!(read(&alone) == read(&out), "{:?} depends on what else is rendered", row.path);
    }
}

#[test]
fn the_fitted_temperature_is_in_the_folder_and_scores_follow_it() {
    let root = tempfile::tempdir().unwrap();
    write_models(root.path());
    let folder = root.path().join("models/candidate");
    let negatives = [0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.22, 0.25, 0.28, 0.33, 0.40, 0.45, 0.55, 0.62, 0.71];
    let positives = [0.18, 0.36, 0.52, 0.64, 0.73, 0.81, 0.90, 0.95];
    let row = |label: u8, score: f64| format!("t-{label}-{score}.tif,{label},{score},summer,clear,s,c\n");
    let rows: String = negatives.map(|s| row(0, s)).concat() + &positives.map(|s| row(1, s)).concat();
    let table = root.path().join("temperature.csv");
    std::fs::write(&table, format!("tile,label,score,season,cloud,site,class\n{rows}")).unwrap();
    let tile = root.path().join("tile.tif");
    write_patch(&tile, 3, 3);
    let logit = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.arg(&tile).arg("--model").arg(&folder).args(["--threshold", "0.5", "--format", "ndjson", "--quiet"]);
        let row: serde_json::Value = serde_json::from_slice(&succeed(&mut command).stdout).unwrap();
        let score = row["score"].as_f64().unwrap();
        (score / (1.0 - score)).ln()
    };
    let before = logit();
    succeed(s2train(&["temperature", "--model"]).arg(&folder).arg("--scores").arg(&table));
    let model = Model::load(&folder).unwrap();
    // scipy 1.17.1, minimize_scalar of the mean log loss
    assert!((model.manifest.temperature - 0.797_513_8).abs() < 1e-6, "{}", model.manifest.temperature);
    assert!(model.profile.is_none(), "thresholds at another temperature do not hold");
    assert!((before / logit() - 0.797_513_8).abs() < 1e-4);
}
