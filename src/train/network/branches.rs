//! A small residual network (He et al. 2015) of two encoders, one a sensor, whose feature maps are joined while they still
//! have places: what both sensors saw at the same spot meets in the block that follows.
//!
//! Ten of these run for every window in eight views each, so that an encoder stops at an eighth of the side.

use super::{Architecture, Conv, Network, resnet};

/// Stages of an encoder after its stem, each of one block that halves height and width and doubles the channels.
const STAGES: usize = 2;

pub(super) fn run<N: Network>(of: &Architecture, first: usize, net: &mut N, x: &N::Value) -> N::Value {
    let encoded = of.width << STAGES;
    let (x, channels) = match (first, of.bands - first) {
        (bands, 0) => (encode(net, "first", x, bands, of.width), encoded),
        (0, bands) => (encode(net, "second", x, bands, of.width), encoded),
        (first, second) => {
            let [a, b] = [net.channels(x, 0..first), net.channels(x, first..of.bands)];
            let a = encode(net, "first", &a, first, of.width);
            let b = encode(net, "second", &b, second, of.width);
            (net.concat(&a, &b), 2 * encoded)
        }
    };
    let (x, channels) = resnet::basic(net, "joint", &x, channels, encoded, 2);
    let x = net.global_pool(&x, of.pooling);
    net.classifier(of.family.ends()[0], &x, channels, of.outputs)
}

/// `[n, inputs, side, side]` to `[n, 4 width, side / 8, side / 8]`
fn encode<N: Network>(net: &mut N, name: &str, x: &N::Value, inputs: usize, width: usize) -> N::Value {
    let stem = Conv { inputs, outputs: width, kernel: 3, stride: 2, padding: 1, groups: 1 };
    let x = net.conv_norm(&format!("{name}.stem"), &format!("{name}.stem_bn"), x, stem);
    let mut x = net.relu(&x);
    let mut channels = width;
    for stage in 1..=STAGES {
        (x, channels) = resnet::basic(net, &format!("{name}.{stage}"), &x, channels, 2 * channels, 2);
    }
    x
}
