//! U-Nets (Ronneberger et al. 2015): two convolutions a level on the way down and on the way up, and what a level saw on
//! the way down joined to what comes up from below.
//!
//! A level's channels are halved by a 1×1 convolution before its pixels are doubled, where they are a quarter as many, and
//! doubled by repetition, which every engine does exactly and in any memory layout; a transposed convolution costs more on
//! each of them and leaves a chequered pattern (Odena et al. 2016).

use super::{Architecture, Conv, Network};

pub(super) fn run<N: Network>(of: &Architecture, depth: usize, net: &mut N, x: &N::Value) -> N::Value {
    let mut skips = Vec::with_capacity(depth);
    let mut x = block(net, "encoder.0", x, of.bands, of.width);
    for level in 1..=depth {
        let below = net.max_pool(&x, 2, 2, 0);
        skips.push(x);
        x = block(net, &format!("encoder.{level}"), &below, of.width << (level - 1), of.width << level);
    }
    for (level, skip) in skips.iter().enumerate().rev() {
        let (name, channels) = (format!("decoder.{level}"), of.width << level);
        let narrow = pointwise(2 * channels, channels);
        x = net.conv_norm(&format!("{name}.narrow"), &format!("{name}.narrow_bn"), &x, narrow);
        x = net.relu(&x);
        x = net.double(&x);
        x = net.concat(skip, &x);
        x = block(net, &name, &x, 2 * channels, channels);
    }
    net.conv(of.family.ends()[0], &x, pointwise(of.width, of.outputs))
}

fn block<N: Network>(net: &mut N, name: &str, x: &N::Value, inputs: usize, channels: usize) -> N::Value {
    let first = Conv { inputs, outputs: channels, kernel: 3, stride: 1, padding: 1, groups: 1 };
    let x = net.conv_norm(&format!("{name}.conv1"), &format!("{name}.bn1"), x, first);
    let x = net.relu(&x);
    let x = net.conv_norm(&format!("{name}.conv2"), &format!("{name}.bn2"), &x, Conv { inputs: channels, ..first });
    net.relu(&x)
}

fn pointwise(inputs: usize, outputs: usize) -> Conv {
    Conv { inputs, outputs, kernel: 1, stride: 1, padding: 0, groups: 1 }
}
