//! `s2infer bench` through the command line, and the batch that is chosen for very many tiles.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use model_folders::{encode, linear_graph, manifest, write_folder};
use place::{Place, succeed, text};
use s2infer::bench::tune::{Cache, Wanted, choose};
use s2infer::infer::engine::{Engine, EngineChoice, EngineInfo, EngineRequest, Network, Session, open};
use s2infer::model::Model;
use s2infer::model::manifest::Precision;
use serde_json::Value;

/// Quick figures: one round counts.
const QUICK: [&str; 6] = ["--tiles", "24", "--warmup", "0", "--max-seconds", "0"];

fn bench(place: &Place, arguments: &[&str]) -> Output {
    place.run_subcommand(&[&["bench"][..], arguments].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Asserts a refusal with this exit code whose message has all these words.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

#[test]
fn every_combination_has_its_lines_and_their_parts_add_up() {
    let place = Place::new();
    let combinations = ["--engine", "tract", "--batch", "4,8", "--threads", "1,2", "--tta", "none,d4", "--from-memory"];
    let exports = ["--export-json", "o.json", "--export-markdown", "o.md"];
    let table = succeed(&bench(&place, &[&["model"][..], &QUICK, &combinations, &exports].concat()));
    let report = json(&place.path("o.json"));
    let lines = report["lines"].as_array().unwrap();
    let found: BTreeSet<String> = lines
        .iter()
        .map(|line| format!("{} {} {} {}", line["batch"], line["threads"], line["tta"], line["source"]))
        .collect();
    assert_eq!((lines.len(), found.len()), (16, 16), "{found:#?}");
    for line in lines {
        assert_eq!((line["not_run"].is_null(), &line["rounds"]), (true, &Value::from(1)));
        assert_eq!((line["precision"].as_str(), line["stable"].as_bool()), (Some("fp32"), Some(false)));
        let latency = ["p50", "p95", "p99"].map(|quantile| number(&line["latency_ms"][quantile]));
        assert!(latency.is_sorted() && latency[0] > 0.0, "{latency:?}");
        // One product of a 1×4 matrix for each of the views.
        let views = if line["tta"] == "d4" { 8.0 } else { 1.0 };
        assert!((number(&line["gflop_per_window"]) - 8e-9 * views).abs() < 1e-15, "{line:#}");
        if line["source"] == "memory" {
            assert!(line["cpu_us_per_tile"].is_null() && line["share_of_engine"].is_null());
            continue;
        }
        let split = &line["cpu_us_per_tile"];
        let stages = ["read", "decode", "preprocess", "copy", "infer", "write"].map(|stage| number(&split[stage]));
        assert!(stages.iter().all(|microseconds| *microseconds > 0.0), "{split}");
        let total = number(&split["total"]);
        assert!((stages.iter().sum::<f64>() + number(&split["other"]) - total).abs() < 1e-6 * total, "{split}");
        // One round: its rate is what its tiles took.
        assert!((number(&line["tiles_per_cpu_second"]["median"]) * total - 1e6).abs() < 1.0, "{line:#}");
        assert!(number(&line["share_of_engine"]["median"]) > 0.0);
    }
    assert_eq!(table.lines().count(), 17, "{table}");
    let markdown = fs::read_to_string(place.path("o.md")).unwrap();
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| model |")).count(), 17, "{markdown}");
}

#[test]
fn the_json_file_has_the_keys_that_are_documented() {
    let place = Place::new();
    succeed(&bench(&place, &[&["model", "--engine", "tract", "--export-json", "o.json"][..], &QUICK].concat()));
    let report = json(&place.path("o.json"));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(report["schema"], 1);
    assert_eq!(
        keys(&report),
        "schema version command started finished machine tiles warmup_rounds stable_within lines"
    );
    assert_eq!(keys(&report["machine"]), "cpu cores kernel load_average");
    assert_eq!(report["tiles"], serde_json::json!({ "count": 24, "made": true }));
    assert_eq!(
        keys(&report["lines"][0]),
        "model model_sha256 precision engine device engine_info batch threads tta source not_run rounds stable \
         tiles_per_second tiles_per_cpu_second latency_ms cpu_us_per_tile share_of_engine gflop_per_window peak_gflops \
         share_of_peak"
    );
}

#[test]
fn tiles_that_were_made_are_gone_afterwards() {
    let place = Place::new();
    fs::create_dir(place.path("temporary")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = place.command(&[]);
        command = std::process::Command::new(command.get_program());
        command.current_dir(place.path("")).env("TMPDIR", place.path("temporary")).env_remove("ORT_DYLIB_PATH");
        command.args(["bench", "model"]).args(QUICK).args(arguments).output().unwrap()
    };
    succeed(&run(&["--engine", "tract", "--batch", "auto"]));
    refused(&run(&["--engine", "tract", "--batch", "many"]), 2, &["give auto, or a number from 1 to 4096"]);
    refused(&run(&["--engine", "ort", "--ort-lib", "nowhere"]), 3, &["--ort-lib"]);
    assert_eq!(fs::read_dir(place.path("temporary")).unwrap().count(), 0);
}

#[test]
fn a_combination_that_cannot_run_says_why_and_the_others_run() {
    let place = Place::new();
    let int8 = s2infer::model::Manifest { precision: Precision::Int8, ..manifest() };
    write_folder(&place.path("int8"), &int8, &encode(linear_graph())).unwrap();
    let arguments = ["model,int8", "--engine", "tract", "--device", "cpu,cuda:1", "--export-json", "o.json"];
    let table = succeed(&bench(&place, &[&arguments[..], &QUICK].concat()));
    for words in ["model on tract, device cuda:1", "int8 on tract, device cpu", "use --engine ort"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let report = json(&place.path("o.json"));
    let ran = report["lines"].as_array().unwrap().iter().filter(|line| line["not_run"].is_null()).count();
    assert_eq!((report["lines"].as_array().unwrap().len(), ran), (4, 1));
    // Where none is left, the reasons are the error.
    let arguments = ["int8", "--engine", "tract", "--export-json", "none.json"];
    let contradiction = ["model", "--engine", "tract", "--device", "cuda"];
    refused(&bench(&place, &[&contradiction[..], &QUICK].concat()), 2, &["--device cuda:0", "use --engine ort"]);
    let words = ["no combination could run", "tract cannot compute this model's int8", "use --engine ort"];
    refused(&bench(&place, &[&arguments[..], &QUICK].concat()), 3, &words);
    // A library is for the engine that uses it, and one must.
    let of =
        |engines: &str| bench(&place, &[&["model", "--engine", engines, "--ort-lib", "nowhere"][..], &QUICK].concat());
    let words = ["--ort-lib", "nowhere", "scripts/setup-ort.sh"];
    refused(&of("ort"), 3, &words);
    let table = succeed(&of("ort,tract"));
    assert!(words.iter().all(|word| table.contains(word)) && !table.contains("model on tract"), "{table}");
    refused(&of("tract,openvino"), 2, &["--ort-lib", "ort is not among --engine"]);
}

#[test]
fn tiles_that_cannot_be_measured_on_are_named_with_the_remedy() {
    let place = Place::new();
    place.levels(3);
    let quick = ["--engine", "tract", "--warmup", "0", "--max-seconds", "0"];
    let with = |tiles: &str| bench(&place, &[&["model", tiles][..], &quick].concat());
    succeed(&with("tiles"));
    fs::write(place.path("tiles/t0001.tif"), "no tile").unwrap();
    refused(&with("tiles"), 1, &["tiles/t0001.tif", "neither TIFF", "1 of 3 tiles failed", "s2infer inspect"]);
    tiles::write_u16(&place.path("three.tif"), 3, 8, |_, _, _| 900);
    refused(&with("three.tif"), 1, &["three.tif", "1 of 1 tiles failed"]);
    refused(&with("*.jp2"), 2, &["*.jp2"]);
    refused(&bench(&place, &["nothing"]), 2, &["nothing", "model.json"]);
    refused(&bench(&place, &["model", "tiles", "--tiles", "5"]), 2, &["--tiles"]);
}

#[test]
fn exports_replace_no_input_and_appear_whole_or_not_at_all() {
    let place = Place::new();
    place.levels(1);
    for (arguments, words) in [
        (["--export-json", "model/model.onnx", "--engine", "tract"], ["--export-json", "--model"]),
        (["--export-markdown", "tiles/t0000.tif", "--engine", "tract"], ["--export-markdown", "the tile"]),
        (["--export-markdown", "o", "--export-json", "o"], ["--export-markdown", "--export-json"]),
    ] {
        refused(&bench(&place, &[&["model", "tiles"][..], &arguments].concat()), 2, &words);
    }
    fs::write(place.path("o.json"), "old").unwrap();
    fs::write(place.path("tiles/bad.tif"), "no tile").unwrap();
    refused(&bench(&place, &["model", "tiles", "--engine", "tract", "--export-json", "o.json"]), 1, &["bad.tif"]);
    assert_eq!(fs::read_to_string(place.path("o.json")).unwrap(), "old");
    let missing = bench(&place, &["model", "tiles", "--engine", "tract", "--export-json", "none/o.json"]);
    refused(&missing, 5, &["none/o.json"]);
}

/// Counts the sessions that are made.
struct Counting {
    inner: Box<dyn Engine>,
    sessions: AtomicUsize,
}

impl Engine for Counting {
    fn info(&self) -> &EngineInfo {
        self.inner.info()
    }

    fn session(&self, network: Network<'_>, batch: usize) -> s2infer::Result<Box<dyn Session>> {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.inner.session(network, batch)
    }
}

#[test]
fn a_batch_is_measured_once_and_remembered() {
    let place = Place::new();
    let model = Model::load(&place.path("model")).unwrap();
    let request = EngineRequest { engine: EngineChoice::Tract, ..EngineRequest::default() };
    let engine = Counting { inner: open(&request).unwrap(), sessions: AtomicUsize::new(0) };
    let cache = Cache::at(&place.path("cache/s2infer"));
    let wanted = Wanted { model: &model, engine: &engine, views: 1, usual: 32 };
    let chosen = || (choose(wanted, Some(&cache)).unwrap(), engine.sessions.swap(0, Ordering::Relaxed));
    let (batch, sessions) = chosen();
    assert!([8, 16, 32].contains(&batch));
    assert_eq!(sessions, 3);
    assert_eq!(chosen(), (batch, 0));
    let entry = fs::read_dir(place.path("cache/s2infer")).unwrap().next().unwrap().unwrap().path();
    fs::write(entry, "damaged").unwrap();
    assert_eq!(chosen().1, 3);
}
