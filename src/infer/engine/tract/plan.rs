//! From ONNX bytes to a plan for one batch shape.

use std::sync::Arc;

use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModelExt, IntoRunnable, TypedFact, TypedModel, TypedRunnableModel,
};
use tract_onnx::tract_hir::infer::Factoid;

use super::{conv, dense, scan, steps};
use crate::limits::{TRACT_CONSTANT_ELEMENTS_MAX, TRACT_ROW_ELEMENTS_MAX};
use crate::{Error, Result};

/// Plans `graph` for batches of `shape`. tract may panic on a damaged graph: call this inside [`super::quiet::catch`].
///
/// Value infos and output shapes of the file are ignored: exporters leave a symbolic batch in them that contradicts
/// the concrete one, without which the plan is up to three times slower.
pub fn build(graph: &[u8], shape: [usize; 4]) -> Result<Arc<TypedRunnableModel>> {
    let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
    let mut bytes = graph;
    let proto = onnx.proto_model_for_read(&mut bytes).map_err(refuse)?;
    scan::check(&proto)?;
    let mut model = onnx.model_for_proto_model(&proto).map_err(refuse)?;
    drop(proto);
    if model.inputs.len() != 1 || model.outputs.len() != 1 {
        let (inputs, outputs) = (model.inputs.len(), model.outputs.len());
        return Err(Error::refused(format!("the model has {inputs} inputs and {outputs} outputs, not one of each")));
    }
    check_input(model.input_fact(0).map_err(refuse)?, shape)?;
    model.set_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape)).map_err(refuse)?;
    model.analyse(false).map_err(refuse)?;
    for node in &model.nodes {
        for output in &node.outputs {
            if let Some(dims) = output.fact.shape.concretize() {
                check_size(&node.name, dims.iter().map(|dim| dim.to_i64().ok()), shape[0])?;
            }
        }
    }
    let mut model = model.into_typed().map_err(refuse)?;
    check_typed(&model, shape[0])?;
    check_output(model.output_fact(0).map_err(refuse)?)?;
    model.prop_consts().map_err(refuse)?;
    conv::replace(&mut model)
        .and_then(|()| dense::replace(&mut model))
        .and_then(|()| steps::hold(&mut model))
        .map_err(refuse)?;
    model.into_optimized().and_then(IntoRunnable::into_runnable).map_err(refuse)
}

/// The message of a tract error with its causes, in one line.
pub fn one_line(error: &tract_onnx::prelude::TractError) -> String {
    let text = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn refuse(error: tract_onnx::prelude::TractError) -> Error {
    Error::refused(format!("tract does not take the model (try --engine ort): {}", one_line(&error)))
}

/// The input as the graph declares it must be float32 and admit `expected`: tract would take any other shape.
fn check_input(declared: &InferenceFact, expected: [usize; 4]) -> Result<()> {
    let sides: Vec<_> =
        declared.shape.dims().map(|side| side.concretize().and_then(|side| side.to_i64().ok())).collect();
    let admits = |(side, expected): (&Option<i64>, usize)| side.is_none_or(|side| side == expected as i64);
    let float32 = declared.datum_type.concretize() == Some(f32::datum_type());
    if !float32 || sides.len() != expected.len() || !sides.iter().zip(expected).all(admits) {
        return Err(Error::refused(format!("the model's input is {declared:?}, not float32 that admits {expected:?}")));
    }
    Ok(())
}

fn check_typed(model: &TypedModel, batch: usize) -> Result<()> {
    for node in &model.nodes {
        for output in &node.outputs {
            check_size(&node.name, output.fact.shape.iter().map(|dim| dim.to_i64().ok()), batch)?;
        }
    }
    Ok(())
}

/// A failed allocation ends the process, so what a node would hold is bounded before tract computes anything.
fn check_size(node: &str, dims: impl Iterator<Item = Option<i64>>, batch: usize) -> Result<()> {
    let limit = TRACT_CONSTANT_ELEMENTS_MAX.max(TRACT_ROW_ELEMENTS_MAX.saturating_mul(batch as u64));
    let mut elements = 1u64;
    for dim in dims {
        let Some(dim) = dim.and_then(|dim| u64::try_from(dim).ok()) else { continue };
        elements = elements.saturating_mul(dim);
    }
    if elements > limit {
        return Err(Error::refused(format!("node '{node}' would hold {elements} values, more than {limit}")));
    }
    Ok(())
}

fn check_output(fact: &TypedFact) -> Result<()> {
    if fact.datum_type != f32::datum_type() {
        let found = fact.datum_type;
        return Err(Error::refused(format!("the model's output is {found:?}; only float32 outputs are read")));
    }
    Ok(())
}
