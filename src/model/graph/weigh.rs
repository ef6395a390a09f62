//! How much memory a protobuf message would take once decoded, estimated before it is.
//!
//! Two bytes of file make an empty node, and an empty node is two hundred bytes of memory: a file of
//! ten megabytes could ask for a gigabyte. So the nesting is walked first, without allocating, and every
//! piece is counted at the size of its type.

use tract_onnx::pb;

use crate::limits::GRAPH_PIECES_BYTES_MAX;
use crate::onnx::wire::{Field, fields};
use crate::{Error, Result};

/// The messages of ONNX that hold others.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Other,
}

/// Levels of messages in messages; prost itself ends at 100.
const DEPTH_MAX: usize = 64;

impl Kind {
    /// What field `number` of such a message holds. Bytes and strings count as `Other`.
    fn field(self, number: u64) -> Kind {
        match (self, number) {
            (Kind::Model, 7) => Kind::Graph,
            (Kind::Graph, 1) => Kind::Node,
            (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) => Kind::Tensor,
            (Kind::Node, 5) => Kind::Attribute,
            (Kind::Attribute, 6 | 11) => Kind::Graph,
            _ => Kind::Other,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Kind::Model => size_of::<pb::ModelProto>(),
            Kind::Graph => size_of::<pb::GraphProto>(),
            Kind::Node => size_of::<pb::NodeProto>(),
            Kind::Attribute => size_of::<pb::AttributeProto>(),
            Kind::Tensor => size_of::<pb::TensorProto>(),
            Kind::Other => size_of::<pb::ValueInfoProto>(),
        }
    }
}

/// Refuses a file whose many small pieces would take more than the limit, or that is cut off.
pub fn check(bytes: &[u8]) -> Result<()> {
    let mut taken = 0;
    walk(bytes, Kind::Model, 0, &mut taken)
}

fn walk(bytes: &[u8], kind: Kind, depth: usize, taken: &mut usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::refused(format!("messages are nested deeper than {DEPTH_MAX}")));
    }
    for field in fields(bytes) {
        let Field { number, content: Some(content), .. } = field? else { continue };
        let inner = kind.field(number);
        *taken += inner.bytes();
        if *taken > GRAPH_PIECES_BYTES_MAX {
            return Err(Error::refused(format!(
                "the graph is made of so many pieces that they take more than {GRAPH_PIECES_BYTES_MAX} bytes"
            )));
        }
        if !matches!(inner, Kind::Other) {
            walk(content, inner, depth + 1, taken)?;
        }
    }
    Ok(())
}
