//! What OpenVINO gets wrong without an error, refused before it sees the graph.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{NodeProto, TensorProto};

use crate::onnx::graph::{attribute, integer};
use crate::onnx::parts::Parts;
use crate::{Error, Result};

/// Refuses the ONNX file `bytes` if it has operators that OpenVINO 2026 computes otherwise than the standard says.
///
/// # Errors
/// [`crate::Kind::Refused`] for these, and where it is no ONNX file.
pub fn check(bytes: &[u8]) -> Result<()> {
    let parts = Parts::decode(bytes)?;
    let graph = Scan::of(&parts);
    match parts.graph.node.iter().find_map(|node| Some((node, graph.wrong(node)?))) {
        Some((node, reason)) => {
            let what = format!("{} (node '{}')", node.op_type, node.name);
            Err(Error::refused(format!("OpenVINO cannot run {what}: {reason}; use --engine ort")))
        }
        None => Ok(()),
    }
}

/// What stands behind the names of a graph.
struct Scan<'a> {
    opset: i64,
    /// Operators by what they make.
    makers: HashMap<&'a str, &'a str>,
    /// Constants, of which those in initialisers have no values here.
    constants: HashMap<&'a str, &'a TensorProto>,
}

impl<'a> Scan<'a> {
    fn of(parts: &'a Parts<'_>) -> Self {
        let nodes = &parts.graph.node;
        let standard = parts.model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
        let made = nodes.iter().filter_map(|node| Some((node.output.first()?.as_str(), node)));
        let stored = parts.weights.iter().map(|weight| (weight.tensor.name.as_str(), &weight.tensor));
        let values = made.clone().filter_map(|(name, node)| Some((name, attribute(node, "value")?.t.as_ref()?)));
        Self {
            opset: standard.map_or(0, |set| set.version),
            makers: made.map(|(name, node)| (name, node.op_type.as_str())).collect(),
            constants: stored.chain(values).collect(),
        }
    }

    /// What is wrong with `node`, if anything.
    fn wrong(&self, node: &NodeProto) -> Option<&'static str> {
        let is_set = |name: &str| integer(node, name, 0) != 0;
        let is = |name: &str, value: &str| attribute(node, name).is_some_and(|found| found.s == value.as_bytes());
        let is_padded = || integers(node, "pads").iter().any(|&pad| pad != 0);
        let is_read_back = || self.maker(node) == Some("DequantizeLinear");
        match node.op_type.as_str() {
            "Softmax" | "LogSoftmax" if self.opset < 13 && !self.is_along_rows(node) => {
                Some("before operator set 13 it is over all axes from the one given on, and would be computed over one")
            }
            "ReduceL1" | "ReduceLogSum" | "ReduceLogSumExp" if self.opset < 18 && attribute(node, "axes").is_some() => {
                Some("before operator set 18 its axes are ignored")
            }
            "Conv" if self.pads_a_pixel(node) => {
                Some("with a stride and padding a kernel of one pixel gives another size")
            }
            "AveragePool" if is_set("ceil_mode") && is_set("count_include_pad") => {
                Some("with ceil_mode, windows beyond the padding are divided by another count")
            }
            "AveragePool" if is_set("count_include_pad") && is_padded() && is_read_back() => {
                Some("of values in 8 bits the padding that is counted comes out wrong")
            }
            "AveragePool" | "MaxPool" if is_set("ceil_mode") && may_begin_beyond(node) => {
                Some("with ceil_mode, a last window that begins beyond the map is computed")
            }
            "ConvTranspose" if is("auto_pad", "SAME_UPPER") || is("auto_pad", "SAME_LOWER") => {
                Some("its output has another size with this auto_pad")
            }
            "Gemm" if is_read_back() && attribute(node, "alpha").is_some_and(|alpha| alpha.f != 1.0) => {
                Some("of values in 8 bits it comes out wrong with alpha")
            }
            "QuantizeLinear" if self.maker(node) == Some("Concat") && self.is_signed(node) => {
                Some("signed values in 8 bits after a Concat come out wrong (--activations unsigned)")
            }
            "Resize" if is_set("antialias") => Some("antialias is ignored"),
            "Resize" if is_set("exclude_outside") => Some("exclude_outside is ignored"),
            "Resize"
                if is("mode", "nearest")
                    && is("coordinate_transformation_mode", "align_corners")
                    && is("nearest_mode", "floor") =>
            {
                Some("with align_corners and floor it takes other pixels")
            }
            _ => None,
        }
    }

    /// The operator that makes the first input of `node`.
    fn maker(&self, node: &NodeProto) -> Option<&'a str> {
        self.makers.get(node.input.first()?.as_str()).copied()
    }

    /// Whether the axis of a `Softmax` before operator set 13 is the last one, as far as can be told.
    fn is_along_rows(&self, node: &NodeProto) -> bool {
        match integer(node, "axis", 1) {
            -1 => true,
            1 => matches!(self.maker(node), Some("Gemm" | "Flatten")),
            _ => false,
        }
    }

    /// Whether a convolution has, along an axis, a kernel of one pixel, a stride and padding.
    fn pads_a_pixel(&self, node: &NodeProto) -> bool {
        let (strides, pads) = (integers(node, "strides"), integers(node, "pads"));
        let weight = || node.input.get(1).and_then(|name| self.constants.get(name.as_str()));
        let kernel = match integers(node, "kernel_shape") {
            [] => weight().and_then(|weight| weight.dims.get(2..)).unwrap_or_default(),
            stated => stated,
        };
        (0..strides.len()).any(|axis| {
            let is_padded = [axis, axis + strides.len()].iter().any(|&at| pads.get(at).is_some_and(|&pad| pad != 0));
            strides[axis] > 1 && is_padded && kernel.get(axis) == Some(&1)
        })
    }

    /// Whether a `QuantizeLinear` rounds to signed integers.
    fn is_signed(&self, node: &NodeProto) -> bool {
        let zero = node.input.get(2).and_then(|name| self.constants.get(name.as_str()));
        zero.is_some_and(|zero| zero.data_type == DataType::Int8 as i32)
    }
}

fn integers<'a>(node: &'a NodeProto, name: &str) -> &'a [i64] {
    attribute(node, name).map_or(&[], |attribute| &attribute.ints)
}

/// Whether a pooling's last window may begin beyond its map and the padding before it, where the size is rounded up.
fn may_begin_beyond(node: &NodeProto) -> bool {
    let (kernel, strides, pads) = (integers(node, "kernel_shape"), integers(node, "strides"), integers(node, "pads"));
    (0..kernel.len()).any(|axis| {
        let (stride, after) = (strides.get(axis).unwrap_or(&1), pads.get(axis + kernel.len()).unwrap_or(&0));
        stride.saturating_add(*after) > kernel[axis]
    })
}
