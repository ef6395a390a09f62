//! What OpenVINO gets wrong without an error, refused before it sees the graph.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;

use crate::onnx::graph::{attribute, integer};
use crate::onnx::parts::Parts;
use crate::{Error, Result};

/// Operators by what they make.
type Makers<'a> = HashMap<&'a str, &'a str>;

/// Refuses the ONNX file `bytes` if it has operators that OpenVINO 2026 computes otherwise than the standard says.
///
/// # Errors
/// [`crate::Kind::Refused`] for these, and where it is no ONNX file.
pub fn check(bytes: &[u8]) -> Result<()> {
    let parts = Parts::decode(bytes)?;
    let standard = parts.model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    let opset = standard.map_or(0, |set| set.version);
    let nodes = &parts.graph.node;
    let makers = nodes.iter().filter_map(|node| Some((node.output.first()?.as_str(), node.op_type.as_str()))).collect();
    match nodes.iter().find_map(|node| Some((node, wrong(node, opset, &makers)?))) {
        Some((node, reason)) => {
            let what = format!("{} (node '{}')", node.op_type, node.name);
            Err(Error::refused(format!("OpenVINO cannot run {what}: {reason}; use --engine ort")))
        }
        None => Ok(()),
    }
}

/// What is wrong with `node`, if anything.
fn wrong(node: &NodeProto, opset: i64, makers: &Makers<'_>) -> Option<&'static str> {
    let is_set = |name: &str| integer(node, name, 0) != 0;
    let is = |name: &str, value: &str| attribute(node, name).is_some_and(|found| found.s == value.as_bytes());
    match node.op_type.as_str() {
        "Softmax" | "LogSoftmax" if opset < 13 && !is_along_rows(node, makers) => {
            Some("before operator set 13 it is over all axes from the one given on, and would be computed over one")
        }
        "ReduceL1" | "ReduceLogSum" | "ReduceLogSumExp" if opset < 18 && attribute(node, "axes").is_some() => {
            Some("before operator set 18 its axes are ignored")
        }
        "AveragePool" if is_set("ceil_mode") && is_set("count_include_pad") => {
            Some("with ceil_mode, windows beyond the padding are divided by another count")
        }
        "ConvTranspose" if is("auto_pad", "SAME_UPPER") || is("auto_pad", "SAME_LOWER") => {
            Some("its output has another size with this auto_pad")
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

/// Whether the axis of a `Softmax` before operator set 13 is the last one, as far as can be told.
fn is_along_rows(node: &NodeProto, makers: &Makers<'_>) -> bool {
    let maker = node.input.first().and_then(|input| makers.get(input.as_str()));
    match integer(node, "axis", 1) {
        -1 => true,
        1 => maker.is_some_and(|operator| matches!(*operator, "Gemm" | "Flatten")),
        _ => false,
    }
}
