//! The networks, each described once: the trainer runs the description and the exporter writes it, so that what was
//! trained and what is exported cannot drift apart.

mod branches;
mod convnext;
mod resnet;
mod unet;

use std::fmt::{self, Display};
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A square convolution.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel side in pixels.
    pub kernel: usize,
    /// Step in pixels.
    pub stride: usize,
    /// Zero padding on each side in pixels.
    pub padding: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// How the last feature map, `[n, channels, height, width]`, becomes `[n, channels]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The mean.
    Average,
    /// Generalised mean of exponent 3 (Radenović et al. 2018): between mean and maximum, so that a target of a few
    /// pixels is not averaged away.
    Gem,
}

/// Exponent of [`Pooling::Gem`].
pub const GEM_EXPONENT: f64 = 3.0;
/// Smallest value that [`Pooling::Gem`] lets in.
pub const GEM_FLOOR: f64 = 1e-6;

/// What an interpreter of a network description must know how to do.
pub trait Network {
    /// What flows between layers, `[n, channels, height, width]`: a tensor, a node of a graph, nothing.
    type Value;

    /// Convolution `conv` without bias and batch normalisation `norm`, both by parameter name.
    fn conv_norm(&mut self, conv: &str, norm: &str, x: &Self::Value, shape: Conv) -> Self::Value;
    /// Convolution with bias.
    fn conv(&mut self, name: &str, x: &Self::Value, shape: Conv) -> Self::Value;
    /// Layer normalisation over the channels of every pixel.
    fn layer_norm(&mut self, name: &str, x: &Self::Value, channels: usize) -> Self::Value;
    /// One factor a channel.
    fn scale(&mut self, name: &str, x: &Self::Value, channels: usize) -> Self::Value;
    /// max(x, 0)
    fn relu(&mut self, x: &Self::Value) -> Self::Value;
    /// x Φ(x)
    fn gelu(&mut self, x: &Self::Value) -> Self::Value;
    /// Square max pooling.
    fn max_pool(&mut self, x: &Self::Value, kernel: usize, stride: usize, padding: usize) -> Self::Value;
    /// Height and width twice as large; every pixel becomes four.
    fn double(&mut self, x: &Self::Value) -> Self::Value;
    /// Some of the channels, which lie side by side.
    fn channels(&mut self, x: &Self::Value, which: Range<usize>) -> Self::Value;
    /// The channels of `a`, then those of `b`.
    fn concat(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value;
    /// Sum of two equal shapes.
    fn add(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value;
    /// Height and width to one pixel: `[n, channels, 1, 1]`.
    fn global_pool(&mut self, x: &Self::Value, pooling: Pooling) -> Self::Value;
    /// The last layer, fully connected with bias: `[n, inputs, 1, 1]` to `[n, outputs]`.
    fn classifier(&mut self, name: &str, x: &Self::Value, inputs: usize, outputs: usize) -> Self::Value;
}

/// A family of networks with its depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// He et al. 2015, basic blocks; parameters named as torchvision names them.
    #[serde(rename = "ResNet-18")]
    ResNet18,
    /// He et al. 2015, bottleneck blocks; parameters named as torchvision names them.
    #[serde(rename = "ResNet-50")]
    ResNet50,
    /// Liu et al. 2022 in the size that timm calls Atto; parameters named as timm names them.
    #[serde(rename = "ConvNeXt-Atto")]
    ConvNextAtto,
    /// Ronneberger et al. 2015 with zero padding and batch normalisation: logits of every pixel.
    #[serde(rename = "U-Net")]
    UNet {
        /// How often height and width are halved.
        depth: usize,
    },
    /// A residual encoder for the first channels, another for the rest, and a residual block over what both found: for
    /// sensors that see the same place in different ways. One encoder alone where either has no channel.
    #[serde(rename = "two-branch ResNet")]
    TwoBranch {
        /// Channels of the first encoder.
        first: usize,
    },
}

impl Family {
    /// Name in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet18 => "ResNet-18",
            Self::ResNet50 => "ResNet-50",
            Self::ConvNextAtto => "ConvNeXt-Atto",
            Self::UNet { .. } => "U-Net",
            Self::TwoBranch { .. } => "two-branch ResNet",
        }
    }

    /// Channels of the first stage in the literature; of a U-Net, a quarter of them; of a two-branch network, what ten of
    /// them with eight views each may cost.
    pub fn width(self) -> usize {
        match self {
            Self::ResNet18 | Self::ResNet50 => 64,
            Self::ConvNextAtto => 40,
            Self::UNet { .. } => 16,
            Self::TwoBranch { .. } => 12,
        }
    }

    /// Parameter names of the last layer and of the first.
    pub fn ends(self) -> [&'static str; 2] {
        match self {
            Self::ResNet18 | Self::ResNet50 => ["fc", "conv1"],
            Self::ConvNextAtto => ["head.fc", "stem.0"],
            Self::UNet { .. } => ["head", "encoder.0.conv1"],
            Self::TwoBranch { .. } => ["head", "first.stem"],
        }
    }

    /// Whether the logits are those of every pixel.
    pub fn is_dense(self) -> bool {
        matches!(self, Self::UNet { .. })
    }
}

/// A network from its input, `[n, bands, height, width]`, to its logits, `[n, outputs]` or, of every pixel,
/// `[n, outputs, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// Family and depth.
    pub family: Family,
    /// Channels of the first stage; every later stage has twice as many as the one before.
    pub width: usize,
    /// Pixels of the input for one of the first stage: 4 as in the literature, 2 or 1 for targets of a few pixels.
    pub stem_stride: usize,
    /// What the last feature map is reduced by.
    pub pooling: Pooling,
    /// Input channels.
    pub bands: usize,
    /// Logits.
    pub outputs: usize,
}

impl Architecture {
    /// Strides that a stem can have.
    pub const STEM_STRIDES: [usize; 3] = [1, 2, 4];

    /// Feeds `x` through `net`.
    pub fn run<N: Network>(&self, net: &mut N, x: &N::Value) -> N::Value {
        match self.family {
            Family::ResNet18 | Family::ResNet50 => resnet::run(self, net, x),
            Family::ConvNextAtto => convnext::run(self, net, x),
            Family::UNet { depth } => unet::run(self, depth, net, x),
            Family::TwoBranch { first } => branches::run(self, first, net, x),
        }
    }

    /// What follows the batch axis of the logits of a square input.
    pub fn output_shape(&self, side_px: usize) -> Vec<usize> {
        match self.family.is_dense() {
            true => vec![self.outputs, side_px, side_px],
            false => vec![self.outputs],
        }
    }
}

impl Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.family.name())?;
        if self.width != self.family.width() {
            write!(f, ", {} channels wide", self.width)?;
        }
        if let Family::UNet { depth } = self.family {
            return write!(f, ", {depth} levels below the first");
        }
        if let Family::TwoBranch { first } = self.family {
            write!(f, ", {first} and {} channels", self.bands - first)?;
        } else if self.stem_stride != 4 {
            write!(f, ", stem of stride {}", self.stem_stride)?;
        }
        if self.pooling == Pooling::Gem {
            f.write_str(", GeM pooling")?;
        }
        Ok(())
    }
}
