//! Drift monitoring as its users run it: references, runs under watch, tables, metrics and the audit.

#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/prometheus.rs"]
mod prometheus;
#[path = "common/tiles.rs"]
mod tiles;

use std::process::Output;

use ndarray::{Array2, Array4, Axis};
use place::{Place, succeed, text};
use s2infer::model::Golden;
use serde_json::Value;

/// Side of the simulated tiles, and of the model that takes them.
const SIDE: usize = 64;

/// A place with a linear model of four bands and a reference from simulated coasts of four even groups.
fn watched() -> Place {
    let place = Place::new();
    write_model(&place, "model", "watched", 0.5);
    simulate(&place, "usual", &["--seed", "1"]);
    succeed(&place.run_subcommand(&["drift", "reference", "usual/train", "--model", "model", "--engine", "tract"]));
    place
}

fn write_model(place: &Place, folder: &str, name: &str, bias: f32) {
    let mut graph = model_folders::linear_graph();
    graph.input = vec![model_folders::value("input", &[-1, 4, SIDE as i64, SIDE as i64])];
    graph.initializer[1] = model_folders::tensor("fc.bias", &[1], &[bias]);
    let input =
        Array4::from_shape_fn((2, 4, SIDE, SIDE), |(n, c, y, x)| ((n * 7 + c * 5 + y * 3 + x) % 11) as f32 / 5.0);
    let mut output = Array2::zeros((2, 1));
    for (n, window) in input.axis_iter(Axis(0)).enumerate() {
        let mean = |c: usize| window.index_axis(Axis(0), c).mean().unwrap();
        output[[n, 0]] = mean(0) - mean(1) + 0.5 * mean(2) + 0.25 * mean(3) + bias;
    }
    let manifest =
        s2infer::model::Manifest { name: name.into(), tile_px: SIDE as u32, clip: None, ..model_folders::manifest() };
    let golden = Golden { input, output: output.into_dyn() };
    let onnx = model_folders::encode(graph);
    model_folders::write_folder_with(&place.path(folder), &manifest, &onnx, &golden).unwrap();
}

/// About 360 tiles in `NAME/train`, a quarter of each season and sky.
fn simulate(place: &Place, name: &str, arguments: &[&str]) {
    let usual = ["simulate", "--tiles", "600", "--train-mix", "1,1,1,1", "--out", name];
    succeed(&place.run_subcommand(&[&usual, arguments].concat()));
}

/// A run with `--drift`, and what its record says of it.
fn run(place: &Place, arguments: &[&str]) -> (Output, Value) {
    let watched = ["--threshold", "0.5", "--record", "run.json", "--output", "run.csv"];
    let output = place.run(&[arguments, &watched].concat());
    let record: Value = serde_json::from_slice(&std::fs::read(place.path("run.json")).unwrap()).unwrap();
    (output, record["drift"].clone())
}

/// Group and quantity of what alarms.
fn drifted(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["status"] == "drift");
    findings.map(|finding| format!("{} {}", finding["group"], finding["quantity"]).replace('"', "")).collect()
}

#[test]
fn other_coasts_of_the_same_kind_raise_no_alarm_and_an_offset_of_1000_dn_is_named() {
    let place = watched();
    simulate(&place, "tonight", &["--seed", "2"]);
    let (output, drift) = run(&place, &["tonight/train", "--fail-on-drift"]);
    succeed(&output);
    assert_eq!((drift["alarm"].as_bool(), drifted(&drift)), (Some(false), Vec::new()), "{drift}");
    assert!(drift["tests"].as_u64().unwrap() > 50, "{drift}");

    let (output, drift) = run(&place, &["tonight/train", "--dn-offset", "1000", "--dn-force", "--fail-on-drift"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(drifted(&drift).contains(&"summer-clear mean_B02".to_owned()), "{drift}");
    assert!(said.contains("brighter by 0.10 reflectance in every band: an offset of -1000 DN not removed?"), "{said}");
    assert!(place.path("run.csv").exists(), "the decisions are written all the same");
    let (output, _) = run(&place, &["tonight/train", "--dn-offset", "1000", "--dn-force", "--drift"]);
    assert_eq!(output.status.code(), Some(0), "without --fail-on-drift an alarm is a warning");
}

#[test]
fn a_new_region_is_caught_and_is_no_change_of_the_mix() {
    let place = watched();
    simulate(&place, "arid", &["--seed", "3", "--regions", "arid-island"]);
    let (_, drift) = run(&place, &["arid/train", "--drift"]);
    let found = drifted(&drift);
    assert!(found.iter().any(|finding| finding.starts_with("summer-clear mean_")), "{found:?}");
    assert!(!found.contains(&"all group_mix".to_owned()), "{found:?}");
}

#[test]
fn a_night_of_clouds_alone_alarms_for_the_mix_of_groups_and_for_nothing_else() {
    let place = watched();
    simulate(&place, "tonight", &["--seed", "2"]);
    let manifest = std::fs::read_to_string(place.path("tonight/manifest.csv")).unwrap();
    let is_chosen = |cells: &Vec<&str>| cells[2] == "train" && cells[7] == "cloudy";
    let cloudy = manifest.lines().map(|line| line.split(',').collect::<Vec<_>>()).filter(is_chosen);
    let cloudy: Vec<String> = cloudy.map(|cells| format!("tonight/{}", cells[0])).collect();
    assert!(cloudy.len() > 100, "{}", cloudy.len());
    std::fs::write(place.path("cloudy.txt"), cloudy.join("\n")).unwrap();
    let (_, drift) = run(&place, &["--files-from", "cloudy.txt", "--drift"]);
    assert_eq!(drifted(&drift), ["all group_mix"]);
}

#[test]
fn a_table_of_scores_says_what_the_run_said_of_them() {
    let place = watched();
    simulate(&place, "arid", &["--seed", "3", "--regions", "arid-island"]);
    let (_, drift) = run(&place, &["arid/train", "--drift"]);
    let table = std::fs::read_to_string(place.path("run.csv")).unwrap();
    // A fixed threshold leaves `fixed` as the shift; season and sky are in the manifest.
    let manifest = std::fs::read_to_string(place.path("arid/manifest.csv")).unwrap();
    let known: std::collections::HashMap<&str, (&str, &str)> = manifest
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (cells[0].rsplit('/').next().unwrap(), (cells[6], cells[7])))
        .collect();
    let mut scores = String::from("tile,score,season,cloud\n");
    for row in place::rows(&table) {
        let (season, cloud) = known[row[0].rsplit('/').next().unwrap()];
        scores += &format!("{},{},{season},{cloud}\n", row[0], row[9]);
    }
    std::fs::write(place.path("scores.csv"), &scores).unwrap();
    let check = ["drift", "--reference", "model", "--scores", "scores.csv", "--format", "json"];
    let report: Value = serde_json::from_str(&succeed(&place.run_subcommand(&check))).unwrap();
    let of = |report: &Value, quantity: &str| -> Vec<Value> {
        let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["quantity"] == quantity);
        findings.map(|finding| finding["tests"][0]["effect"].clone()).collect()
    };
    assert_eq!(of(&report, "score"), of(&drift, "score"));
    assert_eq!(of(&report, "score").len(), 4);
    assert!(of(&report, "mean_B02").is_empty(), "the table says nothing of pixels");

    std::fs::write(place.path("nan.csv"), scores.replacen("0.", "NaN0.", 1)).unwrap();
    let output = place.run_subcommand(&["drift", "--reference", "model", "--scores", "nan.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("line 2: score \"NaN0."), "{}", text(&output.stderr));
}

#[test]
fn a_reference_is_refused_by_another_model_and_another_augmentation_and_a_missing_one_is_said() {
    let place = watched();
    write_model(&place, "other", "other", 0.25);
    simulate(&place, "tonight", &["--seed", "2"]);
    let refused = |arguments: &[&str], words: &str| {
        let output = place.run(&[&["tonight/train", "--threshold", "0.5"], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(4), true), "{said}");
        assert!(said.contains(words), "{said}");
    };
    refused(&["--drift", "--tta", "d4"], "test-time augmentation");
    let none = place.run_subcommand(&["tonight/train", "--model", "other", "--threshold", "0.5", "--drift"]);
    assert!(text(&none.stderr).contains("has no drift reference"), "{}", text(&none.stderr));
    // Another model's file, laid into the folder and sealed there.
    std::fs::copy(place.path("model/reference.json"), place.path("other/reference.json")).unwrap();
    let manifest = s2infer::model::Model::load(&place.path("other")).unwrap().manifest;
    s2infer::model::seal(&place.path("other"), &manifest).unwrap();
    let output = place.run_subcommand(&["tonight/train", "--model", "other", "--threshold", "0.5", "--drift"]);
    assert!(text(&output.stderr).contains("of another model (watched"), "{}", text(&output.stderr));
    // A byte of it changed.
    let path = place.path("model/reference.json");
    let bytes = std::fs::read_to_string(&path).unwrap().replacen("\"median\":0", "\"median\":1", 1);
    std::fs::write(&path, bytes).unwrap();
    refused(&["--drift"], "reference.json: SHA-256");
}

#[test]
fn too_few_tiles_are_insufficient_and_no_all_clear() {
    let place = watched();
    let few: Vec<String> = std::fs::read_dir(place.path("usual/measurement"))
        .unwrap()
        .map(|entry| entry.unwrap().path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".tif"))
        .take(10)
        .collect();
    let few: Vec<&str> = few.iter().map(String::as_str).collect();
    let (output, drift) = run(&place, &[few.as_slice(), &["--drift", "-v"]].concat());
    assert_eq!(drift["tests"], 0);
    assert!(drift["findings"].as_array().unwrap().iter().all(|finding| finding["status"] == "insufficient"), "{drift}");
    assert!(text(&output.stderr).contains("too few tiles in every group"), "{}", text(&output.stderr));
}

#[test]
fn resumed_tiles_count_with_their_scores_and_are_said_to() {
    let place = watched();
    simulate(&place, "tonight", &["--seed", "2"]);
    let (_, first) = run(&place, &["tonight/train", "--drift", "--resume"]);
    let (_, again) = run(&place, &["tonight/train", "--drift", "--resume"]);
    assert_eq!(first["tiles"], again["tiles"]);
    assert_eq!(
        (again["tiles_scored"].clone(), again["tiles_with_bands"].as_u64()),
        (first["tiles_scored"].clone(), Some(0))
    );
    assert!(again["remarks"].to_string().contains("count with their scores alone"), "{again}");
}

#[test]
fn metrics_are_what_prometheus_reads_and_agree_with_the_record() {
    let place = watched();
    simulate(&place, "tonight", &["--seed", "2"]);
    let (_, drift) = run(&place, &["tonight/train", "--drift", "--metrics-file", "run.prom"]);
    let metrics = prometheus::parse(&std::fs::read_to_string(place.path("run.prom")).unwrap());
    let single = |name: &str| metrics.iter().find(|sample| sample.name == name).unwrap().value;
    assert_eq!(single("s2infer_run_tiles"), drift["tiles"].as_f64().unwrap());
    assert_eq!((single("s2infer_run_tiles_failed"), single("s2infer_drift_alarm")), (0.0, 0.0));
    let effects = metrics.iter().filter(|sample| sample.name == "s2infer_drift_effect").count();
    assert_eq!(effects as u64, drift["tests"].as_u64().unwrap());
    assert!(metrics.iter().all(|sample| sample.labels["model"] == "watched"));
    let windows: f64 = metrics.iter().filter(|s| s.name == "s2infer_run_windows").map(|s| s.value).sum();
    assert_eq!(windows, drift["tiles"].as_f64().unwrap(), "one window a tile");

    succeed(&place.run(&["tonight/train", "--threshold", "0.5", "--metrics-file", "plain.prom"]));
    let plain = prometheus::parse(&std::fs::read_to_string(place.path("plain.prom")).unwrap());
    assert!(plain.iter().all(|sample| sample.name.starts_with("s2infer_run_")) && plain.len() > 10);
}

#[test]
fn an_audit_goes_on_from_night_to_night_and_alarms_once_there_is_evidence() {
    let place = Place::new();
    // The worked stream of the e-process.
    let stream = [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1];
    let night = |rows: usize| {
        let rows: String =
            stream.iter().take(rows).enumerate().map(|(row, missed)| format!("t{row},{missed}\n")).collect();
        std::fs::write(place.path("audited.csv"), format!("tile,missed\n{rows}")).unwrap();
        let audit = ["drift", "audit", "--labels", "audited.csv", "--state", "audit.json", "--fail-on-drift"];
        place.run_subcommand(&[&audit[..], &["--format", "json", "--metrics-file", "audit.prom"]].concat())
    };
    let report = |output: &Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let first = night(10);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!((report(&first)["evidence_simple"].as_f64().unwrap() - 5.8118).abs() < 5.1e-5);
    assert!((report(&first)["evidence_mixture"].as_f64().unwrap() - 4.25036).abs() < 5.1e-5);
    let second = night(20);
    assert_eq!((second.status.code(), report(&second)["n_new"].as_u64()), (Some(4), Some(10)));
    let third = night(20);
    assert_eq!((third.status.code(), report(&third)["n_new"].as_u64()), (Some(4), Some(0)), "the alarm stays");
    assert_eq!(report(&third)["evidence"], report(&second)["evidence"]);
    let metrics = prometheus::parse(&std::fs::read_to_string(place.path("audit.prom")).unwrap());
    assert!(metrics.iter().any(|sample| sample.name == "s2infer_audit_alarm" && sample.value == 1.0));
}
