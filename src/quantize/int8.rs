//! From an fp32 graph and tiles to a graph in 8 bits: what is tried, and by what it is chosen.

mod settle;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ndarray::{Array4, ArrayD, Axis};
use serde::Serialize;

use super::equalise::equalise;
use super::fold::{fold, is_depthwise};
use super::noise::Noise;
use super::observe;
use super::places::{Ending, Layer, Places, ending, layers};
use super::qdq::{self, Rounded};
use super::range::{Histogram, Method};
use super::scale::{Activations, Scale, WeightSteps, Weights};
use crate::infer::engine::{Engine, Network};
use crate::model::manifest::Precision;
use crate::onnx::graph::Graph;
use crate::output::signal;
use crate::{Error, Result};

/// Rows of a batch of a candidate.
const BATCH_ROWS: usize = 16;
/// Tiles that channels' maxima and twins are taken of: means over them are steady long before the extremes are.
const TWIN_TILES_MAX: usize = 128;

/// Steps of a bias, with room for what a correction adds: 32 bits hold twice as many.
const BIAS_STEPS_MAX: f32 = (1u32 << 30) as f32;

/// How a network is put into 8 bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// How ranges of activations are found; none: the method whose logits come closest in the worst group.
    pub method: Option<Method>,
    /// Whether ranges are moved between layers; none: where that comes closer.
    pub equalise: Option<bool>,
    /// How activations are written.
    pub activations: Activations,
    /// How weights are written.
    pub weights: WeightSteps,
    /// A layer below this signal-to-noise ratio stays in floating point.
    pub sqnr_db_min: f64,
    /// Layers that stay in floating point whatever their ratio.
    pub keep_float: Vec<String>,
    /// Layers in 8 bits whatever their ratio.
    pub force_int8: Vec<String>,
}

/// What became of one layer.
#[derive(Debug, Clone, Serialize)]
pub struct LayerReport {
    /// Its name.
    pub name: String,
    /// The operator.
    pub operator: String,
    /// Signal-to-quantisation-noise ratio in decibels; none where it was not measured.
    pub sqnr_db: Option<f64>,
    /// Whether it computes in 8 bits.
    pub is_int8: bool,
    /// Why, if the ratio is not the reason.
    pub reason: Option<&'static str>,
}

/// One of the ways tried.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// How ranges were found.
    pub method: Method,
    /// At how many places ranges were moved.
    pub n_equalised: usize,
    /// Whether biases were corrected.
    pub is_bias_corrected: bool,
    /// Signal-to-noise ratio of the logits in the worst group, in decibels.
    pub worst_group_sqnr_db: f64,
}

/// A graph in 8 bits.
#[derive(Debug, Clone)]
pub struct Int8 {
    /// The ONNX file.
    pub graph: Vec<u8>,
    /// Its layers.
    pub layers: Vec<LayerReport>,
    /// Everything that was tried; the last is what was taken.
    pub trials: Vec<Trial>,
}

/// Tiles as the network sees them, and the group of each.
pub struct Tiles {
    /// `[n, bands, height, width]`
    pub inputs: Array4<f32>,
    /// Numbers of their groups.
    pub groups: Vec<usize>,
}

impl Tiles {
    /// The first half of the tiles, rounded up, and the others.
    pub fn halves(self) -> (Self, Self) {
        let at = self.groups.len().div_ceil(2);
        let (first, second) = self.inputs.view().split_at(Axis(0), at);
        let of = |inputs: ndarray::ArrayView4<'_, f32>, groups: &[usize]| Self {
            inputs: inputs.to_owned(),
            groups: groups.to_vec(),
        };
        (of(first, &self.groups[..at]), of(second, &self.groups[at..]))
    }
}

/// Puts the network `graph` (fp32, scanned) into 8 bits on an engine that runs both: ranges are observed on `tiles`, and the
/// ways are judged on `others`, where a range that was cut too short shows.
///
/// Each way of finding ranges is tried, with and without ranges moved between layers; taken is the one whose logits lie
/// closest to those of fp32 in the worst group. Then layers whose noise is too loud go back to floating point, and where the
/// logits as a whole stay too loud, those that they are loud by: a normalisation after a layer makes much of little noise.
/// Biases are corrected by what 8 bits moved the mean of each channel, where that brings the logits closer (Nagel et al. 2021, “A
/// White Paper on Neural Network Quantization”, section 3.2; empirical, layer by layer).
pub fn int8(
    engine: &dyn Engine,
    graph: &[u8],
    tiles: &Tiles,
    others: &Tiles,
    settings: &Settings,
    step: &mut dyn FnMut(&str),
) -> Result<Int8> {
    let mut original = Graph::decode(graph)?;
    if original.opset() < 13 {
        return Err(Error::refused(format!(
            "operator set {} has no scales by channel: export the model with 13 or later",
            original.opset()
        )));
    }
    fold(&mut original);
    let mut search = Search { engine, tiles, others, settings, noise: None, trials: Vec::new() };
    step("fp32");
    search.noise = Some(Noise::new(search.logits(&original, Precision::Fp32)?, &others.groups));
    let mut best: Option<(f64, Candidate)> = None;
    for variant in search.variants(&original)? {
        for method in settings.method.map_or(Method::ALL.to_vec(), |method| vec![method]) {
            step(method.as_str());
            let candidate = variant.candidate(method, settings);
            let closeness = search.closeness(&candidate, false)?;
            if best.as_ref().is_none_or(|(most, _)| closeness > *most) {
                best = Some((closeness, candidate));
            }
        }
    }
    let (_, candidate) = best.ok_or_else(|| Error::refused("the network has no layer that can compute in 8 bits"))?;
    step("layers");
    search.settle(candidate, step)
}

/// The graph with or without ranges moved, and what was observed of it.
struct Variant {
    graph: Arc<Graph>,
    layers: Vec<Layer>,
    /// With every layer in 8 bits, so that whichever is chosen later finds its ranges.
    places: Places,
    /// Of the values that ranges are taken from.
    histograms: BTreeMap<String, Histogram>,
    n_equalised: usize,
}

/// A way to write the graph.
#[derive(Clone)]
struct Candidate {
    graph: Arc<Graph>,
    layers: Vec<Layer>,
    chosen: Vec<usize>,
    ranges: BTreeMap<String, [f32; 2]>,
    rounded: HashMap<usize, Rounded>,
    method: Method,
    n_equalised: usize,
}

impl Variant {
    fn ranges(&self, method: Method) -> BTreeMap<String, [f32; 2]> {
        let found: BTreeMap<&String, [f32; 2]> =
            self.histograms.iter().map(|(root, of)| (root, of.range(method))).collect();
        let of = |(value, root): (&String, &String)| Some((value.clone(), *found.get(root)?));
        self.places.values.iter().filter_map(of).collect()
    }

    fn candidate(&self, method: Method, settings: &Settings) -> Candidate {
        let ranges = self.ranges(method);
        let round = |layer: &Layer| {
            let weights = self.graph.floats(&layer.weight)?;
            let bias = layer.bias.as_ref().and_then(|name| self.graph.floats(name));
            let input = Scale::of(*ranges.get(&layer.input)?, settings.activations).scale;
            // The bias is written in steps of both scales: a channel whose weights are all but zero gets coarser ones.
            let largest = |channel: usize| match &bias {
                Some(bias) if settings.weights.per_channel => bias.values.get(channel).copied().unwrap_or(0.0).abs(),
                Some(bias) => bias.values.iter().fold(0f32, |largest, value| largest.max(value.abs())),
                None => 0.0,
            };
            let scale_min = |channel: usize| largest(channel) / input / BIAS_STEPS_MAX;
            let weights = Weights::of(&weights, layer.axis, settings.weights, scale_min);
            Some((layer.node, Rounded { weights, bias }))
        };
        Candidate {
            graph: self.graph.clone(),
            chosen: by_default(&self.graph, &self.layers, settings),
            rounded: self.layers.iter().filter_map(round).collect(),
            ranges,
            layers: self.layers.clone(),
            method,
            n_equalised: self.n_equalised,
        }
    }
}

/// The layers in 8 bits before their noise is known: all but depthwise convolutions, whose channels differ too much for one
/// range, and a last layer that makes scores, which takes no time and whose 256 levels would be all that scores can be.
fn by_default(graph: &Graph, layers: &[Layer], settings: &Settings) -> Vec<usize> {
    let is_chosen = |layer: &Layer| {
        let usual = !is_depthwise(graph, &graph.nodes[layer.node]) && ending(graph, layer) != Some(Ending::Scores);
        !settings.keep_float.contains(&layer.name) && (usual || settings.force_int8.contains(&layer.name))
    };
    layers.iter().enumerate().filter(|(_, layer)| is_chosen(layer)).map(|(index, _)| index).collect()
}

struct Search<'a> {
    engine: &'a dyn Engine,
    tiles: &'a Tiles,
    others: &'a Tiles,
    settings: &'a Settings,
    /// The logits in fp32, once they are known.
    noise: Option<Noise>,
    trials: Vec<Trial>,
}

impl Search<'_> {
    fn logits(&self, graph: &Graph, precision: Precision) -> Result<Vec<ArrayD<f32>>> {
        let bytes = graph.encode();
        let inputs = &self.others.inputs;
        let (n, bands, height, width) = inputs.dim();
        let rows = BATCH_ROWS.min(n);
        let mut session =
            self.engine.session(Network { graph: &bytes, input: [bands, height, width], precision }, rows)?;
        let mut logits = Vec::new();
        for batch in inputs.axis_chunks_iter(Axis(0), rows).filter(|batch| batch.len_of(Axis(0)) == rows) {
            signal::check()?;
            logits.push(session.run(batch)?);
        }
        Ok(logits)
    }

    /// Tries a candidate: the ratio of signal to noise in its worst group.
    fn closeness(&mut self, candidate: &Candidate, is_bias_corrected: bool) -> Result<f64> {
        let logits = self.logits(&candidate.write(self.settings)?, Precision::Int8)?;
        let worst = self.noise.as_ref().map_or(f64::NEG_INFINITY, |noise| noise.worst_sqnr_db(&logits));
        let Candidate { method, n_equalised, .. } = candidate;
        self.trials.push(Trial {
            method: *method,
            n_equalised: *n_equalised,
            is_bias_corrected,
            worst_group_sqnr_db: worst,
        });
        Ok(worst)
    }

    fn variants(&self, original: &Graph) -> Result<Vec<Variant>> {
        let mut graphs = Vec::new();
        if self.settings.equalise != Some(true) {
            graphs.push((original.clone(), 0));
        }
        if self.settings.equalise != Some(false) {
            let maxima = observe::channel_maxima(self.engine, original, &layers(original), &self.few())?;
            let (moved, count) = equalise(original, &maxima);
            if count > 0 || graphs.is_empty() {
                graphs.push((moved, count));
            }
        }
        graphs.into_iter().map(|(graph, n_equalised)| self.observed(graph, n_equalised)).collect()
    }

    fn observed(&self, graph: Graph, n_equalised: usize) -> Result<Variant> {
        let layers = layers(&graph);
        let places = Places::of(&graph, &layers.iter().collect::<Vec<_>>());
        let mut roots: Vec<&str> = places.values.values().map(String::as_str).collect();
        roots.sort_unstable();
        roots.dedup();
        let extremes = observe::extremes(self.engine, &graph, &roots, &self.tiles.inputs)?;
        let histograms = observe::histograms(self.engine, &graph, &extremes, &self.tiles.inputs)?;
        Ok(Variant { graph: Arc::new(graph), layers, places, histograms, n_equalised })
    }

    fn few(&self) -> Array4<f32> {
        let n = self.tiles.inputs.len_of(Axis(0)).min(TWIN_TILES_MAX);
        self.tiles.inputs.slice(ndarray::s![..n, .., .., ..]).to_owned()
    }
}

impl Candidate {
    fn write(&self, settings: &Settings) -> Result<Graph> {
        let chosen: Vec<&Layer> = self.chosen.iter().map(|index| &self.layers[*index]).collect();
        let places = Places::of(&self.graph, &chosen);
        qdq::write(&self.graph, &chosen, &places, &self.ranges, &self.rounded, settings.activations)
    }
}

/// The layers that flags may name.
pub fn layer_names(graph: &[u8]) -> Result<Vec<String>> {
    let mut graph = Graph::decode(graph)?;
    fold(&mut graph);
    Ok(layers(&graph).into_iter().map(|layer| layer.name).collect())
}
