//! Values of fewer bits: halves, and integers between `QuantizeLinear` and `DequantizeLinear`.

use tract_onnx::pb::tensor_proto::DataType;

use super::builder::{GraphBuilder, Value, int};
use super::tensor;

impl GraphBuilder {
    /// FLOAT16 of `x`.
    pub fn to_half(&mut self, x: &Value) -> Value {
        self.node("Cast", &[Some(x)], None, vec![int("to", DataType::Float16 as i64)])
    }

    /// FLOAT of `x`.
    pub fn to_float(&mut self, x: &Value) -> Value {
        self.node("Cast", &[Some(x)], None, vec![int("to", DataType::Float as i64)])
    }

    /// `x` rounded to unsigned 8-bit steps of `scale` around `zero_point`, and back: what an engine makes integer
    /// arithmetic of.
    pub fn quantized(&mut self, x: &Value, scale: f32, zero_point: u8) -> Value {
        let scale = tensor::fp32(&self.constant_name("scale"), &[], &[scale]);
        let scale = self.constant(scale);
        let zero_point = tensor::uint8(&self.constant_name("zero_point"), &[], &[zero_point]);
        let zero_point = self.constant(zero_point);
        let steps = self.node("QuantizeLinear", &[Some(x), Some(&scale), Some(&zero_point)], None, vec![]);
        self.node("DequantizeLinear", &[Some(&steps), Some(&scale), Some(&zero_point)], None, vec![])
    }

    /// A weight of signed 8-bit steps, row by row, with one scale, or one for each entry of its first axis.
    pub fn int8_weight(&mut self, name: &str, dims: &[usize], steps: &[i8], scales: &[f32]) -> Value {
        let steps = self.constant(tensor::int8(&format!("{name}.int8"), dims, steps));
        let per_entry = [scales.len()];
        let shape = if scales.len() == 1 { &[][..] } else { &per_entry };
        let scale = self.constant(tensor::fp32(&format!("{name}.scale"), shape, scales));
        let zero_points = tensor::int8(&format!("{name}.zero_point"), shape, &vec![0; scales.len()]);
        let zero_points = self.constant(zero_points);
        let inputs = [Some(&steps), Some(&scale), Some(&zero_points)];
        self.node("DequantizeLinear", &inputs, Some(name), vec![int("axis", 0)])
    }
}
