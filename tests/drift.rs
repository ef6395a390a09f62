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

/// A list of the tiles in a simulated folder whose manifest says so.
fn list(place: &Place, name: &str, is_chosen: impl Fn(&[&str]) -> bool) -> String {
    let manifest = std::fs::read_to_string(place.path(&format!("{name}/manifest.csv"))).unwrap();
    let rows = manifest.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let tiles: Vec<String> = rows.filter(|row| is_chosen(row)).map(|row| format!("{name}/{}", row[0])).collect();
    assert!(tiles.len() >= 30, "{}", tiles.len());
    let list = format!("{name}.txt");
    std::fs::write(place.path(&list), tiles.join("\n")).unwrap();
    list
}

#[test]
fn a_region_that_the_reference_has_never_seen_is_caught() {
    let place = watched();
    simulate(&place, "volcanic", &["--seed", "3", "--regions", "granite-heath,volcanic-slopes"]);
    let list = list(&place, "volcanic", |row| row.contains(&"volcanic-slopes"));
    let (_, drift) = run(&place, &["--files-from", &list, "--drift"]);
    let found = drifted(&drift);
    assert!(found.iter().any(|finding| finding.contains(" mean_")), "{drift}");
}

#[test]
fn a_night_of_clouds_alone_alarms_for_the_sky_of_each_season_and_for_nothing_else() {
    let place = watched();
    simulate(&place, "tonight", &["--seed", "2"]);
    let cloudy = list(&place, "tonight", |row| row[2] == "train" && row[7] == "cloudy");
    let (_, drift) = run(&place, &["--files-from", &cloudy, "--drift"]);
    assert_eq!(drifted(&drift), ["all sky_of_summer", "all sky_of_winter"]);
}

#[test]
fn a_night_of_one_season_raises_no_alarm_and_any_flag_of_drift_asks_for_it() {
    let place = watched();
    simulate(&place, "tonight", &["--seed", "2"]);
    let summer = list(&place, "tonight", |row| row[2] == "train" && row[6] == "summer");
    let (_, drift) = run(&place, &["--files-from", &summer, "--drift-level", "0.01"]);
    assert_eq!((drift["alarm"].as_bool(), drifted(&drift)), (Some(false), Vec::new()), "{drift}");
    assert_eq!((&drift["model"], &drift["tta"]), (&"watched".into(), &"none".into()), "{drift}");
    assert_eq!(drift["model_sha256"].as_str().map(str::len), Some(12), "{drift}");
    let output = place.run(&["--files-from", &summer, "--threshold", "0.5", "--drift-level", "1e-9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot reach it; give 0.0"), "{}", text(&output.stderr));
}

/// The command fails with 2 and these words, and every one of these files is as it was.
fn keeps(place: &Place, files: &[&str], arguments: &[&str], words: &str) {
    let before: Vec<Option<Vec<u8>>> = files.iter().map(|file| std::fs::read(place.path(file)).ok()).collect();
    let output = place.run_subcommand(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.contains(words), "{said}");
    let after: Vec<Option<Vec<u8>>> = files.iter().map(|file| std::fs::read(place.path(file)).ok()).collect();
    assert!(before == after, "{arguments:?}");
}

#[test]
fn a_reference_overwrites_no_tile_that_it_is_made_of() {
    let place = Place::new();
    place.levels(25);
    let make = |flag: &str| {
        let tile = "tiles/t0003.tif";
        let other = if flag == "--out" { "--table" } else { "--out" };
        let make = ["drift", "reference", "tiles", "--model", "model", "--engine", "tract", flag, tile, other, "other"];
        keeps(&place, &[tile, "other"], &make, "are the same file");
    };
    make("--out");
    make("--table");
}

#[test]
fn metrics_overwrite_no_file_of_the_references_model() {
    let place = watched();
    std::fs::write(place.path("scores.csv"), "tile,score\na,0.5\n").unwrap();
    for file in
        ["model/model.onnx", "model/reference.json", "model/model.json", "model/golden.safetensors", "scores.csv"]
    {
        let check = ["drift", "--reference", "model", "--scores", "scores.csv", "--metrics-file", file];
        keeps(&place, &[file], &check, "are the same file");
        let check = check.map(|argument| if argument == "model" { "model/reference.json" } else { argument });
        keeps(&place, &[file], &check, "are the same file");
    }
}

#[test]
fn a_report_names_its_reference_and_metrics_the_command_that_wrote_them() {
    let place = watched();
    std::fs::write(place.path("scores.csv"), "tile,score,group\na,0.5,summer-clear\n").unwrap();
    let check = ["drift", "--reference", "model", "--scores", "scores.csv", "--metrics-file", "drift.prom"];
    let said = succeed(&place.run_subcommand(&check));
    let sha256 = s2infer::model::Model::load(&place.path("model")).unwrap().sha256;
    let name = format!("reference: model watched (SHA-256 {}…), test-time augmentation none\n", &sha256[..12]);
    assert!(said.starts_with(&name), "{said}");
    assert!(said.ends_with("bands and scores need 20 tiles of such groups\n"), "{said}");
    let metrics = prometheus::parse(&std::fs::read_to_string(place.path("drift.prom")).unwrap());
    assert!(metrics.iter().all(|sample| sample.labels["command"] == "drift"));
    let untested = metrics.iter().find(|sample| sample.name == "s2infer_drift_quantities_untested");
    assert_eq!(untested.map(|sample| sample.value), Some(1.0));

    std::fs::write(place.path("audited.csv"), "tile,missed\na,1\n").unwrap();
    let said = succeed(&place.run_subcommand(&["drift", "audit", "--labels", "audited.csv", "--drift-level", "0.01"]));
    assert!(said.contains("alarm from 100.0000 on"), "{said}");
}

#[test]
fn the_state_of_an_audit_and_its_lock_are_no_metrics_file() {
    let place = Place::new();
    std::fs::write(place.path("audited.csv"), "tile,missed\na,1\n").unwrap();
    for metrics in ["new.s", "new.s.lock", "./new.s"] {
        let audit = ["drift", "audit", "--labels", "audited.csv", "--state", "new.s", "--metrics-file", metrics];
        keeps(&place, &["new.s", "new.s.lock"], &audit, "are the same file");
    }
    keeps(
        &place,
        &["audited.csv"],
        &["drift", "audit", "--labels", "audited.csv", "--state", "audited.csv"],
        "the same file",
    );
}

#[test]
fn a_folder_whose_reference_is_newer_than_its_seal_is_repaired_and_one_with_another_graph_is_not() {
    let place = watched();
    let make = ["drift", "reference", "usual/train", "--model", "model", "--engine", "tract"];
    let newer = std::fs::read_to_string(place.path("model/reference.json")).unwrap().replacen(
        "command\":\"",
        "command\":\"x",
        1,
    );
    std::fs::write(place.path("model/reference.json"), &newer).unwrap();
    assert!(s2infer::model::Model::load(&place.path("model")).is_err());
    let output = place.run_subcommand(&make);
    succeed(&output);
    assert!(text(&output.stderr).contains("newer than the folder's seal"), "{}", text(&output.stderr));
    s2infer::model::Model::load(&place.path("model")).unwrap();

    std::fs::write(place.path("model/reference.json"), &newer).unwrap();
    std::fs::write(place.path("model/card.md"), "another").unwrap();
    let output = place.run_subcommand(&make);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}

#[test]
fn another_augmentation_than_the_models_own_is_warned_of() {
    let place = watched();
    let make = ["drift", "reference", "usual/measurement", "--model", "model", "--engine", "tract", "--tta", "flips"];
    let output = place.run_subcommand(&[&make[..], &["--out", "flips.json"]].concat());
    succeed(&output);
    assert!(text(&output.stderr).contains("only runs with the same --tta"), "{}", text(&output.stderr));
}

#[test]
fn a_held_state_is_said_without_a_flag_that_the_audit_does_not_have() {
    let place = Place::new();
    std::fs::write(place.path("audited.csv"), "tile,missed\na,1\n").unwrap();
    let _held = s2infer::output::Lock::acquire(&place.path("audit.json"), std::time::Duration::ZERO).unwrap();
    let output = place.run_subcommand(&["drift", "audit", "--labels", "audited.csv", "--state", "audit.json"]);
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(75) && said.contains("another audit") && !said.contains("--wait"), "{said}");
}

#[test]
fn tables_of_shares_alone_are_taken_and_those_of_some_bands_name_what_is_missing() {
    let place = watched();
    let check = |table: &str| {
        std::fs::write(place.path("scores.csv"), table).unwrap();
        place.run_subcommand(&["drift", "--reference", "model", "--scores", "scores.csv", "--format", "json"])
    };
    // Rows without a name are tiles of their own.
    let rows = ",0.5,0.9,summer-clear\n".repeat(30);
    let report: Value =
        serde_json::from_str(&succeed(&check(&format!("tile,score,valid_share,group\n{rows}")))).unwrap();
    assert_eq!(report["tiles"], 30);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["quantity"] == "valid_share" && finding["n"] == 30), "{report}");
    let output = check("tile,score,valid_share,mean_B02\na,0.5,1,0.1\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("columns are missing: mean_B04, deviation_B04,"), "{}", text(&output.stderr));
    let long = "x".repeat(1 << 20);
    for row in [format!("{long},clear,summer"), format!("0.5,{long},summer"), format!("0.5,clear,{long}")] {
        let output = check(&format!("score,cloud,season\n{row}\n"));
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stderr.len() < 1000 && text(&output.stderr).contains("line 2"), "{}", output.stderr.len());
    }
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
    assert!(text(&output.stderr).contains("too few tiles to tell: 10 tiles"), "{}", text(&output.stderr));
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
    assert!(metrics.iter().all(|sample| sample.labels["model"] == "watched" && sample.labels["command"] == "run"));
    assert_eq!(single("s2infer_drift_quantities_untested"), 0.0);
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
        let name: &[&str] = if rows == 10 { &["--name", "north"] } else { &[] };
        let rows: String =
            stream.iter().take(rows).enumerate().map(|(row, missed)| format!("t{row},{missed}\n")).collect();
        std::fs::write(place.path("audited.csv"), format!("tile,missed\n{rows}")).unwrap();
        let audit = ["drift", "audit", "--labels", "audited.csv", "--state", "audit.json", "--fail-on-drift"];
        place.run_subcommand(&[&audit[..], name, &["--format", "json", "--metrics-file", "audit.prom"]].concat())
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
    assert!(metrics.iter().all(|sample| sample.labels["audit"] == "north"), "the name is kept");
}
