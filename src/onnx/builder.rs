//! The graph under construction.

use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};
use tract_onnx::tract_hir::tract_core::prelude as _;

use super::tensor::{self, Weights};
use crate::onnx::encode;

/// Operator set of the graphs: the widest that engines of recent years read.
pub const OPSET: i64 = 17;
/// File format version that came with operator set 17.
const IR_VERSION: i64 = 8;
/// Name of a dynamic axis.
const BATCH_AXIS: &str = "n";

/// A tensor that flows through the graph: an input, a weight or a node's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(pub(super) String);

/// A graph that grows node by node; see the [module](super) for an example.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    weights: Weights,
}
