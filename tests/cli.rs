//! The program as its users run it: the binary, real files, its output.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use model_folders::{SIDE, encode, linear_graph, manifest, write_folder};
use tiles::write_level;

/// A folder with a small binary model and room for tiles.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        write_folder(&place.path("model"), &manifest(), &encode(linear_graph())).unwrap();
        std::fs::create_dir(place.path("tiles")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program in this folder with the small model on tract.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(self.0.path()).args(["--model", "model", "--engine", "tract"]).args(arguments);
        command.env_remove("ORT_DYLIB_PATH");
        command
    }

    fn levels(&self, count: u16) {
        for index in 0..count {
            let levels = [500 + 97 * (index % 13), 900, 1100 + 31 * (index % 7), 2000];
            write_level(&self.path(&format!("tiles/t{index:04}.tif")), SIDE as u32, levels);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

fn rows(table: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

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
fn output_is_the_same_for_any_number_of_threads() {
    let place = Place::new();
    place.levels(100);
    let one = succeed(&place.run(&["tiles", "--threshold", "0.5", "--threads", "1"]));
    for threads in ["2", "7"] {
        assert_eq!(succeed(&place.run(&["tiles", "--threshold", "0.5", "--threads", threads])), one);
    }
}
