//! What travels through the pipeline.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Rows;
use crate::Error;
use crate::infer::head::Prediction;
use crate::infer::summary::WindowSummary;
use crate::infer::windows::Windows;
use crate::scene::Scene;

/// An opened tile.
pub(super) struct Tile {
    /// As it stands in the output.
    pub name: String,
    pub scene: Scene,
    pub windows: Windows,
    /// Under which the journal keeps its rows; `None` without a journal.
    pub key: Option<String>,
    /// Whether the warning about its offset was already given.
    pub is_offset_reported: AtomicBool,
}

/// One window on its way.
pub(super) struct WindowSlot {
    pub tile: Arc<Tile>,
    pub index: u64,
    pub shift: Option<String>,
    pub threshold: Option<f32>,
    /// Whether the profile's guarantee holds at this threshold.
    pub guaranteed: bool,
    pub hints_at_offset: bool,
    /// What its pixels were like, where that is asked for.
    pub summary: Option<WindowSummary>,
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
}

/// A batch with its tensor, `[rows, bands, height, width]`; `None` where no window needs the engine.
pub(super) struct Prepared {
    pub batch: Batch,
    pub input: Option<Vec<f32>>,
}
