//! Tensors inside the file: where their data is, what type, and that there is exactly enough of it.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use crate::limits::{TENSOR_ELEMENTS_MAX, TENSOR_RANK_MAX};
use crate::onnx::parts::Initialiser;
use crate::{Error, Result};

/// Refuses a tensor with data elsewhere, of a type no engine here computes with, with dimensions below
/// zero or past the limits, with another number of elements than they say, or with NaN in it.
pub fn check(tensor: &TensorProto, raw: &[u8]) -> Result<()> {
    check_parts(tensor, raw).map_err(|error| error.context(format!("tensor {:?}", tensor.name)))
}

fn check_parts(tensor: &TensorProto, raw: &[u8]) -> Result<()> {
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
    check_length(tensor, raw, data_type, elements)?;
    if holds_nan(tensor, raw, data_type) {
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

fn check_length(tensor: &TensorProto, raw: &[u8], data_type: DataType, elements: u64) -> Result<()> {
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
        return expect_length(tensor, "bytes", raw.len() as u64, bytes);
    }
    let own = match data_type {
        Float => tensor.float_data.len(),
        Uint8 | Int8 | Bool | Uint16 | Int16 | Float16 | Int32 => tensor.int32_data.len(),
        Int64 => tensor.int64_data.len(),
        Double => tensor.double_data.len(),
        _ => tensor.uint64_data.len(),
    };
    if typed != own as u64 || !raw.is_empty() {
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

fn holds_nan(tensor: &TensorProto, raw: &[u8], data_type: DataType) -> bool {
    // The largest bit pattern without its sign, found without a branch: the compiler makes vector code of it.
    match data_type {
        DataType::Float => {
            let largest = raw.as_chunks::<4>().0.iter().fold(0, |m: i32, w| m.max(i32::from_le_bytes(*w) & i32::MAX));
            largest > 0x7f80_0000 || tensor.float_data.iter().any(|value| value.is_nan())
        }
        DataType::Float16 => {
            let largest = raw.as_chunks::<2>().0.iter().fold(0, |m: i16, w| m.max(i16::from_le_bytes(*w) & i16::MAX));
            largest > 0x7c00 || tensor.int32_data.iter().any(|bits| bits & 0x7fff > 0x7c00)
        }
        DataType::Double => {
            raw.as_chunks::<8>().0.iter().any(|w| f64::from_le_bytes(*w).is_nan())
                || tensor.double_data.iter().any(|v| v.is_nan())
        }
        _ => false,
    }
}

/// Elements of all floating-point initialisers.
pub fn parameters(weights: &[Initialiser<'_>]) -> u64 {
    let float = [DataType::Float, DataType::Float16, DataType::Double].map(|data_type| data_type as i32);
    weights
        .iter()
        .filter(|weights| float.contains(&weights.tensor.data_type))
        .filter_map(|weights| elements(&weights.tensor.dims).ok())
        .sum()
}

/// A tensor that is known before the graph runs.
#[derive(Clone, Copy)]
pub struct Constant<'a> {
    /// Its dimensions, type and typed data.
    pub tensor: &'a TensorProto,
    /// Its raw data.
    pub raw: &'a [u8],
}

impl Constant<'_> {
    /// The values of an integer tensor: a shape, axes, sizes. `None` for other types.
    pub fn integers(self) -> Option<Vec<i64>> {
        let Self { tensor, raw } = self;
        match DataType::try_from(tensor.data_type).ok()? {
            DataType::Int64 if raw.is_empty() => Some(tensor.int64_data.clone()),
            DataType::Int64 => Some(raw.as_chunks().0.iter().map(|word| i64::from_le_bytes(*word)).collect()),
            DataType::Int32 if raw.is_empty() => Some(tensor.int32_data.iter().map(|v| i64::from(*v)).collect()),
            DataType::Int32 => Some(raw.as_chunks().0.iter().map(|w| i64::from(i32::from_le_bytes(*w))).collect()),
            _ => None,
        }
    }

    /// The values of an fp32 tensor. `None` for other types.
    pub fn floats(self) -> Option<Vec<f32>> {
        if self.tensor.data_type != DataType::Float as i32 {
            return None;
        }
        if self.raw.is_empty() {
            return Some(self.tensor.float_data.clone());
        }
        Some(self.raw.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }
}
