//! Attributes: well formed, and in the ranges the engines take for granted.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::tensors::{self, Constant};
use crate::limits::{MODEL_TILE_PX_MAX, TENSOR_ELEMENTS_MAX, TENSOR_RANK_MAX};
use crate::onnx::parts::Initialiser;
use crate::{Error, Result};

/// Initialisers and the tensors of `Constant` nodes by name.
pub type Constants<'a> = HashMap<&'a str, Constant<'a>>;

/// The constants of `graph`.
pub fn constants<'a>(graph: &'a GraphProto, weights: &'a [Initialiser<'a>]) -> Constants<'a> {
    let nodes = graph.node.iter().filter(|node| node.op_type == "Constant");
    let made = nodes.filter_map(|node| {
        let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref())?;
        Some((node.output.first()?.as_str(), Constant { tensor, raw: &tensor.raw_data }))
    });
    let stored = weights.iter().map(|w| (w.tensor.name.as_str(), Constant { tensor: &w.tensor, raw: w.raw.stored() }));
    stored.chain(made).collect()
}

const SIZE_MAX: i64 = MODEL_TILE_PX_MAX as i64;
const RANK_MAX: i64 = TENSOR_RANK_MAX as i64;

/// Refuses attributes that are malformed or out of range, and constant shapes past the limits.
pub fn check(node: &NodeProto, constants: &Constants<'_>) -> Result<()> {
    let mut names = HashSet::new();
    for attribute in &node.attribute {
        check_form(attribute)?;
        check_range(node, attribute).map_err(|error| error.context(format!("attribute {:?}", attribute.name)))?;
        if !names.insert(attribute.name.as_str()) {
            return Err(Error::refused(format!("attribute {:?} is given twice", attribute.name)));
        }
    }
    match node.op_type.as_str() {
        "Conv" | "ConvTranspose" | "ConvInteger" => check_convolution(node, constants)?,
        "MaxPool" | "AveragePool" => check_window(node, list(node, "kernel_shape").unwrap_or_default())?,
        "Transpose" => check_permutation(node)?,
        "Constant" => check_constant(node)?,
        "Cast" if !names.contains("to") => return Err(Error::refused("says not what to cast to")),
        _ => {}
    }
    check_constant_inputs(node, constants)
}

fn check_form(attribute: &AttributeProto) -> Result<()> {
    let name = &attribute.name;
    let one_form = match AttributeType::try_from(attribute.r#type) {
        Ok(
            AttributeType::Float
            | AttributeType::Int
            | AttributeType::String
            | AttributeType::Floats
            | AttributeType::Ints
            | AttributeType::Strings,
        ) => attribute.t.is_none(),
        Ok(AttributeType::Tensor) => attribute.t.is_some(),
        _ => false,
    };
    let nested = attribute.g.is_some()
        || attribute.sparse_tensor.is_some()
        || !attribute.graphs.is_empty()
        || !attribute.tensors.is_empty()
        || !attribute.sparse_tensors.is_empty()
        || !attribute.type_protos.is_empty();
    if name.is_empty() || !one_form || nested || !attribute.ref_attr_name.is_empty() {
        return Err(Error::refused(format!(
            "attribute {name:?} is not a number, a string, a tensor or a list of numbers or strings"
        )));
    }
    if attribute.f.is_nan() || attribute.floats.iter().any(|value| value.is_nan()) {
        return Err(Error::refused(format!("attribute {name:?} holds NaN")));
    }
    attribute.t.as_ref().map_or(Ok(()), |tensor| tensors::check(tensor, &tensor.raw_data))
}

fn check_range(node: &NodeProto, attribute: &AttributeProto) -> Result<()> {
    let windowed = matches!(
        node.op_type.as_str(),
        "Conv" | "ConvTranspose" | "ConvInteger" | "QLinearConv" | "MaxPool" | "AveragePool"
    );
    let (low, high) = match attribute.name.as_str() {
        "kernel_shape" | "strides" | "dilations" | "output_shape" if windowed => (1, SIZE_MAX),
        "pads" | "output_padding" if windowed => (0, SIZE_MAX),
        "pads" => (-SIZE_MAX, SIZE_MAX),
        "group" | "num_groups" => (1, 1 << 16),
        "axis" | "axes" | "perm" | "batch_dims" => (-RANK_MAX, RANK_MAX),
        "blocksize" => (1, 64),
        "num_outputs" => (1, 1 << 12),
        "split" => (0, 1 << 24),
        "repeats" => (1, SIZE_MAX),
        "to" => return i32::try_from(attribute.i).map_or(tensors::element_type(-1), tensors::element_type).map(drop),
        "auto_pad" => return check_auto_pad(&attribute.s),
        _ => return Ok(()),
    };
    let single = (attribute.r#type == AttributeType::Int as i32).then_some(attribute.i);
    if attribute.ints.len() > 2 * TENSOR_RANK_MAX && attribute.name != "split" {
        return Err(Error::refused(format!("{} entries are too many", attribute.ints.len())));
    }
    match attribute.ints.iter().copied().chain(single).find(|value| !(low..=high).contains(value)) {
        Some(value) => Err(Error::refused(format!("{value} is outside {low} to {high}"))),
        None => Ok(()),
    }
}

fn check_auto_pad(mode: &[u8]) -> Result<()> {
    let known: [&[u8]; 4] = [b"NOTSET", b"SAME_UPPER", b"SAME_LOWER", b"VALID"];
    if known.contains(&mode) {
        return Ok(());
    }
    Err(Error::refused(format!("{:?} is not a way to pad", String::from_utf8_lossy(mode))))
}

fn check_constant(node: &NodeProto) -> Result<()> {
    let known = ["value", "value_float", "value_floats", "value_int", "value_ints"];
    match &node.attribute[..] {
        [only] if known.contains(&only.name.as_str()) => Ok(()),
        _ => Err(Error::refused(format!("must have one attribute, one of {known:?}"))),
    }
}

/// The weights' dimensions against kernel and groups, where the weights are a constant.
fn check_convolution(node: &NodeProto, constants: &Constants<'_>) -> Result<()> {
    let kernel = list(node, "kernel_shape");
    let weights = node.input.get(1).and_then(|name| constants.get(name.as_str())).map(|constant| constant.tensor);
    let Some(weights) = weights else {
        return kernel.map_or(Ok(()), |kernel| check_window(node, kernel));
    };
    let group = node.attribute.iter().find(|a| a.name == "group").map_or(1, |a| a.i);
    let (channels, spatial) = match weights.dims.split_at_checked(2) {
        Some((channels, spatial)) if (1..=3).contains(&spatial.len()) => (channels, spatial),
        _ => return Err(Error::refused(format!("weights of dimensions {:?}, expected 3 to 5", weights.dims))),
    };
    let fits = channels.first().is_some_and(|outer| outer % group == 0)
        && weights.dims.iter().all(|dim| *dim > 0)
        && kernel.is_none_or(|kernel| kernel == spatial);
    if !fits {
        return Err(Error::refused(format!(
            "weights of dimensions {:?} do not fit kernel_shape {kernel:?} and {group} groups",
            weights.dims
        )));
    }
    check_window(node, spatial)
}

/// Lengths of the lists that go with a window of `kernel`'s rank.
fn check_window(node: &NodeProto, kernel: &[i64]) -> Result<()> {
    if !(1..=3).contains(&kernel.len()) {
        return Err(Error::refused(format!("kernel_shape {kernel:?}, expected one to three sizes")));
    }
    if kernel.iter().any(|size| !(1..=SIZE_MAX).contains(size)) {
        return Err(Error::refused(format!("kernel {kernel:?} is outside 1 to {SIZE_MAX}")));
    }
    for (name, times) in [("strides", 1), ("dilations", 1), ("pads", 2), ("output_padding", 1)] {
        let length = list(node, name).map_or(times * kernel.len(), <[i64]>::len);
        if length != times * kernel.len() {
            return Err(Error::refused(format!("{length} {name} for a kernel of {} dimensions", kernel.len())));
        }
    }
    Ok(())
}

fn check_permutation(node: &NodeProto) -> Result<()> {
    let Some(order) = list(node, "perm") else { return Ok(()) };
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..order.len() as i64) {
        return Ok(());
    }
    Err(Error::refused(format!("perm {order:?} is not an order of its axes")))
}

/// The sizes that constants ask for.
fn check_constant_inputs(node: &NodeProto, constants: &Constants<'_>) -> Result<()> {
    let constant = |index: usize| node.input.get(index).and_then(|name| constants.get(name.as_str())).copied();
    let numbers = |index: usize| constant(index).and_then(Constant::integers).unwrap_or_default();
    let within = |values: &[i64], low: i64, high: i64| match values.iter().find(|v| !(low..=high).contains(*v)) {
        Some(value) => Err(Error::refused(format!("asks for the size {value}, outside {low} to {high}"))),
        None => Ok(()),
    };
    let elements_max = TENSOR_ELEMENTS_MAX as i64;
    match node.op_type.as_str() {
        "Reshape" => within(&numbers(1), -1, elements_max).and_then(|()| volume(&numbers(1))),
        "Expand" => within(&numbers(1), 1, elements_max).and_then(|()| volume(&numbers(1))),
        "ConstantOfShape" => within(&numbers(0), 0, elements_max).and_then(|()| volume(&numbers(0))),
        "Tile" => within(&numbers(1), 1, SIZE_MAX).and_then(|()| volume(&numbers(1))),
        "Pad" => within(&numbers(1), -SIZE_MAX, SIZE_MAX),
        "Range" => within(&[numbers(0), numbers(1), numbers(2)].concat(), -elements_max, elements_max),
        "Resize" | "Upsample" => {
            within(&numbers(3), 0, SIZE_MAX)?;
            let mut scales = Vec::new();
            for tensor in [1, 2].into_iter().filter_map(constant) {
                scales.extend(tensor.floats().unwrap_or_default());
            }
            if node.op_type == "Resize" && node.input.len() > 2 {
                scales = constant(2).and_then(Constant::floats).unwrap_or_default();
            }
            check_scales(&scales)
        }
        _ => Ok(()),
    }
}

fn volume(sizes: &[i64]) -> Result<()> {
    let positive: Vec<i64> = sizes.iter().copied().filter(|size| *size > 0).collect();
    tensors::elements(&positive).map(drop)
}

fn check_scales(scales: &[f32]) -> Result<()> {
    const SCALE_MAX: f32 = 64.0;
    match scales.iter().find(|scale| !(**scale > 0.0 && **scale <= SCALE_MAX)) {
        Some(scale) => Err(Error::refused(format!("scales by {scale}, outside 0 to {SCALE_MAX}"))),
        None => Ok(()),
    }
}

fn list<'a>(node: &'a NodeProto, name: &str) -> Option<&'a [i64]> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.ints.as_slice())
}
