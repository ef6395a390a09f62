//! The network, described once: the trainer runs this description and the exporter writes it, so that what was trained
//! and what is exported cannot drift apart.

/// A square convolution without bias, followed by batch normalisation.
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
}

/// What an interpreter of a network description must know how to do.
pub trait Network {
    /// What flows between layers: a tensor, a node of a graph, nothing.
    type Value;

    /// Convolution `conv` and batch normalisation `norm`, both by parameter name.
    fn conv_norm(&mut self, conv: &str, norm: &str, x: &Self::Value, shape: Conv) -> Self::Value;
    /// max(x, 0)
    fn relu(&mut self, x: &Self::Value) -> Self::Value;
    /// Square max pooling.
    fn max_pool(&mut self, x: &Self::Value, kernel: usize, stride: usize, padding: usize) -> Self::Value;
    /// Sum of two equal shapes.
    fn add(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value;
    /// Mean over height and width: `[n, channels, height, width]` to `[n, channels]`.
    fn global_average_pool(&mut self, x: &Self::Value) -> Self::Value;
    /// Fully connected layer with bias: `[n, inputs]` to `[n, outputs]`.
    fn linear(&mut self, name: &str, x: &Self::Value, inputs: usize, outputs: usize) -> Self::Value;
}

/// ResNet-18 (He et al. 2015) for any number of bands, with torchvision's parameter names: `[n, bands, height, width]`
/// to logits `[n, outputs]`. The stem is the ordinary one, 7×7 of stride 2 and a max pool.
pub fn resnet18<N: Network>(net: &mut N, x: &N::Value, bands: usize, outputs: usize) -> N::Value {
    let stem = Conv { inputs: bands, outputs: 64, kernel: 7, stride: 2, padding: 3 };
    let x = net.conv_norm("conv1", "bn1", x, stem);
    let x = net.relu(&x);
    let mut x = net.max_pool(&x, 3, 2, 1);
    let mut inputs = 64;
    for (stage, channels) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = basic_block(net, &format!("layer{}.{block}", stage + 1), &x, inputs, channels, stride);
            inputs = channels;
        }
    }
    let x = net.global_average_pool(&x);
    net.linear("fc", &x, inputs, outputs)
}

fn basic_block<N: Network>(
    net: &mut N,
    name: &str,
    x: &N::Value,
    inputs: usize,
    outputs: usize,
    stride: usize,
) -> N::Value {
    let first = Conv { inputs, outputs, kernel: 3, stride, padding: 1 };
    let second = Conv { inputs: outputs, stride: 1, ..first };
    let y = net.conv_norm(&format!("{name}.conv1"), &format!("{name}.bn1"), x, first);
    let y = net.relu(&y);
    let y = net.conv_norm(&format!("{name}.conv2"), &format!("{name}.bn2"), &y, second);
    let sum = if stride == 1 && inputs == outputs {
        net.add(&y, x)
    } else {
        let shortcut = Conv { kernel: 1, padding: 0, ..first };
        let x = net.conv_norm(&format!("{name}.downsample.0"), &format!("{name}.downsample.1"), x, shortcut);
        net.add(&y, &x)
    };
    net.relu(&sum)
}
