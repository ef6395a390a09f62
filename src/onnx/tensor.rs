//! Constants of a graph.

use half::f16;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// How weights of more than one axis lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// As they are.
    Fp32,
    /// Rounded to 16 bits and widened by a `Cast` node when the graph runs: half the size, valid ONNX for any reader.
    /// Biases stay fp32, and so does a tensor with a value that fp16 cannot hold.
    Fp16,
}

/// A tensor of fp32 values.
pub fn fp32(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor(name, dims, DataType::Float, raw_data)
}

/// The values rounded to fp16, unless one of them would become infinite.
pub fn fp16(name: &str, dims: &[usize], values: &[f32]) -> Option<TensorProto> {
    let rounded: Vec<f16> = values.iter().map(|v| f16::from_f32(*v)).collect();
    if rounded.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let raw_data = rounded.iter().flat_map(|v| v.to_le_bytes()).collect();
    Some(tensor(name, dims, DataType::Float16, raw_data))
}

/// A tensor of signed bytes.
pub fn int8(name: &str, dims: &[usize], values: &[i8]) -> TensorProto {
    tensor(name, dims, DataType::Int8, values.iter().map(|v| v.cast_unsigned()).collect())
}

/// A tensor of bytes.
pub fn uint8(name: &str, dims: &[usize], values: &[u8]) -> TensorProto {
    tensor(name, dims, DataType::Uint8, values.to_vec())
}

/// A tensor of 32-bit integers.
pub fn int32(name: &str, dims: &[usize], values: &[i32]) -> TensorProto {
    tensor(name, dims, DataType::Int32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// A tensor of 64-bit integers.
pub fn int64(name: &str, dims: &[usize], values: &[i64]) -> TensorProto {
    tensor(name, dims, DataType::Int64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

fn tensor(name: &str, dims: &[usize], data_type: DataType, raw_data: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: data_type as i32,
        raw_data,
        ..TensorProto::default()
    }
}
