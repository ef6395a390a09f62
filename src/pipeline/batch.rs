//! What travels through the pipeline.

use std::sync::Arc;

use super::Rows;
use super::cloud_model::TileClouds;
use crate::Error;
use crate::decide::Observation;
use crate::infer::census::OffsetHint;
use crate::infer::head::Prediction;
use crate::infer::summary::WindowSummary;
use crate::infer::thumbnail::Thumbnail;
use crate::infer::windows::Windows;
use crate::scene::Scene;

/// An opened tile.
pub(super) struct Tile {
    /// As it stands in the output.
    pub name: String,
    pub scene: Scene,
    /// Where the cloud model sees clouds, where that is what counts.
    pub clouds: Option<TileClouds>,
    pub windows: Windows,
    /// Under which the journal keeps its rows; `None` without a journal.
    pub key: Option<String>,
}

/// One window on its way.
pub(super) struct WindowSlot {
    pub tile: Arc<Tile>,
    pub index: u64,
    /// What is known of its circumstances, once they were looked at.
    pub observed: Observation,
    /// What states its share of clouds.
    pub cloud_source: Option<&'static str>,
    pub shift: Option<String>,
    pub threshold: Option<f32>,
    /// Whether the profile's guarantee holds at this threshold.
    pub guaranteed: bool,
    /// What its pixels say of the offset.
    pub offset_hint: Option<OffsetHint>,
    /// What its pixels were like, where that is asked for.
    pub summary: Option<WindowSummary>,
    /// Its part of the tile's picture, where one is asked for.
    pub thumbnail: Option<Thumbnail>,
    pub state: State,
}

/// How far a window has come.
pub(super) enum State {
    Planned,
    /// Its views are rows `row ..` of the batch; for maps, which of its pixels are valid.
    Ready {
        row: usize,
        valid: Option<Vec<bool>>,
    },
    Predicted {
        prediction: Prediction,
        valid: Option<Vec<bool>>,
    },
    /// Negative by the trees before the network; their score.
    Spared(f32),
    Abstains(String),
    Failed(Error),
}

/// One place in a batch.
pub(super) enum Slot {
    Window(WindowSlot),
    /// A tile that the journal already holds.
    Resumed(Rows),
    /// A tile that could not be opened.
    Problem {
        name: String,
        error: Error,
    },
}

/// A batch; `sequence` counts up in input order.
pub(super) struct Batch {
    pub sequence: u64,
    pub slots: Vec<Slot>,
    /// How long it was in the engine, once it was.
    pub infer_ms: Option<f32>,
}

/// A batch with its tensor, of which the first `rows` rows are to run; `None` where no window needs the engine.
pub(super) struct Prepared {
    pub batch: Batch,
    pub input: Option<Vec<f32>>,
    pub rows: usize,
}
