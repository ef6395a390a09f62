//! Windows as the network sees them, without running it.

use std::path::Path;

use ndarray::Array4;
use rayon::prelude::*;

use super::Input;
use super::feed::open_window_plan;
use crate::infer::preprocess::Preprocessing;
use crate::model::Manifest;
use crate::raster::Planes;
use crate::scene::SceneOptions;
use crate::{Error, Result};

/// The middle window of each tile, preprocessed for the model: `[n, bands, tile_px, tile_px]`, and which of `paths` they
/// are of. A tile on whose window the model would abstain is left out.
///
/// # Errors
/// The first tile that cannot be read.
pub fn read_inputs<P: AsRef<Path> + Sync>(
    manifest: &Manifest,
    scene: &SceneOptions,
    paths: &[P],
) -> Result<(Array4<f32>, Vec<usize>)> {
    let side = manifest.tile_px as usize;
    let preprocessing = Preprocessing::new(manifest);
    let read = |path: &P| -> Result<Option<Vec<f32>>> {
        let input = Input { path: path.as_ref().to_owned(), problem: None };
        let (scene, windows) = open_window_plan(manifest, scene, 0, &input)?;
        let window = windows.window(windows.count() / 2);
        let mut planes = Planes::new();
        scene.image.read(window, &scene.bands.indices, &mut planes)?;
        let mut values = vec![0.0; manifest.bands.len() * side * side];
        let mut valid = vec![true; side * side];
        let census = preprocessing.apply(&planes, &scene.radiometry, &mut values, &mut valid);
        census.check_plausible(&scene.radiometry)?;
        let is_decided = census.valid > 0 && census.valid_share(side * side) >= manifest.minimum_valid_share;
        Ok(is_decided.then_some(values))
    };
    let read = |path: &P| read(path).map_err(|error| error.context(path.as_ref().display()));
    let rows: Vec<Option<Vec<f32>>> = paths.par_iter().map(read).collect::<Result<_>>()?;
    let kept: Vec<usize> = (0..rows.len()).filter(|index| rows[*index].is_some()).collect();
    let values: Vec<f32> = rows.into_iter().flatten().flatten().collect();
    let inputs =
        Array4::from_shape_vec((kept.len(), manifest.bands.len(), side, side), values).map_err(Error::usage)?;
    Ok((inputs, kept))
}
