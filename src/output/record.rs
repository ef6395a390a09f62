//! The run record: what ran, on what, with what result.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{AtomicFile, Row, write_error};
use crate::decide::Decision;
use crate::infer::engine::EngineInfo;
use crate::limits::RECORD_ENTRIES_MAX;
use crate::{Error, Result};

/// What `--record` writes. Its fields are the keys of the JSON file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRecord {
    /// Version of this program.
    pub version: String,
    /// The command line, argument by argument.
    pub command: Vec<String>,
    /// When the run began (UTC).
    pub started: Timestamp,
    /// When it ended (UTC).
    pub finished: Timestamp,
    /// The model.
    pub model: NamedFile,
    /// Whether it has a golden batch, which it reproduced before anything was decided; an ONNX file or an item of another's
    /// has none.
    pub model_sealed: bool,
    /// The threshold profile, if one was used.
    pub profile: Option<NamedFile>,
    /// `--cloud-model`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_model: Option<NamedFile>,
    /// What the prefilter promises, of a model that has one and where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefilter: Option<String>,
    /// `--threshold-profile`; `members` where the thresholds of an ensemble's members decide.
    pub shift: Option<String>,
    /// `--tta`
    pub tta: String,
    /// The engine and provider that ran.
    pub engine: Option<EngineInfo>,
    /// What was counted.
    pub counts: Counts,
    /// Seconds by the clock per stage of the pipeline (`start`, `read`, `decode`, `preprocess`, `copy`, `infer`, `write`), summed over its threads.
    pub seconds: BTreeMap<String, f64>,
    /// What the run found doubtful.
    pub warnings: Listing<String>,
    /// The tiles that failed.
    pub errors: Listing<TileError>,
    /// What `--drift` found, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<serde_json::Value>,
    /// The exit code of the process.
    pub exit_code: u8,
}

/// A file by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedFile {
    /// Its name, or its path as given.
    pub name: String,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// What a run counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tiles given or found.
    pub tiles: u64,
    /// Tiles that could not be read or scored.
    pub tiles_failed: u64,
    /// Tiles whose rows came from the journal.
    pub tiles_resumed: u64,
    /// Windows.
    pub windows: u64,
    /// Windows decided positive.
    pub positive: u64,
    /// Windows decided negative.
    pub negative: u64,
    /// Windows given a class.
    pub class: u64,
    /// Windows among the negative that the prefilter spared the network.
    pub spared: u64,
    /// Windows without a decision.
    pub abstain: u64,
    /// Windows that failed.
    pub error: u64,
    /// Decisions at a threshold that no guarantee holds for.
    pub without_guarantee: u64,
}

impl Counts {
    /// Counts one window.
    pub fn add(&mut self, row: &Row) {
        self.windows += 1;
        self.spared += u64::from(row.spared);
        self.without_guarantee += u64::from(row.without_guarantee);
        *match &row.decision {
            Decision::Positive => &mut self.positive,
            Decision::Negative => &mut self.negative,
            Decision::Class(_) => &mut self.class,
            Decision::Abstain => &mut self.abstain,
            Decision::Error => &mut self.error,
        } += 1;
    }
}

/// Why a tile failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TileError {
    /// The tile, as in the result.
    pub tile: String,
    /// One line.
    pub error: String,
}

/// A list that counts everything and holds the first [`RECORD_ENTRIES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing<T> {
    /// How many there were.
    pub total: u64,
    /// The first of them.
    pub listed: Vec<T>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { total: 0, listed: Vec::new() }
    }
}

impl<T> Listing<T> {
    /// Adds one.
    pub fn push(&mut self, entry: T) {
        self.total += 1;
        if self.listed.len() < RECORD_ENTRIES_MAX {
            self.listed.push(entry);
        }
    }
}

impl RunRecord {
    /// Writes the record to a file that was made before the run, and gives the file its name.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn write(&self, mut file: AtomicFile) -> Result<()> {
        let name = file.path().display().to_string();
        let mut text =
            serde_json::to_string_pretty(self).map_err(|error| Error::output(format!("{name}: not JSON: {error}")))?;
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(|error| write_error(&name, &error))?;
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_counts_more_than_it_holds() {
        let mut listing = Listing::default();
        for i in 0..RECORD_ENTRIES_MAX + 5 {
            listing.push(i);
        }
        assert_eq!((listing.total, listing.listed.len()), (RECORD_ENTRIES_MAX as u64 + 5, RECORD_ENTRIES_MAX));
    }
}
