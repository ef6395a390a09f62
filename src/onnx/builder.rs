//! The graph under construction.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

use super::tensor::{self, Weights};

/// Operator set of the graphs: read by every engine of the last years.
pub const OPSET: i64 = 17;
/// File format version that came with operator set 17.
const IR_VERSION: i64 = 8;
/// Name of the dynamic axis.
const DYNAMIC_AXIS: &str = "n";

/// A tensor that flows through the graph: an input, a weight or a node's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(pub(super) String);

/// A graph that grows node by node; see the [module](super) for an example.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    weights: Weights,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str, weights: Weights) -> Self {
        Self { graph: GraphProto { name: name.to_owned(), ..GraphProto::default() }, weights }
    }

    /// An fp32 input; a `None` axis is dynamic, as the batch should be.
    pub fn input(&mut self, name: &str, shape: &[Option<usize>]) -> Value {
        self.graph.input.push(value_info(name, shape));
        Value(name.to_owned())
    }

    /// Names `value` as an output of the graph.
    pub fn output(&mut self, name: &str, value: &Value, shape: &[Option<usize>]) {
        self.node("Identity", &[Some(value)], Some(name), vec![]);
        self.graph.output.push(value_info(name, shape));
    }

    /// A weight of `dims`, row by row, stored as [`Weights`] says.
    ///
    /// # Panics
    /// If the product of `dims` is not the number of values, which is a mistake of the caller.
    pub fn weight(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Value {
        assert_eq!(dims.iter().product::<usize>(), values.len(), "weight {name} has dimensions {dims:?}");
        let rounded = match self.weights {
            Weights::Fp16 if dims.len() > 1 => tensor::fp16(&format!("{name}.fp16"), dims, values),
            _ => None,
        };
        match rounded {
            Some(half) => {
                let half = self.constant(half);
                self.node("Cast", &[Some(&half)], Some(name), vec![int("to", DataType::Float as i64)])
            }
            None => self.constant(tensor::fp32(name, dims, values)),
        }
    }

    /// The ONNX file.
    pub fn finish(self) -> Vec<u8> {
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }

    pub(super) fn constant(&mut self, tensor: TensorProto) -> Value {
        let name = tensor.name.clone();
        self.graph.initializer.push(tensor);
        Value(name)
    }

    /// Appends a node with one output, named `name` or after the operator and its number. `None` among the inputs is
    /// an optional input left out.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[Option<&Value>],
        name: Option<&str>,
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let name = name.map_or_else(|| format!("{operator}_{}", self.graph.node.len()), str::to_owned);
        self.graph.node.push(NodeProto {
            name: name.clone(),
            op_type: operator.to_owned(),
            input: inputs.iter().map(|input| input.map_or_else(String::new, |value| value.0.clone())).collect(),
            output: vec![name.clone()],
            attribute: attributes,
            ..NodeProto::default()
        });
        Value(name)
    }

    /// A name for a constant that belongs to the next node.
    pub(super) fn constant_name(&self, what: &str) -> String {
        format!("{what}_{}", self.graph.node.len())
    }
}

fn value_info(name: &str, shape: &[Option<usize>]) -> ValueInfoProto {
    let dim = |size: &Option<usize>| Dimension {
        value: Some(match size {
            Some(size) => dimension::Value::DimValue(*size as i64),
            None => dimension::Value::DimParam(DYNAMIC_AXIS.to_owned()),
        }),
        ..Dimension::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

pub fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|&v| v as i64).collect();
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Ints as i32, ints, ..AttributeProto::default() }
}

pub fn text(name: &str, value: &str) -> AttributeProto {
    let s = value.as_bytes().to_vec();
    AttributeProto { name: name.to_owned(), r#type: AttributeType::String as i32, s, ..AttributeProto::default() }
}
