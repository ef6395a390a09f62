//! Weights stored as FLOAT16 behind a `Cast`, widened once instead of in every run.

use std::collections::{HashMap, HashSet};

use half::{f16, slice::HalfFloatSliceExt};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use crate::model::manifest::WeightsStorage;
use crate::{Error, Result};

/// Replaces every `Cast` of a FLOAT16 initialiser to FLOAT by a FLOAT initialiser; returns how many.
pub fn widen(graph: &mut GraphProto, declared: WeightsStorage) -> Result<usize> {
    let halves: HashMap<String, usize> = graph
        .initializer
        .iter()
        .enumerate()
        .filter(|(_, tensor)| tensor.data_type == DataType::Float16 as i32)
        .map(|(index, tensor)| (tensor.name.clone(), index))
        .collect();
    let mut wide = Vec::new();
    graph.node.retain(|node| {
        let source = widening_cast(node).and_then(|name| graph.initializer.get(*halves.get(name)?));
        let Some((source, name)) = source.zip(node.output.first()) else { return true };
        wide.push(widened(source, name));
        false
    });
    let count = wide.len();
    if (count > 0) != (declared == WeightsStorage::Fp16) {
        return Err(Error::refused(format!(
            "model.json says weights_storage {declared:?}, but {count} FLOAT16 initialisers stand behind a Cast"
        )));
    }
    let used: HashSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    graph.initializer.retain(|tensor| !halves.contains_key(&tensor.name) || used.contains(tensor.name.as_str()));
    graph.initializer.append(&mut wide);
    Ok(count)
}

/// The name of what `node` casts to FLOAT, if it is such a node.
fn widening_cast(node: &NodeProto) -> Option<&str> {
    let to_float = node.attribute.iter().any(|a| a.name == "to" && a.i == i64::from(DataType::Float as i32));
    (node.op_type == "Cast" && to_float).then(|| node.input.first().map(String::as_str))?
}

fn widened(tensor: &TensorProto, name: &str) -> TensorProto {
    let narrow: Vec<f16> = if tensor.raw_data.is_empty() {
        tensor.int32_data.iter().map(|bits| f16::from_bits(*bits as u16)).collect()
    } else {
        let (pairs, _) = tensor.raw_data.as_chunks::<2>();
        pairs.iter().map(|pair| f16::from_le_bytes(*pair)).collect()
    };
    let mut raw_data = vec![0; narrow.len() * 4];
    let mut block = [0f32; 1024];
    for (source, target) in narrow.chunks(block.len()).zip(raw_data.chunks_mut(block.len() * 4)) {
        let values = &mut block[..source.len()];
        source.convert_to_f32_slice(values);
        for (value, bytes) in values.iter().zip(target.as_chunks_mut::<4>().0) {
            *bytes = value.to_le_bytes();
        }
    }
    TensorProto {
        name: name.to_owned(),
        dims: tensor.dims.clone(),
        data_type: DataType::Float as i32,
        raw_data,
        ..TensorProto::default()
    }
}
