//! What is measured.

use std::sync::Arc;

use crate::infer::augment::views;
use crate::infer::engine::{Device, Engine};
use crate::model::Model;
use crate::model::manifest::Tta;
use crate::pipeline::Input;
use crate::scene::SceneOptions;

/// A model and the tiles that it is fed.
pub struct Subject {
    /// As it was asked for: a name or a folder.
    pub name: String,
    /// The model.
    pub model: Model,
    /// The tiles.
    pub inputs: Vec<Input>,
    /// How they are read.
    pub scene: SceneOptions,
}

/// One combination. Its engine is there: what was asked for and is not is no case.
#[derive(Clone)]
pub struct Case {
    /// Model and tiles.
    pub subject: Arc<Subject>,
    /// What runs it.
    pub engine: Arc<dyn Engine>,
    /// Rows of one run of a session.
    pub batch: usize,
    /// Sessions, and as many readers.
    pub threads: usize,
    /// Test-time augmentation.
    pub tta: Tta,
    /// The device that was asked for.
    pub device: Device,
}

impl Case {
    /// Whether the work is done by a GPU, whose rate is one by the clock.
    pub fn is_gpu(&self) -> bool {
        matches!(self.device, Device::Cuda(_) | Device::TensorRt(_))
    }

    /// Windows of a batch.
    pub(super) fn windows_per_batch(&self) -> usize {
        (self.batch / views(self.tta).len()).max(1)
    }

    /// Rows of a batch as the sessions are made for: whole windows.
    pub(super) fn rows_per_batch(&self) -> usize {
        self.windows_per_batch() * views(self.tta).len()
    }

    /// `[bands, height, width]`
    pub(super) fn input(&self) -> [usize; 3] {
        let manifest = &self.subject.model.manifest;
        let side = manifest.tile_px as usize;
        [manifest.bands.len(), side, side]
    }
}
