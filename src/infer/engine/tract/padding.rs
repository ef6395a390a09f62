//! `auto_pad` of convolutions as zeros in number.
//!
//! tract draws the stride of a layer whose kernel is one pixel wide into the convolution before it. Where that one's
//! zeros are "as many as keep the size", their number then follows from the new stride, and what comes out is wrong.

use tract_onnx::prelude::{TractResult, TypedModel};
use tract_onnx::tract_core::ops::cnn::{Conv, PaddingSpec};

/// Gives every convolution of a graph with concrete shapes the number of its zeros.
pub fn make_explicit(model: &mut TypedModel) -> TractResult<()> {
    for id in 0..model.nodes.len() {
        let input = model.nodes[id].inputs.first().map(|&input| model.outlet_fact(input)).transpose()?;
        let sides = input.and_then(|input| input.shape.as_concrete()).map(<[usize]>::to_vec);
        let (Some(conv), Some(sides)) = (model.nodes[id].op_as_mut::<Conv>(), sides) else { continue };
        let pool = &mut conv.pool_spec;
        if matches!(pool.padding, PaddingSpec::SameUpper | PaddingSpec::SameLower) {
            let sides = pool.data_format.shape(sides)?;
            let computed = pool.computed_padding(sides.hw_dims());
            let (before, after) = computed.iter().map(|side| (side.pad_before, side.pad_after)).unzip();
            pool.padding = PaddingSpec::Explicit(before, after);
        }
    }
    Ok(())
}
