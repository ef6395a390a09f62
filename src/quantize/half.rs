//! Half precision: weights and activations as FLOAT16, between casts where they are not enough.

use std::collections::{BTreeMap, HashSet};

use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::Tiles;
use super::fold::fold;
use super::observe;
use crate::infer::engine::Engine;
use crate::onnx::graph::{Graph, attribute, node};
use crate::onnx::{int, tensor};
use crate::{Error, Result};

/// The largest absolute value that goes into FLOAT16, whose own largest is 65,504: other tiles may go further.
const LARGEST: f32 = 8192.0;
/// Operators that lose what matters in FLOAT16: sums of many squares, roots and quotients of small numbers.
const WIDE: [&str; 12] = [
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "ReduceL2",
    "Pow",
    "Sqrt",
    "Div",
    "Exp",
    "Log",
    "Erf",
    "Softmax",
    "LayerNormalization",
];
/// Inputs that ONNX has in FLOAT or in integers whatever the first input is.
const UNCHANGED: [(&str, usize); 3] = [("Resize", 1), ("Resize", 2), ("Upsample", 1)];

/// A graph in half precision.
#[derive(Debug, Clone)]
pub struct HalfReport {
    /// The ONNX file: FLOAT in and out, FLOAT16 between.
    pub graph: Vec<u8>,
    /// Nodes that stayed in 32 bits, by their names.
    pub wide: Vec<String>,
    /// Nodes in all.
    pub n_nodes: usize,
}

/// Puts the network `graph` (fp32, scanned) into half precision. A node stays in 32 bits where its operator needs that, and
/// where one of its values grew large on `tiles`.
pub fn half(engine: &dyn Engine, graph: &[u8], tiles: &Tiles) -> Result<HalfReport> {
    let mut graph = Graph::decode(graph)?;
    fold(&mut graph);
    let floats = float_values(&graph);
    let values: Vec<&str> = floats.iter().map(String::as_str).collect();
    let extremes = observe::extremes(engine, &graph, &values, &tiles.inputs)?;
    let is_large =
        |value: &String| extremes.get(value).is_some_and(|range| range.iter().any(|end| end.abs() > LARGEST));
    let is_wide = |index: usize| {
        let node = &graph.nodes[index];
        WIDE.contains(&node.op_type.as_str()) || node.input.iter().chain(&node.output).any(is_large)
    };
    let wide: HashSet<usize> = (0..graph.nodes.len()).filter(|index| is_wide(*index)).collect();
    let names = wide.iter().map(|index| graph.nodes[*index].name.clone());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(HalfReport { n_nodes: graph.nodes.len(), wide: names, graph: Halver::write(graph, &wide, &floats)?.encode() })
}

/// The values of 32-bit floating point: what the input leads to, but not shapes.
fn float_values(graph: &Graph) -> HashSet<String> {
    let mut floats: HashSet<String> = HashSet::from([graph.input().to_owned()]);
    for node in &graph.nodes {
        let is_float = match node.op_type.as_str() {
            "Shape" | "Size" | "ArgMax" | "ArgMin" | "Equal" | "Less" | "Greater" | "Not" | "And" | "Or" => false,
            "Cast" => attribute(node, "to").is_some_and(|to| to.i == i64::from(DataType::Float as i32)),
            _ => node.input.iter().any(|input| floats.contains(input) || graph.floats(input).is_some()),
        };
        if is_float {
            floats.extend(node.output.iter().cloned());
        }
    }
    floats
}

struct Halver<'a> {
    written: Graph,
    floats: &'a HashSet<String>,
    /// The values that exist in FLOAT16 and in FLOAT, under other names.
    halves: BTreeMap<String, String>,
    wides: BTreeMap<String, String>,
}

impl<'a> Halver<'a> {
    fn write(graph: Graph, wide: &HashSet<usize>, floats: &'a HashSet<String>) -> Result<Graph> {
        let nodes = graph.nodes.clone();
        let (input, output) = (graph.input().to_owned(), graph.output().to_owned());
        let written = graph.without_nodes();
        let mut halver = Self { written, floats, halves: BTreeMap::new(), wides: BTreeMap::new() };
        halver.wides.insert(input.clone(), input);
        for (index, original) in nodes.into_iter().enumerate() {
            let mut node = original;
            let is_wide = wide.contains(&index);
            for (place, input) in node.input.iter_mut().enumerate() {
                let is_unchanged = UNCHANGED.contains(&(node.op_type.as_str(), place));
                if !input.is_empty() && !is_unchanged {
                    *input = halver.read(input, is_wide)?;
                }
            }
            for made in &mut node.output {
                if !halver.floats.contains(made) {
                    continue;
                }
                let (values, name) = match is_wide {
                    true => (&mut halver.wides, made.clone()),
                    false => (&mut halver.halves, format!("{made}/half")),
                };
                values.insert(made.clone(), name.clone());
                *made = name;
            }
            if let Some(to) =
                node.attribute.iter_mut().find(|attribute| node.op_type == "Cast" && attribute.name == "to")
                && to.i == i64::from(DataType::Float as i32)
                && !is_wide
            {
                to.i = DataType::Float16 as i64;
            }
            halver.written.nodes.push(node);
        }
        // The output is FLOAT under its own name.
        if let Some(half) = halver.halves.get(&output).filter(|_| !halver.wides.contains_key(&output)).cloned() {
            halver.written.nodes.push(cast(&half, &output, DataType::Float));
        }
        Ok(halver.written)
    }

    /// The name under which a node reads `value`; a cast is put in where it needs one.
    fn read(&mut self, value: &str, is_wide: bool) -> Result<String> {
        if let Some(floats) = self.written.floats(value) {
            if is_wide {
                return Ok(value.to_owned());
            }
            let name = format!("{value}/half");
            if !self.written.constants.contains_key(&name) {
                let half = tensor::fp16(&name, &floats.dims, &floats.values);
                self.written.put(half.ok_or_else(|| {
                    Error::refused(format!("the constant {value:?} has values beyond half precision"))
                })?);
            }
            return Ok(name);
        }
        if !self.floats.contains(value) {
            return Ok(value.to_owned());
        }
        let (wanted, other) = match is_wide {
            true => (&mut self.wides, &self.halves),
            false => (&mut self.halves, &self.wides),
        };
        if let Some(name) = wanted.get(value) {
            return Ok(name.clone());
        }
        let from =
            other.get(value).ok_or_else(|| Error::refused(format!("the value {value:?} is used before it is made")))?;
        let (name, to) = match is_wide {
            true => (value.to_owned(), DataType::Float),
            false => (format!("{value}/half"), DataType::Float16),
        };
        self.written.nodes.push(cast(from, &name, to));
        wanted.insert(value.to_owned(), name.clone());
        Ok(name)
    }
}

fn cast(from: &str, to: &str, data_type: DataType) -> NodeProto {
    // The node that makes what is cast may have its name.
    NodeProto {
        name: format!("{from}/cast"),
        ..node("Cast", &[from], to, vec![int("to", i64::from(data_type as i32))])
    }
}
