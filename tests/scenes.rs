//! Whole scenes through the command line: the same pixels in every form of delivery, wherever on Earth.

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{python, skip_or_fail};
use serde_json::Value;

const SIDE_PX: &str = "330";

/// A scene by scripts/make_scene.py below `folder`, with these options; nothing where there is no Python.
fn make(folder: &Path, options: &[&str]) -> Option<()> {
    let Some(python) = python() else {
        skip_or_fail("Python with rasterio, which writes these scenes");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make_scene.py");
    let mut command = Command::new(python);
    command.current_dir(folder).arg(script).args(["--side-px", SIDE_PX, "--s2infer", env!("CARGO_BIN_EXE_s2infer")]);
    let output = command.args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

#[test]
fn a_program_that_is_not_built_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python() else {
        skip_or_fail("Python with rasterio, which writes these scenes");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make_scene.py");
    let mut command = Command::new(python);
    command.current_dir(folder.path()).arg(script).args(["--side-px", SIDE_PX, "--cog", "scene.tif"]);
    let output = command.args(["--s2infer", "absent/s2infer"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("absent/s2infer: ") && said.contains("cargo build --release"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// The rows of a run, as JSON.
fn run(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args([
        "--format",
        "ndjson",
        "--engine",
        "tract",
        "--tta",
        "none",
        "--threshold",
        "0.5",
    ]);
    let output = command.args(arguments).env_remove("ORT_DYLIB_PATH").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn only_entry(folder: &Path) -> PathBuf {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn assert_same_scores(rows: &[Value], others: &[Value], what: &str) {
    assert_eq!(rows.len(), others.len(), "{what}");
    for (row, other) in rows.iter().zip(others) {
        assert_eq!((&row["x"], &row["y"]), (&other["x"], &other["y"]), "{what}");
        assert_eq!(row["score"].is_null(), other["score"].is_null(), "{what}: {row} {other}");
        if let (Some(score), Some(other)) = (row["score"].as_f64(), other["score"].as_f64()) {
            assert!((score - other).abs() < 1e-5, "{what}: {score} against {other}");
        }
        for key in ["longitude", "latitude"] {
            assert!((row[key].as_f64().unwrap() - other[key].as_f64().unwrap()).abs() < 1e-6, "{what}: {row} {other}");
        }
    }
}

#[test]
fn every_form_of_delivery_gives_the_same_scores() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let nodata = ["--nodata-corner", "0.1", "--towns", "0.1"];
    let outputs = ["--cog", "scene.tif", "--safe", "safe", "--zip", "deflated", "--cog-folder", "cogs", "--stac", "v1"];
    let Some(()) = make(folder, &[&outputs[..], &nodata].concat()) else { return };
    let Some(()) = make(folder, &[&["--safe", "loose", "--level", "L1C"], &nodata[..]].concat()) else { return };
    let rows = run(folder, &["scene.tif"]);
    let scores: Vec<f64> = rows.iter().filter_map(|row| row["score"].as_f64()).collect();
    assert!(scores.len() > 10 && scores.len() < rows.len(), "{} of {}", scores.len(), rows.len());
    let zip = only_entry(&folder.join("safe"));
    assert!(zip.to_str().unwrap().ends_with(".SAFE.zip"));
    let earth_search = only_entry(&folder.join("cogs"));
    let item = std::fs::read_dir(&earth_search).unwrap().flatten().map(|entry| entry.path());
    let item = item.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    for (path, source) in
        [(zip, "metadata"), (only_entry(&folder.join("loose")), "metadata"), (earth_search, "stac"), (item, "stac")]
    {
        let others = run(folder, &[path.to_str().unwrap()]);
        assert_eq!(others[0]["radiometry_source"], source, "{}", path.display());
        assert_same_scores(&rows, &others, &path.display().to_string());
    }
}

#[test]
fn nothing_unpacked_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let Some(()) = make(folder, &["--safe", "safe", "--zip", "stored"]) else { return };
    std::fs::create_dir(folder.join("tmp")).unwrap();
    let zip = only_entry(&folder.join("safe"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).env("TMPDIR", folder.join("tmp")).env_remove("ORT_DYLIB_PATH");
    let output = command.args(["--engine", "tract", "--tta", "none", "--threshold", "0.5"]).arg(zip).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
}

#[test]
fn january_is_summer_in_the_south_and_two_zones_and_the_antimeridian_go_together() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let south = ["--cog-folder", "south", "--epsg", "32722", "--tile", "T22JCM", "--date", "2024-01-15T13:30:00"];
    let Some(()) = make(folder, &[&south[..], &["--left", "300000", "--top", "6900040"]].concat()) else { return };
    let line = ["--cog-folder", "line", "--epsg", "32760", "--tile", "T60KXE", "--date", "2024-07-15T22:30:00"];
    let Some(()) = make(folder, &[&line[..], &["--left", "818800", "--top", "8100000"]].concat()) else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(["south", "line", "--engine", "tract", "--output", "both.geojson"]);
    let output = command.env_remove("ORT_DYLIB_PATH").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let map: Value = serde_json::from_slice(&std::fs::read(folder.join("both.geojson")).unwrap()).unwrap();
    let features = map["features"].as_array().unwrap();
    let of = |name: &'static str| {
        features.iter().filter(move |feature| feature["properties"]["tile"].as_str().unwrap().starts_with(name))
    };
    assert!(of("south").all(|feature| feature["properties"]["shift"] == "summer-clear"), "January in the south");
    assert!(of("line").all(|feature| feature["properties"]["shift"] == "winter-clear"), "July in the south");
    assert!(of("line").any(|feature| feature["geometry"]["type"] == "MultiPolygon"), "cut at the antimeridian");
    for feature in features {
        let polygons = match feature["geometry"]["type"].as_str().unwrap() {
            "Polygon" => vec![&feature["geometry"]["coordinates"]],
            _ => feature["geometry"]["coordinates"].as_array().unwrap().iter().collect(),
        };
        for polygon in polygons {
            let longitudes: Vec<f64> =
                polygon[0].as_array().unwrap().iter().map(|point| point[0].as_f64().unwrap()).collect();
            let (least, most) = longitudes.iter().fold((180.0f64, -180.0f64), |(a, b), &x| (a.min(x), b.max(x)));
            assert!(least >= -180.0 && most <= 180.0 && most - least < 1.0, "{feature}");
        }
    }
}
