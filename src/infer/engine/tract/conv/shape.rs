//! The shape of a convolution or pooling.

use tract_onnx::prelude::{TractResult, TypedFact};
use tract_onnx::tract_core::internal::{bail, ensure};

/// Sides and kernels are `[rows, columns]`; images are `[row][column][channel]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Of the input.
    pub sides: [usize; 2],
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    /// Zeros before and after the image, each for rows and columns.
    pub pads: [[usize; 2]; 2],
}

impl Shape {
    /// Of the input with its border of zeros.
    pub fn padded_sides(&self) -> [usize; 2] {
        let [before, after] = self.pads;
        [self.sides[0] + before[0] + after[0], self.sides[1] + before[1] + after[1]]
    }

    /// Of the output.
    pub fn output_sides(&self) -> [usize; 2] {
        let padded = self.padded_sides();
        [0, 1].map(|axis| (padded[axis] - self.kernel[axis]) / self.strides[axis] + 1)
    }

    /// Values of one input image.
    pub fn input_values(&self) -> usize {
        self.sides[0] * self.sides[1] * self.inputs
    }

    /// Values of one output image.
    pub fn output_values(&self) -> usize {
        self.output_sides().iter().product::<usize>() * self.outputs
    }

    /// `[batch, rows, columns, channels]` of the output.
    pub fn output(&self, batch: usize) -> [usize; 4] {
        let [rows, columns] = self.output_sides();
        [batch, rows, columns, self.outputs]
    }

    /// The batch of a tensor that must be `[batch, rows, columns, channels]` of the input.
    pub fn batch_of(&self, input: &TypedFact) -> TractResult<usize> {
        let Some(&[batch, ref image @ ..]) = input.shape.as_concrete() else { bail!("the batch is not concrete") };
        ensure!(image == [self.sides[0], self.sides[1], self.inputs]);
        Ok(batch)
    }
}
