//! Opens tiles in input order and cuts their windows into batches.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::batch::{Batch, Slot, State, Tile, WindowSlot};
use super::cloud_model::{CloudStage, SOURCE, TileClouds};
use super::timers::Watch;
use super::{Input, Job, MEMBERS_THRESHOLD, Shared, Stage, Thresholds};
use crate::Result;
use crate::decide::{Observation, Resolution};
use crate::infer::windows::Windows;
use crate::model::Manifest;
use crate::output::tile_text;
use crate::raster::Window;
use crate::scene::{Scene, SceneOptions};

/// Places of a batch that need no engine (resumed tiles, errors), so that an idle feeder still reports.
const SLOTS_PER_BATCH_MAX: usize = 256;

/// Sends batches until the inputs end or the receiver is gone.
pub(super) fn feed(shared: &Shared, tokens: &Sender<()>, batches: &Sender<Batch>) {
    let watch = shared.timers.watch();
    let mut feeder = Feeder { shared, tokens, batches, sequence: 0, slots: Vec::new(), windows: 0, watch };
    for input in &shared.job.inputs {
        if shared.is_stopping() || feeder.input(input).is_none() {
            return;
        }
    }
    feeder.flush();
}

struct Feeder<'a> {
    shared: &'a Shared,
    tokens: &'a Sender<()>,
    batches: &'a Sender<Batch>,
    sequence: u64,
    slots: Vec<Slot>,
    windows: usize,
    watch: Watch<'a>,
}

impl Feeder<'_> {
    /// `None` when nobody listens any more.
    fn input(&mut self, input: &Input) -> Option<()> {
        let name = tile_text(&input.path);
        let opened = self.open(input, &name);
        self.watch.lap(Stage::Read);
        match opened {
            Err(error) => self.push(Slot::Problem { name, error }),
            Ok(Opened::Resumed(rows)) => self.push(Slot::Resumed(rows)),
            Ok(Opened::Tile(tile)) => {
                for index in 0..tile.windows.count() {
                    self.windows += 1;
                    self.push(Slot::Window(WindowSlot {
                        tile: tile.clone(),
                        index,
                        observed: Observation::default(),
                        cloud_source: None,
                        shift: None,
                        threshold: None,
                        guaranteed: false,
                        offset_hint: None,
                        summary: None,
                        thumbnail: None,
                        state: State::Planned,
                    }))?;
                }
                Some(())
            }
        }
    }

    fn open(&self, input: &Input, name: &str) -> Result<Opened> {
        let job = &self.shared.job;
        let (scene, windows) = open_scene(job, input)?;
        let stage = self.shared.clouds.as_ref();
        let clouds = stage.map(|stage| stage.open(&scene, job, &input.path)).transpose()?.flatten();
        let mut key = None;
        if self.shared.journal.is_some() {
            let content = content_key(&scene, clouds.as_ref())?;
            if let Some(journal) = self.shared.journal()?
                && let Some(rows) = journal.get(&content, name)?
            {
                return Ok(Opened::Resumed(rows));
            }
            key = Some(content);
        }
        Ok(Opened::Tile(Arc::new(Tile { name: name.to_owned(), scene, clouds, windows, key })))
    }

    fn push(&mut self, slot: Slot) -> Option<()> {
        self.slots.push(slot);
        if self.windows == self.shared.windows_per_batch || self.slots.len() == SLOTS_PER_BATCH_MAX {
            return self.flush();
        }
        Some(())
    }

    fn flush(&mut self) -> Option<()> {
        if self.slots.is_empty() {
            return Some(());
        }
        self.tokens.send(()).ok()?;
        let slots = std::mem::take(&mut self.slots);
        let batch = Batch { sequence: self.sequence, slots, infer_ms: None };
        self.batches.send(batch).ok()?;
        self.sequence += 1;
        self.windows = 0;
        // Waiting for room is no reading.
        self.watch = self.shared.timers.watch();
        Some(())
    }
}

enum Opened {
    Tile(Arc<Tile>),
    Resumed(super::Rows),
}

fn open_scene(job: &Job, input: &Input) -> Result<(Scene, Windows)> {
    open_window_plan(&job.model.manifest, &job.scene, job.overlap_px, input)
}

/// A tile and its windows.
pub(super) fn open_window_plan(
    manifest: &Manifest,
    options: &SceneOptions,
    overlap_px: u32,
    input: &Input,
) -> Result<(Scene, Windows)> {
    if let Some(problem) = &input.problem {
        return Err(problem.clone());
    }
    // The row names the tile.
    let scene =
        Scene::open(&input.path, manifest, options).map_err(|error| error.without_context(input.path.display()))?;
    let extent = scene.extent();
    let windows = Windows::plan(extent.width, extent.height, manifest.tile_px, overlap_px, manifest.padding)?;
    Ok((scene, windows))
}

/// What a tile's rows depend on beside the run's own key: its bytes, and the facts that may come from its name or
/// a side table.
fn content_key(scene: &Scene, clouds: Option<&TileClouds>) -> Result<String> {
    use std::fmt::Write;
    let mut key = String::with_capacity(96);
    for scene in std::iter::once(scene).chain(clouds.map(TileClouds::scene)) {
        for byte in scene.content_key()? {
            let _ = write!(key, "{byte:02x}");
        }
        key.push(' ');
    }
    let observed = circumstances(scene);
    let _ = write!(key, "{:?} {:?} {:?}", observed.date, observed.latitude, observed.cloud_cover_percent);
    let _ = write!(key, " {:?} {:?}", observed.sun_elevation_deg, scene.extent());
    let _ = write!(key, " {} {:?}", scene.bands.source.as_str(), scene.radiometry.bands);
    Ok(key)
}

/// What is known of the circumstances of a whole tile, without its pixels.
fn circumstances(scene: &Scene) -> Observation {
    Observation {
        date: scene.date,
        latitude: scene.latitude(scene.extent()),
        cloud_cover_percent: scene.cloud_cover_percent,
        sun_elevation_deg: scene.sun_elevation_deg,
    }
}

/// What is known of a window's circumstances, and what states its share of clouds.
///
/// # Errors
/// Those of reading the pixels that say where clouds are, and of the model that is asked.
pub(super) fn observe(
    stage: Option<&CloudStage>,
    tile: &Tile,
    window: Window,
) -> Result<(Observation, Option<&'static str>)> {
    let scene = &tile.scene;
    let by_model = match stage.zip(tile.clouds.as_ref()) {
        Some((stage, clouds)) => clouds.cover_percent(stage, window, scene.extent())?.map(|percent| (percent, SOURCE)),
        None => None,
    };
    let cloud_cover = by_model.map_or_else(|| scene.cloud_cover(window), |found| Ok(Some(found)))?;
    let observed = Observation {
        latitude: scene.latitude(window),
        cloud_cover_percent: cloud_cover.map(|(percent, _)| percent),
        ..circumstances(scene)
    };
    Ok((observed, cloud_cover.map(|(_, source)| source)))
}

/// The threshold for a window, by the run's rule; `None` for a rule without thresholds.
pub(super) fn resolve(job: &Job, observed: &Observation) -> Result<Option<Resolution>> {
    match &job.thresholds {
        Thresholds::Profile(profile, choice) => profile.resolve(choice, observed).map(Some),
        Thresholds::Fixed(threshold) => Ok(Some(unguaranteed(&job.thresholds, *threshold))),
        Thresholds::Members => Ok(Some(unguaranteed(&job.thresholds, MEMBERS_THRESHOLD))),
        Thresholds::ArgMax => Ok(None),
    }
}

fn unguaranteed(rule: &Thresholds, threshold: f32) -> Resolution {
    Resolution::Threshold { shift: rule.name().unwrap_or_default().into(), threshold, guaranteed: false }
}

/// What a run would do with one input: its observation and threshold, without reading a pixel.
///
/// # Errors
/// Why the tile cannot be opened.
pub fn dry_run(job: &Job, input: &Input) -> Result<(Observation, Option<Resolution>)> {
    let (scene, _) = open_scene(job, input)?;
    let observed = circumstances(&scene);
    Ok((observed, resolve(job, &observed)?))
}
