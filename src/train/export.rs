//! Writes a network description as ONNX.

use std::ops::Range;

use super::forward::{BATCH_NORM_EPSILON, LAYER_NORM_EPSILON};
use super::network::{self, GEM_FLOOR, Network, Pooling};
use super::parameters::Parameters;
use crate::onnx::{Conv, GraphBuilder, Resampling, Value, Weights};

/// A network as an ONNX file: `input` is `[n, bands, side, side]`, `logits` is `[n, outputs]`, of a dense network
/// `[n, outputs, side, side]`. Batch normalisation is folded into the convolutions before it, in f64.
pub fn onnx(parameters: &Parameters, name: &str, side: usize, weights: Weights) -> Vec<u8> {
    let architecture = parameters.architecture;
    let mut export = Export { parameters, graph: GraphBuilder::new(name, weights) };
    let input = export.graph.input("input", &[None, Some(architecture.bands), Some(side), Some(side)]);
    let logits = architecture.run(&mut export, &input);
    let of_row = architecture.output_shape(side).into_iter().map(Some);
    let shape: Vec<Option<usize>> = std::iter::once(None).chain(of_row).collect();
    export.graph.output("logits", &logits, &shape);
    export.graph.finish()
}

struct Export<'a> {
    parameters: &'a Parameters,
    graph: GraphBuilder,
}

impl Export<'_> {
    fn convolve(&mut self, name: &str, x: &Value, shape: network::Conv, weight: &[f32], bias: &[f32]) -> Value {
        let dims = [shape.outputs, shape.inputs / shape.groups, shape.kernel, shape.kernel];
        let weight = self.graph.weight(&format!("{name}.weight"), &dims, weight);
        let bias = self.graph.weight(&format!("{name}.bias"), &[shape.outputs], bias);
        let network::Conv { kernel, stride, padding, groups, .. } = shape;
        self.graph.conv(x, &weight, Some(&bias), Conv { kernel, stride, padding, groups })
    }
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
            let scale = f64::from(gain[output]) / (f64::from(variance[output]) + BATCH_NORM_EPSILON).sqrt();
            weights.iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            bias.push((f64::from(shift[output]) - f64::from(mean[output]) * scale) as f32);
        }
        self.convolve(conv, x, shape, &weight, &bias)
    }

    fn conv(&mut self, name: &str, x: &Value, shape: network::Conv) -> Value {
        let [weight, bias] = ["weight", "bias"].map(|what| self.parameters.values(&format!("{name}.{what}")));
        self.convolve(name, x, shape, &weight, &bias)
    }

    fn layer_norm(&mut self, name: &str, x: &Value, _: usize) -> Value {
        let [weight, bias] = ["weight", "bias"].map(|what| format!("{name}.{what}"));
        let [gain, shift] = [&weight, &bias].map(|name| self.parameters.values(name));
        self.graph.layer_norm(x, (&weight, &gain), (&bias, &shift), LAYER_NORM_EPSILON)
    }

    fn scale(&mut self, name: &str, x: &Value, _: usize) -> Value {
        self.graph.scale(x, name, &self.parameters.values(name))
    }

    fn relu(&mut self, x: &Value) -> Value {
        self.graph.relu(x)
    }

    fn gelu(&mut self, x: &Value) -> Value {
        self.graph.gelu(x)
    }

    fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        self.graph.max_pool(x, kernel, stride, padding)
    }

    fn double(&mut self, x: &Value) -> Value {
        self.graph.resize(x, 2, Resampling::Nearest)
    }

    fn channels(&mut self, x: &Value, which: Range<usize>) -> Value {
        self.graph.channels(x, which)
    }

    fn concat(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.concat(&[a, b])
    }

    fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.graph.add(a, b)
    }

    fn global_pool(&mut self, x: &Value, pooling: Pooling) -> Value {
        match pooling {
            Pooling::Average => self.graph.global_average_pool(x),
            Pooling::Gem => self.graph.cubic_mean_pool(x, GEM_FLOOR),
        }
    }

    fn classifier(&mut self, name: &str, x: &Value, inputs: usize, outputs: usize) -> Value {
        let x = self.graph.flatten(x);
        let weight = self.parameters.values(&format!("{name}.weight"));
        let weight = self.graph.weight(&format!("{name}.weight"), &[outputs, inputs], &weight);
        let bias = self.parameters.values(&format!("{name}.bias"));
        let bias = self.graph.weight(&format!("{name}.bias"), &[outputs], &bias);
        self.graph.linear(&x, &weight, &bias)
    }
}
