//! What a network computes, counted.

use std::collections::HashMap;

use tract_onnx::pb::{ModelProto, NodeProto};
use tract_onnx::prelude::{Datum, Framework, InferenceFact, InferenceModel, InferenceModelExt};
use tract_onnx::tract_hir::infer::Factoid;

use crate::infer::engine::quiet;
use crate::{Error, Result};

/// Billions of floating-point operations (or integer ones, of a quantised graph) for one row of `input` =
/// `[bands, height, width]`: two for each multiply-add of convolutions and matrix products, as direct computation has
/// them; nothing else counts. Shapes are tract's inference, which runs nothing: graphs that tract cannot run are counted
/// too.
///
/// # Errors
/// [`crate::Kind::Refused`] where a shape cannot be inferred.
pub fn gflop_per_row(graph: &[u8], input: [usize; 3]) -> Result<f64> {
    let counted = quiet::catch(|| count(graph, input));
    counted.unwrap_or_else(Err).map_err(|reason| Error::refused(format!("operations not counted: {reason}")))
}

fn count(graph: &[u8], [bands, height, width]: [usize; 3]) -> Result<f64, String> {
    let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
    let one_line = |error: tract_onnx::prelude::TractError| format!("{error:#}").replace('\n', " ");
    let mut bytes = graph;
    let proto = onnx.proto_model_for_read(&mut bytes).map_err(one_line)?;
    let mut model = onnx.model_for_proto_model(&proto).map_err(one_line)?;
    let fact = InferenceFact::dt_shape(f32::datum_type(), [1, bands, height, width]);
    model.set_input_fact(0, fact).map_err(one_line)?;
    // What cannot be inferred stays open, and is missed below if it matters.
    let _ = model.analyse(true);
    let shapes = shapes(&proto, &model);
    let sum = nodes(&proto).map(|node| multiply_adds(node, &shapes)).sum::<Result<u64, String>>()?;
    Ok(2e-9 * sum as f64)
}

fn nodes(proto: &ModelProto) -> impl Iterator<Item = &NodeProto> {
    proto.graph.iter().flat_map(|graph| &graph.node)
}

/// The shapes of all values that are known, by name. tract keeps one of several equal weights, so the file has its say.
fn shapes<'a>(proto: &'a ModelProto, model: &'a InferenceModel) -> HashMap<&'a str, Vec<u64>> {
    let weights = proto.graph.iter().flat_map(|graph| &graph.initializer);
    let dims = |dims: &[i64]| dims.iter().map(|&dim| u64::try_from(dim).ok()).collect::<Option<Vec<u64>>>();
    let mut shapes: HashMap<&str, Vec<u64>> =
        weights.filter_map(|tensor| Some((tensor.name.as_str(), dims(&tensor.dims)?))).collect();
    for node in &model.nodes {
        for (slot, output) in node.outputs.iter().enumerate() {
            let Some(dims) = output.fact.shape.concretize() else { continue };
            let dims: Option<Vec<u64>> = dims.iter().map(|dim| dim.to_i64().ok()?.try_into().ok()).collect();
            let name = model.outlet_label((node.id, slot).into()).unwrap_or(&node.name);
            shapes.extend(dims.map(|dims| (name, dims)));
        }
    }
    shapes
}

/// Of one node: by the shapes of its output and its operands.
fn multiply_adds(node: &NodeProto, shapes: &HashMap<&str, Vec<u64>>) -> Result<u64, String> {
    let shape = |name: Option<&String>| {
        let name = name.map(String::as_str).unwrap_or_default();
        shapes.get(name).ok_or_else(|| format!("the shape of {name:?} is not known ({} {:?})", node.op_type, node.name))
    };
    let (output, left, right) =
        (|| shape(node.output.first()), || shape(node.input.first()), || shape(node.input.get(1)));
    let volume = |dims: &[u64]| dims.iter().product::<u64>();
    let over = |dims: &[u64], by: Option<&u64>| volume(dims) / by.copied().unwrap_or(1).max(1);
    Ok(match node.op_type.as_str() {
        // Each output value is a product with one output channel's weights, [outputs, inputs / groups, …].
        "Conv" | "ConvInteger" => volume(output()?) * over(right()?, right()?.first()),
        // Each input value meets one input channel's weights, [inputs, outputs / groups, …].
        "ConvTranspose" => volume(left()?) * over(right()?, right()?.first()),
        // [m, k] or its transpose, times [k, n]: the output's m × n values have k terms each.
        "Gemm" => volume(output()?) * over(left()?, output()?.first()),
        "MatMul" | "MatMulInteger" => volume(output()?) * left()?.last().copied().unwrap_or(1),
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Conv, GraphBuilder, Weights};

    #[test]
    fn operations_are_those_of_the_textbook() {
        let mut graph = GraphBuilder::new("counted", Weights::Fp32);
        let x = graph.input("input", &[None, Some(4), Some(16), Some(16)]);
        let weight = graph.weight("a", &[8, 4, 3, 3], &[0.1; 8 * 4 * 9]);
        let x = graph.conv(&x, &weight, None, Conv { kernel: 3, stride: 2, padding: 1, groups: 1 });
        let weight = graph.weight("b", &[8, 1, 3, 3], &[0.1; 8 * 9]);
        let x = graph.conv(&x, &weight, None, Conv { kernel: 3, stride: 1, padding: 1, groups: 8 });
        let weight = graph.weight("c", &[8, 2, 2, 2], &[0.1; 8 * 2 * 4]);
        let x = graph.conv_transpose(&x, &weight, None, Conv { kernel: 2, stride: 2, padding: 0, groups: 1 });
        let x = graph.global_average_pool(&x);
        let x = graph.flatten(&x);
        let (weight, bias) = (graph.weight("d", &[5, 2], &[0.1; 10]), graph.weight("e", &[5], &[0.0; 5]));
        let x = graph.linear(&x, &weight, &bias);
        graph.output("logits", &x, &[None, Some(5)]);
        let by_hand = (8 * 8 * 8) * (4 * 9) + (8 * 8 * 8) * 9 + (8 * 8 * 8) * (2 * 4) + 5 * 2;
        let counted = gflop_per_row(&graph.finish(), [4, 16, 16]).unwrap();
        assert!((counted - 2e-9 * f64::from(by_hand)).abs() < 1e-15, "{counted}");
    }
}
