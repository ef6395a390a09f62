//! The shoreline and the distance to it.

use rand::RngExt;

use crate::simulate::field::Field;
use crate::simulate::random::uniform;

/// Share of land that a tile may have.
const LAND_SHARE: std::ops::Range<f32> = 0.4..0.8;
/// Bounds of the curvature of the smooth course, in 1/px.
const CURVATURE: [f32; 2] = [-0.012, 0.012];

/// Signed distance of each of `side × side` pixels from the shoreline in pixels: positive on land. The shore is a bent
/// line through the tile, displaced by `roughness_px` × `field`; None where that leaves too much or too little land.
pub fn draw(side: usize, field: &Field, roughness_px: f32, rng: &mut impl RngExt) -> Option<Vec<f32>> {
    let (sin, cos) = uniform([0.0, std::f32::consts::TAU], rng).sin_cos();
    let curvature = uniform(CURVATURE, rng);
    let middle = (side - 1) as f32 / 2.0;
    let offset = uniform([-0.25, 0.12], rng) * side as f32;
    let is_land: Vec<bool> = (0..side * side)
        .map(|pixel| {
            let (row, column) = (pixel / side, pixel % side);
            let (down, right) = (row as f32 - middle, column as f32 - middle);
            let (across, along) = (down * cos + right * sin, right * cos - down * sin);
            let wander = roughness_px * field.at(row as isize, column as isize);
            across - offset + curvature * along * along / 2.0 + wander > 0.0
        })
        .collect();
    let share = is_land.iter().filter(|land| **land).count() as f32 / is_land.len() as f32;
    LAND_SHARE.contains(&share).then(|| signed_distance(&is_land, side))
}

/// Unit vector (rows, columns) away from the shore at a place; southwards where there is no slope.
pub fn gradient(distance: &[f32], side: usize, [row, column]: [f32; 2]) -> [f32; 2] {
    let at = |row: f32, column: f32| {
        let index = |v: f32| v.round().clamp(0.0, (side - 1) as f32) as usize;
        distance[index(row) * side + index(column)]
    };
    let down = at(row + 2.0, column) - at(row - 2.0, column);
    let right = at(row, column + 2.0) - at(row, column - 2.0);
    let length = down.hypot(right);
    if length > 0.0 { [down / length, right / length] } else { [1.0, 0.0] }
}

/// Distance to the nearest pixel of the other kind, less half a pixel; positive where `inside`. At least one pixel of each
/// kind must be there.
fn signed_distance(inside: &[bool], side: usize) -> Vec<f32> {
    let to_water = squared_distance(inside, side, false);
    let to_land = squared_distance(inside, side, true);
    let of = |pixel: usize| match inside[pixel] {
        true => to_water[pixel].sqrt() - 0.5,
        false => 0.5 - to_land[pixel].sqrt(),
    };
    (0..inside.len()).map(of).collect()
}

/// Squared Euclidean distance of every pixel to the nearest one of `kind`, exactly: along the columns by two sweeps, then
/// along each row over all columns.
fn squared_distance(kinds: &[bool], side: usize, kind: bool) -> Vec<f32> {
    let far = 2 * side;
    let mut along_column = vec![far; side * side];
    for column in 0..side {
        let mut last = far;
        for row in (0..side).chain((0..side).rev()) {
            let pixel = row * side + column;
            last = if kinds[pixel] == kind { 0 } else { last + 1 };
            along_column[pixel] = along_column[pixel].min(last);
        }
    }
    let nearest = |pixel: usize| {
        let (row, column) = (pixel / side, pixel % side);
        let line = &along_column[row * side..(row + 1) * side];
        let mut least = line[column] * line[column];
        // No column further away than the distance found so far can be nearer.
        let mut step = 1;
        while step * step < least && step < side {
            for other in [column.checked_sub(step), Some(column + step).filter(|c| *c < side)].into_iter().flatten() {
                least = least.min(line[other] * line[other] + step * step);
            }
            step += 1;
        }
        least as f32
    };
    (0..side * side).map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::field;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn distances_are_those_to_the_nearest_pixel_of_the_other_kind() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let side = 24;
        let wander = field::single(32, 3.2, &mut rng);
        let distances = std::iter::repeat_with(|| draw(side, &wander, 3.0, &mut rng)).flatten().next().unwrap();
        for pixel in 0..side * side {
            let (row, column) = ((pixel / side) as f32, (pixel % side) as f32);
            let others = (0..side * side).filter(|other| (distances[*other] > 0.0) != (distances[pixel] > 0.0));
            let gap = |other: usize| ((other / side) as f32 - row).hypot((other % side) as f32 - column);
            let nearest = others.map(gap).fold(f32::MAX, f32::min) - 0.5;
            assert!((distances[pixel].abs() - nearest).abs() < 1e-3, "pixel {pixel}");
        }
    }

    #[test]
    fn every_shore_leaves_land_and_sea() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let wander = field::single(128, 3.2, &mut rng);
        let shores: Vec<_> = (0..50).filter_map(|_| draw(64, &wander, 4.0, &mut rng)).collect();
        assert!(shores.len() > 20, "{}", shores.len());
        for distances in shores {
            let land = distances.iter().filter(|d| **d > 0.0).count() as f32 / 4096.0;
            assert!(LAND_SHARE.contains(&land));
        }
    }
}
