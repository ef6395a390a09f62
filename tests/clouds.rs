//! Chips with a file a band, and a model that says how cloudy a window is.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::Path;
use std::process::{Command, Output};

use model_folders::{encode, ints, manifest, node, tensor, value, write_folder_with};
use ndarray::{Array4, ArrayD, IxDyn};
use s2infer::model::manifest::{Band, Head, Padding};
use s2infer::model::{Golden, Manifest};
use s2infer::raster::{Planes, Raster, ReadOptions, Window};
use tract_onnx::pb;

const BANDS: [&str; 4] = ["B02", "B03", "B04", "B08"];
/// DN of cloud and of ground, in the order of [`BANDS`].
const CLOUD: [u16; 4] = [6000, 6100, 6200, 6500];
const GROUND: [u16; 4] = [500, 700, 600, 3000];

/// A model whose class `cloud` is what reflects more than 0.3 in B04; its pixels know nothing of each other.
fn write_sky_model(folder: &Path, side: usize, classes: [&str; 2]) {
    let bands = BANDS.iter().map(|name| Band {
        name: (*name).into(),
        mean: 0.3,
        standard_deviation: 0.1,
        training: None,
        substitutes: Vec::new(),
        expression: None,
    });
    let manifest = Manifest {
        name: "skies".into(),
        bands: bands.collect(),
        tile_px: side as u32,
        classes: classes.map(String::from).to_vec(),
        head: Head::Segmentation,
        padding: Padding::Refuse,
        clip: None,
        ..manifest()
    };
    let attributes = vec![ints("kernel_shape", &[1, 1]), ints("strides", &[1, 1]), ints("pads", &[0, 0, 0, 0])];
    let graph = pb::GraphProto {
        name: "skies".into(),
        node: vec![node("Conv", &["input", "w", "b"], "logits", attributes)],
        initializer: vec![
            tensor("w", &[2, 4, 1, 1], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0]),
            tensor("b", &[2], &[0.0, 0.0]),
        ],
        input: vec![value("input", &[-1, 4, side as i64, side as i64])],
        output: vec![value("logits", &[-1, 2, side as i64, side as i64])],
        ..Default::default()
    };
    let input = Array4::from_shape_fn((1, 4, side, side), |(_, c, y, x)| ((c * 5 + y * 3 + x) % 11) as f32 / 5.0 - 1.0);
    let mut output = ArrayD::zeros(IxDyn(&[1, 2, side, side]));
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        output[[0, 1, y, x]] = 5.0 * input[[0, 2, y, x]];
    }
    write_folder_with(folder, &manifest, &encode(graph), &Golden { input, output }).unwrap();
}

fn s2infer(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = s2infer(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rows(folder: &Path, arguments: &[&str]) -> Vec<serde_json::Value> {
    let text = run(folder, &[arguments, &["--format", "ndjson"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(folder: &Path, arguments: &[&str], code: i32, word: &str) {
    let output = s2infer(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word) && said.lines().count() == 1, "{word}: {said}");
}

/// A tile of 128 × 128 pixels. Of its four windows of 64 the first has no cloud, the second has some in two fifths of its
/// columns, the third is all cloud, and the fourth has no data but in a corner half under cloud.
fn write_sky(path: &Path) {
    tiles::write_u16(path, 4, 128, |band, row, column| {
        let is_cloud = match (row < 64, column < 64) {
            (true, true) => false,
            (true, false) => column < 64 + 26,
            (false, true) => true,
            (false, false) if row < 96 && column < 96 => column < 80,
            (false, false) => return 0,
        };
        (if is_cloud { CLOUD } else { GROUND })[band] + ((row * 7 + column * 3) % 50) as u16
    });
}

const CONSTRUCTION: [&str; 5] = ["sky.tif", "--bands", "B02,B03,B04,B08", "--threshold-profile", "winter"];

#[test]
fn windows_are_clear_or_cloudy_by_what_the_cloud_model_sees() {
    let folder = tempfile::tempdir().unwrap();
    write_sky(&folder.path().join("sky.tif"));
    let engines = match common::ort_library() {
        Some(_) => vec!["tract", "ort"],
        None => {
            common::skip_or_fail("the ONNX Runtime library");
            vec!["tract"]
        }
    };
    let mut all = Vec::new();
    // Of the windows' size, of one that is none of theirs, and of one larger than the tile.
    for (side, engine) in [64, 48, 160].into_iter().flat_map(|side| engines.iter().map(move |engine| (side, engine))) {
        let _ = std::fs::remove_dir_all(folder.path().join("skies"));
        write_sky_model(&folder.path().join("skies"), side, ["clear", "cloud"]);
        let with =
            [&CONSTRUCTION[..], &["--cloud-model", "skies", "--engine", engine, "--record", "run.json"]].concat();
        let found: Vec<[String; 4]> = rows(folder.path(), &with)
            .iter()
            .map(|row| ["shift", "cloud_cover_percent", "cloud_source", "reason"].map(|key| row[key].to_string()))
            .collect();
        // 26 of 64 columns; in the corner 16 of 32.
        let text =
            |[shift, percent, source]: [&str; 3]| [format!("\"{shift}\""), percent.into(), format!("\"{source}\"")];
        assert_eq!(found[0][..3], text(["winter-clear", "0.0", "model"]), "{side} {engine}");
        assert_eq!(found[1][..3], text(["winter-cloudy", "40.6", "model"]));
        assert_eq!(found[2][1..3], text(["", "100.0", "model"])[1..]);
        assert!(found[2][3].contains("cloud cover 100 % is above 70 %"), "{found:?}");
        assert_eq!(found[3][..3], text(["winter-cloudy", "50.0", "model"]));
        all.push(found);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(record["cloud_model"]["name"], "skies");
    assert_eq!(record["cloud_model"]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn a_cloud_model_goes_before_a_tag_and_behind_a_person_and_a_classification() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_sky_model(&place("skies"), 64, ["clear", "clouds"]);
    write_sky(&place("sky.tif"));
    let shift = |arguments: &[&str]| rows(folder.path(), arguments)[0]["shift"].to_string();
    let without = CONSTRUCTION.to_vec();
    assert_eq!(shift(&without), "\"winter\"", "nothing says how cloudy it is");
    let with = [&without[..], &["--cloud-model", "skies"]].concat();
    assert_eq!(shift(&with), "\"winter-clear\"");
    assert_eq!(shift(&[&with[..], &["--cloud-cover", "30"]].concat()), "\"winter-cloudy\"");

    // A folder with a file a band, whose classification says that everything is cloud: class 9.
    std::fs::create_dir(place("scene")).unwrap();
    for (index, band) in BANDS.iter().enumerate() {
        tiles::write_u16(&place(&format!("scene/{band}.tif")), 1, 64, |_, row, column| {
            GROUND[index] + ((row * 7 + column * 3) % 50) as u16
        });
    }
    let pixels = vec![9u8; 64 * 64];
    let mut encoder = tiff::encoder::TiffEncoder::new(std::fs::File::create(place("scene/SCL.tif")).unwrap()).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray8>(64, 64, &pixels).unwrap();
    let scene = ["scene", "--threshold-profile", "winter", "--cloud-model", "skies"];
    let row = &rows(folder.path(), &scene)[0];
    assert_eq!(
        (&row["cloud_source"], &row["cloud_cover_percent"]),
        (&serde_json::json!("scl"), &serde_json::json!(100.0))
    );
    let row = &rows(folder.path(), &[&scene[..], &["--cloud-model-always"]].concat())[0];
    assert_eq!(
        (&row["cloud_source"], &row["cloud_cover_percent"]),
        (&serde_json::json!("model"), &serde_json::json!(0.0))
    );
}

#[test]
fn what_an_earlier_run_decided_under_another_sky_is_decided_again() {
    let folder = tempfile::tempdir().unwrap();
    write_sky_model(&folder.path().join("skies"), 64, ["clear", "cloud"]);
    write_sky(&folder.path().join("sky.tif"));
    let run = |cloud: &[&str]| {
        run(
            folder.path(),
            &[&CONSTRUCTION[..], cloud, &["--resume", "-o", "rows.csv", "--record", "run.json"]].concat(),
        );
        let record = std::fs::read(folder.path().join("run.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&record).unwrap()["counts"]["tiles_resumed"].as_u64()
    };
    let model = ["--cloud-model", "skies"];
    assert_eq!([run(&model), run(&model), run(&[]), run(&model)], [Some(0), Some(1), Some(0), Some(0)]);
}

#[test]
fn cloud_models_that_cannot_say_it_are_refused_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_sky_model(&place("skies"), 64, ["clear", "cloud"]);
    write_sky_model(&place("nameless"), 64, ["dark", "bright"]);
    write_sky(&place("sky.tif"));
    tiles::write_u16(&place("rgb.tif"), 3, 64, |band, row, column| {
        GROUND[2 - band] + ((row * 7 + column * 3) % 50) as u16
    });
    let with = |arguments: &[&'static str]| [&CONSTRUCTION[..], arguments].concat();
    let folder = folder.path();
    refused(
        folder,
        &["rgb.tif", "--threshold-profile", "winter", "--cloud-model", "skies", "-o", "rows.csv"],
        1,
        "--cloud-model skies (the bands taken for B04,B03,B02): band B08 missing",
    );
    refused(
        folder,
        &with(&["--cloud-model", "nameless"]),
        2,
        "none of its classes is called cloud; name those that are",
    );
    refused(
        folder,
        &with(&["--cloud-model", "skies", "--cloud-class", "mist"]),
        2,
        "skies has the classes clear, cloud",
    );
    refused(folder, &with(&["--cloud-model", "construction"]), 2, "a segmentation model");
    refused(folder, &with(&["--cloud-model", "nowhere"]), 2, "--cloud-model nowhere: neither");
    assert_eq!(s2infer(folder, &with(&["--cloud-class", "cloud"])).status.code(), Some(2));
    assert_eq!(s2infer(folder, &with(&["--cloud-model", "skies", "--dry-run"])).status.code(), Some(2));
    let bright = run(folder, &with(&["--cloud-model", "nameless", "--cloud-class", "bright", "--format", "ndjson"]));
    assert!(bright.lines().next().unwrap().contains("winter-clear"), "{bright}");
}

/// A chip as On Cloud N has them: a folder with a file a band, no georeference.
fn write_chip(folder: &Path, width_of: impl Fn(&str) -> Option<u32>) {
    std::fs::create_dir_all(folder).unwrap();
    for (index, band) in BANDS.iter().enumerate() {
        let Some(width) = width_of(band) else { continue };
        let pixels: Vec<u16> = (0..width * 16)
            .map(|pixel| (if pixel % width < 4 { CLOUD } else { GROUND })[index] + (pixel % 7) as u16)
            .collect();
        let file = std::fs::File::create(folder.join(format!("{band}.tif"))).unwrap();
        let mut encoder = tiff::encoder::TiffEncoder::new(file).unwrap();
        encoder.write_image::<tiff::encoder::colortype::Gray16>(width, 16, &pixels).unwrap();
    }
}

#[test]
fn chips_with_a_file_a_band_become_masks_and_shares() {
    let folder = tempfile::tempdir().unwrap();
    write_sky_model(&folder.path().join("skies"), 16, ["clear", "cloud"]);
    for name in ["adwp", "adwu"] {
        write_chip(&folder.path().join("chips").join(name), |_| Some(16));
    }
    let arguments = ["chips", "--model", "skies", "--masks", "masks", "--distributions", "shares.csv"];
    let table = run(folder.path(), &arguments);
    assert!(table.contains("chips/adwp,0,0,16,16") && table.contains("chips/adwu,0,0,16,16"), "{table}");
    let shares = std::fs::read_to_string(folder.path().join("shares.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(shares.as_bytes());
    for row in reader.records().map(Result::unwrap) {
        let cloud: f64 = row[2].parse().unwrap();
        assert!((cloud - 0.25).abs() < 1e-4, "4 of 16 columns: {shares}");
    }
    let mask = s2infer::output::mask_path(&folder.path().join("masks"), "chips/adwu");
    let mask = Raster::open(&mask, &ReadOptions::default()).unwrap();
    let mut classes = Planes::new();
    mask.read(Window { x: 0, y: 0, width: 16, height: 16 }, &[0], &mut classes).unwrap();
    assert!(classes.bytes.iter().enumerate().all(|(pixel, class)| *class == u8::from(pixel % 16 < 4)));
}

#[test]
fn chips_that_are_not_whole_are_refused_in_a_line_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    write_sky_model(&folder.path().join("skies"), 16, ["clear", "cloud"]);
    let chip = |name: &str, width_of: &dyn Fn(&str) -> Option<u32>| {
        write_chip(&folder.path().join(name), width_of);
    };
    chip("no-b04", &|band| (band != "B04").then_some(16));
    chip("narrow", &|_| Some(15));
    chip("odd-b03", &|band| Some(if band == "B03" { 15 } else { 16 }));
    for (name, words) in [
        ("no-b04", "band B04 missing"),
        ("narrow", "15×16 px is smaller than the model's 16×16 px input"),
        ("odd-b03", "B03.tif"),
    ] {
        refused(folder.path(), &[name, "--model", "skies", "-o", "rows.csv"], 1, words);
        let rows = std::fs::read_to_string(folder.path().join("rows.csv")).unwrap();
        assert!(rows.contains(words), "{rows}");
    }
}
