//! Simulated coasts as the program writes them, read back by csv, by GDAL and by the program itself.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{python, skip_or_fail};

type Row = BTreeMap<String, String>;

fn s2infer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_s2infer")).args(arguments).output().unwrap()
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Simulates into `name` of a folder; returns where, and the manifest.
fn simulate(folder: &Path, name: &str, options: &[&str]) -> (PathBuf, Vec<Row>) {
    let out = folder.join(name);
    succeed(&s2infer(&[&["simulate", "--quiet", "--out", out.to_str().unwrap()], options].concat()));
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
    let on = |threads: &str, seed: &str| {
        let out = folder.path().join(format!("{threads}-{seed}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.args(["simulate", "--tiles", "60", "--seed", seed, "--out", out.to_str().unwrap()]);
        succeed(&command.env("RAYON_NUM_THREADS", threads).output().unwrap());
        files(&out)
    };
    let one = on("1", "5");
    assert_eq!(one, on("3", "5"));
    let other = on("3", "6");
    assert!(one.values().all(|bytes| other.values().all(|others| others != bytes)));
}

#[test]
fn the_manifest_says_what_is_true_of_every_tile() {
    let folder = tempfile::tempdir().unwrap();
    let (out, rows) = simulate(folder.path(), "coasts", &["--tiles", "600"]);
    assert!((500..700).contains(&rows.len()), "{}", rows.len());
    let paths: BTreeSet<PathBuf> = rows.iter().map(|row| PathBuf::from(&row["path"])).collect();
    let tiles: BTreeSet<PathBuf> = files(&out).into_keys().filter(|path| path.extension().unwrap() == "tif").collect();
    assert_eq!(paths, tiles);
    let mut splits = BTreeMap::<&str, &str>::new();
    for row in &rows {
        // Geometry decides: construction inside the belt has an area there.
        assert_eq!(row["clean_label"] == "1", number(row, "footprint_px") > 0.0);
        assert_eq!(row["clean_label"] == "1", row["class"] == "construction");
        assert!(row["split"] == "train" || row["label"] == row["clean_label"]);
        assert!(row["region_held_out"] == "0" || row["split"] == "measurement");
        assert!((0.3..=1.0).contains(&number(row, "visible_share")));
        let cover = number(row, "cloud_cover_percent");
        assert!(if row["cloud"] == "clear" { cover == 0.0 } else { (10.0..=70.0).contains(&cover) });
        assert_eq!(splits.entry(&row["site"]).or_insert(&row["split"]), &row["split"]);
    }
    let winter = |row: &&Row| row["season"] == "winter";
    let zenith =
        |rows: Vec<&Row>| rows.iter().map(|row| number(row, "sun_zenith_deg")).sum::<f64>() / rows.len() as f64;
    let (low, high): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(winter);
    assert!(zenith(low) > 60.0 && zenith(high) < 40.0);
}

#[test]
fn knobs_turn_what_they_are_named_for() {
    let folder = tempfile::tempdir().unwrap();
    let mean = |name: &str, column: &str, options: &[&str]| {
        let (_, rows) = simulate(folder.path(), name, &[&["--tiles", "300"], options].concat());
        rows.iter().map(|row| number(row, column)).sum::<f64>() / rows.len() as f64
    };
    assert_eq!(mean("a", "lookalikes", &["--lookalikes", "0"]), 0.0);
    assert!(mean("b", "lookalikes", &["--lookalikes", "2"]) > 1.2);
    let size = |name: &str, scale: &str| mean(name, "footprint_px", &["--footprint-scale", scale]);
    assert!(size("c", "1.6") > 1.5 * size("d", "0.8"));
    let visible = |name: &str, severity: &str| mean(name, "visible_share", &["--cloud-severity", severity]);
    assert!(visible("e", "2.5") < visible("f", "0.3"));
    let share = |name: &str, options: &[&str]| mean(name, "clean_label", options);
    assert!(share("g", &["--prevalence", "0.5", "--train-prevalence", "0.5"]) > 0.4);
    let (_, rows) = simulate(folder.path(), "g2", &["--tiles", "300", "--train-mix", "0,0,0,1"]);
    let train = rows.iter().filter(|row| row["split"] == "train");
    assert!(train.into_iter().all(|row| (&*row["season"], &*row["cloud"]) == ("winter", "cloudy")));
    let (_, rows) = simulate(folder.path(), "h", &["--tiles", "300", "--label-noise", "0"]);
    assert!(rows.iter().all(|row| row["label"] == row["clean_label"]));
}

#[test]
fn gdal_reads_the_tiles_without_a_warning() {
    let Some(python) = python() else { return skip_or_fail("Python with rasterio") };
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = simulate(folder.path(), "coasts", &["--tiles", "60", "--bands", "13"]);
    let script = r#"
import csv, logging, pathlib, sys, warnings
warnings.simplefilter("error")
logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
import rasterio
from rasterio.warp import transform
folder = pathlib.Path(sys.argv[1])
names = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12".split()
with open(folder / "manifest.csv") as file:
    rows = list(csv.DictReader(file))
for row in rows:
    with rasterio.open(folder / row["path"]) as tile:
        assert (tile.count, tile.width, tile.height, set(tile.dtypes)) == (13, 64, 64, {"uint16"}), row
        assert list(tile.descriptions) == names and tile.scales == (0.0001,) * 13 and tile.nodata == 0
        assert tile.compression.name == "deflate" and tile.res == (10, 10)
        assert tile.tags()["ACQUISITION_DATE"] == row["date"], tile.tags()
        assert abs(float(tile.tags()["CLOUDY_PIXEL_PERCENTAGE"]) - float(row["cloud_cover_percent"])) < 0.06
        [longitude], [latitude] = transform(tile.crs, "EPSG:4326", *[[v] for v in tile.xy(31.5, 31.5)])
        assert abs(longitude - float(row["longitude"])) < 2e-4 and abs(latitude - float(row["latitude"])) < 1e-4
        pixels = tile.read()
        assert pixels.min() >= 1 and pixels.max() < 20000
print(len(rows))
"#;
    let output = Command::new(python).arg("-c").arg(script).arg(&out).output().unwrap();
    let printed = succeed(&output);
    assert!(printed.trim().parse::<usize>().is_ok_and(|rows| rows > 40), "{printed}");
}

#[test]
fn the_program_finds_season_and_sky_of_its_own_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let (out, rows) = simulate(folder.path(), "coasts", &["--tiles", "80"]);
    let shifts: BTreeMap<String, String> = {
        let table = succeed(&s2infer(&[out.to_str().unwrap(), "--dry-run", "--quiet"]));
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let rows = reader.deserialize::<Row>().map(Result::unwrap);
        rows.map(|row| (Path::new(&row["tile"]).file_name().unwrap().to_str().unwrap().into(), row["shift"].clone()))
            .collect()
    };
    for row in &rows {
        let name = Path::new(&row["path"]).file_name().unwrap().to_str().unwrap();
        assert_eq!(shifts[name], format!("{}-{}", row["season"], row["cloud"]), "{name}");
    }
    let tile = out.join(&rows[0]["path"]);
    let facts = succeed(&s2infer(&["inspect", tile.to_str().unwrap(), "--format", "json"]));
    assert!(facts.contains(&rows[0]["date"]) && facts.contains("B11"), "{facts}");
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let output = s2infer(&["simulate", "--tiles", "60", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn what_makes_no_set_is_a_usage_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("coasts");
    for (options, expected) in [
        (&["--tiles", "59"][..], "at least 60"),
        (&["--tiles", "99999999999"], "at most 1000000"),
        (&["--regions", "atlantis"], "baltic-pines"),
        (&["--regions", "skerries"], "held out"),
        (&["--lookalikes=-1"], "at least 0"),
        (&["--prevalence", "1"], "between 0 and 1"),
        (&["--train-mix", "0,0,0,0"], "above 0"),
        (&["--train-mix", "1,2,3"], "four numbers"),
        (&["--footprint-scale", "9"], "0.3 to 2.5"),
    ] {
        let output = s2infer(&[&["simulate", "--out", out.to_str().unwrap()], options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(expected), "{options:?}: {message}");
    }
    assert!(!out.exists() && folder.path().read_dir().unwrap().next().is_none());
}
