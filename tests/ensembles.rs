//! Models of several members, the agreement of their views, and the trees before them.

mod common;
#[path = "common/ensembles.rs"]
mod ensembles;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::Path;
use std::process::{Command, Output};

use ensembles::*;
use model_folders::{SIDE, encode, int, manifest, model_of, node};
use prost::Message;
use s2infer::model::{Manifest, Model, describe, read_trees};
use serde_json::{Value, json};
use tract_onnx::pb;

/// DN of a pixel of tile `tile`: a pattern, brighter from tile to tile, so that the scores differ.
fn dn(tile: usize, band: usize, row: u32, column: u32) -> u16 {
    (450 + 100 * tile + 90 * band + (row as usize * 137 + column as usize * (61 + 40 * tile) + tile * 53) % 700) as u16
}

const TILES: usize = 6;

fn write_tiles(folder: &Path) {
    for tile in 0..TILES {
        let path = folder.join(format!("t{tile}.tif"));
        tiles::write_u16(&path, 4, SIDE as u32, |band, row, column| dn(tile, band, row, column));
    }
}

/// The network's input of a tile, computed here.
fn input(tile: usize) -> Vec<f32> {
    let manifest = manifest();
    let pixels = (0..4).flat_map(|band| (0..SIDE * SIDE).map(move |pixel| (band, pixel / SIDE, pixel % SIDE)));
    let standardise = |(band, row, column): (usize, usize, usize)| {
        let reflectance = (f32::from(dn(tile, band, row as u32, column as u32)) * 1e-4).clamp(0.0, 0.275);
        (reflectance - manifest.bands[band].mean) / manifest.bands[band].standard_deviation
    };
    pixels.map(standardise).collect()
}

/// The eight symmetries of the square, spelled out.
fn turned(input: &[f32], view: usize) -> Vec<f32> {
    let last = SIDE - 1;
    let source = |row: usize, column: usize| {
        let (row, column) =
            (if view & 1 > 0 { last - row } else { row }, if view & 2 > 0 { last - column } else { column });
        if view & 4 > 0 { (column, row) } else { (row, column) }
    };
    let pixel = |index: usize| {
        let (band, row, column) = (index / (SIDE * SIDE), index / SIDE % SIDE, index % SIDE);
        let (row, column) = source(row, column);
        input[(band * SIDE + row) * SIDE + column]
    };
    (0..input.len()).map(pixel).collect()
}

/// Mean of the scores of the members, each shifted by the logit of its threshold.
fn anchored(logits: [f64; 3]) -> f64 {
    let anchor = |threshold: f32| (f64::from(threshold) / (1.0 - f64::from(threshold))).ln();
    let score = |(logit, threshold): (f64, f32)| 1.0 / (1.0 + (anchor(threshold) - logit).exp());
    logits.into_iter().zip(THRESHOLDS).map(score).sum::<f64>() / 3.0
}

/// The score of a tile, and those of its views by themselves.
fn expected(tile: usize, views: usize) -> (f64, Vec<f64>) {
    let rows: Vec<Vec<f32>> = (0..views).map(|view| turned(&input(tile), view)).collect();
    let logits = |row: &Vec<f32>| std::array::from_fn(|member| f64::from(logit(member, row)));
    let each: Vec<[f64; 3]> = rows.iter().map(logits).collect();
    let mean = std::array::from_fn(|member| each.iter().map(|logits| logits[member]).sum::<f64>() / views as f64);
    (anchored(mean), each.into_iter().map(anchored).collect())
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(arguments);
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    command.output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of all tiles on an engine.
fn decide(folder: &Path, engine: &str, arguments: &[&str]) -> Vec<Value> {
    let tiles: Vec<String> = (0..TILES).map(|tile| format!("t{tile}.tif")).collect();
    let mut all = vec!["--model", "model", "--engine", engine, "--format", "ndjson"];
    all.extend(arguments);
    all.extend(tiles.iter().map(String::as_str));
    rows(&run(folder, &all))
}

fn engines() -> Vec<&'static str> {
    if common::ort_library().is_some() {
        return vec!["tract", "ort"];
    }
    common::skip_or_fail("the ONNX Runtime library");
    vec!["tract"]
}

fn place(manifest: &Manifest) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_ensemble(&folder.path().join("model"), manifest).unwrap();
    write_tiles(folder.path());
    folder
}

#[test]
fn members_run_as_one_network_and_decide_by_their_own_thresholds() {
    let folder = place(&ensemble_manifest());
    for engine in engines() {
        for (views, arguments) in [(8, &["--threads", "1"][..]), (8, &["--batch", "24"]), (1, &["--tta", "none"])] {
            let found = decide(folder.path(), engine, arguments);
            assert_eq!(found.len(), TILES);
            for (tile, row) in found.iter().enumerate() {
                let (score, _) = expected(tile, views);
                assert!(
                    (row["score"].as_f64().unwrap() - score).abs() < 1e-5,
                    "{engine} {arguments:?}: {row}, {score}"
                );
                assert_eq!(row["decision"], if score >= 0.5 { "positive" } else { "negative" });
                assert_eq!((&row["threshold"], &row["shift"]), (&json!(0.5), &json!("members")));
            }
            let decisions: Vec<&Value> = found.iter().map(|row| &row["decision"]).collect();
            assert!(
                decisions.contains(&&json!("positive")) && decisions.contains(&&json!("negative")),
                "{decisions:?}"
            );
        }
    }
    let record = folder.path().join("record.json");
    run(folder.path(), &["--model", "model", "--engine", "tract", "--record", "record.json", "t0.tif"]);
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!((&record["shift"], &record["counts"]["without_guarantee"]), (&json!("members"), &json!(1)));
    // What asks for a profile is not answered by the members.
    let output =
        run(folder.path(), &["--model", "model", "--engine", "tract", "--threshold-profile", "winter", "t0.tif"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no threshold profile"));
    let text = String::from_utf8(run(folder.path(), &["inspect", "model"]).stdout).unwrap();
    assert!(text.contains("members:\n  member-01: 0.3\n"), "{text}");
}

#[test]
fn views_that_disagree_leave_the_window_undecided() {
    for least in [0.6, 1.0] {
        let folder = place(&Manifest { view_agreement_minimum: Some(least), ..ensemble_manifest() });
        let mut abstained = 0;
        for (tile, row) in decide(folder.path(), "tract", &[]).iter().enumerate() {
            let (score, views) = expected(tile, 8);
            let agreeing = views.iter().filter(|view| (**view >= 0.5) == (score >= 0.5)).count();
            let is_decided = agreeing as f64 / 8.0 >= least;
            assert_eq!(row["decision"] != "abstain", is_decided, "{row}: {views:?}");
            if !is_decided {
                abstained += 1;
                let reason = row["reason"].as_str().unwrap();
                assert!(reason.starts_with(&format!("the views disagree: {agreeing} of 8 ")), "{reason}");
            }
        }
        assert!(abstained > 0 && abstained < TILES, "{least}: {abstained}");
        let alone = decide(folder.path(), "tract", &["--tta", "none"]);
        assert!(alone.iter().all(|row| row["decision"] != "abstain"), "one view agrees with itself");
    }
}

#[test]
fn a_resumed_run_counts_what_an_unbroken_one_counts() {
    let folder = place(&Manifest { gate: Some(gate()), ..ensemble_manifest() });
    let tiles: Vec<String> = (0..TILES).map(|tile| format!("t{tile}.tif")).collect();
    let counts = |output: &str, tiles: &[String]| {
        let flags =
            ["--model", "model", "--engine", "tract", "--resume", "--output", output, "--record", "record.json"];
        let tiles: Vec<&str> = tiles.iter().map(String::as_str).collect();
        assert!(run(folder.path(), &[&flags[..], &tiles].concat()).status.success());
        let record = std::fs::read(folder.path().join("record.json")).unwrap();
        let mut counts = serde_json::from_slice::<Value>(&record).unwrap()["counts"].take();
        let resumed = counts.as_object_mut().unwrap().remove("tiles_resumed").unwrap();
        (counts, resumed)
    };
    let (whole, _) = counts("whole.csv", &tiles);
    assert!(whole["spared"] != 0 && whole["without_guarantee"] == TILES, "{whole}");
    counts("out.csv", &tiles[..TILES / 2]);
    assert_eq!(counts("out.csv", &tiles), (whole.clone(), json!(TILES / 2)));
    assert_eq!(counts("out.csv", &tiles), (whole, json!(TILES)));
}

#[test]
fn the_prefilter_spares_the_network_and_changes_nothing_else() {
    let gated = Manifest { gate: Some(gate()), ..ensemble_manifest() };
    let folder = place(&gated);
    let open = decide(folder.path(), "tract", &["--no-prefilter"]);
    let is_spared = |tile: usize| input(tile)[..SIDE * SIDE].iter().sum::<f32>() <= 0.0;
    let spared = (0..TILES).filter(|tile| is_spared(*tile)).count();
    assert!(spared > 0 && spared < TILES);
    for engine in engines() {
        let mut first: Option<Vec<Value>> = None;
        for arguments in [
            &["--threads", "1"][..],
            &["--threads", "3", "--batch", "8"],
            &["--batch", "64"],
            &["--batch", "1"],
            &["--threshold", "0"],
        ] {
            let found = decide(folder.path(), engine, &[arguments, &["--record", "record.json"]].concat());
            for (tile, row) in found.iter().enumerate() {
                if is_spared(tile) {
                    assert_eq!(
                        (&row["decision"], &row["score"]),
                        (&json!("negative"), &json!(0.0)),
                        "{arguments:?}: {row}"
                    );
                    let reason = "spared by the prefilter, whose score 0.02 is below its cut-off 0.1";
                    assert_eq!(row["reason"], reason);
                } else if engine == "tract" && arguments[0] != "--threshold" {
                    assert_eq!(*row, open[tile]);
                }
            }
            let record: Value =
                serde_json::from_slice(&std::fs::read(folder.path().join("record.json")).unwrap()).unwrap();
            assert_eq!(record["counts"]["spared"], spared);
            assert!(record["prefilter"].as_str().unwrap().contains("at most 1.98 % are lost"), "{record}");
            if arguments[0] != "--threshold" {
                assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{engine}: {arguments:?}");
            }
        }
    }
    let text = String::from_utf8(run(folder.path(), &["inspect", "model"]).stdout).unwrap();
    assert!(text.contains("with a confidence of 95 %"), "{text}");
    let bench = run(folder.path(), &["bench", "model", "--engine", "tract", "--tiles", "8", "--max-seconds", "1"]);
    assert!(bench.status.success(), "{}", String::from_utf8_lossy(&bench.stderr));
    let output = run(
        folder.path(),
        &["quantize", "model", "--engine", "ort", "--precision", "fp16", "--manifest", "x.csv", "--out", "q"],
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("members"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_ensemble_is_measured_by_its_members_thresholds_and_can_be_calibrated() {
    let agreeing = Manifest { gate: Some(gate()), view_agreement_minimum: Some(0.6), ..ensemble_manifest() };
    let folder = place(&agreeing);
    let rows: String = (0..TILES).map(|tile| format!("t{tile}.tif,{},s{tile},slopes\n", tile % 2)).collect();
    std::fs::write(folder.path().join("tiles.csv"), format!("path,label,site,group\n{rows}")).unwrap();
    let engine = ["--engine", "tract", "--manifest", "tiles.csv"];
    let evaluate = [&["evaluate", "--model", "model", "--out", "report", "--resamples", "100"][..], &engine].concat();
    let output = run(folder.path(), &evaluate);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let scores = std::fs::read_to_string(folder.path().join("report/scores-candidate.csv")).unwrap();
    let undecided = (0..TILES).filter(|tile| input(*tile)[..SIDE * SIDE].iter().sum::<f32>() > 0.0).filter(|tile| {
        let (score, views) = expected(*tile, 8);
        views.iter().filter(|view| (**view >= 0.5) == (score >= 0.5)).count() < 5
    });
    assert_eq!(scores.lines().count() - 1, TILES - undecided.count(), "{scores}");
    let calibrate = [&["calibrate", "--model", "model", "--scores-out", "scores.csv", "--rule", "mean"][..], &engine];
    let output = run(folder.path(), &calibrate.concat());
    assert!(folder.path().join("scores.csv").exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let scores = std::fs::read_to_string(folder.path().join("scores.csv")).unwrap();
    assert_eq!(scores.lines().count() - 1, TILES, "thresholds are found on the scores of all: {scores}");
    // What the prefilter lost is lost at any threshold: one of 0 would count it as caught.
    let lost: String = (0..40).map(|tile| format!("p{tile}.tif,{},0.0,slopes,on\n", tile % 2)).collect();
    std::fs::write(folder.path().join("lost.csv"), format!("tile,label,score,group,prefilter\n{lost}")).unwrap();
    let output = run(folder.path(), &["calibrate", "--model", "model", "--scores", "lost.csv", "--out", "p.json"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && message.contains("the threshold of slopes is 0"), "{message}");
    assert!(!folder.path().join("p.json").exists());
}

/// Runs, asserts a refusal with this exit code in one line with this word.
fn refused(folder: &Path, arguments: &[&str], code: i32, word: &str) {
    let output = run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(word) && said.lines().count() == 1, "{word}: {said}");
}

fn succeed(folder: &Path, arguments: &[&str]) {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn scores_and_thresholds_with_and_without_the_prefilter_are_not_mixed() {
    let folder = place(&Manifest { gate: Some(gate()), ..ensemble_manifest() });
    let folder = folder.path();
    let is_spared = |tile: usize| input(tile)[..SIDE * SIDE].iter().sum::<f32>() <= 0.0;
    let mut seen: Vec<usize> = (0..TILES).filter(|tile| !is_spared(*tile)).collect();
    seen.sort_by(|a, b| expected(*b, 8).0.total_cmp(&expected(*a, 8).0));
    let label = |tile: usize| u8::from(seen[..2].contains(&tile));
    let rows: String = (0..TILES).map(|tile| format!("t{tile}.tif,{},slopes\n", label(tile))).collect();
    std::fs::write(folder.join("tiles.csv"), format!("path,label,group\n{rows}")).unwrap();
    let calibrate = ["calibrate", "--model", "model", "--engine", "tract", "--rule", "budget"];
    let without = ["--no-prefilter"];
    for (name, flags) in [("on", &[][..]), ("off", &without)] {
        let (scores, profile) = (format!("{name}.csv"), format!("{name}.json"));
        let tiles = ["--manifest", "tiles.csv", "--scores-out", &scores, "--out", &profile];
        succeed(folder, &[&calibrate[..], &tiles, flags].concat());
        assert_eq!(json_of(&folder.join(&profile))["prefilter"], name == "on");
        let mut table = csv::Reader::from_path(folder.join(&scores)).unwrap();
        let rows: Vec<std::collections::BTreeMap<String, String>> = table.deserialize().map(Result::unwrap).collect();
        assert!(rows.len() == TILES && rows.iter().all(|row| row["prefilter"] == name), "{rows:?}");
        assert_eq!(rows.iter().any(|row| row["score"] == "0"), name == "on", "{rows:?}");
        let out = ["--out", "again.json"];
        succeed(folder, &[&calibrate[..], &["--scores", &scores], flags, &out].concat());
        let groups = |file: &str| json_of(&folder.join(file))["groups"].clone();
        assert_eq!(groups("again.json"), groups(&profile));

        let (other, remedy) = match name {
            "on" => (&without[..], "leave --no-prefilter out"),
            _ => (&[][..], "give --no-prefilter"),
        };
        refused(folder, &[&calibrate[..], &["--scores", &scores], other, &out].concat(), 4, remedy);
        let decide = ["--model", "model", "--engine", "tract", "--threshold-profile", "slopes", "--profile", &profile];
        succeed(folder, &[&decide[..], flags, &["t0.tif", "t5.tif"]].concat());
        refused(folder, &[&decide[..], other, &["t0.tif"]].concat(), 4, remedy);
        let evaluate = ["evaluate", "--model", "model", "--engine", "tract", "--profile", &profile, "--out", "report"];
        let quick = [&evaluate[..], &["--resamples", "100"]].concat();
        for tiles in [["--manifest", "tiles.csv"], ["--scores", &scores]] {
            let against = if tiles[0] == "--scores" { &["--despite-leaks"][..] } else { &[] };
            run(folder, &[&quick[..], &tiles, flags, against].concat());
            assert_eq!(json_of(&folder.join("report/report.json"))["candidate"]["prefilter"], name);
            refused(folder, &[&quick[..], &tiles, other].concat(), 4, remedy);
        }
        // The table of a run says it where a window was spared, and nothing otherwise.
        let tiles: Vec<String> = (0..TILES).map(|tile| format!("t{tile}.tif")).collect();
        let tiles: Vec<&str> = tiles.iter().map(String::as_str).collect();
        let ran = run(folder, &[&["--model", "model", "--engine", "tract", "--quiet"][..], flags, &tiles].concat());
        let ran = String::from_utf8(ran.stdout).unwrap();
        let labelled = ran.lines().enumerate().map(|(index, line)| match index.checked_sub(1) {
            None => format!("{line},label,group\n"),
            Some(tile) => format!("{line},{},slopes\n", label(tile)),
        });
        std::fs::write(folder.join("run.csv"), labelled.collect::<String>()).unwrap();
        succeed(folder, &[&calibrate[..], &["--scores", "run.csv"], flags, &out].concat());
        let remedy = if name == "on" { remedy } else { "add a column prefilter" };
        refused(folder, &[&calibrate[..], &["--scores", "run.csv"], other, &out].concat(), 4, remedy);
    }
    let scores = std::fs::read_to_string(folder.join("on.csv")).unwrap();
    std::fs::write(folder.join("both.csv"), scores.replacen(",on", ",off", 1)).unwrap();
    refused(folder, &[&calibrate[..], &["--scores", "both.csv"]].concat(), 2, "in one table");
}

#[test]
fn what_evaluates_with_a_profile_abstains_as_a_run_with_it() {
    let folder = place(&Manifest { view_agreement_minimum: Some(0.6), ..ensemble_manifest() });
    let folder = folder.path();
    let group = |tile: usize| ["slopes", "valleys"][tile % 2];
    let rows = (0..TILES).map(|tile| format!("t{tile}.tif,{},{}\n", u8::from(tile % 4 < 2), group(tile)));
    std::fs::write(folder.join("tiles.csv"), format!("path,label,group\n{}", rows.collect::<String>())).unwrap();
    let calibrate = ["calibrate", "--model", "model", "--engine", "tract", "--rule", "budget", "--out", "profile.json"];
    succeed(folder, &[&calibrate[..], &["--manifest", "tiles.csv"]].concat());
    // Between the views of the first tile of a group: half of them say one thing, half the other.
    let mut profile = json_of(&folder.join("profile.json"));
    for of in profile["groups"].as_array_mut().unwrap() {
        let (_, mut views) = expected(if of["group"] == "slopes" { 0 } else { 1 }, 8);
        views.sort_by(f64::total_cmp);
        of["threshold"] = json!(((views[3] + views[4]) / 2.0) as f32);
    }
    std::fs::write(folder.join("profile.json"), profile.to_string()).unwrap();
    let (mut decided, mut caught, mut abstained) = (std::collections::BTreeMap::new(), 0, [0, 0]);
    for tile in 0..TILES {
        let name = format!("t{tile}.tif");
        let how = ["--model", "model", "--engine", "tract", "--format", "ndjson", "--profile", "profile.json"];
        let row = rows_of_one(&run(folder, &[&how[..], &["--threshold-profile", group(tile), &name]].concat()));
        if row["decision"] == "abstain" {
            abstained[usize::from(tile % 4 < 2)] += 1;
            continue;
        }
        caught += u64::from(tile % 4 < 2 && row["decision"] == "positive");
        decided.insert(name, row["score"].to_string());
    }
    assert!(abstained[1] > 0 && decided.len() > 1, "{abstained:?}, {decided:?}");
    let evaluate =
        ["evaluate", "--model", "model", "--engine", "tract", "--profile", "profile.json", "--out", "report"];
    succeed(folder, &[&evaluate[..], &["--manifest", "tiles.csv", "--resamples", "100"]].concat());
    let scores = csv::Reader::from_path(folder.join("report/scores-candidate.csv"));
    let scored: Vec<csv::StringRecord> = scores.unwrap().records().map(Result::unwrap).collect();
    let scored = scored.iter().map(|row| (row[0].to_owned(), row[2].to_owned())).collect();
    assert_eq!(decided, scored);
    let report = json_of(&folder.join("report/report.json"));
    assert_eq!(report["data"]["n_undecided"], abstained[0] + abstained[1]);
    assert_eq!(report["data"]["n_abstained_positives"], abstained[1]);
    assert_eq!(report["candidate"]["own"]["all"]["recall"]["hits"], caught);
}

fn rows_of_one(output: &Output) -> Value {
    rows(output).remove(0)
}

#[test]
fn no_prefilter_is_for_models_that_have_one() {
    let folder = place(&ensemble_manifest());
    let run = ["--model", "model", "--engine", "tract", "--no-prefilter"];
    for arguments in
        [&["t0.tif"][..], &["calibrate", "--scores", "s.csv"], &["evaluate", "--scores", "s.csv", "--out", "r"]]
    {
        let (subcommand, rest) = arguments.split_at(usize::from(arguments.len() > 1));
        refused(folder.path(), &[subcommand, &run, rest].concat(), 2, "has no prefilter");
    }
}

/// A change of a good folder and what the refusal must say.
#[test]
fn folders_whose_members_or_prefilter_do_not_fit_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = Manifest { gate: Some(gate()), ..ensemble_manifest() };
    let sealed = write_ensemble(folder.path(), &good).unwrap();
    let item = sealed.manifest.to_item().unwrap();
    let restore = || {
        write_ensemble(folder.path(), &good).unwrap();
    };
    let refused = |item: &Value, words: &[&str]| {
        std::fs::write(folder.path().join("model.json"), serde_json::to_vec(item).unwrap()).unwrap();
        let message = Model::load(folder.path()).expect_err(&words.join(", ")).to_string();
        assert!(words.iter().all(|word| message.contains(word)) && !message.contains('\n'), "{words:?}: {message}");
    };
    let changed = |pointer: &str, value: Option<Value>| {
        let mut item = item.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match (item.pointer_mut(parent).unwrap(), value) {
            (Value::Array(list), Some(value)) => list[key.parse::<usize>().unwrap()] = value,
            (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
            (Value::Object(map), None) => drop(map.remove(key).unwrap()),
            (Value::Array(list), None) => drop(list.remove(key.parse().unwrap())),
            other => panic!("{pointer}: {other:?}"),
        }
        item
    };
    let block = "/properties/s2infer:inference";
    refused(&changed("/assets/member-02", None), &["member \"member-02\" is missing"]);
    refused(&changed(&format!("{block}/members/2"), None), &["\"member-03\" is a member too many"]);
    refused(&changed(&format!("{block}/members/1/threshold"), None), &["member \"member-02\" has no threshold"]);
    for threshold in [0.0, 1.0, -0.1, 7.0] {
        let item = changed(&format!("{block}/members/1/threshold"), Some(json!(threshold)));
        refused(&item, &["threshold of member \"member-02\"", "less than 1"]);
    }
    refused(&changed(&format!("{block}/members/1/model"), Some(json!("member-01"))), &["listed twice"]);
    refused(&changed(&format!("{block}/head"), Some(json!("multiclass"))), &["head"]);
    refused(&changed(&format!("{block}/view_agreement_minimum"), Some(json!(1.5))), &["view_agreement_minimum"]);
    refused(&changed("/assets/prefilter", None), &["s2infer:gate"]);
    refused(&changed(&format!("{block}/gate"), None), &["\"prefilter\" is a gate"]);
    refused(&changed(&format!("{block}/gate/asset"), Some(json!("other"))), &["\"other\"", "\"prefilter\""]);
    refused(&changed(&format!("{block}/gate/lost_share_max"), Some(json!(0.001))), &["150 positives prove 0.0198"]);
    refused(&changed(&format!("{block}/gate/calibration_positives"), Some(json!(0))), &["calibration_positives"]);

    for name in ["member-02.onnx", "prefilter.onnx"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
        refused(&item, &[name, "cannot be read", "copy the model folder again"]);
        restore();
        std::fs::write(folder.path().join(name), b"something else").unwrap();
        refused(&item, &[name, "model.json says"]);
        restore();
    }
    std::fs::write(folder.path().join("member-04.onnx"), encode(member_graph(0))).unwrap();
    let error = s2infer::model::seal(folder.path(), &good).unwrap_err().to_string();
    assert!(error.contains("member-04.onnx is a member too many"), "{error}");
    std::fs::remove_file(folder.path().join("member-04.onnx")).unwrap();

    let seal = |graph: pb::GraphProto, opset: i64, ir_version: i64| {
        let opset_import = vec![pb::OperatorSetIdProto { domain: String::new(), version: opset }];
        let model = pb::ModelProto { opset_import, ir_version, ..model_of(graph) };
        std::fs::write(folder.path().join("member-02.onnx"), model.encode_to_vec()).unwrap();
        s2infer::model::seal(folder.path(), &good).map(drop).map_err(|error| error.to_string())
    };
    let message = seal(member_graph(1), 16, 8).unwrap_err();
    assert!(message.contains("member-01 is of the operator set ai.onnx 17 and member-02 of ai.onnx 16"), "{message}");
    let message = seal(member_graph(1), 17, 9).unwrap_err();
    assert!(message.contains("(IR) version 8 and member-02 of 9"), "{message}");
    let mut unknown = member_graph(1);
    unknown.node.insert(1, node("NonZero", &["f"], "z", vec![]));
    let message = seal(unknown, 17, 8).unwrap_err();
    assert!(message.contains("member-02.onnx") && message.contains("NonZero"), "{message}");
    seal(member_graph(1), 17, 8).unwrap();
}

#[test]
fn the_hash_of_a_model_covers_every_member_threshold_and_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |manifest: &Manifest| write_ensemble(folder.path(), manifest).unwrap().sha256;
    let good = Manifest { gate: Some(gate()), ..ensemble_manifest() };
    let mut hashes = vec![hash(&good), hash(&ensemble_manifest())];
    for member in 0..3 {
        let mut other = good.clone();
        other.members[member].threshold += 0.01;
        hashes.push(hash(&other));
    }
    let cutoff = s2infer::model::manifest::Gate { cutoff: 0.2, ..gate() };
    hashes.push(hash(&Manifest { gate: Some(cutoff), ..ensemble_manifest() }));
    assert_eq!(hash(&good), hashes[0]);
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
    let facts = describe(&write_ensemble(folder.path(), &good).unwrap());
    assert_eq!((&facts["operators"]["Gemm"], &facts["parameters"]), (&json!(3), &json!(3 * (PIXELS + 1))));
}

#[test]
fn a_sealed_ensemble_satisfies_stac_the_extension_and_our_schema() {
    let Some(python) = common::python() else { return common::skip_or_fail("Python with stac-model") };
    let folder = tempfile::tempdir().unwrap();
    let manifest = Manifest { gate: Some(gate()), view_agreement_minimum: Some(0.75), ..ensemble_manifest() };
    let written = write_ensemble(folder.path(), &manifest).unwrap().manifest;
    assert_eq!((&written.members, &written.gate), (&manifest.members, &manifest.gate));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(root.join("tests/validate_manifest.py")).arg(root.join("models/s2infer-inference.schema.json"));
    let output = command.arg(folder.path().join("model.json")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn numbers(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn trees_score_as_onnx_runtime_does_with_ties_and_nan() {
    let Some(python) = common::python() else { return common::skip_or_fail("Python with onnxruntime") };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/make_trees.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut compared = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let trees = read_trees(&std::fs::read(&path).unwrap()).unwrap();
        let (rows, scores) = (numbers(&path.with_extension("rows.bin")), numbers(&path.with_extension("scores.bin")));
        assert!(trees.features() <= 14 && rows.len() == 14 * scores.len());
        let mut different = std::collections::HashSet::new();
        for (row, score) in rows.chunks(14).zip(&scores) {
            let found = trees.score(row);
            assert!((found - score).abs() <= 1e-6 * score.abs().max(1.0), "{}: {found}, {score}", path.display());
            different.insert(found.to_bits());
        }
        assert!(different.len() > 50, "{}", path.display());
        compared += 1;
    }
    assert_eq!(compared, 8);
}

#[test]
fn trees_that_are_none_are_refused_by_the_attribute() {
    let with = |attribute: pb::AttributeProto| {
        let mut all = stump_attributes(0, 0.5, [0.1, 0.9]);
        all.retain(|other| other.name != attribute.name);
        all.push(attribute);
        tree_file(all)
    };
    let modes = |mode: &str| pb::AttributeProto {
        name: "nodes_modes".into(),
        r#type: 8,
        strings: [mode, "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec()).to_vec(),
        ..Default::default()
    };
    let cases = [
        (with(list("nodes_falsenodeids", &[0, 0, 0])), "nodes_falsenodeids"),
        (with(list("nodes_falsenodeids", &[1, 0, 0])), "two ways"),
        (with(list("nodes_falsenodeids", &[9, 0, 0])), "node 9"),
        (with(list("nodes_nodeids", &[0, 1, 1])), "nodes_nodeids"),
        (with(list("nodes_treeids", &[0, 0])), "nodes_modes has 3 entries"),
        (with(list("nodes_featureids", &[-1, 0, 0])), "nodes_featureids"),
        (with(floats("nodes_values", &[f32::NAN, 0.0, 0.0])), "nodes_values"),
        (with(floats("target_weights", &[f32::INFINITY, 0.0])), "target_weights"),
        (with(floats("base_values", &[0.0, 1.0])), "base_values"),
        (with(list("target_ids", &[0, 1])), "n_targets"),
        (with(int("n_targets", 2)), "n_targets"),
        (with(word("post_transform", "LOGISTIC")), "leaves out for one target"),
        (with(word("post_transform", "SOFTMAX")), "post_transform is SOFTMAX"),
        (with(word("aggregate_function", "MAX")), "aggregate_function is MAX"),
        (with(modes("BRANCH_GT")), "nodes_modes is BRANCH_GT"),
        (with(floats("nodes_values_as_tensor", &[0.0])), "nodes_values_as_tensor"),
        (with(floats("nodes_treeids", &[0.0, 0.0, 0.0])), "another type"),
        (encode(member_graph(0)), "one TreeEnsembleRegressor"),
        (b"text".to_vec(), "ONNX"),
    ];
    for (file, words) in cases {
        let message = read_trees(&file).expect_err(words).to_string();
        assert!(message.contains(words) && !message.contains('\n'), "{words}: {message}");
    }
    // Two nodes that lead to each other, beside a tree that does not know them.
    let mut circle = stump_attributes(0, 0.5, [0.1, 0.9]);
    circle.retain(|attribute| !attribute.name.starts_with("nodes_"));
    let branches = ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "BRANCH_LT"];
    circle.extend([
        list("nodes_treeids", &[0; 5]),
        list("nodes_nodeids", &[0, 1, 2, 3, 4]),
        list("nodes_featureids", &[0; 5]),
        floats("nodes_values", &[0.0; 5]),
        list("nodes_truenodeids", &[1, 0, 0, 4, 3]),
        list("nodes_falsenodeids", &[2, 0, 0, 4, 3]),
        pb::AttributeProto {
            name: "nodes_modes".into(),
            r#type: 8,
            strings: branches.map(|mode| mode.as_bytes().to_vec()).to_vec(),
            ..Default::default()
        },
    ]);
    assert!(read_trees(&tree_file(circle)).is_err());
}
