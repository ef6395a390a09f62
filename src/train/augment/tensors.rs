//! The eight symmetries of the square, one drawn for every patch of a batch.

use rand::RngExt;
use tch::{Device, Tensor};

/// Symmetry `k` of 0..8 of `[n, bands, height, width]`: bit 0 flips columns, bit 1 flips rows, bit 2 transposes.
pub fn symmetry(x: &Tensor, k: usize) -> Tensor {
    let mut x = x.shallow_clone();
    if k & 4 != 0 {
        x = x.transpose(2, 3);
    }
    if k & 2 != 0 {
        x = x.flip([2]);
    }
    if k & 1 != 0 {
        x = x.flip([3]);
    }
    x
}

/// A batch of the given rows of `pixels`, each under a symmetry drawn at random, and its labels.
pub fn batch(pixels: &Tensor, labels: &Tensor, rows: &[i64], rng: &mut impl RngExt) -> (Tensor, Tensor) {
    let mut by_symmetry: [Vec<i64>; 8] = Default::default();
    for &row in rows {
        by_symmetry[rng.random_range(0..8)].push(row);
    }
    let order: Vec<i64> = by_symmetry.iter().flatten().copied().collect();
    let parts: Vec<Tensor> = by_symmetry
        .iter()
        .enumerate()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(k, rows)| symmetry(&pixels.index_select(0, &Tensor::from_slice(rows)), k))
        .collect();
    (Tensor::cat(&parts, 0), labels.index_select(0, &Tensor::from_slice(&order).to_device(Device::Cpu)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use tch::{Kind, Tensor};

    use super::*;
    use crate::train::parameters::values;

    #[test]
    fn eight_symmetries_differ_and_keep_every_pixel() {
        let x = Tensor::arange(9, (Kind::Float, Device::Cpu)).view([1, 1, 3, 3]);
        let views: BTreeSet<Vec<u32>> =
            (0..8).map(|k| values(&symmetry(&x, k)).iter().map(|v| *v as u32).collect()).collect();
        assert_eq!(views.len(), 8);
        for mut view in views {
            view.sort();
            assert_eq!(view, (0..9).collect::<Vec<_>>());
        }
    }

    #[test]
    fn labels_follow_their_patches() {
        let pixels = Tensor::arange(64, (Kind::Float, Device::Cpu)).view([64, 1, 1, 1]);
        let labels = Tensor::arange(64, (Kind::Float, Device::Cpu)) * 2;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (x, y) = batch(&pixels, &labels, &(0..64).rev().collect::<Vec<_>>(), &mut rng);
        assert_eq!(values(&(x.flatten(0, -1) * 2)), values(&y));
    }
}
