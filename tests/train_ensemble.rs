//! The trainer of ensembles of two sensors, from patches to a model folder, through its binary.

mod common;
#[path = "common/tiles.rs"]
mod tiles;
#[path = "common/trainer.rs"]
mod trainer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::Array4;
use s2infer::model::{Golden, Model};
use s2infer::train::fit::finished;
use s2infer::train::forward::{Precision, forward};
use tch::{Device, Tensor};
use trainer::{kill_after_the_first_epoch, s2train, succeed};

const SIDE: u32 = 16;
const PATCHES: u32 = 60;
const CHANNELS: &str = r#"{
  "optical": [{"name": "B04"}, {"name": "B03"}, {"name": "RATIO", "expression": "B04 / B03", "unit": "1"}],
  "radar": [{"name": "B02"}, {"name": "B08"}]
}"#;

fn is_positive(index: u32) -> bool {
    index.is_multiple_of(3)
}

/// 48 patches to learn from and 12 others, four of a site. Positives have a bright square in the first two bands, or a dark
/// one in the last two, or both.
fn write_patches(folder: &Path) -> PathBuf {
    let mut manifest = String::from("path,label,split,site\n");
    for index in 0..PATCHES {
        let (top, left) = (2 + index % 7, 1 + index * 5 % 9);
        let sample = |band: usize, row: u32, column: u32| {
            let texture = (row * 31 + column * 17 + index * 7) % 97;
            let is_inside = (top..top + 5).contains(&row) && (left..left + 5).contains(&column);
            let shows = match band {
                0 | 1 => index % 2 == 0,
                _ => index % 2 == 1 || index % 4 == 0,
            };
            match is_positive(index) && is_inside && shows {
                true if band < 2 => (1300 + texture) as u16,
                true => (400 + texture) as u16,
                false => (800 + 50 * band as u32 + texture) as u16,
            }
        };
        tiles::write_u16(&folder.join(format!("patch-{index}.tif")), 4, SIDE, sample);
        let split = if index < 48 { "train" } else { "calibration" };
        manifest += &format!("patch-{index}.tif,{},{split},site-{}\n", u8::from(is_positive(index)), index / 4);
    }
    std::fs::write(folder.join("channels.json"), CHANNELS).unwrap();
    let path = folder.join("manifest.csv");
    std::fs::write(&path, manifest).unwrap();
    path
}

fn ensemble(manifest: &Path, name: &str, more: &[&str]) -> Command {
    let folder = manifest.parent().unwrap();
    let flags = "--name slides --tile-px 16 --width 4 --folds 3 --batch 8 --precision fp32 --learning-rate 0.01";
    let mut command = s2train(&["ensemble"]);
    command.args(flags.split(' '));
    command.arg("--patches").arg(manifest).arg("--channels").arg(folder.join("channels.json"));
    command.arg("--checkpoints").arg(folder.join(format!("{name}-checkpoints"))).arg("--out").arg(folder.join(name));
    command.args(more);
    command
}

fn s2infer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.args(arguments);
    command
}

/// What libtorch makes of the golden batch, member by member, as the rows of the model's output.
fn torch_logits(checkpoints: &Path, input: &Array4<f32>, members: usize) -> Vec<f32> {
    let size: Vec<i64> = input.shape().iter().map(|&n| n as i64).collect();
    let input = Tensor::from_slice(input.as_slice().unwrap()).view(&size[..]);
    let columns: Vec<Tensor> = (1..=members)
        .map(|member| {
            let fitted = finished(&checkpoints.join(format!("member-{member:02}")), Device::Cpu).unwrap();
            tch::no_grad(|| forward(&fitted.parameters, &input, Precision::Fp32, false).logits)
        })
        .collect();
    Vec::<f32>::try_from(&Tensor::cat(&columns, 1).flatten(0, -1)).unwrap()
}

/// `2 hits / (2 hits + alarms + misses)` of logits at a threshold.
fn f1(rows: &[(f64, bool)], threshold: f64) -> f64 {
    let count = |label, alert| rows.iter().filter(|(logit, is)| *is == label && (*logit >= threshold) == alert).count();
    let hits = count(true, true);
    2.0 * hits as f64 / (2 * hits + count(false, true) + count(true, false)) as f64
}

#[test]
fn members_are_exported_as_trained_with_the_best_threshold_of_their_own_fold() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_patches(folder.path());
    let table = folder.path().join("out-of-fold.csv");
    let flags = ["--epochs", "12", "--weights", "fp32", "--out-of-fold", table.to_str().unwrap()];
    succeed(ensemble(&manifest, "slides", &flags).output().unwrap());
    let model = Model::load(&folder.path().join("slides")).unwrap();
    assert_eq!((model.manifest.members.len(), model.manifest.bands.len()), (3, 5));
    assert_eq!(model.manifest.view_agreement_minimum, Some(0.75));
    let Golden { input, output } = model.golden().unwrap();
    assert_eq!(output.shape(), [2, 3]);
    let expected = torch_logits(&folder.path().join("slides-checkpoints"), input, 3);
    for (found, expected) in output.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{output} is not {expected:?}");
    }

    let mut rows: BTreeMap<usize, Vec<(f64, bool)>> = BTreeMap::new();
    let mut sites: BTreeMap<String, usize> = BTreeMap::new();
    let mut agreed = 0;
    for record in csv::Reader::from_path(&table).unwrap().deserialize() {
        let (_, label, score, site, member, logit): (String, u8, f64, String, usize, f64) = record.unwrap();
        rows.entry(member).or_default().push((logit, label == 1));
        agreed += usize::from((score >= 0.5) == (label == 1));
        assert_eq!(*sites.entry(site).or_insert(member), member, "a site lies in one fold");
        let threshold = f64::from(model.manifest.members[member - 1].threshold);
        assert_eq!(score >= 0.5, logit >= (threshold / (1.0 - threshold)).ln());
    }
    assert_eq!(rows.values().map(Vec::len).sum::<usize>(), 48);
    assert!(agreed >= 40, "{agreed} of 48 out of fold");
    for (member, rows) in rows {
        let threshold = f64::from(model.manifest.members[member - 1].threshold);
        let best = rows.iter().map(|(logit, _)| f1(&rows, *logit)).fold(0.0, f64::max);
        assert_eq!(f1(&rows, (threshold / (1.0 - threshold)).ln()), best, "member {member}");
    }
}

#[test]
fn a_training_that_was_killed_resumes_to_the_same_members() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_patches(folder.path());
    let flags = ["--epochs", "3", "--members", "1,3"];
    succeed(ensemble(&manifest, "whole", &flags).output().unwrap());
    kill_after_the_first_epoch(
        ensemble(&manifest, "broken", &flags),
        &folder.path().join("broken-checkpoints/member-01"),
    );
    succeed(ensemble(&manifest, "broken", &[&flags[..], &["--resume"]].concat()).output().unwrap());
    let [whole, broken] = ["whole", "broken"].map(|name| Model::load(&folder.path().join(name)).unwrap());
    assert_eq!(whole.sha256, broken.sha256);
    assert_eq!(whole.manifest.members, broken.manifest.members);
    assert_eq!(
        whole.manifest.members.iter().map(|member| &member.model).collect::<Vec<_>>(),
        ["member-01", "member-03"]
    );
}

/// Simulated patches, whose bands have names, and the channels of one sensor alone.
#[test]
fn one_sensor_alone_is_a_model_of_its_own_channels() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let simulated =
        s2infer(&["simulate", "--task", "landslides", "--tiles", "60", "--seed", "1", "--out"]).arg(&data).output();
    succeed(simulated.unwrap());
    let declared =
        r#"{"optical": [{"name": "B04"}, {"name": "B08"}], "radar": [{"name": "VV_DESC_DIFF", "unit": "dB"}]}"#;
    std::fs::write(data.join("channels.json"), declared).unwrap();
    for (sensor, channels) in [("optical", 2), ("radar", 1)] {
        let flags = ["--epochs", "1", "--warmup", "0", "--members", "2", "--sensors", sensor, "--tile-px", "64"];
        let mut command = ensemble(&data.join("manifest.csv"), sensor, &flags);
        succeed(command.args(["--dn-default", "float32:1:0"]).output().unwrap());
        let model = Model::load(&data.join(sensor)).unwrap();
        assert_eq!(model.manifest.bands.len(), channels);
        let ran =
            s2infer(&["--engine", "tract", "--model"]).arg(data.join(sensor)).arg(data.join("measurement")).output();
        let rows = String::from_utf8(ran.unwrap().stdout).unwrap();
        assert!(rows.lines().count() == 13 && !rows.contains(",error,"), "{rows}");
    }
}

/// The statistics of every example by rasterio and numpy against those in `statistics.csv`; two trees of one branch each that
/// tell some negatives from all positives, written as `trees.onnx`; prints what onnxruntime makes of it by them.
const STATISTICS: &str = r#"
import csv, json, sys, warnings
import numpy as np, onnx, onnxruntime, rasterio
from onnx import TensorProto, helper
warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
folder, out = sys.argv[1:]
inputs = json.load(open(f"{folder}/model.json"))["properties"]["mlm:input"][0]
names = ["mean", "standard deviation", "minimum", "lower quartile", "median", "upper quartile", "maximum"]
rows = list(csv.DictReader(open(f"{folder}/examples/tiles.csv")))
expected = []
for row in rows:
    with rasterio.open(f"{folder}/examples/{row['path']}") as tile:
        bands = {name: tile.read(i + 1).astype(np.float64) for i, name in enumerate(tile.descriptions)}
    bands |= {"min": np.minimum, "max": np.maximum}
    with np.errstate(all="ignore"):
        channels = np.stack([bands[of] if isinstance(of, str) else eval(of["expression"], {}, bands) for of in inputs["bands"]])
    channels = channels[:, np.isfinite(channels).all(0)]
    scaled = np.stack([(x - s["mean"]) / s["stddev"] for x, s in zip(channels, inputs["value_scaling"])]).astype(np.float32)
    numbers = [scaled.mean(1, np.float64), scaled.std(1, dtype=np.float64), *np.quantile(scaled, [0, .25, .5, .75, 1], axis=1)]
    expected.append(np.stack(numbers, 1).ravel())
expected = np.array(expected, np.float32)
with open(f"{out}/statistics.csv") as file:
    found = list(csv.DictReader(file))
columns = [f"{of if isinstance(of, str) else of['name']} {name}" for of in inputs["bands"] for name in names]
assert list(found[0]) == ["path", "label", "site", "split", *columns], list(found[0])
for key in ("path", "label", "site", "split"):
    assert [row[key] for row in found] == [row[key] for row in rows], key
values = np.array([[row[name] for name in columns] for row in found], np.float32)
assert np.isfinite(values).all() and np.allclose(values, expected, rtol=1e-4, atol=1e-4), np.abs(values - expected).max()
label = np.array([row["label"] == "1" for row in rows])
least = values[label].min(0)
below = [(values[~label, f] < least[f]).sum() for f in range(len(columns))]
picked = np.argsort(below)[::-1][:2]
assert below[picked[1]] > 0
nodes = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
for tree, feature in enumerate(map(int, picked)):
    other = values[~label, feature]
    cut = float((least[feature] + other[other < least[feature]].max()) / 2)
    for node in [(tree, 0, feature, cut, "BRANCH_LT", 1, 2), (tree, 1, 0, 0.0, "LEAF", 0, 0), (tree, 2, 0, 0.0, "LEAF", 0, 0)]:
        for column, cell in zip(nodes.values(), node):
            column.append(cell)
    for leaf in [(tree, 1, 0, -0.75), (tree, 2, 0, 0.5 + tree)]:
        for column, cell in zip(leaves.values(), leaf):
            column.append(cell)
node = helper.make_node("TreeEnsembleRegressor", ["statistics"], ["score"], domain="ai.onnx.ml", n_targets=1,
    post_transform="NONE", **{f"nodes_{k}": v for k, v in nodes.items()}, **{f"target_{k}": v for k, v in leaves.items()})
graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("statistics", TensorProto.FLOAT, ["n", len(columns)])],
    [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
model.ir_version = 8
onnx.save(model, f"{out}/trees.onnx")
session = onnxruntime.InferenceSession(f"{out}/trees.onnx", providers=["CPUExecutionProvider"])
scores = session.run(None, {"statistics": values})[0][:, 0]
cutoff = scores[label].min()
sites = len({row["site"] for row, positive in zip(rows, label) if positive})
print(json.dumps({"cutoff": float(cutoff), "sites": sites, "lost": 1 - 0.1 ** (1 / sites),
                  "spared": [row["path"] for row, score in zip(rows, scores) if score < cutoff]}))
"#;

#[test]
fn statistics_and_the_gate_are_those_of_numpy_and_onnxruntime() {
    let Some(python) = common::python() else { return common::skip_or_fail("Python with rasterio and onnxruntime") };
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("landslides"), folder.path());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/landslides");
    for entry in walkdir::WalkDir::new(&shipped).into_iter().map(Result::unwrap) {
        let to = model.join(entry.path().strip_prefix(&shipped).unwrap());
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(to).unwrap(),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
    let tiles = |subcommand: &str| {
        let mut command = s2train(&[subcommand, "--split", "measurement", "--model"]);
        command.arg(&model).arg("--manifest").arg(model.join("examples/tiles.csv"));
        command
    };
    succeed(tiles("statistics").arg("--out").arg(out.join("statistics.csv")).output().unwrap());
    let ran = Command::new(python).args(["-c", STATISTICS]).args([&model, out]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let expected: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();

    let trees = out.join("trees.onnx");
    succeed(tiles("gate").args(["--confidence", "0.9", "--prefilter"]).arg(&trees).output().unwrap());
    let item: serde_json::Value = serde_json::from_slice(&std::fs::read(model.join("model.json")).unwrap()).unwrap();
    let gate = &item["properties"]["s2infer:inference"]["gate"];
    assert_eq!((&gate["asset"], &gate["calibration_positives"]), (&"prefilter".into(), &expected["sites"]), "{gate}");
    let differs = |name: &str, other: &str| (gate[name].as_f64().unwrap() - expected[other].as_f64().unwrap()).abs();
    assert!(differs("cutoff", "cutoff") < 1e-6 && differs("lost_share_max", "lost") < 1e-4, "{gate}, {expected}");
    assert_eq!(gate["confidence"], 0.9);
    let bytes = std::fs::read(&trees).unwrap();
    assert_eq!(std::fs::read(model.join("prefilter.onnx")).unwrap(), bytes);
    assert_eq!(item["assets"]["prefilter"]["file:size"], bytes.len());

    let mut command = s2infer(&["--quiet", "--engine", "tract", "--format", "ndjson", "--model"]);
    let ran = command.arg(&model).arg(model.join("examples")).output().unwrap();
    let rows = String::from_utf8(ran.stdout).unwrap();
    let rows = rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let spared = rows.filter(|row| row["reason"].as_str().is_some_and(|reason| reason.starts_with("spared")));
    let spared: Vec<String> =
        spared.map(|row| row["tile"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
    let mut wanted: Vec<String> = serde_json::from_value(expected["spared"].clone()).unwrap();
    wanted.sort();
    assert!(!wanted.is_empty() && spared == wanted, "{spared:?}, {wanted:?}");
    // Nothing that no positive proves.
    let none = tiles("gate").args(["--prefilter"]).arg(&trees).args(["--confidence", "1"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("--confidence 1"),
        "{}",
        String::from_utf8_lossy(&none.stderr)
    );
}

/// What `s2train ensemble` says of what it must refuse before it trains.
fn refused(change: impl Fn(&Path), more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let manifest = write_patches(folder.path());
    change(folder.path());
    let refused = ensemble(&manifest, "none", more).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(matches!(refused.status.code(), Some(1 | 2)) && !folder.path().join("none").exists(), "{message}");
    let errors: Vec<&str> = message.lines().filter(|line| line.starts_with("s2train: ")).collect();
    let [error] = errors[..] else { panic!("{message}") };
    error.to_owned()
}

#[test]
fn what_cannot_be_learned_from_is_refused_in_one_line() {
    let rewrite = |file: &'static str, from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join(file);
            std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace(from, to)).unwrap();
        }
    };
    let nothing = |_: &Path| {};
    for (message, parts) in [
        (refused(nothing, &["--folds", "13"]), ["manifest.csv", "--folds"]),
        (refused(nothing, &["--members", "4"]), ["--members 4", "3 folds"]),
        (refused(nothing, &["--split", "spring"]), ["manifest.csv", "split `spring`"]),
        (refused(nothing, &["--label-smoothing", "1"]), ["--label-smoothing 1", "less than 1"]),
        (refused(rewrite("manifest.csv", "site-2\n", "\n"), &[]), ["patch-8.tif", "its site is not known"]),
        (refused(rewrite("channels.json", "\"radar\"", "\"sonar\""), &[]), ["channels.json", "sonar"]),
        (refused(rewrite("channels.json", "B04 / B03", "B04 /"), &[]), ["channels.json", "RATIO"]),
        (
            refused(|folder| std::fs::remove_file(folder.join("patch-9.tif")).unwrap(), &[]),
            ["patch-9.tif", "No such file"],
        ),
    ] {
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}
