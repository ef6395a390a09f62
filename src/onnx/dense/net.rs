//! A file in parts, to look things up in.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;

use crate::onnx::parts::{Initialiser, Parts};

/// The nodes of a graph, and what stands behind a name.
pub(super) struct Net<'p, 'a> {
    /// In an order in which every value is made before it is used.
    pub(super) nodes: &'p [NodeProto],
    /// The name of the input.
    pub(super) input: &'p str,
    /// What no name in the graph begins with.
    pub(super) prefix: String,
    initialisers: HashMap<&'p str, &'p Initialiser<'a>>,
    makers: HashMap<&'p str, &'p NodeProto>,
    /// How often values are read; an output of the graph is read once more.
    reads: HashMap<&'p str, usize>,
}

impl<'p, 'a> Net<'p, 'a> {
    pub(super) fn of(parts: &'p Parts<'a>) -> Self {
        let initialisers: HashMap<&str, &Initialiser<'a>> =
            parts.weights.iter().map(|found| (found.tensor.name.as_str(), found)).collect();
        let makers = parts.graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)));
        // Before IR version 4 initialisers had to be inputs as well.
        let mut inputs = parts.graph.input.iter().map(|input| input.name.as_str());
        let input = inputs.find(|name| !initialisers.contains_key(name)).unwrap_or_default();
        let outputs = parts.graph.output.iter().map(|output| &output.name);
        let mut reads: HashMap<&str, usize> = HashMap::new();
        for name in parts.graph.node.iter().flat_map(|node| &node.input).chain(outputs) {
            *reads.entry(name).or_default() += 1;
        }
        let makers: HashMap<&str, &NodeProto> = makers.collect();
        let inputs = parts.graph.input.iter().map(|input| input.name.as_str());
        let names: Vec<&str> = makers.keys().chain(initialisers.keys()).copied().chain(inputs).collect();
        let mut prefix = String::from("s2infer");
        while names.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('_');
        }
        Self { nodes: &parts.graph.node, input, prefix, initialisers, makers, reads }
    }

    /// What is stored under `name`.
    pub(super) fn initialiser(&self, name: &str) -> Option<&'p Initialiser<'a>> {
        self.initialisers.get(name).copied()
    }

    /// The node that makes the value `name`.
    pub(super) fn maker(&self, name: &str) -> Option<&'p NodeProto> {
        self.makers.get(name).copied()
    }

    /// The node that makes the value `name`, where it is read once.
    pub(super) fn maker_for_one(&self, name: &str) -> Option<&'p NodeProto> {
        self.maker(name).filter(|_| self.reads.get(name) == Some(&1))
    }

    /// The dimensions of what is stored under `name`.
    pub(super) fn dims(&self, name: &str) -> Option<Vec<usize>> {
        self.initialiser(name)?.tensor.dims.iter().map(|dim| usize::try_from(*dim).ok()).collect()
    }

    /// The dimensions of the weights of the layer `node`: of themselves, or in 8 bits of what lies behind what reads them.
    pub(super) fn weight_dims(&self, node: &NodeProto) -> Option<Vec<usize>> {
        let name = node.input.get(1)?;
        self.dims(name).or_else(|| {
            let reader = self.maker(name).filter(|maker| maker.op_type == "DequantizeLinear")?;
            self.dims(reader.input.first()?)
        })
    }
}
