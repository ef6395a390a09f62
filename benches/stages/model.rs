//! A model to time: ResNet-18 with weights from a counter, as `scripts/peers/resnet.py` writes it, and its manifest.

use std::path::PathBuf;

use prost::Message;
use s2infer::infer::engine::{self, Engine, EngineChoice, EngineRequest};
use s2infer::model::Manifest;
use tract_onnx::pb;

#[path = "../../tests/common/model_folders.rs"]
mod model_folders;

use model_folders::{int, ints, model_of, node, tensor, value};

pub const SIDE_PX: usize = 64;
/// The program's own batch for many tiles of this size.
pub const BATCH_ROWS: usize = 32;

/// The manifest of the tests, for tiles of 64 x 64.
pub fn manifest() -> Manifest {
    Manifest { tile_px: SIDE_PX as u32, ..model_folders::manifest() }
}

/// Every engine that is here, by name. ONNX Runtime is looked for as the program does.
pub fn engines() -> Vec<(&'static str, Box<dyn Engine>)> {
    let installed = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.ort")).into_iter().flatten().flatten();
    let library: Option<PathBuf> =
        installed.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("libonnxruntime.so"));
    let openvino = std::env::var_os("OPENVINO_LIB_PATH").map(PathBuf::from);
    let openvino = openvino.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/.openvino").into());
    let open = |engine, ort_lib, openvino_lib| {
        engine::open(&EngineRequest { engine, ort_lib, openvino_lib, sessions: 1, ..EngineRequest::default() })
    };
    let candidates = [
        ("ONNX Runtime", open(EngineChoice::Ort, library, None)),
        ("OpenVINO", open(EngineChoice::OpenVino, None, Some(openvino))),
        ("tract", open(EngineChoice::Tract, None, None)),
    ];
    candidates.into_iter().filter_map(|(name, engine)| Some((name, engine.ok()?))).collect()
}

/// ResNet-18 for four bands: `[n, 4, 64, 64]` to `[n, 1]`.
pub fn resnet18() -> Vec<u8> {
    let mut network = Network::default();
    let mut at = network.convolution("input", 4, 64, 7, 2);
    at = network.add("Relu", &[&at], vec![]);
    at = network.add(
        "MaxPool",
        &[&at],
        vec![ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), ints("pads", &[1; 4])],
    );
    let mut channels = 64;
    for width in [64, 128, 256, 512] {
        at = network.block(&at, channels, width, if width == 64 { 1 } else { 2 });
        at = network.block(&at, width, width, 1);
        channels = width;
    }
    at = network.add("GlobalAveragePool", &[&at], vec![]);
    at = network.add("Flatten", &[&at], vec![int("axis", 1)]);
    let (weight, bias) = (network.weight(&[1, channels], 0.05), network.weight(&[1], 0.0));
    network.nodes.push(node("Gemm", &[&at, &weight, &bias], "logits", vec![int("transB", 1)]));
    let graph = pb::GraphProto {
        name: "resnet18".into(),
        node: network.nodes,
        initializer: network.weights,
        input: vec![value("input", &[-1, 4, SIDE_PX as i64, SIDE_PX as i64])],
        output: vec![value("logits", &[-1, 1])],
        ..Default::default()
    };
    model_of(graph).encode_to_vec()
}

#[derive(Default)]
struct Network {
    nodes: Vec<pb::NodeProto>,
    weights: Vec<pb::TensorProto>,
}

impl Network {
    fn add(&mut self, operator: &str, inputs: &[&str], attributes: Vec<pb::AttributeProto>) -> String {
        let output = format!("value{}", self.nodes.len());
        self.nodes.push(node(operator, inputs, &output, attributes));
        output
    }

    /// Values between −`scale` and `scale` that repeat after a prime number of steps.
    fn weight(&mut self, dims: &[i64], scale: f32) -> String {
        let name = format!("weight{}", self.weights.len());
        let count: i64 = dims.iter().product();
        let values: Vec<f32> =
            (0..count).map(|index| ((index * 7919 % 10_007) as f32 / 5003.0 - 1.0) * scale).collect();
        self.weights.push(tensor(&name, dims, &values));
        name
    }

    fn convolution(&mut self, input: &str, from: i64, to: i64, kernel: i64, stride: i64) -> String {
        let scale = (2.0 / (from * kernel * kernel) as f32).sqrt();
        let (weight, bias) = (self.weight(&[to, from, kernel, kernel], scale), self.weight(&[to], 0.01));
        let attributes = vec![
            ints("kernel_shape", &[kernel, kernel]),
            ints("strides", &[stride, stride]),
            ints("pads", &[kernel / 2; 4]),
        ];
        self.add("Conv", &[input, &weight, &bias], attributes)
    }

    fn block(&mut self, input: &str, from: i64, to: i64, stride: i64) -> String {
        let long = self.convolution(input, from, to, 3, stride);
        let long = self.add("Relu", &[&long], vec![]);
        let long = self.convolution(&long, to, to, 3, 1);
        let short = if from == to { input.to_owned() } else { self.convolution(input, from, to, 1, stride) };
        let sum = self.add("Add", &[&long, &short], vec![]);
        self.add("Relu", &[&sum], vec![])
    }
}
