//! Derived channels, units, NPY tiles and radar beside optical bands: as numpy computes them, or refused in one line.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use common::{ort_library, python, skip_or_fail, skip_without_data};
use s2infer::model::Manifest;
use s2infer::raster::{Format, Planes, Raster, ReadOptions, SampleType};
use serde_json::Value;

/// What tests/make_channels.py wrote, and what it says of it; nothing without Python.
static MADE: LazyLock<Option<(PathBuf, Value)>> = LazyLock::new(|| {
    let Some(python) = python() else {
        skip_or_fail("Python, which makes the models and tiles");
        return None;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("channels");
    let _ = std::fs::remove_dir_all(&folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pairs = root.join("../shared/data/bigearthnet-s1-s2");
    let mut command = Command::new(python);
    command.arg("-Wignore").arg(root.join("tests/make_channels.py")).arg(&folder);
    if pairs.exists() {
        command.arg(pairs);
    } else {
        skip_without_data("bigearthnet-s1-s2");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    Some((folder, serde_json::from_slice(&expected).unwrap()))
});

fn made() -> Option<(PathBuf, &'static Value)> {
    MADE.as_ref().map(|(folder, expected)| (folder.clone(), expected))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    if let Some(library) = ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

/// Name of the tile, score, decision and reason of every row.
fn rows(table: &[u8]) -> Vec<[String; 4]> {
    let mut reader = csv::Reader::from_reader(table);
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let places = ["tile", "score", "decision", "reason"].map(place);
    reader.records().map(|row| row.unwrap()).map(|row| places.map(|place| row[place].to_owned())).collect()
}

/// Runs a model over inputs on every engine and holds the scores against those of numpy.
fn scores_are_numpys(model: &str, inputs: &[&str]) {
    let Some((folder, expected)) = made() else { return };
    let expected = expected[model].as_object().unwrap();
    for engine in ["tract", "ort"] {
        if engine == "ort" && ort_library().is_none() {
            skip_or_fail("ONNX Runtime");
            continue;
        }
        let output = run(&folder, &[&["--model", model, "--engine", engine, "--threshold", "0.5"], inputs].concat());
        assert!(output.status.success(), "{engine}: {}", text(&output.stderr));
        let rows = rows(&output.stdout);
        assert_eq!(rows.len(), expected.len(), "{engine}: {}", text(&output.stdout));
        for [tile, score, decision, _] in rows {
            let by_numpy = expected[tile.split_once('/').unwrap().1].as_f64().unwrap();
            let score: f64 = score.parse().unwrap();
            assert!((score - by_numpy).abs() < 1e-5, "{engine}, {tile}: {score} against {by_numpy}");
            assert_eq!(decision, if by_numpy >= 0.5 { "positive" } else { "negative" }, "{tile}");
        }
    }
}

#[test]
fn derived_channels_give_numpys_scores_from_tiffs_and_arrays_of_any_layout() {
    scores_are_numpys("patch", &["tiles"]);
}

#[test]
fn a_folder_with_the_bands_of_a_radar_and_an_optical_scene_gives_numpys_scores() {
    let Some((_, expected)) = made() else { return };
    let names = expected["pair"].as_object().unwrap().keys();
    let inputs: Vec<String> = names.map(|name| format!("pairs/{name}")).collect();
    scores_are_numpys("pair", &inputs.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn what_is_no_patch_is_refused_in_one_line_that_says_what_to_do() {
    let Some((folder, expected)) = made() else { return };
    let output = run(&folder, &["--model", "patch", "--engine", "tract", "--threshold", "0.5", "refused"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let expected = expected["refused"].as_object().unwrap();
    let rows = rows(&output.stdout);
    assert_eq!(rows.len(), expected.len());
    for [tile, score, decision, reason] in rows {
        let said = expected[tile.strip_prefix("refused/").unwrap()].as_str().unwrap();
        assert_eq!((score.as_str(), decision.as_str()), ("", "error"), "{tile}");
        assert!(reason.contains(said) && reason.lines().count() == 1, "{tile}: {reason}");
    }
}

#[test]
fn two_radar_scenes_in_one_folder_are_told_apart_in_one_line() {
    let Some((folder, _)) = made() else { return };
    let _ = std::fs::remove_dir_all(folder.join("several"));
    for (place, has_optical) in [("several/beside", true), ("several/alone", false)] {
        let place = folder.join(place);
        std::fs::create_dir_all(&place).unwrap();
        for entry in std::fs::read_dir(folder.join("pairs/made")).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let is_radar = name.starts_with("S1A");
            if is_radar || has_optical {
                std::fs::copy(&file, place.join(&name)).unwrap();
            }
            if is_radar {
                std::fs::copy(&file, place.join(name.replace("20171221T064238", "20171227T064238"))).unwrap();
            }
        }
    }
    let arguments = ["--model", "pair", "--engine", "tract", "--threshold", "0.5", "several"];
    let output = run(&folder, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let rows: [[String; 4]; 2] = rows(&output.stdout).try_into().unwrap();
    for ([tile, _, decision, reason], folder) in rows.iter().zip(["several/alone", "several/beside"]) {
        assert_eq!((tile.as_str(), decision.as_str()), (folder, "error"), "{reason}");
        let both = ["S1A_IW_GRDH_1SDV_20171221T064238", "S1A_IW_GRDH_1SDV_20171227T064238"];
        assert!(both.iter().all(|scene| reason.contains(scene)) && reason.len() < 350, "{reason}");
        assert!(reason.starts_with("2 radar scenes in one folder") && reason.lines().count() == 1, "{reason}");
    }
}

#[test]
fn inspect_says_in_which_order_the_bands_of_an_array_are_taken() {
    let Some((folder, _)) = made() else { return };
    let taken = |tile: &str, more: &[&str]| {
        let output = run(&folder, &[&["inspect", tile, "--model", "patch", "--format", "json"][..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        let fed = &facts["fed"];
        (facts["axes"].clone(), fed["bands_source"].clone(), fed["bands_taken"].clone())
    };
    let own = serde_json::json!(["1 B04", "2 B08", "3 VV_DESC", "4 VH_DESC", "5 VV_DESC_DIFF"]);
    assert_eq!(taken("tiles/0-chw.npy", &[]), ("[bands, height, width]".into(), "model-order".into(), own.clone()));
    assert_eq!(taken("tiles/0-hwc.npy", &[]), ("[height, width, bands]".into(), "model-order".into(), own));
    let named = serde_json::json!(["1 VV_DESC", "2 B04", "3 B08", "4 VV_DESC_DIFF", "5 VH_DESC"]);
    let bands = ["--bands", "VV_DESC,B04,B08,VV_DESC_DIFF,VH_DESC"];
    assert_eq!(taken("tiles/0-chw.npy", &bands), ("[bands, height, width]".into(), "command-line".into(), named));
    let output = run(&folder, &["inspect", "tiles/0-chw.npy", "--model", "patch"]);
    let said = text(&output.stdout);
    assert!(said.contains("bands_taken: 1 B04, 2 B08, 3 VV_DESC, 4 VH_DESC, 5 VV_DESC_DIFF\n"), "{said}");
}

#[test]
fn a_long_expression_is_not_repeated_whole() {
    let Some((folder, _)) = made() else { return };
    let other = folder.join("long-expression");
    std::fs::create_dir_all(&other).unwrap();
    for file in std::fs::read_dir(folder.join("patch")).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, other.join(file.file_name().unwrap())).unwrap();
    }
    let item = std::fs::read_to_string(folder.join("patch/model.json")).unwrap();
    let long = "B08 + ".repeat(150);
    for (expression, said) in [
        (format!("({long}B04"), "\"(B08 + B08 + B08 + B08 + B08 + B08 + B08\"… of band \"NDVI\""),
        (
            format!("{}(B04, B08)", "m".repeat(900)),
            "calls \"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm\"…; the functions are",
        ),
        ("7.".repeat(500), "expected a number, not \"7.7."),
        ("B".repeat(1000), "band name \"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\"… must hold"),
    ] {
        assert!(item.contains("(B08 - B04) / (B08 + B04)"));
        std::fs::write(other.join("model.json"), item.replace("(B08 - B04) / (B08 + B04)", &expression)).unwrap();
        let output = run(&folder, &["inspect", "long-expression"]);
        let line = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{line}");
        assert!(line.contains(said) && line.lines().count() == 1 && line.len() < 320, "{said}: {line}");
    }
}

#[test]
fn a_radar_band_without_a_unit_does_not_take_the_optical_scale() {
    let Some((folder, _)) = made() else { return };
    let item = std::fs::read_to_string(folder.join("pair/model.json")).unwrap();
    let mut item: Value = serde_json::from_str(&item).unwrap();
    item["properties"]["s2infer:inference"]["units"] = serde_json::json!({});
    let other = folder.join("no-units");
    std::fs::create_dir_all(&other).unwrap();
    for file in ["model.onnx", "card.md", "golden.safetensors"] {
        std::fs::copy(folder.join("pair").join(file), other.join(file)).unwrap();
    }
    std::fs::write(other.join("model.json"), item.to_string()).unwrap();
    let arguments = ["--model", "no-units", "--engine", "tract", "--threshold", "0.5", "pairs/made"];
    let [[_, _, decision, reason]] = rows(&run(&folder, &arguments).stdout).try_into().unwrap();
    assert_eq!(decision, "error");
    assert!(reason.contains("_VV.tif holds float32 samples, the first band uint16"), "{reason}");
    assert!(reason.contains("s2infer:inference.units"), "{reason}");
}

#[test]
fn bench_makes_tiles_of_a_model_that_takes_more_than_reflectance() {
    let Some((folder, _)) = made() else { return };
    let quick = ["--engine", "tract", "--tiles", "8", "--warmup", "0", "--max-seconds", "0"];
    let output = run(&folder, &[&["bench", "patch"][..], &quick].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("patch"), "{}", text(&output.stdout));
}

#[test]
fn a_manifest_says_again_what_it_said_and_what_is_no_channel_is_refused() {
    let Some((folder, _)) = made() else { return };
    let bytes = std::fs::read(folder.join("patch/model.json")).unwrap();
    let manifest = Manifest::parse(&bytes).unwrap();
    let item = manifest.to_item().unwrap();
    assert_eq!(item["properties"]["mlm:input"][0]["bands"][5]["expression"], "(B08 - B04) / (B08 + B04)");
    let again = Manifest::parse(item.to_string().as_bytes()).unwrap();
    assert_eq!((&again.bands, &again.units, again.sources()), (&manifest.bands, &manifest.units, manifest.sources()));

    type Edit = fn(&mut Value);
    let refused = |edit: Edit| {
        let mut item: Value = serde_json::from_slice(&bytes).unwrap();
        edit(&mut item["properties"]);
        Manifest::parse(item.to_string().as_bytes()).unwrap_err().to_string()
    };
    const BANDS: &str = "/mlm:input/0/bands";
    let cases: [(Edit, &str); 6] = [
        (|p| p.pointer_mut(BANDS).unwrap()[5]["expression"] = "(B08 - B04".into(), "expected ')', not the end"),
        (|p| p.pointer_mut(BANDS).unwrap()[5]["format"] = "gdal-calc".into(), "expected \"arithmetic\""),
        (|p| p.pointer_mut(BANDS).unwrap()[5]["expression"] = "CLOUD * 2".into(), "which is derived itself"),
        (|p| p.pointer_mut(BANDS).unwrap()[5]["expression"] = "HH * 2".into(), "state its unit in units"),
        (|p| p.pointer_mut(BANDS).unwrap()[5]["expression"] = "B4 * 2".into(), "is written \"B04\""),
        (|p| p["s2infer:inference"]["units"]["HH"] = "dB".into(), "units name \"HH\""),
    ];
    for (edit, said) in cases {
        let error = refused(edit);
        assert!(error.contains(said), "{said}: {error}");
    }
}

fn open(path: &Path) -> s2infer::Result<(Raster, Planes)> {
    let raster = Raster::open(path, &ReadOptions::default())?;
    let bands: Vec<usize> = (0..raster.header().bands.len()).collect();
    let header = raster.header();
    let extent = s2infer::raster::Window { x: 0, y: 0, width: header.width, height: header.height };
    let mut planes = Planes::new();
    raster.read(extent, &bands, &mut planes)?;
    Ok((raster, planes))
}

#[test]
fn arrays_of_two_axes_and_of_integers_are_rasters_too() {
    let Some((folder, _)) = made() else { return };
    let (flat, planes) = open(&folder.join("flat.npy")).unwrap();
    assert_eq!((flat.header().format, planes.bands, planes.width, planes.height), (Format::Npy, 1, 16, 16));
    let (_, whole) = open(&folder.join("whole.npy")).unwrap();
    assert_eq!(planes.bytes, whole.band(0), "the first band, as it was saved alone");
    let (_, short) = open(&folder.join("short.npy")).unwrap();
    assert_eq!((short.sample_type, short.bands), (SampleType::I16, 3));
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let first = |index: usize| i16::from_le_bytes(short.bytes[2 * index..][..2].try_into().unwrap());
    assert!((0..256).all(|index| first(index) == (float(&planes.bytes[4 * index..][..4]) * 100.0) as i16));
}

#[test]
fn an_array_cut_anywhere_or_with_any_byte_of_its_header_changed_is_an_error_or_pixels() {
    let Some((folder, _)) = made() else { return };
    let whole = std::fs::read(folder.join("whole.npy")).unwrap();
    let path = folder.join("damaged.npy");
    for length in (0..200).chain((200..whole.len()).step_by(101)) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(open(&path).is_err(), "{length} bytes were read");
    }
    let mut read = 0;
    for (at, value) in (0..128).flat_map(|at| (0..=255u8).step_by(17).map(move |value| (at, value))) {
        let mut bytes = whole.clone();
        bytes[at] = value;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok((raster, planes)) = open(&path) {
            let header = raster.header();
            let pixels = header.bands.len() * header.width as usize * header.height as usize;
            assert_eq!(planes.bytes.len(), pixels * planes.sample_type.size_bytes(), "byte {at} = {value}");
            read += 1;
        }
    }
    assert!(read < 600, "{read} of 2,048 damaged headers were read");
}
