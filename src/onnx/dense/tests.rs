use ndarray::{Array4, ArrayD};
use tract_onnx::pb::tensor_proto::DataType;

use super::*;
use crate::infer::engine::{self, EngineChoice, EngineRequest, Network};
use crate::onnx::builder::int;
use crate::onnx::graph::{Graph, node};
use crate::onnx::{Conv, GraphBuilder, Weights, tensor};

const CHANNELS: [usize; 2] = [3, 5];

/// A convolution with a bias, and a rectifier behind it, on maps of `side` pixels.
fn convolution(how: Conv, side: usize) -> Vec<u8> {
    let [inputs, outputs] = CHANNELS;
    let mut graph = GraphBuilder::new("small", Weights::Fp32);
    let x = graph.input("input", &[None, Some(inputs), Some(side), Some(side)]);
    let count = outputs * inputs / how.groups * how.kernel * how.kernel;
    let values: Vec<f32> = (0..count).map(|index| (index * 37 % 19) as f32 / 19.0 - 0.4).collect();
    let weight = graph.weight("weight", &[outputs, inputs / how.groups, how.kernel, how.kernel], &values);
    let bias = graph.weight("bias", &[outputs], &[0.1, -0.2, 0.3, 0.0, 0.5]);
    let y = graph.conv(&x, &weight, Some(&bias), how);
    let y = graph.relu(&y);
    graph.output("logits", &y, &[None, Some(outputs), None, None]);
    graph.finish()
}

fn input(side: usize) -> Array4<f32> {
    Array4::from_shape_fn((4, CHANNELS[0], side, side), |(n, c, y, x)| {
        ((n * 31 + c * 17 + y * 7 + x * 3) % 13) as f32 / 13.0 - 0.5
    })
}

fn run(graph: &[u8], side: usize, engine: EngineChoice) -> ArrayD<f32> {
    let request = EngineRequest { engine, ..EngineRequest::default() };
    let engine = engine::open(&request).unwrap();
    let network = Network::fp32(graph, [CHANNELS[0], side, side]);
    engine.session(network, 4).unwrap().run(input(side).view()).unwrap()
}

/// By ONNX Runtime as the graph stands, without products.
fn run_as_it_stands(graph: &[u8], side: usize) -> ArrayD<f32> {
    let request = EngineRequest { engine: EngineChoice::Ort, ..EngineRequest::default() };
    let engine = engine::open(&request).unwrap();
    let mut probe = engine.probe(Network::fp32(graph, [CHANNELS[0], side, side])).unwrap();
    probe.run(input(side).view()).unwrap().remove(0)
}

/// Whether ONNX Runtime is there; where everything is required it has to be.
fn has_onnx_runtime() -> bool {
    let is_named = std::env::var_os("ORT_DYLIB_PATH").is_some();
    let required = std::env::var_os("S2INFER_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(is_named || !required, "ORT_DYLIB_PATH names no library");
    is_named
}

#[test]
fn convolutions_on_maps_smaller_than_the_kernel_become_products_of_the_same_value() {
    for (kernel, stride, padding, side) in
        [(3, 1, 1, 2), (3, 1, 1, 1), (3, 2, 1, 2), (2, 1, 0, 2), (3, 1, 0, 3), (5, 1, 2, 2)]
    {
        let graph = convolution(Conv { kernel, stride, padding, groups: 1 }, side);
        let written = dense(&graph, [CHANNELS[0], side, side], Integers::QGemm).unwrap();
        assert_eq!(operators(&written)[..3], ["Reshape", "Gemm", "Reshape"], "kernel {kernel} on {side}");
        let [expected, actual] = [&graph[..], &written].map(|graph| run(graph, side, EngineChoice::Tract));
        assert_same(&expected, &actual, &format!("kernel {kernel} on {side}"));
    }
}

fn operators(graph: &[u8]) -> Vec<String> {
    Graph::decode(graph).unwrap().nodes.into_iter().map(|node| node.op_type).collect()
}

#[track_caller]
fn assert_same(expected: &ArrayD<f32>, actual: &ArrayD<f32>, what: &str) {
    assert_eq!(expected.shape(), actual.shape(), "{what}");
    for (expected, actual) in expected.iter().zip(actual) {
        assert!((expected - actual).abs() < 1e-5, "{what}: {expected} and {actual}");
    }
}

/// `graph` with its weight and bias as integers: of each output by its own scale, or all by one, the bias in steps of
/// `bias_step` times that. Beside it the graph with what these integers mean.
fn in_integers(graph: &[u8], is_by_output: bool, bias_step: f32) -> (Vec<u8>, Vec<u8>) {
    let [_, outputs] = CHANNELS;
    let mut graph = Graph::decode(graph).unwrap();
    let scales: Vec<f32> =
        (0..outputs).map(|output| if is_by_output { 0.01 + 0.003 * output as f32 } else { 0.01 }).collect();
    let names: Vec<String> = graph.nodes[0].input.clone();
    let mut read_back = graph.clone();
    for name in &names[1..] {
        let floats = graph.floats(name).unwrap();
        let an_output = floats.values.len() / outputs;
        let kernel = floats.dims.len() == 4;
        let scales: Vec<f32> = scales.iter().map(|scale| scale * if kernel { 1.0 } else { bias_step }).collect();
        let scale = |index: usize| scales[index / an_output];
        let steps: Vec<i32> =
            floats.values.iter().enumerate().map(|(index, value)| (value / scale(index)).round() as i32).collect();
        let values: Vec<f32> = steps.iter().enumerate().map(|(index, step)| *step as f32 * scale(index)).collect();
        read_back.put(tensor::fp32(name, &floats.dims, &values));
        let stored = format!("{name}/quantized");
        match kernel {
            true => graph.put(tensor::int8(
                &stored,
                &floats.dims,
                &steps.iter().map(|step| *step as i8).collect::<Vec<_>>(),
            )),
            false => graph.put(tensor::int32(&stored, &floats.dims, &steps)),
        }
        let (n, zero) = if is_by_output { (&[outputs][..], format!("{name}/zero")) } else { (&[][..], String::new()) };
        let scale = format!("{name}/scale");
        graph.put(tensor::fp32(&scale, n, &scales[..n.iter().product()]));
        graph.constants.remove(name);
        let mut read = vec![stored.as_str(), scale.as_str()];
        if kernel && is_by_output {
            graph.put(tensor::int8(&zero, n, &vec![0; outputs]));
            read.push(&zero);
        }
        graph.nodes.insert(0, node("DequantizeLinear", &read, name, vec![int("axis", 0)]));
    }
    (graph.encode(), read_back.encode())
}

#[test]
fn in_8_bits_the_weights_stay_integers_and_every_output_keeps_its_scale() {
    if !has_onnx_runtime() {
        return;
    }
    for (is_by_output, stride) in [(true, 1), (true, 2), (false, 1)] {
        let how = Conv { kernel: 3, stride, padding: 1, groups: 1 };
        let (integers, floats) = in_integers(&convolution(how, 2), is_by_output, 1.0);
        let input = [CHANNELS[0], 2, 2];
        // Nothing rounds what it makes to 8 bits.
        assert!(matches!(dense(&integers, input, Integers::QGemm).unwrap(), Cow::Borrowed(_)));
        let written = dense(&integers, input, Integers::Gemm).unwrap();
        let operators = operators(&written);
        assert_eq!(operators[..5], ["DequantizeLinear", "DequantizeLinear", "Reshape", "Gemm", "Reshape"]);
        let parts = Parts::decode(&written).unwrap();
        let bytes = parts.weights.iter().filter(|found| found.tensor.data_type == DataType::Int8 as i32);
        let area = 4 / (stride * stride);
        assert!(
            bytes.map(|found| found.raw.stored().len()).any(|length| length == 4 * area * CHANNELS[0] * CHANNELS[1])
        );
        let (expected, actual) = (run(&floats, 2, EngineChoice::Tract), run(&written, 2, EngineChoice::Ort));
        assert_same(&expected, &actual, &format!("scales by output: {is_by_output}, stride {stride}"));
    }
}

/// How values lie in 8 bits.
#[derive(Clone, Copy)]
struct Values {
    scale: f32,
    zero_point: u8,
}

const BEFORE: Values = Values { scale: 0.004, zero_point: 128 };
const AFTER: Values = Values { scale: 0.003, zero_point: 0 };

/// A graph of [`in_integers`] whose convolution reads values in 8 bits, and whose rectifier's are rounded to them.
fn between_8_bits(integers: &[u8], before: Values, after: Values) -> Vec<u8> {
    let mut graph = Graph::decode(integers).unwrap();
    let place = |graph: &Graph, operator: &str| graph.nodes.iter().position(|node| node.op_type == operator).unwrap();
    for (operator, Values { scale, zero_point }) in [("Conv", before), ("Identity", after)] {
        let reader = place(&graph, operator);
        let value = graph.nodes[reader].input[0].clone();
        let [rounded, read, steps, zero] =
            ["rounded", "read", "steps", "zero"].map(|what| format!("{operator}/{what}"));
        graph.put(tensor::fp32(&steps, &[], &[scale]));
        graph.put(tensor::uint8(&zero, &[], &[zero_point]));
        graph.nodes[reader].input[0] = read.clone();
        graph.nodes.insert(reader, node("DequantizeLinear", &[&rounded, &steps, &zero], &read, vec![]));
        graph.nodes.insert(reader, node("QuantizeLinear", &[&value, &steps, &zero], &rounded, vec![]));
    }
    graph.encode()
}

#[test]
fn between_values_in_8_bits_the_product_has_the_bits_of_the_convolution() {
    if !has_onnx_runtime() {
        return;
    }
    for (kernel, stride, padding, side, is_by_output) in
        [(3, 1, 1, 2, true), (3, 2, 1, 2, true), (3, 1, 1, 2, false), (2, 1, 0, 2, true), (5, 1, 2, 2, false)]
    {
        let graph = convolution(Conv { kernel, stride, padding, groups: 1 }, side);
        let graph = between_8_bits(&in_integers(&graph, is_by_output, BEFORE.scale).0, BEFORE, AFTER);
        let written = dense(&graph, [CHANNELS[0], side, side], Integers::QGemm).unwrap();
        let what = format!("kernel {kernel} on {side}, scales by output: {is_by_output}");
        assert!(!operators(&written).iter().any(|operator| operator == "Conv"), "{what}");
        assert!(operators(&written).iter().any(|operator| operator == "QGemm"), "{what}");
        let (expected, actual) = (run_as_it_stands(&graph, side), run_as_it_stands(&written, side));
        assert!(expected.iter().any(|value| *value != expected[[0, 0, 0, 0]]), "{what}");
        assert_eq!(expected, actual, "{what}");
    }
}

#[test]
fn names_that_the_graph_has_already_are_not_taken_again() {
    let graph = convolution(Conv { kernel: 3, stride: 1, padding: 1, groups: 1 }, 2);
    let integers = between_8_bits(&in_integers(&graph, true, BEFORE.scale).0, BEFORE, AFTER);
    for (graph, integers) in [(&graph, Integers::Gemm), (&integers, Integers::QGemm)] {
        let written = dense(graph, [CHANNELS[0], 2, 2], integers).unwrap();
        let made: Vec<String> = Parts::decode(&written).unwrap().graph.node.into_iter().map(|node| node.name).collect();
        let ours: Vec<&String> = made.iter().filter(|name| name.starts_with("s2infer/")).collect();
        assert!(!ours.is_empty(), "{made:?}");
        // A graph that uses such a name for something of its own.
        let mut taken = Graph::decode(graph).unwrap();
        taken.nodes.push(node("Abs", &[taken.input()], ours[0], vec![]));
        taken.set_outputs(["logits".to_owned(), ours[0].clone()]);
        let written = Parts::decode(&dense(&taken.encode(), [CHANNELS[0], 2, 2], integers).unwrap()).unwrap().encode();
        let mut names: Vec<String> =
            Graph::decode(&written).unwrap().nodes.into_iter().flat_map(|node| node.output).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");
    }
}

#[test]
fn a_layer_in_floating_point_among_values_in_8_bits_stays_a_convolution_on_onnx_runtime() {
    let graph = convolution(Conv { kernel: 3, stride: 1, padding: 1, groups: 1 }, 2);
    let graph = between_8_bits(&graph, BEFORE, AFTER);
    assert!(matches!(dense(&graph, [CHANNELS[0], 2, 2], Integers::QGemm).unwrap(), Cow::Borrowed(_)));
}

#[test]
fn what_onnx_runtime_would_not_take_for_an_integer_layer_stays_a_convolution() {
    let graph = convolution(Conv { kernel: 3, stride: 1, padding: 1, groups: 1 }, 2);
    let stays = |graph: &[u8]| matches!(dense(graph, [CHANNELS[0], 2, 2], Integers::QGemm).unwrap(), Cow::Borrowed(_));
    let integers = in_integers(&graph, true, BEFORE.scale).0;
    assert!(!stays(&between_8_bits(&integers, BEFORE, AFTER)));
    // The rectifier cuts off at 0, rounding at -30 steps.
    assert!(stays(&between_8_bits(&integers, BEFORE, Values { zero_point: 30, ..AFTER })));
    // Its bias is not in steps of input and weights.
    assert!(stays(&between_8_bits(&in_integers(&graph, true, 1.01 * BEFORE.scale).0, BEFORE, AFTER)));
    // Something else reads what the convolution makes.
    let mut read_twice = Graph::decode(&between_8_bits(&integers, BEFORE, AFTER)).unwrap();
    let conv = read_twice.nodes.iter().find(|node| node.op_type == "Conv").unwrap().output[0].clone();
    read_twice.nodes.push(node("Abs", &[&conv], "beside", vec![]));
    read_twice.set_outputs(["logits".to_owned(), "beside".to_owned()]);
    assert!(stays(&read_twice.encode()));
    // Its values have a sign.
    let mut signed = Graph::decode(&between_8_bits(&integers, BEFORE, AFTER)).unwrap();
    for operator in ["Conv", "Identity"] {
        signed.put(tensor::int8(&format!("{operator}/zero"), &[], &[-128]));
    }
    assert!(stays(&signed.encode()));
}

#[test]
fn larger_maps_and_1_by_1_kernels_stay_as_they_are() {
    for (kernel, padding, side) in [(3, 1, 4), (3, 1, 3), (1, 0, 1), (1, 0, 2)] {
        let graph = convolution(Conv { kernel, stride: 1, padding, groups: 1 }, side);
        let written = dense(&graph, [CHANNELS[0], side, side], Integers::Gemm).unwrap();
        assert!(matches!(written, Cow::Borrowed(_)), "kernel {kernel} on {side}");
    }
}

#[test]
fn networks_of_large_tiles_stay_as_they_are() {
    for (side, stays) in [(128, false), (160, true)] {
        let mut graph = GraphBuilder::new("large", Weights::Fp32);
        let x = graph.input("input", &[None, Some(1), Some(side), Some(side)]);
        let one = graph.weight("one", &[1, 1, 1, 1], &[1.0]);
        let small = graph.conv(&x, &one, None, Conv { kernel: 1, stride: side, padding: 0, groups: 1 });
        let weight = graph.weight("weight", &[1, 1, 3, 3], &[0.5; 9]);
        let y = graph.conv(&small, &weight, None, Conv { kernel: 3, stride: 1, padding: 1, groups: 1 });
        graph.output("logits", &y, &[None, Some(1), None, None]);
        let graph = graph.finish();
        let written = dense(&graph, [1, side, side], Integers::Gemm).unwrap();
        assert_eq!(matches!(written, Cow::Borrowed(_)), stays, "{side} pixels");
    }
}

#[test]
fn an_operator_set_older_than_the_operators_that_are_written_stays_as_it_is() {
    let graph = convolution(Conv { kernel: 3, stride: 1, padding: 1, groups: 1 }, 2);
    let mut older = Parts::decode(&graph).unwrap();
    older.model.opset_import[0].version = 11;
    let older = older.encode();
    assert!(matches!(dense(&older, [CHANNELS[0], 2, 2], Integers::Gemm).unwrap(), Cow::Borrowed(_)));
}

#[test]
fn weights_of_other_dimensions_than_their_place_asks_for_are_left_to_the_engine_to_refuse() {
    let graph = convolution(Conv { kernel: 3, stride: 1, padding: 1, groups: 1 }, 2);
    let mut wrong = Parts::decode(&graph).unwrap();
    for Initialiser { tensor, .. } in &mut wrong.weights {
        if tensor.dims.len() == 4 {
            tensor.dims = vec![tensor.dims[0], 1, 9, 3];
        }
    }
    let wrong = wrong.encode();
    assert!(matches!(dense(&wrong, [CHANNELS[0], 2, 2], Integers::Gemm).unwrap(), Cow::Borrowed(_)));
}
