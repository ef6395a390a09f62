//! Labelled patches in memory, in reflectance, and how they become what a network sees.

use std::path::Path;

use rayon::prelude::*;
use tch::Tensor;

use super::augment::{Circumstances, Optics};
use super::patches::Patch;
use super::pixels;
use crate::decide::{Bounds, group_name};
use crate::labelled::{season, sky};
use crate::model::Manifest;
use crate::model::manifest::Band;
use crate::{Error, Result};

/// Group of patches without season or sky.
pub const ALL: &str = "all";

/// Patches of one split.
#[derive(Debug)]
pub struct Samples {
    /// Reflectance, clipped as the model clips it, `[patches, bands, side, side]`; NaN marks an invalid pixel.
    pub values: Vec<f32>,
    /// Class of each patch.
    pub labels: Vec<u8>,
    /// Season, sky and latitude of each patch.
    pub circumstances: Vec<Circumstances>,
    /// Values of one patch: bands × side × side.
    pub size: usize,
    /// Height and width in pixels.
    pub side_px: usize,
    /// What each band measures.
    pub optics: Vec<Optics>,
}

impl Samples {
    /// Reads patches, whose paths are relative to `folder`, on all cores, as `manifest` says.
    ///
    /// # Errors
    /// A file that cannot be read or has another size; a season or cloud that is none.
    pub fn read(folder: &Path, patches: &[&Patch], manifest: &Manifest) -> Result<Self> {
        let side_px = manifest.tile_px as usize;
        let bounds = Bounds::default();
        let read = |patch: &&Patch| -> Result<(Vec<f32>, Circumstances)> {
            let named = |e: Error| e.context(patch.path.display());
            let cloud = patch.cloud.as_deref().filter(|text| !text.is_empty());
            let circumstances = Circumstances {
                season: season(patch.season.as_deref().unwrap_or_default()).map_err(named)?,
                sky: cloud.map(|text| sky(text, &bounds)).transpose().map_err(named)?.flatten(),
                latitude_deg: Some(patch.latitude as f32),
            };
            Ok((pixels::reflectance(folder, patch, manifest)?, circumstances))
        };
        let rows: Result<Vec<_>> = patches.par_iter().map(read).collect();
        let (values, circumstances): (Vec<Vec<f32>>, Vec<Circumstances>) = rows?.into_iter().unzip();
        Ok(Self {
            values: values.concat(),
            labels: patches.iter().map(|patch| patch.label).collect(),
            circumstances,
            size: manifest.bands.len() * side_px * side_px,
            side_px,
            optics: manifest.bands.iter().map(|band| Optics::of(&band.name)).collect(),
        })
    }

    /// Number of patches.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Reflectance of one patch.
    pub fn patch(&self, index: usize) -> &[f32] {
        &self.values[index * self.size..][..self.size]
    }

    /// Values of one band of all patches.
    pub fn band(&self, band: usize) -> impl Iterator<Item = f32> {
        let plane = self.side_px * self.side_px;
        self.values.chunks(self.size).flat_map(move |patch| &patch[band * plane..][..plane]).copied()
    }

    /// Network inputs `[patches, bands, side, side]` of the given patches.
    pub fn inputs(&self, indices: std::ops::Range<usize>, scaling: &Scaling) -> Tensor {
        let mut values = self.values[indices.start * self.size..indices.end * self.size].to_vec();
        values.par_chunks_mut(self.size).for_each(|patch| scaling.apply(patch));
        self.tensor(&values)
    }

    /// `[patches, bands, side, side]` of values in this order.
    pub fn tensor(&self, values: &[f32]) -> Tensor {
        let side = self.side_px as i64;
        Tensor::from_slice(values).view([-1, self.optics.len() as i64, side, side])
    }
}

/// `winter-cloudy`, or [`ALL`] where season or sky is unknown.
pub fn group(of: &Circumstances) -> String {
    match (of.season, of.sky) {
        (Some(season), Some(sky)) => group_name(season, sky),
        _ => ALL.to_owned(),
    }
}

/// The last step of preprocessing, as [`crate::infer::preprocess`] does it: clip, standardise, 0 for no data.
#[derive(Debug, Clone)]
pub struct Scaling {
    /// Clip, mean and 1 / standard deviation of each channel.
    bands: Vec<(Option<[f32; 2]>, f32, f32)>,
}

impl Scaling {
    /// As the manifest says.
    pub fn of(manifest: &Manifest) -> Self {
        let band = |band: &Band| (manifest.clip_of(band), band.mean, 1.0 / band.standard_deviation);
        Self { bands: manifest.bands.iter().map(band).collect() }
    }

    /// From reflectance to the network's input, in place: one patch `[bands, side, side]`.
    pub fn apply(&self, patch: &mut [f32]) {
        let plane = patch.len() / self.bands.len();
        for (values, (clip, mean, per_deviation)) in patch.chunks_mut(plane).zip(&self.bands) {
            for value in values {
                let clipped = clip.map_or(*value, |[low, high]| value.clamp(low, high));
                *value = if clipped.is_nan() { 0.0 } else { (clipped - mean) * per_deviation };
            }
        }
    }
}
