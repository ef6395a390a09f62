//! Class maps: one GeoTIFF per tile, written window by window.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::geotiff::ByteTiff;
use crate::raster::{Geo, Window};
use crate::{Error, Result};

/// The class of a pixel that has none; also the file's nodata value.
pub const NO_CLASS: u8 = 255;

/// Writes the class map of one tile. Windows come in rows, left to right and top to bottom, all windows of a
/// row starting at the same `y` and none overlapping (their cores); pixels that no window covers are
/// [`NO_CLASS`]. Memory: one row of windows.
pub struct MaskWriter {
    tiff: ByteTiff,
    width: u32,
    height: u32,
    /// First image row held in `band`.
    top: u32,
    /// Whole image rows, from `top` on.
    band: Vec<u8>,
}

impl MaskWriter {
    /// Starts the map of `tile` (its text in the result) in `folder`, `width` × `height` pixels.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be made.
    pub fn create(folder: &Path, tile: &str, width: u32, height: u32, geo: Option<&Geo>) -> Result<Self> {
        let tiff = ByteTiff::create(&mask_path(folder, tile), [width, height], NO_CLASS, geo)?;
        Ok(Self { tiff, width, height, top: 0, band: Vec::new() })
    }

    /// Writes one window's classes, row by row, `window.width × window.height` of them.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be written, or the window lies outside the tile, above rows
    /// that are already written, or holds another number of classes.
    pub fn write(&mut self, window: Window, classes: &[u8]) -> Result<()> {
        let inside = window.x.checked_add(window.width).is_some_and(|right| right <= self.width)
            && window.y.checked_add(window.height).is_some_and(|bottom| bottom <= self.height);
        let (columns, rows) = (window.width as usize, window.height as usize);
        if !inside || window.y < self.top || classes.len() != columns * rows || columns == 0 {
            return Err(Error::output(format!("a mask window {window:?} with {} classes has no place", classes.len())));
        }
        self.flush_above(window.y)?;
        let width = self.width as usize;
        let needed = ((window.y - self.top) as usize + rows) * width;
        if self.band.len() < needed {
            self.band.resize(needed, NO_CLASS);
        }
        let first = (window.y - self.top) as usize;
        for (to, from) in self.band.chunks_exact_mut(width).skip(first).zip(classes.chunks_exact(columns)) {
            let to = to.iter_mut().skip(window.x as usize);
            to.zip(from).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }

    /// Completes the map and gives it its name, which is returned.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn finish(mut self) -> Result<PathBuf> {
        self.flush_above(self.height)?;
        self.tiff.finish()
    }

    /// Hands all rows above `y` to the file.
    fn flush_above(&mut self, y: u32) -> Result<()> {
        let width = self.width as usize;
        let held = (self.band.len() / width).min((y - self.top) as usize) * width;
        for row in self.band.drain(..held).as_slice().chunks_exact(width) {
            self.tiff.write_row(row)?;
        }
        self.top += (held / width) as u32;
        if self.top < y {
            let blank = vec![NO_CLASS; width];
            for _ in self.top..y {
                self.tiff.write_row(&blank)?;
            }
            self.top = y;
        }
        Ok(())
    }
}

/// A name that a person recognises and no other tile has: the tile's file name, reduced to plain characters,
/// and a part of the hash of its whole path.
pub fn mask_path(folder: &Path, tile: &str) -> PathBuf {
    let file_name = tile.rsplit('/').next().unwrap_or_default();
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let stem: String = stem.trim_start_matches('.').chars().map(plain).take(100).collect();
    let hash: String = Sha256::digest(tile.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("{stem}-{hash}.tif"))
}
