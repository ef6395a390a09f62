//! Smooth random fields.

use rand::RngExt;

/// Distances between the knots of the octaves in pixels, and their weights.
const OCTAVES: [(usize, f32); 3] = [(32, 1.0), (16, 0.5), (8, 0.25)];

/// Value noise of three octaves on `side × side` pixels, row by row: smooth, with the size of small clouds.
pub fn field(side: usize, rng: &mut impl RngExt) -> Vec<f32> {
    let mut field = vec![0.0; side * side];
    for (period, weight) in OCTAVES {
        let knots_a_side = side / period + 2;
        let knots: Vec<f32> = (0..knots_a_side * knots_a_side).map(|_| rng.random::<f32>()).collect();
        for (index, value) in field.iter_mut().enumerate() {
            let (column, fx) = knot(index % side, period);
            let (row, fy) = knot(index / side, period);
            let at = |row: usize, column: usize| knots[row * knots_a_side + column];
            let upper = mix(at(row, column), at(row, column + 1), fx);
            let lower = mix(at(row + 1, column), at(row + 1, column + 1), fx);
            *value += weight * mix(upper, lower, fy);
        }
    }
    field
}

/// The knot before a pixel, and how far the pixel is on the way to the next one, eased.
fn knot(pixel: usize, period: usize) -> (usize, f32) {
    (pixel / period, smooth((pixel % period) as f32 / period as f32))
}

fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// 0 below 0, 1 above 1, with level ends in between.
pub fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
