//! The dense layer at the end of a network, its sums in an order of our own.
//!
//! tract chooses among kernels that sum in different orders, by the processor and by the number of rows, so that a row's last
//! digit would depend on how many others are in its batch.

use std::sync::Arc;

use tract_onnx::prelude::{Datum, IntoTValue, Tensor, TractResult, TypedFact, TypedModel, tvec};
use tract_onnx::tract_core::internal::{
    DatumTypeExt, EvalContext, EvalOp, Op, StaticName, TValue, TVec, TypedModelPatch, TypedNode, TypedOp, as_op,
    ensure, op_as_typed_op, op_out_of_plan,
};
use tract_onnx::tract_core::ops::einsum::EinSum;

/// Layers of more weights are left to tract, which computes them faster: these read all weights for every row.
const WEIGHTS_MAX: usize = 1 << 16;
/// Sums that are kept at the same time, one for each place in a vector.
const LANES: usize = 16;

/// Replaces the dense layers of few weights in a graph with concrete shapes and folded constants.
pub fn replace(model: &mut TypedModel) -> TractResult<()> {
    for id in 0..model.nodes.len() {
        let Some(dense) = dense(model, &model.nodes[id])? else { continue };
        let mut patch = TypedModelPatch::new("dense layer");
        let input = patch.tap_model(model, model.nodes[id].inputs[0])?;
        let output = patch.wire_node(format!("{}.dense", model.nodes[id].name), dense, &[input])?[0];
        patch.shunt_outside(model, id.into(), output)?;
        patch.apply(model)?;
    }
    Ok(())
}

/// What can stand for `node`, if it multiplies rows with a constant matrix.
fn dense(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Dense>> {
    let Some(product) = node.op_as::<EinSum>().filter(|product| product.q_params.is_none()) else { return Ok(None) };
    let (inputs, outputs) = product.axes.to_strs();
    let [rows, matrix] = &inputs[..] else { return Ok(None) };
    let names = |axes: &str| <[char; 2]>::try_from(axes.chars().collect::<Vec<_>>()).ok();
    let (Some([row, sum]), Some(matrix), Some([first, second])) = (names(rows), names(matrix), names(&outputs[0]))
    else {
        return Ok(None);
    };
    let by_output = matrix == [second, sum];
    if row != first || row == sum || second == sum || row == second || !(by_output || matrix == [sum, second]) {
        return Ok(None);
    }
    let fact = |input: usize| model.outlet_fact(node.inputs[input]);
    let Some(weights) = &fact(1)?.konst else { return Ok(None) };
    let are_float32 =
        [fact(0)?.datum_type, weights.datum_type(), product.operating_dt].iter().all(|kind| *kind == f32::datum_type());
    if !are_float32 || weights.len() > WEIGHTS_MAX || weights.len() == 0 {
        return Ok(None);
    }
    let plain = weights.try_as_plain_ram()?;
    let (values, sides) = (plain.as_slice::<f32>()?, weights.shape());
    let (inputs, weights): (usize, Arc<[f32]>) = match by_output {
        true => (sides[1], values.into()),
        false => {
            let columns = (0..sides[1]).flat_map(|column| values.iter().skip(column).step_by(sides[1]));
            (sides[0], columns.copied().collect())
        }
    };
    Ok(Some(Dense { inputs, weights }))
}

/// A matrix, the weights of an output one after the other. Input: `[rows, inputs]`.
#[derive(Debug, Clone, PartialEq)]
struct Dense {
    inputs: usize,
    weights: Arc<[f32]>,
}

impl Eq for Dense {}

impl Dense {
    fn output(&self, rows: usize) -> [usize; 2] {
        [rows, self.weights.len() / self.inputs]
    }
}

/// The sum of products, in the same order whatever is computed beside it.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

impl Op for Dense {
    fn name(&self) -> StaticName {
        "Dense".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Dense {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let plain = inputs[0].try_as_plain_ram()?;
        let values = plain.as_slice::<f32>()?;
        let mut output = Tensor::zero::<f32>(&self.output(inputs[0].shape()[0]))?;
        let mut plain = output.try_as_plain_ram_mut()?;
        let mut to = plain.as_slice_mut::<f32>()?.iter_mut();
        for row in values.chunks_exact(self.inputs) {
            for (weights, to) in self.weights.chunks_exact(self.inputs).zip(&mut to) {
                *to = dot(row, weights);
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Dense {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let sides = inputs[0].shape.as_concrete().unwrap_or_default();
        ensure!(sides.len() == 2 && sides[1] == self.inputs, "{sides:?} for a layer of {} inputs", self.inputs);
        Ok(tvec!(f32::datum_type().fact(self.output(sides[0]))))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, ArrayD, Axis};

    use super::super::Tract;
    use crate::infer::engine::{Engine, Network};
    use crate::onnx::{GraphBuilder, Weights};

    const INPUT: [usize; 3] = [37, 3, 3];
    const OUTPUTS: usize = 3;

    fn weight(input: usize, output: usize) -> f32 {
        ((input * 31 + output * 17) % 23) as f32 / 23.0 - 0.4
    }

    /// A dense layer over all values of a row, as `Gemm` (weights by output) or `MatMul` (by input).
    fn graph(is_gemm: bool) -> Vec<u8> {
        let inputs = INPUT.iter().product::<usize>();
        let mut graph = GraphBuilder::new("dense", Weights::Fp32);
        let x = graph.input("input", &[None, Some(INPUT[0]), Some(INPUT[1]), Some(INPUT[2])]);
        let x = graph.flatten(&x);
        let values = |dims: [usize; 2], at: fn(usize, usize) -> f32| -> Vec<f32> {
            (0..dims[0]).flat_map(|first| (0..dims[1]).map(move |second| at(first, second))).collect()
        };
        let y = if is_gemm {
            let dims = [OUTPUTS, inputs];
            let weights = graph.weight("weights", &dims, &values(dims, |output, input| weight(input, output)));
            let bias = graph.weight("bias", &[OUTPUTS], &[0.0; OUTPUTS]);
            graph.linear(&x, &weights, &bias)
        } else {
            let dims = [inputs, OUTPUTS];
            let weights = graph.weight("weights", &dims, &values(dims, weight));
            graph.matmul(&x, &weights)
        };
        graph.output("logits", &y, &[None, Some(OUTPUTS)]);
        graph.finish()
    }

    fn run(graph: &[u8], input: &Array4<f32>) -> ArrayD<f32> {
        let mut session = Tract::new(None).session(Network::fp32(graph, INPUT), input.len_of(Axis(0))).unwrap();
        session.run(input.view()).unwrap()
    }

    #[test]
    fn a_row_has_the_same_bits_whatever_the_batch_and_the_value_of_the_plain_sum() {
        let rows = 80;
        let input = Array4::from_shape_fn((rows, INPUT[0], INPUT[1], INPUT[2]), |(n, c, y, x)| {
            ((n * 131 + c * 37 + y * 7 + x * 3) % 101) as f32 / 101.0 - 0.5
        });
        for is_gemm in [true, false] {
            let graph = graph(is_gemm);
            let all = run(&graph, &input);
            for (row, output) in (0..rows).flat_map(|row| (0..OUTPUTS).map(move |output| (row, output))) {
                let values = input.index_axis(Axis(0), row);
                let products =
                    values.iter().enumerate().map(|(at, value)| f64::from(*value) * f64::from(weight(at, output)));
                let (found, expected) = (all[[row, output]], products.sum::<f64>());
                assert!((f64::from(found) - expected).abs() < 1e-4, "Gemm {is_gemm}: {found}, not {expected}");
            }
            for batch in [1, 8, 31, 32, 33, 64] {
                let some = run(&graph, &input.slice(ndarray::s![..batch, .., .., ..]).to_owned());
                assert_eq!(
                    some,
                    all.slice_axis(Axis(0), ndarray::Slice::from(..batch)),
                    "Gemm {is_gemm}, {batch} rows"
                );
            }
        }
    }
}
