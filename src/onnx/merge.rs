//! Several graphs over one input made into one: the members of an ensemble side by side.

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{GraphProto, ModelProto, OperatorSetIdProto, ValueInfoProto};

use super::builder::int;
use super::graph::node;
use crate::limits::GRAPH_NODES_MAX;
use crate::{Error, Result};

const INPUT: &str = "input";
const OUTPUT: &str = "logits";

/// One graph of `members`, a name and a scanned ONNX file each, that take the same input and give `[n, 1]`; it gives
/// `[n, members]`, in their order. The names inside each begin with its own, so that none clashes with another's.
///
/// # Errors
/// [`crate::Kind::Refused`] where they are of different operator sets or file format versions, or too large together.
pub fn merge(members: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut merged: Option<ModelProto> = None;
    let mut first_name = "";
    let mut outputs = Vec::new();
    for &(name, bytes) in members {
        let mut model = ModelProto::decode(bytes)
            .map_err(|error| Error::refused(format!("not an ONNX file: {error}")).context(name))?;
        let mut member = model.graph.take().unwrap_or_default();
        let base = match &mut merged {
            None => {
                first_name = name;
                merged.insert(model.clone())
            }
            Some(base) => base,
        };
        check_versions(base, first_name, &model, name)?;
        outputs.push(rename(&mut member, name));
        match &mut base.graph {
            None => base.graph = Some(member),
            Some(graph) => {
                graph.node.append(&mut member.node);
                graph.initializer.append(&mut member.initializer);
            }
        }
    }
    let mut model = merged.ok_or_else(|| Error::refused("an ensemble without members"))?;
    let graph = model.graph.get_or_insert_default();
    if graph.node.len() > GRAPH_NODES_MAX {
        return Err(Error::refused(format!(
            "the members have {} nodes together, which are more than {GRAPH_NODES_MAX}",
            graph.node.len()
        )));
    }
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    graph.node.push(node("Concat", &outputs, OUTPUT, vec![int("axis", 1)]));
    if let Some(output) = graph.output.first_mut() {
        output.name = OUTPUT.into();
        set_columns(output, members.len());
    }
    Ok(model.encode_to_vec())
}

fn check_versions(one: &ModelProto, one_name: &str, other: &ModelProto, other_name: &str) -> Result<()> {
    let sets = |model: &ModelProto| {
        let spell = |set: &OperatorSetIdProto| {
            let domain = if set.domain.is_empty() { "ai.onnx" } else { &set.domain };
            format!("{domain} {}", set.version)
        };
        let mut sets: Vec<String> = model.opset_import.iter().map(spell).collect();
        sets.sort();
        sets.join(", ")
    };
    let (first, second) = (sets(one), sets(other));
    if first != second {
        return Err(Error::refused(format!(
            "{one_name} is of the operator set {first} and {other_name} of {second}; export all members alike"
        )));
    }
    if one.ir_version != other.ir_version {
        return Err(Error::refused(format!(
            "{one_name} is of ONNX's file format (IR) version {} and {other_name} of {}; export all members alike",
            one.ir_version, other.ir_version
        )));
    }
    Ok(())
}

/// Puts `prefix` before every name but that of the input, which becomes the common one; gives the output's new name.
fn rename(graph: &mut GraphProto, prefix: &str) -> String {
    let input = graph.input.first().map(|input| input.name.clone()).unwrap_or_default();
    let renamed = |name: &str| if name == input { INPUT.to_owned() } else { format!("{prefix}/{name}") };
    for node in &mut graph.node {
        // Names of nodes are optional, and must differ where there are any.
        if !node.name.is_empty() {
            node.name = format!("{prefix}/{}", node.name);
        }
        // An empty name is an optional value left out.
        let values = node.input.iter_mut().chain(&mut node.output);
        values.filter(|value| !value.is_empty()).for_each(|value| *value = renamed(value));
    }
    graph.initializer.iter_mut().for_each(|tensor| tensor.name = renamed(&tensor.name));
    graph.input.iter_mut().for_each(|value| value.name = INPUT.into());
    graph.output.first().map(|output| renamed(&output.name)).unwrap_or_default()
}

fn set_columns(output: &mut ValueInfoProto, columns: usize) {
    let Some(TypeValue::TensorType(tensor)) = output.r#type.as_mut().and_then(|r#type| r#type.value.as_mut()) else {
        return;
    };
    if let Some(dim) = tensor.shape.as_mut().and_then(|shape| shape.dim.get_mut(1)) {
        dim.value = Some(Size::DimValue(columns as i64));
    }
}
