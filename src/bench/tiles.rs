//! Tiles to measure on, where none are given.

use std::path::{Path, PathBuf};

use jiff::civil::date;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Result;
use crate::model::Manifest;
use crate::simulate::field::{Field, pair};
use crate::simulate::random::normal_pair;
use crate::simulate::tile::Tile;

/// Slope of the power spectrum of land cover.
const SLOPE: f32 = 2.4;
/// Standard deviation of the sensor's noise in reflectance: 30 DN, with which tiles compress about as real ones do.
const NOISE: f32 = 0.003;
/// What a pixel may hold: DN 0 is nodata.
const REFLECTANCE: [f32; 2] = [0.0005, 1.0];

/// Writes `count` tiles of the model's bands and size to `folder`: `uint16`, band after band, Deflate with predictor 2,
/// smooth ground with noise around each band's mean. Tile n is the same in every run.
///
/// # Errors
/// [`crate::Kind::Output`] if a file cannot be written.
pub fn write_tiles(folder: &Path, manifest: &Manifest, count: usize) -> Result<Vec<PathBuf>> {
    let bands: Vec<&str> = manifest.bands.iter().map(|band| band.name.as_str()).collect();
    let side = manifest.tile_px as usize;
    let one = |number: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        let ground = pair(side, SLOPE, &mut random);
        let planes = manifest
            .bands
            .iter()
            .enumerate()
            .map(|(index, band)| plane(&ground, index, [band.mean, band.standard_deviation], &mut random));
        let path = folder.join(format!("tile-{number:05}.tif"));
        let tile = Tile {
            bands: &bands,
            reflectance: &planes.collect::<Vec<_>>().concat(),
            side,
            centre: (9.0, 54.0),
            date: date(2026, 7, 1),
            cloud_cover_percent: 0.0,
            description: "s2infer bench",
        };
        tile.write(&path).map(|()| path)
    };
    (0..count).map(one).collect()
}

/// One band: bands share most of the ground, as real ones do.
fn plane([common, own]: &[Field; 2], index: usize, [mean, deviation]: [f32; 2], random: &mut ChaCha8Rng) -> Vec<f32> {
    let shift = index as isize * 7;
    let side = common.side as isize;
    let pixel = |at: isize| {
        let (row, column) = (at / side, at % side);
        let ground = 0.9 * common.at(row, column) + 0.4 * own.at(row + shift, column);
        let [noise, _] = normal_pair(random);
        (mean + deviation * ground + NOISE * noise).clamp(REFLECTANCE[0], REFLECTANCE[1])
    };
    (0..side * side).map(pixel).collect()
}
