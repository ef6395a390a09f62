//! A graph taken apart for changes: its nodes in order, its constants by name.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

use crate::{Error, Result};

/// A constant of 32-bit floating point numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Floats {
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Its values, row by row.
    pub values: Vec<f32>,
}

/// A graph that may be changed. Nodes stand in an order in which every value is made before it is used.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Everything but nodes and constants.
    model: ModelProto,
    /// The nodes.
    pub nodes: Vec<NodeProto>,
    /// Initialisers and the values of `Constant` nodes.
    pub constants: BTreeMap<String, TensorProto>,
}

impl Graph {
    /// Takes apart the ONNX file `bytes`, which was scanned when its model was loaded.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] where it is no ONNX file.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut model =
            ModelProto::decode(bytes).map_err(|error| Error::refused(format!("not an ONNX file: {error}")))?;
        let graph = model.graph.as_mut().ok_or_else(|| Error::refused("the ONNX file holds no graph"))?;
        let mut constants: BTreeMap<String, TensorProto> = BTreeMap::new();
        for tensor in std::mem::take(&mut graph.initializer) {
            constants.insert(tensor.name.clone(), tensor);
        }
        let mut nodes = std::mem::take(&mut graph.node);
        nodes.retain(|node| match constant(node) {
            Some(tensor) => {
                constants.insert(tensor.name.clone(), tensor);
                false
            }
            None => true,
        });
        Ok(Self { model, nodes, constants })
    }

    /// The ONNX file. Constants that nothing uses are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut model = self.model.clone();
        model.producer_name = env!("CARGO_PKG_NAME").to_owned();
        model.producer_version = env!("CARGO_PKG_VERSION").to_owned();
        let used: HashSet<&str> = self.nodes.iter().flat_map(|node| &node.input).map(String::as_str).collect();
        if let Some(graph) = &mut model.graph {
            graph.node = self.nodes.clone();
            let constants = self.constants.values().filter(|tensor| used.contains(tensor.name.as_str()));
            graph.initializer = constants.cloned().collect();
        }
        model.encode_to_vec()
    }

    /// The same, to be filled with other nodes.
    pub fn without_nodes(self) -> Self {
        Self { nodes: Vec::new(), ..self }
    }

    /// Version of ONNX's operator set.
    pub fn opset(&self) -> i64 {
        let standard = |domain: &str| matches!(domain, "" | "ai.onnx");
        self.model.opset_import.iter().find(|set| standard(&set.domain)).map_or(0, |set| set.version)
    }

    fn interface(&self) -> Option<&GraphProto> {
        self.model.graph.as_ref()
    }

    /// The name of the input.
    pub fn input(&self) -> &str {
        let first = self.interface().and_then(|graph| graph.input.first());
        first.map_or("", |input| &input.name)
    }

    /// The name of the output.
    pub fn output(&self) -> &str {
        let first = self.interface().and_then(|graph| graph.output.first());
        first.map_or("", |output| &output.name)
    }

    /// These values become the outputs, in this order.
    pub fn set_outputs(&mut self, names: impl IntoIterator<Item = String>) {
        let declared = self.interface().and_then(|graph| graph.output.first()).and_then(|output| output.r#type.clone());
        // The type without its shape: float32, whatever its dimensions.
        let r#type = declared.map(|mut declared| {
            if let Some(tract_onnx::pb::type_proto::Value::TensorType(tensor)) = &mut declared.value {
                tensor.shape = None;
            }
            declared
        });
        let info = |name| ValueInfoProto { name, r#type: r#type.clone(), ..ValueInfoProto::default() };
        if let Some(graph) = &mut self.model.graph {
            graph.output = names.into_iter().map(info).collect();
        }
    }

    /// A constant of 32-bit floating point numbers.
    pub fn floats(&self, name: &str) -> Option<Floats> {
        let tensor = self.constants.get(name)?;
        if tensor.data_type != DataType::Float as i32 {
            return None;
        }
        let dims = tensor.dims.iter().map(|dim| usize::try_from(*dim).ok()).collect::<Option<Vec<_>>>()?;
        let values = match tensor.raw_data.is_empty() {
            true => tensor.float_data.clone(),
            false => tensor.raw_data.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect(),
        };
        (values.len() == dims.iter().product::<usize>()).then_some(Floats { dims, values })
    }

    /// Puts a constant in, in the place of one of the same name.
    pub fn put(&mut self, tensor: TensorProto) {
        self.constants.insert(tensor.name.clone(), tensor);
    }

    /// The nodes that read each value, by their index; the graph's output is none.
    pub fn readers(&self) -> HashMap<&str, Vec<usize>> {
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for input in &node.input {
                readers.entry(input).or_default().push(index);
            }
        }
        readers
    }

    /// The node that makes each value, by its index.
    pub fn makers(&self) -> HashMap<&str, usize> {
        let outputs = self.nodes.iter().enumerate();
        outputs.flat_map(|(index, node)| node.output.iter().map(move |output| (output.as_str(), index))).collect()
    }
}

fn constant(node: &NodeProto) -> Option<TensorProto> {
    let name = node.output.first().filter(|_| node.op_type == "Constant")?;
    let tensor = attribute(node, "value")?.t.clone()?;
    Some(TensorProto { name: name.clone(), ..tensor })
}

/// An attribute of a node by name.
pub fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// An integer attribute, or what it is where the node does not state it.
pub fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |attribute| attribute.i)
}

/// A node with one output of the same name.
pub fn node(operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: output.to_owned(),
        op_type: operator.to_owned(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes,
        ..NodeProto::default()
    }
}
