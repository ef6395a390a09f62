//! Simulated landslides as the program writes them, read back by csv, by rasterio and by numpy.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{python, skip_or_fail};

type Row = BTreeMap<String, String>;

fn s2infer(threads: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.args(["simulate", "--quiet"]).args(arguments).env("RAYON_NUM_THREADS", threads).output().unwrap()
}

/// Simulates into `name` of a folder; returns where, and the manifest.
fn simulate(folder: &Path, name: &str, threads: &str, options: &[&str]) -> (PathBuf, Vec<Row>) {
    let out = folder.join(name);
    let output = s2infer(threads, &[&["--task", "landslides", "--out", out.to_str().unwrap()], options].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows =
        csv::Reader::from_path(out.join("manifest.csv")).unwrap().deserialize().collect::<Result<_, _>>().unwrap();
    (out, rows)
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {}", row[column]))
}

/// Every file below a folder, by its relative path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    entries.map(|e| (e.path().strip_prefix(folder).unwrap().to_owned(), std::fs::read(e.path()).unwrap())).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_on_any_number_of_threads_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let on = |name: &str, threads: &str, seed: &str| {
        files(&simulate(folder.path(), name, threads, &["--tiles", "60", "--seed", seed]).0)
    };
    let one = on("a", "1", "5");
    assert_eq!(one.len(), 61);
    assert_eq!(one, on("b", "3", "5"));
    let other = on("c", "2", "6");
    assert!(one.values().all(|bytes| other.values().all(|others| others != bytes)));
}

#[test]
fn the_manifest_says_what_is_true_and_python_reads_the_patches() {
    let Some(python) = python() else { return skip_or_fail("Python with rasterio") };
    let folder = tempfile::tempdir().unwrap();
    let (out, rows) = simulate(folder.path(), "slides", "2", &["--tiles", "300"]);
    let slides = rows.iter().filter(|row| row["label"] == "1").count() as f64;
    assert!((slides / 300.0 - 0.17).abs() < 0.03, "{slides}");
    let (mut splits, mut hidden) = (BTreeMap::<&str, BTreeSet<&str>>::new(), 0);
    for row in &rows {
        assert_eq!(row["label"] == "1", number(row, "scar_px") > 0.0);
        splits.entry(&row["region"]).or_default().insert(&row["split"]);
        let [either, optical, radar] =
            ["visible_share", "visible_optical", "visible_radar"].map(|column| number(row, column));
        assert!(either >= optical.max(radar) - 1e-3 && either <= optical + radar + 1e-3 && either <= 1.0);
        assert!(row["date_before"] < row["date"] && number(row, "cloud_cover_percent") <= 70.0);
        hidden += usize::from(optical < 0.3);
    }
    assert!(splits.values().all(|splits| splits.len() == 1), "no region is in two splits: {splits:?}");
    assert!(splits.len() >= 8 && (10..150).contains(&hidden), "{hidden} hidden by clouds or shadow");
    // The label says nothing that a mean would: areas under the curve of single bands' means.
    let script = r#"
import csv, pathlib, sys, warnings
warnings.simplefilter("error")
import numpy, rasterio
folder = pathlib.Path(sys.argv[1])
names = "B04 B03 B02 B08 VV_DESC VH_DESC VV_DESC_DIFF VH_DESC_DIFF VV_ASC VH_ASC VV_ASC_DIFF VH_ASC_DIFF".split()
with open(folder / "manifest.csv") as file:
    rows, means, gaps = list(csv.DictReader(file)), [], 0
for row in rows:
    with rasterio.open(folder / row["path"]) as tile:
        assert (tile.count, tile.width, tile.height, set(tile.dtypes)) == (12, 64, 64, {"float32"}), row
        assert list(tile.descriptions) == names and numpy.isnan(tile.nodata) and tile.res == (10, 10)
        assert tile.crs.is_projected and tile.tags()["ACQUISITION_DATE"] == row["date"]
        pixels = tile.read()
    valid = numpy.isfinite(pixels).all(0)
    gaps += not valid.all()
    assert abs(100 * valid.mean() - float(row["valid_percent"])) < 0.06 and valid.mean() > 0.2, row
    assert not numpy.isinf(pixels).any()
    pixels = pixels[:, valid]
    before = pixels[[4, 5, 8, 9]] - pixels[[6, 7, 10, 11]]
    assert pixels[:4].min() > 0 and pixels[:4].max() < 4, row
    for radar in (pixels[[4, 5, 8, 9]], before):
        assert -45 < radar.min() and radar.max() < 20, row
    means.append(pixels.mean(1))
    assert (folder / row["path"]).stat().st_size < 100_000
label = numpy.array([row["label"] == "1" for row in rows])
for band, mean in zip(names, numpy.array(means).T):
    area = (mean[label][:, None] > mean[~label][None, :]).mean()
    assert 0.25 < area < 0.75, (band, area)
print(gaps)
"#;
    let output = Command::new(python).arg("-c").arg(script).arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let gaps: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!((3..45).contains(&gaps), "{gaps} patches with gaps");
}

#[test]
fn npy_files_hold_the_same_values_as_tiffs() {
    let Some(python) = python() else { return skip_or_fail("Python with rasterio") };
    let folder = tempfile::tempdir().unwrap();
    let (tiffs, rows) = simulate(folder.path(), "tiffs", "2", &["--tiles", "60"]);
    let (arrays, others) = simulate(folder.path(), "arrays", "2", &["--tiles", "60", "--format", "npy"]);
    assert!(rows.iter().zip(&others).all(|(a, b)| a["path"].replace(".tif", ".npy") == b["path"]));
    let script = r#"
import pathlib, sys
import numpy, rasterio
tiffs, arrays = map(pathlib.Path, sys.argv[1:])
for path in tiffs.glob("*/*.tif"):
    array = numpy.load(arrays / path.relative_to(tiffs).with_suffix(".npy"))
    assert (array.shape, array.dtype) == ((12, 64, 64), numpy.float32)
    assert numpy.array_equal(array, rasterio.open(path).read(), equal_nan=True), path
"#;
    let output = Command::new(python).arg("-c").arg(script).arg(&tiffs).arg(&arrays).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_makes_no_set_is_a_usage_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("slides");
    for (options, expected) in [
        (&["--task", "landslides", "--tiles", "59"][..], "--tiles 59: give 60 to 250000"),
        (&["--task", "landslides", "--bands", "13"], "--bands is for --task coast"),
        (&["--format", "npy"], "--format is for --task landslides"),
    ] {
        let output = s2infer("1", &[&["--out", out.to_str().unwrap()], options].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(expected), "{options:?}: {message}");
    }
    assert!(!out.exists() && folder.path().read_dir().unwrap().next().is_none());
}
