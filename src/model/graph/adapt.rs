//! Brings a graph that gives something else to what this house runs: a free batch, and logits a class.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto, ValueInfoProto};

use super::parts;
use crate::onnx::parts::{Initialiser, Parts, Raw};
use crate::{Error, Result};

/// What is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adaptation {
    /// The soft-max or sigmoid to take out: the index of its node.
    pub activation: Option<usize>,
    /// Whether the output is probabilities all the same; their logarithms are logits.
    pub gives_probabilities: bool,
    /// How its output is made up.
    pub channels: Channels,
}

/// How many values a window or pixel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// One a class.
    Classes,
    /// One a pixel, which becomes a second class beside a first that is whatever this one is not.
    OneOfTwo,
    /// One a window.
    One,
}

const RAW: &str = "s2infer.raw";

/// The ONNX file `bytes`, adapted.
pub fn adapt(bytes: &[u8], adaptation: Adaptation) -> Result<Vec<u8>> {
    let mut parts = parts(bytes)?;
    if let Some(node) = adaptation.activation.and_then(|index| parts.graph.node.get_mut(index)) {
        node.op_type = "Identity".into();
        node.attribute.clear();
    }
    let constants: Vec<String> = parts.weights.iter().map(|weights| weights.tensor.name.clone()).collect();
    parts.graph.input.iter_mut().filter(|input| !constants.contains(&input.name)).for_each(free_batch);
    parts.graph.output.iter_mut().for_each(free_batch);
    if adaptation.gives_probabilities || adaptation.channels == Channels::OneOfTwo {
        append(&mut parts, adaptation)?;
    }
    Ok(parts.encode())
}

fn dims(value: &mut ValueInfoProto) -> Option<&mut Vec<Dimension>> {
    let TypeValue::TensorType(tensor) = value.r#type.as_mut()?.value.as_mut()?;
    Some(&mut tensor.shape.as_mut()?.dim)
}

fn free_batch(value: &mut ValueInfoProto) {
    if let Some(first) = dims(value).and_then(|dims| dims.first_mut()) {
        first.value = Some(Value::DimParam("n".into()));
    }
}

/// Gives the graph's output another name and makes what is wanted of it, under the old one.
fn append(parts: &mut Parts<'_>, adaptation: Adaptation) -> Result<()> {
    let graph = &mut parts.graph;
    let Some(output) = graph.output.first_mut() else { return Err(Error::refused("the graph has no output")) };
    let name = output.name.clone();
    let is_one_of_two = adaptation.channels == Channels::OneOfTwo;
    if let Some(channels) = dims(output).filter(|_| is_one_of_two).and_then(|dims| dims.get_mut(1)) {
        channels.value = Some(Value::DimValue(2));
    }
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).filter(|value| **value == name).for_each(|v| *v = RAW.into());
    }
    // Operator, inputs and output; without a name the output is the graph's.
    let steps: &[(&str, &[&str], &str)] = match (adaptation.gives_probabilities, adaptation.channels) {
        (false, _) => &[("Conv", &[RAW, "s2infer.second"], "")],
        (true, Channels::Classes) => &[("Max", &[RAW, "s2infer.least"], "s2infer.p"), ("Log", &["s2infer.p"], "")],
        (true, Channels::OneOfTwo | Channels::One) => &[
            ("Sub", &["s2infer.one", RAW], "s2infer.rest"),
            ("Max", &["s2infer.rest", "s2infer.least"], "s2infer.q"),
            ("Max", &[RAW, "s2infer.least"], "s2infer.p"),
            ("Log", &["s2infer.q"], "s2infer.log-q"),
            ("Log", &["s2infer.p"], "s2infer.log-p"),
            if is_one_of_two {
                ("Concat", &["s2infer.log-q", "s2infer.log-p"], "")
            } else {
                ("Sub", &["s2infer.log-p", "s2infer.log-q"], "")
            },
        ],
    };
    for (operator, inputs, made) in steps {
        let made = if made.is_empty() { name.as_str() } else { made };
        let attribute = match *operator {
            "Concat" => vec![AttributeProto { i: 1, ..attribute("axis", AttributeType::Int) }],
            "Conv" => vec![AttributeProto { ints: vec![1, 1], ..attribute("kernel_shape", AttributeType::Ints) }],
            _ => Vec::new(),
        };
        graph.node.push(NodeProto {
            name: format!("s2infer.{}", graph.node.len()),
            op_type: (*operator).into(),
            input: inputs.iter().map(|input| (*input).into()).collect(),
            output: vec![made.into()],
            attribute,
            ..NodeProto::default()
        });
    }
    // A 1 × 1 convolution: nothing for the first class, the channel itself for the second.
    let weights = [
        ("s2infer.second", vec![2, 1, 1, 1], vec![0.0, 1.0]),
        ("s2infer.least", vec![1], vec![f32::MIN_POSITIVE]),
        ("s2infer.one", vec![1], vec![1.0]),
    ];
    let used = weights.into_iter().filter(|(name, ..)| steps.iter().any(|(_, inputs, _)| inputs.contains(name)));
    parts.weights.extend(used.map(|(name, dims, values)| Initialiser {
        tensor: TensorProto {
            name: name.into(),
            dims,
            data_type: DataType::Float as i32,
            float_data: values,
            ..TensorProto::default()
        },
        raw: Raw::Stored(&[]),
    }));
    Ok(())
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..AttributeProto::default() }
}
