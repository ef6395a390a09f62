//! What a graph that nobody described says of itself: its metadata, its interface, and how it ends.

use std::collections::{BTreeMap, HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, NodeProto, ValueInfoProto};

use super::parts;
use super::{halves, operators};
use crate::model::manifest::{Precision, WeightsStorage};
use crate::onnx::parts::Parts;
use crate::{Error, Result};

/// Nodes that are looked at from the output backwards: an ending is a few nodes long.
const ENDING_NODES_MAX: usize = 16;

/// A graph seen from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// `metadata_props`
    pub metadata: BTreeMap<String, String>,
    /// Dimensions of the input; `None` where the graph leaves one open.
    pub input: Vec<Option<i64>>,
    /// Dimensions of the output.
    pub output: Vec<Option<i64>>,
    /// What the output is.
    pub ending: Ending,
    /// What the graph is computed in.
    pub precision: Precision,
    /// How its weights lie in the file.
    pub weights_storage: WeightsStorage,
}

/// What a graph gives, as its last operators tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Probabilities by a soft-max over the classes, or a sigmoid: the node at this index.
    Activation {
        /// Index of the node.
        node: usize,
        /// `Softmax` or `Sigmoid`.
        operator: String,
    },
    /// Logits: it ends in this operator, which gives numbers of any size.
    Logits(String),
    /// It ends in this operator, which may give either.
    Unknown(String),
}

impl Ending {
    /// The operator that it was told by.
    pub fn operator(&self) -> &str {
        match self {
            Self::Activation { operator, .. } | Self::Logits(operator) | Self::Unknown(operator) => operator,
        }
    }
}

/// The outline of the ONNX file `bytes`.
///
/// # Errors
/// [`crate::Kind::Refused`] for a file that is no ONNX, and for an interface that no flag can mend.
pub fn outline(bytes: &[u8]) -> Result<Outline> {
    let Parts { model, mut graph, weights } = parts(bytes)?;
    let constants: HashSet<&str> = weights.iter().map(|weights| weights.tensor.name.as_str()).collect();
    graph.input.retain(|input| !constants.contains(input.name.as_str()));
    let input = dimensions(&graph.input, "input")?;
    let output = dimensions(&graph.output, "output")?;
    let set = model.opset_import.iter().find(|set| operators::is_standard(&set.domain));
    let opset = set.map_or(0, |set| set.version);
    let quantised = ["QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"];
    let is_quantised = |node: &NodeProto| quantised.contains(&node.op_type.as_str()) || node.op_type == "MatMulInteger";
    let halves = weights.iter().filter(|w| w.tensor.data_type == DataType::Float16 as i32).count();
    let widened = halves::count(&graph, &weights);
    Ok(Outline {
        metadata: model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect(),
        ending: ending(&graph, &constants, opset, output.len())?,
        precision: match (graph.node.iter().any(is_quantised), halves > widened) {
            (true, _) => Precision::Int8,
            (false, true) => Precision::Fp16,
            (false, false) => Precision::Fp32,
        },
        weights_storage: if widened > 0 { WeightsStorage::Fp16 } else { WeightsStorage::Fp32 },
        input,
        output,
    })
}

fn dimensions(values: &[ValueInfoProto], kind: &str) -> Result<Vec<Option<i64>>> {
    let [value] = values else {
        return Err(Error::refused(format!(
            "the graph has {} {kind}s, expected one; export the one that counts",
            values.len()
        )));
    };
    let refuse = |what: String| Error::refused(format!("{kind} {:?} {what}", value.name));
    let tensor = value.r#type.as_ref().and_then(|t| t.value.as_ref()).map(|TypeValue::TensorType(tensor)| tensor);
    let tensor = tensor.ok_or_else(|| refuse("has no type".into()))?;
    if tensor.elem_type != DataType::Float as i32 {
        let name = DataType::try_from(tensor.elem_type).map_or("unknown".into(), |t| format!("{t:?}").to_lowercase());
        return Err(refuse(format!("is {name}, expected float (float32); export the model so")));
    }
    let shape = tensor.shape.as_ref();
    let shape = shape.ok_or_else(|| refuse("has no shape; run onnx.shape_inference.infer_shapes on it".into()))?;
    let fixed = |value: &Value| match value {
        Value::DimValue(size) if *size > 0 => Some(*size),
        _ => None,
    };
    Ok(shape.dim.iter().map(|dim| dim.value.as_ref().and_then(fixed)).collect())
}

/// Follows the graph from its output backwards, past operators that change no value.
fn ending(graph: &GraphProto, constants: &HashSet<&str>, opset: i64, rank: usize) -> Result<Ending> {
    let makers: HashMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .filter_map(|(index, node)| Some((node.output.first()?.as_str(), index)))
        .collect();
    let maker = |name: &str| makers.get(name).and_then(|&index| Some((index, graph.node.get(index)?)));
    let mut name = graph.output.first().map_or("", |output| output.name.as_str());
    // Whether what was passed may have moved values about (not by a transposition, which is followed), or mixed them.
    let (mut is_moved, mut is_mixed) = (false, false);
    let mut channel_axis = 1;
    for _ in 0..ENDING_NODES_MAX {
        let Some((node, found)) = maker(name) else { break };
        let operator = found.op_type.clone();
        match operator.as_str() {
            "Identity" | "Cast" | "Dropout" => {}
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => is_moved = true,
            "Transpose" => channel_axis = permuted(found, channel_axis, rank),
            "Resize" | "Upsample" | "DepthToSpace" | "QuantizeLinear" | "DequantizeLinear" => is_mixed = true,
            "Sigmoid" if !is_mixed && is_only_use(graph, name) => return Ok(Ending::Activation { node, operator }),
            "Softmax" if !is_mixed && !is_moved && is_only_use(graph, name) => {
                check_axis(found, opset, rank, channel_axis)?;
                return Ok(Ending::Activation { node, operator });
            }
            "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "BatchNormalization" | "LogSoftmax" => {
                return Ok(Ending::Logits(operator));
            }
            "ArgMax" | "ArgMin" => {
                return Err(Error::refused(
                    "it gives numbers of classes (ArgMax); export it without, so that it gives scores",
                ));
            }
            "Add" => {
                let is_constant = |name: &String| constants.contains(name.as_str());
                let sum = found.input.iter().find(|name| !is_constant(name)).and_then(|name| maker(name));
                let has_bias = found.input.iter().any(is_constant);
                let is_product = sum.is_some_and(|(_, node)| ["MatMul", "Conv"].contains(&node.op_type.as_str()));
                return Ok(if has_bias && is_product { Ending::Logits(operator) } else { Ending::Unknown(operator) });
            }
            _ => return Ok(Ending::Unknown(operator)),
        }
        name = found.input.first().map_or("", String::as_str);
    }
    Ok(Ending::Unknown(maker(name).map_or("nothing known".into(), |(_, node)| node.op_type.clone())))
}

/// The axis before a transposition that is `axis` after it.
fn permuted(node: &NodeProto, axis: usize, rank: usize) -> usize {
    let order = node.attribute.iter().find(|attribute| attribute.name == "perm").map(|attribute| &attribute.ints);
    match order.and_then(|order| order.get(axis)) {
        Some(&before) => usize::try_from(before).unwrap_or(axis),
        None => rank.saturating_sub(1 + axis),
    }
}

fn is_only_use(graph: &GraphProto, name: &str) -> bool {
    let uses = graph.node.iter().flat_map(|node| &node.input).filter(|input| *input == name).count();
    let is_output = graph.output.iter().any(|output| output.name == name);
    uses + usize::from(is_output) == 1
}

/// Refuses a soft-max over anything but the classes. Before operator set 13 it was taken over all axes from `axis` on.
fn check_axis(node: &NodeProto, opset: i64, rank: usize, channel_axis: usize) -> Result<()> {
    let stated = node.attribute.iter().find(|attribute| attribute.name == "axis").map(|attribute| attribute.i);
    let axis = stated.unwrap_or(if opset < 13 { 1 } else { -1 });
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    let is_last = axis + 1 == rank as i64;
    if axis == channel_axis as i64 && (opset >= 13 || is_last) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "its soft-max is over axis {axis} (operator set {opset}), and the classes are in axis {channel_axis}; export the \
         model without it"
    )))
}
