//! Clouds: fields of optical depth, what they hide, and where their shadows fall.

use rand::RngExt;

use super::field::{self, Field, upper_quantile};
use super::random::{Span, log_uniform, uniform};
use super::sun::Sun;

/// (1 − g) √3 / 2 with g = 0.85 for droplets: reflectance of a cloud that absorbs nothing is γτ / (1 + γτ), the rest
/// passes (two streams).
const GAMMA: f32 = 0.13;
/// A pixel counts as visible where at least this share of light passes the cloud above it.
pub const VISIBLE_TRANSMITTANCE: f32 = 0.5;
/// Pixels on the ground in metres.
const PIXEL_M: f32 = 10.0;

/// How clouds are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Optical depth where the cloud is said to begin; outside of it depth goes on falling.
    pub edge_depth: f32,
    /// Optical depth of the core, the thickest part of the cloud; drawn uniformly in the logarithm.
    pub core_depth: Span,
    /// Share of the cloud that is core.
    pub core_share: f32,
    /// Slope of the power spectrum of the logarithm of the depth.
    pub slope: Span,
    /// Height of the cloud above the ground in metres.
    pub height_m: Span,
}

/// A patch of sky.
#[derive(Debug, Clone)]
pub struct Clouds {
    /// Optical depth above each pixel.
    pub depth: Vec<f32>,
    /// Optical depth between each pixel and the sun.
    pub sunward_depth: Vec<f32>,
}

impl Clouds {
    /// Draws the sky above `side × side` pixels; the share `cover` (0 to 1) of them lies below a depth of at least
    /// [`Kind::edge_depth`]. The depth's logarithm is a 1/f field, twice as wide as the patch at least: shadows may
    /// come from outside.
    pub fn draw(side: usize, cover: f32, kind: &Kind, sun: &Sun, rng: &mut impl RngExt) -> Self {
        let field = field::single(wide_side(side), uniform(kind.slope, rng), rng);
        let sheet = Sheet::draw(&field, side, cover, kind, rng);
        Self { depth: sheet.above(side), sunward_depth: sheet.sunward(side, PIXEL_M, sun) }
    }

    /// Share of pixels that are visible (0 to 1).
    pub fn visible_share(&self) -> f32 {
        let visible = self.depth.iter().filter(|depth| transmittance(**depth) >= VISIBLE_TRANSMITTANCE).count();
        visible as f32 / self.depth.len() as f32
    }
}

/// Clouds of one height: a field of at least [`wide_side`], and what its values mean.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    field: &'a Field,
    /// The field's value where clouds begin, and the depth there.
    edge: f32,
    edge_depth: f32,
    /// Growth of the depth's logarithm with the field, up to this depth.
    growth: f32,
    core_depth: f32,
    /// Height above the ground in metres.
    pub height_m: f32,
}

impl<'a> Sheet<'a> {
    /// As in [`Clouds::draw`], by a field of one's own.
    pub fn draw(field: &'a Field, side: usize, cover: f32, kind: &Kind, rng: &mut impl RngExt) -> Self {
        let above = field.crop(side);
        let edge = upper_quantile(&above, cover);
        let core = upper_quantile(&above, cover * kind.core_share).max(edge + 0.1);
        let core_depth = log_uniform(kind.core_depth, rng);
        let growth = (core_depth / kind.edge_depth).ln() / (core - edge);
        Self { field, edge, edge_depth: kind.edge_depth, growth, core_depth, height_m: uniform(kind.height_m, rng) }
    }

    fn depth(&self, value: f32) -> f32 {
        (self.edge_depth * ((value - self.edge) * self.growth).exp()).min(self.core_depth)
    }

    /// Optical depth above each of `side × side` pixels.
    pub fn above(&self, side: usize) -> Vec<f32> {
        self.field.crop(side).into_iter().map(|value| self.depth(value)).collect()
    }

    /// Optical depth between each pixel, `pixel_m` metres wide, and the sun.
    pub fn sunward(&self, side: usize, pixel_m: f32, sun: &Sun) -> Vec<f32> {
        let [rows, columns] = sun.to_caster(self.height_m / pixel_m).map(|v| v.round() as isize);
        let casters = (0..side * side).map(|pixel| ((pixel / side) as isize, (pixel % side) as isize));
        casters.map(|(row, column)| self.depth(self.field.at(row + rows, column + columns))).collect()
    }

    /// Optical depth above each pixel as seen by a band to which the clouds appear so many `[rows, columns]` away.
    pub fn displaced(&self, side: usize, [rows, columns]: [f32; 2]) -> Vec<f32> {
        let place = |at: usize, by: f32| {
            let at = at as f32 - by;
            (at.floor() as isize, at - at.floor())
        };
        let value = |pixel: usize| {
            let ((row, down), (column, right)) = (place(pixel / side, rows), place(pixel % side, columns));
            let line = |row| self.field.at(row, column) * (1.0 - right) + self.field.at(row, column + 1) * right;
            self.depth(line(row) * (1.0 - down) + line(row + 1) * down)
        };
        (0..side * side).map(value).collect()
    }
}

/// Side of the field that clouds over `side` pixels are shaped by.
pub fn wide_side(side: usize) -> usize {
    (2 * side).next_power_of_two()
}

/// Share of light that a cloud of this optical depth reflects, where it absorbs nothing.
pub fn reflectance(depth: f32) -> f32 {
    1.0 - transmittance(depth)
}

/// Share of light that passes.
pub fn transmittance(depth: f32) -> f32 {
    1.0 / (1.0 + GAMMA * depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const KIND: Kind =
        Kind { edge_depth: 0.3, core_depth: [2.0, 20.0], core_share: 0.3, slope: [3.0, 3.0], height_m: [500.0, 500.0] };

    fn draw(cover: f32, seed: u64) -> Clouds {
        Clouds::draw(64, cover, &KIND, &Sun::at(45.0, 172), &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn clouds_cover_the_share_that_was_asked_for_and_leave_the_rest_visible() {
        for (seed, cover) in (0..20).zip([0.1, 0.3, 0.6].into_iter().cycle()) {
            let clouds = draw(cover, seed);
            let covered = clouds.depth.iter().filter(|depth| **depth >= KIND.edge_depth).count() as f32 / 4096.0;
            assert!((covered - cover).abs() < 0.01, "{covered}");
            assert!(clouds.visible_share() >= 1.0 - cover - 0.01);
            assert!(clouds.depth.iter().all(|depth| (0.0..=20.01).contains(depth)));
        }
    }

    // 500 m at 28° of zenith angle: 27 pixels, mostly northwards and to the west.
    #[test]
    fn shadows_lie_away_from_the_sun() {
        let clouds = draw(0.4, 3);
        let [rows, columns] = Sun::at(45.0, 172).to_caster(50.0).map(|v| v.round() as usize);
        assert!(((rows as f32).hypot(columns as f32) - 27.0).abs() < 1.5);
        for row in 0..64 - rows {
            for column in 0..64 - columns {
                assert_eq!(clouds.sunward_depth[row * 64 + column], clouds.depth[(row + rows) * 64 + column + columns]);
            }
        }
    }

    #[test]
    fn a_displaced_sheet_is_the_same_sheet_elsewhere() {
        let field = field::single(128, 3.0, &mut ChaCha8Rng::seed_from_u64(2));
        let sheet = Sheet::draw(&field, 64, 0.3, &KIND, &mut ChaCha8Rng::seed_from_u64(3));
        let (above, whole, half) = (sheet.above(64), sheet.displaced(64, [3.0, -2.0]), sheet.displaced(64, [0.5, 0.0]));
        for (row, column) in (3..64).flat_map(|row| (0..62).map(move |column| (row, column))) {
            assert_eq!(whole[row * 64 + column], above[(row - 3) * 64 + column + 2]);
            let [before, after] = [above[(row - 1) * 64 + column], above[row * 64 + column]];
            let [low, high] = [before.min(after), before.max(after)];
            assert!((low * 0.999..=high * 1.001).contains(&half[row * 64 + column]));
        }
    }

    // Two-stream reflectance of a conservative cloud with g = 0.85: 0.57 at a depth of 10.
    #[test]
    fn thin_clouds_let_light_through_and_thick_ones_do_not() {
        assert!((reflectance(10.0) - 0.565).abs() < 0.01);
        assert_eq!(transmittance(0.0), 1.0);
        assert!(transmittance(7.0) > VISIBLE_TRANSMITTANCE && transmittance(8.0) < VISIBLE_TRANSMITTANCE);
    }
}
