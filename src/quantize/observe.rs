//! What values the tensors of a network take on real tiles.

use std::collections::BTreeMap;

use ndarray::{Array4, Axis};
use rayon::prelude::*;

use super::places::{Kind, Layer};
use super::range::Histogram;
use crate::infer::engine::{Engine, Network};
use crate::onnx::graph::{Graph, node};
use crate::onnx::int;
use crate::output::signal;
use crate::{Error, Result};

/// Rows of a batch: every value of the network is held for that many.
pub const BATCH_ROWS: usize = 8;

/// Runs `graph` over `inputs`, `[n, bands, height, width]`, and gives the outputs of each batch to `take`.
pub fn run(
    engine: &dyn Engine,
    graph: &Graph,
    inputs: &Array4<f32>,
    mut take: impl FnMut(Vec<ndarray::ArrayD<f32>>) -> Result<()>,
) -> Result<()> {
    let bytes = graph.encode();
    let (_, bands, height, width) = inputs.dim();
    let mut probe = engine.probe(Network::fp32(&bytes, [bands, height, width]))?;
    for batch in inputs.axis_chunks_iter(Axis(0), BATCH_ROWS) {
        signal::check()?;
        take(probe.run(batch)?)?;
    }
    Ok(())
}

/// The smallest and the largest of each of `values`.
///
/// # Errors
/// [`crate::Kind::Refused`] where one is not finite.
pub fn extremes(
    engine: &dyn Engine,
    graph: &Graph,
    values: &[&str],
    inputs: &Array4<f32>,
) -> Result<BTreeMap<String, [f32; 2]>> {
    let mut probed = graph.clone();
    let mut outputs = Vec::new();
    for value in values {
        for operator in ["ReduceMin", "ReduceMax"] {
            let output = format!("{value}/{operator}");
            probed.nodes.push(node(operator, &[value], &output, vec![int("keepdims", 0)]));
            outputs.push(output);
        }
    }
    probed.set_outputs(outputs);
    let mut found = vec![[f32::INFINITY, f32::NEG_INFINITY]; values.len()];
    run(engine, &probed, inputs, |outputs| {
        for (extremes, pair) in found.iter_mut().zip(outputs.chunks(2)) {
            let [low, high] = pair else { return Err(Error::engine("fewer outputs than were asked for")) };
            *extremes = [extremes[0].min(low.sum()), extremes[1].max(high.sum())];
        }
        Ok(())
    })?;
    let named = values.iter().zip(found).map(|(value, extremes)| {
        let is_finite = extremes.iter().all(|extreme| extreme.is_finite());
        let named = ((*value).to_owned(), extremes);
        is_finite
            .then_some(named)
            .ok_or_else(|| Error::refused(format!("the value {value:?} is not finite on these tiles")))
    });
    named.collect()
}

/// Histograms of the values whose extremes are known.
pub fn histograms(
    engine: &dyn Engine,
    graph: &Graph,
    extremes: &BTreeMap<String, [f32; 2]>,
    inputs: &Array4<f32>,
) -> Result<BTreeMap<String, Histogram>> {
    let mut probed = graph.clone();
    // What is a graph's input cannot be its output; and an engine may not fuse across what it has to give.
    let copy = |value: &String| format!("{value}/copy");
    for value in extremes.keys() {
        probed.nodes.push(node("Identity", &[value], &copy(value), vec![]));
    }
    probed.set_outputs(extremes.keys().map(copy));
    let mut histograms: Vec<Histogram> = extremes.values().map(|[low, high]| Histogram::new(*low, *high)).collect();
    run(engine, &probed, inputs, |outputs| {
        histograms.par_iter_mut().zip(&outputs).for_each(|(histogram, output)| {
            output.as_slice().into_iter().for_each(|values| histogram.add(values));
        });
        Ok(())
    })?;
    Ok(extremes.keys().cloned().zip(histograms).collect())
}

/// The largest absolute value of each channel of what `layers` read.
pub fn channel_maxima(
    engine: &dyn Engine,
    graph: &Graph,
    layers: &[Layer],
    inputs: &Array4<f32>,
) -> Result<BTreeMap<String, Vec<f32>>> {
    let mut probed = graph.clone();
    let read: BTreeMap<&String, Kind> = layers.iter().map(|layer| (&layer.input, layer.kind)).collect();
    let absolute = |value: &String| format!("{value}/absolute");
    for value in read.keys() {
        probed.nodes.push(node("Abs", &[value], &absolute(value), vec![]));
    }
    probed.set_outputs(read.keys().map(|value| absolute(value)));
    let mut maxima: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    run(engine, &probed, inputs, |outputs| {
        for ((value, kind), output) in read.iter().zip(&outputs) {
            let axis = match kind {
                Kind::Conv => Axis(1),
                Kind::Dense => Axis(output.ndim() - 1),
            };
            let maxima = maxima.entry((*value).clone()).or_insert_with(|| vec![0.0; output.len_of(axis)]);
            for (largest, channel) in maxima.iter_mut().zip(output.axis_iter(axis)) {
                *largest = channel.iter().fold(*largest, |largest, value| largest.max(*value));
            }
        }
        Ok(())
    })?;
    Ok(maxima)
}
