//! Maps: one Cloud-Optimized GeoTIFF a tile, written window by window.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::cog::{Cog, Layer, MapCompression};
use crate::raster::{Geo, Window};
use crate::{Error, Result};

/// Which maps and pictures a run makes: one file a tile in each folder that is given.
#[derive(Debug, Clone, Default)]
pub struct MapOutputs {
    /// `--masks`
    pub masks: Option<PathBuf>,
    /// `--score-maps`
    pub score_maps: Option<PathBuf>,
    /// `--quicklook`
    pub quicklooks: Option<PathBuf>,
    /// `--map-compression`
    pub compression: MapCompression,
}

impl MapOutputs {
    /// Whether there is nothing to make.
    pub fn is_empty(&self) -> bool {
        self.masks.is_none() && self.score_maps.is_none() && self.quicklooks.is_none()
    }

    /// The flags with their folders, and the name of each one's file for a tile.
    pub fn folders(&self) -> impl Iterator<Item = (&'static str, &Path, MapPath)> {
        let folders = [
            ("--masks", &self.masks, mask_path as MapPath),
            ("--score-maps", &self.score_maps, score_map_path),
            ("--quicklook", &self.quicklooks, quicklook_path),
        ];
        folders.into_iter().filter_map(|(flag, folder, path)| Some((flag, folder.as_deref()?, path)))
    }
}

/// From a folder and a tile (its text in the result) to the file.
pub type MapPath = fn(&Path, &str) -> PathBuf;

/// Writes the map of one tile. Windows come in rows, left to right and top to bottom, all windows of a
/// row starting at the same `y` and none overlapping (their cores); pixels that no window covers are
/// [`Layer::NODATA`]. Memory: one row of windows, and 512 rows of the map.
pub struct MapWriter<L: Layer> {
    cog: Cog<L>,
    width: u32,
    height: u32,
    /// First image row held in `band`.
    top: u32,
    /// Whole image rows, from `top` on.
    band: Vec<L::Sample>,
}

impl<L: Layer> MapWriter<L> {
    /// Starts the map called `path`, `size` [width, height] pixels.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be made.
    pub fn create(
        path: &Path,
        size: [u32; 2],
        layer: L,
        compression: MapCompression,
        geo: Option<&Geo>,
    ) -> Result<Self> {
        let [width, height] = size;
        Ok(Self { cog: Cog::create(path, size, layer, compression, geo)?, width, height, top: 0, band: Vec::new() })
    }

    /// Writes one window's pixels, row by row, `window.width × window.height` of them.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be written, or the window lies outside the tile, above rows
    /// that are already written, or holds another number of pixels.
    pub fn write(&mut self, window: Window, pixels: &[L::Sample]) -> Result<()> {
        if pixels.len() as u64 != u64::from(window.width) * u64::from(window.height) {
            return Err(no_place(window, pixels.len()));
        }
        let mut rows = pixels.chunks_exact((window.width as usize).max(1));
        self.rows(window, |to| to.iter_mut().zip(rows.next().unwrap_or_default()).for_each(|(to, from)| *to = *from))
    }

    /// Gives all pixels of one window the same value.
    ///
    /// # Errors
    /// As [`MapWriter::write`].
    pub fn fill(&mut self, window: Window, value: L::Sample) -> Result<()> {
        self.rows(window, |to| to.fill(value))
    }

    /// Hands the rows of a window to `fill`.
    fn rows(&mut self, window: Window, mut fill: impl FnMut(&mut [L::Sample])) -> Result<()> {
        let inside = window.x.checked_add(window.width).is_some_and(|right| right <= self.width)
            && window.y.checked_add(window.height).is_some_and(|bottom| bottom <= self.height);
        if !inside || window.y < self.top || window.width == 0 {
            return Err(no_place(window, 0));
        }
        self.flush_above(window.y)?;
        let (width, rows) = (self.width as usize, window.height as usize);
        let first = (window.y - self.top) as usize;
        if self.band.len() < (first + rows) * width {
            self.band.resize((first + rows) * width, L::NODATA);
        }
        let (left, columns) = (window.x as usize, window.width as usize);
        for row in self.band.chunks_exact_mut(width).skip(first).take(rows) {
            fill(&mut row[left..left + columns]);
        }
        Ok(())
    }

    /// Completes the map and gives it its name, which is returned.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn finish(mut self) -> Result<PathBuf> {
        self.flush_above(self.height)?;
        self.cog.finish()
    }

    /// Hands all rows above `y` to the file.
    fn flush_above(&mut self, y: u32) -> Result<()> {
        let width = self.width as usize;
        let held = (self.band.len() / width).min((y - self.top) as usize) * width;
        for row in self.band.drain(..held).as_slice().chunks_exact(width) {
            self.cog.write_row(row)?;
        }
        self.top += (held / width) as u32;
        if self.top < y {
            let blank = vec![L::NODATA; width];
            for _ in self.top..y {
                self.cog.write_row(&blank)?;
            }
            self.top = y;
        }
        Ok(())
    }
}

fn no_place(window: Window, pixels: usize) -> Error {
    Error::output(format!("a map's window {window:?} with {pixels} pixels has no place"))
}

/// The class map of `tile` (its text in the result).
pub fn mask_path(folder: &Path, tile: &str) -> PathBuf {
    file_of(folder, tile, ".tif")
}

/// The map of scores of `tile`.
pub fn score_map_path(folder: &Path, tile: &str) -> PathBuf {
    file_of(folder, tile, "-score.tif")
}

/// The quick-look of `tile`.
pub fn quicklook_path(folder: &Path, tile: &str) -> PathBuf {
    file_of(folder, tile, ".png")
}

/// A name that a person recognises and no other tile has: the tile's file name, reduced to plain characters,
/// and a part of the hash of its whole path.
fn file_of(folder: &Path, tile: &str, end: &str) -> PathBuf {
    let file_name = tile.rsplit('/').next().unwrap_or_default();
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let stem: String = stem.trim_start_matches('.').chars().map(plain).take(100).collect();
    let hash: String = Sha256::digest(tile.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("{stem}-{hash}{end}"))
}
