//! Folding: what is the same for every input is computed once.

use tract_onnx::pb::NodeProto;

use crate::onnx::graph::{Floats, Graph, attribute, integer};
use crate::onnx::tensor;

/// Batch normalisations and factors by channel go into the convolutions before them; nodes that change nothing go.
pub fn fold(graph: &mut Graph) {
    drop_identities(graph);
    while let Some(found) = foldable(graph) {
        fold_into(graph, found);
    }
}

/// A convolution, what reads it, and what that makes of each channel: factor · x + shift.
struct Foldable {
    conv: usize,
    reader: usize,
    factors: Vec<f32>,
    shifts: Vec<f32>,
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

/// A convolution whose only reader is affine in each channel.
fn foldable(graph: &Graph) -> Option<Foldable> {
    let readers = graph.readers();
    let found = |(conv, node): (usize, &NodeProto)| {
        let output = node.output.first().filter(|output| node.op_type == "Conv" && *output != graph.output())?;
        let [reader] = readers.get(output.as_str())?[..] else { return None };
        let weight = graph.floats(node.input.get(1)?)?;
        let channels = *weight.dims.first()?;
        // Nothing but a scan has seen the graph yet: lengths may contradict each other.
        let bias = node.input.get(2).filter(|name| !name.is_empty());
        if bias.is_some_and(|name| graph.floats(name).is_none_or(|bias| bias.values.len() != channels)) {
            return None;
        }
        let next = &graph.nodes[reader];
        let (factors, shifts) = match next.op_type.as_str() {
            "BatchNormalization" if next.input.first() == Some(output) => normalisation(graph, next),
            "Mul" => factor(graph, next, output, weight.dims.len()),
            _ => None,
        }?;
        let fits = factors.len() == channels && reader > conv;
        fits.then_some(Foldable { conv, reader, factors, shifts })
    };
    graph.nodes.iter().enumerate().find_map(found)
}

/// γ (x − μ) / √(σ² + ε) + β.
fn normalisation(graph: &Graph, norm: &NodeProto) -> Option<(Vec<f32>, Vec<f32>)> {
    let values = |index: usize| norm.input.get(index).and_then(|name| graph.floats(name)).map(|floats| floats.values);
    let (gamma, beta, mean, variance) = (values(1)?, values(2)?, values(3)?, values(4)?);
    if [&beta, &mean, &variance].iter().any(|values| values.len() != gamma.len()) {
        return None;
    }
    // ONNX's default.
    let epsilon = attribute(norm, "epsilon").map_or(1e-5, |attribute| attribute.f);
    let factors: Vec<f32> =
        gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let shifts = (0..factors.len()).map(|c| beta[c] - mean[c] * factors[c]).collect();
    Some((factors, shifts))
}

/// A product of `value`, which has `rank` axes, with a constant that has an entry for each channel, as layer scales are.
fn factor(graph: &Graph, product: &NodeProto, value: &str, rank: usize) -> Option<(Vec<f32>, Vec<f32>)> {
    let constant = product.input.iter().find(|name| *name != value)?;
    let Floats { dims, values } = graph.floats(constant)?;
    // Axes count from the last, as broadcasting has them; channels are the second.
    let axis = dims.len().checked_sub(rank.checked_sub(1)?)?;
    let is_by_channel = dims.get(axis) == Some(&values.len());
    is_by_channel.then(|| (values.clone(), vec![0.0; values.len()]))
}

/// An affine function of what a convolution makes is a convolution with other weights (Jacob et al. 2018, section 3.2).
fn fold_into(graph: &mut Graph, found: Foldable) {
    let Foldable { conv, reader, factors, shifts } = found;
    let reader = graph.nodes.remove(reader);
    let node = &graph.nodes[conv];
    let name = node.output.first().cloned().unwrap_or_default();
    let Some(weight) = node.input.get(1).and_then(|name| graph.floats(name)) else { return };
    let old = node.input.get(2).and_then(|name| graph.floats(name)).map(|floats| floats.values);
    let bias: Vec<f32> =
        (0..factors.len()).map(|c| old.as_ref().map_or(0.0, |old| old[c]) * factors[c] + shifts[c]).collect();
    let scaled = scaled_along(&weight, 0, &factors);
    // Names of their own: other layers may share the constants.
    let (weight_name, bias_name) = (format!("{name}/folded_weight"), format!("{name}/folded_bias"));
    graph.put(tensor::fp32(&weight_name, &scaled.dims, &scaled.values));
    graph.put(tensor::fp32(&bias_name, &[bias.len()], &bias));
    let node = &mut graph.nodes[conv];
    node.input.truncate(1);
    node.input.extend([weight_name, bias_name]);
    node.output.clone_from(&reader.output[..1].to_vec());
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
