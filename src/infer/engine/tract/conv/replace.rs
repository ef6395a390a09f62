//! Which convolutions of a graph are replaced, and with what of their surroundings.

use tract_onnx::prelude::{Datum, OutletId, TVec, Tensor, TractResult, TypedFact, TypedModel, tvec};
use tract_onnx::tract_core::internal::{AxisOp, TypedModelPatch, TypedNode, TypedOp};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PoolSpec};
use tract_onnx::tract_core::ops::math::{Add, Max};
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::pool::Largest;
use super::shape::Shape;
use super::{Convolution, gemm};
use crate::limits::TRACT_ROW_ELEMENTS_MAX;

/// Longest side of a kernel.
const KERNEL_MAX: usize = 16;

/// Replaces the convolutions and largest-value poolings of a graph with concrete shapes and folded constants. Each
/// stands between two changes of layout, most of which cancel out when the graph is decluttered.
pub fn replace(model: &mut TypedModel) -> TractResult<()> {
    let Some(panel) = gemm::panel_channels() else { return Ok(()) };
    for id in 0..model.nodes.len() {
        let node = &model.nodes[id];
        if let Some(convolution) = convolution(model, node, panel)? {
            put(model, id, convolution)?;
        } else if let Some(pooling) = pooling(model, node)? {
            wire(model, id, id, tvec!(node.inputs[0]), pooling)?;
        }
    }
    Ok(())
}

/// Puts `convolution` in the place of node `id` and of the addition and ReLU that follow it.
fn put(model: &mut TypedModel, id: usize, mut convolution: Convolution) -> TractResult<()> {
    let node = &model.nodes[id];
    let mut inputs = tvec!(node.inputs[0]);
    let mut last = id;
    if let Some((sum, residual)) = sum(model, last)? {
        inputs.push(residual);
        last = sum;
        convolution.adds_residual = true;
    }
    if let Some(relu) = relu(model, last)? {
        last = relu;
        convolution.is_clipped = true;
    }
    wire(model, id, last, inputs, convolution)
}

/// Puts `operator` on `inputs`, for all that lies between node `id` and the output of node `last`.
fn wire(
    model: &mut TypedModel,
    id: usize,
    last: usize,
    mut inputs: TVec<OutletId>,
    operator: impl Into<Box<dyn TypedOp>>,
) -> TractResult<()> {
    let name = &model.nodes[id].name;
    let mut patch = TypedModelPatch::new("channels last");
    for (index, input) in inputs.iter_mut().enumerate() {
        let tap = patch.tap_model(model, *input)?;
        *input = patch.wire_node(format!("{name}.to_last.{index}"), AxisOp::Move(1, 3), &[tap])?[0];
    }
    let output = patch.wire_node(format!("{name}.last"), operator, &inputs)?;
    let output = patch.wire_node(format!("{name}.to_first"), AxisOp::Move(3, 1), &output)?[0];
    patch.shunt_outside(model, last.into(), output)?;
    patch.apply(model)
}

/// What can stand for `node`, if it is a convolution of a suitable kind.
fn convolution(model: &TypedModel, node: &TypedNode, panel: usize) -> TractResult<Option<Convolution>> {
    let Some(conv) = node.op_as::<Conv>() else { return Ok(None) };
    let fact = |input: usize| model.outlet_fact(node.inputs[input]);
    let plain = conv.group == 1 && conv.q_params.is_none() && conv.kernel_fmt == KernelFormat::OIHW;
    let Some(shape) = shape(&conv.pool_spec, fact(0)?).filter(|shape| plain && shape.outputs >= panel / 2) else {
        return Ok(None);
    };
    let (Some(weights), Some(bias)) = (&fact(1)?.konst, &fact(2)?.konst) else { return Ok(None) };
    let is_float32 = |tensor: &Tensor| tensor.datum_type() == f32::datum_type();
    if !is_float32(weights) || !is_float32(bias) {
        return Ok(None);
    }
    let (weights, bias) = (weights.try_as_plain_ram()?, bias.try_as_plain_ram()?);
    let bias = bias.as_slice::<f32>()?.iter().copied().cycle();
    Ok(Some(Convolution::new(shape, weights.as_slice()?, bias, panel)))
}

/// What can stand for `node`, if it is such a pooling.
fn pooling(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Largest>> {
    let Some(pool) = node.op_as::<MaxPool>().filter(|pool| pool.with_index_outputs.is_none()) else { return Ok(None) };
    Ok(shape(&pool.pool_spec, model.outlet_fact(node.inputs[0])?).map(Largest))
}

/// The shape of `pool` over `input`, if the two are suitable and none of it is out of proportion.
fn shape(pool: &PoolSpec, input: &TypedFact) -> Option<Shape> {
    let &[batch, inputs, rows, columns] = input.shape.as_concrete()? else { return None };
    let (&[kernel_rows, kernel_columns], strides) = (&pool.kernel_shape[..], pool.strides()) else { return None };
    let padding = pool.computed_padding(&[rows, columns]);
    let shape = Shape {
        sides: [rows, columns],
        inputs,
        outputs: pool.output_channels,
        kernel: [kernel_rows, kernel_columns],
        strides: [strides[0], strides[1]],
        pads: [[padding[0].pad_before, padding[1].pad_before], [padding[0].pad_after, padding[1].pad_after]],
    };
    let plain = input.datum_type == f32::datum_type() && pool.data_format == DataFormat::NCHW;
    let dense = pool.dilations().iter().all(|&step| step == 1) && strides.iter().all(|&step| step > 0);
    let small = shape.kernel.iter().all(|side| (1..=KERNEL_MAX).contains(side));
    let pads_are_small = shape.pads.iter().all(|pads| pads.iter().zip(shape.kernel).all(|(&pad, side)| pad < side));
    if !plain || !dense || !small || !pads_are_small || batch * inputs * rows * columns == 0 {
        return None;
    }
    let padded = shape.padded_sides();
    let fits = padded.iter().zip(shape.kernel).all(|(&side, kernel)| side >= kernel)
        && padded.iter().product::<usize>().saturating_mul(inputs) as u64 <= TRACT_ROW_ELEMENTS_MAX
        && shape.output_sides() == [padding[0].convoluted, padding[1].convoluted];
    fits.then_some(shape)
}

/// The only node that reads the output of `id`, if the graph does not give that output away.
fn reader(model: &TypedModel, id: usize) -> TractResult<Option<&TypedNode>> {
    if model.outputs.contains(&id.into()) { Ok(None) } else { model.single_succ(id) }
}

/// The addition of something of equal shape that follows `id`, and that something.
fn sum(model: &TypedModel, id: usize) -> TractResult<Option<(usize, OutletId)>> {
    let Some(node) = reader(model, id)? else { return Ok(None) };
    if !node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Add>()) {
        return Ok(None);
    }
    let Some(&residual) = node.inputs.iter().find(|input| input.node != id) else { return Ok(None) };
    let (residual_fact, fact) = (model.outlet_fact(residual)?, model.outlet_fact(id.into())?);
    let same = residual_fact.shape == fact.shape && residual_fact.datum_type == fact.datum_type;
    Ok(same.then_some((node.id, residual)))
}

/// The ReLU that follows `id`: tract knows it as the larger of value and 0.
fn relu(model: &TypedModel, id: usize) -> TractResult<Option<usize>> {
    let Some(node) = reader(model, id)? else { return Ok(None) };
    if !node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Max>()) {
        return Ok(None);
    }
    for &input in node.inputs.iter().filter(|input| input.node != id) {
        let value = model.outlet_fact(input)?.konst.as_ref().and_then(|value| value.as_uniform());
        if value.is_some_and(|value| value.cast_to_scalar::<f32>().is_ok_and(|value| value == 0.0)) {
            return Ok(Some(node.id));
        }
    }
    Ok(None)
}
