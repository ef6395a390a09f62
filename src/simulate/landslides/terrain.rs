//! Heights of a valley's side, with a margin around the patch that radar and shadows need.

use std::f32::consts::TAU;

use rand::RngExt;

use super::SIDE;
use super::region::Region;
use crate::simulate::field;
use crate::simulate::random::uniform;
use crate::simulate::sun::Sun;

/// Pixels of terrain on every side of the patch.
pub const MARGIN: usize = 32;
/// Height and width of the terrain in pixels.
pub const WIDE: usize = SIDE + 2 * MARGIN;

/// Slope of the power spectrum of heights. Of digital terrain models it is 3.5 to 4.5; smooth ones have fall lines that
/// lead somewhere.
const SLOPE: f32 = 4.4;
/// Distance of the valley's axis from the patch's middle in pixels, half the width of its floor, and how far it bends.
const AXIS_PX: [f32; 2] = [-24.0, 70.0];
const FLOOR_PX: [f32; 2] = [1.5, 10.0];
const BEND_PX: f32 = 5.0;
/// Half the width of floors that have a river, in pixels.
const RIVER_FLOOR_PX: f32 = 8.0;
/// Pixels that a shadow is followed for.
const SHADOW_PX: usize = 32;

/// The ground of a patch.
#[derive(Debug, Clone)]
pub struct Terrain {
    /// Heights in pixels of 10 m on [`WIDE`] × [`WIDE`] pixels, row by row.
    pub height: Vec<f32>,
    /// Distance of each pixel of the patch from the valley's axis in pixels.
    pub from_axis_px: Vec<f32>,
    /// Half the width of the valley's floor in pixels.
    pub floor_px: f32,
}

impl Terrain {
    /// Draws a valley's side: two flanks, bent, with hills and gullies on them.
    pub fn draw(region: &Region, rng: &mut impl RngExt) -> Self {
        let [hills, bends] = field::pair(WIDE, SLOPE, rng);
        let slope = |pixel: usize| {
            let (row, column) = ((pixel / WIDE) as isize, (pixel % WIDE) as isize);
            let here = hills.at(row, column);
            (hills.at(row + 1, column) - here).powi(2) + (hills.at(row, column + 1) - here).powi(2)
        };
        let deviation = ((0..WIDE * WIDE).map(slope).sum::<f32>() / (WIDE * WIDE) as f32).sqrt();
        let scale = uniform(region.relief_deg, rng).to_radians().tan() / deviation;
        let flank = uniform(region.flank_deg, rng).to_radians().tan();
        let (sin, cos) = uniform([0.0, TAU], rng).sin_cos();
        let (offset, floor_px) = (uniform(AXIS_PX, rng), uniform(FLOOR_PX, rng));
        let distance = |pixel: usize| {
            let [down, right] = [pixel / WIDE, pixel % WIDE].map(|index| index as f32 - WIDE as f32 / 2.0);
            down * cos + right * sin - offset + BEND_PX * bends.values[pixel]
        };
        let from_axis: Vec<f32> = (0..WIDE * WIDE).map(distance).collect();
        let flank = |distance: f32| flank * (distance.hypot(floor_px) - floor_px);
        // The floor is level: what is smaller than a valley fades out on it.
        let rough = |distance: f32| (distance.abs() / (2.0 * floor_px)).min(1.0);
        let height =
            from_axis.iter().zip(&hills.values).map(|(d, hill)| flank(*d) + scale * rough(*d) * hill).collect();
        let from_axis_px = (0..SIDE * SIDE).map(|pixel| from_axis[wide(pixel)].abs()).collect();
        Self { height, from_axis_px, floor_px }
    }

    /// Whether a river runs along the axis.
    pub fn has_river(&self) -> bool {
        self.floor_px > RIVER_FLOOR_PX
    }

    /// Height at a pixel of the patch in pixels.
    pub fn height_at(&self, pixel: usize) -> f32 {
        self.height[wide(pixel)]
    }

    /// How much higher the ground is a pixel further down and a pixel further right.
    pub fn gradient(&self, pixel: usize) -> [f32; 2] {
        let at = wide(pixel);
        [WIDE, 1].map(|step| (self.height[at + step] - self.height[at - step]) / 2.0)
    }

    /// tan of the slope at a pixel of the patch.
    pub fn steepness(&self, pixel: usize) -> f32 {
        let [down, right] = self.gradient(pixel);
        down.hypot(right)
    }

    /// Direct light on each pixel of the patch relative to level, open ground: cos of the angle between sun and slope over
    /// cos of the zenith angle, and none in the shadow of other ground.
    pub fn light(&self, sun: &Sun) -> Vec<f32> {
        let step = [-sun.azimuth.cos(), sun.azimuth.sin()];
        let rise = 1.0 / sun.tangent().max(1e-3);
        let on = |pixel: usize| {
            let [down, right] = self.gradient(pixel);
            let norm = (1.0 + down * down + right * right).sqrt();
            let facing = ((1.0 - sun.tangent() * (down * step[0] + right * step[1])) / norm).max(0.0);
            let [row, column] = [pixel / SIDE + MARGIN, pixel % SIDE + MARGIN].map(|index| index as f32 + 0.5);
            let here = self.height_at(pixel);
            let hides = |far: usize| {
                let far = far as f32;
                let [row, column] = [row + step[0] * far, column + step[1] * far].map(|at| at as usize);
                self.height[row.min(WIDE - 1) * WIDE + column.min(WIDE - 1)] > here + rise * far + 0.5
            };
            let is_hidden = rise < 1.5 && (2..SHADOW_PX).step_by(2).any(hides);
            if is_hidden { 0.0 } else { facing }
        };
        (0..SIDE * SIDE).map(on).collect()
    }
}

/// The place of a patch's pixel in the terrain.
pub fn wide(pixel: usize) -> usize {
    (pixel / SIDE + MARGIN) * WIDE + pixel % SIDE + MARGIN
}
