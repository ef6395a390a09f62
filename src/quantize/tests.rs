use std::collections::BTreeMap;

use ndarray::{Array4, ArrayD, Axis, concatenate};
use tract_onnx::pb::NodeProto;

use super::equalise::equalise;
use super::fold::fold;
use super::places::{Layer, Places, layers};
use super::{Activations, Int8, Method, Settings, Tiles, WeightSteps, int8};
use crate::infer::engine::{self, EngineChoice, EngineRequest, Network};
use crate::onnx::graph::{Graph, node};
use crate::onnx::{Conv, GraphBuilder, Resampling, Value, Weights, tensor};

/// Numbers between −1 and 1 that repeat late.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + seed * 104_729) % 10_007) as f32 / 5003.0 - 1.0).collect()
}

fn conv(graph: &mut GraphBuilder, x: &Value, name: &str, from: usize, to: usize, kernel: usize) -> Value {
    let weight =
        graph.weight(&format!("{name}.weight"), &[to, from, kernel, kernel], &numbers(to * from * kernel * kernel, to));
    let bias = graph.weight(&format!("{name}.bias"), &[to], &numbers(to, from));
    graph.conv(x, &weight, Some(&bias), Conv { kernel, padding: kernel / 2, ..Conv::default() })
}

/// Two convolutions in a row, a residual sum, pooling and joining as in a U-Net, a normalisation before a pointwise layer.
fn network() -> Graph {
    let mut graph = GraphBuilder::new("small", Weights::Fp32);
    let x = graph.input("input", &[None, Some(3), Some(8), Some(8)]);
    let first = conv(&mut graph, &x, "first", 3, 6, 3);
    let first = graph.relu(&first);
    let second = conv(&mut graph, &first, "second", 6, 6, 3);
    let second = graph.relu(&second);
    let third = conv(&mut graph, &second, "third", 6, 6, 3);
    let sum = graph.add(&third, &first);
    let sum = graph.relu(&sum);
    let small = graph.max_pool(&sum, 2, 2, 0);
    let inner = conv(&mut graph, &small, "inner", 6, 6, 1);
    let large = graph.resize(&inner, 2, Resampling::Nearest);
    let joined = graph.concat(&[&large, &sum]);
    let mixed = conv(&mut graph, &joined, "mixed", 12, 6, 1);
    let gamma: Vec<f32> = (0..6).map(|channel| 10f32.powi(channel - 2)).collect();
    let normed = graph.layer_norm(&mixed, ("norm.weight", &gamma), ("norm.bias", &numbers(6, 3)), 1e-6);
    let point = conv(&mut graph, &normed, "point", 6, 4, 1);
    let point = graph.gelu(&point);
    let pooled = graph.global_average_pool(&point);
    let flat = graph.flatten(&pooled);
    let weight = graph.weight("head.weight", &[2, 4], &numbers(8, 1));
    let bias = graph.weight("head.bias", &[2], &[0.1, -0.1]);
    let logits = graph.linear(&flat, &weight, &bias);
    graph.output("logits", &logits, &[None, Some(2)]);
    Graph::decode(&graph.finish()).unwrap()
}

fn outputs(graph: &Graph) -> ArrayD<f32> {
    let engine = EngineRequest { engine: EngineChoice::Tract, ..EngineRequest::default() };
    let input = Array4::from_shape_vec((2, 3, 8, 8), numbers(2 * 3 * 64, 5)).unwrap();
    let bytes = graph.encode();
    let mut session = engine::open(&engine).unwrap().session(Network::fp32(&bytes, [3, 8, 8]), 2).unwrap();
    session.run(input.view()).unwrap()
}

#[track_caller]
fn assert_same(a: &ArrayD<f32>, b: &ArrayD<f32>) {
    let largest = a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f32::max);
    assert!(largest < 1e-4, "{a} and {b} differ by {largest}");
}

#[test]
fn folding_a_batch_normalisation_changes_no_output() {
    let mut graph = network();
    let first = layers(&graph).remove(0);
    let at = graph.nodes.iter().position(|node| node.output == [first.output.clone()]).unwrap();
    graph.nodes[at].output = vec!["raw".into()];
    let inputs = ["raw", "gamma", "beta", "mean", "variance"];
    let norm =
        NodeProto { output: vec![first.output.clone()], ..node("BatchNormalization", &inputs, "normed", vec![]) };
    graph.nodes.insert(at + 1, norm);
    for (seed, name) in inputs[1..].iter().enumerate() {
        let values: Vec<f32> = numbers(6, seed + 20).iter().map(|value| value.abs() + 0.1).collect();
        graph.put(tensor::fp32(name, &[6], &values));
    }
    let before = outputs(&graph);
    fold(&mut graph);
    assert!(graph.nodes.iter().all(|node| node.op_type != "BatchNormalization"));
    assert_same(&before, &outputs(&graph));
}

#[test]
fn a_normalisation_whose_lengths_contradict_the_convolution_is_left_alone() {
    let mut graph = network();
    let first = layers(&graph).remove(0);
    let at = graph.nodes.iter().position(|node| node.output == [first.output.clone()]).unwrap();
    graph.nodes[at].output = vec!["raw".into()];
    let inputs = ["raw", "gamma", "beta", "mean", "variance"];
    let norm = NodeProto { output: vec![first.output], ..node("BatchNormalization", &inputs, "normed", vec![]) };
    graph.nodes.insert(at + 1, norm);
    // Six channels, and a mean of five.
    for (name, count) in inputs[1..].iter().zip([6, 6, 5, 6]) {
        graph.put(tensor::fp32(name, &[count], &vec![0.5; count]));
    }
    fold(&mut graph);
    assert!(graph.nodes.iter().any(|node| node.op_type == "BatchNormalization"));
}

#[test]
fn a_factor_by_channel_goes_into_the_convolution_and_any_other_stays() {
    // Layer scales, with and without the axis of rows; one factor a column; a factor that is as long as there are channels,
    // but along another axis.
    for (dims, is_folded) in
        [(&[1, 6, 1, 1][..], true), (&[6, 1, 1], true), (&[8], false), (&[1, 1, 1, 8], false), (&[1], false)]
    {
        let mut graph = network();
        let first = layers(&graph).remove(0);
        let at = graph.nodes.iter().position(|node| node.output == [first.output.clone()]).unwrap();
        graph.nodes[at].output = vec!["raw".into()];
        let scaled = node("Mul", &["raw", "scale"], "scaled", vec![]);
        graph.nodes.insert(at + 1, NodeProto { output: vec![first.output], ..scaled });
        graph.put(tensor::fp32("scale", dims, &numbers(dims.iter().product(), 9)));
        let before = outputs(&graph);
        fold(&mut graph);
        assert_eq!(graph.nodes.iter().all(|node| node.name != "scaled"), is_folded, "{dims:?}");
        assert_same(&before, &outputs(&graph));
    }
}

/// In 8 bits, as ONNX Runtime, where it is at hand, computes them: quieter than 20 dB.
fn in_8_bits(graph: &Graph, force_int8: &[&str]) -> Option<(Int8, Graph)> {
    let (made, written) = in_8_bits_with(graph, 10.0, force_int8)?;
    assert!(made.trials.last().unwrap().worst_group_sqnr_db > 20.0, "{:?}", made.trials);
    Some((made, written))
}

fn in_8_bits_with(graph: &Graph, sqnr_db_min: f64, force_int8: &[&str]) -> Option<(Int8, Graph)> {
    let inputs = Array4::from_shape_vec((16, 3, 8, 8), numbers(16 * 3 * 64, 5)).unwrap();
    let (tiles, others) = Tiles { inputs, groups: vec![0; 16] }.halves();
    in_8_bits_of(graph, sqnr_db_min, force_int8, (&tiles, &others))
}

fn in_8_bits_of(
    graph: &Graph,
    sqnr_db_min: f64,
    force_int8: &[&str],
    (tiles, others): (&Tiles, &Tiles),
) -> Option<(Int8, Graph)> {
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        let required = std::env::var_os("S2INFER_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "ORT_DYLIB_PATH names no library");
        return None;
    }
    let engine = engine::open(&EngineRequest { engine: EngineChoice::Ort, ..EngineRequest::default() }).unwrap();
    let settings = Settings {
        method: Some(Method::MinMax),
        equalise: Some(false),
        activations: Activations::Unsigned,
        weights: WeightSteps { steps: 127, per_channel: false },
        sqnr_db_min,
        keep_float: Vec::new(),
        force_int8: force_int8.iter().map(|name| (*name).to_owned()).collect(),
    };
    let made = int8(&*engine, &graph.encode(), tiles, others, &settings, &mut |_| ()).unwrap();
    let written = Graph::decode(&made.graph).unwrap();
    Some((made, written))
}

#[test]
fn what_is_multiplied_by_a_function_of_itself_is_read_back_once() {
    let Some((_, written)) = in_8_bits(&network(), &[]) else { return };
    let reads = |operator: &str, input: &str| {
        written
            .nodes
            .iter()
            .any(|node| node.op_type == operator && node.input.first().is_some_and(|name| name == input))
    };
    // GELU: x · Φ(x), whose Φ begins with a quotient. What a normalisation reads twice has no product.
    let shared: Vec<&String> =
        written.nodes.iter().filter(|node| node.op_type == "Sum").map(|node| &node.output[0]).collect();
    let [shared] = shared[..] else { panic!("{shared:?}") };
    assert!(reads("Div", shared) && reads("Mul", shared));
}

// By itself the stem is as quiet as others: what it loses is small beside its loudest channel, which says nothing. The
// normalisation gives that channel no weight.
fn network_with_a_loud_stem() -> Graph {
    let mut graph = GraphBuilder::new("small", Weights::Fp32);
    let x = graph.input("input", &[None, Some(3), Some(8), Some(8)]);
    let mut weights = numbers(6 * 27, 6);
    weights[..27].iter_mut().for_each(|weight| *weight *= 200.0);
    let weight = graph.weight("stem.weight", &[6, 3, 3, 3], &weights);
    let bias = graph.weight("stem.bias", &[6], &numbers(6, 3));
    let stem = graph.conv(&x, &weight, Some(&bias), Conv { kernel: 3, padding: 1, ..Conv::default() });
    let gamma = [0.0, 300.0, 300.0, 300.0, 300.0, 300.0];
    let normed = graph.layer_norm(&stem, ("norm.weight", &gamma), ("norm.bias", &numbers(6, 3)), 1e-6);
    let inner = conv(&mut graph, &normed, "inner", 6, 6, 1);
    let inner = graph.relu(&inner);
    let beside = conv(&mut graph, &x, "beside", 3, 6, 1);
    let beside = graph.relu(&beside);
    let sum = graph.add(&inner, &beside);
    let point = conv(&mut graph, &sum, "point", 6, 4, 1);
    let pooled = graph.global_average_pool(&point);
    let flat = graph.flatten(&pooled);
    let weight = graph.weight("head.weight", &[2, 4], &numbers(8, 1));
    let bias = graph.weight("head.bias", &[2], &[0.1, -0.1]);
    let logits = graph.linear(&flat, &weight, &bias);
    graph.output("logits", &logits, &[None, Some(2)]);
    Graph::decode(&graph.finish()).unwrap()
}

#[test]
fn a_layer_whose_noise_only_the_logits_show_goes_back() {
    let graph = network_with_a_loud_stem();
    let Some((made, _)) = in_8_bits_with(&graph, 20.0, &[]) else { return };
    let [stem, others @ ..] = &made.layers[..] else { panic!("{:?}", made.layers) };
    assert_eq!((stem.is_int8, stem.reason), (false, Some("by the logits")), "{:?}", made.trials);
    assert!(stem.sqnr_db.unwrap() > 20.0, "{stem:?}");
    assert!(others.iter().all(|layer| layer.reason != Some("by the logits")), "{others:?}");
    let decibels: Vec<f64> = made.trials.iter().map(|trial| trial.worst_group_sqnr_db).collect();
    assert!(decibels[0] < 20.0 && decibels.last().unwrap() > &(decibels[0] + 1.0), "{decibels:?}");
    // As told it stays.
    let (made, _) = in_8_bits_with(&graph, 20.0, &[&stem.name]).unwrap();
    assert!(made.layers[0].is_int8);
}

// The first tiles, by which a layer is chosen, are loud by the stem. Later ones go far beyond the ranges that were observed, and
// what lies beside the stem saturates, whatever the stem computes in.
#[test]
fn a_layer_whose_noise_only_some_tiles_show_stays() {
    let graph = network_with_a_loud_stem();
    let of = |count: usize, seed: usize, scale: f32| {
        let values = numbers(count * 3 * 64, seed).into_iter().map(|value| value * scale).collect();
        Array4::from_shape_vec((count, 3, 8, 8), values).unwrap()
    };
    let tiles = Tiles { inputs: of(16, 5, 1.0), groups: vec![0; 16] };
    let first = Tiles { inputs: of(64, 7, 1.0), groups: vec![0; 64] };
    let all = Tiles {
        inputs: concatenate(Axis(0), &[first.inputs.view(), of(64, 9, 100.0).view()]).unwrap(),
        groups: [[0; 64], [1; 64]].concat(),
    };
    for (others, goes_back) in [(&first, true), (&all, false)] {
        let Some((made, _)) = in_8_bits_of(&graph, 20.0, &[], (&tiles, others)) else { return };
        assert_eq!(made.layers[0].reason.is_some(), goes_back, "{:?} {:?}", made.layers, made.trials);
        // The few tiles chose it, and it was tried on all.
        assert!(goes_back || made.trials.len() > 2, "{:?}", made.trials);
    }
}

#[test]
fn a_last_layer_that_makes_a_map_ends_in_8_bits_and_one_that_makes_scores_does_not() {
    // So small a network is so exact that 8 bits in the last layer cost more than 1 dB: they are asked for.
    let mut names: Vec<String> = Vec::new();
    for (ending, forced) in [("map", false), ("map", true), ("enlarged", true), ("scores", false)] {
        let mut graph = GraphBuilder::new("small", Weights::Fp32);
        let x = graph.input("input", &[None, Some(3), Some(8), Some(8)]);
        let inner = conv(&mut graph, &x, "inner", 3, 6, 3);
        let inner = graph.relu(&inner);
        let last = conv(&mut graph, &inner, "last", 6, 2, 1);
        let (output, shape) = match ending {
            "map" => (last, vec![None, Some(2), Some(8), Some(8)]),
            "enlarged" => (graph.resize(&last, 2, Resampling::Nearest), vec![None, Some(2), Some(16), Some(16)]),
            _ => (graph.flatten(&last), vec![None, Some(128)]),
        };
        graph.output("logits", &output, &shape);
        let mut graph = Graph::decode(&graph.finish()).unwrap();
        // As others write graphs: without an idle node before the output.
        let idle = graph.nodes.pop().filter(|node| node.op_type == "Identity").unwrap();
        graph.nodes.last_mut().unwrap().output.clone_from(&idle.output);
        let force: Vec<&str> = names.iter().filter(|_| forced).map(String::as_str).collect();
        let Some((made, written)) = in_8_bits(&graph, &force) else { return };
        let last = made.layers.last().unwrap();
        assert_eq!((last.is_int8, last.reason.is_some()), (forced, true), "{ending}: {last:?}");
        assert_eq!(written.output(), "logits");
        let maker = &written.nodes[written.makers()["logits"]];
        assert_eq!(maker.op_type == "DequantizeLinear", forced, "{ending}: {maker:?}");
        names = vec![last.name.clone()];
    }
}

#[test]
fn moving_ranges_changes_no_output_and_spares_what_two_layers_read() {
    let graph = network();
    let norm = layers(&graph).into_iter().find(|layer| layer.weight == "point.weight").unwrap();
    let maxima = BTreeMap::from([(norm.input, vec![0.01, 0.1, 1.0, 10.0, 100.0, 1000.0])]);
    let (moved, count) = equalise(&graph, &maxima);
    // From the second convolution to the third, and out of the normalisation; the first is read twice.
    assert_eq!(count, 2);
    let changed = |name: &str| graph.floats(name) != moved.floats(name);
    assert!(changed("second.weight") && changed("third.weight") && changed("norm.weight") && changed("point.weight"));
    assert!(!changed("first.weight"));
    assert_same(&outputs(&graph), &outputs(&moved));
}

#[test]
fn sums_and_joins_are_in_8_bits_where_all_they_read_is_and_moved_values_keep_their_range() {
    let graph = network();
    let layers = layers(&graph);
    let named = |names: &[&str]| -> Vec<&Layer> {
        layers.iter().filter(|layer| names.iter().any(|name| layer.weight == format!("{name}.weight"))).collect()
    };
    let made_by = |operator: &str| {
        let node = graph.nodes.iter().find(|node| node.op_type == operator).unwrap();
        node.output[0].clone()
    };
    let all = Places::of(&graph, &named(&["first", "second", "third", "inner", "mixed"]));
    let sum = &named(&["inner"])[0].input;
    assert_ne!(&all.values[sum], sum, "what is pooled has the range of what it was pooled from");
    assert!(all.values.contains_key(&made_by("Concat")) && all.values.contains_key(&made_by("Resize")));
    assert!(!all.values.contains_key(graph.output()));
    // The sum's other operand is in floating point, so the sum is written in 8 bits nowhere.
    let few = Places::of(&graph, &named(&["second", "inner"]));
    assert!(!few.values.contains_key(&made_by("Add")) && few.values[sum] == *sum);
}
