//! Runs a network description with libtorch.

use std::ops::Range;

use tch::{Kind, Tensor};

use super::network::{Conv, GEM_EXPONENT, GEM_FLOOR, Network, Pooling};
use super::parameters::Parameters;

/// PyTorch's defaults, which torchvision's ResNets use.
pub(super) const BATCH_NORM_EPSILON: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;
/// ConvNeXt's.
pub(super) const LAYER_NORM_EPSILON: f64 = 1e-6;

/// The kind of numbers that layers compute with; the parameters themselves stay fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Fp32,
    /// 16 bits with fp32's range: nearly twice as fast on processors with AMX, and on GPUs.
    Bf16,
}

impl Precision {
    fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// What a forward pass gives, in fp32.
#[derive(Debug)]
pub struct Output {
    /// `[n, outputs]`, or `[n, outputs, height, width]` of a network that is dense.
    pub logits: Tensor,
    /// What the last layer sees, `[n, features]`; of a dense network, the logits.
    pub features: Tensor,
}

/// Feeds a batch `[n, bands, height, width]` through the network; with `training`, batch normalisation takes the
/// batch's statistics and moves the running ones.
pub fn forward(parameters: &Parameters, x: &Tensor, precision: Precision, training: bool) -> Output {
    let kind = precision.kind();
    let mut run = Forward { parameters, kind, training, features: None };
    let logits = parameters.architecture.run(&mut run, &channels_last(x).to_kind(kind)).to_kind(Kind::Float);
    let features = run.features.map_or_else(|| logits.shallow_clone(), |features| features.to_kind(Kind::Float));
    Output { logits, features }
}

/// The same values with the channels of a pixel side by side in memory, the layout in which libtorch convolves
/// fastest.
fn channels_last(x: &Tensor) -> Tensor {
    x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

struct Forward<'a> {
    parameters: &'a Parameters,
    kind: Kind,
    training: bool,
    features: Option<Tensor>,
}

impl Forward<'_> {
    fn cast(&self, name: &str) -> Tensor {
        self.parameters.get(name).to_kind(self.kind)
    }

    fn convolve(&self, name: &str, x: &Tensor, shape: Conv, bias: Option<&Tensor>) -> Tensor {
        let (stride, padding) = (shape.stride as i64, shape.padding as i64);
        let weight = channels_last(&self.cast(&format!("{name}.weight")));
        x.conv2d(&weight, bias, [stride; 2], [padding; 2], [1, 1], shape.groups as i64)
    }
}

impl Network for Forward<'_> {
    type Value = Tensor;

    fn conv_norm(&mut self, conv: &str, norm: &str, x: &Tensor, shape: Conv) -> Tensor {
        let y = self.convolve(conv, x, shape, None);
        let of = |what: &str| Some(self.parameters.get(&format!("{norm}.{what}")));
        let (mean, variance) = (of("running_mean"), of("running_var"));
        y.batch_norm(
            of("weight"),
            of("bias"),
            mean,
            variance,
            self.training,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
            true,
        )
    }

    fn conv(&mut self, name: &str, x: &Tensor, shape: Conv) -> Tensor {
        self.convolve(name, x, shape, Some(&self.cast(&format!("{name}.bias"))))
    }

    fn layer_norm(&mut self, name: &str, x: &Tensor, channels: usize) -> Tensor {
        let [weight, bias] = ["weight", "bias"].map(|what| self.cast(&format!("{name}.{what}")));
        let by_pixel = x.permute([0, 2, 3, 1]);
        let normed = by_pixel.layer_norm([channels as i64], Some(&weight), Some(&bias), LAYER_NORM_EPSILON, false);
        normed.permute([0, 3, 1, 2])
    }

    fn scale(&mut self, name: &str, x: &Tensor, channels: usize) -> Tensor {
        x * self.cast(name).view([1, channels as i64, 1, 1])
    }

    /// In place, which saves a pass over memory: what goes in is a sum or a normalised convolution, which no gradient
    /// needs again.
    fn relu(&mut self, x: &Tensor) -> Tensor {
        x.shallow_clone().relu_()
    }

    fn gelu(&mut self, x: &Tensor) -> Tensor {
        x.gelu("none")
    }

    fn max_pool(&mut self, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Tensor {
        let [kernel, stride, padding] = [kernel, stride, padding].map(|n| [n as i64; 2]);
        x.max_pool2d(kernel, stride, padding, [1, 1], false)
    }

    fn double(&mut self, x: &Tensor) -> Tensor {
        let size = x.size();
        x.upsample_nearest2d([2 * size[2], 2 * size[3]], None, None)
    }

    fn channels(&mut self, x: &Tensor, which: Range<usize>) -> Tensor {
        channels_last(&x.narrow(1, which.start as i64, which.len() as i64))
    }

    fn concat(&mut self, a: &Tensor, b: &Tensor) -> Tensor {
        Tensor::cat(&[a, b], 1)
    }

    fn add(&mut self, a: &Tensor, b: &Tensor) -> Tensor {
        a + b
    }

    fn global_pool(&mut self, x: &Tensor, pooling: Pooling) -> Tensor {
        let mean = |x: &Tensor| x.mean_dim([2i64, 3].as_slice(), true, x.kind());
        match pooling {
            Pooling::Average => mean(x),
            // Cubes lose too much in bf16.
            Pooling::Gem => {
                let cubes = x.to_kind(Kind::Float).clamp_min(GEM_FLOOR).pow_tensor_scalar(GEM_EXPONENT);
                mean(&cubes).pow_tensor_scalar(1.0 / GEM_EXPONENT).to_kind(self.kind)
            }
        }
    }

    fn classifier(&mut self, name: &str, x: &Tensor, _: usize, _: usize) -> Tensor {
        let features = x.flatten(1, -1);
        let logits = features.linear(&self.cast(&format!("{name}.weight")), Some(&self.cast(&format!("{name}.bias"))));
        self.features = Some(features);
        logits
    }
}
