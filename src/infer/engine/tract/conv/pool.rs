//! The largest value of every window, channels last: so that a graph need not change its layout for it.

use pulp::{Arch, Simd, WithSimd};
use tract_onnx::prelude::{Datum, IntoTValue, TValue, TVec, Tensor, TractResult, TypedFact, tvec};
use tract_onnx::tract_core::internal::{
    DatumTypeExt, EvalContext, EvalOp, Op, StaticName, TypedOp, as_op, op_as_typed_op, op_out_of_plan,
};

use super::gemm::{load, store};
use super::shape::Shape;

/// The operator. Input: `[batch, rows, columns, channels]`; the border counts as −∞.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest(pub Shape);

impl Op for Largest {
    fn name(&self) -> StaticName {
        "Largest".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Largest {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut output = Tensor::zero::<f32>(&self.0.output(inputs[0].shape()[0]))?;
        let (input, mut view) = (inputs[0].try_as_plain_ram()?, output.try_as_plain_ram_mut()?);
        Arch::new().dispatch(Run { shape: &self.0, input: input.as_slice()?, to: view.as_slice_mut()? });
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Largest {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let batch = self.0.batch_of(inputs[0])?;
        Ok(tvec!(f32::datum_type().fact(self.0.output(batch))))
    }

    as_op!();
}

struct Run<'a> {
    shape: &'a Shape,
    input: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Shape { sides: [rows, columns], inputs: channels, strides, kernel, pads: [before, _], .. } = *self.shape;
        let [_, across] = self.shape.output_sides();
        let of_image = self.shape.output_values() / channels;
        for (pixel, to) in self.to.chunks_exact_mut(channels).enumerate() {
            let (image, row, column) = (pixel / of_image, pixel % of_image / across, pixel % across);
            let window = |first: usize, pad: usize, length: usize, side: usize| {
                first.saturating_sub(pad)..(first + length).saturating_sub(pad).min(side)
            };
            to.fill(f32::NEG_INFINITY);
            for row in window(row * strides[0], before[0], kernel[0], rows) {
                for column in window(column * strides[1], before[1], kernel[1], columns) {
                    let from = &self.input[((image * rows + row) * columns + column) * channels..][..channels];
                    for (to, from) in to.chunks_mut(S::F32_LANES).zip(from.chunks(S::F32_LANES)) {
                        let larger = simd.max_f32s(load(simd, to), load(simd, from));
                        store(simd, to, larger);
                    }
                }
            }
        }
    }
}
