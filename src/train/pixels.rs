//! Patches as the network sees them: read, masked, clipped and standardised by the same code that runs later.

use std::path::Path;

use rayon::prelude::*;
use tch::Tensor;

use super::patches::Patch;
use crate::infer::preprocess::Preprocessing;
use crate::model::Manifest;
use crate::model::manifest::{Band, TrainingStatistics};
use crate::raster::Planes;
use crate::scene::{Scene, SceneOptions};
use crate::{Error, Result};

/// Every how many pixels one goes into the percentiles.
const PERCENTILE_STRIDE: usize = 7;
/// Smallest standard deviation, so that a band without contrast does not divide by zero.
const DEVIATION_MIN: f64 = 1e-6;

/// Network inputs of the patches, `[patches, bands, tile_px, tile_px]`, standardised as `manifest` says. Paths are
/// relative to `folder`.
pub fn inputs(folder: &Path, patches: &[&Patch], manifest: &Manifest) -> Result<Tensor> {
    let values = read_all(folder, patches, manifest, 0.0)?;
    let (bands, side) = (manifest.bands.len() as i64, i64::from(manifest.tile_px));
    Ok(Tensor::from_slice(&values).view([-1, bands, side, side]))
}

/// Clipped reflectance of one patch, band after band, row by row; NaN where a pixel is invalid.
pub fn reflectance(folder: &Path, patch: &Patch, manifest: &Manifest) -> Result<Vec<f32>> {
    let manifest = unscaled(manifest);
    read_one(&folder.join(&patch.path), &manifest, &Preprocessing::new(&manifest), f32::NAN)
}

/// The manifest with bands whose standardisation changes nothing.
fn unscaled(manifest: &Manifest) -> Manifest {
    let plain = |band: &Band| Band { mean: 0.0, standard_deviation: 1.0, ..band.clone() };
    Manifest { bands: manifest.bands.iter().map(plain).collect(), ..manifest.clone() }
}

/// The manifest's bands with the statistics of the patches' clipped reflectance; invalid pixels do not count.
pub fn with_statistics(folder: &Path, patches: &[&Patch], manifest: &Manifest) -> Result<Vec<Band>> {
    let values = read_all(folder, patches, &unscaled(manifest), f32::NAN)?;
    let plane = (manifest.tile_px * manifest.tile_px) as usize;
    let band_values = |band: usize| values.chunks(plane).skip(band).step_by(manifest.bands.len()).flatten().copied();
    manifest
        .bands
        .iter()
        .enumerate()
        .map(|(index, band)| {
            statistics(band, || band_values(index).filter(|v| !v.is_nan()))
                .ok_or_else(|| Error::usage(format!("no valid pixel of band {} in the training patches", band.name)))
        })
        .collect()
}

fn statistics<I: Iterator<Item = f32>>(band: &Band, values: impl Fn() -> I) -> Option<Band> {
    let count = values().count() as f64;
    let mean = values().map(f64::from).sum::<f64>() / count;
    let variance = values().map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let mut sample: Vec<f32> = values().step_by(PERCENTILE_STRIDE).collect();
    sample.sort_by(f32::total_cmp);
    let last = sample.len().checked_sub(1)?;
    let at = |share: f64| sample[(last as f64 * share).round() as usize];
    let training = Some(TrainingStatistics { p02: at(0.02), median: at(0.5), p98: at(0.98) });
    let standard_deviation = variance.sqrt().max(DEVIATION_MIN) as f32;
    Some(Band { mean: mean as f32, standard_deviation, training, ..band.clone() })
}

fn read_all(folder: &Path, patches: &[&Patch], manifest: &Manifest, invalid: f32) -> Result<Vec<f32>> {
    if patches.is_empty() {
        return Err(Error::usage("the manifest of patches has none of a split that is needed"));
    }
    let preprocessing = Preprocessing::new(manifest);
    let read = |patch: &&Patch| read_one(&folder.join(&patch.path), manifest, &preprocessing, invalid);
    let parts: Result<Vec<Vec<f32>>> = patches.par_iter().map(read).collect();
    Ok(parts?.concat())
}

fn read_one(path: &Path, manifest: &Manifest, preprocessing: &Preprocessing, invalid: f32) -> Result<Vec<f32>> {
    let scene = Scene::open(path, manifest, &SceneOptions::default())?;
    let (extent, side) = (scene.extent(), manifest.tile_px);
    if (extent.width, extent.height) != (side, side) {
        let size = format!("{} × {} pixels", extent.width, extent.height);
        return Err(Error::usage(format!("{}: {size}, but patches are {side} × {side}", path.display())));
    }
    let mut planes = Planes::new();
    scene.raster.read(extent, &scene.bands.indices, &mut planes)?;
    let plane = (side * side) as usize;
    let mut values = vec![0.0; manifest.bands.len() * plane];
    let mut valid = vec![true; plane];
    preprocessing.apply(&planes, &scene.radiometry, &mut values, &mut valid);
    for band in values.chunks_mut(plane) {
        band.iter_mut().zip(&valid).filter(|(_, is_valid)| !**is_valid).for_each(|(value, _)| *value = invalid);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_values() {
        let band = Band { name: "B04".into(), mean: 0.0, standard_deviation: 1.0, training: None };
        let values: Vec<f32> = (1..=8).map(|v| v as f32).collect();
        let of = statistics(&band, || values.iter().copied()).unwrap();
        assert_eq!(of.mean, 4.5);
        assert!((of.standard_deviation - 5.25f32.sqrt()).abs() < 1e-6);
        assert!(statistics(&band, std::iter::empty).is_none());
    }
}
