//! Outlines of a few pixels: buildings, and whatever has the shape of buildings.

use rand::RngExt;

use crate::simulate::random::{Span, uniform};

/// Subpixels along each side of a pixel.
const SUBPIXELS: usize = 3;
/// Steps in pixels along a shadow.
const SHADOW_STEP_PX: f32 = 0.25;

/// A rectangle, turned, of which a quarter may be missing (an L). Rows and columns are in pixels; pixel (0, 0) has its
/// centre there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Row and column of the centre.
    pub centre: [f32; 2],
    /// Half the length and half the width.
    pub half: [f32; 2],
    /// Angle by which it is turned, in radians.
    pub angle: f32,
    /// Whether it is an L.
    pub has_notch: bool,
}

impl Shape {
    /// A shape with sides between the bounds (in pixels).
    pub fn draw(centre: [f32; 2], side_px: Span, angle: f32, rng: &mut impl RngExt) -> Self {
        let half = [uniform(side_px, rng) / 2.0, uniform(side_px, rng) / 2.0];
        Self { centre, half, angle, has_notch: rng.random::<f32>() < 0.3 }
    }

    fn contains(&self, row: f32, column: f32) -> bool {
        let (sin, cos) = self.angle.sin_cos();
        let (down, right) = (row - self.centre[0], column - self.centre[1]);
        let (u, v) = (down * cos + right * sin, right * cos - down * sin);
        u.abs() <= self.half[0] && v.abs() <= self.half[1] && !(self.has_notch && u > 0.0 && v > 0.0)
    }

    /// The pixels it covers of `side × side`, each with the share that is covered.
    pub fn coverage(&self, side: usize) -> Vec<(usize, f32)> {
        self.rasterise(side, [0.0, 0.0])
    }

    /// The pixels that its shadow covers, itself included. `to_caster` leads from the shadow's tip to its top: rows and
    /// columns towards the sun.
    pub fn shadow(&self, side: usize, to_caster: [f32; 2]) -> Vec<(usize, f32)> {
        self.rasterise(side, to_caster)
    }

    fn rasterise(&self, side: usize, to_caster: [f32; 2]) -> Vec<(usize, f32)> {
        let reach = self.half[0].hypot(self.half[1]) + 1.0;
        let range = |axis: usize| {
            let (low, high) = (to_caster[axis].min(0.0), to_caster[axis].max(0.0));
            let from = (self.centre[axis] - reach - high).max(0.0) as usize;
            from..((self.centre[axis] + reach - low).max(0.0) as usize + 1).min(side)
        };
        let steps = (to_caster[0].hypot(to_caster[1]) / SHADOW_STEP_PX).ceil();
        let is_covered = |row: f32, column: f32| {
            (0..=steps as usize).any(|step| {
                let share = if steps > 0.0 { step as f32 / steps } else { 0.0 };
                self.contains(row + share * to_caster[0], column + share * to_caster[1])
            })
        };
        let at = |pixel: usize, sub: usize| pixel as f32 + (sub as f32 + 0.5) / SUBPIXELS as f32 - 0.5;
        let mut covered = Vec::new();
        for row in range(0) {
            for column in range(1) {
                let subs = (0..SUBPIXELS * SUBPIXELS)
                    .filter(|sub| is_covered(at(row, sub / SUBPIXELS), at(column, sub % SUBPIXELS)))
                    .count();
                if subs > 0 {
                    covered.push((row * side + column, subs as f32 / (SUBPIXELS * SUBPIXELS) as f32));
                }
            }
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(pixels: &[(usize, f32)]) -> f32 {
        pixels.iter().map(|(_, share)| share).sum()
    }

    #[test]
    fn coverage_adds_up_to_the_area() {
        for (angle, has_notch) in [(0.0, false), (0.7, false), (1.2, true)] {
            let shape = Shape { centre: [20.3, 31.8], half: [3.0, 5.0], angle, has_notch };
            let expected = if has_notch { 45.0 } else { 60.0 };
            assert!((area(&shape.coverage(64)) - expected).abs() < 2.0, "{angle}");
        }
    }

    #[test]
    fn what_reaches_beyond_the_tile_is_cut_off() {
        let shape = Shape { centre: [0.0, 63.0], half: [2.0, 2.0], angle: 0.0, has_notch: false };
        let pixels = shape.coverage(64);
        assert!((area(&pixels) - 6.25).abs() < 1.5 && pixels.iter().all(|(pixel, _)| *pixel < 64 * 64));
    }

    // Three pixels high under 45°: three pixels of shadow to the north (smaller rows) of a sun in the south.
    #[test]
    fn shadows_stretch_away_from_the_sun() {
        let shape = Shape { centre: [30.2, 30.2], half: [1.0, 1.0], angle: 0.0, has_notch: false };
        let shadow = shape.shadow(64, [3.0, 0.0]);
        assert!((area(&shadow) - 10.0).abs() < 1.0, "{}", area(&shadow));
        assert!(shadow.iter().all(|(pixel, _)| (26..=31).contains(&(pixel / 64))));
    }
}
