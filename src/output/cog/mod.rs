//! Cloud-Optimized GeoTIFFs of one band, written row by row.
//!
//! Tiles of 512×512 pixels, overviews that halve the map until its longer side fits a tile, GDAL's COG layout. The
//! `tiff` crate's encoder has no tiles. Memory: 512 rows of the map, and half as much again for every overview.

mod codec;
mod layer;
mod level;
mod plan;
mod tags;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use codec::MapCompression;
pub use layer::{ABSTAINED, Classes, Confidence, Layer, NO_CLASS, NO_CONFIDENCE, Sample, Scores};

use self::codec::Encoder;
use self::level::Level;
use super::atomic::folder;
use super::{AtomicFile, write_error};
use crate::raster::Geo;
use crate::{Error, Result};

/// Height and width of a tile; a smaller map has one tile, as small as TIFF allows.
const TILE_PX: u32 = 512;
/// TIFF wants the sides of tiles to be multiples of this.
const TILE_STEP_PX: u32 = 16;

/// An unfinished map.
pub(super) struct Cog<L: Layer> {
    file: AtomicFile,
    layer: L,
    geo: Option<Geo>,
    compression: MapCompression,
    encoder: Encoder,
    /// From the finest to the coarsest.
    levels: Vec<Level<L>>,
}

impl<L: Layer> Cog<L> {
    /// Starts a map of `size` [width, height], neither of them 0.
    pub(super) fn create(
        path: &Path,
        size: [u32; 2],
        layer: L,
        compression: MapCompression,
        geo: Option<&Geo>,
    ) -> Result<Self> {
        let tile_px = size.map(|side| TILE_PX.min(side.next_multiple_of(TILE_STEP_PX)));
        let sizes = std::iter::successors(Some(size), |&[width, height]| {
            (width.max(height) > TILE_PX).then(|| [width.div_ceil(2), height.div_ceil(2)])
        });
        Ok(Self {
            file: AtomicFile::create(path)?,
            layer,
            geo: geo.cloned(),
            compression,
            encoder: Encoder::new(compression),
            levels: sizes.map(|size| Level::new(size, tile_px, folder(path))).collect(),
        })
    }

    /// Adds the next row.
    pub(super) fn write_row(&mut self, row: &[L::Sample]) -> Result<()> {
        let mut half;
        let mut row = row;
        for level in &mut self.levels {
            level.push(row).map_err(|error| error.context(self.file.path().display()))?;
            let halved = level.halved();
            level.spool_full_tiles(&mut self.encoder).map_err(|error| error.context(self.file.path().display()))?;
            match halved {
                Some(halved) => half = halved,
                None => break,
            }
            row = &half;
        }
        Ok(())
    }

    /// Puts the file together and gives it its name, which is returned.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        let path = self.file.path().to_owned();
        if !self.levels.iter().all(Level::is_complete) {
            return Err(Error::output(format!("{}: a map with missing rows", path.display())));
        }
        let part = |(index, level)| tags::part(level, &self.layer, self.compression, self.geo.as_ref(), index > 0);
        let front = plan::front(&self.levels.iter().enumerate().map(part).collect::<Vec<_>>());
        let mut written = self.file.write_all(&front);
        for level in self.levels.iter_mut().rev() {
            written = written.and_then(|()| level.copy_to(&mut self.file));
        }
        written.map_err(|error| write_error(&path.display().to_string(), &error))?;
        self.file.commit()?;
        Ok(path)
    }
}
