//! Maps of a segmentation model: a class and its probability for every pixel.
//!
//! Windows that overlap are blended ([`Blend`]); without an overlap each window decides its own core. What is written
//! of a tile, its class shares included, is of the map. A window's own row is of its own prediction over its core: it
//! is out before the windows below it are known.

use super::batch::Tile;
use super::maps::Target;
use crate::Result;
use crate::decide::pixel_rule;
use crate::infer::blend::{Blend, BlendedRow};
use crate::infer::head::ClassMap;
use crate::output::{Classes, Confidence, MapWriter, NO_CLASS, NO_CONFIDENCE};
use crate::raster::Window;

/// The maps of one tile.
pub(super) struct PixelMaps {
    outputs: PixelOutputs,
    blend: Option<Blend>,
}

/// Where pixels go once they are final.
struct PixelOutputs {
    /// [`crate::model::Manifest::pixel_threshold`]
    threshold: Option<f32>,
    classes: Option<MapWriter<Classes>>,
    confidence: Option<MapWriter<Confidence>>,
    shares: Shares,
}

/// Class probabilities summed over the valid pixels of a tile.
#[derive(Default)]
struct Shares {
    sums: Vec<f64>,
    pixels: u64,
}

impl PixelMaps {
    pub(super) fn open(target: &Target<'_>, overlap_px: u32, has_distribution: bool) -> Result<Self> {
        let manifest = target.manifest;
        let names = (0u8..).zip(manifest.classes.iter().cloned()).collect();
        let outputs = PixelOutputs {
            threshold: manifest.pixel_threshold,
            classes: target.mask(Classes { names })?,
            confidence: target.score_map(Confidence)?,
            shares: Shares::default(),
        };
        let is_asked_for = has_distribution || outputs.classes.is_some() || outputs.confidence.is_some();
        let [width, height] = target.size;
        let blend = (overlap_px > 0 && is_asked_for)
            .then(|| Blend::new(width, height, manifest.tile_px, manifest.classes.len()))
            .transpose()?;
        Ok(Self { outputs, blend })
    }

    /// Takes a window's prediction; the mean soft-max over the valid pixels of its core, or `None` where there are none.
    pub(super) fn add(&mut self, tile: &Tile, index: u64, map: &ClassMap, valid: &[bool]) -> Result<Option<Vec<f32>>> {
        let (window, core) = (tile.windows.window(index), tile.windows.core(index));
        let mut part = Shares { sums: vec![0.0; map.classes], pixels: 0 };
        let (mut labels, mut percents) = (Vec::new(), Vec::new());
        for y in core.y - window.y..core.y - window.y + core.height {
            for x in core.x - window.x..core.x - window.x + core.width {
                let (row, column) = (y as usize, x as usize);
                let is_valid = valid.get(row * map.side_px + column).copied().unwrap_or(false);
                let probability = |class| map.probability(class, row, column);
                let class = is_valid.then(|| pixel_rule(map.classes, self.outputs.threshold, probability) as u8);
                labels.push(class.unwrap_or(NO_CLASS));
                percents.push(class.map_or(NO_CONFIDENCE, |class| percent(probability(class.into()))));
                if is_valid {
                    part.pixels += 1;
                    (0..map.classes).for_each(|class| part.sums[class] += f64::from(probability(class)));
                }
            }
        }
        match &mut self.blend {
            Some(blend) => blend.add(window, map, valid, |row| self.outputs.row(row))?,
            None => {
                self.outputs.shares.add(&part);
                self.outputs.write(core, &labels, &percents)?;
            }
        }
        Ok(part.means().map(|means| means.into_iter().map(|mean| mean as f32).collect()))
    }

    /// Completes the maps; the tile's class shares, or `None` where no pixel was valid.
    pub(super) fn finish(mut self, height: u32) -> Result<Option<Vec<f64>>> {
        if let Some(mut blend) = self.blend {
            blend.finish_above(height, |row| self.outputs.row(row))?;
        }
        let PixelOutputs { classes, confidence, shares, .. } = self.outputs;
        classes.map(MapWriter::finish).transpose()?;
        confidence.map(MapWriter::finish).transpose()?;
        Ok(shares.means())
    }
}

impl PixelOutputs {
    fn row(&mut self, row: BlendedRow<'_>) -> Result<()> {
        let width = row.width();
        let classes = row.means.len() / width;
        let mut part = Shares { sums: vec![0.0; classes], pixels: 0 };
        let (mut labels, mut percents) = (vec![NO_CLASS; width], vec![NO_CONFIDENCE; width]);
        for x in (0..width).filter(|&x| row.is_valid(x)) {
            (0..classes).for_each(|class| part.sums[class] += f64::from(row.probability(class, x)));
            let best = pixel_rule(classes, self.threshold, |class| row.probability(class, x));
            part.pixels += 1;
            (labels[x], percents[x]) = (best as u8, percent(row.probability(best, x)));
        }
        self.shares.add(&part);
        self.write(Window { x: 0, y: row.y, width: width as u32, height: 1 }, &labels, &percents)
    }

    fn write(&mut self, place: Window, labels: &[u8], percents: &[u8]) -> Result<()> {
        self.classes.as_mut().map_or(Ok(()), |classes| classes.write(place, labels))?;
        self.confidence.as_mut().map_or(Ok(()), |confidence| confidence.write(place, percents))
    }
}

fn percent(probability: f32) -> u8 {
    (100.0 * probability).round() as u8
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
