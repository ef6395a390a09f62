//! The scan: a graph is decoded, checked whole, and encoded again, so that what was scanned is what runs.
//!
//! The engines are large C++ and Rust programs that were written for models somebody trusts. So nothing
//! reaches them that is not understood here: one flat graph of known operators, every tensor inside the
//! file and as long as its dimensions say, every attribute in a sane range.

mod adapt;
mod attributes;
mod flow;
mod halves;
mod interface;
mod operators;
mod outline;
mod tensors;
mod weigh;

use std::collections::BTreeMap;

use crate::onnx::parts::{Initialiser, Parts};
pub(super) use adapt::{Adaptation, Channels, adapt};
pub(super) use outline::{Ending, Outline, outline};
use tract_onnx::pb::{GraphProto, ModelProto};

use super::Manifest;
use super::assets::describe_accident;
use crate::limits::GRAPH_NODES_MAX;
use crate::onnx::Trees;
use crate::{Error, Result};

/// Operator sets that are understood: 7 is the oldest ONNX Runtime promises to run.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=23;

/// What the scan counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Facts {
    /// Version of ONNX's operator set.
    pub opset: i64,
    /// Program that wrote the graph.
    pub producer: String,
    /// Nodes per operator.
    pub operators: BTreeMap<String, usize>,
    /// Elements of the floating-point initialisers.
    pub parameters: u64,
    /// FLOAT16 initialisers that were widened.
    pub widened: usize,
}

/// A graph that passed.
pub(super) struct Scanned {
    /// The graph, encoded again.
    pub graph: Vec<u8>,
    /// What was counted.
    pub facts: Facts,
}

/// Takes the ONNX file `bytes` apart, once it is known that this takes no more memory than a graph may.
fn parts(bytes: &[u8]) -> Result<Parts<'_>> {
    if bytes.is_empty() {
        return Err(Error::refused("the file is empty; copy the model folder again"));
    }
    if let Some(accident) = describe_accident(bytes) {
        return Err(Error::refused(accident));
    }
    weigh::check(bytes)?;
    Parts::decode(bytes)
}

/// Decodes and checks the ONNX file `bytes` against itself and against `manifest`.
pub(super) fn scan(bytes: &[u8], manifest: &Manifest) -> Result<Scanned> {
    let mut parts = parts(bytes)?;
    let opset = check_model(&parts.model)?;
    check_graph(&parts.graph, &parts.weights)?;
    interface::check(&mut parts, manifest)?;
    let facts = Facts {
        opset,
        producer: format!("{} {}", parts.model.producer_name, parts.model.producer_version).trim().to_owned(),
        operators: operators::count(&parts.graph),
        parameters: tensors::parameters(&parts.weights),
        widened: halves::widen(&mut parts, manifest.weights_storage)?,
    };
    strip(&mut parts);
    Ok(Scanned { graph: parts.encode(), facts })
}

/// Decodes and checks the tree ensemble in the ONNX file `bytes`.
pub(super) fn trees(bytes: &[u8]) -> Result<Trees> {
    let parts = parts(bytes)?;
    Trees::of(&parts.graph)
}

/// The operator set of ONNX's own domain.
fn check_model(model: &ModelProto) -> Result<i64> {
    if !model.functions.is_empty() {
        return Err(Error::refused("the model defines functions of its own; export it with them inlined"));
    }
    if !model.training_info.is_empty() {
        return Err(Error::refused("the model carries training information; export it for inference"));
    }
    let mut opsets = model.opset_import.iter().filter(|set| operators::is_standard(&set.domain));
    match (opsets.next(), opsets.next()) {
        (Some(set), None) if OPSETS.contains(&set.version) => Ok(set.version),
        (Some(set), None) => Err(Error::refused(format!(
            "operator set {} is outside {} to {}; export the model with opset 17",
            set.version,
            OPSETS.start(),
            OPSETS.end()
        ))),
        _ => Err(Error::refused("the model must import ONNX's operator set exactly once")),
    }
}

fn check_graph(graph: &GraphProto, weights: &[Initialiser<'_>]) -> Result<()> {
    if graph.node.len() > GRAPH_NODES_MAX {
        return Err(Error::refused(format!("{} nodes are more than {GRAPH_NODES_MAX}", graph.node.len())));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(Error::refused("sparse initialisers are not supported; export the model with dense ones"));
    }
    for Initialiser { tensor, raw } in weights {
        tensors::check(tensor, raw.stored())?;
    }
    flow::check(graph, weights)?;
    let constants = attributes::constants(graph, weights);
    for (index, node) in graph.node.iter().enumerate() {
        operators::check(node)
            .and_then(|()| attributes::check(node, &constants))
            .map_err(|error| error.context(format!("node {index} ({:?}, {})", node.name, node.op_type)))?;
    }
    Ok(())
}

/// Drops what no engine needs: prose, and hints about tensors that an engine might believe.
fn strip(Parts { model, graph, weights }: &mut Parts<'_>) {
    model.metadata_props.clear();
    model.doc_string.clear();
    graph.doc_string.clear();
    graph.value_info.clear();
    graph.quantization_annotation.clear();
    for node in &mut graph.node {
        node.doc_string.clear();
    }
    for Initialiser { tensor, .. } in weights {
        tensor.doc_string.clear();
    }
}
