//! ConvNeXt (Liu et al. 2022) in timm's smallest size, with timm's parameter names.

use super::{Architecture, Conv, Network};

/// Blocks of the four stages.
const DEPTHS: [usize; 4] = [2, 2, 6, 2];
/// Inner channels of a block for each outer one.
const EXPANSION: usize = 4;

pub(super) fn run<N: Network>(of: &Architecture, net: &mut N, x: &N::Value) -> N::Value {
    let patches = |inputs, outputs, side| Conv { inputs, outputs, kernel: side, stride: side, padding: 0, groups: 1 };
    let x = net.conv("stem.0", x, patches(of.bands, of.width, of.stem_stride));
    let mut x = net.layer_norm("stem.1", &x, of.width);
    for (stage, depth) in DEPTHS.into_iter().enumerate() {
        let channels = of.width << stage;
        if stage > 0 {
            x = net.layer_norm(&format!("stages.{stage}.downsample.0"), &x, channels / 2);
            x = net.conv(&format!("stages.{stage}.downsample.1"), &x, patches(channels / 2, channels, 2));
        }
        for index in 0..depth {
            x = block(net, &format!("stages.{stage}.blocks.{index}"), &x, channels);
        }
    }
    let channels = of.width << (DEPTHS.len() - 1);
    let x = net.global_pool(&x, of.pooling);
    let x = net.layer_norm("head.norm", &x, channels);
    net.classifier(of.family.ends()[0], &x, channels, of.outputs)
}

fn block<N: Network>(net: &mut N, name: &str, x: &N::Value, channels: usize) -> N::Value {
    let depthwise = Conv { inputs: channels, outputs: channels, kernel: 7, stride: 1, padding: 3, groups: channels };
    let inner = channels * EXPANSION;
    let pointwise = |inputs, outputs| Conv { inputs, outputs, kernel: 1, stride: 1, padding: 0, groups: 1 };
    let y = net.conv(&format!("{name}.conv_dw"), x, depthwise);
    let y = net.layer_norm(&format!("{name}.norm"), &y, channels);
    let y = net.conv(&format!("{name}.mlp.fc1"), &y, pointwise(channels, inner));
    let y = net.gelu(&y);
    let y = net.conv(&format!("{name}.mlp.fc2"), &y, pointwise(inner, channels));
    let y = net.scale(&format!("{name}.gamma"), &y, channels);
    net.add(&y, x)
}
