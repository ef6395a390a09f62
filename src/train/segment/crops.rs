//! Batches of crops: a random place of a tile, turned, flipped, and a little brighter or darker.

use std::time::Duration;

use half::f16;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::tiles::Tiles;
use super::{Jitter, Method};
use crate::train::ahead;
use crate::train::augment::noise::near_normal;
use crate::train::samples::Scaling;

/// Symmetries of the square.
const SYMMETRIES: u32 = 8;

/// How tiles become batches.
#[derive(Debug)]
pub struct Crops<'a> {
    /// The tiles.
    pub tiles: &'a Tiles,
    /// The model's standardisation.
    pub scaling: Scaling,
    /// Size, number and augmentation of the crops.
    pub method: Method,
    /// Crops a batch.
    pub batch: usize,
    /// Seed of everything random.
    pub seed: u64,
}

/// Crops with their labels.
#[derive(Debug)]
pub struct Batch {
    /// `[n, bands, crop, crop]`
    pub inputs: Tensor,
    /// `[n, crop, crop]` of int64; [`crate::output::NO_CLASS`] where there is none.
    pub labels: Tensor,
    /// Weights of the crops' tiles, `[n]`.
    pub weights: Tensor,
}

/// Numbers on their way to tensors.
struct Raw {
    inputs: Vec<f32>,
    labels: Vec<u8>,
    weights: Vec<f32>,
}

impl Crops<'_> {
    /// Crops of an epoch.
    pub fn len(&self) -> usize {
        self.tiles.len() * self.method.crops
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands the batches of an epoch to `step`, in order. What a batch holds depends on the seed, `epoch` and its place
    /// alone. Returns the time that was spent waiting for batches.
    ///
    /// # Errors
    /// The first of `step`.
    pub fn run<E>(&self, epoch: usize, mut step: impl FnMut(Batch) -> Result<(), E>) -> Result<Duration, E> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch as u64);
        let mut order: Vec<usize> = (0..self.len()).map(|crop| crop % self.tiles.len()).collect();
        order.shuffle(&mut rng);
        let batches = order.len().div_ceil(self.batch);
        let of = |batch: usize| &order[batch * self.batch..order.len().min((batch + 1) * self.batch)];
        let (bands, side) = (self.tiles.bands as i64, self.method.crop_px as i64);
        ahead::run(
            batches,
            |batch| self.raw(of(batch), epoch, batch),
            |raw| {
                step(Batch {
                    inputs: Tensor::from_slice(&raw.inputs).view([-1, bands, side, side]),
                    labels: Tensor::from_slice(&raw.labels).view([-1, side, side]).to_kind(Kind::Int64),
                    weights: Tensor::from_slice(&raw.weights),
                })
            },
        )
    }

    fn raw(&self, tiles: &[usize], epoch: usize, batch: usize) -> Raw {
        let area = self.method.crop_px * self.method.crop_px;
        let size = self.tiles.bands * area;
        let mut inputs = vec![0.0; tiles.len() * size];
        let mut labels = vec![0; tiles.len() * area];
        let targets = inputs.par_chunks_mut(size).zip(labels.par_chunks_mut(area));
        targets.zip(tiles).enumerate().for_each(|(row, ((values, labels), &tile))| {
            let mut rng = ahead::rng(self.seed, epoch, batch, row);
            let walk = self.walk(&mut rng);
            let tile_area = self.tiles.side_px * self.tiles.side_px;
            let planes = self.tiles.tile(tile).chunks(tile_area).zip(values.chunks_mut(area));
            planes.for_each(|(from, to)| walk.copy(from, to, f16::to_f32));
            walk.copy(self.tiles.labels(tile), labels, |label| label);
            self.method.jitter.apply(values, area, &mut rng);
            self.scaling.apply(values);
        });
        Raw { inputs, labels, weights: tiles.iter().map(|&tile| self.tiles.weight(tile)).collect() }
    }

    /// A random crop of a tile.
    fn walk(&self, rng: &mut ChaCha8Rng) -> Walk {
        let room = self.tiles.side_px - self.method.crop_px;
        let [row, column] = [0; 2].map(|_: usize| rng.random_range(0..=room));
        let symmetry = if self.method.symmetries { rng.random_range(0..SYMMETRIES) } else { 0 };
        Walk::new([row, column], self.method.crop_px, self.tiles.side_px, symmetry)
    }
}

/// The way through a square plane that gives a crop of it row by row.
struct Walk {
    first: usize,
    along_columns: isize,
    along_rows: isize,
    crop_px: usize,
}

impl Walk {
    /// A crop from its upper left corner, row and column, in a plane `side_px` wide; the bits of `symmetry` turn columns
    /// round, rows round, and swap both.
    fn new([row, column]: [usize; 2], crop_px: usize, side_px: usize, symmetry: u32) -> Self {
        let (flip_columns, flip_rows, transpose) = (symmetry & 1 == 1, symmetry & 2 == 2, symmetry & 4 == 4);
        let last = crop_px - 1;
        let first = (row + if flip_rows { last } else { 0 }) * side_px + column + if flip_columns { last } else { 0 };
        let along_columns = if flip_columns { -1 } else { 1 };
        let along_rows = if flip_rows { -(side_px as isize) } else { side_px as isize };
        match transpose {
            true => Self { first, along_columns: along_rows, along_rows: along_columns, crop_px },
            false => Self { first, along_columns, along_rows, crop_px },
        }
    }

    fn copy<T: Copy, U>(&self, from: &[T], to: &mut [U], convert: impl Fn(T) -> U) {
        for (row, line) in to.chunks_exact_mut(self.crop_px).enumerate() {
            let mut at = self.first as isize + row as isize * self.along_rows;
            for value in line {
                *value = convert(from[at as usize]);
                at += self.along_columns;
            }
        }
    }
}

impl Jitter {
    /// Nothing.
    pub const NONE: Self = Self { gain: 0.0, band_gain: 0.0, offset: 0.0 };

    /// Changes a crop `[bands, pixels]`, each band of `area` pixels.
    fn apply(&self, crop: &mut [f32], area: usize, rng: &mut ChaCha8Rng) {
        if *self == Self::NONE {
            return;
        }
        let gain = 1.0 + self.gain * rng.random_range(-1.0..=1.0);
        for band in crop.chunks_mut(area) {
            let gain = (gain * (1.0 + self.band_gain * f64::from(near_normal(rng)))) as f32;
            let offset = (self.offset * f64::from(near_normal(rng))) as f32;
            band.iter_mut().for_each(|value| *value = *value * gain + offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row and column of a 4 × 4 plane as one number.
    fn plane() -> Vec<u8> {
        (0..16).map(|pixel| pixel / 4 * 10 + pixel % 4).collect()
    }

    fn crop(symmetry: u32) -> Vec<u8> {
        let mut to = vec![0; 4];
        Walk::new([1, 2], 2, 4, symmetry).copy(&plane(), &mut to, |value| value);
        to
    }

    #[test]
    fn a_crop_is_cut_where_it_lies_and_turned_in_every_way() {
        assert_eq!(crop(0), [12, 13, 22, 23]);
        assert_eq!(crop(1), [13, 12, 23, 22]);
        assert_eq!(crop(2), [22, 23, 12, 13]);
        assert_eq!(crop(4), [12, 22, 13, 23]);
        let mut all: Vec<_> = (0..SYMMETRIES).map(crop).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn jitter_keeps_invalid_pixels_and_moves_a_band_as_a_whole() {
        let mut values = [0.1, 0.2, f32::NAN, 0.1, 0.2, f32::NAN];
        Jitter { gain: 0.2, band_gain: 0.05, offset: 0.01 }.apply(&mut values, 3, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(values[2].is_nan() && values[5].is_nan());
        let slopes = [(values[1] - values[0]) / 0.1, (values[4] - values[3]) / 0.1];
        assert!(slopes.iter().all(|slope| (0.6..1.4).contains(slope)) && slopes[0] != slopes[1], "{slopes:?}");
    }
}
