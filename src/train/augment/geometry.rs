//! Small displacements of pixels, by bilinear interpolation with reflection at the edges.

use super::filter::Buffers;

/// Where pixels come from: `source = matrix · (target − centre) + centre + shift`, rows before columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Row by row.
    pub matrix: [[f32; 2]; 2],
    /// In pixels.
    pub shift: [f32; 2],
}

impl Affine {
    /// A turn by an angle in degrees.
    pub fn rotation(degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { matrix: [[cos, -sin], [sin, cos]], shift: [0.0; 2] }
    }

    /// Rows sheared by columns and columns by rows.
    pub fn shear(rows: f32, columns: f32) -> Self {
        Self { matrix: [[1.0, rows], [columns, 1.0]], shift: [0.0; 2] }
    }

    /// A shift in pixels.
    pub fn translation(rows: f32, columns: f32) -> Self {
        Self { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [rows, columns] }
    }

    /// Moves the pixels of a square plane. A pixel is invalid where the nearest source pixel is; elsewhere it is the
    /// mean of the valid ones among its four neighbours, by their bilinear weights.
    pub fn apply(&self, plane: &mut [f32], buffers: &mut Buffers) {
        let side = plane.len().isqrt();
        let source = buffers.copy_of(plane);
        let centre = (side as f32 - 1.0) / 2.0;
        let [[a, b], [c, d]] = self.matrix;
        for (row, values) in plane.chunks_exact_mut(side).enumerate() {
            let y = row as f32 - centre;
            for (column, value) in values.iter_mut().enumerate() {
                let x = column as f32 - centre;
                let (r0, r1, down) = neighbours(a * y + b * x + centre + self.shift[0], side);
                let (c0, c1, right) = neighbours(c * y + d * x + centre + self.shift[1], side);
                let corners =
                    [source[r0 * side + c0], source[r0 * side + c1], source[r1 * side + c0], source[r1 * side + c1]];
                *value = interpolate(corners, down, right);
            }
        }
    }
}

/// The rows before and after a place, reflected into the image, and how far the place is from the first to the second.
fn neighbours(place: f32, side: usize) -> (usize, usize, f32) {
    let before = place.floor();
    (reflect(before as isize, side), reflect(before as isize + 1, side), place - before)
}

/// Reflects about the centres of the first and last pixels: `c b | a b c | b a`.
fn reflect(index: isize, side: usize) -> usize {
    let last = side as isize - 1;
    if (0..=last).contains(&index) || last == 0 {
        return index.clamp(0, last) as usize;
    }
    let folded = index.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

/// Bilinear interpolation between the corners of a cell: upper left, upper right, lower left, lower right.
fn interpolate(corners: [f32; 4], down: f32, right: f32) -> f32 {
    let weights = [(1.0 - down) * (1.0 - right), (1.0 - down) * right, down * (1.0 - right), down * right];
    let sum: f32 = (0..4).map(|corner| weights[corner] * corners[corner]).sum();
    if !sum.is_nan() {
        return sum;
    }
    let nearest = usize::from(down >= 0.5) * 2 + usize::from(right >= 0.5);
    if corners[nearest].is_nan() {
        return f32::NAN;
    }
    let valid = || (0..4).filter(|corner| !corners[*corner].is_nan());
    valid().map(|corner| weights[corner] * corners[corner]).sum::<f32>() / valid().map(|c| weights[c]).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 16;

    /// Ground that rises by 1 a row and 0.1 a column.
    fn slope() -> Vec<f32> {
        (0..SIDE * SIDE).map(|pixel| (pixel / SIDE) as f32 + 0.1 * (pixel % SIDE) as f32).collect()
    }

    fn moved(affine: Affine, mut plane: Vec<f32>) -> Vec<f32> {
        affine.apply(&mut plane, &mut Buffers::default());
        plane
    }

    #[test]
    fn a_quarter_turn_and_a_whole_shift_move_pixels_exactly() {
        let source = slope();
        let turned = moved(Affine::rotation(90.0), source.clone());
        let shifted = moved(Affine::translation(2.0, -3.0), source.clone());
        for row in 0..SIDE {
            for column in 0..SIDE {
                assert!((turned[row * SIDE + column] - source[(SIDE - 1 - column) * SIDE + row]).abs() < 1e-4);
                if row < SIDE - 2 && column >= 3 {
                    assert_eq!(shifted[row * SIDE + column], source[(row + 2) * SIDE + column - 3]);
                }
            }
        }
        assert_eq!(shifted[(SIDE - 1) * SIDE + 5], source[(SIDE - 3) * SIDE + 2]);
    }

    #[test]
    fn half_a_pixel_and_a_shear_read_a_slope_between_its_pixels() {
        let half = moved(Affine::translation(0.5, 0.5), slope());
        assert!((half[5 * SIDE + 5] - (slope()[5 * SIDE + 5] + 0.55)).abs() < 1e-5);
        let sheared = moved(Affine::shear(0.1, 0.0), slope());
        // Two columns right of the centre at 7.5, rows are read 0.25 further down.
        assert!((sheared[5 * SIDE + 10] - (slope()[5 * SIDE + 10] + 0.25)).abs() < 1e-4);
    }

    #[test]
    fn an_invalid_pixel_moves_and_never_spreads() {
        let mut plane = vec![0.4; SIDE * SIDE];
        plane[5 * SIDE + 5] = f32::NAN;
        for affine in [Affine::translation(0.3, 0.3), Affine::rotation(12.0), Affine::shear(0.1, -0.1)] {
            let moved = moved(affine, plane.clone());
            let invalid = moved.iter().filter(|value| value.is_nan()).count();
            assert!(invalid <= 2, "{invalid}");
            assert!(moved.iter().all(|value| value.is_nan() || (value - 0.4).abs() < 1e-6));
        }
        let shifted = moved(Affine::translation(1.0, 2.0), plane);
        assert!(shifted[4 * SIDE + 3].is_nan());
    }
}
