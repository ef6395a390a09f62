//! Which nodes of a graph can compute in 8 bits, and which values are then written in 8 bits.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::graph::{Graph, attribute, integer};

/// What a layer with weights is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A convolution; its weight is `[outputs, inputs / groups, height, width]`.
    Conv,
    /// A fully connected layer.
    Dense,
}

/// A node with constant weights.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Index of the node.
    pub node: usize,
    /// The node's name, or its output's where it has none.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// The value it reads.
    pub input: String,
    /// Its weights.
    pub weight: String,
    /// Axis of the weights that counts output channels.
    pub axis: usize,
    /// Its bias, if it has one that is a constant.
    pub bias: Option<String>,
    /// The value it makes.
    pub output: String,
    /// That value behind the activation that engines fuse with the layer.
    pub settled: String,
}

/// The layers of `graph` that can compute in 8 bits, in their order.
pub fn layers(graph: &Graph) -> Vec<Layer> {
    (0..graph.nodes.len()).filter_map(|index| layer(graph, index)).collect()
}

fn layer(graph: &Graph, index: usize) -> Option<Layer> {
    let node = graph.nodes.get(index)?;
    let (input, weight, output) = (node.input.first()?, node.input.get(1)?, node.output.first()?);
    let dims = graph.floats(weight)?.dims;
    if dims.len() < 2 || dims.contains(&0) {
        return None;
    }
    if graph.constants.contains_key(input) {
        return None;
    }
    let bias = node.input.get(2).filter(|name| !name.is_empty());
    if bias.is_some_and(|name| graph.floats(name).is_none()) {
        return None;
    }
    let (kind, axis) = match node.op_type.as_str() {
        "Conv" => (Kind::Conv, 0),
        "Gemm" if is_plain(graph, index) => (Kind::Dense, if integer(node, "transB", 0) == 0 { 1 } else { 0 }),
        "MatMul" if dims.len() == 2 => (Kind::Dense, 1),
        _ => return None,
    };
    Some(Layer {
        node: index,
        name: if node.name.is_empty() { output.clone() } else { node.name.clone() },
        kind,
        groups: usize::try_from(integer(node, "group", 1)).ok()?,
        input: input.clone(),
        weight: weight.clone(),
        axis,
        bias: bias.cloned(),
        output: output.clone(),
        settled: settled(graph, output),
    })
}

/// Whether a `Gemm` is x·W + b.
fn is_plain(graph: &Graph, index: usize) -> bool {
    let factor = |name| attribute(&graph.nodes[index], name).is_none_or(|attribute| attribute.f == 1.0);
    factor("alpha") && factor("beta") && integer(&graph.nodes[index], "transA", 0) == 0
}

/// A value, or what its only reader makes of it where that is a clipping activation: engines fuse it, and what is clipped
/// away needs no levels.
fn settled(graph: &Graph, value: &str) -> String {
    let readers = graph.readers();
    match readers.get(value).map(Vec::as_slice) {
        Some([only]) if matches!(graph.nodes[*only].op_type.as_str(), "Relu" | "Clip") => {
            graph.nodes[*only].output.first().cloned().unwrap_or_default()
        }
        _ => value.to_owned(),
    }
}

/// What a last layer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Scores of a window.
    Scores,
    /// Scores of every pixel: a layer as dear as others.
    Map,
}

/// What a layer makes where that becomes the graph's output as it is; none for layers before the last.
pub fn ending(graph: &Graph, layer: &Layer) -> Option<Ending> {
    let readers = graph.readers();
    let mut value = layer.output.as_str();
    let mut ending = if layer.kind == Kind::Conv { Ending::Map } else { Ending::Scores };
    while let Some([only]) = readers.get(value).map(Vec::as_slice) {
        let node = &graph.nodes[*only];
        match node.op_type.as_str() {
            "Identity" | "Add" | "Resize" => {}
            "Reshape" | "Flatten" | "Squeeze" => ending = Ending::Scores,
            _ => return None,
        }
        value = node.output.first()?;
    }
    (value == graph.output()).then_some(ending)
}

/// What a graph looks like with some of its layers in 8 bits.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The values written in 8 bits, each with the value whose range it has: its own, or that of what it was moved from.
    pub values: BTreeMap<String, String>,
}

impl Places {
    /// With the layers `chosen`.
    ///
    /// The input of each is in 8 bits, and so is what it makes. Sums and joins whose operands all are stay in 8 bits;
    /// values that are only moved keep the range they had. The graph's output is in 8 bits where it is a map: scores
    /// end in floating point, which costs them nothing.
    pub fn of(graph: &Graph, chosen: &[&Layer]) -> Self {
        let computes: BTreeSet<usize> = chosen.iter().map(|layer| layer.node).collect();
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for layer in chosen {
            for value in [&layer.input, &layer.settled] {
                values.insert(value.clone(), value.clone());
            }
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            let (Some(first), Some(output)) = (node.input.first(), node.output.first()) else { continue };
            if computes.contains(&index) {
                continue;
            }
            match node.op_type.as_str() {
                "Add" | "Concat" if node.input.iter().all(|input| values.contains_key(input)) => {
                    let output = settled(graph, output);
                    values.insert(output.clone(), output);
                }
                "MaxPool" | "Resize" | "DepthToSpace" | "SpaceToDepth" if values.contains_key(first) => {
                    let root = values[first].clone();
                    values.insert(output.clone(), root);
                }
                _ => {}
            }
        }
        if !chosen.iter().any(|layer| ending(graph, layer) == Some(Ending::Map)) {
            values.remove(graph.output());
        }
        Self { values }
    }
}
