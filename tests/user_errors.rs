//! Mistakes that are easily made, and what becomes of them: nothing is lost, nothing is scored from wrong pixels, and
//! the message names what to do.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use model_folders::{SIDE, encode, linear_graph, manifest, write_folder};
use place::{Place, rows, succeed, text};
use s2infer::model::manifest::DnDefault;
use tiles::write_level;

const LEVELS: [u16; 4] = [700, 900, 1100, 2000];

/// A level tile of the size of the test models, with GDAL metadata items, a TIFF DateTime, and a mask if asked for.
fn write_tagged(path: &Path, levels: [u16; 4], items: &[(&str, &str)], date_time: Option<&str>, has_mask: bool) {
    use tiff::encoder::TiffEncoder;
    use tiff::encoder::colortype::{Gray8, RGBA16};
    use tiff::tags::Tag;
    let side = SIDE as u32;
    let data: Vec<u16> = (0..side * side).flat_map(|_| levels).collect();
    let mut encoder = TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
    let mut image = encoder.new_image::<RGBA16>(side, side).unwrap();
    let items: String = items.iter().map(|(name, value)| format!("<Item name=\"{name}\">{value}</Item>")).collect();
    let metadata = format!("<GDALMetadata>{items}</GDALMetadata>");
    image.encoder().write_tag(Tag::Unknown(42112), metadata.as_str()).unwrap();
    if let Some(text) = date_time {
        image.encoder().write_tag(Tag::DateTime, text).unwrap();
    }
    image.write_data(&data).unwrap();
    if has_mask {
        let mut mask = encoder.new_image::<Gray8>(side, side).unwrap();
        mask.encoder().write_tag(Tag::NewSubfileType, 4u32).unwrap();
        mask.write_data(&vec![255; (side * side) as usize]).unwrap();
    }
}

/// Asserts a refusal with this exit code whose message has all these words.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

#[test]
fn no_output_replaces_what_is_read_or_another_output() {
    let place = Place::new();
    write_level(&place.path("a.tif"), SIDE as u32, LEVELS);
    std::fs::hard_link(place.path("a.tif"), place.path("link.tif")).unwrap();
    std::os::unix::fs::symlink(".", place.path("here")).unwrap();
    std::fs::write(place.path("m.csv"), "tile,date\na.tif,2024-01-05\n").unwrap();
    std::fs::write(place.path("list.txt"), "a.tif\n").unwrap();
    std::fs::write(place.path("p.json"), "{}").unwrap();
    let files = ["a.tif", "m.csv", "list.txt", "p.json", "model/model.json", "model/model.onnx"];
    let contents = || files.map(|name| std::fs::read(place.path(name)).unwrap());
    let before = contents();
    for (arguments, words) in [
        (&["a.tif", "--output", "a.tif"][..], ["--output", "the tile a.tif"]),
        (&["a.tif", "--output", "here/a.tif"], ["--output", "the tile a.tif"]),
        (&["a.tif", "--output", "link.tif"], ["--output", "the tile a.tif"]),
        (&["a.tif", "--record", "a.tif"], ["--record", "the tile a.tif"]),
        (&["a.tif", "--metadata", "m.csv", "--output", "m.csv"], ["--output", "--metadata"]),
        (&["--files-from", "list.txt", "--output", "list.txt"], ["--output", "--files-from"]),
        (&["a.tif", "--output", "model/model.json"], ["--output", "--model"]),
        (&["a.tif", "--record", "model/model.onnx"], ["--record", "--model"]),
        (&["a.tif", "--output", "o.csv", "--record", "o.csv"], ["--output", "--record"]),
        (&["a.tif", "--output", "o.csv", "--record", "here/o.csv"], ["--output", "--record"]),
        (&["a.tif", "--output", "o.csv", "--record", "o.csv.journal"], ["journal", "--record"]),
        (&["a.tif", "--output", "o.csv", "--record", "o.csv.lock"], ["lock", "--record"]),
    ] {
        refused(&place.run(&[arguments, &["--threshold", "0.5"]].concat()), 2, &words);
    }
    refused(&place.run(&["a.tif", "--profile", "p.json", "--output", "p.json"]), 2, &["--output", "--profile"]);
    assert!(contents() == before);
    assert!(!place.path("o.csv").exists() && !place.path("o.csv.journal").exists());
    succeed(&place.run(&["a.tif", "--threshold", "0.5", "--output", "o.csv", "--record", "r.json"]));
}

#[test]
fn a_profile_does_not_replace_the_scores_it_comes_from() {
    let place = Place::new();
    std::fs::write(place.path("s.csv"), "tile,label,score,season,cloud\n").unwrap();
    for (out, word) in [("s.csv", "--scores"), ("model/model.onnx", "--model")] {
        let output = place.run_subcommand(&["calibrate", "--scores", "s.csv", "--model", "model", "--out", out]);
        refused(&output, 2, &["--out", word, "same file"]);
    }
}

#[test]
fn a_file_where_the_journal_would_be_is_left_alone() {
    let place = Place::new();
    place.levels(1);
    std::fs::write(place.path("o.csv.journal"), "my diary\n").unwrap();
    for resume in [&[][..], &["--resume"]] {
        let output = place.run(&[&["tiles", "--threshold", "0.5", "--output", "o.csv"], resume].concat());
        refused(&output, 5, &["o.csv.journal", "move it away"]);
    }
    assert_eq!(std::fs::read(place.path("o.csv.journal")).unwrap(), b"my diary\n");
}

/// A `float32` tile with the same value everywhere but in its first `border` of [`SIDE`] rows.
fn write_float(path: &Path, value: f32, border: usize) {
    use tiff::encoder::{TiffEncoder, colortype::RGBA32Float};
    let data: Vec<f32> =
        (0..SIDE * SIDE * 4).map(|index| if index / (4 * SIDE) < border { -9999.0 } else { value }).collect();
    let mut encoder = TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
    encoder.write_image::<RGBA32Float>(SIDE as u32, SIDE as u32, &data).unwrap();
}

#[test]
fn float_tiles_of_dn_and_nodata_that_nothing_states_are_errors_and_never_scores() {
    let place = Place::new();
    let mut manifest = manifest();
    let reflectance = DnDefault { dn_scale: 1.0, dn_offset: 0.0, nodata: None };
    manifest.dn_defaults.insert("float32".into(), reflectance);
    write_folder(&place.path("model"), &manifest, &encode(linear_graph())).unwrap();
    write_float(&place.path("dn.tif"), 1200.0, 0);
    write_float(&place.path("good.tif"), 0.12, 0);
    write_float(&place.path("void.tif"), 0.12, 3);
    let output = place.run(&["dn.tif", "good.tif", "void.tif", "--threshold", "0.5"]);
    refused(&output, 1, &["dn.tif", "--dn-scale", "nodata value"]);
    let table = rows(&text(&output.stdout));
    let decisions: Vec<_> = table.iter().map(|row| (row[9].is_empty(), row[11] == "error")).collect();
    assert_eq!(decisions, [(true, true), (false, false), (true, true)], "{table:?}");
    let mended = rows(&succeed(&place.run(&["dn.tif", "--threshold", "0.5", "--dn-scale", "1e-4"])));
    let scores = [&mended[0], &table[1]].map(|row| row[9].parse::<f32>().unwrap());
    assert!((scores[0] - scores[1]).abs() < 1e-5, "{scores:?}");
}

/// Writes tiles of float32 reflectance with holes, one for each nodata value, as rasterio does.
const HOLES: &str = "
import sys, numpy, rasterio
side, folder, *values = int(sys.argv[1]), sys.argv[2], *sys.argv[3:]
for text in values:
    data = numpy.full((4, side, side), 0.12, numpy.float32)
    data[:, :3] = numpy.float32(float(text))
    with rasterio.open(f'{folder}/nodata{text}.tif', 'w', driver='GTiff', width=side, height=side, count=4,
                       dtype='float32', nodata=float(text)) as tile:
        tile.write(data)
";

#[test]
fn a_nodata_value_that_float32_rounds_is_no_reflectance() {
    let place = Place::new();
    let Some(python) = common::python() else { return common::skip_or_fail("Python with rasterio") };
    let mut manifest = manifest();
    manifest.dn_defaults.insert("float32".into(), DnDefault { dn_scale: 1.0, dn_offset: 0.0, nodata: None });
    write_folder(&place.path("model"), &manifest, &encode(linear_graph())).unwrap();
    // The first three are float32 numbers.
    let values = ["-9999", "nan", "-3.4028234663852886e38", "-9999.9", "-3.4e38", "1e20", "0.1", "-0.001"];
    let mut write = std::process::Command::new(python);
    write.args(["-c", HOLES, &SIDE.to_string()]).arg(place.path("")).args(values);
    assert!(write.status().unwrap().success());
    let tiles: Vec<String> = values.iter().map(|value| format!("nodata{value}.tif")).collect();
    let tiles: Vec<&str> = tiles.iter().map(String::as_str).chain(["--threshold", "0.5"]).collect();
    let table = rows(&succeed(&place.run(&tiles)));
    let scores: Vec<&str> = table.iter().map(|row| row[9].as_str()).collect();
    assert!(!scores[0].is_empty() && scores.iter().all(|score| *score == scores[0]), "{table:?}");
}

#[test]
fn the_baseline_in_the_tag_is_obeyed_however_it_is_written() {
    let place = Place::new();
    write_tagged(&place.path("plain.tif"), LEVELS, &[], None, false);
    let score = |tile: &str| rows(&succeed(&place.run(&[tile, "--threshold", "0.5"])))[0][9].parse::<f64>().unwrap();
    for baseline in ["5.1", "4.0", "N0400", "05.10"] {
        let tile = format!("b{baseline}.tif");
        let tags = [("PROCESSING_BASELINE", baseline)];
        write_tagged(&place.path(&tile), LEVELS.map(|level| level + 1000), &tags, None, false);
        assert!((score(&tile) - score("plain.tif")).abs() < 1e-6, "{baseline}");
    }
    write_tagged(&place.path("odd.tif"), LEVELS, &[("PROCESSING_BASELINE", "newest")], None, false);
    refused(&place.run(&["odd.tif", "--threshold", "0.5"]), 1, &["`newest`", "--dn-force"]);
}

#[test]
fn only_what_states_an_acquisition_date_dates_a_tile() {
    let place = Place::new();
    let folder = place.path("20260115T031500");
    std::fs::create_dir(&folder).unwrap();
    write_tagged(&folder.join("a.tif"), LEVELS, &[], Some("2026:08:01 10:00:00"), false);
    let tags = [("ACQUISITION_DATE", "2018-08-20")];
    write_tagged(&folder.join("b.tif"), LEVELS, &tags, Some("2026:08:01 10:00:00"), false);
    let rows = rows(&succeed(&place.run(&["20260115T031500", "--threshold", "0.5"])));
    assert_eq!([&rows[0][7], &rows[1][7]], ["", "2018-08-20"]);
}

#[test]
fn a_side_table_that_fits_no_tile_or_holds_fractions_is_warned_of() {
    let place = Place::new();
    place.levels(2);
    let said = |table: &str| {
        std::fs::write(place.path("m.csv"), table).unwrap();
        let flags = ["tiles", "--threshold", "0.5", "--metadata", "m.csv", "--record", "run.json"];
        let output = place.run(&flags);
        succeed(&output);
        let record = std::fs::read_to_string(place.path("run.json")).unwrap();
        (text(&output.stderr), record)
    };
    let (warning, record) = said("tile,date\nt0000,2024-01-05\n");
    assert!(warning.contains("0 of 1 rows matched a tile") && warning.contains("file name"), "{warning}");
    assert!(record.contains("0 of 1 rows matched a tile"));
    assert!(said("tile,cloudcover\nt0000.tif,0.4\n").0.contains("percent"));
    assert!(!said("tile,cloudcover\nt0000.tif,40\n").0.contains("--metadata"));
}

#[test]
fn a_tile_with_a_mask_is_an_error_and_not_read_as_if_it_had_none() {
    let place = Place::new();
    write_tagged(&place.path("inside.tif"), LEVELS, &[], None, true);
    write_tagged(&place.path("beside.tif"), LEVELS, &[], None, false);
    succeed(&place.run(&["beside.tif", "--threshold", "0.5"]));
    std::fs::write(place.path("beside.tif.msk"), "").unwrap();
    for tile in ["inside.tif", "beside.tif"] {
        let output = place.run(&[tile, "--threshold", "0.5"]);
        refused(&output, 1, &["mask", "gdalwarp"]);
        assert_eq!(rows(&text(&output.stdout))[0][11], "error");
    }
}

/// Waits for a process, for ten seconds at most.
fn wait(child: &mut Child) -> std::process::ExitStatus {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("still waiting for its input");
}

#[test]
fn a_run_that_waits_for_its_input_ends_at_a_signal() {
    use std::os::unix::process::ExitStatusExt;
    let place = Place::new();
    place.levels(1);
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    // Opened here for both, so that the program's own opening succeeds and its reading waits.
    let _both = std::fs::OpenOptions::new().read(true).write(true).open(place.path("pipe")).unwrap();
    for waits in [&["--files-from", "-"][..], &["tiles", "--metadata", "pipe"], &["tiles", "--profile", "pipe"]] {
        let mut command = place.command(waits);
        if !waits.contains(&"--profile") {
            command.args(["--threshold", "0.5"]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(child.try_wait().unwrap(), None, "{waits:?}");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
        let status = wait(&mut child);
        assert!(status.signal() == Some(15) || status.code() == Some(143), "{waits:?}: {status:?}");
    }
}

#[test]
fn endless_tables_and_profiles_are_read_no_further_than_their_limit() {
    let place = Place::new();
    place.levels(1);
    for (flags, code) in [
        (&["--threshold", "0.5", "--metadata", "/dev/zero"][..], 2),
        (&["--threshold", "0.5", "--files-from", "/dev/zero"], 2),
        (&["--profile", "/dev/zero"], 4),
    ] {
        refused(&place.run(&[&["tiles"], flags].concat()), code, &[flags[flags.len() - 2], "/dev/zero", "bytes"]);
    }
    let scores = place.run_subcommand(&["calibrate", "--scores", "/dev/zero", "--model", "model"]);
    refused(&scores, 2, &["/dev/zero", "bytes"]);
}

#[test]
fn a_folder_behind_a_link_is_read_where_the_link_is_named_and_warned_of_where_it_is_met() {
    let place = Place::new();
    place.levels(2);
    std::fs::create_dir(place.path("year")).unwrap();
    write_level(&place.path("year/a.tif"), SIDE as u32, LEVELS);
    std::os::unix::fs::symlink("../tiles", place.path("year/more")).unwrap();
    std::os::unix::fs::symlink("tiles", place.path("latest")).unwrap();
    for (folder, count, warns) in [("latest", 2, false), ("latest/", 2, false), ("year", 1, true)] {
        let output = place.run(&[folder, "--threshold", "0.5"]);
        assert_eq!(rows(&succeed(&output)).len(), count, "{folder}");
        let said = text(&output.stderr);
        assert_eq!(said.contains("year/more: a link to a folder, not followed"), warns, "{folder}: {said}");
        assert_eq!(said.contains("not followed"), warns, "{folder}: {said}");
    }
}

#[test]
fn a_record_that_cannot_be_written_is_known_before_the_run() {
    let place = Place::new();
    place.levels(1);
    let output = place.run(&["tiles", "--threshold", "0.5", "--output", "o.csv", "--record", "none/r.json"]);
    refused(&output, 5, &["none/r.json"]);
    assert!(!place.path("o.csv").exists());
}

#[test]
fn what_a_killed_run_left_is_removed_and_nothing_else() {
    let place = Place::new();
    place.levels(1);
    let others = [".o.csv.tmp", ".o.csvabcdefg.tmp", ".o.csvabc-ef.tmp", ".p.csvabcdef.tmp", "o.csvabcdef.tmp"];
    others.iter().chain(&[".o.csvabcdef.tmp"]).for_each(|name| std::fs::write(place.path(name), "").unwrap());
    succeed(&place.run(&["tiles", "--threshold", "0.5", "--output", "o.csv", "--resume"]));
    assert!(!place.path(".o.csvabcdef.tmp").exists());
    assert!(others.iter().all(|name| place.path(name).exists()));
}

#[test]
fn a_result_table_with_labels_calibrates_the_groups_it_was_decided_in() {
    let place = Place::new();
    let mut table = String::from("tile,shift,score,decision,label\n");
    (0..11).for_each(|index| table += &format!("p{index}.tif,winter-cloudy,0.{},positive,1\n", index + 10));
    table += "x.tif,winter-cloudy,,abstain,1\n";
    std::fs::write(place.path("s.csv"), &table).unwrap();
    let run = ["calibrate", "--scores", "s.csv", "--model", "model", "--format", "json"];
    let output = place.run_subcommand(&run);
    let profile: serde_json::Value = serde_json::from_str(&succeed(&output)).unwrap();
    let group = profile["groups"].as_array().unwrap().iter().find(|group| group["group"] == "winter-cloudy").unwrap();
    assert_eq!((group["n_positives"].as_u64(), group["threshold"].as_f64()), (Some(11), Some(0.10)));
    assert!(text(&output.stderr).contains("1 rows left out"), "{}", text(&output.stderr));
    std::fs::write(place.path("s.csv"), table.replace("winter-cloudy", "fixed")).unwrap();
    refused(&place.run_subcommand(&run), 2, &["line 2", "\"fixed\"", "season"]);
}

#[test]
fn flags_that_mean_nothing_together_are_refused() {
    let place = Place::new();
    place.levels(1);
    let output = place.run(&["tiles", "--threshold", "0.5", "--output", "-"]);
    assert_eq!(rows(&succeed(&output)).len(), 1);
    for (flags, word) in [
        (&["--record", "-"][..], "--record"),
        (&["--output", "-", "--resume"], "--resume"),
        (&["--date", "2024-01-05x"], "2024-01-05x"),
        (&["--overlap", "8"], "--overlap"),
        (&["--dry-run", "--output", "o.csv"], "--dry-run"),
        (&["--output", "o.gpkg", "--format", "parquet"], "the name promises gpkg"),
    ] {
        refused(&place.run(&[&["tiles", "--threshold", "0.5"], flags].concat()), 2, &[word]);
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    let output = place.run(&["tiles", "empty", "--threshold", "0.5"]);
    succeed(&output);
    assert!(text(&output.stderr).contains("empty: no tiles"), "{}", text(&output.stderr));
    let missing = text(&place.run(&["tiles/none.tif", "--threshold", "0.5"]).stderr);
    std::fs::write(place.path("bad.tif"), "no raster").unwrap();
    let bad = text(&place.run(&["bad.tif", "--threshold", "0.5"]).stderr);
    assert_eq!((missing.matches("none.tif").count(), bad.matches("bad.tif").count()), (1, 1), "{missing}{bad}");
}
