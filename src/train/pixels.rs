//! Patches as clipped reflectance, and what the network gets to see of it.

use std::path::Path;

use rayon::prelude::*;
use tch::Tensor;

use super::patches::Patch;
use crate::model::manifest::TrainingStatistics;
use crate::{Error, Result};

/// Every how many pixels one goes into the percentiles.
const PERCENTILE_STRIDE: usize = 7;

/// Reflectance of equally large patches: `[patches, bands, side, side]`.
#[derive(Debug)]
pub struct Pixels {
    /// Row by row, band by band, patch by patch.
    pub values: Vec<f32>,
    /// Number of bands.
    pub bands: usize,
    /// Height and width in pixels.
    pub side: usize,
}

/// Mean, standard deviation and percentiles of one band's clipped reflectance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandStatistics {
    /// Mean.
    pub mean: f32,
    /// Standard deviation, at least 1e-6.
    pub standard_deviation: f32,
    /// Percentiles.
    pub percentiles: TrainingStatistics,
}

impl Pixels {
    /// Reads the patches, whose paths are relative to `folder`, through `read_one`, which gives
    /// `bands × side × side` values of reflectance.
    pub fn read(
        folder: &Path,
        patches: &[&Patch],
        bands: usize,
        read_one: impl Fn(&Path) -> Result<(Vec<f32>, usize)> + Sync,
    ) -> Result<Self> {
        let read: Result<Vec<_>> = patches.par_iter().map(|patch| read_one(&folder.join(&patch.path))).collect();
        let read = read?;
        let Some(&(_, side)) = read.first() else {
            return Err(Error::usage("no patch of that split in the manifest"));
        };
        let mut values = Vec::with_capacity(read.len() * bands * side * side);
        for ((patch, (pixels, _)), number) in patches.iter().zip(read).zip(1..) {
            if pixels.len() != bands * side * side {
                let path = folder.join(&patch.path);
                return Err(Error::usage(format!(
                    "{}: patch {number} is not {bands} bands of {side}×{side} pixels like the first",
                    path.display()
                )));
            }
            values.extend(pixels);
        }
        Ok(Self { values, bands, side })
    }

    /// The values of one band over all patches.
    fn band(&self, band: usize) -> impl Iterator<Item = f32> + '_ {
        let plane = self.side * self.side;
        self.values.chunks(plane).skip(band).step_by(self.bands).flatten().copied()
    }

    /// Statistics of every band.
    pub fn statistics(&self) -> Vec<BandStatistics> {
        (0..self.bands).map(|band| self.band_statistics(band)).collect()
    }

    fn band_statistics(&self, band: usize) -> BandStatistics {
        let count = (self.values.len() / self.bands) as f64;
        let mean = self.band(band).map(f64::from).sum::<f64>() / count;
        let variance = self.band(band).map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
        let mut sample: Vec<f32> = self.band(band).step_by(PERCENTILE_STRIDE).collect();
        sample.sort_by(f32::total_cmp);
        let at = |share: f64| sample[((sample.len() - 1) as f64 * share).round() as usize];
        let percentiles = TrainingStatistics { p02: at(0.02), median: at(0.5), p98: at(0.98) };
        BandStatistics { mean: mean as f32, standard_deviation: variance.sqrt().max(1e-6) as f32, percentiles }
    }

    /// The network's input, `[patches, bands, side, side]`: (reflectance − mean) / standard deviation.
    pub fn standardised(mut self, statistics: &[BandStatistics]) -> Tensor {
        let plane = self.side * self.side;
        for (index, values) in self.values.chunks_mut(plane).enumerate() {
            let of = &statistics[index % self.bands];
            values.iter_mut().for_each(|v| *v = (*v - of.mean) / of.standard_deviation);
        }
        let (bands, side) = (self.bands as i64, self.side as i64);
        Tensor::from_slice(&self.values).view([-1, bands, side, side])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_each_band() {
        // two patches, two bands, 2×2 pixels
        let values = vec![1., 2., 3., 4., 10., 10., 10., 10., 5., 6., 7., 8., 10., 10., 10., 30.];
        let pixels = Pixels { values, bands: 2, side: 2 };
        let statistics = pixels.statistics();
        assert_eq!(statistics[0].mean, 4.5);
        assert!((statistics[0].standard_deviation - 5.25f32.sqrt()).abs() < 1e-6);
        assert_eq!(statistics[1].mean, 12.5);
        let input = pixels.standardised(&statistics);
        assert_eq!(input.size(), [2, 2, 2, 2]);
        assert!(input.mean_dim([0i64, 2, 3].as_slice(), false, tch::Kind::Float).abs().max().double_value(&[]) < 1e-6);
    }
}
