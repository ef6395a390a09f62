//! Convolutions with any kernel and stride: the pixels under one row of the kernel lie side by side in a padded image
//! whose channels come last, so a kernel of `h` rows is `h` segments, and nothing is gathered.

use pulp::{Arch, Simd, WithSimd};

use super::finish::Finish;
use super::gemm::{self, Rows};
use super::shape::Shape;

/// Images are computed together until they have this many pixels, so that weights are read for many of them.
const PIXELS: usize = 512;
/// Values that the padded images of one piece may have, unless one image has more.
const VALUES: usize = 1 << 18;

/// Packed weights, and where every output pixel's window starts.
pub struct Direct {
    weights: Vec<f32>,
    /// Images of one piece.
    images: usize,
    /// For the pixels of a piece, in the padded images.
    starts: Vec<usize>,
}

impl Direct {
    /// `weights` is `[outputs][inputs][kernel rows][kernel columns]`.
    pub fn new(shape: &Shape, weights: &[f32], panel: usize) -> Self {
        let [kernel_rows, kernel_columns] = shape.kernel;
        let length = kernel_columns * shape.inputs;
        let packed = gemm::pack(shape.outputs, kernel_rows * length, panel, |output, step| {
            let (row, column, input) = (step / length, step % length / shape.inputs, step % shape.inputs);
            weights[((output * shape.inputs + input) * kernel_rows + row) * kernel_columns + column]
        });
        let ([rows, columns], [padded_rows, padded_columns]) = (shape.output_sides(), shape.padded_sides());
        let padded = padded_rows * padded_columns * shape.inputs;
        let images = PIXELS.div_ceil(rows * columns).min(VALUES / padded).max(1);
        let start = |image, row, column| {
            image * padded + (row * shape.strides[0] * padded_columns + column * shape.strides[1]) * shape.inputs
        };
        let starts = (0..images)
            .flat_map(|image| (0..rows * columns).map(move |pixel| start(image, pixel / columns, pixel % columns)))
            .collect();
        Self { weights: packed, images, starts }
    }

    /// Convolves `images` of `[rows][columns][inputs]`.
    pub fn run(&self, shape: &Shape, input: &[f32], finish: Finish<'_>, scratch: &mut Vec<f32>) {
        let [image, output] = [shape.input_values(), shape.output_values()];
        let Finish { bias, residual, floor, to, channels } = finish;
        for (piece, to) in to.chunks_mut(self.images * output).enumerate() {
            let images = to.len() / output;
            let input = &input[piece * self.images * image..][..images * image];
            let residual = residual.map(|residual| &residual[piece * self.images * output..][..to.len()]);
            let finish = Finish { bias, residual, floor, to, channels };
            let starts = &self.starts[..self.starts.len() / self.images * images];
            let values = if shape.pads == [[0; 2]; 2] { input } else { pad(shape, input, scratch) };
            Arch::new().dispatch(Piece { direct: self, shape, values, starts, finish });
        }
    }
}

/// The images of `input` with a border of zeros.
fn pad<'a>(shape: &Shape, input: &[f32], scratch: &'a mut Vec<f32>) -> &'a [f32] {
    let [rows, columns] = shape.sides;
    let [padded_rows, padded_columns] = shape.padded_sides();
    let (row, padded_row) = (columns * shape.inputs, padded_columns * shape.inputs);
    scratch.clear();
    scratch.resize(input.len() / (rows * row) * padded_rows * padded_row, 0.0);
    for (image, padded) in input.chunks_exact(rows * row).zip(scratch.chunks_exact_mut(padded_rows * padded_row)) {
        let inner = padded.chunks_exact_mut(padded_row).skip(shape.pads[0][0]);
        for (values, padded) in image.chunks_exact(row).zip(inner) {
            padded[shape.pads[0][1] * shape.inputs..][..row].copy_from_slice(values);
        }
    }
    scratch
}

struct Piece<'a> {
    direct: &'a Direct,
    shape: &'a Shape,
    values: &'a [f32],
    starts: &'a [usize],
    finish: Finish<'a>,
}

impl WithSimd for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Shape { inputs, kernel: [segments, columns], .. } = *self.shape;
        let stride = self.shape.padded_sides()[1] * inputs;
        let rows = Rows { values: self.values, starts: self.starts, segments, stride, length: columns * inputs };
        gemm::multiply(simd, &rows, S::as_simd_f32s(&self.direct.weights).0, &mut self.finish);
    }
}
