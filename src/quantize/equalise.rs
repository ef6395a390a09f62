//! Moving ranges between neighbouring layers without changing what they compute together.
//!
//! A channel that is multiplied by 1/s in one layer and by s in the next comes out the same. Between two convolutions with
//! nothing or a ReLU between them, s brings the ranges of both weights together (Nagel et al. 2019, “Data-Free Quantization
//! Through Weight Equalization and Bias Correction”, section 4.1). Behind a layer normalisation, whose channels differ by
//! decades, s moves half of that into the next layer's weights, which have scales of their own by channel (Xiao et al.
//! 2023, “SmoothQuant”, equation 4 with α = 0.5).

use std::collections::BTreeMap;

use super::fold::scaled_along;
use super::places::{Kind, Layer, layers};
use crate::onnx::graph::{Floats, Graph};
use crate::onnx::tensor;

/// How far a channel may be moved: beyond it rounding of the other channels costs more than it brings.
const FACTOR_MAX: f32 = 64.0;

/// Where the channels of a value can be scaled: constants with one entry a channel along an axis.
struct Source {
    constants: Vec<(String, usize)>,
    /// Largest absolute weight of each channel.
    range: Vec<f32>,
    /// Whether it is a normalisation's.
    is_norm: bool,
}

/// The graph with ranges moved wherever a layer's input comes from one place and goes nowhere else; and at how many places.
/// `channel_maxima` has the largest absolute value of each channel of what normalisations make.
pub fn equalise(graph: &Graph, channel_maxima: &BTreeMap<String, Vec<f32>>) -> (Graph, usize) {
    let mut moved = graph.clone();
    let mut count = 0;
    for layer in layers(graph) {
        let Some(source) = source(&moved, &layer.input) else { continue };
        let Some(weight) = moved.floats(&layer.weight).filter(|_| layer.groups == 1) else { continue };
        let from = match source.is_norm {
            true => channel_maxima.get(&layer.input).cloned().unwrap_or_default(),
            false => source.range.clone(),
        };
        let into = input_range(&weight, &layer);
        let readers = moved.readers();
        let once = |name: &String| readers.get(name.as_str()).is_some_and(|readers| readers.len() == 1);
        let is_own = source.constants.iter().all(|(name, _)| once(name)) && once(&layer.weight);
        if into.len() != from.len() || !is_own {
            continue;
        }
        let factors: Vec<f32> = from.iter().zip(&into).map(|(from, into)| factor(*from, *into)).collect();
        apply(&mut moved, &source, &layer, &weight, &factors);
        count += 1;
    }
    (moved, count)
}

/// √(range before / range behind), 1 where a channel is dead on either side.
fn factor(before: f32, behind: f32) -> f32 {
    if before > 0.0 && behind > 0.0 { (before / behind).sqrt().clamp(1.0 / FACTOR_MAX, FACTOR_MAX) } else { 1.0 }
}

/// The largest absolute weight that each input channel meets.
fn input_range(weight: &Floats, layer: &Layer) -> Vec<f32> {
    let axis = input_axis(layer);
    let channel_of = super::scale::channel_of(&weight.dims, axis);
    let mut range = vec![0f32; weight.dims.get(axis).copied().unwrap_or(0)];
    for (index, value) in weight.values.iter().enumerate() {
        if let Some(largest) = range.get_mut(channel_of(index)) {
            *largest = largest.max(value.abs());
        }
    }
    range
}

fn input_axis(layer: &Layer) -> usize {
    match layer.kind {
        Kind::Conv => 1,
        Kind::Dense => 1 - layer.axis,
    }
}

/// What makes `value`, seen through ReLUs, if nothing else reads it.
fn source(graph: &Graph, value: &str) -> Option<Source> {
    let (readers, makers) = (graph.readers(), graph.makers());
    let mut value = value;
    loop {
        if readers.get(value)?.len() != 1 || value == graph.output() {
            return None;
        }
        let node = &graph.nodes[*makers.get(value)?];
        match node.op_type.as_str() {
            "Relu" => value = node.input.first()?,
            "Conv" => {
                let (weight, bias) = (node.input.get(1)?, node.input.get(2).filter(|name| !name.is_empty()));
                let floats = graph.floats(weight)?;
                let range = floats.values.chunks(floats.values.len() / floats.dims.first()?);
                let largest = |channel: &[f32]| channel.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                let constants = std::iter::once(weight).chain(bias).map(|name| (name.clone(), 0)).collect();
                return Some(Source { constants, range: range.map(largest).collect(), is_norm: false });
            }
            "LayerNormalization" => return norm(graph, node.input.get(1..)?),
            // γ x̂ + β, written out.
            "Add" => {
                let scaled = &graph.nodes[*makers.get(node.input.first()?.as_str())?];
                let gamma = scaled.input.get(1).filter(|_| scaled.op_type == "Mul")?;
                let is_read_once = readers.get(scaled.output.first()?.as_str())?.len() == 1;
                return norm(graph, &[gamma.clone(), node.input.get(1)?.clone()]).filter(|_| is_read_once);
            }
            _ => return None,
        }
    }
}

/// A normalisation's γ and β, one entry a channel.
fn norm(graph: &Graph, names: &[String]) -> Option<Source> {
    let constants = names.iter().filter(|name| !name.is_empty()).map(|name| {
        let dims = graph.floats(name)?.dims;
        let axis = dims.iter().position(|dim| *dim > 1)?;
        (dims.iter().filter(|dim| **dim > 1).count() == 1).then(|| (name.clone(), axis))
    });
    let constants: Vec<(String, usize)> = constants.collect::<Option<_>>()?;
    let gamma = graph.floats(&constants.first()?.0)?;
    Some(Source { constants, range: gamma.values.iter().map(|value| value.abs()).collect(), is_norm: true })
}

/// Divides the source by the factors and multiplies the layer's weights by them.
fn apply(graph: &mut Graph, source: &Source, layer: &Layer, weight: &Floats, factors: &[f32]) {
    let inverse: Vec<f32> = factors.iter().map(|factor| 1.0 / factor).collect();
    for (name, axis) in &source.constants {
        if let Some(floats) = graph.floats(name) {
            let scaled = scaled_along(&floats, *axis, &inverse);
            graph.put(tensor::fp32(name, &scaled.dims, &scaled.values));
        }
    }
    let scaled = scaled_along(weight, input_axis(layer), factors);
    graph.put(tensor::fp32(&layer.weight, &scaled.dims, &scaled.values));
}
