//! Reads, preprocesses and augments the windows of one batch after the other.

use crossbeam_channel::{Receiver, Sender};

use super::batch::{Batch, Prepared, Slot, State, WindowSlot};
use super::timers::Watch;
use super::{Shared, Stage, feed};
use crate::Result;
use crate::decide::Resolution;
use crate::infer::census::PixelCensus;
use crate::infer::gate;
use crate::infer::summary::WindowSummary;
use crate::infer::thumbnail::Thumbnail;
use crate::output::shrink;
use crate::raster::Planes;

/// Prepares batches until there are no more or nobody listens.
pub(super) fn prepare(
    shared: &Shared,
    batches: &Receiver<Batch>,
    prepared: &Sender<Prepared>,
    buffers: &Receiver<Vec<f32>>,
) {
    let mut preparer = Preparer::new(shared);
    for batch in batches {
        if shared.is_stopping() {
            return;
        }
        let buffer = buffers.try_recv().unwrap_or_default();
        if prepared.send(preparer.batch(batch, buffer)).is_err() {
            return;
        }
    }
}

struct Preparer<'a> {
    shared: &'a Shared,
    planes: Planes,
    valid: Vec<bool>,
    row_len: usize,
    side_px: usize,
}

impl<'a> Preparer<'a> {
    fn new(shared: &'a Shared) -> Self {
        let [bands, side_px, _] = shared.input_shape();
        let area = side_px * side_px;
        Self { shared, planes: Planes::new(), valid: vec![true; area], row_len: bands * area, side_px }
    }

    fn batch(&mut self, mut batch: Batch, mut input: Vec<f32>) -> Prepared {
        let mut watch = self.shared.timers.watch();
        input.resize(self.shared.rows_per_batch() * self.row_len, 0.0);
        watch.lap(Stage::Copy);
        let views = self.shared.views.len();
        let mut row = 0;
        for slot in &mut batch.slots {
            if let Slot::Window(slot) = slot {
                let rows = &mut input[row * self.row_len..(row + views) * self.row_len];
                slot.state = self.window(slot, row, rows, &mut watch);
                watch.lap(Stage::Preprocess);
                if matches!(slot.state, State::Ready { .. }) {
                    row += views;
                }
            }
        }
        // Rows that no window took are zeros, so that a batch holds nothing of an earlier one.
        input[row * self.row_len..].fill(0.0);
        watch.lap(Stage::Copy);
        let rows = if self.shared.job.model.gate.is_some() { row } else { self.shared.rows_per_batch() };
        Prepared { batch, input: (row > 0).then_some(input), rows }
    }

    /// Fills the rows of one window's views.
    fn window(&mut self, slot: &mut WindowSlot, row: usize, rows: &mut [f32], watch: &mut Watch<'_>) -> State {
        let tile = slot.tile.clone();
        let (first, others) = rows.split_at_mut(self.row_len);
        let window = tile.windows.window(slot.index);
        let observed = feed::observe(self.shared.clouds.as_ref(), &tile, window).and_then(|(observed, source)| {
            (slot.observed, slot.cloud_source) = (observed, source);
            feed::resolve(&self.shared.job, &observed)
        });
        match observed {
            Err(error) => return State::Failed(error),
            Ok(Some(Resolution::Abstain { shift, reason })) => {
                slot.shift = Some(shift);
                if self.shared.picture_bands.is_some() {
                    // Not decided, but shown; where it cannot be read, its part of the picture stays black.
                    let _ = self.read(slot, first, watch);
                }
                return State::Abstains(reason);
            }
            Ok(Some(Resolution::Threshold { shift, threshold, guaranteed })) => {
                (slot.shift, slot.threshold) = (Some(shift), Some(threshold));
                // A profile's promise is for scenes like those that it was calibrated on.
                let manifest = &self.shared.job.model.manifest;
                slot.guaranteed = guaranteed && !tile.scene.is_other_resolution && !tile.scene.is_other_level(manifest);
            }
            Ok(None) => {}
        }
        let scene = &tile.scene;
        let census = match self.read(slot, first, watch) {
            Ok(census) => census,
            Err(error) => return State::Failed(error.without_context(&tile.name)),
        };
        slot.offset_hint = census.offset_hint(&scene.radiometry);
        if let Err(error) = census.check_plausible(&scene.radiometry) {
            // A part of a scene may lie beyond a swath; a patch by itself holds what it was made for, or is wrong.
            let is_beyond = census.lacks_measurement() && tile.windows.count() > 1;
            return if is_beyond { State::Abstains(error.to_string()) } else { State::Failed(error) };
        }
        if self.shared.summarises {
            slot.summary = Some(WindowSummary::of(&self.planes, &scene.radiometry, &self.valid, self.side_px));
        }
        let (share, needed) =
            (census.valid_share(self.side_px * self.side_px), self.shared.job.model.manifest.minimum_valid_share);
        if census.valid == 0 || share < needed {
            return State::Abstains(format!(
                "{:.1} % of the pixels are valid, the model needs {:.1} %",
                100.0 * share,
                100.0 * needed
            ));
        }
        if let Some(prefilter) = &self.shared.job.model.gate
            && let Some(score) = gate::spared(prefilter, first, &self.valid)
        {
            return State::Spared(score);
        }
        for (view, target) in self.shared.views[1..].iter().zip(others.chunks_exact_mut(self.row_len)) {
            view.apply(first, target, self.side_px);
        }
        State::Ready { row, valid: self.shared.keeps_validity.then(|| self.valid.clone()) }
    }

    /// Reads a window, fills the row of its first view, and pictures it where that is asked for.
    fn read(&mut self, slot: &mut WindowSlot, first: &mut [f32], watch: &mut Watch<'_>) -> Result<PixelCensus> {
        let (scene, windows) = (&slot.tile.scene, &slot.tile.windows);
        let (window, core) = (windows.window(slot.index), windows.core(slot.index));
        let read = scene.image.read(window, &scene.bands.indices, &mut self.planes);
        let read = read.and_then(|()| scene.image.check_unchanged());
        watch.lap(Stage::Decode);
        read?;
        let (planes, valid) = (&self.planes, &mut self.valid);
        let census = self.shared.preprocessing.apply(planes, &scene.radiometry, first, valid);
        slot.thumbnail = self.shared.picture_bands.map(|bands| {
            let extent = scene.extent();
            let shrink = shrink(extent.width, extent.height);
            Thumbnail::of(planes, &scene.radiometry, valid, self.side_px, [window, core], bands, shrink)
        });
        Ok(census)
    }
}
