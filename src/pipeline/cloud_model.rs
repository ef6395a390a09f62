//! The share of cloud over a window by a segmentation model's look at the pixels.
//!
//! It is a second read: the cloud model has bands, windows and a size of its own. Its windows are computed when one of the
//! run's windows first needs them, each once while it is kept, by whichever thread comes first; of a tile two rows of them
//! are kept. A tile smaller than the model's input is mirrored at its edges until it fills it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ndarray::ArrayView4;

use super::score::{Network, take_graph, verified_session};
use super::{CloudModel, Job};
use crate::decide::pixel_rule;
use crate::infer::augment::{View, views};
use crate::infer::engine::{Adaptive, SafeBatch, Session};
use crate::infer::head::{OutputReader, Prediction};
use crate::infer::preprocess::Preprocessing;
use crate::infer::windows::Windows;
use crate::model::manifest::Padding;
use crate::raster::{Planes, Window};
use crate::scene::{BandSource, Scene};
use crate::{Error, Result};

/// What states the share of cloud where this model does.
pub(super) const SOURCE: &str = "model";
/// Rows of the cloud model's windows that are kept of a tile.
const ROWS_KEPT: u64 = 2;

/// The model of a run and its sessions.
pub(super) struct CloudStage {
    model: CloudModel,
    graph: Arc<Vec<u8>>,
    views: &'static [View],
    preprocessing: Preprocessing,
    reader: OutputReader,
    /// Those that no thread has at the moment.
    sessions: Mutex<Vec<Adaptive>>,
}

/// The clouds of one tile.
pub(super) struct TileClouds {
    scene: Scene,
    windows: Windows,
    cores: Mutex<BTreeMap<u64, Arc<OnceLock<Result<Core>>>>>,
}

/// The part of the tile that one window of the cloud model decides.
struct Core {
    place: Window,
    /// Row by row.
    pixels: Vec<Pixel>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pixel {
    Invalid,
    Clear,
    Cloud,
}

impl CloudStage {
    /// A stage whose model has reproduced its golden batch.
    pub(super) fn new(mut model: CloudModel) -> Result<Self> {
        let views = views(model.model.manifest.tta);
        let graph = take_graph(&*model.engine, &mut model.model)?;
        let stage = Self {
            graph,
            views,
            preprocessing: Preprocessing::new(&model.model.manifest),
            reader: OutputReader::new(&model.model.manifest, views),
            sessions: Mutex::default(),
            model,
        };
        let session = verified_session(&stage.network(), &SafeBatch::new(views.len()));
        let session = session.map_err(|error| error.context("--cloud-model"))?;
        stage.give_back(session);
        Ok(stage)
    }

    fn network(&self) -> Network<'_> {
        Network {
            engine: &self.model.engine,
            graph: &self.graph,
            model: &self.model.model,
            reader: &self.reader,
            rows: self.views.len(),
        }
    }

    fn session(&self) -> Result<Adaptive> {
        let free = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.map_or_else(|| self.network().session(SafeBatch::new(self.views.len())), Ok)
    }

    fn give_back(&self, session: Adaptive) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    /// Opens a tile for the cloud model, if it is the model's to say where its clouds are: not where a person states the
    /// share, and where the product's own pixels say it only if the model is asked for always.
    ///
    /// # Errors
    /// Those of opening the tile with the cloud model's bands.
    pub(super) fn open(&self, scene: &Scene, job: &Job, path: &std::path::Path) -> Result<Option<TileClouds>> {
        let is_known = scene.is_cloud_cover_stated || (scene.clouds.is_some() && !self.model.always);
        if is_known {
            return Ok(None);
        }
        let manifest = &self.model.model.manifest;
        let mut options = job.scene.clone();
        if scene.bands.source == BandSource::ModelOrder {
            // Nothing names the file's bands: what the run takes them for holds here too.
            options.bands = Some(job.model.manifest.sources().into_iter().map(|source| source.name).collect());
        }
        let named = |error: Error| {
            let error = error.without_context(path.display());
            match scene.bands.source {
                BandSource::ModelOrder => {
                    let bands = options.bands.as_deref().unwrap_or_default().join(",");
                    error.context(format!("--cloud-model {} (the bands taken for {bands})", manifest.name))
                }
                _ => error.context(format!("--cloud-model {}", manifest.name)),
            }
        };
        let own = Scene::open(path, manifest, &options).map_err(named)?;
        let extent = own.extent();
        let overlap_px = manifest.overlap_px;
        let windows = Windows::plan(extent.width, extent.height, manifest.tile_px, overlap_px, Padding::Nodata);
        Ok(Some(TileClouds { scene: own, windows: windows.map_err(named)?, cores: Mutex::default() }))
    }

    /// The classes of one window's core.
    fn core(&self, tile: &TileClouds, index: u64) -> Result<Core> {
        let (window, place) = (tile.windows.window(index), tile.windows.core(index));
        let (mut planes, side) = (Planes::new(), self.model.model.manifest.tile_px as usize);
        tile.scene.image.read(window, &tile.scene.bands.indices, &mut planes)?;
        tile.scene.image.check_unchanged()?;
        let row_len = self.model.model.manifest.bands.len() * side * side;
        let (mut input, mut valid) = (vec![0.0; self.views.len() * row_len], vec![true; side * side]);
        let (first, others) = input.split_at_mut(row_len);
        let census = self.preprocessing.apply(&planes, &tile.scene.radiometry, first, &mut valid);
        census.check_plausible(&tile.scene.radiometry)?;
        let size = [window.width as usize, window.height as usize];
        first.chunks_exact_mut(side * side).for_each(|plane| mirror(plane, side, size));
        for (view, target) in self.views[1..].iter().zip(others.chunks_exact_mut(row_len)) {
            view.apply(first, target, side);
        }
        let map = match self.run(&input)? {
            Some(Prediction::Map(map)) => map,
            Some(Prediction::Scores(_)) => return Err(Error::engine("scores from a model that makes maps")),
            None => return Ok(Core { place, pixels: vec![Pixel::Invalid; (place.width * place.height) as usize] }),
        };
        let threshold = self.model.model.manifest.pixel_threshold;
        let class = |row, column| pixel_rule(map.classes, threshold, |class| map.probability(class, row, column));
        let mut pixels = Vec::with_capacity((place.width * place.height) as usize);
        for row in (place.y - window.y) as usize..(place.y - window.y + place.height) as usize {
            for column in (place.x - window.x) as usize..(place.x - window.x + place.width) as usize {
                let is_cloud = || self.model.classes.contains(&class(row, column));
                pixels.push(match valid[row * side + column] {
                    false => Pixel::Invalid,
                    true if is_cloud() => Pixel::Cloud,
                    true => Pixel::Clear,
                });
            }
        }
        Ok(Core { place, pixels })
    }

    fn run(&self, input: &[f32]) -> Result<Option<Prediction>> {
        let manifest = &self.model.model.manifest;
        let (side, rows) = (manifest.tile_px as usize, self.views.len());
        let input = ArrayView4::from_shape((rows, manifest.bands.len(), side, side), input).map_err(Error::engine)?;
        let mut session = self.session()?;
        let output = session.run(input)?;
        self.give_back(session);
        self.reader.check_shape(output.shape(), rows)?;
        let output = if output.is_standard_layout() { output } else { output.as_standard_layout().into_owned() };
        Ok(self.reader.read(&output, 0))
    }
}

impl TileClouds {
    /// Share of cloud among the valid pixels of a window of the run, in percent; `None` where none is valid. `extent` is the
    /// run's grid, of which the cloud model's may be a finer or coarser one.
    ///
    /// # Errors
    /// Those of reading the pixels, and of the engine.
    pub(super) fn cover_percent(&self, stage: &CloudStage, window: Window, extent: Window) -> Result<Option<f64>> {
        let window = scaled(window, extent, self.scene.extent());
        let (mut cloudy, mut valid) = (0u64, 0u64);
        for (index, core) in self.cores(window) {
            let core = core.get_or_init(|| stage.core(self, index)).as_ref().map_err(Error::clone)?;
            let Some(shared) = core.place.intersection(window) else { continue };
            for y in shared.y..shared.y + shared.height {
                let start = ((y - core.place.y) * core.place.width + shared.x - core.place.x) as usize;
                for pixel in &core.pixels[start..start + shared.width as usize] {
                    valid += u64::from(*pixel != Pixel::Invalid);
                    cloudy += u64::from(*pixel == Pixel::Cloud);
                }
            }
        }
        Ok((valid > 0).then(|| 100.0 * cloudy as f64 / valid as f64))
    }

    /// The places of the windows whose cores meet `window`; those that lie above them go once there are too many.
    fn cores(&self, window: Window) -> Vec<(u64, Arc<OnceLock<Result<Core>>>)> {
        let mut cores = self.cores.lock().unwrap_or_else(PoisonError::into_inner);
        let needed: Vec<u64> = self.windows.with_cores_in(window).collect();
        let found = needed.iter().map(|index| (*index, cores.entry(*index).or_default().clone())).collect();
        let kept_max = (ROWS_KEPT * self.windows.per_row()) as usize + needed.len();
        while cores.len() > kept_max {
            cores.pop_first();
        }
        found
    }

    /// The scene as the cloud model reads it.
    pub(super) fn scene(&self) -> &Scene {
        &self.scene
    }
}

/// The pixels of one grid over an image as those of another over the same; at least one.
fn scaled(window: Window, from: Window, to: Window) -> Window {
    if (from.width, from.height) == (to.width, to.height) {
        return window;
    }
    let along = |start: u32, length: u32, from: u32, to: u32| {
        let ratio = f64::from(to) / f64::from(from);
        let start_px = ((f64::from(start) * ratio).round() as u32).min(to - 1);
        let end_px = ((f64::from(start + length) * ratio).round() as u32).clamp(start_px + 1, to);
        (start_px, end_px - start_px)
    };
    let (x, width) = along(window.x, window.width, from.width, to.width);
    let (y, height) = along(window.y, window.height, from.height, to.height);
    Window { x, y, width, height }
}

/// Fills a plane of `side × side` beyond its first `width × height` pixels with their mirror images.
fn mirror(plane: &mut [f32], side: usize, [width, height]: [usize; 2]) {
    let source = |at: usize, length: usize| {
        let within = at % (2 * length);
        if within < length { within } else { 2 * length - 1 - within }
    };
    for row in plane.chunks_exact_mut(side).take(height) {
        (width..side).for_each(|column| row[column] = row[source(column, width)]);
    }
    for row in height..side {
        let from = source(row, height) * side;
        plane.copy_within(from..from + side, row * side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_tile_is_mirrored_until_it_fills_the_window() {
        let mut plane = vec![1.0, 2.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0];
        plane.extend([0.0; 15]);
        mirror(&mut plane, 5, [2, 2]);
        assert_eq!(plane[..5], [1.0, 2.0, 2.0, 1.0, 1.0]);
        assert_eq!(plane.chunks(5).map(|row| row[0]).collect::<Vec<_>>(), [1.0, 3.0, 3.0, 1.0, 1.0]);
        assert_eq!(plane[24], 1.0);
    }

    #[test]
    fn a_window_of_a_coarser_grid_is_found_on_a_finer_one() {
        let at = |x, y, width, height| Window { x, y, width, height };
        assert_eq!(scaled(at(64, 0, 64, 64), at(0, 0, 549, 549), at(0, 0, 1098, 1098)), at(128, 0, 128, 128));
        assert_eq!(scaled(at(3, 5, 7, 9), at(0, 0, 50, 50), at(0, 0, 50, 50)), at(3, 5, 7, 9));
        assert_eq!(scaled(at(0, 0, 1, 1), at(0, 0, 100, 100), at(0, 0, 10, 10)), at(0, 0, 1, 1));
        assert_eq!(scaled(at(99, 99, 1, 1), at(0, 0, 100, 100), at(0, 0, 10, 10)), at(9, 9, 1, 1));
    }
}
