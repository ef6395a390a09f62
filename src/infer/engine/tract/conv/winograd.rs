//! 3×3 convolutions of stride 1 with 16 multiplications where the plain sum takes 36: Winograd's F(2×2, 3×3) as Lavin
//! and Gray give it ("Fast Algorithms for Convolutional Neural Networks", 2016, section 4.1).
//!
//! An output of 2×2 pixels is A′ [(G g G′) ⊙ (B′ d B)] A for the 4×4 pixels d that it comes from and a kernel g. The
//! products of all tiles at one of the 16 places are a matrix product over the channels. All factors of B and A are
//! 0, 1 and −1, so little accuracy is lost: outputs differ from the plain sum's in the last bits.

use pulp::{Arch, Simd, WithSimd};

use super::finish::Finish;
use super::gemm::{self, Plain, Rows};
use super::shape::Shape;

/// Places of a tile.
const PLACES: usize = 16;
/// Values at one place that are computed together: with the products they stay in the second-level cache.
const VALUES: usize = 4096;
/// Tiles that are computed together at least, so that weights are read for many of them.
const TILES: usize = 96;

const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// Transformed, packed weights: a matrix for each place.
pub struct Winograd {
    weights: Vec<f32>,
    /// Tiles of one piece.
    tiles: usize,
    /// Where their rows start: one after the other.
    starts: Vec<usize>,
}

impl Winograd {
    /// Whether it is the faster way on processors whose panels are `panel` channels.
    pub fn suits(shape: &Shape, panel: usize) -> bool {
        let lanes = panel / 2;
        let whole = |channels: usize| channels >= 2 * panel && channels.is_multiple_of(lanes);
        let plain = shape.kernel == [3; 2] && shape.strides == [1; 2] && shape.pads == [[1; 2]; 2];
        plain && whole(shape.inputs) && whole(shape.outputs)
    }

    /// `weights` is `[outputs][inputs][3][3]`.
    pub fn new(shape: &Shape, weights: &[f32], panel: usize) -> Self {
        let transformed = |place: usize, kernel: &[f32]| {
            let (left, right) = (G[place / 4], G[place % 4]);
            let terms = (0..9).map(|index| left[index / 3] * right[index % 3] * f64::from(kernel[index]));
            terms.sum::<f64>() as f32
        };
        let matrix = |place| {
            gemm::pack(shape.outputs, shape.inputs, panel, |output, input| {
                transformed(place, &weights[(output * shape.inputs + input) * 9..][..9])
            })
        };
        let tiles = (VALUES / shape.inputs.max(shape.outputs)).max(TILES);
        let starts = (0..tiles).map(|tile| tile * shape.inputs).collect();
        Self { weights: (0..PLACES).flat_map(matrix).collect(), tiles, starts }
    }

    /// Convolves images of `[rows][columns][inputs]`.
    pub fn run(&self, shape: &Shape, input: &[f32], finish: Finish<'_>, scratch: &mut Vec<f32>) {
        Arch::new().dispatch(Run { winograd: self, shape, input, finish, scratch });
    }
}

struct Run<'a> {
    winograd: &'a Winograd,
    shape: &'a Shape,
    input: &'a [f32],
    finish: Finish<'a>,
    scratch: &'a mut Vec<f32>,
}

/// Where a tile lies: its image, and its first row and column of the output.
#[derive(Clone, Copy)]
struct Place {
    image: usize,
    row: usize,
    column: usize,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Shape { sides: [rows, columns], inputs, outputs, .. } = *self.shape;
        let (tiles, starts) = (self.winograd.tiles, &self.winograd.starts);
        let across = columns.div_ceil(2);
        let of_image = rows.div_ceil(2) * across;
        let all = self.input.len() / self.shape.input_values() * of_image;
        let place = |tile: usize| {
            let (row, column) = (tile % of_image / across * 2, tile % across * 2);
            Place { image: tile / of_image, row, column }
        };
        let needed = PLACES * tiles * (inputs + outputs) + inputs;
        if self.scratch.len() < needed {
            self.scratch.resize(needed, 0.0);
        }
        let (values, rest) = self.scratch.split_at_mut(PLACES * tiles * inputs);
        let (products, rest) = rest.split_at_mut(PLACES * tiles * outputs);
        let zeros = &mut rest[..inputs];
        zeros.fill(0.0);
        let (weights, _) = S::as_simd_f32s(&self.winograd.weights);
        for first in (0..all).step_by(tiles) {
            let count = tiles.min(all - first);
            for tile in 0..count {
                let window = window::<S>(self.shape, self.input, zeros, place(first + tile));
                transform(
                    simd,
                    &window,
                    S::as_mut_simd_f32s(&mut values[tile * inputs..]).0,
                    tiles * inputs / S::F32_LANES,
                );
            }
            for (index, weights) in weights.chunks_exact(weights.len() / PLACES).enumerate() {
                let values = &values[index * tiles * inputs..][..count * inputs];
                let rows = Rows { values, starts: &starts[..count], segments: 1, stride: 0, length: inputs };
                let to = &mut products[index * tiles * outputs..][..count * outputs];
                gemm::multiply(simd, &rows, weights, &mut Plain { to, channels: outputs });
            }
            for tile in 0..count {
                let (products, _) = S::as_simd_f32s(&products[tile * outputs..]);
                restore(
                    simd,
                    self.shape,
                    products,
                    tiles * outputs / S::F32_LANES,
                    place(first + tile),
                    &mut self.finish,
                );
            }
        }
    }
}

/// The 4×4 pixels of the input that a tile comes from, zeros outside the image.
#[inline(always)]
fn window<'a, S: Simd>(shape: &Shape, input: &'a [f32], zeros: &'a [f32], place: Place) -> [[&'a [S::f32s]; 4]; 4] {
    let [rows, columns] = shape.sides;
    let mut window = [[S::as_simd_f32s(zeros).0; 4]; 4];
    for (row, pixels) in (place.row..).zip(&mut window) {
        for (column, pixel) in (place.column..).zip(pixels) {
            if (1..=rows).contains(&row) && (1..=columns).contains(&column) {
                let at = ((place.image * rows + row - 1) * columns + column - 1) * shape.inputs;
                *pixel = S::as_simd_f32s(&input[at..][..shape.inputs]).0;
            }
        }
    }
    window
}

/// B′ d B for every channel, `plane` vectors from place to place.
#[inline(always)]
fn transform<S: Simd>(simd: S, window: &[[&[S::f32s]; 4]; 4], to: &mut [S::f32s], plane: usize) {
    let zero = simd.splat_f32s(0.0);
    for channel in 0..window[0][0].len() {
        let mut half = [[zero; 4]; 4];
        for column in 0..4 {
            let pixels = [
                window[0][column][channel],
                window[1][column][channel],
                window[2][column][channel],
                window[3][column][channel],
            ];
            let values = times_b(simd, pixels);
            for row in 0..4 {
                half[row][column] = values[row];
            }
        }
        for row in 0..4 {
            let values = times_b(simd, half[row]);
            for column in 0..4 {
                to[(row * 4 + column) * plane + channel] = values[column];
            }
        }
    }
}

/// A′ m A for every channel, finished and stored.
#[inline(always)]
fn restore<S: Simd>(simd: S, shape: &Shape, products: &[S::f32s], plane: usize, place: Place, finish: &mut Finish<'_>) {
    let [rows, columns] = shape.sides;
    let zero = simd.splat_f32s(0.0);
    for channel in 0..shape.outputs / S::F32_LANES {
        let mut half = [[zero; 4]; 2];
        for column in 0..4 {
            let of = |row: usize| products[(row * 4 + column) * plane + channel];
            let values = times_a(simd, [of(0), of(1), of(2), of(3)]);
            for row in 0..2 {
                half[row][column] = values[row];
            }
        }
        for (row, &half) in half.iter().enumerate().take(rows - place.row) {
            let values = times_a(simd, half);
            for (column, &value) in values.iter().enumerate().take(columns - place.column) {
                let pixel = (place.image * rows + place.row + row) * columns + place.column + column;
                finish.store_vector(simd, pixel, channel * S::F32_LANES, value);
            }
        }
    }
}

#[inline(always)]
fn times_b<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

#[inline(always)]
fn times_a<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}
