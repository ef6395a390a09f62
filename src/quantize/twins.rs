//! Each layer beside its twin in 8 bits, both fed with what the layer sees in fp32: how much noise 8 bits add, and by how
//! much they move the mean of each output channel.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ndarray::{Array4, ArrayD, Axis};

use super::observe;
use super::places::{Kind, Layer};
use super::qdq::{Rounded, dequantized, pair};
use super::scale::{Activations, Scale};
use crate::infer::engine::Engine;
use crate::onnx::graph::{Graph, node};
use crate::onnx::{int, tensor};
use crate::{Error, Result};

/// What 8 bits do to one layer.
#[derive(Debug, Clone)]
pub struct Twin {
    /// Signal-to-quantisation-noise ratio of what the layer makes, before its activation, in decibels:
    /// 10 lg(Σ y² / Σ (y′ − y)²).
    pub sqnr_db: f64,
    /// Mean of y′ − y of each output channel.
    pub shift: Vec<f32>,
}

/// The twins of `layers`, in their order; `ranges` are of their inputs.
pub fn twins(
    engine: &dyn Engine,
    graph: &Graph,
    layers: &[Layer],
    ranges: &BTreeMap<String, [f32; 2]>,
    rounded: &HashMap<usize, Rounded>,
    activations: Activations,
    inputs: &Array4<f32>,
) -> Result<Vec<Twin>> {
    let probed = beside(graph, layers, ranges, rounded, activations)?;
    let mut sums: Vec<(f64, f64, Vec<f64>)> = vec![Default::default(); layers.len()];
    observe::run(engine, &probed, inputs, |outputs| {
        for ((layer, sums), outputs) in layers.iter().zip(&mut sums).zip(outputs.chunks(3)) {
            let [signal, noise, shift] = outputs else {
                return Err(Error::engine("fewer outputs than were asked for"));
            };
            sums.0 += f64::from(signal.sum());
            sums.1 += f64::from(noise.sum());
            add_means(&mut sums.2, shift, layer.kind);
        }
        Ok(())
    })?;
    let n = inputs.len_of(Axis(0)) as f64;
    let twin = |(signal, noise, shift): (f64, f64, Vec<f64>)| Twin {
        sqnr_db: 10.0 * (signal / noise).log10(),
        shift: shift.into_iter().map(|sum| (sum / n) as f32).collect(),
    };
    Ok(sums.into_iter().map(twin).collect())
}

/// Adds the mean of every row and channel to the channel's sum.
fn add_means(sums: &mut Vec<f64>, values: &ArrayD<f32>, kind: Kind) {
    let axis = match kind {
        Kind::Conv => Axis(1),
        Kind::Dense => Axis(values.ndim() - 1),
    };
    sums.resize(values.len_of(axis), 0.0);
    let rows = values.len_of(Axis(0)) as f64;
    for (sum, channel) in sums.iter_mut().zip(values.axis_iter(axis)) {
        *sum += rows * channel.iter().map(|value| f64::from(*value)).sum::<f64>() / channel.len() as f64;
    }
}

/// The graph with a twin of every layer. Outputs of each: Σ y², Σ (y′ − y)², and y′ − y, of convolutions its means by row
/// and channel.
fn beside(
    graph: &Graph,
    layers: &[Layer],
    ranges: &BTreeMap<String, [f32; 2]>,
    rounded: &HashMap<usize, Rounded>,
    activations: Activations,
) -> Result<Graph> {
    let mut probed = graph.clone();
    let mut outputs = Vec::new();
    let mut paired: BTreeSet<&str> = BTreeSet::new();
    for layer in layers {
        let missing = || Error::refused(format!("no weights in 8 bits of the layer {:?}", layer.name));
        let Rounded { weights, .. } = rounded.get(&layer.node).ok_or_else(missing)?;
        if paired.insert(&layer.input) {
            let range =
                ranges.get(&layer.input).ok_or_else(|| Error::refused(format!("no range of {:?}", layer.input)))?;
            let (nodes, constants) = pair(&layer.input, &layer.input, Scale::of(*range, activations), activations);
            probed.nodes.extend(nodes);
            constants.into_iter().for_each(|constant| probed.put(constant));
        }
        let name = |what: &str| format!("{}/{what}", layer.name);
        let back = weights.to_floats();
        probed.put(tensor::fp32(&name("twin_weight"), &back.dims, &back.values));
        let mut twin = graph.nodes[layer.node].clone();
        twin.name = name("twin");
        twin.output = vec![name("twin")];
        twin.input[0] = dequantized(&layer.input);
        twin.input[1] = name("twin_weight");
        let (noise, signal, shift) = (name("noise"), name("signal"), name("shift"));
        let difference = name("difference");
        // Means without axes, which operator sets write in two ways.
        let mean = match layer.kind {
            Kind::Conv => "GlobalAveragePool",
            Kind::Dense => "Identity",
        };
        probed.nodes.extend([
            twin,
            node("Sub", &[&name("twin"), &layer.output], &difference, vec![]),
            node("ReduceSumSquare", &[&layer.output], &signal, vec![int("keepdims", 0)]),
            node("ReduceSumSquare", &[&difference], &noise, vec![int("keepdims", 0)]),
            node(mean, &[&difference], &shift, vec![]),
        ]);
        outputs.extend([signal, noise, shift]);
    }
    probed.set_outputs(outputs);
    Ok(probed)
}
