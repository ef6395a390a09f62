//! The graph's one input and one output against the manifest.

use std::collections::HashSet;

use tract_onnx::pb::ValueInfoProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
use tract_onnx::pb::type_proto::{Tensor, Value as TypeValue};

use crate::model::Manifest;
use crate::model::manifest::Head;
use crate::onnx::parts::Parts;
use crate::{Error, Result};

/// Refuses any other interface than fp32 `[batch, bands, side, side]` in and the head's shape out.
/// Dimensions the graph leaves open, other than the batch, are filled in; initialisers that are also
/// listed as inputs are not inputs any more.
pub fn check(Parts { graph, weights, .. }: &mut Parts<'_>, manifest: &Manifest) -> Result<()> {
    let constants: HashSet<&str> = weights.iter().map(|weights| weights.tensor.name.as_str()).collect();
    graph.input.retain(|input| !constants.contains(input.name.as_str()));
    let side = i64::from(manifest.tile_px);
    let classes = manifest.classes.len() as i64;
    check_value(&mut graph.input, "input", &[manifest.bands.len() as i64, side, side])?;
    let output = match manifest.head {
        Head::Binary => vec![1],
        Head::Multiclass => vec![classes],
        Head::Segmentation => vec![classes, side, side],
    };
    check_value(&mut graph.output, "output", &output)
}

fn check_value(values: &mut [ValueInfoProto], kind: &str, after_batch: &[i64]) -> Result<()> {
    let [value] = values else {
        return Err(Error::refused(format!("the graph has {} {kind}s, expected one", values.len())));
    };
    let name = value.name.clone();
    let refuse = |what: String| Error::refused(format!("{kind} {name:?} {what}"));
    let tensor = value.r#type.as_mut().and_then(|t| t.value.as_mut()).map(|TypeValue::TensorType(tensor)| tensor);
    let Some(Tensor { elem_type, shape }) = tensor else {
        return Err(refuse("has no type".into()));
    };
    if *elem_type != DataType::Float as i32 {
        return Err(refuse(format!("has the element type {elem_type}, expected 1 (FLOAT)")));
    }
    let dims = match shape {
        Some(shape) => &mut shape.dim,
        None if kind == "output" => return Ok(()),
        None => return Err(refuse("has no shape".into())),
    };
    if dims.len() != after_batch.len() + 1 {
        return Err(refuse(format!(
            "has {} dimensions, expected [batch, then {after_batch:?}] as in model.json",
            dims.len()
        )));
    }
    for (index, dim) in dims.iter_mut().enumerate() {
        let fixed = fixed(dim);
        match index.checked_sub(1).and_then(|i| after_batch.get(i)) {
            None if fixed.is_some() => {
                return Err(refuse("has a fixed batch; export the model with a dynamic first axis".into()));
            }
            None => {}
            Some(expected) if fixed.is_none_or(|size| size == *expected) => {
                dim.value = Some(Value::DimValue(*expected));
            }
            Some(expected) => {
                return Err(refuse(format!(
                    "has the size {} in dimension {index}, model.json says {expected}",
                    fixed.unwrap_or_default()
                )));
            }
        }
    }
    Ok(())
}

fn fixed(dim: &Dimension) -> Option<i64> {
    match dim.value {
        Some(Value::DimValue(size)) => Some(size),
        _ => None,
    }
}
