//! Tiles to measure on, where none are given.

use std::path::{Path, PathBuf};

use jiff::civil::date;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::model::Manifest;
use crate::simulate::field::{Field, pair};
use crate::simulate::random::normal_pair;
use crate::simulate::tile::{Format, Tile};
use crate::{Error, Result};

/// Slope of the power spectrum of land cover.
const SLOPE: f32 = 2.4;
/// Standard deviation of the sensor's noise in reflectance: 30 DN, with which tiles compress about as real ones do.
const NOISE: f32 = 0.003;
/// What a pixel may hold: DN 0 is nodata.
const REFLECTANCE: [f32; 2] = [0.0005, 1.0];

/// Mean and standard deviation of a band that no channel of the model states any of.
const STATISTICS: [f32; 2] = [0.15, 0.05];

/// Writes `count` tiles of the bands that the model reads, in its size, to `folder`: `uint16`, band after band, Deflate
/// with predictor 2, smooth ground with noise around each band's mean; where a band is no reflectance, all in `float32` as
/// NumPy's arrays. Tile n is the same in every run.
///
/// # Errors
/// [`crate::Kind::Output`] if a file cannot be written.
pub fn write_tiles(folder: &Path, manifest: &Manifest, count: usize) -> Result<Vec<PathBuf>> {
    let sources = manifest.sources();
    let bands: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let is_reflectance = sources.iter().all(|source| source.is_reflectance);
    let side = manifest.tile_px as usize;
    let one = |number: usize| {
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        let ground = pair(side, SLOPE, &mut random);
        let planes = sources.iter().enumerate().map(|(index, source)| {
            let channel = manifest.bands.iter().find(|band| band.name == source.name);
            let statistics = channel.map_or(STATISTICS, |band| [band.mean, band.standard_deviation]);
            plane(&ground, index, statistics, source.is_reflectance, &mut random)
        });
        if !is_reflectance {
            let path = folder.join(format!("tile-{number:05}.npy"));
            return write_array(&path, [bands.len(), side, side], &planes.collect::<Vec<_>>().concat()).map(|()| path);
        }
        let path = folder.join(format!("tile-{number:05}.tif"));
        let tile = Tile {
            bands: &bands,
            values: &planes.collect::<Vec<_>>().concat(),
            side,
            centre: (9.0, 54.0),
            date: date(2026, 7, 1),
            cloud_cover_percent: 0.0,
            description: "s2infer bench",
        };
        tile.write(&path, Format::Dn).map(|()| path)
    };
    (0..count).map(one).collect()
}

/// An array in NumPy's format, version 1.0.
fn write_array(path: &Path, shape: [usize; 3], values: &[f32]) -> Result<()> {
    let [bands, height, width] = shape;
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({bands}, {height}, {width}), }}");
    // The samples begin at a multiple of 64, behind ten bytes, the dictionary and the end of its line.
    let length = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{dictionary:<0$}\n", length - 1).bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(path, bytes).map_err(|error| Error::output(error).context(path.display()))
}

/// One band: bands share most of the ground, as real ones do.
fn plane(
    [common, own]: &[Field; 2],
    index: usize,
    [mean, deviation]: [f32; 2],
    is_reflectance: bool,
    random: &mut ChaCha8Rng,
) -> Vec<f32> {
    let shift = index as isize * 7;
    let side = common.side as isize;
    let pixel = |at: isize| {
        let (row, column) = (at / side, at % side);
        let ground = 0.9 * common.at(row, column) + 0.4 * own.at(row + shift, column);
        let [noise, _] = normal_pair(random);
        let value = mean + deviation * ground + NOISE * noise;
        if is_reflectance { value.clamp(REFLECTANCE[0], REFLECTANCE[1]) } else { value }
    };
    (0..side * side).map(pixel).collect()
}
