//! Convolutions of our own in tract's plans.
//!
//! tract gathers every window of a batch before it multiplies (im2col), which takes half the time of a ResNet here.
//! [`replace`] puts [`Convolution`]s in their place: channels last, several images at a time, with the sum, the
//! residual and the ReLU that follow a convolution in one pass. What it does not suit (groups, dilations, 1×1 layers
//! that tract has made matrix products of) stays tract's.

mod direct;
mod finish;
mod gemm;
mod pool;
mod replace;
mod shape;
#[cfg(test)]
mod tests;
mod winograd;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use tract_onnx::prelude::{Datum, IntoTValue};
use tract_onnx::tract_core::internal::{
    DatumTypeExt, EvalContext, EvalOp, Op, StaticName, TValue, TVec, Tensor, TractResult, TypedFact, TypedOp, as_op,
    ensure, op_as_typed_op, op_out_of_plan, tvec,
};

use finish::Finish;
pub use replace::replace;
use shape::Shape;

thread_local! {
    /// Room for padded or transformed images, kept from layer to layer.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// How the sums are computed.
enum Method {
    Direct(direct::Direct),
    Winograd(winograd::Winograd),
}

/// A convolution, what is added to it, and its ReLU. Inputs: `[batch, rows, columns, channels]`, and the residual, if
/// any, in the shape of the output.
#[derive(Clone)]
pub struct Convolution {
    shape: Shape,
    method: Arc<Method>,
    /// A value for each output, filled up to whole panels.
    bias: Arc<[f32]>,
    adds_residual: bool,
    is_clipped: bool,
}

impl Convolution {
    /// `weights` is `[outputs][inputs][kernel rows][kernel columns]`; `panel` as of [`gemm::panel_channels`].
    fn new(shape: Shape, weights: &[f32], bias: impl Iterator<Item = f32>, panel: usize) -> Self {
        let method = if winograd::Winograd::suits(&shape, panel) {
            Method::Winograd(winograd::Winograd::new(&shape, weights, panel))
        } else {
            Method::Direct(direct::Direct::new(&shape, weights, panel))
        };
        let padding = shape.outputs.next_multiple_of(panel) - shape.outputs;
        let bias = bias.take(shape.outputs).chain(std::iter::repeat_n(0.0, padding)).collect();
        Self { shape, method: Arc::new(method), bias, adds_residual: false, is_clipped: false }
    }

    fn run(&self, input: &[f32], residual: Option<&[f32]>, to: &mut [f32]) {
        let floor = if self.is_clipped { 0.0 } else { f32::NEG_INFINITY };
        let finish = Finish { bias: &self.bias, residual, floor, to, channels: self.shape.outputs };
        SCRATCH.with_borrow_mut(|scratch| match &*self.method {
            Method::Direct(direct) => direct.run(&self.shape, input, finish, scratch),
            Method::Winograd(winograd) => winograd.run(&self.shape, input, finish, scratch),
        });
    }
}

impl fmt::Debug for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Convolution({:?})", self.shape)
    }
}

impl PartialEq for Convolution {
    fn eq(&self, other: &Self) -> bool {
        let flags = |of: &Self| (of.adds_residual, of.is_clipped);
        Arc::ptr_eq(&self.method, &other.method) && Arc::ptr_eq(&self.bias, &other.bias) && flags(self) == flags(other)
    }
}

impl Eq for Convolution {}

impl Op for Convolution {
    fn name(&self) -> StaticName {
        "Convolution".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Convolution {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs[0].try_as_plain_ram()?;
        let residual = inputs.get(1).map(|residual| residual.try_as_plain_ram()).transpose()?;
        let residual = residual.as_ref().map(|residual| residual.as_slice::<f32>()).transpose()?;
        let shape = self.shape.output(inputs[0].shape()[0]);
        let mut output = Tensor::zero::<f32>(&shape)?;
        self.run(input.as_slice()?, residual, output.try_as_plain_ram_mut()?.as_slice_mut()?);
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Convolution {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs.len() == 1 + usize::from(self.adds_residual));
        let output = f32::datum_type().fact(self.shape.output(self.shape.batch_of(inputs[0])?));
        ensure!(inputs.iter().skip(1).all(|residual| residual.shape == output.shape));
        Ok(tvec!(output))
    }

    as_op!();
}
