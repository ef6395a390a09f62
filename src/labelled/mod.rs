//! Labelled tiles: manifests of them, tables of their scores, and what a model makes of them.
//!
//! Beside the street: calibration and evaluation read their tables here, and ask here for the scores of a model.

mod audit;
mod cells;
mod challenge;
mod columns;
mod copies;
mod further;
mod labels;
mod maps;
mod predict;
mod read;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

pub use audit::{Audit, Leak, Part, audit};
pub use cells::{season, sky};
pub use copies::copies;
pub use further::{Further, Values};
pub use labels::Labels;
pub use maps::{ClassNumbers, MapOutcome, mean_shares, predict_maps};
pub use predict::{Outcome, predict};
pub use write::write;

use crate::decide::Season;
use crate::{Error, Result};

/// One labelled tile, scored or not.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledRow {
    /// The tile as the table names it, with `#x,y` of its window where the table has several a tile; empty where it
    /// names none.
    pub tile: String,
    /// Index of its class; of two, 1 is the positive one.
    pub label: u16,
    /// Its map of labels, in the place of a label, relative to the table's folder.
    pub mask: Option<Box<str>>,
    /// Its score, 0 to 1, where the table has scores: of the positive class, or of the class decided on.
    pub score: Option<f64>,
    /// The class decided on, where the table has one.
    pub predicted: Option<u16>,
    /// Its group: the column `group`, else season and sky; empty where nothing states it.
    pub group: Arc<str>,
    /// Its season, where known.
    pub season: Option<Season>,
    /// What it is used for.
    pub split: Option<Arc<str>>,
    /// Its site: tiles of one site are not independent.
    pub site: Option<Arc<str>>,
    /// Its region.
    pub region: Option<Arc<str>>,
    /// Share of the sky covered by cloud, in percent, where known.
    pub cloud_cover_percent: Option<f32>,
    /// Degrees east and north, where known.
    pub longitude_latitude: Option<(f64, f64)>,
}

impl LabelledRow {
    /// Whether it is a positive of a task with two classes.
    pub fn is_positive(&self) -> bool {
        self.label == 1
    }
}

/// A table of labelled tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// File name.
    pub file: String,
    /// The folder that paths in it are relative to.
    pub folder: PathBuf,
    /// SHA-256 of the table's bytes, lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the model that gave the scores, where the table says so.
    pub model_sha256: Option<String>,
    /// Whether the model's prefilter was asked, where the table says so.
    pub prefilter: Option<bool>,
    /// The rows, in the order of the table.
    pub rows: Vec<LabelledRow>,
    /// Columns without a meaning of their own, a value for every row.
    pub further: Vec<Further>,
    /// Rows left out because their sky is more than cloudy, where a run abstains.
    pub n_overcast: u64,
    /// Rows left out because a run did not decide them: `decision` is `abstain` or `error`.
    pub n_undecided: u64,
    /// Positives among those.
    pub n_undecided_positives: u64,
}

impl Labelled {
    /// The table with the rows that `keep` chooses.
    pub fn filtered(self, keep: impl Fn(&LabelledRow) -> bool) -> Self {
        let kept: Vec<bool> = self.rows.iter().map(keep).collect();
        let mut flags = kept.iter();
        let mut rows = self.rows;
        rows.retain(|_| flags.next().copied().unwrap_or(false));
        let further = self.further.into_iter().map(|column| column.filtered(&kept)).collect();
        Self { rows, further, ..self }
    }

    /// Refuses a table in which a tile has no group to take a threshold of.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`], naming the first such tile.
    pub fn check_groups(&self) -> Result<()> {
        match self.rows.iter().find(|row| row.group.is_empty()) {
            Some(row) => Err(Error::usage(format!(
                "{}: {}: its season or sky is not known; fill the columns season (or date and latitude) and cloud, or group",
                self.file, row.tile
            ))),
            None => Ok(()),
        }
    }

    /// The names of its splits, in order of appearance.
    pub fn splits(&self) -> Vec<Arc<str>> {
        let mut splits: Vec<Arc<str>> = Vec::new();
        for split in self.rows.iter().filter_map(|row| row.split.as_ref()) {
            if !splits.contains(split) {
                splits.push(split.clone());
            }
        }
        splits
    }
}
