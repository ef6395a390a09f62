//! Layers that are written as several operators, the form that every engine reads.

use super::builder::{GraphBuilder, Value, int, ints};
use super::tensor;

impl GraphBuilder {
    /// Layer normalisation over the channels of every pixel of `[n, channels, height, width]`; `weight` and `bias` are
    /// `[channels]`.
    pub fn layer_norm(&mut self, x: &Value, weight: (&str, &[f32]), bias: (&str, &[f32]), epsilon: f64) -> Value {
        let mean = self.channel_mean(x);
        let centred = self.binary("Sub", x, &mean);
        let squares = self.binary("Mul", &centred, &centred);
        let variance = self.channel_mean(&squares);
        let epsilon = self.scalar(epsilon);
        let variance = self.binary("Add", &variance, &epsilon);
        let deviation = self.node("Sqrt", &[Some(&variance)], None, vec![]);
        let normed = self.binary("Div", &centred, &deviation);
        let scaled = self.scale(&normed, weight.0, weight.1);
        let bias = self.per_channel(bias.0, bias.1);
        self.binary("Add", &scaled, &bias)
    }

    /// One factor a channel: `[channels]`.
    pub fn scale(&mut self, x: &Value, name: &str, factors: &[f32]) -> Value {
        let factors = self.per_channel(name, factors);
        self.binary("Mul", x, &factors)
    }

    /// x Φ(x), with Gauss's error function.
    pub fn gelu(&mut self, x: &Value) -> Value {
        let root = self.scalar(std::f64::consts::SQRT_2);
        let y = self.binary("Div", x, &root);
        let y = self.node("Erf", &[Some(&y)], None, vec![]);
        let one = self.scalar(1.0);
        let y = self.binary("Add", &y, &one);
        let y = self.binary("Mul", x, &y);
        let half = self.scalar(0.5);
        self.binary("Mul", &y, &half)
    }

    /// Generalised mean of exponent 3 over height and width of max(x, `floor`): `[n, c, h, w]` to `[n, c, 1, 1]`.
    pub fn cubic_mean_pool(&mut self, x: &Value, floor: f64) -> Value {
        let floor = self.scalar(floor);
        let x = self.binary("Max", x, &floor);
        let squares = self.binary("Mul", &x, &x);
        let cubes = self.binary("Mul", &squares, &x);
        let mean = self.global_average_pool(&cubes);
        let third = self.scalar(1.0 / 3.0);
        self.binary("Pow", &mean, &third)
    }

    fn binary(&mut self, operator: &str, a: &Value, b: &Value) -> Value {
        self.node(operator, &[Some(a), Some(b)], None, vec![])
    }

    fn channel_mean(&mut self, x: &Value) -> Value {
        self.node("ReduceMean", &[Some(x)], None, vec![ints("axes", &[1]), int("keepdims", 1)])
    }

    fn scalar(&mut self, value: f64) -> Value {
        let tensor = tensor::fp32(&self.constant_name("constant"), &[1], &[value as f32]);
        self.constant(tensor)
    }

    /// Values that broadcast along the channels of `[n, channels, height, width]`.
    fn per_channel(&mut self, name: &str, values: &[f32]) -> Value {
        self.constant(tensor::fp32(name, &[1, values.len(), 1, 1], values))
    }
}
