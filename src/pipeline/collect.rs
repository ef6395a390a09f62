//! Puts batches back into input order, decides, and hands rows to the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::batch::{Batch, Slot, State, Tile, WindowSlot};
use super::maps::TileMaps;
use super::observe::{group, resumed};
use super::offsets::OffsetDoubts;
use super::{Observer, Rows, Shared, Stage, StageTime, Thresholds};
use crate::decide::{Decision, agreement, threshold_rule};
use crate::drift::{Middle, Observation};
use crate::infer::gate::SPARED;
use crate::infer::head::{ClassMap, Prediction};
use crate::model::manifest::Head;
use crate::output::{Counts, DistributionWriter, Listing, MapOutputs, Notes, Row, Sink, TileError, signal};
use crate::raster::Window;
use crate::{Error, Result};

/// How often a waiting collector looks for a signal.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// Windows of one tile between two words of progress.
const PROGRESS_WINDOWS: u64 = 64;

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Tiles and windows by outcome.
    pub counts: Counts,
    /// Why tiles failed.
    pub errors: Listing<TileError>,
    /// Remarks that a person should read, each once.
    pub warnings: Listing<String>,
    /// Where the time went.
    pub stages: Vec<StageTime>,
    /// Seconds from the moment the first session had reproduced the golden batch.
    pub seconds: f64,
    /// Seconds of all processors since then that this process used, without the making of further sessions.
    pub cpu_seconds: f64,
    /// Milliseconds that every batch was in the engine, in input order.
    pub batch_ms: Vec<f32>,
}

/// The end of the pipeline, on the caller's thread.
pub(super) struct Collector<'a> {
    shared: &'a Shared,
    sink: Box<dyn Sink>,
    maps: MapOutputs,
    distributions: Option<DistributionWriter>,
    progress: &'a mut dyn FnMut(f64),
    observe: Option<Observer<'a>>,
    summary: Summary,
    offsets: OffsetDoubts,
    /// Scenes of another processing level than the model was trained on.
    other_levels: u64,
    /// Scenes at another resolution than their bands are measured at.
    other_resolutions: u64,
    radiometry_sources: BTreeSet<String>,
    /// Tiles without a valid pixel, which have no class shares.
    without_shares: Vec<String>,
    open: Option<OpenTile>,
}

/// The tile whose rows are arriving.
struct OpenTile {
    rows: Rows,
    has_failed: bool,
    maps: TileMaps,
    middle: Middle,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        sink: Box<dyn Sink>,
        maps: MapOutputs,
        distributions: Option<DistributionWriter>,
        progress: &'a mut dyn FnMut(f64),
        observe: Option<Observer<'a>>,
    ) -> Self {
        Self {
            shared,
            sink,
            maps,
            distributions,
            progress,
            observe,
            summary: Summary::default(),
            offsets: OffsetDoubts::default(),
            other_levels: 0,
            other_resolutions: 0,
            radiometry_sources: BTreeSet::new(),
            without_shares: Vec::new(),
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
                let shared = self.shared;
                self.summary.batch_ms.extend(batch.infer_ms);
                shared.timers.time(Stage::Write, || self.batch(batch))?;
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
        self.shared.journal()?.map_or(Ok(()), |mut journal| journal.flush())
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
        (self.progress)(self.summary.counts.tiles as f64);
    }

    fn window(&mut self, mut slot: WindowSlot) -> Result<()> {
        if slot.index == 0 {
            self.start_tile(&slot.tile)?;
        }
        self.offsets.window(slot.offset_hint);
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
        let (index, thumbnail) = (slot.index, slot.thumbnail.take());
        let mut row = self.row(slot)?;
        row.without_guarantee = !guaranteed && matches!(row.decision, Decision::Positive | Decision::Negative);
        if let Some(open) = &mut self.open {
            open.maps.decided(&tile, index, &row, thumbnail.as_ref())?;
        }
        if let (Some(observed), Some(open)) = (observed, &mut self.open) {
            open.middle.offer(index, tile.windows.count(), Observation { score: row.score, ..observed });
        }
        self.emit(&row)?;
        if let Some(open) = self.open.as_mut().filter(|_| tile.key.is_some()) {
            open.rows.push(row);
        }
        if is_last {
            self.end_tile(&tile)?;
        } else if index % PROGRESS_WINDOWS == PROGRESS_WINDOWS - 1 {
            (self.progress)(self.summary.counts.tiles as f64 + index as f64 / tile.windows.count() as f64);
        }
        Ok(())
    }

    fn start_tile(&mut self, tile: &Tile) -> Result<()> {
        self.radiometry_sources.insert(tile.scene.radiometry.source.clone());
        self.other_levels += u64::from(tile.scene.is_other_level(&self.shared.job.model.manifest));
        self.other_resolutions += u64::from(tile.scene.is_other_resolution);
        let maps = TileMaps::open(&self.shared.job, &self.maps, self.distributions.is_some(), tile)?;
        self.open = Some(OpenTile { rows: Vec::new(), has_failed: false, maps, middle: Middle::default() });
        Ok(())
    }

    fn end_tile(&mut self, tile: &Tile) -> Result<()> {
        self.offsets.end_tile(&tile.name, &tile.scene.radiometry);
        if let Some(open) = self.open.take().filter(|open| !open.has_failed) {
            self.keep(tile, open)?;
        }
        self.tile_done();
        Ok(())
    }

    /// Completes what is written once per tile. A tile with an error leaves none of it, so that a later run tries
    /// again.
    fn keep(&mut self, tile: &Tile, open: OpenTile) -> Result<()> {
        let shares = open.maps.finish()?;
        if let (Some(observe), Some(observed)) = (&mut self.observe, open.middle.chosen()) {
            observe(&tile.name, observed);
        }
        if let Some(distributions) = &mut self.distributions {
            distributions.write(&tile.name, shares.as_deref())?;
            if shares.is_none() {
                self.without_shares.push(tile.name.clone());
            }
        }
        if let (Some(mut journal), Some(key)) = (self.shared.journal()?, &tile.key) {
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
        row.geo = tile.scene.geo().cloned();
        row.date = tile.scene.date;
        row.notes = Notes {
            bands_source: Some(tile.scene.bands.source.as_str().into()),
            radiometry_source: Some(tile.scene.radiometry.source.clone()),
            cloud_cover_percent: slot.observed.cloud_cover_percent.and_then(Notes::one_decimal),
            cloud_source: slot.cloud_source.map(str::to_owned),
            sun_elevation_deg: slot.observed.sun_elevation_deg.and_then(Notes::one_decimal),
        };
        (row.shift, row.threshold) = (slot.shift, slot.threshold);
        match slot.state {
            State::Failed(error) => (row.decision, row.reason) = (Decision::Error, Some(error.to_string())),
            State::Abstains(reason) => row.reason = Some(reason),
            State::Spared(score) => {
                row.spared = true;
                (row.decision, row.score) = (Decision::Negative, Some(0.0));
                row.reason = self.shared.job.model.gate.as_ref().map(|prefilter| {
                    format!("{SPARED}, whose score {score} is below its cut-off {}", prefilter.gate.cutoff)
                });
            }
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
        let (mut views, manifest) = (Vec::new(), &self.shared.job.model.manifest);
        let scores = match prediction {
            Prediction::Scores(scores) => {
                views = scores.views().to_vec();
                scores.values().to_vec()
            }
            Prediction::Map(map) => match self.map(tile, index, &map, valid.as_deref())? {
                Some(shares) => shares,
                None => {
                    row.reason = Some("no valid pixel in the part of the window that counts".into());
                    return Ok(());
                }
            },
        };
        if let (Head::Binary, Some(threshold), [score]) = (manifest.head, row.threshold, scores.as_slice()) {
            (row.score, row.decision) = (Some(*score), threshold_rule(*score, threshold));
            let agreeing = agreement(&views, threshold, &row.decision);
            if let Some(least) = manifest.view_agreement_minimum.filter(|least| agreeing < *least) {
                let (count, word) = ((agreeing * views.len() as f64).round(), row.decision.text());
                row.reason = Some(format!(
                    "the views disagree: {count} of {} by themselves say {word}, as they do together, and the model needs \
                     {:.0} % of them",
                    views.len(),
                    100.0 * least
                ));
                row.decision = Decision::Abstain;
            }
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

    /// The mean soft-max over the valid pixels that the window decides, or `None` where there are none.
    fn map(&mut self, tile: &Tile, index: u64, map: &ClassMap, valid: Option<&[bool]>) -> Result<Option<Vec<f32>>> {
        let open = self.open.as_mut().ok_or_else(|| Error::engine("a window of no tile"))?;
        open.maps.predicted(tile, index, map, valid.unwrap_or_default())
    }

    fn emit(&mut self, row: &Row) -> Result<()> {
        self.summary.counts.add(row);
        self.sink.write(row)
    }

    fn finish(mut self) -> Result<Summary> {
        self.sink.finish()?;
        if let Some(distributions) = self.distributions {
            distributions.finish()?;
        }
        self.offsets.warnings().into_iter().for_each(|warning| self.summary.warnings.push(warning));
        if let Some(first) = self.without_shares.first() {
            self.summary.warnings.push(format!(
                "tiles without enough valid pixels, whose class shares stay empty: {}; the first is {first}",
                self.without_shares.len()
            ));
        }
        if self.other_resolutions > 0 {
            self.summary.warnings.push(format!(
                "scenes decided at another resolution than the model's bands are measured at: {}; its scores and thresholds \
                 promise nothing there",
                self.other_resolutions
            ));
        }
        if self.other_levels > 0 {
            let manifest = &self.shared.job.model.manifest;
            self.summary.warnings.push(format!(
                "scenes of another processing level than the {} that {} was trained on: {}; its scores and thresholds \
                 promise nothing there",
                manifest.processing_level.as_deref().unwrap_or_default(),
                manifest.name,
                self.other_levels
            ));
        }
        if self.radiometry_sources.contains("model-default") {
            self.summary.warnings.push(
                "some tiles state no scale: the model's default for their data type was taken (radiometry_source \
                 model-default)"
                    .into(),
            );
        }
        self.summary.stages = self.shared.timers.times();
        Ok(self.summary)
    }
}
