//! The operators that small convolutional networks are made of.

use std::ops::Range;

use super::builder::{GraphBuilder, Value, int, ints, text};
use super::tensor;

/// How a convolution slides; the kernel's size is the weight's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Kernel side in pixels.
    pub kernel: usize,
    /// Step in pixels.
    pub stride: usize,
    /// Zero padding on each side in pixels.
    pub padding: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Conv {
    /// A 1×1 convolution.
    fn default() -> Self {
        Self { kernel: 1, stride: 1, padding: 0, groups: 1 }
    }
}

/// How [`GraphBuilder::resize`] finds values between pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampling {
    /// The pixel that the new one lies in.
    Nearest,
    /// Bilinear between pixel centres.
    Linear,
}

impl GraphBuilder {
    /// Convolution with a weight `[outputs, inputs / groups, kernel, kernel]` and a bias `[outputs]`.
    pub fn conv(&mut self, x: &Value, weight: &Value, bias: Option<&Value>, how: Conv) -> Value {
        let attributes = vec![
            ints("kernel_shape", &[how.kernel; 2]),
            ints("strides", &[how.stride; 2]),
            ints("pads", &[how.padding; 4]),
            int("group", how.groups as i64),
        ];
        self.node("Conv", &with_optional(x, weight, bias), None, attributes)
    }

    /// Transposed convolution with a weight `[inputs, outputs, kernel, kernel]` and a bias `[outputs]`.
    pub fn conv_transpose(&mut self, x: &Value, weight: &Value, bias: Option<&Value>, how: Conv) -> Value {
        let attributes = vec![
            ints("kernel_shape", &[how.kernel; 2]),
            ints("strides", &[how.stride; 2]),
            ints("pads", &[how.padding; 4]),
            int("group", how.groups as i64),
        ];
        self.node("ConvTranspose", &with_optional(x, weight, bias), None, attributes)
    }

    /// max(x, 0)
    pub fn relu(&mut self, x: &Value) -> Value {
        self.node("Relu", &[Some(x)], None, vec![])
    }

    /// 1 / (1 + e^−x)
    pub fn sigmoid(&mut self, x: &Value) -> Value {
        self.node("Sigmoid", &[Some(x)], None, vec![])
    }

    /// Square max pooling; padding never wins.
    pub fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        let attributes =
            vec![ints("kernel_shape", &[kernel; 2]), ints("strides", &[stride; 2]), ints("pads", &[padding; 4])];
        self.node("MaxPool", &[Some(x)], None, attributes)
    }

    /// Element-wise sum.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Add", &[Some(a), Some(b)], None, vec![])
    }

    /// Some of the channels, which lie side by side.
    pub fn channels(&mut self, x: &Value, which: Range<usize>) -> Value {
        let of = self.constant_name("channels");
        let [start, end, axis] = [("start", which.start), ("end", which.end), ("axis", 1)]
            .map(|(what, value)| self.constant(tensor::int64(&format!("{of}.{what}"), &[1], &[value as i64])));
        self.node("Slice", &[Some(x), Some(&start), Some(&end), Some(&axis)], None, vec![])
    }

    /// Joins along the channels.
    pub fn concat(&mut self, parts: &[&Value]) -> Value {
        let parts: Vec<_> = parts.iter().map(|part| Some(*part)).collect();
        self.node("Concat", &parts, None, vec![int("axis", 1)])
    }

    /// Height and width times an integer `factor`.
    pub fn resize(&mut self, x: &Value, factor: usize, resampling: Resampling) -> Value {
        let factor = factor as f32;
        let scales = tensor::fp32(&self.constant_name("scales"), &[4], &[1.0, 1.0, factor, factor]);
        let scales = self.constant(scales);
        let attributes = match resampling {
            Resampling::Nearest => vec![
                text("mode", "nearest"),
                text("coordinate_transformation_mode", "asymmetric"),
                text("nearest_mode", "floor"),
            ],
            Resampling::Linear => {
                vec![text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")]
            }
        };
        self.node("Resize", &[Some(x), None, Some(&scales)], None, attributes)
    }

    /// Mean over height and width: `[n, c, h, w]` to `[n, c, 1, 1]`.
    pub fn global_average_pool(&mut self, x: &Value) -> Value {
        self.node("GlobalAveragePool", &[Some(x)], None, vec![])
    }

    /// Everything behind the batch axis in one axis.
    pub fn flatten(&mut self, x: &Value) -> Value {
        self.node("Flatten", &[Some(x)], None, vec![int("axis", 1)])
    }

    /// Fully connected layer: weight `[outputs, inputs]`, bias `[outputs]`.
    pub fn linear(&mut self, x: &Value, weight: &Value, bias: &Value) -> Value {
        self.node("Gemm", &[Some(x), Some(weight), Some(bias)], None, vec![int("transB", 1)])
    }

    /// The last axis of `x` times a weight `[inputs, outputs]`.
    pub fn matmul(&mut self, x: &Value, weight: &Value) -> Value {
        self.node("MatMul", &[Some(x), Some(weight)], None, vec![])
    }
}

fn with_optional<'a>(x: &'a Value, weight: &'a Value, bias: Option<&'a Value>) -> Vec<Option<&'a Value>> {
    let mut inputs = vec![Some(x), Some(weight)];
    if bias.is_some() {
        inputs.push(bias);
    }
    inputs
}
