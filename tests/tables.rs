//! The tables of a run over scenes, read by GDAL, pyarrow and shapely.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use place::{Place, succeed, text};

const RULE: [&str; 4] = ["--threshold", "0.5", "--date", "2024-01-31"];

/// What `check_tables.py` prints, or none where there is no Python.
fn check(place: &Place, arguments: &[&str]) -> Option<String> {
    let Some(python) = common::python() else {
        common::skip_or_fail("Python with rasterio, pyogrio and pyarrow");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_tables.py");
    let output = Command::new(python).arg(script).args(arguments).current_dir(place.path(".")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    Some(text(&output.stdout).trim().to_owned())
}

/// A folder with scenes and the small model; none without Python.
fn scenes() -> Option<Place> {
    let place = Place::new();
    check(&place, &["scenes", "tiles"])?;
    Some(place)
}

/// Runs over scenes with a damaged one among them.
fn run(place: &Place, arguments: &[&str]) {
    let output = place.run(&[arguments, &RULE].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

/// Everything in `tiles` into four formats, and the sites of each.
fn all_formats(place: &Place, inputs: &[&str], options: &[&str]) {
    for format in ["csv", "geojson", "gpkg", "parquet"] {
        let (table, sites) = (format!("out.{format}"), format!("sites.{format}"));
        run(place, &[inputs, &["--output", &table, "--sites", &sites], options].concat());
    }
}

const TABLES: [&str; 4] = ["out.csv", "out.geojson", "out.gpkg", "out.parquet"];
const SITES: [&str; 5] = ["out.csv", "tiles", "sites.geojson", "sites.gpkg", "sites.parquet"];

/// Two UTM zones, both hemispheres, the antimeridian in metres and in degrees, a turned raster, and a tile without a place.
#[test]
fn every_format_holds_the_same_rows_and_places_in_degrees() {
    let Some(place) = scenes() else { return };
    all_formats(&place, &["tiles"], &[]);
    assert_eq!(check(&place, &[&["alike"][..], &TABLES].concat()).unwrap(), "EPSG:4326");
    check(&place, &["index", "out.gpkg"]);
    check(&place, &["index", "sites.gpkg"]);
    let found = check(&place, &[&["sites"][..], &SITES].concat()).unwrap();
    let counts: Vec<u64> = found.split(' ').map(|count| count.parse().unwrap()).collect();
    assert!(counts.iter().all(|count| *count >= 10), "too few sites, holes or sites of several parts: {found}");
    let left: Vec<_> = fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let stray = |name: &str| name.ends_with("tmp") || name.ends_with("-journal") || name.ends_with("-wal");
    assert!(!left.iter().any(|name| stray(name.to_str().unwrap())), "{left:?}");
}

#[test]
fn with_crs_source_places_are_those_of_the_scene() {
    let Some(place) = scenes() else { return };
    for (scene, crs) in [("north", 32631), ("south", 32733), ("turned", 32631), ("line", 32701)] {
        all_formats(&place, &[&format!("tiles/{scene}.tif"), "tiles/zz-damaged.tif"], &["--crs", "source"]);
        assert_eq!(check(&place, &[&["alike"][..], &TABLES].concat()).unwrap(), format!("EPSG:{crs}"));
        check(&place, &[&["sites"][..], &SITES].concat());
        let header = fs::read_to_string(place.path("out.csv")).unwrap();
        assert!(header.lines().next().unwrap().ends_with(",reason,epsg,easting,northing"), "{scene}");
        assert_eq!(header.matches(&format!(",{crs},")).count() + 2, header.lines().count(), "{scene}");
    }
}

#[test]
fn overlapping_windows_make_the_union_that_shapely_makes() {
    let Some(place) = scenes() else { return };
    for overlap in ["3", "6"] {
        all_formats(&place, &["tiles"], &["--overlap", overlap]);
        let found = check(&place, &[&["sites"][..], &SITES].concat()).unwrap();
        assert!(found.split(' ').all(|count| count != "0"), "{found}");
    }
}

#[test]
fn scenes_of_two_reference_systems_share_no_layer() {
    let Some(place) = scenes() else { return };
    let inputs = ["tiles/north.tif", "tiles/south.tif", "--crs", "source", "--output"];
    for format in ["geojson", "gpkg", "parquet"] {
        let table = format!("out.{format}");
        let output = place.run(&[&inputs[..], &[&table], &RULE].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("EPSG:32631") && message.contains("EPSG:32733"), "{message}");
        assert!(!place.path(&table).exists());
    }
    succeed(&place.run(&[&inputs[..], &["out.ndjson"], &RULE].concat()));
    let table = fs::read_to_string(place.path("out.ndjson")).unwrap();
    assert!(table.contains("\"epsg\":32631") && table.contains("\"epsg\":32733"));
}

#[test]
fn what_no_pipe_can_take_names_the_remedy() {
    let place = Place::new();
    place.levels(1);
    for format in ["gpkg", "parquet"] {
        let output = place.run(&["tiles", "--threshold", "0.5", "--format", format]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        assert!(text(&output.stderr).contains("--output FILE"), "{}", text(&output.stderr));
    }
    for flags in [&["--sites", "-"][..], &["--stac", "-"], &["--stac", "item.json"], &["--crs", "EPSG:3857"]] {
        let output = place.run(&[&["tiles", "--threshold", "0.5"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output.stderr));
    }
    let same = ["tiles", "--threshold", "0.5", "--output", "a.csv", "--sites", "./a.csv"];
    assert!(text(&place.run(&same).stderr).contains("are the same file"));
}

/// Bytes of a table and its sites.
fn bytes(place: &Place, table: &str, sites: &str) -> (Vec<u8>, Vec<u8>) {
    (fs::read(place.path(table)).unwrap(), fs::read(place.path(sites)).unwrap())
}

#[test]
fn the_same_scenes_are_the_same_bytes_whatever_the_threads_and_after_a_kill() {
    let Some(place) = scenes() else { return };
    for copy in 0..40 {
        fs::copy(place.path("tiles/south.tif"), place.path(&format!("tiles/copy-{copy:02}.tif"))).unwrap();
        // Tiles are known again by their content.
        let mut file =
            fs::OpenOptions::new().append(true).open(place.path(&format!("tiles/copy-{copy:02}.tif"))).unwrap();
        std::io::Write::write_all(&mut file, &[copy]).unwrap();
    }
    for format in ["gpkg", "parquet", "geojson"] {
        let (table, sites) = (format!("out.{format}"), format!("sites.{format}"));
        let files = ["tiles", "--output", &table, "--sites", &sites];
        run(&place, &[&files[..], &["--threads", "1"]].concat());
        let one = bytes(&place, &table, &sites);
        run(&place, &[&files[..], &["--threads", "4"]].concat());
        assert!(bytes(&place, &table, &sites) == one, "{format}: threads");

        fs::remove_file(place.path(&table)).unwrap();
        fs::remove_file(place.path(&sites)).unwrap();
        let slow = [&files[..], &["--threads", "1", "--resume"], &RULE].concat();
        let mut killed = place.command(&slow).spawn().unwrap();
        let journal = place.path(&format!("{table}.journal"));
        let lines = || fs::read(&journal).map_or(0, |held| held.iter().filter(|byte| **byte == b'\n').count());
        while lines() < 8 && killed.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(!place.path(&table).exists() && !place.path(&sites).exists(), "killed too late");
        run(&place, &[&files[..], &["--resume", "--record", "run.json"]].concat());
        assert!(bytes(&place, &table, &sites) == one, "{format}: kill");
        let record: serde_json::Value = serde_json::from_slice(&fs::read(place.path("run.json")).unwrap()).unwrap();
        assert!(record["counts"]["tiles_resumed"].as_u64().unwrap() > 5, "{}", record["counts"]);
    }
}

#[test]
fn a_stac_item_says_of_every_file_what_it_is() {
    let Some(place) = scenes() else { return };
    fs::create_dir(place.path("out")).unwrap();
    let files = ["--output", "out/windows.gpkg", "--sites", "out/sites.parquet", "--record", "run.json"];
    for (inputs, is_cut) in [(&["tiles/line.tif"][..], true), (&["tiles/north.tif"], false), (&["tiles"], false)] {
        let output = place.run(&[inputs, &files, &["--stac", "out/item.json"], &RULE].concat());
        assert!(output.status.code().is_some_and(|code| code <= 1), "{}", text(&output.stderr));
        let Some(assets) = check(&place, &["stac", "out/item.json"]) else { return };
        assert_eq!(assets, "record sites windows");
        let item: serde_json::Value = serde_json::from_slice(&fs::read(place.path("out/item.json")).unwrap()).unwrap();
        let properties = &item["properties"];
        assert_eq!(properties["datetime"], "2024-01-31T00:00:00Z");
        assert_eq!(properties["processing:level"], "L4");
        assert_eq!(properties["processing:software"]["s2infer"], env!("CARGO_PKG_VERSION"));
        assert_eq!(properties["mlm:name"], "test-model");
        assert_eq!(item["assets"]["windows"]["href"], "./windows.gpkg");
        assert_eq!(item["assets"]["record"]["href"], "../run.json");
        if is_cut {
            assert_eq!(item["geometry"]["type"], "MultiPolygon");
            assert!(item["bbox"][0].as_f64() > item["bbox"][2].as_f64(), "{}", item["bbox"]);
        }
    }
}

#[test]
fn a_stac_item_of_several_days_has_a_span_and_one_without_a_day_is_an_error() {
    let Some(place) = scenes() else { return };
    let table = "tile,date,cloud_cover\nnorth.tif,2024-02-03,\nsouth.tif,2024-01-30,\n";
    fs::write(place.path("days.csv"), table).unwrap();
    let inputs =
        ["tiles/north.tif", "tiles/south.tif", "--threshold", "0.5", "--output", "out.csv", "--stac", "item.json"];
    let undated = place.run(&inputs);
    assert_eq!(undated.status.code(), Some(1), "{}", text(&undated.stderr));
    assert!(
        text(&undated.stderr).contains("--date") && !place.path("item.json").exists() && place.path("out.csv").exists()
    );
    succeed(&place.run(&[&inputs[..], &["--metadata", "days.csv"]].concat()));
    check(&place, &["stac", "item.json"]);
    let item: serde_json::Value = serde_json::from_slice(&fs::read(place.path("item.json")).unwrap()).unwrap();
    assert!(item["properties"]["datetime"].is_null());
    assert_eq!(item["properties"]["start_datetime"], "2024-01-30T00:00:00Z");
    assert_eq!(item["properties"]["end_datetime"], "2024-02-03T23:59:59Z");
}
