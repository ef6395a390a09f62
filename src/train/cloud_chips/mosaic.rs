//! Ground put together from small clear pieces.

use std::path::{Path, PathBuf};

use rand::RngExt;

use crate::model::Manifest;
use crate::simulate::skies::Pixel;
use crate::train::patches::{Patch, Split};
use crate::train::pixels;
use crate::{Error, Result};

/// How far along the list of patches, from west to east, neighbours in a mosaic may be: they are of about one place.
const REACH: usize = 150;
/// Sides of the pieces of a mosaic in pixels of 10 m and of 20 m: as they are, or enlarged.
const CELLS_PX: [[usize; 3]; 2] = [[64, 96, 128], [32, 32, 48]];

/// Patches in B04, B03, B02, by their longitude.
#[derive(Debug)]
pub struct Patches {
    folder: PathBuf,
    manifest: Manifest,
    patches: Vec<Patch>,
}

impl Patches {
    /// `manifest` says how patches (paths relative to `folder`) are read.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where its bands are not B04, B03, B02.
    pub fn new(folder: &Path, manifest: Manifest, mut patches: Vec<Patch>) -> Result<Self> {
        if !manifest.bands.iter().map(|band| band.name.as_str()).eq(["B04", "B03", "B02"]) {
            return Err(Error::usage("patches are read by a model whose bands are B04, B03, B02"));
        }
        patches.sort_by(|a, b| a.longitude.total_cmp(&b.longitude).then_with(|| a.path.cmp(&b.path)));
        Ok(Self { folder: folder.to_owned(), manifest, patches })
    }

    /// Top-of-atmosphere reflectance in B02, B03, B04 of a mosaic of patches of one split, and the first of them.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the split has none; those of reading.
    pub(super) fn mosaic(
        &self,
        split: Split,
        side: usize,
        pixel: Pixel,
        rng: &mut impl RngExt,
    ) -> Result<(Vec<f32>, &Patch)> {
        let of_split: Vec<&Patch> = self.patches.iter().filter(|patch| patch.split == split).collect();
        if of_split.is_empty() {
            return Err(Error::usage(format!("no patch of split {}", split.name())));
        }
        let at = rng.random_range(0..of_split.len());
        let nearby = &of_split[at.saturating_sub(REACH)..(at + REACH).min(of_split.len())];
        let own = self.manifest.tile_px as usize;
        let cells = CELLS_PX[usize::from(pixel == Pixel::Coarse)];
        let cell = cells[rng.random_range(0..cells.len())];
        let planes = tiled(side, cell, 3, rng, |rng| {
            let patch = nearby[rng.random_range(0..nearby.len())];
            let mut values = pixels::reflectance(&self.folder, patch, &self.manifest)?;
            // From red, green, blue.
            let (red_green, blue) = values.split_at_mut(2 * own * own);
            red_green[..own * own].swap_with_slice(blue);
            Ok((values, own))
        })?;
        Ok((planes, of_split[at]))
    }
}

/// Lays pieces beside each other, each stretched to `cell` pixels and turned or mirrored. `piece` gives `bands` planes and
/// their side.
pub(super) fn tiled<R: RngExt>(
    side: usize,
    cell: usize,
    bands: usize,
    rng: &mut R,
    mut piece: impl FnMut(&mut R) -> Result<(Vec<f32>, usize)>,
) -> Result<Vec<f32>> {
    let mut planes = vec![0.0; bands * side * side];
    for top in (0..side).step_by(cell) {
        for left in (0..side).step_by(cell) {
            let (values, own) = piece(rng)?;
            let turn: u8 = rng.random_range(0..8);
            for row in top..(top + cell).min(side) {
                for column in left..(left + cell).min(side) {
                    let [x, y] = turned([column - left, row - top], cell, turn);
                    let at = [x, y].map(|at| (at as f32 + 0.5) * own as f32 / cell as f32 - 0.5);
                    for band in 0..bands {
                        planes[(band * side + row) * side + column] =
                            bilinear(&values[band * own * own..][..own * own], [own, own], at);
                    }
                }
            }
        }
    }
    Ok(planes)
}

fn turned([x, y]: [usize; 2], side: usize, turn: u8) -> [usize; 2] {
    let x = if turn & 1 > 0 { side - 1 - x } else { x };
    let y = if turn & 2 > 0 { side - 1 - y } else { y };
    if turn & 4 > 0 { [y, x] } else { [x, y] }
}

/// The value at a place between the centres of pixels of a plane of `[width, height]`; beyond its edge the last goes on.
/// NaN beside NaN.
pub(super) fn bilinear(plane: &[f32], [width, height]: [usize; 2], [x, y]: [f32; 2]) -> f32 {
    let place = |at: f32, length: usize| {
        let at = at.clamp(0.0, (length - 1) as f32);
        let before = (at as usize).min(length.saturating_sub(2));
        (before, (before + 1).min(length - 1), at - before as f32)
    };
    let ((left, right, east), (top, bottom, south)) = (place(x, width), place(y, height));
    let line = |row: usize| plane[row * width + left] * (1.0 - east) + plane[row * width + right] * east;
    line(top) * (1.0 - south) + line(bottom) * south
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn values_between_pixels_are_between_their_values() {
        let plane = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(bilinear(&plane, [2, 2], [0.5, 0.5]), 1.5);
        assert_eq!(bilinear(&plane, [2, 2], [-3.0, 9.0]), 2.0);
    }

    #[test]
    fn every_pixel_of_a_mosaic_is_of_a_piece() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut level = 0.0;
        let planes = tiled(10, 4, 2, &mut rng, |_| {
            level += 1.0;
            Ok((vec![level; 2 * 3 * 3], 3))
        });
        let planes = planes.unwrap();
        assert_eq!((planes[0], planes[4], planes[99], planes[100]), (1.0, 2.0, 9.0, 1.0));
    }
}
