//! The way values take: each is made once, before it is used.

use std::collections::HashSet;

use tract_onnx::pb::GraphProto;

use crate::onnx::parts::Initialiser;
use crate::{Error, Result};

/// Refuses names that are missing, made twice, or used before they are made (which every cycle does).
pub fn check(graph: &GraphProto, weights: &[Initialiser<'_>]) -> Result<()> {
    let mut made: HashSet<&str> = HashSet::new();
    for Initialiser { tensor, .. } in weights {
        if tensor.name.is_empty() || !made.insert(&tensor.name) {
            return Err(Error::refused(format!("initialiser {:?} has no name or one that is taken", tensor.name)));
        }
    }
    // Before IR version 4 initialisers had to be inputs as well.
    made.extend(graph.input.iter().map(|input| input.name.as_str()));
    for node in &graph.node {
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            if !made.contains(input.as_str()) {
                return Err(Error::refused(format!(
                    "node {:?} ({}) uses {input:?} before it is made: a cycle, a missing node or a wrong order",
                    node.name, node.op_type
                )));
            }
        }
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if !made.insert(output) {
                return Err(Error::refused(format!("the value {output:?} is made twice")));
            }
        }
    }
    match graph.output.iter().find(|output| !made.contains(output.name.as_str())) {
        Some(output) => Err(Error::refused(format!("no node makes the output {:?}", output.name))),
        None => Ok(()),
    }
}
