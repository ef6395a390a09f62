//! A folder to run the program in.
#![allow(dead_code)]

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::model_folders::{SIDE, encode, linear_graph, manifest, write_folder};
use crate::tiles::write_level;

/// A folder with a small binary model and room for tiles.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        write_folder(&place.path("model"), &manifest(), &encode(linear_graph())).unwrap();
        std::fs::create_dir(place.path("tiles")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program in this folder with the small model on tract.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(self.0.path()).args(["--model", "model", "--engine", "tract"]).args(arguments);
        command.env_remove("ORT_DYLIB_PATH");
        command
    }

    /// A subcommand, which takes its own flags.
    pub fn run_subcommand(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(self.0.path()).args(arguments).env_remove("ORT_DYLIB_PATH").output().unwrap()
    }

    pub fn levels(&self, count: u16) {
        for index in 0..count {
            let levels = [500 + 97 * (index % 13), 900, 1100 + 31 * (index % 7), 2000];
            write_level(&self.path(&format!("tiles/t{index:04}.tif")), SIDE as u32, levels);
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

pub fn rows(table: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}
