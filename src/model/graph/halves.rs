//! Weights stored as FLOAT16 behind a `Cast`, widened once instead of in every run.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use half::{f16, slice::HalfFloatSliceExt};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use crate::model::manifest::WeightsStorage;
use crate::onnx::parts::{Initialiser, Parts, Raw};
use crate::{Error, Result};

/// Replaces every `Cast` of a FLOAT16 initialiser to FLOAT by a FLOAT initialiser; returns how many.
pub fn widen(Parts { graph, weights, .. }: &mut Parts<'_>, declared: WeightsStorage) -> Result<usize> {
    let is_half = |weights: &&Initialiser<'_>| weights.tensor.data_type == DataType::Float16 as i32;
    let halves: HashMap<String, Initialiser<'_>> =
        weights.iter().filter(is_half).map(|weights| (weights.tensor.name.clone(), weights.clone())).collect();
    let mut wide = Vec::new();
    graph.node.retain(|node| {
        let source = widening_cast(node).and_then(|name| halves.get(name));
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
    let inputs = graph.node.iter().flat_map(|node| &node.input);
    let used: HashSet<&str> =
        inputs.chain(graph.output.iter().map(|output| &output.name)).map(String::as_str).collect();
    weights.retain(|w| !halves.contains_key(&w.tensor.name) || used.contains(w.tensor.name.as_str()));
    weights.append(&mut wide);
    Ok(count)
}

/// How many FLOAT16 initialisers [`widen`] would replace.
pub fn count(graph: &GraphProto, weights: &[Initialiser<'_>]) -> usize {
    let is_half =
        |name: &str| weights.iter().any(|w| w.tensor.name == name && w.tensor.data_type == DataType::Float16 as i32);
    graph.node.iter().filter_map(widening_cast).filter(|name| is_half(name)).count()
}

/// The name of what `node` casts to FLOAT, if it is such a node.
fn widening_cast(node: &NodeProto) -> Option<&str> {
    let to_float = node.attribute.iter().any(|a| a.name == "to" && a.i == i64::from(DataType::Float as i32));
    (node.op_type == "Cast" && to_float).then(|| node.input.first().map(String::as_str))?
}

fn widened<'a>(half: &Initialiser<'a>, name: &str) -> Initialiser<'a> {
    // Outside raw data, a half is the low 16 bits of an element of int32_data.
    let values = half.tensor.int32_data.iter().map(|bits| f16::from_bits(*bits as u16).to_f32());
    let tensor = TensorProto {
        name: name.to_owned(),
        dims: half.tensor.dims.clone(),
        data_type: DataType::Float as i32,
        float_data: values.collect(),
        ..TensorProto::default()
    };
    let raw = half.raw.stored();
    let append = Rc::new(move |out: &mut Vec<u8>| append_widened(raw, out));
    Initialiser { tensor, raw: Raw::Made { length: 2 * raw.len(), append } }
}

/// Appends FLOAT16 data as FLOAT.
fn append_widened(raw: &[u8], out: &mut Vec<u8>) {
    const BLOCK: usize = 1024;
    let (mut narrow, mut wide) = ([f16::ZERO; BLOCK], [0f32; BLOCK]);
    for pairs in raw.as_chunks::<2>().0.chunks(BLOCK) {
        for (value, pair) in narrow.iter_mut().zip(pairs) {
            *value = f16::from_le_bytes(*pair);
        }
        narrow.convert_to_f32_slice(&mut wide);
        let mut bytes = [[0; 4]; BLOCK];
        for (bytes, value) in bytes.iter_mut().zip(wide) {
            *bytes = value.to_le_bytes();
        }
        out.extend_from_slice(bytes.as_flattened().get(..pairs.len() * 4).unwrap_or_default());
    }
}
