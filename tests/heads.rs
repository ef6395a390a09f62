//! Multiclass and segmentation models through the same loop as the binary one: tables, masks, distributions.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::Path;
use std::process::Command;

use model_folders::{SIDE, encode, golden_input, int, ints, manifest, node, tensor, value, write_folder_with};
use ndarray::{Array, ArrayD, Axis, IxDyn};
use s2infer::model::Manifest;
use s2infer::model::manifest::{Head, Padding, Tta};
use s2infer::raster::{Planes, Raster, ReadOptions, Window};
use tract_onnx::pb;

const CLASSES: [&str; 3] = ["water", "forest", "town"];
/// `[classes, bands]`
const WEIGHTS: [f32; 12] = [1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.5, -1.0, 0.0, 1.0, 0.25];
const BIAS: [f32; 3] = [0.1, 0.0, -0.2];

fn manifest_for(head: Head) -> Manifest {
    let classes = CLASSES.iter().map(|class| (*class).to_owned()).collect();
    Manifest { head, classes, tta: Tta::D4, overlap_px: 2, padding: Padding::Nodata, ..manifest() }
}

/// One linear layer per pixel.
fn segmentation_graph() -> pb::GraphProto {
    let side = SIDE as i64;
    let attributes = vec![ints("kernel_shape", &[1, 1]), ints("strides", &[1, 1]), ints("pads", &[0, 0, 0, 0])];
    pb::GraphProto {
        name: "segmentation".into(),
        node: vec![node("Conv", &["input", "w", "b"], "logits", attributes)],
        initializer: vec![tensor("w", &[3, 4, 1, 1], &WEIGHTS), tensor("b", &[3], &BIAS)],
        input: vec![value("input", &[-1, 4, side, side])],
        output: vec![value("logits", &[-1, 3, side, side])],
        ..Default::default()
    }
}

/// The same layer on the mean over the window.
fn multiclass_graph() -> pb::GraphProto {
    let side = SIDE as i64;
    pb::GraphProto {
        name: "multiclass".into(),
        node: vec![
            node("GlobalAveragePool", &["input"], "p", vec![]),
            node("Flatten", &["p"], "f", vec![int("axis", 1)]),
            node("Gemm", &["f", "w", "b"], "logits", vec![int("transB", 1)]),
        ],
        initializer: vec![tensor("w", &[3, 4], &WEIGHTS), tensor("b", &[3], &BIAS)],
        input: vec![value("input", &[-1, 4, side, side])],
        output: vec![value("logits", &[-1, 3])],
        ..Default::default()
    }
}

fn logits(bands: [f32; 4]) -> [f32; 3] {
    std::array::from_fn(|class| BIAS[class] + (0..4).map(|band| WEIGHTS[class * 4 + band] * bands[band]).sum::<f32>())
}

fn write_model(folder: &Path, head: Head) {
    let input = golden_input();
    let output: ArrayD<f32> = match head {
        Head::Segmentation => {
            let mut output = Array::zeros(IxDyn(&[2, 3, SIDE, SIDE]));
            for n in 0..2 {
                for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
                    let values = logits(std::array::from_fn(|band| input[[n, band, y, x]]));
                    (0..3).for_each(|class| output[[n, class, y, x]] = values[class]);
                }
            }
            output
        }
        _ => {
            let mut output = Array::zeros(IxDyn(&[2, 3]));
            for (n, window) in input.axis_iter(Axis(0)).enumerate() {
                let values = logits(std::array::from_fn(|band| window.index_axis(Axis(0), band).mean().unwrap()));
                (0..3).for_each(|class| output[[n, class]] = values[class]);
            }
            output
        }
    };
    let graph = if head == Head::Segmentation { segmentation_graph() } else { multiclass_graph() };
    let golden = s2infer::model::Golden { input, output };
    write_folder_with(folder, &manifest_for(head), &encode(graph), &golden).unwrap();
}

/// A tile whose left part is water, middle forest and right town, with a corner of nodata.
fn write_striped(path: &Path, side: u32) {
    tiles::write_u16(path, 4, side, |band, row, column| {
        if row < 2 && column < 2 {
            return 0;
        }
        let stripe = (column * 3 / side) as usize;
        [[2500, 600, 600, 100], [500, 2500, 500, 2500], [300, 800, 2700, 1200]][stripe][band]
    });
}

/// Class of a pixel of [`write_striped`], computed here.
fn expected_class(side: u32, row: u32, column: u32) -> Option<usize> {
    if row < 2 && column < 2 {
        return None;
    }
    let stripe = (column * 3 / side) as usize;
    let dn = [[2500, 600, 600, 100], [500, 2500, 500, 2500], [300, 800, 2700, 1200]][stripe];
    let values = logits(std::array::from_fn(|band| {
        ((dn[band] as f32 * 1e-4).clamp(0.0, 0.275) - (0.1 + 0.01 * band as f32)) / 0.05
    }));
    (0..3).max_by(|&a, &b| values[a].total_cmp(&values[b]))
}

fn run(folder: &Path, engine: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(["--model", "model", "--engine", engine]).args(arguments);
    if let Some(library) = common::ort_library() {
        command.env("ORT_DYLIB_PATH", library);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn engines() -> Vec<&'static str> {
    if common::ort_library().is_some() {
        return vec!["tract", "ort"];
    }
    common::skip_or_fail("the ONNX Runtime library");
    vec!["tract"]
}

#[test]
fn a_multiclass_model_names_the_likeliest_class_and_lists_all_scores() {
    let folder = tempfile::tempdir().unwrap();
    write_model(&folder.path().join("model"), Head::Multiclass);
    tiles::write_level(&folder.path().join("town.tif"), SIDE as u32, [300, 800, 2600, 1200]);
    tiles::write_level(&folder.path().join("water.tif"), SIDE as u32, [2500, 600, 600, 100]);
    for engine in engines() {
        let text = run(folder.path(), engine, &["town.tif", "water.tif", "--format", "ndjson"]);
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!([&rows[0]["decision"], &rows[1]["decision"]], ["town", "water"], "{engine}");
        for row in rows {
            let scores = row["scores"].as_object().unwrap();
            let sum: f64 = scores.values().map(|score| score.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{row}");
            assert_eq!(row["score"], scores[row["decision"].as_str().unwrap()]);
        }
    }
}

#[test]
fn a_segmentation_model_writes_a_mask_of_the_whole_tile_and_its_distribution() {
    let side = 21;
    for engine in engines() {
        let folder = tempfile::tempdir().unwrap();
        write_model(&folder.path().join("model"), Head::Segmentation);
        write_striped(&folder.path().join("scene.tif"), side);
        run(
            folder.path(),
            engine,
            &["scene.tif", "--masks", "masks", "--distributions", "shares.csv", "-o", "rows.csv"],
        );
        let mask = std::fs::read_dir(folder.path().join("masks")).unwrap().next().unwrap().unwrap().path();
        let mask = Raster::open(&mask, &ReadOptions::default()).unwrap();
        assert_eq!((mask.header().width, mask.header().height), (side, side));
        let mut classes = Planes::new();
        mask.read(Window { x: 0, y: 0, width: side, height: side }, &[0], &mut classes).unwrap();
        for (pixel, class) in classes.bytes.iter().enumerate() {
            let (row, column) = (pixel as u32 / side, pixel as u32 % side);
            let expected = expected_class(side, row, column).map_or(255, |class| class as u8);
            assert_eq!(*class, expected, "{engine}: row {row}, column {column}");
        }
        let shares = std::fs::read_to_string(folder.path().join("shares.csv")).unwrap();
        let mut lines = shares.lines();
        assert_eq!(lines.next(), Some("tile,water,forest,town"));
        let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
        let sum: f64 = cells[1..].iter().map(|cell| cell.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{shares}");
        let windows = std::fs::read_to_string(folder.path().join("rows.csv")).unwrap().lines().count() - 1;
        assert_eq!(windows, 16, "four by four windows of 8 px, 6 px apart");
    }
}

/// A map of labels: the stripe that each pixel lies in, the borders between them `late` columns further right.
fn label(side: u32, late: u32, row: u32, column: u32) -> u8 {
    if row == side - 1 { 255 } else { (column.saturating_sub(late) * 3 / side) as u8 }
}

fn evaluate(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(["evaluate", "--model", "model", "--engine", "tract", "--manifest", "maps.csv"]);
    command.args(["--out", "report"]).args(arguments).output().unwrap()
}

#[test]
fn maps_are_measured_against_maps_of_labels() {
    let (side, lates) = (21, [0, 2, 3]);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_model(&place("model"), Head::Segmentation);
    let mut manifest = String::from("path,mask,site,region\n");
    for (index, late) in lates.into_iter().enumerate() {
        write_striped(&place(&format!("{index}.tif")), side);
        tiles::write_labels(&place(&format!("{index}-labels.tif")), side, |row, column| label(side, late, row, column));
        manifest +=
            &format!("{index}.tif,{index}-labels.tif,site-{index},{}\n", if index < 2 { "north" } else { "south" });
    }
    std::fs::write(place("maps.csv"), &manifest).unwrap();
    let output = evaluate(folder.path(), &["--require", "mean_iou>=0.5", "--require", "iou>=0.5 in town"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place("report/report.json")).unwrap()).unwrap();
    let candidate = &report["candidate"];
    let pixels = || (0..side).flat_map(|row| (0..side).map(move |column| (row, column)));
    let labelled = |late, row, column| Some(label(side, late, row, column)).filter(|of| *of != 255).map(usize::from);
    let both: Vec<(usize, usize)> = lates
        .into_iter()
        .flat_map(|late| {
            pixels().filter_map(move |(row, column)| labelled(late, row, column).zip(expected_class(side, row, column)))
        })
        .collect();
    let mut mean_iou = 0.0;
    for class in 0..3 {
        let count =
            |is: &dyn Fn(bool, bool) -> bool| both.iter().filter(|(of, to)| is(*of == class, *to == class)).count();
        let iou = count(&|of, to| of && to) as f64 / count(&|of, to| of || to) as f64;
        assert!((candidate["classes"][class]["iou"].as_f64().unwrap() - iou).abs() < 1e-12, "{class}: {iou}");
        assert_eq!(candidate["classes"][class]["n_pixels"], count(&|of, _| of));
        mean_iou += iou / 3.0;
    }
    let found = |what: &str| candidate[what]["estimate"].as_f64().unwrap();
    assert!((found("mean_iou") - mean_iou).abs() < 1e-12);
    let right = both.iter().filter(|(of, to)| of == to).count() as f64 / both.len() as f64;
    assert!((found("accuracy") - right).abs() < 1e-12);
    assert_eq!(candidate["n_undecided_pixels"], 3 * 4, "the corner without data");
    assert_eq!(candidate["regions"]["north"]["tiles"], 2);

    // The divergence, from the shares that the run wrote.
    let mut shares = csv::Reader::from_path(place("report/maps-candidate/distributions.csv")).unwrap();
    let given: Vec<Vec<f64>> =
        shares.records().map(|row| row.unwrap().iter().skip(1).map(|cell| cell.parse().unwrap()).collect()).collect();
    let divergence = |(late, given): (u32, &Vec<f64>)| {
        let all: Vec<usize> = pixels().filter_map(|(row, column)| labelled(late, row, column)).collect();
        // The corner is labelled and counts only where it is decided.
        let decided: Vec<usize> = pixels()
            .filter(|&(row, column)| expected_class(side, row, column).is_some())
            .filter_map(|(row, column)| labelled(late, row, column))
            .collect();
        assert_eq!(all.len(), decided.len() + 4);
        let share = |class| decided.iter().filter(|of| **of == class).count() as f64 / decided.len() as f64;
        (0..3).map(|class| share(class) * (share(class) / given[class]).ln()).sum::<f64>()
    };
    let expected = lates.into_iter().zip(&given).map(divergence).sum::<f64>() / 3.0;
    assert!((found("mean_kl") - expected).abs() < 1e-9, "{} {expected}", found("mean_kl"));
    let markdown = std::fs::read_to_string(place("report/report.md")).unwrap();
    assert!(
        markdown.contains("meets every demand") && markdown.contains("12 labelled pixels are invalid"),
        "{markdown}"
    );
    assert_eq!(std::fs::read_dir(place("report/maps-candidate")).unwrap().count(), 4);
}

#[test]
fn maps_of_labels_that_are_none_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_model(&place("model"), Head::Segmentation);
    write_striped(&place("tile.tif"), 32);
    tiles::write_labels(&place("good.tif"), 32, |row, column| label(32, 0, row, column));
    tiles::write_labels(&place("small.tif"), 31, |row, column| label(31, 0, row, column));
    tiles::write_labels(&place("seven.tif"), 32, |_, column| column as u8);
    tiles::write_labels(&place("empty.tif"), 32, |_, _| 255);
    for (manifest, code, word) in [
        ("path,label\ntile.tif,1\n", 2, "no column mask"),
        ("path,mask\ntile.tif,\n", 2, "line 2: mask is empty"),
        ("path,mask\ntile.tif,none.tif\n", 2, "1 of 1 files are not there; the first is none.tif"),
        ("path,mask\ntile.tif,small.tif\n", 2, "small.tif: 31×31 pixels, its tile has 32×32"),
        ("path,mask\ntile.tif,seven.tif\n", 2, "seven.tif: a pixel has the class 3; the model's are 0 to 2"),
        ("path,mask\ntile.tif,empty.tif\n", 2, "empty.tif: no pixel has a label"),
        ("path,mask\ntile.tif,tile.tif\n", 2, "tile.tif: 4 bands of uint16; a map of labels has one band of uint8"),
        ("path,mask\ntile.tif,good.tif\n", 4, "not met: mean_iou>=1.1"),
    ] {
        std::fs::write(place("maps.csv"), manifest).unwrap();
        let output = evaluate(folder.path(), &["--require", "mean_iou>=1.1"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{manifest}: {said}");
        assert!(said.contains(word) && said.lines().count() == 1, "{said}");
    }
}

/// A tile of which the lowest `town` of its 8 rows are town, the others water, each a little different.
fn write_rows(path: &Path, town: u32, index: u32) {
    tiles::write_u16(path, 4, SIDE as u32, |band, row, column| {
        let levels = if row < town { [300, 800, 2700, 1200] } else { [2500, 600, 600, 100] };
        levels[band] + ((index * 37 + row * 11 + column * 5) % 90) as u16
    });
}

#[test]
fn a_class_of_a_segmentation_model_gets_thresholds_for_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_model(&place("model"), Head::Segmentation);
    std::fs::create_dir(place("tiles")).unwrap();
    let mut manifest = String::from("path,label,season,cloud\n");
    for index in 0..40 {
        let town = index % 8;
        write_rows(&place(&format!("tiles/{index:02}.tif")), town, index);
        manifest += &format!("tiles/{index:02}.tif,{},summer,clear\n", u8::from(town >= 5));
    }
    std::fs::write(place("manifest.csv"), manifest).unwrap();
    let calibrate = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(folder.path()).args(["calibrate", "--model", "model", "--engine", "tract"]);
        command.args(["--manifest", "manifest.csv"]).args(arguments).output().unwrap()
    };
    let output = calibrate(&["--class", "town", "--out", "town.json", "--scores-out", "scores.csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shares = run(folder.path(), "tract", &["tiles", "--distributions", "shares.csv", "-o", "rows.csv"]);
    assert_eq!(shares, "");
    let mut shares: Vec<f32> = csv::Reader::from_path(place("shares.csv"))
        .unwrap()
        .records()
        .map(|row| row.unwrap()[3].parse().unwrap())
        .collect();
    let rows = run(folder.path(), "tract", &["tiles", "--profile", "town.json", "--threshold-profile", "summer-clear"]);
    let mut rows = csv::Reader::from_reader(rows.as_bytes());
    let rows: Vec<std::collections::BTreeMap<String, String>> = rows.deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!((rows.len(), shares.len()), (40, 40));
    let profile: serde_json::Value = serde_json::from_slice(&std::fs::read(place("town.json")).unwrap()).unwrap();
    let threshold = profile["groups"][0]["threshold"].as_f64().unwrap() as f32;
    for (row, share) in rows.iter().zip(&shares) {
        let score: f32 = row["score"].parse().unwrap();
        assert!((score - share).abs() < 1e-6, "{row:?} {share}");
        assert_eq!(row["decision"], if score >= threshold { "positive" } else { "negative" }, "{row:?}");
    }
    // 15 positives bear rank 1 at 90 %: the lowest of their scores.
    let positives = shares.drain(..).enumerate().filter(|(index, _)| index % 8 >= 5).map(|(_, share)| share);
    let lowest = positives.fold(f32::INFINITY, f32::min);
    assert!((threshold - lowest).abs() < 1e-6, "{threshold} {lowest}");
    assert_eq!(profile["class"], "town");
    assert!(profile["guarantee"].as_str().unwrap().contains("mean soft-max"));

    for (arguments, word) in [
        (&["--out", "other.json"][..], "give --class NAME, the one that positives are of (water, forest, town)"),
        (&["--class", "ice"], "model has water, forest, town"),
    ] {
        let output = calibrate(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(&word.replace("model has", "has")), "{said}");
    }
    // The profile is for a class that another model of the kind lacks, or for two classes.
    std::fs::write(
        place("ice.json"),
        std::fs::read_to_string(place("town.json")).unwrap().replace("\"town\"", "\"ice\""),
    )
    .unwrap();
    let two = std::fs::read_to_string(place("town.json")).unwrap().replace("\"class\": \"town\",", "");
    std::fs::write(place("two.json"), two).unwrap();
    for (profile, word) in [("ice.json", "for the class \"ice\""), ("two.json", "a model with two classes")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(folder.path()).args([
            "tiles",
            "--model",
            "model",
            "--engine",
            "tract",
            "--profile",
            profile,
        ]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(4) && said.contains(word) && said.contains(profile), "{said}");
    }
}
