//! Maps and quick-looks of a run, read back by GDAL, rio-cogeo, Pillow, numpy and onnxruntime.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use model_folders::{SIDE, manifest, write_folder_with};
use ndarray::{ArrayD, IxDyn};
use s2infer::Kind;
use s2infer::model::manifest::{Head, Padding};
use s2infer::model::{Golden, Manifest};
use s2infer::output::{
    ABSTAINED, Classes, Confidence, MapCompression, MapWriter, Scores, mask_path, quicklook_path, score_map_path,
};
use s2infer::raster::{Geo, Window};

/// What a script of this folder prints, or none where there is no Python.
fn script(name: &str, arguments: &[&Path]) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    python(&[&[path.as_path()], arguments].concat())
}

fn python(arguments: &[&Path]) -> Option<String> {
    let Some(python) = common::python() else {
        common::skip_or_fail("Python with rasterio and rio-cogeo");
        return None;
    };
    let output = Command::new(python).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

const UTM: Geo = Geo { epsg: Some(32631), transform: [600_000.0, 10.0, 0.0, 5_700_000.0, 0.0, -10.0] };
/// Width and height: one pixel, one tile, one more, slivers, and levels whose sides are odd.
const SIZES: [[u32; 2]; 7] = [[1, 1], [64, 64], [512, 512], [513, 100], [1000, 1], [3000, 1733], [700, 2050]];

/// The class that the tests put at a pixel; some have none.
fn class_at(x: u32, y: u32) -> u8 {
    if (x / 40 + y / 50).is_multiple_of(4) { 255 } else { ((x / 7 + y / 3) % 5) as u8 }
}

/// Hands the windows of 64 px of a raster to `write`.
fn windows([width, height]: [u32; 2], mut write: impl FnMut(Window)) {
    for y in (0..height).step_by(64) {
        for x in (0..width).step_by(64) {
            write(Window { x, y, width: (width - x).min(64), height: (height - y).min(64) });
        }
    }
}

fn write_classes(path: &Path, size: [u32; 2], compression: MapCompression) {
    let names = ["water", "a & b <c>", "küste", "town", "ice", "abstained"].map(str::to_owned);
    let names = [0, 1, 2, 3, 4, ABSTAINED].into_iter().zip(names).collect();
    let mut writer = MapWriter::create(path, size, Classes { names }, compression, Some(&UTM)).unwrap();
    windows(size, |window| {
        let pixels = (window.y..window.y + window.height)
            .flat_map(|y| (window.x..window.x + window.width).map(move |x| class_at(x, y)));
        writer.write(window, &pixels.collect::<Vec<_>>()).unwrap();
    });
    writer.finish().unwrap();
}

#[test]
fn maps_of_every_size_are_cloud_optimized_and_their_overviews_follow_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: String| folder.path().join(name);
    for compression in [MapCompression::Deflate, MapCompression::Zstd] {
        let paths = SIZES.map(|size| place(format!("class-{size:?}-{compression:?}.tif")));
        paths.iter().zip(SIZES).for_each(|(path, size)| write_classes(path, size, compression));
        let paths: Vec<&Path> = [Path::new("class")].into_iter().chain(paths.iter().map(PathBuf::as_path)).collect();
        let Some(printed) = script("check_maps.py", &paths) else { return };
        assert!(
            printed.contains("3000 1733 512 512 [2, 4, 8]") && printed.contains("'CLASS_1': 'a & b <c>'"),
            "{printed}"
        );
    }
    for size in SIZES {
        let (confidence, score) = (place(format!("confidence-{size:?}.tif")), place(format!("score-{size:?}.tif")));
        let mut percents = MapWriter::create(&confidence, size, Confidence, MapCompression::Deflate, None).unwrap();
        let mut scores = MapWriter::create(&score, size, Scores, MapCompression::Deflate, Some(&UTM)).unwrap();
        let mut step = 0u32;
        windows(size, |window| {
            step += 1;
            if !step.is_multiple_of(7) {
                scores.fill(window, (step * 37 % 101) as f32 / 101.0).unwrap();
                percents.fill(window, (step * 37 % 101) as u8).unwrap();
            }
        });
        percents.finish().unwrap();
        scores.finish().unwrap();
        script("check_maps.py", &[Path::new("confidence"), &confidence]);
        script("check_maps.py", &[Path::new("score"), &score]);
    }
}

#[test]
fn a_map_reads_back_in_rasterio_with_its_place_on_earth() {
    let folder = tempfile::tempdir().unwrap();
    let degrees = Geo { epsg: Some(4326), transform: [4.0, 0.001, 0.0002, 52.0, -0.0001, -0.001] };
    let geos = [Some(&UTM), Some(&degrees), None];
    let paths = ["a.tif", "b.tif", "c.tif"].map(|name| folder.path().join(name));
    for (path, geo) in paths.iter().zip(geos) {
        let layer = Classes { names: Vec::new() };
        let mut writer = MapWriter::create(path, [150, 140], layer, MapCompression::Deflate, geo).unwrap();
        windows([150, 140], |window| {
            if (window.x, window.y) != (64, 64) {
                writer.fill(window, (window.x / 64) as u8).unwrap();
            }
        });
        writer.finish().unwrap();
    }
    let script = r#"
import sys, warnings, numpy, rasterio, tifffile
warnings.simplefilter("ignore")
wanted = numpy.zeros((140, 150), "uint8") + (numpy.arange(150) // 64).astype("uint8")
wanted[64:128, 64:128] = 255
for path in sys.argv[1:]:
    with rasterio.open(path) as mask:
        assert (mask.read(1) == wanted).all() and mask.nodata == 255
        print(mask.crs.to_epsg() if mask.crs else None, list(mask.transform.to_gdal()))
    assert (tifffile.imread(path) == wanted).all()
"#;
    let arguments: Vec<&Path> =
        [Path::new("-c"), Path::new(script)].into_iter().chain(paths.iter().map(PathBuf::as_path)).collect();
    let Some(printed) = python(&arguments) else { return };
    let wanted = "32631 [600000.0, 10.0, 0.0, 5700000.0, 0.0, -10.0]\n4326 [4.0, 0.001, 0.0002, 52.0, -0.0001, -0.001]\n\
                  None [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]\n";
    assert_eq!(printed, wanted);
}

#[test]
fn maps_of_tiles_of_one_name_lie_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    for tile in ["a/t.tif", "b/t.tif", "../../t.tif", "t", "/"] {
        for path in [mask_path, score_map_path, quicklook_path].map(|of| of(folder.path(), tile)) {
            assert!(path.parent() == Some(folder.path()) && !path.exists(), "{path:?}");
            std::fs::write(path, "").unwrap();
        }
    }
}

#[test]
fn a_window_that_comes_late_or_lies_outside_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tif");
    let mut writer = MapWriter::create(&path, [8, 8], Confidence, MapCompression::Deflate, None).unwrap();
    let window = |x, y| Window { x, y, width: 4, height: 4 };
    writer.write(window(0, 4), &[1; 16]).unwrap();
    for (wrong, pixels) in [(window(0, 0), 16), (window(6, 4), 16), (window(0, 6), 16), (window(4, 4), 15)] {
        assert_eq!(writer.write(wrong, &vec![0; pixels]).unwrap_err().kind(), Kind::Output, "{wrong:?}");
    }
    assert!(writer.fill(Window { x: u32::MAX, y: 4, width: 2, height: 4 }, 0).is_err());
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "neither a map nor a spool is left");
}

fn s2infer(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(folder).args(["--model", "model", "--engine", "tract"]).args(arguments).output().unwrap()
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = s2infer(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An array as tests/make_models.py writes it.
fn array(path: &Path) -> ArrayD<f32> {
    let bytes = std::fs::read(path).unwrap();
    let word = |at: usize| i64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap()) as usize;
    let shape: Vec<usize> = (1..=word(0)).map(word).collect();
    let values = bytes[8 * (1 + word(0))..].chunks(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()));
    ArrayD::from_shape_vec(IxDyn(&shape), values.collect()).unwrap()
}

/// The segmentation model of tests/make_models.py, 16 px and six classes, in `folder`; false where there is no Python.
fn write_segmentation(folder: &Path) -> bool {
    let made = folder.join("made");
    std::fs::create_dir(&made).unwrap();
    if script("make_models.py", &[&made]).is_none() {
        return false;
    }
    let golden = Golden {
        input: array(&made.join("segmentation.input.bin")).into_dimensionality().unwrap(),
        output: array(&made.join("segmentation.output.bin")),
    };
    let classes = ["sea", "sand", "mud", "rock", "marsh", "town"].map(str::to_owned).to_vec();
    let manifest = Manifest { head: Head::Segmentation, classes, tile_px: 16, padding: Padding::Nodata, ..manifest() };
    let graph = std::fs::read(made.join("segmentation.onnx")).unwrap();
    write_folder_with(&folder.join("model"), &manifest, &graph, &golden).unwrap();
    true
}

/// A textured scene with a border of nodata on the left that makes windows abstain.
fn write_textured(path: &Path, side: u32) {
    tiles::write_u16(path, 4, side, |band, row, column| {
        let noise = (row * 7919 + column * 104_729 + band as u32 * 15_485_863).wrapping_mul(2_654_435_761) >> 20;
        if column < 12 { 0 } else { 300 + ((row / 9 + column / 5) % 4 * 500) as u16 + (noise % 900) as u16 }
    });
}

#[test]
fn overlapping_windows_are_blended_as_numpy_blends_them_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    if !write_segmentation(folder.path()) {
        return;
    }
    write_textured(&place("scene.tif"), 93);
    for overlap in ["6", "11"] {
        let mut bytes = Vec::new();
        for threads in ["1", "3"] {
            let outputs =
                ["--masks", "maps", "--score-maps", "maps", "--distributions", "shares.csv", "-o", "rows.csv"];
            succeed(
                folder.path(),
                &[&["scene.tif", "--overlap", overlap, "--threads", threads, "--batch", "5"], &outputs[..]].concat(),
            );
            let files = [mask_path(Path::new("maps"), "scene.tif"), score_map_path(Path::new("maps"), "scene.tif")];
            let files = files.map(|path| folder.path().join(path));
            let others = ["shares.csv", "rows.csv"].map(place);
            bytes.push(
                [&files[..], &others].concat().iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>(),
            );
            if threads == "1" {
                let [mask, score] = files.each_ref().map(|path| path.as_path());
                let (model, scene) = (place("made/segmentation.onnx"), place("scene.tif"));
                let arguments = [&model, &scene, Path::new(overlap), mask, score, &others[0]];
                script("blend_reference.py", &arguments);
                script("check_maps.py", &[Path::new("class"), mask]);
            }
        }
        assert!(bytes[0] == bytes[1], "overlap {overlap}: other bytes with other threads");
    }
}

/// A binary model of 8 px windows that says how bright B04 is.
fn write_binary(folder: &Path) {
    let graph = model_folders::encode(model_folders::linear_graph());
    model_folders::write_folder(&folder.join("model"), &manifest(), &graph).unwrap();
}

#[test]
fn a_classifiers_maps_hold_every_windows_decision_and_score_and_the_picture_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    write_binary(folder.path());
    let side = 10 * SIDE as u32 + 3;
    tiles::write_u16(&folder.path().join("scene.tif"), 4, side, |band, row, column| match (row, column) {
        (..10, ..20) => 0,
        (24..48, 16..56) => [2700, 300, 300, 300][band] + (row * column % 50) as u16,
        _ => [200, 900, 400, 2700][band] + (row * column % 50) as u16,
    });
    let outputs = ["--masks", "maps", "--score-maps", "maps", "--quicklook", "maps", "--format", "ndjson"];
    let rows = succeed(folder.path(), &[&["scene.tif", "--threshold", "0.5"], &outputs[..]].concat());
    std::fs::write(folder.path().join("rows.ndjson"), rows).unwrap();
    let maps = folder.path().join("maps");
    let paths = [mask_path, score_map_path, quicklook_path].map(|of| of(&maps, "scene.tif"));
    let script_text = r#"
import json, sys, warnings
import numpy as np, rasterio
from PIL import Image
warnings.simplefilter("ignore")
mask, score, picture = sys.argv[2:]
classes, scores = rasterio.open(mask).read(1), rasterio.open(score).read(1)
rows = [json.loads(line) for line in open(sys.argv[1])]
side, edge = len(classes), 8 * 10 + 3
assert side == edge
# Without overlap a window decides itself; the last of a row or column shares 5 px with the one before: 2 and 3.
core = lambda start: (start if start < edge - 8 else start + 2, min(start + 8, edge) if start != 72 else 77)
codes = {"negative": 0, "positive": 1, "abstain": 254}
wanted, values = np.full((side, side), 255, "uint8"), np.full((side, side), np.nan, "float32")
for row in rows:
    (left, right), (top, bottom) = core(row["x"]), core(row["y"])
    wanted[top:bottom, left:right] = codes[row["decision"]]
    values[top:bottom, left:right] = np.nan if row["score"] is None else row["score"]
assert set(np.unique(wanted)) == {0, 1, 254}, np.unique(wanted)
np.testing.assert_array_equal(classes, wanted)
np.testing.assert_array_equal(scores, values)
assert rasterio.open(mask).tags(1)["CLASS_1"] == "construction"
image = np.asarray(Image.open(picture))
assert image.shape == (side, side, 3), image.shape
red = (image == (230, 30, 30)).all(2)
inside = wanted == 1
padded = np.pad(inside, 1)
shifts = [padded[1 + y:1 + y + side, 1 + x:1 + x + side] for y in (-1, 0, 1) for x in (-1, 0, 1)]
np.testing.assert_array_equal(red, inside & ~np.all(shifts, 0))
assert (image[:10, :20] == 0).all() and (image[10:, 20:].max(2) > 0).all()
"#;
    let rows = folder.path().join("rows.ndjson");
    let [mask, score, picture] = paths.each_ref().map(|path| path.as_path());
    python(&[Path::new("-c"), Path::new(script_text), &rows, mask, score, picture]);
    script("check_maps.py", &[Path::new("class"), mask]);
    script("check_maps.py", &[Path::new("score"), score]);
}

#[test]
fn a_table_is_the_same_with_and_without_pictures() {
    let folder = tempfile::tempdir().unwrap();
    write_binary(folder.path());
    write_textured(&folder.path().join("scene.tif"), 83);
    let plain = succeed(folder.path(), &["scene.tif", "--threshold", "0.5"]);
    let pictured = succeed(folder.path(), &["scene.tif", "--threshold", "0.5", "--quicklook", "q", "--threads", "3"]);
    assert_eq!(plain, pictured);
    assert!(plain.contains("abstain"), "{plain}");
}

#[test]
fn a_map_that_would_replace_another_output_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_binary(folder.path());
    tiles::write_level(&folder.path().join("t.tif"), SIDE as u32, [400, 900, 1100, 2000]);
    let mask = mask_path(Path::new("m"), "t.tif");
    std::fs::create_dir(folder.path().join("m")).unwrap();
    let output =
        s2infer(folder.path(), &["t.tif", "--threshold", "0.5", "--masks", "m", "--record", mask.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let output =
        s2infer(folder.path(), &["t.tif", "--threshold", "0.5", "--quicklook", "q", "--resume", "-o", "o.csv"]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
