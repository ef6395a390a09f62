//! Puts batches back into input order, decides, and hands rows to the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::batch::{Batch, Slot, State, Tile, WindowSlot};
use super::observe::{group, resumed};
use super::{Observer, Rows, Shared, Thresholds, Timers};
use crate::decide::{Decision, threshold_rule};
use crate::drift::{Middle, Observation};
use crate::infer::head::{ClassMap, Prediction};
use crate::model::manifest::Head;
use crate::output::{Counts, DistributionWriter, Listing, MaskWriter, NO_CLASS, Row, Sink, TileError, signal};
use crate::raster::Window;
use crate::{Error, Result};

/// How often a waiting collector looks for a signal.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Tiles and windows by outcome.
    pub counts: Counts,
    /// Why tiles failed.
    pub errors: Listing<TileError>,
    /// Remarks that a person should read, each once.
    pub warnings: Listing<String>,
    /// Seconds per stage, summed over threads.
    pub stage_seconds: Vec<(&'static str, f64)>,
}

/// The end of the pipeline, on the caller's thread.
pub(super) struct Collector<'a> {
    shared: &'a Shared,
    sink: Box<dyn Sink>,
    masks: Option<PathBuf>,
    distributions: Option<DistributionWriter>,
    progress: &'a mut dyn FnMut(u64),
    observe: Option<Observer<'a>>,
    summary: Summary,
    /// Tiles that an unremoved offset is suspected in.
    offset_hints: usize,
    first_offset_hint: Option<String>,
    radiometry_sources: BTreeSet<String>,
    open: Option<OpenTile>,
}

/// The tile whose rows are arriving.
struct OpenTile {
    rows: Rows,
    has_failed: bool,
    mask: Option<MaskWriter>,
    shares: Shares,
    middle: Middle,
}

/// Class probabilities summed over the valid pixels of a tile.
#[derive(Default)]
struct Shares {
    sums: Vec<f64>,
    pixels: u64,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        sink: Box<dyn Sink>,
        masks: Option<PathBuf>,
        distributions: Option<DistributionWriter>,
        progress: &'a mut dyn FnMut(u64),
        observe: Option<Observer<'a>>,
    ) -> Self {
        Self {
            shared,
            sink,
            masks,
            distributions,
            progress,
            observe,
            summary: Summary::default(),
            offset_hints: 0,
            first_offset_hint: None,
            radiometry_sources: BTreeSet::new(),
            open: None,
        }
    }

    /// Takes batches until the last; every one gives its token back once its rows are out.
    pub(super) fn collect(mut self, scored: &Receiver<Result<Batch>>, tokens: &Receiver<()>) -> Result<Summary> {
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        loop {
            signal::check()?;
            match scored.recv_timeout(SIGNAL_POLL) {
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(batch) => {
                    let batch = batch?;
                    waiting.insert(batch.sequence, batch);
                }
            }
            while let Some(batch) = waiting.remove(&next) {
                let timers = &self.shared.timers;
                Timers::time(&timers.collect_ns, || self.batch(batch))?;
                next += 1;
                // The feeder may be done already.
                let _ = tokens.try_recv();
            }
        }
        // A panicking thread closes its channel like one that is done; what it held is then missing.
        if !waiting.is_empty() || self.summary.counts.tiles != self.shared.job.inputs.len() as u64 {
            return Err(Error::engine(
                "a worker thread broke off; please report this with the tiles that were being read",
            ));
        }
        self.finish()
    }

    fn batch(&mut self, batch: Batch) -> Result<()> {
        for slot in batch.slots {
            match slot {
                Slot::Window(slot) => self.window(slot)?,
                Slot::Problem { name, error } => self.problem(name, &error)?,
                Slot::Resumed(rows) => self.resumed(&rows)?,
            }
        }
        Ok(())
    }

    fn problem(&mut self, name: String, error: &Error) -> Result<()> {
        self.failed(&name, error);
        let nowhere = Window { x: 0, y: 0, width: 0, height: 0 };
        self.emit(&Row::without_score(name, nowhere, Decision::Error, error.to_string()))?;
        self.tile_done();
        Ok(())
    }

    fn resumed(&mut self, rows: &Rows) -> Result<()> {
        self.summary.counts.tiles_resumed += 1;
        rows.iter().try_for_each(|row| self.emit(row))?;
        if let (Some(observe), Some(row)) = (&mut self.observe, rows.first())
            && let Some(tile) = resumed(&self.shared.job, rows)
        {
            observe(&row.tile, tile);
        }
        self.tile_done();
        Ok(())
    }

    fn failed(&mut self, name: &str, error: &Error) {
        self.summary.counts.tiles_failed += 1;
        tracing::error!("{name}: {error}");
        self.summary.errors.push(TileError { tile: name.to_owned(), error: error.to_string() });
    }

    fn tile_done(&mut self) {
        self.summary.counts.tiles += 1;
        (self.progress)(self.summary.counts.tiles);
    }

    fn window(&mut self, mut slot: WindowSlot) -> Result<()> {
        if slot.index == 0 {
            self.start_tile(&slot.tile)?;
        }
        if slot.hints_at_offset && !slot.tile.is_offset_reported.swap(true, Ordering::Relaxed) {
            self.offset_hints += 1;
            self.first_offset_hint.get_or_insert_with(|| slot.tile.name.clone());
        }
        let is_last = slot.index + 1 == slot.tile.windows.count();
        let tile = slot.tile.clone();
        if let State::Failed(error) = &slot.state
            && let Some(open) = &mut self.open
            && !std::mem::replace(&mut open.has_failed, true)
        {
            self.failed(&tile.name, error);
        }
        let guaranteed = slot.guaranteed;
        let observed = self.observe.is_some().then(|| Observation {
            group: group(&self.shared.job, &slot),
            score: None,
            summary: slot.summary.take(),
        });
        let index = slot.index;
        let row = self.row(slot)?;
        if let (Some(observed), Some(open)) = (observed, &mut self.open) {
            open.middle.offer(index, tile.windows.count(), Observation { score: row.score, ..observed });
        }
        if !guaranteed && matches!(row.decision, Decision::Positive | Decision::Negative) {
            self.summary.counts.without_guarantee += 1;
        }
        self.emit(&row)?;
        if let Some(open) = self.open.as_mut().filter(|_| tile.key.is_some()) {
            open.rows.push(row);
        }
        if is_last {
            self.end_tile(&tile)?;
        }
        Ok(())
    }

    fn start_tile(&mut self, tile: &Tile) -> Result<()> {
        self.radiometry_sources.insert(tile.scene.radiometry.source.clone());
        let header = tile.scene.raster.header();
        let mask = match &self.masks {
            None => None,
            Some(folder) => {
                Some(MaskWriter::create(folder, &tile.name, header.width, header.height, header.geo.as_ref())?)
            }
        };
        self.open = Some(OpenTile {
            rows: Vec::new(),
            has_failed: false,
            mask,
            shares: Shares::default(),
            middle: Middle::default(),
        });
        Ok(())
    }

    fn end_tile(&mut self, tile: &Tile) -> Result<()> {
        if let Some(open) = self.open.take().filter(|open| !open.has_failed) {
            self.keep(tile, open)?;
        }
        self.tile_done();
        Ok(())
    }

    /// Completes what is written once per tile. A tile with an error leaves none of it, so that a later run tries
    /// again.
    fn keep(&mut self, tile: &Tile, open: OpenTile) -> Result<()> {
        if let Some(mask) = open.mask {
            mask.finish()?;
        }
        if let (Some(observe), Some(observed)) = (&mut self.observe, open.middle.chosen()) {
            observe(&tile.name, observed);
        }
        if let Some(distributions) = &mut self.distributions {
            distributions.write(&tile.name, open.shares.means().as_deref())?;
        }
        if let (Some(journal), Some(key)) = (&self.shared.journal, &tile.key) {
            let mut journal = journal.lock().map_err(|_| Error::output("the resume journal is lost"))?;
            journal.append(key, &open.rows)?;
        }
        Ok(())
    }

    fn row(&mut self, slot: WindowSlot) -> Result<Row> {
        let (tile, index) = (slot.tile.clone(), slot.index);
        let window = tile.windows.window(index);
        let mut row = Row::without_score(tile.name.clone(), window, Decision::Abstain, String::new());
        row.longitude_latitude = tile.scene.longitude_latitude(window);
        row.footprint = tile.scene.footprint(window);
        row.date = tile.scene.date;
        row.notes = vec![
            ("bands_source".into(), tile.scene.bands.source.as_str().into()),
            ("radiometry_source".into(), tile.scene.radiometry.source.clone()),
        ];
        (row.shift, row.threshold) = (slot.shift, slot.threshold);
        match slot.state {
            State::Failed(error) => (row.decision, row.reason) = (Decision::Error, Some(error.to_string())),
            State::Abstains(reason) => row.reason = Some(reason),
            State::Predicted { prediction, valid } => {
                row.reason = None;
                self.decide(&mut row, &tile, index, prediction, valid)?;
            }
            // Nothing leaves the engine's stage in these states.
            State::Planned | State::Ready { .. } => return Err(Error::engine("a window was not scored")),
        }
        Ok(row)
    }

    fn decide(
        &mut self,
        row: &mut Row,
        tile: &Tile,
        index: u64,
        prediction: Prediction,
        valid: Option<Vec<bool>>,
    ) -> Result<()> {
        let scores = match prediction {
            Prediction::Scores(scores) => scores.values().to_vec(),
            Prediction::Map(map) => match self.map(tile, index, &map, valid.as_deref().unwrap_or_default())? {
                Some(shares) => shares,
                None => {
                    row.reason = Some("no valid pixel in the part of the window that counts".into());
                    return Ok(());
                }
            },
        };
        let manifest = &self.shared.job.model.manifest;
        if let (Head::Binary, Some(threshold), [score]) = (manifest.head, row.threshold, scores.as_slice()) {
            row.score = Some(*score);
            row.decision = threshold_rule(*score, threshold);
            return Ok(());
        }
        if let (Thresholds::Profile(profile, _), Some(threshold)) = (&self.shared.job.thresholds, row.threshold)
            && let Some(index) = profile.class_index(manifest.head, &manifest.classes)?
        {
            let score = *scores.get(index).ok_or_else(|| Error::refused("fewer scores than classes"))?;
            (row.score, row.decision) = (Some(score), threshold_rule(score, threshold));
            row.scores = Some(scores);
            return Ok(());
        }
        // The first of equals, so that the order of classes settles a tie.
        let best = (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
        let class = manifest.classes.get(best).ok_or_else(|| Error::refused("more scores than classes"))?;
        (row.score, row.decision) = (Some(scores[best]), Decision::Class(class.clone()));
        row.scores = Some(scores);
        Ok(())
    }

    /// Writes the window's part of the mask and adds to the tile's distribution; the mean soft-max over the valid
    /// pixels of that part, or `None` where there are none.
    fn map(&mut self, tile: &Tile, index: u64, map: &ClassMap, valid: &[bool]) -> Result<Option<Vec<f32>>> {
        let (window, core) = (tile.windows.window(index), tile.windows.core(index));
        let mut part = Shares { sums: vec![0.0; map.classes], pixels: 0 };
        let mut labels = Vec::with_capacity(core.width as usize * core.height as usize);
        for y in core.y - window.y..core.y - window.y + core.height {
            for x in core.x - window.x..core.x - window.x + core.width {
                let (row, column) = (y as usize, x as usize);
                let is_valid = valid.get(row * map.side_px + column).copied().unwrap_or(false);
                labels.push(if is_valid { map.class(row, column) } else { NO_CLASS });
                if is_valid {
                    part.pixels += 1;
                    (0..map.classes)
                        .for_each(|class| part.sums[class] += f64::from(map.probability(class, row, column)));
                }
            }
        }
        if let Some(open) = &mut self.open {
            if let Some(mask) = &mut open.mask {
                mask.write(core, &labels)?;
            }
            open.shares.add(&part);
        }
        Ok(part.means().map(|means| means.into_iter().map(|mean| mean as f32).collect()))
    }

    fn emit(&mut self, row: &Row) -> Result<()> {
        self.summary.counts.add(&row.decision);
        self.sink.write(row)
    }

    fn finish(mut self) -> Result<Summary> {
        self.sink.finish()?;
        if let Some(distributions) = self.distributions {
            distributions.finish()?;
        }
        if let Some(tile) = &self.first_offset_hint {
            self.summary.warnings.push(format!(
                "{} tiles, `{tile}` the first, have their 1st percentile just above 1,000 DN although no offset was \
                 stated: if they are of processing baseline 04.00 or later, give --dn-offset -1000",
                self.offset_hints
            ));
        }
        if self.radiometry_sources.contains("model-default") {
            self.summary.warnings.push(
                "some tiles state no scale: the model's default for their data type was taken (radiometry_source \
                 model-default)"
                    .into(),
            );
        }
        self.summary.stage_seconds = self.shared.timers.seconds();
        Ok(self.summary)
    }
}

impl Shares {
    fn add(&mut self, part: &Self) {
        self.sums.resize(part.sums.len(), 0.0);
        self.sums.iter_mut().zip(&part.sums).for_each(|(sum, value)| *sum += value);
        self.pixels += part.pixels;
    }

    /// `None` where no pixel was valid.
    fn means(&self) -> Option<Vec<f64>> {
        (self.pixels > 0).then(|| self.sums.iter().map(|sum| sum / self.pixels as f64).collect())
    }
}
