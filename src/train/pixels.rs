//! Patches in reflectance: read, masked and clipped by the same code that runs later, and their statistics.

use std::path::Path;

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

/// Clipped reflectance of one patch, band after band, row by row; NaN where a pixel is invalid.
pub fn reflectance(folder: &Path, patch: &Patch, manifest: &Manifest) -> Result<Vec<f32>> {
    read(&folder.join(&patch.path), &unscaled(manifest))
}

/// The manifest with bands whose standardisation changes nothing.
pub(super) fn unscaled(manifest: &Manifest) -> Manifest {
    let plain = |band: &Band| Band { mean: 0.0, standard_deviation: 1.0, ..band.clone() };
    Manifest { bands: manifest.bands.iter().map(plain).collect(), ..manifest.clone() }
}

/// The bands with the statistics of their clipped reflectance, of which `values` gives a band's, NaN where a pixel is
/// invalid; such do not count.
pub fn with_statistics<I: Iterator<Item = f32>>(bands: &[Band], values: impl Fn(usize) -> I) -> Result<Vec<Band>> {
    let of = |(index, band): (usize, &Band)| {
        statistics(band, || values(index).filter(|value| !value.is_nan()))
            .ok_or_else(|| Error::usage(format!("no valid pixel of band {} in the training patches", band.name)))
    };
    bands.iter().enumerate().map(of).collect()
}

fn statistics<I: Iterator<Item = f32>>(band: &Band, values: impl Fn() -> I) -> Option<Band> {
    let count = values().count() as f64;
    let mean = values().map(f64::from).sum::<f64>() / count;
    let variance = values().map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let mut sample: Vec<f32> = values().step_by(PERCENTILE_STRIDE).collect();
    let last = sample.len().checked_sub(1)?;
    let mut at = |share: f64| *sample.select_nth_unstable_by((last as f64 * share).round() as usize, f32::total_cmp).1;
    let training = Some(TrainingStatistics { p02: at(0.02), median: at(0.5), p98: at(0.98) });
    let standard_deviation = variance.sqrt().max(DEVIATION_MIN) as f32;
    Some(Band { mean: mean as f32, standard_deviation, training, ..band.clone() })
}

/// Clipped reflectance of a file, as an [`unscaled`] manifest says.
pub(super) fn read(path: &Path, manifest: &Manifest) -> Result<Vec<f32>> {
    let scene = Scene::open(path, manifest, &SceneOptions::default())?;
    let (extent, side) = (scene.extent(), manifest.tile_px);
    if (extent.width, extent.height) != (side, side) {
        let size = format!("{} × {} pixels", extent.width, extent.height);
        return Err(Error::usage(format!("{}: {size}, but --tile-px is {side}", path.display())));
    }
    let mut planes = Planes::new();
    scene.image.read(extent, &scene.bands.indices, &mut planes)?;
    let plane = (side * side) as usize;
    let mut values = vec![0.0; manifest.bands.len() * plane];
    let mut valid = vec![true; plane];
    let census = Preprocessing::new(manifest).apply(&planes, &scene.radiometry, &mut values, &mut valid);
    census.check_plausible(&scene.radiometry).map_err(|e| e.context(path.display()))?;
    for band in values.chunks_mut(plane) {
        band.iter_mut().zip(&valid).filter(|(_, is_valid)| !**is_valid).for_each(|(value, _)| *value = f32::NAN);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_values() {
        let band = Band {
            name: "B04".into(),
            mean: 0.0,
            standard_deviation: 1.0,
            training: None,
            substitutes: Vec::new(),
            expression: None,
        };
        let values: Vec<f32> = (1..=8).map(|v| v as f32).collect();
        let of = statistics(&band, || values.iter().copied()).unwrap();
        assert_eq!(of.mean, 4.5);
        assert!((of.standard_deviation - 5.25f32.sqrt()).abs() < 1e-6);
        assert!(statistics(&band, std::iter::empty).is_none());
    }
}
