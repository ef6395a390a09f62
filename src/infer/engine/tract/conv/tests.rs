//! Against the plain sum in f64, for every way of computing it.

use super::*;

/// Uniform in −1..1, from a linear congruential generator.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// `[image][row][column][output]`, by the definition of a convolution.
fn plain(shape: &Shape, images: usize, input: &[f32], weights: &[f32]) -> Vec<f64> {
    let ([rows, columns], [height, width]) = (shape.output_sides(), shape.kernel);
    let mut sums = Vec::new();
    for index in 0..images * rows * columns * shape.outputs {
        let (pixel, output) = (index / shape.outputs, index % shape.outputs);
        let (image, row, column) = (pixel / columns / rows, pixel / columns % rows, pixel % columns);
        let mut sum = 0.0;
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let at = (row * shape.strides[0] + y).checked_sub(shape.pads[0][0]).filter(|&row| row < shape.sides[0]);
            let across =
                (column * shape.strides[1] + x).checked_sub(shape.pads[0][1]).filter(|&column| column < shape.sides[1]);
            let (Some(at), Some(across)) = (at, across) else { continue };
            for channel in 0..shape.inputs {
                let value = input[((image * shape.sides[0] + at) * shape.sides[1] + across) * shape.inputs + channel];
                let weight = weights[((output * shape.inputs + channel) * height + y) * width + x];
                sum += f64::from(value) * f64::from(weight);
            }
        }
        sums.push(sum);
    }
    sums
}

fn shape(sides: [usize; 2], inputs: usize, outputs: usize, kernel: usize, stride: usize, pad: usize) -> Shape {
    Shape { sides, inputs, outputs, kernel: [kernel; 2], strides: [stride; 2], pads: [[pad; 2]; 2] }
}

/// The sums, bias, residual and ReLU of `images` images, and what they should be.
fn computed_and_expected(shape: &Shape, images: usize, clipped: bool) -> (Vec<f32>, Vec<f64>) {
    let panel = gemm::panel_channels().unwrap_or(1);
    let input = noise(1, images * shape.input_values());
    let scale = 1.0 / ((shape.inputs * shape.kernel[0] * shape.kernel[1]) as f32).sqrt();
    let count = shape.outputs * shape.inputs * shape.kernel[0] * shape.kernel[1];
    let weights: Vec<f32> = noise(2, count).iter().map(|weight| weight * scale).collect();
    let (bias, residual) = (noise(3, shape.outputs), noise(4, images * shape.output_values()));
    let mut convolution = Convolution::new(shape.clone(), &weights, bias.iter().copied(), panel);
    convolution.is_clipped = clipped;
    let mut output = vec![f32::NAN; residual.len()];
    convolution.run(&input, Some(&residual), &mut output);
    let mut expected = plain(shape, images, &input, &weights);
    for (index, value) in expected.iter_mut().enumerate() {
        *value += f64::from(bias[index % shape.outputs]) + f64::from(residual[index]);
        *value = if clipped { value.max(0.0) } else { *value };
    }
    (output, expected)
}

#[test]
fn every_shape_agrees_with_the_plain_sum() {
    for (shape, images) in [
        (shape([9, 7], 3, 32, 3, 1, 1), 3),
        (shape([16, 12], 4, 64, 7, 2, 3), 2),
        (shape([8, 8], 32, 64, 1, 2, 0), 5),
        (shape([8, 9], 16, 16, 3, 2, 1), 4),
        (shape([12, 12], 5, 37, 4, 4, 0), 2),
        (shape([6, 6], 24, 40, 3, 1, 1), 3),
        (shape([8, 8], 64, 64, 3, 1, 1), 3),
        (shape([5, 7], 128, 80, 3, 1, 1), 11),
        (shape([1, 1], 64, 96, 3, 1, 1), 2),
        (Shape { pads: [[2, 0], [1, 1]], ..shape([7, 8], 8, 32, 3, 1, 0) }, 2),
    ] {
        for clipped in [false, true] {
            let (output, expected) = computed_and_expected(&shape, images, clipped);
            for (index, (found, expected)) in output.iter().zip(expected).enumerate() {
                assert!((f64::from(*found) - expected).abs() < 5e-6, "{shape:?}, {index}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn an_image_gives_the_same_bits_wherever_it_stands() {
    let panel = gemm::panel_channels().unwrap_or(1);
    for shape in [shape([4, 4], 64, 64, 3, 1, 1), shape([5, 5], 16, 48, 3, 2, 1)] {
        let weights = noise(5, shape.outputs * shape.inputs * 9);
        let convolution = Convolution::new(shape.clone(), &weights, std::iter::repeat(0.5), panel);
        let image = noise(6, shape.input_values());
        let mut alone = vec![0.0; shape.output_values()];
        convolution.run(&image, None, &mut alone);
        for place in [0, 1, 40, 76] {
            let mut batch = noise(7, 77 * image.len());
            batch[place * image.len()..][..image.len()].copy_from_slice(&image);
            let mut output = vec![0.0; 77 * alone.len()];
            convolution.run(&batch, None, &mut output);
            assert!(output[place * alone.len()..][..alone.len()] == alone, "{shape:?}, place {place}");
        }
    }
}

#[test]
fn not_a_number_passes_relu_and_stays_in_its_image() {
    let panel = gemm::panel_channels().unwrap_or(1);
    for shape in [shape([4, 4], 64, 64, 3, 1, 1), shape([4, 4], 3, 32, 3, 1, 1)] {
        let weights = noise(8, shape.outputs * shape.inputs * 9);
        let mut convolution = Convolution::new(shape.clone(), &weights, std::iter::repeat(0.0), panel);
        convolution.is_clipped = true;
        let mut batch = noise(9, 3 * shape.input_values());
        batch[shape.input_values()..][..shape.inputs].fill(f32::NAN);
        let mut output = vec![0.0; 3 * shape.output_values()];
        convolution.run(&batch, None, &mut output);
        for (image, values) in output.chunks(shape.output_values()).enumerate() {
            assert_eq!(values.iter().any(|value| value.is_nan()), image == 1, "{shape:?}, image {image}");
        }
    }
}
