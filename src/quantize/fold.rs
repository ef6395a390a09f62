//! Folding: what is the same for every input is computed once.

use tract_onnx::pb::NodeProto;

use crate::onnx::graph::{Floats, Graph, attribute, integer};
use crate::onnx::tensor;

/// Batch normalisations go into the convolutions before them; nodes that change nothing go.
pub fn fold(graph: &mut Graph) {
    drop_identities(graph);
    while let Some((conv, norm)) = foldable(graph) {
        fold_into(graph, conv, norm);
    }
}

/// Readers of what an `Identity` or `Dropout` makes read what it was made of; the graph's output keeps its name.
fn drop_identities(graph: &mut Graph) {
    let output = graph.output().to_owned();
    let idle = |node: &NodeProto| matches!(node.op_type.as_str(), "Identity" | "Dropout") && node.output.len() == 1;
    while let Some(index) = graph.nodes.iter().position(|node| idle(node) && node.output.first() != Some(&output)) {
        let node = graph.nodes.remove(index);
        let (Some(from), Some(to)) = (node.input.first(), node.output.first()) else { continue };
        let inputs = graph.nodes.iter_mut().flat_map(|node| &mut node.input);
        inputs.filter(|input| *input == to).for_each(|input| input.clone_from(from));
    }
}

/// A convolution whose only reader is a batch normalisation.
fn foldable(graph: &Graph) -> Option<(usize, usize)> {
    let readers = graph.readers();
    let pair = |(index, node): (usize, &NodeProto)| {
        let output = node.output.first().filter(|_| node.op_type == "Conv")?;
        let [reader] = readers.get(output.as_str())?[..] else { return None };
        let norm = &graph.nodes[reader];
        let channels = *graph.floats(node.input.get(1)?)?.dims.first()?;
        // Nothing but a scan has seen the graph yet: lengths may contradict each other.
        let constants = norm.input.get(1..5)?.iter().chain(node.input.get(2..)?);
        let mut values = constants.filter(|name| !name.is_empty()).map(|name| graph.floats(name));
        let fits = values.all(|floats| floats.is_some_and(|floats| floats.values.len() == channels));
        let is_norm = norm.op_type == "BatchNormalization" && norm.input.first() == Some(output);
        (is_norm && fits && output != graph.output()).then_some((index, reader))
    };
    graph.nodes.iter().enumerate().find_map(pair)
}

/// γ (x − μ) / √(σ² + ε) + β of a convolution is one with other weights (Jacob et al. 2018, section 3.2).
fn fold_into(graph: &mut Graph, conv: usize, norm: usize) {
    let norm = graph.nodes.remove(norm);
    let values = |index: usize| norm.input.get(index).and_then(|name| graph.floats(name)).map(|floats| floats.values);
    let (Some(gamma), Some(beta), Some(mean), Some(variance)) = (values(1), values(2), values(3), values(4)) else {
        return;
    };
    // ONNX's default.
    let epsilon = attribute(&norm, "epsilon").map_or(1e-5, |attribute| attribute.f);
    let factors: Vec<f32> =
        gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let node = &graph.nodes[conv];
    let name = node.output.first().cloned().unwrap_or_default();
    let Some(weight) = node.input.get(1).and_then(|name| graph.floats(name)) else { return };
    let old = node.input.get(2).and_then(|name| graph.floats(name)).map(|floats| floats.values);
    let bias: Vec<f32> = (0..factors.len())
        .map(|c| old.as_ref().map_or(0.0, |old| old[c]) * factors[c] + beta[c] - mean[c] * factors[c])
        .collect();
    let scaled = scaled_along(&weight, 0, &factors);
    // Names of their own: other layers may share the constants.
    let (weight_name, bias_name) = (format!("{name}/folded_weight"), format!("{name}/folded_bias"));
    graph.put(tensor::fp32(&weight_name, &scaled.dims, &scaled.values));
    graph.put(tensor::fp32(&bias_name, &[bias.len()], &bias));
    let node = &mut graph.nodes[conv];
    node.input.truncate(1);
    node.input.extend([weight_name, bias_name]);
    node.output.clone_from(&norm.output[..1].to_vec());
}

/// `floats` with what lies at index i of `axis` times the i-th factor.
pub fn scaled_along(floats: &Floats, axis: usize, factors: &[f32]) -> Floats {
    let channel_of = super::scale::channel_of(&floats.dims, axis);
    let value = |(index, value): (usize, &f32)| value * factors.get(channel_of(index)).copied().unwrap_or(1.0);
    Floats { dims: floats.dims.clone(), values: floats.values.iter().enumerate().map(value).collect() }
}

/// Whether a convolution sees each channel by itself.
pub fn is_depthwise(graph: &Graph, node: &NodeProto) -> bool {
    let inputs = node.input.get(1).and_then(|name| graph.floats(name)).and_then(|weight| weight.dims.get(1).copied());
    node.op_type == "Conv" && integer(node, "group", 1) > 1 && inputs == Some(1)
}
