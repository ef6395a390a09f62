//! Tensors inside the file: where their data is, what type, and that there is exactly enough of it.

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{GraphProto, TensorProto};

use crate::limits::{TENSOR_ELEMENTS_MAX, TENSOR_RANK_MAX};
use crate::{Error, Result};

/// Refuses a tensor with data elsewhere, of a type no engine here computes with, with dimensions below
/// zero or past the limits, with another number of elements than they say, or with NaN in it.
pub fn check(tensor: &TensorProto) -> Result<()> {
    check_parts(tensor).map_err(|error| error.context(format!("tensor {:?}", tensor.name)))
}

fn check_parts(tensor: &TensorProto) -> Result<()> {
    let elsewhere = tensor.data_location.is_some_and(|place| place != DataLocation::Default as i32);
    if elsewhere || !tensor.external_data.is_empty() {
        return Err(Error::refused(
            "its data lies outside the file; save the model as one file (onnx.save without external data)",
        ));
    }
    if tensor.segment.is_some() {
        return Err(Error::refused("is split into segments, which is not supported"));
    }
    let data_type = element_type(tensor.data_type)?;
    let elements = elements(&tensor.dims)?;
    check_length(tensor, data_type, elements)?;
    if holds_nan(tensor, data_type) {
        return Err(Error::refused("holds NaN; the training has diverged or the file is damaged"));
    }
    Ok(())
}

/// The types that may occur, in tensors and as targets of `Cast`.
pub fn element_type(number: i32) -> Result<DataType> {
    DataType::try_from(number)
        .ok()
        .filter(|data_type| element_bytes(*data_type).is_some())
        .ok_or_else(|| Error::refused(format!("element type {number} is not supported")))
}

fn element_bytes(data_type: DataType) -> Option<u64> {
    use DataType::*;
    Some(match data_type {
        Uint8 | Int8 | Bool => 1,
        Uint16 | Int16 | Float16 => 2,
        Float | Int32 | Uint32 => 4,
        Double | Int64 | Uint64 => 8,
        _ => return None,
    })
}

/// Number of elements of a tensor of these dimensions.
pub fn elements(dims: &[i64]) -> Result<u64> {
    if dims.len() > TENSOR_RANK_MAX {
        return Err(Error::refused(format!("{} dimensions are more than {TENSOR_RANK_MAX}", dims.len())));
    }
    let count = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(u64::try_from(dim).ok()?));
    count.filter(|&count| count <= TENSOR_ELEMENTS_MAX).ok_or_else(|| {
        Error::refused(format!("dimensions {dims:?} are below zero or more than {TENSOR_ELEMENTS_MAX} elements"))
    })
}

fn check_length(tensor: &TensorProto, data_type: DataType, elements: u64) -> Result<()> {
    use DataType::*;
    let lengths = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
        tensor.string_data.len(),
    ];
    let typed: u64 = lengths.iter().map(|length| *length as u64).sum();
    if typed == 0 {
        let bytes = elements * element_bytes(data_type).unwrap_or(0);
        return expect_length(tensor, "bytes", tensor.raw_data.len() as u64, bytes);
    }
    let own = match data_type {
        Float => tensor.float_data.len(),
        Uint8 | Int8 | Bool | Uint16 | Int16 | Float16 | Int32 => tensor.int32_data.len(),
        Int64 => tensor.int64_data.len(),
        Double => tensor.double_data.len(),
        _ => tensor.uint64_data.len(),
    };
    if typed != own as u64 || !tensor.raw_data.is_empty() {
        return Err(Error::refused("its data is stored in more than one field, or in the wrong one"));
    }
    expect_length(tensor, "elements", typed, elements)
}

fn expect_length(tensor: &TensorProto, unit: &str, actual: u64, expected: u64) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(Error::refused(format!("{actual} {unit} of data for dimensions {:?}, expected {expected}", tensor.dims)))
}

fn holds_nan(tensor: &TensorProto, data_type: DataType) -> bool {
    // Bit patterns, or-ed together without a branch: the compiler makes vector code of it.
    match data_type {
        DataType::Float => {
            let (words, _) = tensor.raw_data.as_chunks::<4>();
            let raw = words.iter().fold(false, |found, w| found | (u32::from_le_bytes(*w) & 0x7fff_ffff > 0x7f80_0000));
            raw || tensor.float_data.iter().any(|value| value.is_nan())
        }
        DataType::Float16 => {
            let (words, _) = tensor.raw_data.as_chunks::<2>();
            words.iter().fold(false, |found, w| found | (u16::from_le_bytes(*w) & 0x7fff > 0x7c00))
                || tensor.int32_data.iter().any(|bits| bits & 0x7fff > 0x7c00)
        }
        DataType::Double => {
            let (words, _) = tensor.raw_data.as_chunks::<8>();
            words.iter().any(|w| f64::from_le_bytes(*w).is_nan()) || tensor.double_data.iter().any(|v| v.is_nan())
        }
        _ => false,
    }
}

/// Elements of all floating-point initialisers.
pub fn parameters(graph: &GraphProto) -> u64 {
    graph
        .initializer
        .iter()
        .filter(|tensor| {
            let float = [DataType::Float, DataType::Float16, DataType::Double];
            float.iter().any(|data_type| *data_type as i32 == tensor.data_type)
        })
        .filter_map(|tensor| elements(&tensor.dims).ok())
        .sum()
}

/// The values of a short integer tensor: a shape, axes, sizes. `None` for other types.
pub fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int64 if tensor.raw_data.is_empty() => Some(tensor.int64_data.clone()),
        DataType::Int64 => {
            Some(tensor.raw_data.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect())
        }
        DataType::Int32 if tensor.raw_data.is_empty() => {
            Some(tensor.int32_data.iter().map(|value| i64::from(*value)).collect())
        }
        DataType::Int32 => {
            let words = tensor.raw_data.as_chunks::<4>().0;
            Some(words.iter().map(|word| i64::from(i32::from_le_bytes(*word))).collect())
        }
        _ => None,
    }
}

/// The values of an fp32 tensor. `None` for other types.
pub fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != DataType::Float as i32 {
        return None;
    }
    if tensor.raw_data.is_empty() {
        return Some(tensor.float_data.clone());
    }
    Some(tensor.raw_data.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
