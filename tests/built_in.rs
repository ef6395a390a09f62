//! The model in the binary: both engines agree on it, and what is asked for by name runs or says why not.

mod common;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::Path;
use std::process::{Command, Output};

use s2infer::bench::tune::tried_on;
use s2infer::model::manifest::Precision;

/// A tile of a seeded texture, from smooth to rough and from dark to bright.
fn write_texture(path: &Path, seed: u32) {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let (cell, level, contrast) = (1 + next() % 16, 300 + next() % 1200, 1 + next() % 1500);
    let cells: Vec<u32> = (0..3 * 64 * 64).map(|_| next() % contrast).collect();
    tiles::write_u16(path, 3, 64, |band, row, column| {
        let index = band * 4096 + ((row / cell) * 64 + column / cell) as usize;
        (level + cells[index]) as u16
    });
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(arguments);
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    if let Some(library) = common::openvino_library() {
        command.env("OPENVINO_LIB_PATH", library);
    }
    command.output().unwrap()
}

/// The score of every row.
fn scores(output: &Output) -> Vec<f32> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    reader.records().map(|row| row.unwrap()[9].parse().unwrap()).collect()
}

/// The engines that are here; a skip for each that is not.
fn engines() -> Vec<&'static str> {
    let libraries = [
        ("ort", common::ort_library(), "the ONNX Runtime library"),
        ("openvino", common::openvino_library(), "the OpenVINO libraries"),
    ];
    let mut engines = vec!["tract"];
    for (engine, library, what) in libraries {
        match library {
            Some(_) => engines.push(engine),
            None => common::skip_or_fail(what),
        }
    }
    engines
}

#[test]
fn engines_agree_within_1e_4_on_a_thousand_tiles() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..1000 {
        write_texture(&folder.path().join(format!("t{seed:04}.tif")), seed);
    }
    let score = |engine| scores(&run(folder.path(), &[".", "--engine", engine, "--tta", "none", "--threshold", "0.5"]));
    let tract = score("tract");
    let spread = tract.iter().copied().fold(0.0, f32::max) - tract.iter().copied().fold(1.0, f32::min);
    assert!(spread > 0.01, "tiles that all score the same would prove nothing: {spread}");
    for engine in &engines()[1..] {
        let other = score(engine);
        assert_eq!((other.len(), tract.len()), (1000, 1000));
        let largest = other.iter().zip(&tract).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest <= 1e-4, "{engine}: {largest}");
    }
}

#[test]
fn rows_are_the_same_bytes_whatever_the_batch_and_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..40 {
        write_texture(&folder.path().join(format!("t{seed:04}.tif")), seed);
    }
    for engine in engines() {
        let table = |batch: &str, threads: &str| {
            let flags = [".", "--engine", engine, "--threshold", "0.5", "--batch", batch, "--threads", threads];
            let output = run(folder.path(), &flags);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let name = if engine == "ort" { "onnxruntime" } else { engine };
        let first = table("8", "1");
        let tuned = tried_on(name, Precision::Int8).iter().map(|batch| (batch.to_string(), "1"));
        for (batch, threads) in tuned.chain([("8".into(), "3"), ("12".into(), "2")]) {
            assert!(table(&batch, threads) == first, "{engine}, batch {batch}, {threads} threads");
        }
    }
}

#[test]
fn a_device_that_is_not_there_ends_the_run_and_names_what_is_missing() {
    if common::ort_library().is_none() {
        return common::skip_or_fail("the ONNX Runtime library");
    }
    let folder = tempfile::tempdir().unwrap();
    write_texture(&folder.path().join("t.tif"), 1);
    for device in ["cuda", "tensorrt"] {
        let output = run(folder.path(), &["t.tif", "--device", device]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("libonnxruntime_providers"), "{said}");
        assert!(output.stdout.is_empty(), "no decision from another device");
    }
}

#[test]
fn the_shipped_examples_are_decided_at_the_models_own_thresholds() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/construction");
    let output = run(&examples, &["examples", "--engine", "tract", "--threshold-profile", "winter"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert!(rows.len() >= 8, "{} rows", rows.len());
    for row in &rows {
        assert!(row[8].starts_with("winter"), "{row:?}");
        let is_positive = row[9].parse::<f32>().unwrap() >= row[10].parse::<f32>().unwrap();
        assert_eq!(&row[11], if is_positive { "positive" } else { "negative" }, "{row:?}");
    }
    for decision in ["positive", "negative"] {
        assert!(rows.iter().any(|row| &row[11] == decision), "no example is {decision}");
    }
}
