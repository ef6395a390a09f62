//! `s2infer watch`: every scene once, whatever happens in between.

#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/place.rs"]
mod place;
#[path = "common/tiles.rs"]
mod tiles;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use model_folders::SIDE;
use place::{Place, succeed, text};
use serde_json::Value;
use tiles::write_level;

const LEVELS: [u16; 4] = [700, 900, 1100, 2000];

fn watch_flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let flags = ["watch", "tiles", "--state", "state", "--output", "out", "--model", "model", "--engine", "tract"];
    let settle = if more.contains(&"--settle") { &[][..] } else { &["--settle", "0"] };
    [&flags[..], &["--threshold", "0.5", "--date", "2024-06-15"], settle, more].concat()
}

fn look(place: &Place, more: &[&str]) -> Output {
    place.run_subcommand(&watch_flags(&[&["--once"], more].concat()))
}

/// `scene status` of every scene that was tried.
fn tried(output: &Output) -> Vec<String> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", line["scene"].as_str().unwrap(), line["status"].as_str().unwrap())
    };
    text(&output.stdout).lines().map(line).collect()
}

#[test]
fn a_scene_is_decided_once_and_again_when_its_bytes_change() {
    let place = Place::new();
    place.levels(2);
    let first = look(&place, &["--write", "sites,map,quicklook,stac"]);
    succeed(&first);
    assert_eq!(tried(&first), ["t0000.tif done", "t0001.tif done"]);
    for file in ["decisions.geojson", "sites.geojson", "run.json", "t0000.tif.json", "map", "quicklook"] {
        assert!(place.path("out/t0000.tif").join(file).exists(), "{file}");
    }
    let started = Instant::now();
    let second = look(&place, &[]);
    assert!(succeed(&second).is_empty());
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // A copy of the same bytes is the same scene.
    let file = std::fs::File::options().append(true).open(place.path("tiles/t0000.tif")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(1000)).unwrap();
    assert!(succeed(&look(&place, &[])).is_empty());
    write_level(&place.path("tiles/t0001.tif"), SIDE as u32, LEVELS);
    assert_eq!(tried(&look(&place, &[])), ["t0001.tif done"]);
    assert_eq!(tried(&look(&place, &["--redo"])).len(), 2);
}

#[test]
fn every_scene_has_an_item_of_its_own_name_and_keeps_it() {
    let place = Place::new();
    place.levels(2);
    for folder in ["east", "west"] {
        std::fs::create_dir(place.path("tiles").join(folder)).unwrap();
        write_level(&place.path("tiles").join(folder).join("same.tif"), SIDE as u32, LEVELS);
    }
    let items = || {
        let files = walkdir::WalkDir::new(place.path("out")).sort_by_file_name().into_iter().flatten();
        let texts = files.filter_map(|file| {
            let name = file.file_name().to_str().unwrap().to_owned();
            Some((name, std::fs::read_to_string(file.path()).ok()?))
        });
        let item = |(name, text): (String, String)| {
            let item: Value = serde_json::from_str(&text).ok()?;
            item["stac_version"].is_string().then(|| (name, item["id"].as_str().unwrap().to_owned()))
        };
        texts.filter_map(item).collect::<Vec<_>>()
    };
    succeed(&look(&place, &["--write", "stac"]));
    let first = items();
    assert!(first.iter().all(|(file, id)| *file == format!("{id}.json")), "{first:?}");
    let ids: Vec<&str> = first.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert!(ids[0].starts_with("same.tif-") && ids[3].starts_with("same.tif-") && ids[0] != ids[3], "{ids:?}");
    assert_eq!(ids[1..3], ["t0000.tif", "t0001.tif"]);
    succeed(&look(&place, &["--write", "stac", "--redo"]));
    assert_eq!(items(), first);
}

#[test]
fn a_failed_scene_is_tried_again_and_then_parked_until_it_changes() {
    let place = Place::new();
    place.levels(1);
    let whole = std::fs::read(place.path("tiles/t0000.tif")).unwrap();
    std::fs::write(place.path("tiles/t0000.tif"), &whole[..whole.len() / 2]).unwrap();
    for status in ["failed", "parked"] {
        let output = look(&place, &["--attempts", "2"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(tried(&output), [format!("t0000.tif {status}")]);
    }
    let quiet = look(&place, &["--attempts", "2"]);
    assert!(succeed(&quiet).is_empty());
    assert!(text(&quiet.stderr).contains("1 scenes are parked"), "{}", text(&quiet.stderr));
    let state = std::fs::read_dir(place.path("state/scenes"))
        .unwrap()
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|extension| extension == "json"));
    let state: Value = serde_json::from_slice(&std::fs::read(state.unwrap().path()).unwrap()).unwrap();
    assert_eq!((state["status"].as_str(), state["attempts"].as_u64()), (Some("parked"), Some(2)));
    assert!(!state["reason"].as_str().unwrap().is_empty());
    std::fs::write(place.path("tiles/t0000.tif"), whole).unwrap();
    assert_eq!(tried(&look(&place, &["--attempts", "2"])), ["t0000.tif done"]);
}

#[test]
fn a_failure_keeps_its_own_reason_and_a_damaged_state_stops_nothing() {
    let place = Place::new();
    place.levels(2);
    std::fs::write(place.path("tiles/broken.tif"), b"II*\0junk").unwrap();
    let first = look(&place, &["--write", "sites,stac"]);
    assert_eq!(tried(&first), ["broken.tif failed", "t0000.tif done", "t0001.tif done"]);
    assert!(!text(&first.stdout).contains("--stac"), "{}", text(&first.stdout));
    std::fs::remove_file(place.path("tiles/broken.tif")).unwrap();
    for entry in std::fs::read_dir(place.path("state/scenes")).unwrap().flatten() {
        std::fs::write(entry.path(), "x").unwrap();
    }
    let again = look(&place, &[]);
    succeed(&again);
    assert_eq!(tried(&again).len(), 2);
    assert!(text(&again.stderr).contains("counts as new"), "{}", text(&again.stderr));
}

#[test]
fn what_is_still_arriving_waits_and_an_empty_folder_is_a_quiet_night() {
    let place = Place::new();
    assert!(succeed(&look(&place, &[])).is_empty());
    place.levels(1);
    assert!(succeed(&look(&place, &["--settle", "600"])).is_empty());
    assert_eq!(tried(&look(&place, &[])).len(), 1);
}

#[test]
fn results_among_the_scenes_are_refused() {
    let place = Place::new();
    for (state, output) in [("tiles/state", "out"), ("state", "tiles/out"), ("state", "tiles")] {
        let run = place.run_subcommand(&["watch", "tiles", "--once", "--state", state, "--output", output]);
        assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
        assert!(text(&run.stderr).contains("watched folder"), "{}", text(&run.stderr));
    }
}

#[test]
fn a_wrong_model_is_nobodys_scene_and_parks_none() {
    let place = Place::new();
    place.levels(1);
    std::fs::write(place.path("model/model.onnx"), b"not a graph").unwrap();
    assert_eq!(look(&place, &[]).status.code(), Some(4));
    assert!(std::fs::read_dir(place.path("state/scenes")).unwrap().next().is_none());
}

#[test]
fn two_watches_do_not_share_a_state_and_a_signal_ends_one() {
    let place = Place::new();
    place.levels(1);
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(place.path("")).args(watch_flags(&["--interval", "3600"])).stdout(Stdio::null());
    let mut running = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place.path("out/t0000.tif/run.json").exists() {
        assert!(Instant::now() < deadline, "nothing was decided");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(look(&place, &[]).status.code(), Some(75));
    let id = rustix::process::Pid::from_raw(running.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(143));
    assert!(succeed(&look(&place, &[])).is_empty());
}
