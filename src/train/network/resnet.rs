//! ResNets (He et al. 2015), with torchvision's parameter names.

use super::{Architecture, Conv, Family, Network};

/// Blocks of the four stages.
const DEPTHS_18: [usize; 4] = [2, 2, 2, 2];
const DEPTHS_50: [usize; 4] = [3, 4, 6, 3];
/// Output channels of a bottleneck for each of its inner ones.
const EXPANSION: usize = 4;

pub(super) fn run<N: Network>(of: &Architecture, net: &mut N, x: &N::Value) -> N::Value {
    let mut x = stem(of, net, x);
    let mut inputs = of.width;
    let is_deep = of.family == Family::ResNet50;
    let depths = if is_deep { DEPTHS_50 } else { DEPTHS_18 };
    for (stage, depth) in depths.into_iter().enumerate() {
        let channels = of.width << stage;
        for block in 0..depth {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let block = if is_deep { bottleneck } else { basic };
            (x, inputs) = block(net, &name, &x, inputs, channels, stride);
        }
    }
    let x = net.global_pool(&x, of.pooling);
    net.classifier(of.family.ends()[0], &x, inputs, of.outputs)
}

/// 7×7 of stride 2 and a max pool, as published; else 3×3 at full resolution, and the max pool where the stride is 2.
fn stem<N: Network>(of: &Architecture, net: &mut N, x: &N::Value) -> N::Value {
    let (kernel, stride) = if of.stem_stride == 4 { (7, 2) } else { (3, 1) };
    let shape = Conv { inputs: of.bands, outputs: of.width, kernel, stride, padding: kernel / 2, groups: 1 };
    let x = net.conv_norm("conv1", "bn1", x, shape);
    let x = net.relu(&x);
    if of.stem_stride > 1 { net.max_pool(&x, 3, 2, 1) } else { x }
}

pub(super) fn basic<N: Network>(
    net: &mut N,
    name: &str,
    x: &N::Value,
    inputs: usize,
    channels: usize,
    stride: usize,
) -> (N::Value, usize) {
    let first = Conv { inputs, outputs: channels, kernel: 3, stride, padding: 1, groups: 1 };
    let second = Conv { inputs: channels, stride: 1, ..first };
    let y = net.conv_norm(&format!("{name}.conv1"), &format!("{name}.bn1"), x, first);
    let y = net.relu(&y);
    let y = net.conv_norm(&format!("{name}.conv2"), &format!("{name}.bn2"), &y, second);
    (join(net, name, &y, x, Conv { kernel: 1, padding: 0, ..first }), channels)
}

/// The stride is in the 3×3 convolution, as in torchvision.
fn bottleneck<N: Network>(
    net: &mut N,
    name: &str,
    x: &N::Value,
    inputs: usize,
    channels: usize,
    stride: usize,
) -> (N::Value, usize) {
    let outputs = channels * EXPANSION;
    let first = Conv { inputs, outputs: channels, kernel: 1, stride: 1, padding: 0, groups: 1 };
    let second = Conv { inputs: channels, kernel: 3, stride, padding: 1, ..first };
    let third = Conv { inputs: channels, outputs, ..first };
    let y = net.conv_norm(&format!("{name}.conv1"), &format!("{name}.bn1"), x, first);
    let y = net.relu(&y);
    let y = net.conv_norm(&format!("{name}.conv2"), &format!("{name}.bn2"), &y, second);
    let y = net.relu(&y);
    let y = net.conv_norm(&format!("{name}.conv3"), &format!("{name}.bn3"), &y, third);
    (join(net, name, &y, x, Conv { outputs, stride, ..first }), outputs)
}

/// Adds the block's input, brought to the output's shape by `shortcut` where it differs.
fn join<N: Network>(net: &mut N, name: &str, y: &N::Value, x: &N::Value, shortcut: Conv) -> N::Value {
    let sum = if shortcut.stride == 1 && shortcut.inputs == shortcut.outputs {
        net.add(y, x)
    } else {
        let x = net.conv_norm(&format!("{name}.downsample.0"), &format!("{name}.downsample.1"), x, shortcut);
        net.add(y, &x)
    };
    net.relu(&sum)
}
