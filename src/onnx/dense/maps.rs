//! How large the maps of a graph are.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;

use super::net::Net;
use crate::onnx::graph::{attribute, integer};

/// `[channels, height, width]` of values.
pub(super) type Map = [usize; 3];

/// The values whose map is known.
pub(super) struct Maps(HashMap<String, Map>);

impl Maps {
    /// Follows the input as far as operators are known; what is behind another is not.
    pub(super) fn of(net: &Net<'_, '_>, input: Map) -> Self {
        let mut maps = Self(HashMap::from([(net.input.to_owned(), input)]));
        for node in net.nodes {
            if let (Some(map), [output]) = (maps.after(net, node), &node.output[..]) {
                maps.0.insert(output.clone(), map);
            }
        }
        maps
    }

    pub(super) fn get(&self, value: &str) -> Option<Map> {
        self.0.get(value).copied()
    }

    fn after(&self, net: &Net<'_, '_>, node: &NodeProto) -> Option<Map> {
        let first = node.input.first().map(String::as_str)?;
        match node.op_type.as_str() {
            "Relu" | "LeakyRelu" | "Clip" | "Sigmoid" | "Tanh" | "Erf" | "Elu" | "HardSigmoid" | "HardSwish"
            | "Identity" | "Dropout" | "Cast" | "BatchNormalization" | "QuantizeLinear" | "DequantizeLinear" => {
                self.get(first)
            }
            "Add" | "Sub" | "Mul" | "Div" => {
                let second = node.input.get(1)?;
                match (self.get(first), self.get(second)) {
                    (Some(one), Some(other)) => (one == other).then_some(one),
                    (Some(map), None) => is_spread_over(net, second, map).then_some(map),
                    (None, Some(map)) => is_spread_over(net, first, map).then_some(map),
                    (None, None) => None,
                }
            }
            "Conv" => {
                let [channels, ..] = net.weight_dims(node)?[..] else { return None };
                let [_, height, width] = self.get(first)?;
                let (height, width) = Window::of(net, node)?.slid_over(height, width)?;
                Some([channels, height, width])
            }
            "MaxPool" | "AveragePool" if integer(node, "ceil_mode", 0) == 0 => {
                let [channels, height, width] = self.get(first)?;
                let (height, width) = Window::of(net, node)?.slid_over(height, width)?;
                Some([channels, height, width])
            }
            _ => None,
        }
    }
}

/// How a kernel slides over a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) strides: [usize; 2],
    /// At the top and the left.
    pub(super) before: [usize; 2],
    /// At the bottom and the right.
    after: [usize; 2],
}

impl Window {
    /// None for kernels with gaps, and where the padding is not stated in pixels.
    pub(super) fn of(net: &Net<'_, '_>, node: &NodeProto) -> Option<Self> {
        let stated = |name: &str| attribute(node, name).map(|attribute| &attribute.ints[..]);
        let automatic = attribute(node, "auto_pad").is_some_and(|attribute| attribute.s != b"NOTSET");
        let is_dense = stated("dilations").is_none_or(|dilations| dilations.iter().all(|gap| *gap == 1));
        if automatic || !is_dense {
            return None;
        }
        let kernel = match stated("kernel_shape") {
            Some(sides) => pair(sides)?,
            None => match net.weight_dims(node)?[..] {
                [_, _, height, width] => [height, width],
                _ => return None,
            },
        };
        let strides = stated("strides").map_or(Some([1, 1]), pair)?;
        let pads = stated("pads").unwrap_or(&[0; 4]);
        let (before, after) = (pair(pads.get(..2)?)?, pair(pads.get(2..)?)?);
        (kernel.iter().chain(&strides).all(|side| *side > 0)).then_some(Self { kernel, strides, before, after })
    }

    /// Where in the kernel a place of the input lies along an axis, for a place of the output.
    pub(super) fn under(&self, axis: usize, input: usize, output: usize) -> Option<usize> {
        let place = (input + self.before[axis]).checked_sub(output * self.strides[axis])?;
        (place < self.kernel[axis]).then_some(place)
    }

    /// `(height, width)` of the output for a map of this height and width.
    pub(super) fn slid_over(&self, height: usize, width: usize) -> Option<(usize, usize)> {
        let along = |axis: usize, side: usize| {
            let room = (side + self.before[axis] + self.after[axis]).checked_sub(self.kernel[axis])?;
            Some(room / self.strides[axis] + 1)
        };
        Some((along(0, height)?, along(1, width)?))
    }
}

fn pair(values: &[i64]) -> Option<[usize; 2]> {
    let [first, second] = values else { return None };
    Some([usize::try_from(*first).ok()?, usize::try_from(*second).ok()?])
}

/// Whether a constant, broadcast over a map, leaves it as large as it is.
fn is_spread_over(net: &Net<'_, '_>, name: &str, map: Map) -> bool {
    let Some(dims) = net.dims(name) else { return false };
    let [channels, height, width] = map;
    let sides = [1, channels, height, width];
    dims.len() <= sides.len() && dims.iter().rev().zip(sides.iter().rev()).all(|(dim, side)| *dim == 1 || dim == side)
}
