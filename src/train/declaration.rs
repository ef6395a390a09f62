//! The interpreter that creates what a network description asks for.

use std::collections::BTreeMap;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::network::{Architecture, Conv, Network, Pooling};

/// On the processor, whose random numbers are the same everywhere.
const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
/// Standard deviation of ConvNeXt's weights (timm's initialisation, there truncated at two deviations of 1).
const CONVNEXT_DEVIATION: f64 = 0.02;
/// First value of ConvNeXt's layer scale.
const LAYER_SCALE: f64 = 1e-6;

/// Freshly initialised tensors: He's normal initialisation (fan out) of convolutions before a batch normalisation,
/// N(0, 0.02²) of those with a bias, unit normalisations, PyTorch's uniform initialisation of the last layer. Draws
/// from libtorch's generator.
pub(super) fn tensors(architecture: &Architecture) -> BTreeMap<String, Tensor> {
    let mut declaration = Declaration { tensors: BTreeMap::new() };
    architecture.run(&mut declaration, &());
    declaration.tensors
}

struct Declaration {
    tensors: BTreeMap<String, Tensor>,
}

impl Declaration {
    fn put(&mut self, name: &str, what: &str, tensor: Tensor) {
        self.tensors.insert(format!("{name}.{what}"), tensor);
    }

    fn convolution(&mut self, name: &str, shape: Conv, deviation: f64) {
        let size = [shape.outputs, shape.inputs / shape.groups, shape.kernel, shape.kernel].map(|n| n as i64);
        self.put(name, "weight", Tensor::randn(size, FLOAT) * deviation);
    }

    fn unit(&mut self, name: &str, channels: usize) {
        self.put(name, "weight", Tensor::ones([channels as i64], FLOAT));
        self.put(name, "bias", Tensor::zeros([channels as i64], FLOAT));
    }
}

impl Network for Declaration {
    type Value = ();

    fn conv_norm(&mut self, conv: &str, norm: &str, _: &(), shape: Conv) {
        let fan_out = shape.outputs / shape.groups * shape.kernel * shape.kernel;
        self.convolution(conv, shape, (2.0 / fan_out as f64).sqrt());
        self.unit(norm, shape.outputs);
        self.put(norm, "running_mean", Tensor::zeros([shape.outputs as i64], FLOAT));
        self.put(norm, "running_var", Tensor::ones([shape.outputs as i64], FLOAT));
    }

    fn conv(&mut self, name: &str, _: &(), shape: Conv) {
        self.convolution(name, shape, CONVNEXT_DEVIATION);
        self.put(name, "bias", Tensor::zeros([shape.outputs as i64], FLOAT));
    }

    fn layer_norm(&mut self, name: &str, _: &(), channels: usize) {
        self.unit(name, channels);
    }

    fn scale(&mut self, name: &str, _: &(), channels: usize) {
        self.tensors.insert(name.to_owned(), Tensor::full([channels as i64], LAYER_SCALE, FLOAT));
    }

    fn relu(&mut self, _: &()) {}

    fn gelu(&mut self, _: &()) {}

    fn max_pool(&mut self, _: &(), _: usize, _: usize, _: usize) {}

    fn double(&mut self, _: &()) {}

    fn channels(&mut self, _: &(), _: Range<usize>) {}

    fn concat(&mut self, _: &(), _: &()) {}

    fn add(&mut self, _: &(), _: &()) {}

    fn global_pool(&mut self, _: &(), _: Pooling) {}

    fn classifier(&mut self, name: &str, _: &(), inputs: usize, outputs: usize) {
        let bound = 1.0 / (inputs as f64).sqrt();
        let uniform = |size: &[i64]| Tensor::rand(size, FLOAT) * (2.0 * bound) - bound;
        let (inputs, outputs) = (inputs as i64, outputs as i64);
        self.put(name, "weight", uniform(&[outputs, inputs]));
        self.put(name, "bias", uniform(&[outputs]));
    }
}
