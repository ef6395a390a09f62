//! Steps over pixels stay where they are.
//!
//! tract draws a `Slice` with steps, and the stride of a layer whose kernel is one pixel wide, into the convolution before it.
//! On the way it loses at which pixel the steps begin, and that convolution's border follows from its new stride where
//! `auto_pad` asks for as many zeros as keep the size: other values, without an error.

use tract_onnx::prelude::{TValue, TVec, Tensor, TractResult, TypedFact, TypedModel, tvec};
use tract_onnx::tract_core::internal::{
    EvalContext, EvalOp, Op, StaticName, TypedModelPatch, TypedNode, TypedOp, as_op, op_as_typed_op, op_out_of_plan,
};
use tract_onnx::tract_core::ops::Downsample;
use tract_onnx::tract_core::ops::array::StridedSlice;
use tract_onnx::tract_core::ops::cnn::Conv;

/// Puts a [`Held`] before every node that tract would draw upwards.
pub fn hold(model: &mut TypedModel) -> TractResult<()> {
    for id in 0..model.nodes.len() {
        let node = &model.nodes[id];
        if !moves(model, node)? {
            continue;
        }
        let mut patch = TypedModelPatch::new("steps stay");
        let mut inputs = patch.taps(model, &node.inputs)?;
        inputs[0] = patch.wire_node(format!("{}.held", node.name), Held, &inputs[..1])?[0];
        let output = patch.wire_node(&node.name, node.op.clone(), &inputs)?[0];
        patch.shunt_outside(model, id.into(), output)?;
        patch.apply(model)?;
    }
    Ok(())
}

/// Whether `node` takes one pixel of several, or would be split into something that does and a convolution.
fn moves(model: &TypedModel, node: &TypedNode) -> TractResult<bool> {
    if let Some(slice) = node.op_as::<StridedSlice>() {
        let Some(steps) = slice.optional_steps_input else { return Ok(false) };
        let steps = &model.outlet_fact(node.inputs[steps])?.konst;
        return Ok(!steps.as_ref().and_then(|steps| steps.as_uniform()).is_some_and(|step| is_one(&step)));
    }
    let splits = |conv: &Conv| {
        let pool = &conv.pool_spec;
        (0..pool.rank()).any(|axis| {
            let stride = pool.stride(axis);
            stride > 1 && (pool.kernel_shape[axis] == 1 || pool.dilation(axis).is_multiple_of(stride))
        })
    };
    Ok(node.op_is::<Downsample>() || node.op_as::<Conv>().is_some_and(splits))
}

fn is_one(value: &Tensor) -> bool {
    value.cast_to_scalar::<i64>().is_ok_and(|value| value == 1)
}

/// Gives on what it gets. tract knows nothing of it, and moves nothing over it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held;

impl Op for Held {
    fn name(&self) -> StaticName {
        "Held".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Held {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(inputs)
    }
}

impl TypedOp for Held {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}
