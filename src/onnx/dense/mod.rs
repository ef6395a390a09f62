//! Convolutions on maps of a few pixels as products of matrices.
//!
//! Engines convolve one row of a batch after the other, and read all weights for each. On a map that is no larger than the
//! kernel every pixel depends on every other, so that the layer is a dense one: `[c_in · h · w]` to `[c_out · h' · w']`, with
//! fewer multiplications than the kernel has (those with padding are gone) and weights that are read once a batch. ResNets
//! of 64-pixel tiles end in maps of 2×2, where ResNet-18 has three such layers.

mod layer;
mod maps;
mod net;
mod product;

use std::borrow::Cow;
use std::collections::HashSet;

use tract_onnx::pb::{NodeProto, OperatorSetIdProto};

use self::layer::Layer;
use self::maps::Maps;
use self::net::Net;
use self::product::{MICROSOFT, Product};
use super::parts::{Initialiser, Parts};
use crate::Result;

/// Inputs with more pixels are left alone: their batches are too small for weights that are read once a batch to matter, and
/// may be of one row, of which OpenVINO sums such a product in another order than of several.
const INPUT_AREA_MAX: usize = 128 * 128;

/// From here on a `Gemm` needs no bias and a `DequantizeLinear` may have an axis.
const OPSET_MIN: i64 = 13;

/// What a layer in 8 bits becomes. One in floating point becomes a `Gemm` for either engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integers {
    /// ONNX Runtime's own `QGemm`, of the same bits as the convolution, where values in 8 bits lie around the layer. Of a
    /// `Gemm` among `DequantizeLinear` it makes none, and a slow layer in floating point.
    #[cfg_attr(not(feature = "ort"), allow(dead_code))]
    QGemm,
    /// A `Gemm` of what is read back, which OpenVINO computes in integers.
    #[cfg_attr(not(feature = "openvino"), allow(dead_code))]
    Gemm,
}

/// The ONNX file `bytes`, whose input is `[n, bands, height, width]` with the last three of `input`, with such convolutions as
/// products; as it is where it has none. Weights are copied once, into the new file.
///
/// # Errors
/// [`crate::Kind::Refused`] where it is no ONNX file.
pub fn dense(bytes: &[u8], input: [usize; 3], integers: Integers) -> Result<Cow<'_, [u8]>> {
    let [_, height, width] = input;
    let mut parts = Parts::decode(bytes)?;
    let is_standard = |set: &OperatorSetIdProto| matches!(set.domain.as_str(), "" | "ai.onnx");
    let is_old = parts.model.opset_import.iter().any(|set| is_standard(set) && set.version < OPSET_MIN);
    if height * width > INPUT_AREA_MAX || is_old {
        return Ok(Cow::Borrowed(bytes));
    }
    let net = Net::of(&parts);
    let maps = Maps::of(&net, input);
    let products: Vec<(usize, Product<'_>)> = (0..net.nodes.len())
        .filter_map(|index| Some((index, product(&net, &maps, &net.nodes[index], integers)?)))
        .collect();
    if products.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    let is_declared = parts.model.opset_import.iter().any(|set| set.domain == MICROSOFT);
    if integers == Integers::QGemm && !is_declared {
        parts.model.opset_import.push(OperatorSetIdProto { domain: MICROSOFT.to_owned(), version: 1 });
    }
    // From the last, so that the places of the others stay as they are.
    for (index, Product { nodes, constants, .. }) in products.into_iter().rev() {
        parts.graph.node.splice(index..=index, nodes);
        parts.weights.extend(constants);
    }
    drop_unused(&mut parts);
    Ok(Cow::Owned(parts.encode()))
}

/// What takes the place of `node`: of a convolution, or of what rounds one to 8 bits.
fn product<'a>(net: &Net<'_, 'a>, maps: &Maps, node: &NodeProto, integers: Integers) -> Option<Product<'a>> {
    match (node.op_type.as_str(), integers) {
        ("Conv", _) => {
            let layer = Layer::of(net, maps, node)?;
            // Beside values in 8 bits ONNX Runtime may move their rounding through a reshaping, to a type that it then refuses.
            let is_float =
                layer.weight.steps.is_none() && !net.nodes.iter().any(|node| node.op_type == "QuantizeLinear");
            (integers == Integers::Gemm || is_float).then(|| Product::gemm(net, &layer))
        }
        ("QuantizeLinear", Integers::QGemm) => {
            let (mut made, mut is_rectified) = (net.maker_for_one(node.input.first()?)?, false);
            if made.op_type == "Relu" {
                (made, is_rectified) = (net.maker_for_one(made.input.first()?)?, true);
            }
            Product::qgemm(net, &Layer::of(net, maps, made)?, node, is_rectified)
        }
        _ => None,
    }
}

/// Takes out what the outputs do not need: the weights of convolutions that are no more, and what read them.
fn drop_unused(Parts { graph, weights, .. }: &mut Parts<'_>) {
    let mut used: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    // Every value is made before it is used.
    graph.node.reverse();
    graph.node.retain(|node| {
        let is_used = node.output.iter().any(|output| used.contains(output));
        used.extend(node.input.iter().filter(|_| is_used).cloned());
        is_used
    });
    graph.node.reverse();
    weights.retain(|Initialiser { tensor, .. }| {
        let is_used = used.contains(&tensor.name);
        if !is_used {
            // Before IR version 4 initialisers had to be inputs as well.
            graph.input.retain(|input| input.name != tensor.name);
        }
        is_used
    });
}

#[cfg(test)]
mod tests;
