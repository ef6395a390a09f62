//! Runs the network description with libtorch.

use tch::{Kind, Tensor};

use super::network::{Conv, Network, resnet18};
use super::parameters::Parameters;

/// PyTorch's defaults, which torchvision's ResNets use.
pub(super) const NORM_EPSILON: f64 = 1e-5;
const NORM_MOMENTUM: f64 = 0.1;

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

/// Logits `[n, outputs]` in fp32 of a batch `[n, bands, height, width]`; with `training`, batch normalisation takes
/// the batch's statistics and moves the running ones.
pub fn forward(parameters: &Parameters, x: &Tensor, precision: Precision, training: bool) -> Tensor {
    let bands = x.size()[1] as usize;
    let outputs = parameters.get("fc.bias").numel();
    let mut run = Forward { parameters, kind: precision.kind(), training };
    resnet18(&mut run, &channels_last(x).to_kind(precision.kind()), bands, outputs).to_kind(Kind::Float)
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
}

impl Forward<'_> {
    fn cast(&self, name: &str) -> Tensor {
        self.parameters.get(name).to_kind(self.kind)
    }
}

impl Network for Forward<'_> {
    type Value = Tensor;

    fn conv_norm(&mut self, conv: &str, norm: &str, x: &Tensor, shape: Conv) -> Tensor {
        let (stride, padding) = (shape.stride as i64, shape.padding as i64);
        let weight = channels_last(&self.cast(&format!("{conv}.weight")));
        let y = x.conv2d(&weight, None::<&Tensor>, [stride; 2], [padding; 2], [1, 1], 1);
        let of = |what: &str| Some(self.parameters.get(&format!("{norm}.{what}")));
        let (mean, variance) = (of("running_mean"), of("running_var"));
        y.batch_norm(of("weight"), of("bias"), mean, variance, self.training, NORM_MOMENTUM, NORM_EPSILON, true)
    }

    fn relu(&mut self, x: &Tensor) -> Tensor {
        x.relu()
    }

    fn max_pool(&mut self, x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Tensor {
        let [kernel, stride, padding] = [kernel, stride, padding].map(|n| [n as i64; 2]);
        x.max_pool2d(kernel, stride, padding, [1, 1], false)
    }

    fn add(&mut self, a: &Tensor, b: &Tensor) -> Tensor {
        a + b
    }

    fn global_average_pool(&mut self, x: &Tensor) -> Tensor {
        x.mean_dim([2i64, 3].as_slice(), false, self.kind)
    }

    fn linear(&mut self, name: &str, x: &Tensor, _: usize, _: usize) -> Tensor {
        x.linear(&self.cast(&format!("{name}.weight")), Some(&self.cast(&format!("{name}.bias"))))
    }
}
