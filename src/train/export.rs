//! Writes the network description as ONNX.

use super::forward::NORM_EPSILON;
use super::network::{self, Network, resnet18};
use super::parameters::Parameters;
use crate::onnx::{Conv, GraphBuilder, Value, Weights};

/// A ResNet-18 as an ONNX file: `input` is `[n, bands, side, side]`, `logits` is `[n, outputs]`. Batch normalisation
/// is folded into the convolutions before it, in f64.
pub fn onnx(parameters: &Parameters, name: &str, side: usize, weights: Weights) -> Vec<u8> {
    let bands = parameters.get("conv1.weight").size()[1] as usize;
    let outputs = parameters.get("fc.bias").numel();
    let mut export = Export { parameters, graph: GraphBuilder::new(name, weights) };
    let input = export.graph.input("input", &[None, Some(bands), Some(side), Some(side)]);
    let logits = resnet18(&mut export, &input, bands, outputs);
    export.graph.output("logits", &logits, &[None, Some(outputs)]);
    export.graph.finish()
}

struct Export<'a> {
    parameters: &'a Parameters,
    graph: GraphBuilder,
}

impl Network for Export<'_> {
    type Value = Value;

    fn conv_norm(&mut self, conv: &str, norm: &str, x: &Value, shape: network::Conv) -> Value {
        let mut weight = self.parameters.values(&format!("{conv}.weight"));
        let [gain, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|what| self.parameters.values(&format!("{norm}.{what}")));
        let per_output = weight.len() / shape.outputs;
        let mut bias = Vec::with_capacity(shape.outputs);
        for (output, weights) in weight.chunks_mut(per_output).enumerate() {
            let scale = f64::from(gain[output]) / (f64::from(variance[output]) + NORM_EPSILON).sqrt();
            weights.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            bias.push((f64::from(shift[output]) - f64::from(mean[output]) * scale) as f32);
        }
        let dims = [shape.outputs, shape.inputs, shape.kernel, shape.kernel];
        let weight = self.graph.weight(&format!("{conv}.weight"), &dims, &weight);
        let bias = self.graph.weight(&format!("{conv}.bias"), &[shape.outputs], &bias);
        let how = Conv { kernel: shape.kernel, stride: shape.stride, padding: shape.padding, groups: 1 };
        self.graph.conv(x, &weight, Some(&bias), how)
    }

    fn relu(&mut self, x: &Value) -> Value {
        self.graph.relu(x)
    }

    fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        self.graph.max_pool(x, kernel, stride, padding)
    }

    fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.add(a, b)
    }

    fn global_average_pool(&mut self, x: &Value) -> Value {
        let pooled = self.graph.global_average_pool(x);
        self.graph.flatten(&pooled)
    }

    fn linear(&mut self, name: &str, x: &Value, inputs: usize, outputs: usize) -> Value {
        let weight = self.parameters.values(&format!("{name}.weight"));
        let weight = self.graph.weight(&format!("{name}.weight"), &[outputs, inputs], &weight);
        let bias = self.parameters.values(&format!("{name}.bias"));
        let bias = self.graph.weight(&format!("{name}.bias"), &[outputs], &bias);
        self.graph.linear(x, &weight, &bias)
    }
}
