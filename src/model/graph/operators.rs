//! The operators that may occur, with the number of inputs each takes.

use std::collections::BTreeMap;

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::{Error, Result};

const MANY: usize = 4096;

/// What convolutional networks, ConvNeXt, U-Nets, vision transformers and their quantised (QDQ) forms
/// are exported to. Left out on purpose: control flow (graphs inside graphs), sequences, strings,
/// randomness, and every operator of a vendor.
///
/// Name, least and most inputs; sorted by name.
const ALLOWED: &[(&str, usize, usize)] = &[
    ("Abs", 1, 1),
    ("Add", 2, 2),
    ("And", 2, 2),
    ("ArgMax", 1, 1),
    ("ArgMin", 1, 1),
    ("AveragePool", 1, 1),
    ("BatchNormalization", 5, 5),
    ("Cast", 1, 1),
    ("Ceil", 1, 1),
    ("Clip", 1, 3),
    ("Concat", 1, MANY),
    ("Constant", 0, 0),
    ("ConstantOfShape", 1, 1),
    ("Conv", 2, 3),
    ("ConvInteger", 2, 4),
    ("ConvTranspose", 2, 3),
    ("Cos", 1, 1),
    ("DepthToSpace", 1, 1),
    ("DequantizeLinear", 2, 3),
    ("Div", 2, 2),
    ("Dropout", 1, 3),
    ("DynamicQuantizeLinear", 1, 1),
    ("Einsum", 1, 8),
    ("Elu", 1, 1),
    ("Equal", 2, 2),
    ("Erf", 1, 1),
    ("Exp", 1, 1),
    ("Expand", 2, 2),
    ("Flatten", 1, 1),
    ("Floor", 1, 1),
    ("Gather", 2, 2),
    ("GatherElements", 2, 2),
    ("GatherND", 2, 2),
    ("Gelu", 1, 1),
    ("Gemm", 2, 3),
    ("GlobalAveragePool", 1, 1),
    ("GlobalMaxPool", 1, 1),
    ("Greater", 2, 2),
    ("GreaterOrEqual", 2, 2),
    ("GroupNormalization", 3, 3),
    ("HardSigmoid", 1, 1),
    ("HardSwish", 1, 1),
    ("Identity", 1, 1),
    ("InstanceNormalization", 3, 3),
    ("LayerNormalization", 2, 3),
    ("LeakyRelu", 1, 1),
    ("Less", 2, 2),
    ("LessOrEqual", 2, 2),
    ("Log", 1, 1),
    ("LogSoftmax", 1, 1),
    ("LpNormalization", 1, 1),
    ("MatMul", 2, 2),
    ("MatMulInteger", 2, 4),
    ("Max", 1, MANY),
    ("MaxPool", 1, 1),
    ("Mean", 1, MANY),
    ("Min", 1, MANY),
    ("Mish", 1, 1),
    ("Mod", 2, 2),
    ("Mul", 2, 2),
    ("Neg", 1, 1),
    ("Not", 1, 1),
    ("Or", 2, 2),
    ("PRelu", 2, 2),
    ("Pad", 1, 4),
    ("Pow", 2, 2),
    ("QLinearConv", 8, 9),
    ("QLinearMatMul", 8, 8),
    ("QuantizeLinear", 2, 3),
    ("Range", 3, 3),
    ("Reciprocal", 1, 1),
    ("ReduceL1", 1, 2),
    ("ReduceL2", 1, 2),
    ("ReduceLogSum", 1, 2),
    ("ReduceLogSumExp", 1, 2),
    ("ReduceMax", 1, 2),
    ("ReduceMean", 1, 2),
    ("ReduceMin", 1, 2),
    ("ReduceProd", 1, 2),
    ("ReduceSum", 1, 2),
    ("ReduceSumSquare", 1, 2),
    ("Relu", 1, 1),
    ("Reshape", 2, 2),
    ("Resize", 1, 4),
    ("Round", 1, 1),
    ("Selu", 1, 1),
    ("Shape", 1, 1),
    ("Sigmoid", 1, 1),
    ("Sign", 1, 1),
    ("Sin", 1, 1),
    ("Size", 1, 1),
    ("Slice", 1, 5),
    ("Softmax", 1, 1),
    ("Softplus", 1, 1),
    ("Softsign", 1, 1),
    ("SpaceToDepth", 1, 1),
    ("Split", 1, 2),
    ("Sqrt", 1, 1),
    ("Squeeze", 1, 2),
    ("Sub", 2, 2),
    ("Sum", 1, MANY),
    ("Tanh", 1, 1),
    ("ThresholdedRelu", 1, 1),
    ("Tile", 2, 2),
    ("TopK", 1, 2),
    ("Transpose", 1, 1),
    ("Trilu", 1, 2),
    ("Unsqueeze", 1, 2),
    ("Upsample", 1, 2),
    ("Where", 3, 3),
    ("Xor", 2, 2),
];

/// Whether `domain` is ONNX's own.
pub fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Refuses an operator that is not on the list, or has a wrong number of inputs or no output.
pub fn check(node: &NodeProto) -> Result<()> {
    let entry = ALLOWED.binary_search_by_key(&node.op_type.as_str(), |entry| entry.0);
    let known = entry.ok().and_then(|index| ALLOWED.get(index)).filter(|_| is_standard(&node.domain));
    let Some(&(_, least, most)) = known else {
        let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
        return Err(Error::refused(format!(
            "the operator {domain}.{} is not on the list of allowed ones; \
             export the model with plain ONNX operators and without control flow",
            node.op_type
        )));
    };
    let count = node.input.len();
    if count < least || count > most {
        return Err(Error::refused(format!("{count} inputs, expected {least} to {most}")));
    }
    let needed = least.min(MANY);
    if node.input.iter().take(needed).any(String::is_empty) {
        return Err(Error::refused("a required input is left out"));
    }
    match node.output.first() {
        Some(first) if !first.is_empty() => Ok(()),
        _ => Err(Error::refused("has no output")),
    }
}

/// How often each operator occurs.
pub fn count(graph: &GraphProto) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in &graph.node {
        *counts.entry(node.op_type.clone()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::ALLOWED;

    #[test]
    fn list_is_sorted_so_that_it_can_be_searched() {
        assert!(ALLOWED.is_sorted_by(|a, b| a.0 < b.0));
    }
}
