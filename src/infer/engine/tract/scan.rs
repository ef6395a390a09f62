//! What tract gets wrong without an error, or dies of, refused before it sees the graph.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use crate::limits::TRACT_CONSTANT_ELEMENTS_MAX;
use crate::{Error, Result};

/// Refuses operators that tract 0.23 computes wrongly or not at all, and shapes beyond the limits.
pub fn check(model: &ModelProto) -> Result<()> {
    let graph = model.graph.as_ref().ok_or_else(|| Error::refused("the ONNX file holds no graph"))?;
    check_graph(graph, 0)
}

fn check_graph(graph: &GraphProto, depth: usize) -> Result<()> {
    if depth > 8 {
        return Err(Error::refused("the ONNX file nests graphs more than eight deep"));
    }
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    let constants = constants(graph);
    for node in &graph.node {
        check_node(node)?;
        check_operands(&constants, node)?;
        for attribute in &node.attribute {
            if let Some(tensor) = &attribute.t {
                check_tensor(tensor)?;
            }
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                check_graph(inner, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn check_node(node: &NodeProto) -> Result<()> {
    let reason = match node.op_type.as_str() {
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => "quantised models come out wrong",
        "InstanceNormalization" => "it is computed wrongly",
        "MaxPool" | "AveragePool" if dilated(node) => "its dilations are ignored",
        "Pad" if mode_is_lost(node) => "beside a constant its mode is ignored",
        "Cast" if casts_to_half(node) => "half precision is not planned",
        _ => return Ok(()),
    };
    let what = format!("{} (node '{}')", node.op_type, node.name);
    Err(Error::refused(format!("tract cannot run {what}: {reason}; use --engine ort")))
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn dilated(node: &NodeProto) -> bool {
    attribute(node, "dilations").is_some_and(|dilations| dilations.ints.iter().any(|&step| step != 1))
}

/// Whether tract would pad with the constant that is given for another mode, which has no use for it.
fn mode_is_lost(node: &NodeProto) -> bool {
    let has_constant = node.input.get(2).is_some_and(|name| !name.is_empty());
    has_constant && attribute(node, "mode").is_some_and(|mode| mode.s != b"constant")
}

fn casts_to_half(node: &NodeProto) -> bool {
    let halves = [DataType::Float16 as i64, DataType::Bfloat16 as i64];
    attribute(node, "to").is_some_and(|to| halves.contains(&to.i))
}

fn check_tensor(tensor: &TensorProto) -> Result<()> {
    if tensor.data_type == DataType::Float16 as i32 || tensor.data_type == DataType::Bfloat16 as i32 {
        let name = &tensor.name;
        return Err(Error::refused(format!("tract cannot run half-precision weights ('{name}'); use --engine ort")));
    }
    if !tensor.external_data.is_empty() {
        return Err(Error::refused(format!("the weights '{}' lie outside the ONNX file", tensor.name)));
    }
    check_product(&tensor.name, &tensor.dims)
}

/// Operands that are target shapes: tract folds constants while it analyses, so these would be allocated at once.
fn check_operands(constants: &HashMap<&str, &TensorProto>, node: &NodeProto) -> Result<()> {
    let operand = match node.op_type.as_str() {
        "ConstantOfShape" => 0,
        "Expand" | "Tile" | "Pad" | "OneHot" | "Range" | "Reshape" => 1,
        "Resize" => 3,
        _ => return Ok(()),
    };
    let Some(name) = node.input.get(operand) else { return Ok(()) };
    match constants.get(name.as_str()) {
        Some(tensor) => check_product(name, &integers(tensor)),
        None => Ok(()),
    }
}

/// The tensors of a graph that are known before it runs, by name.
fn constants(graph: &GraphProto) -> HashMap<&str, &TensorProto> {
    let initializers = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
    let nodes = graph.node.iter().filter(|node| node.op_type == "Constant");
    let values = nodes.filter_map(|node| Some((node.output.first()?.as_str(), attribute(node, "value")?.t.as_ref()?)));
    initializers.chain(values).collect()
}

fn integers(tensor: &TensorProto) -> Vec<i64> {
    let raw = tensor.raw_data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
    tensor.int64_data.iter().copied().chain(raw).collect()
}

/// Zeros and negative entries mean "as it is" or "the rest" in shapes, so they count as one.
fn check_product(name: &str, dims: &[i64]) -> Result<()> {
    let product = dims.iter().fold(1u64, |product, &dim| product.saturating_mul(dim.max(1) as u64));
    if product > TRACT_CONSTANT_ELEMENTS_MAX {
        return Err(Error::refused(format!(
            "the shape of '{name}' asks for {product} values, more than {TRACT_CONSTANT_ELEMENTS_MAX}"
        )));
    }
    Ok(())
}
