//! Reads, preprocesses and augments the windows of one batch after the other.

use crossbeam_channel::{Receiver, Sender};

use super::batch::{Batch, Prepared, Slot, State, WindowSlot};
use super::{Shared, Timers, feed};
use crate::decide::Resolution;
use crate::infer::summary::WindowSummary;
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
        let batch = Timers::time(&shared.timers.prepare_ns, || preparer.batch(batch, buffer));
        if prepared.send(batch).is_err() {
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
        input.resize(self.shared.rows_per_batch() * self.row_len, 0.0);
        let views = self.shared.views.len();
        let mut row = 0;
        for slot in &mut batch.slots {
            if let Slot::Window(slot) = slot {
                let rows = &mut input[row * self.row_len..(row + views) * self.row_len];
                slot.state = self.window(slot, row, rows);
                if matches!(slot.state, State::Ready { .. }) {
                    row += views;
                }
            }
        }
        // Rows that no window took are zeros, so that a batch holds nothing of an earlier one.
        input[row * self.row_len..].fill(0.0);
        Prepared { batch, input: (row > 0).then_some(input) }
    }

    /// Fills the rows of one window's views.
    fn window(&mut self, slot: &mut WindowSlot, row: usize, rows: &mut [f32]) -> State {
        let tile = &slot.tile;
        let observed = feed::observation(&tile.scene, slot.index, Some(&tile.windows));
        match feed::resolve(&self.shared.job, &observed) {
            Err(error) => return State::Failed(error),
            Ok(Some(Resolution::Abstain { shift, reason })) => {
                slot.shift = Some(shift);
                return State::Abstains(reason);
            }
            Ok(Some(Resolution::Threshold { shift, threshold, guaranteed })) => {
                (slot.shift, slot.threshold, slot.guaranteed) = (Some(shift), Some(threshold), guaranteed);
            }
            Ok(None) => {}
        }
        let scene = &tile.scene;
        let read = scene.raster.read(tile.windows.window(slot.index), &scene.bands.indices, &mut self.planes);
        if let Err(error) = read.and_then(|()| scene.raster.check_unchanged()) {
            return State::Failed(error.without_context(&tile.name));
        }
        let (first, others) = rows.split_at_mut(self.row_len);
        let census = self.shared.preprocessing.apply(&self.planes, &scene.radiometry, first, &mut self.valid);
        slot.hints_at_offset = scene.radiometry.is_offset_assumed && census.hints_at_offset();
        if let Err(error) = census.check_plausible(&scene.radiometry) {
            return State::Failed(error);
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
        for (view, target) in self.shared.views[1..].iter().zip(others.chunks_exact_mut(self.row_len)) {
            view.apply(first, target, self.side_px);
        }
        State::Ready { row, valid: self.shared.keeps_validity.then(|| self.valid.clone()) }
    }
}
