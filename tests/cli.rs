//! The program as its users run it: the binary, real files, its output.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::{Path, PathBuf};
use std::process::Command;

use model_folders::{
    SIDE, encode, int, ints, linear_golden, linear_graph, manifest, node, write_folder, write_folder_with,
};
use place::{Place, rows, succeed, text};
use tiles::write_level;

/// The linear model's score of a level tile, computed here.
fn expected_score(path: &Path) -> f64 {
    let mut decoder = tiff::decoder::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
    let tiff::decoder::DecodingResult::U16(samples) = decoder.read_image().unwrap() else { panic!() };
    let mut logit = 0.5;
    for (band, weight) in [1.0, -1.0, 0.5, 0.25].into_iter().enumerate() {
        let pixels = samples.iter().skip(band).step_by(4);
        let standardised =
            pixels.map(|&dn| ((f64::from(dn) * 1e-4).clamp(0.0, 0.275) - (0.1 + 0.01 * band as f64)) / 0.05);
        logit += weight * standardised.sum::<f64>() / (SIDE * SIDE) as f64;
    }
    1.0 / (1.0 + (-logit).exp())
}

#[test]
fn scores_are_those_of_the_model_and_rows_come_in_input_order() {
    let place = Place::new();
    place.levels(40);
    let table = succeed(&place.run(&["tiles", "--threshold", "0.5"]));
    assert_eq!(
        table.lines().next(),
        Some("tile,x,y,width,height,longitude,latitude,date,shift,score,threshold,decision,reason")
    );
    let rows = rows(&table);
    assert_eq!(rows.len(), 40);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row[0], format!("tiles/t{index:04}.tif"));
        let score: f32 = row[9].parse().unwrap();
        let expected = expected_score(&place.path(&row[0]));
        assert!((f64::from(score) - expected).abs() < 1e-5, "{row:?}: {expected}");
        assert_eq!(row[11], if score >= 0.5 { "positive" } else { "negative" });
        assert_eq!(score.to_string(), row[9], "the shortest decimal that reads back");
    }
}

#[test]
fn a_folder_is_no_output_and_nothing_is_left_beside_it() {
    let place = Place::new();
    place.levels(1);
    std::fs::create_dir(place.path("results")).unwrap();
    std::fs::write(place.path("results/kept"), "x").unwrap();
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for flag in ["--output", "--sites", "--record", "--metrics-file", "--stac"] {
        let table = if flag == "--output" { &[][..] } else { &["--output", "out.csv", "--resume"] };
        let date = ["--date", "2024-01-31", "--threshold", "0.5"];
        let output = place.run(&[&["tiles", flag, "results"], table, &date].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{flag}: {said}");
        assert!(said.contains("results: a folder") && said.lines().count() == 1, "{flag}: {said}");
        assert_eq!(names(), before, "{flag}");
    }
}

#[test]
fn output_is_the_same_for_any_number_of_threads() {
    let place = Place::new();
    place.levels(100);
    let one = succeed(&place.run(&["tiles", "--threshold", "0.5", "--threads", "1"]));
    for threads in ["2", "7"] {
        assert_eq!(succeed(&place.run(&["tiles", "--threshold", "0.5", "--threads", threads])), one);
    }
    for batch in ["1", "3", "32"] {
        assert_eq!(succeed(&place.run(&["tiles", "--threshold", "0.5", "--batch", batch])), one);
    }
}

/// What the model's own folder is calibrated with: 20 positives a group, scores spread over 0 … 1.
fn calibrated(place: &Place) -> PathBuf {
    let mut table = String::from("tile,label,score,season,cloud\n");
    for (season, low) in [("summer", 0.40), ("winter", 0.20)] {
        for (cloud, shift) in [("clear", 0.0), ("cloudy", 0.1)] {
            for index in 0..20 {
                table += &format!("p{index},1,{},{season},{cloud}\n", low - shift + 0.02 * f64::from(index));
            }
        }
    }
    std::fs::write(place.path("scores.csv"), table).unwrap();
    succeed(&place.run_subcommand(&[
        "calibrate",
        "--scores",
        "scores.csv",
        "--model",
        "model",
        "--out",
        "profile.json",
    ]));
    place.path("profile.json")
}

#[test]
fn each_tile_is_decided_at_the_threshold_of_its_season_and_sky() {
    let place = Place::new();
    calibrated(&place);
    for (name, _) in DATED {
        write_level(&place.path(&format!("tiles/{name}.tif")), SIDE as u32, [700, 900, 1100, 2000]);
    }
    std::fs::write(place.path("tiles.csv"), "tile,date,cloud_cover\nd.tif,2024-01-05,40\ne.tif,2024-07-05,71\n")
        .unwrap();
    let output = place.run(&["tiles", "--profile", "profile.json", "--metadata", "tiles.csv"]);
    let rows = rows(&succeed(&output));
    // 20 positives at 90 %: the second lowest score of the group (rank 2).
    for ((_, (shift, threshold)), row) in DATED.iter().zip(&rows) {
        assert_eq!((row[8].as_str(), row[10].as_str()), (*shift, *threshold), "{row:?}");
    }
    assert_eq!(rows[2][11], "abstain");
    assert!(rows[2][12].contains("71 %"), "{:?}", rows[2]);
    let named = |table: &[&str]| {
        let flags = ["tiles/d.tif", "--profile", "profile.json", "--threshold-profile", "winter"];
        self::rows(&succeed(&place.run(&[&flags[..], table].concat())))[0][8].clone()
    };
    assert_eq!(named(&[]), "winter");
    assert_eq!(named(&["--metadata", "tiles.csv"]), "winter-cloudy", "a named season is refined by the known sky");
}

/// Tiles in the order of the walk, with the shift and threshold that each must get.
const DATED: [(&str, (&str, &str)); 5] = [
    ("S2A_MSIL2A_20240705T101010_N0208_R001_T32TQM_20240705T101010", ("summer", "0.32")),
    ("d", ("cloudy", "0.12")),
    ("e", ("unknown", "")),
    ("f", ("unknown", "0.12")),
    ("g", ("unknown", "0.12")),
];

#[test]
fn a_profile_of_another_model_or_augmentation_is_refused() {
    let place = Place::new();
    place.levels(1);
    calibrated(&place);
    let other = place.run(&["tiles", "--profile", "profile.json", "--tta", "d4"]);
    assert_eq!(other.status.code(), Some(4), "{}", text(&other.stderr));
    let mut manifest = manifest();
    manifest.bands[0].mean = 0.2;
    write_folder(&place.path("model"), &manifest, &encode(linear_graph())).unwrap();
    assert_eq!(place.run(&["tiles", "--profile", "profile.json"]).status.code(), Some(4));
    let missing = place.run(&["tiles"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing.stderr).contains("calibrate"), "{}", text(&missing.stderr));
}

#[test]
fn a_score_at_the_threshold_is_positive() {
    let place = Place::new();
    place.levels(1);
    let score = rows(&succeed(&place.run(&["tiles", "--threshold", "0.5"])))[0][9].clone();
    let tie = rows(&succeed(&place.run(&["tiles", "--threshold", &score])));
    assert_eq!((tie[0][9].as_str(), tie[0][11].as_str()), (score.as_str(), "positive"));
}

/// Eight good tiles among what cron meets on a bad night.
fn mixed_folder(place: &Place) {
    place.levels(8);
    let tiles = place.path("tiles");
    let whole = std::fs::read(tiles.join("t0000.tif")).unwrap();
    std::fs::write(tiles.join("truncated.tif"), &whole[..whole.len() / 2]).unwrap();
    write_nan(&tiles.join("nan.tif"));
    tiles::write_u16(&tiles.join("void.tif"), 4, SIDE as u32, |_, _, _| 0);
    tiles::write_u16(&tiles.join("three-bands.tif"), 3, SIDE as u32, |_, _, _| 900);
    std::fs::write(tiles.join("notes.tif"), "this is no image\n").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, tiles.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink("loop-b.tif", tiles.join("loop-a.tif")).unwrap();
    std::os::unix::fs::symlink("loop-a.tif", tiles.join("loop-b.tif")).unwrap();
    std::os::unix::fs::symlink("..", tiles.join("up")).unwrap();
    std::fs::write(tiles.join("readme.txt"), "not a tile").unwrap();
}

/// A `float32` tile with one NaN in four pixels of one band.
fn write_nan(path: &Path) {
    use tiff::encoder::{TiffEncoder, colortype::RGBA32Float};
    let data: Vec<f32> = (0..SIDE * SIDE * 4).map(|index| if index % 8 == 3 { f32::NAN } else { 0.1 }).collect();
    let mut encoder = TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
    encoder.write_image::<RGBA32Float>(SIDE as u32, SIDE as u32, &data).unwrap();
}

#[test]
fn one_bad_tile_does_not_spoil_the_others() {
    let place = Place::new();
    mixed_folder(&place);
    let start = std::time::Instant::now();
    let output = place.run(&["tiles", "--threshold", "0.5", "--record", "run.json"]);
    assert!(start.elapsed().as_secs() < 20);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let by_name: std::collections::BTreeMap<String, (String, String)> = rows(&text(&output.stdout))
        .into_iter()
        .map(|row| (row[0].trim_start_matches("tiles/").to_owned(), (row[11].clone(), row[12].clone())))
        .collect();
    assert_eq!(by_name.len(), 17, "{by_name:?}");
    for index in 0..8 {
        assert!(["positive", "negative"].contains(&by_name[&format!("t{index:04}.tif")].0.as_str()));
    }
    assert_eq!(by_name["void.tif"].0, "abstain");
    for (name, reason) in [
        ("truncated.tif", ""),
        ("nan.tif", "says what a float32 sample is worth"),
        ("three-bands.tif", "--bands"),
        ("notes.tif", ""),
        ("pipe", "not a regular file"),
        ("loop-a.tif", "link"),
        ("loop-b.tif", "link"),
        ("up", "loop of links"),
    ] {
        let (decision, said) = &by_name[name];
        assert_eq!(decision, "error", "{name}: {said}");
        assert!(!said.is_empty() && said.contains(reason), "{name}: {said}");
    }
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path("run.json")).unwrap()).unwrap();
    assert_eq!((record["counts"]["tiles"].as_u64(), record["counts"]["tiles_failed"].as_u64()), (Some(17), Some(8)));
    assert_eq!(record["errors"]["total"].as_u64(), Some(8));
    assert_eq!((record["engine"]["engine"].as_str(), record["exit_code"].as_u64()), (Some("tract"), Some(1)));
}

#[test]
fn usage_errors_are_told_apart_from_tiles_that_fail() {
    let place = Place::new();
    for arguments in [
        &["tiles", "--threshold", "0.5"][..],
        &["none/*.tif", "--threshold", "0.5"],
        &[],
        &["inspect", "tiles"],
        &["tiles", "--threshold", "2"],
        &["tiles", "--device", "gpu"],
        &["tiles", "--threshold", "0.5", "--distributions", "d.csv"],
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = place.run(&["missing.tif", "--threshold", "0.5"]);
    assert_eq!((output.status.code(), rows(&text(&output.stdout)).len()), (Some(1), 1));
    place.levels(1);
    let cuda = place.command(&["tiles", "--threshold", "0.5", "--device", "cuda"]).output().unwrap();
    assert_eq!(cuda.status.code(), Some(2), "tract runs on no GPU: {}", text(&cuda.stderr));
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let place = Place::new();
    // Tiles of 400 windows, so that the kill comes before the end.
    for index in 0..120 {
        write_level(
            &place.path(&format!("tiles/t{index:04}.tif")),
            20 * SIDE as u32,
            [400 + 7 * index, 900, 1100, 2000],
        );
    }
    let run = ["tiles", "--threshold", "0.5", "--tta", "d4", "--output"];
    succeed(&place.run(&[&run[..], &["whole.csv", "--threads", "2"]].concat()));
    let whole = std::fs::read(place.path("whole.csv")).unwrap();
    let mut killed = place.command(&[&run[..], &["out.csv", "--threads", "1"]].concat()).spawn().unwrap();
    let journal = place.path("out.csv.journal");
    let tiles_done = || std::fs::read(&journal).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count());
    while tiles_done() < 5 && killed.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!place.path("out.csv").exists(), "nothing half written under the final name");
    assert!((5..120).contains(&tiles_done()), "{}", tiles_done());

    let resume = [&run[..], &["out.csv", "--resume", "--record", "run.json"]].concat();
    let resumed = |arguments: &[&str]| {
        succeed(&place.run(arguments));
        let record = std::fs::read(place.path("run.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        record["counts"]["tiles_resumed"].as_u64().unwrap()
    };
    assert!(resumed(&resume) >= 4);
    assert_eq!(std::fs::read(place.path("out.csv")).unwrap(), whole);
    // By content, not by name; another threshold is another run.
    std::fs::rename(place.path("tiles/t0007.tif"), place.path("tiles/renamed.tif")).unwrap();
    assert_eq!(resumed(&resume), 120);
    let other =
        ["tiles", "--threshold", "0.6", "--tta", "d4", "--output", "out.csv", "--resume", "--record", "run.json"];
    assert_eq!(resumed(&other), 0);
}

#[test]
fn a_second_run_on_the_same_output_is_refused() {
    let place = Place::new();
    place.levels(1);
    let lock = std::fs::File::create(place.path("out.csv.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let output = place.run(&["tiles", "--threshold", "0.5", "--output", "out.csv"]);
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    drop(lock);
    succeed(&place.run(&["tiles", "--threshold", "0.5", "--output", "out.csv"]));
}

#[test]
fn a_signal_stops_the_run_within_two_seconds_and_leaves_no_output() {
    let place = Place::new();
    place.levels(3000);
    for (signal, code) in [(rustix::process::Signal::TERM, 143), (rustix::process::Signal::INT, 130)] {
        let mut child = place.command(&["tiles", "--threshold", "0.5", "--output", "out.csv"]).spawn().unwrap();
        while !place.path("out.csv.journal").exists() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let start = std::time::Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(start.elapsed().as_secs_f64() < 2.0);
        assert!(!place.path("out.csv").exists());
        std::fs::remove_file(place.path("out.csv.journal")).unwrap();
    }
}

#[test]
fn a_closed_pipe_is_success() {
    let place = Place::new();
    place.levels(3000);
    let script = "\"$0\" --model model --engine tract tiles --threshold 0.5 | head -n 1; echo ${PIPESTATUS[0]}";
    let output = Command::new("bash")
        .current_dir(place.path(""))
        .args(["-c", script, env!("CARGO_BIN_EXE_s2infer")])
        .output()
        .unwrap();
    assert!(succeed(&output).ends_with("\n0\n"), "{}", text(&output.stderr));
}

#[test]
fn tiles_come_from_lists_globs_and_folders() {
    let place = Place::new();
    place.levels(12);
    std::fs::write(place.path("list.txt"), "tiles/t0003.tif\ntiles/t0001.tif\n").unwrap();
    let names = |arguments: &[&str]| -> Vec<String> {
        let output = place.run(&[arguments, &["--threshold", "0.5"]].concat());
        rows(&succeed(&output)).into_iter().map(|row| row[0].clone()).collect()
    };
    assert_eq!(names(&["--files-from", "list.txt"]), ["tiles/t0003.tif", "tiles/t0001.tif"]);
    assert_eq!(names(&["tiles/t000[12].tif"]), ["tiles/t0001.tif", "tiles/t0002.tif"]);
    assert_eq!(names(&["./tiles/t0002.tif", "tiles"])[0], "./tiles/t0002.tif");
    assert_eq!(names(&["tiles"]).len(), 12);
}

#[test]
fn a_dry_run_lists_shifts_and_thresholds_and_decides_nothing() {
    let place = Place::new();
    calibrated(&place);
    place.levels(2);
    let arguments = ["tiles", "--profile", "profile.json", "--date", "2024-01-05", "--cloud-cover", "3", "--dry-run"];
    let rows = rows(&succeed(&place.run(&arguments)));
    assert_eq!(rows[0], ["tiles/t0000.tif", "2024-01-05", "", "3", "clear", "0.22", ""]);
}

/// A batch that is just the golden one would hide it.
#[test]
fn a_graph_that_mixes_the_rows_of_a_batch_is_refused_whatever_the_batch() {
    let place = Place::new();
    place.levels(4);
    let mut graph = linear_graph();
    graph.node[2] = node("Gemm", &["f", "fc.weight", "fc.bias"], "own", vec![int("transB", 1)]);
    graph.node.push(node("ReduceMean", &["own"], "mean", vec![ints("axes", &[0]), int("keepdims", 1)]));
    graph.node.push(node("Add", &["own", "mean"], "logits", vec![]));
    let mut golden = linear_golden();
    let mean = golden.output.mean().unwrap();
    golden.output += mean;
    write_folder_with(&place.path("mixing"), &manifest(), &encode(graph), &golden).unwrap();
    for batch in ["1", "2", "3"] {
        let output = place.run_subcommand(&[
            "tiles",
            "--model",
            "mixing",
            "--engine",
            "tract",
            "--threshold",
            "0.5",
            "--batch",
            batch,
        ]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "batch {batch}: {message}");
        assert!(message.contains("rows do not depend on each other"), "{message}");
    }
}

#[test]
fn onnx_runtime_reports_to_nobody() {
    let Some(library) = common::ort_library() else { return common::skip_or_fail("the ONNX Runtime library") };
    let place = Place::new();
    place.levels(1);
    let traces = place.path("traces");
    std::fs::create_dir(&traces).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(place.path("")).args(["tiles", "--model", "model", "--engine", "ort", "--threshold", "0.5"]);
    for variable in ["XDG_CACHE_HOME", "HOME", "TMPDIR"] {
        command.env(variable, &traces);
    }
    succeed(&command.env_remove("ORT_DISABLE_TELEMETRY").env("ORT_DYLIB_PATH", library).output().unwrap());
    let left: Vec<_> = std::fs::read_dir(&traces).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
