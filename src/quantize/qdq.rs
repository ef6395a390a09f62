//! Writing a graph in 8 bits: `QuantizeLinear` and `DequantizeLinear` around what engines then fuse to integer layers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tract_onnx::pb::{NodeProto, TensorProto};

use super::places::{Layer, Places};
use super::scale::{Activations, Scale, Weights};
use crate::onnx::graph::{Floats, Graph, node};
use crate::onnx::{int, tensor};
use crate::{Error, Result};

/// Nodes on the longest way through a fused activation: GELU's five.
const ACTIVATION_NODES_MAX: usize = 5;

/// What a layer's weights become.
#[derive(Debug, Clone)]
pub struct Rounded {
    /// The weights.
    pub weights: Weights,
    /// The bias, corrected or not; none where the layer has none.
    pub bias: Option<Floats>,
}

/// The graph with the layers `chosen` in 8 bits: `ranges` are those of the values that [`Places`] takes ranges from,
/// `rounded` the weights of the layers by their node.
///
/// # Errors
/// [`crate::Kind::Refused`] where a range is missing or a bias cannot be written.
pub fn write(
    graph: &Graph,
    chosen: &[&Layer],
    places: &Places,
    ranges: &BTreeMap<String, [f32; 2]>,
    rounded: &HashMap<usize, Rounded>,
    activations: Activations,
) -> Result<Graph> {
    let scale = |root: &String| {
        let range = ranges.get(root).ok_or_else(|| Error::refused(format!("no range was observed of {root:?}")))?;
        Ok(Scale::of(*range, activations))
    };
    let mut scales: BTreeMap<&str, (Scale, &str)> = BTreeMap::new();
    for (value, root) in &places.values {
        scales.insert(value, (scale(root)?, root));
    }
    let multiplied: BTreeSet<&str> =
        scales.keys().copied().filter(|value| is_multiplied_by_a_function_of_itself(graph, value)).collect();
    let mut writer = Writer { written: graph.clone().without_nodes(), scales, multiplied, activations };
    let (input, output) = (graph.input().to_owned(), graph.output().to_owned());
    writer.settle(&input);
    let layers: HashMap<usize, &Layer> = chosen.iter().map(|layer| (layer.node, *layer)).collect();
    for (index, original) in graph.nodes.iter().enumerate() {
        let mut node = original.clone();
        for input in &mut node.input {
            if writer.multiplied.contains(input.as_str()) {
                *input = shared(input);
            } else if writer.scales.contains_key(input.as_str()) {
                *input = dequantized(input);
            }
        }
        if let Some((layer, rounded)) = layers.get(&index).zip(rounded.get(&index)) {
            writer.layer(&mut node, layer, rounded)?;
        }
        writer.written.nodes.push(node);
        for output in &original.output {
            writer.settle(output);
        }
    }
    if writer.scales.contains_key(output.as_str()) {
        rename(&mut writer.written, &output, &format!("{output}/unrounded"));
        rename(&mut writer.written, &dequantized(&output), &output);
    }
    Ok(writer.written)
}

/// Whether `value` has two readers that come together again in a product, as in x · Φ(x) and x · σ(x).
///
/// Engines fuse such activations where both readers have the same input. ONNX Runtime gives each reader a
/// `DequantizeLinear` of its own first, and then finds five nodes where it would have had one.
fn is_multiplied_by_a_function_of_itself(graph: &Graph, value: &str) -> bool {
    let readers = graph.readers();
    let follow = |start: usize| {
        let mut path = vec![start];
        while let Some(node) = path.last().map(|last| &graph.nodes[*last])
            && matches!(node.op_type.as_str(), "Div" | "Mul" | "Add" | "Erf" | "Sigmoid" | "Tanh" | "HardSigmoid")
            && let Some([next]) = node.output.first().and_then(|output| readers.get(output.as_str())).map(Vec::as_slice)
            && path.len() < ACTIVATION_NODES_MAX
        {
            path.push(*next);
        }
        path
    };
    let Some([first, second]) = readers.get(value).map(Vec::as_slice) else { return false };
    let (first, second) = (follow(*first), follow(*second));
    first.iter().find(|node| second.contains(node)).is_some_and(|node| graph.nodes[*node].op_type == "Mul")
}

fn rename(graph: &mut Graph, from: &str, to: &str) {
    let names = graph.nodes.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
    names.filter(|name| *name == from).for_each(|name| to.clone_into(name));
}

/// The name of a value behind its 8 bits.
pub fn dequantized(value: &str) -> String {
    format!("{value}/dequantized")
}

/// The name of a value behind its 8 bits that two readers share.
fn shared(value: &str) -> String {
    format!("{value}/shared")
}

/// The nodes that write `value` in 8 bits and read it back, with their constants. `root` names the scale.
pub fn pair(value: &str, root: &str, scale: Scale, activations: Activations) -> ([NodeProto; 2], [TensorProto; 2]) {
    let (scale_name, zero_name) = (format!("{root}/scale"), format!("{root}/zero_point"));
    let quantized = format!("{value}/quantized");
    let zero_point = match activations {
        Activations::Unsigned => tensor::uint8(&zero_name, &[], &[scale.zero_point]),
        Activations::Signed => tensor::int8(&zero_name, &[], &[0]),
    };
    let nodes = [
        node("QuantizeLinear", &[value, &scale_name, &zero_name], &quantized, vec![]),
        node("DequantizeLinear", &[&quantized, &scale_name, &zero_name], &dequantized(value), vec![]),
    ];
    (nodes, [tensor::fp32(&scale_name, &[], &[scale.scale]), zero_point])
}

struct Writer<'a> {
    written: Graph,
    scales: BTreeMap<&'a str, (Scale, &'a str)>,
    /// Values that are multiplied by a function of themselves.
    multiplied: BTreeSet<&'a str>,
    activations: Activations,
}

impl Writer<'_> {
    /// Writes a value in 8 bits, if it is to be.
    fn settle(&mut self, value: &str) {
        if let Some((scale, root)) = self.scales.get(value) {
            let (nodes, constants) = pair(value, root, *scale, self.activations);
            self.written.nodes.extend(nodes);
            constants.into_iter().for_each(|constant| self.written.put(constant));
        }
        if self.multiplied.contains(value) {
            // A sum of one: the cheapest node that no engine drops before it looks for activations.
            self.written.nodes.push(node("Sum", &[&dequantized(value)], &shared(value), vec![]));
        }
    }

    /// Weights and bias of a layer.
    fn layer(&mut self, node: &mut NodeProto, layer: &Layer, rounded: &Rounded) -> Result<()> {
        let Rounded { weights, bias } = rounded;
        let weight = format!("{}/weight", layer.name);
        self.constant(&weight, layer.axis, &weights.scales, |name| tensor::int8(name, &weights.dims, &weights.values));
        if let Some(input) = node.input.get_mut(1) {
            *input = dequantized(&weight);
        }
        let (Some(bias), Some((input, _))) = (bias, self.scales.get(layer.input.as_str())) else { return Ok(()) };
        let scales: Vec<f32> = weights.scales.iter().map(|scale| scale * input.scale).collect();
        let steps = bias.values.iter().enumerate().map(|(channel, value)| {
            let steps = (f64::from(*value) / f64::from(scales[channel % scales.len()])).round();
            let fits = steps.abs() < f64::from(i32::MAX);
            fits.then_some(steps as i32).ok_or_else(|| {
                Error::refused(format!(
                    "the layer {:?} has a bias too large for the scales of its channel {channel}: keep it in floating point",
                    layer.name
                ))
            })
        });
        let steps: Vec<i32> = steps.collect::<Result<_>>()?;
        let name = format!("{}/bias", layer.name);
        self.constant(&name, 0, &scales, |name| tensor::int32(name, &bias.dims, &steps));
        if let Some(input) = node.input.get_mut(2) {
            *input = dequantized(&name);
        }
        Ok(())
    }

    /// A constant in integers that is read back; `scales` go along `axis`, or are one.
    fn constant(&mut self, name: &str, axis: usize, scales: &[f32], integers: impl Fn(&str) -> TensorProto) {
        let (quantized, scale) = (format!("{name}/quantized"), format!("{name}/scale"));
        let (dims, attributes) = match scales.len() {
            1 => (vec![], vec![]),
            n => (vec![n], vec![int("axis", axis as i64)]),
        };
        self.written.put(integers(&quantized));
        self.written.put(tensor::fp32(&scale, &dims, scales));
        self.written.nodes.push(node("DequantizeLinear", &[&quantized, &scale], &dequantized(name), attributes));
    }
}
