//! Tiles with their labels in memory: two bytes a value, one a label.

use std::path::PathBuf;

use half::f16;
use rayon::prelude::*;
use tch::Tensor;

use crate::labelled::{ClassNumbers, Labelled, Values};
use crate::limits::TRAINING_BYTES_MAX;
use crate::model::Manifest;
use crate::output::NO_CLASS;
use crate::train::pixels;
use crate::train::samples::Scaling;
use crate::{Error, Result};

/// Column of the weights of tiles.
const WEIGHT: &str = "weight";

/// A tile to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its pixels.
    pub tile: PathBuf,
    /// Its map of labels.
    pub mask: PathBuf,
    /// How much it counts.
    pub weight: f32,
}

/// The tiles of a split, with their weights from the column `weight` where there is one.
///
/// # Errors
/// A weight that is no number from 0 on.
pub fn sources(table: &Labelled, split: &str) -> Result<Vec<Source>> {
    let weights = match table.further.iter().find(|column| column.name == WEIGHT) {
        None => None,
        Some(column) => match &column.values {
            Values::Numbers(numbers) => Some(numbers),
            Values::Words(..) => return Err(Error::usage(format!("{}: the column {WEIGHT} holds words", table.file))),
        },
    };
    let of_split = table.rows.iter().enumerate().filter(|(_, row)| row.split.as_deref() == Some(split));
    let source = |(index, row): (usize, &crate::labelled::LabelledRow)| {
        let weight = weights.map_or(1.0, |weights| weights[index]);
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(Error::usage(format!("{}: {}: its {WEIGHT} is no number from 0 on", table.file, row.tile)));
        }
        Ok(Source {
            tile: table.folder.join(&row.tile),
            mask: table.folder.join(row.mask.as_deref().unwrap_or_default()),
            weight,
        })
    };
    of_split.map(source).collect()
}

/// The tiles of one split.
#[derive(Debug)]
pub struct Tiles {
    /// Clipped reflectance `[tiles, bands, side, side]`; NaN where a pixel is invalid.
    values: Vec<f16>,
    /// Class of every pixel, `[tiles, side, side]`; [`NO_CLASS`] where it is unknown, ignored or the pixel invalid.
    labels: Vec<u8>,
    weights: Vec<f32>,
    /// Bands of a tile.
    pub bands: usize,
    /// Height and width of a tile in pixels.
    pub side_px: usize,
}

impl Tiles {
    /// Reads tiles on all cores, as `manifest` says; pixels of a class that is `ignored` count as not labelled.
    ///
    /// # Errors
    /// [`crate::Kind::Limit`] for more than [`TRAINING_BYTES_MAX`]; a file that cannot be read or has another size; a
    /// label that is no class.
    pub fn read(sources: &[Source], manifest: &Manifest, ignored: &[bool]) -> Result<Self> {
        let (bands, side_px) = (manifest.bands.len(), manifest.tile_px as usize);
        let area = side_px * side_px;
        let bytes = sources.len() as u64 * (area * (2 * bands + 1)) as u64;
        if bytes > TRAINING_BYTES_MAX {
            return Err(Error::limit(format!(
                "{} tiles take {} GiB in memory, at most {} are read; train on fewer",
                sources.len(),
                bytes >> 30,
                TRAINING_BYTES_MAX >> 30
            )));
        }
        let manifest = pixels::unscaled(manifest);
        let mut values = vec![f16::ZERO; sources.len() * bands * area];
        let mut labels = vec![NO_CLASS; sources.len() * area];
        let targets = values.par_chunks_mut(bands * area).zip(labels.par_chunks_mut(area));
        targets.zip(sources).try_for_each(|((values, labels), source)| {
            let reflectance = pixels::read(&source.tile, &manifest)?;
            values.iter_mut().zip(&reflectance).for_each(|(to, from)| *to = f16::from_f32(*from));
            let invalid = reflectance[..area].iter().map(|value| value.is_nan());
            read_labels(source, side_px, ignored, invalid, labels)
        })?;
        Ok(Self { values, labels, weights: sources.iter().map(|source| source.weight).collect(), bands, side_px })
    }

    /// Number of tiles.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Reflectance of a tile, `[bands, side, side]`.
    pub fn tile(&self, index: usize) -> &[f16] {
        let size = self.bands * self.side_px * self.side_px;
        &self.values[index * size..][..size]
    }

    /// Labels of a tile, row by row.
    pub fn labels(&self, index: usize) -> &[u8] {
        let area = self.side_px * self.side_px;
        &self.labels[index * area..][..area]
    }

    /// How much a tile counts.
    pub fn weight(&self, index: usize) -> f32 {
        self.weights[index]
    }

    /// Reflectance of one band of all tiles.
    pub fn band(&self, band: usize) -> impl Iterator<Item = f32> {
        let area = self.side_px * self.side_px;
        self.values.chunks(self.bands * area).flat_map(move |tile| &tile[band * area..][..area]).map(|v| v.to_f32())
    }

    /// Labelled pixels of each class.
    pub fn pixels(&self, classes: usize) -> Vec<u64> {
        let mut counts = [0u64; 256];
        self.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
        counts[..classes].to_vec()
    }

    /// Network inputs `[tiles, bands, side, side]` of whole tiles.
    pub fn inputs(&self, indices: std::ops::Range<usize>, scaling: &Scaling) -> Tensor {
        let size = self.bands * self.side_px * self.side_px;
        let of = &self.values[indices.start * size..indices.end * size];
        let mut values: Vec<f32> = of.par_iter().map(|value| value.to_f32()).collect();
        values.par_chunks_mut(size).for_each(|tile| scaling.apply(tile));
        Tensor::from_slice(&values).view([-1, self.bands as i64, self.side_px as i64, self.side_px as i64])
    }
}

/// Fills `labels` from a map of them.
fn read_labels(
    source: &Source,
    side_px: usize,
    ignored: &[bool],
    invalid: impl Iterator<Item = bool>,
    labels: &mut [u8],
) -> Result<()> {
    let wrong = |why: String| Err(Error::usage(format!("{}: {why}", source.mask.display())));
    let map = ClassNumbers::read(&source.mask)?;
    let [width, height] = map.size;
    if [width, height] != [side_px as u32; 2] {
        return wrong(format!("{width}×{height} pixels, its tile has {side_px}×{side_px}"));
    }
    for (pixel, ((label, number), is_invalid)) in labels.iter_mut().zip(map.pixels).zip(invalid).enumerate() {
        *label = match ignored.get(usize::from(number)) {
            _ if number == NO_CLASS || Some(number) == map.nodata => NO_CLASS,
            None => {
                return wrong(format!(
                    "the pixel at column {}, row {} (from 0) has the class {number}; --classes names 0 to {}",
                    pixel % side_px,
                    pixel / side_px,
                    ignored.len() - 1
                ));
            }
            Some(true) => NO_CLASS,
            Some(false) if is_invalid => NO_CLASS,
            Some(false) => number,
        };
    }
    Ok(())
}
