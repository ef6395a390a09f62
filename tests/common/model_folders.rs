//! Small valid models, built from the protobuf types and written as complete model folders.
#![allow(dead_code)]

use std::path::Path;

use ndarray::{Array2, Array4, Axis};
use prost::Message;
use s2infer::model::manifest::{About, Band, DnDefault, Head, Padding, Precision, Tta, WeightsStorage};
use s2infer::model::{Golden, Manifest, Model, seal, write_golden};
use tract_onnx::pb;

pub const BANDS: [&str; 4] = ["B04", "B03", "B02", "B08"];
pub const SIDE: usize = 8;
const FLOAT: i32 = 1;
const FLOAT16: i32 = 10;

pub fn manifest() -> Manifest {
    Manifest {
        item: serde_json::Value::Null,
        name: "test-model".into(),
        architecture: "LogisticRegression".into(),
        bands: BANDS
            .iter()
            .enumerate()
            .map(|(i, name)| Band {
                name: (*name).into(),
                mean: 0.1 + 0.01 * i as f32,
                standard_deviation: 0.05,
                training: None,
                substitutes: Vec::new(),
                expression: None,
            })
            .collect(),
        units: Default::default(),
        tile_px: SIDE as u32,
        precision: Precision::Fp32,
        weights_storage: WeightsStorage::Fp32,
        classes: vec!["other".into(), "construction".into()],
        ignored_classes: Vec::new(),
        head: Head::Binary,
        tta: Tta::None,
        temperature: 1.0,
        clip: Some([0.0, 0.275]),
        minimum_valid_share: 0.5,
        overlap_px: 0,
        padding: Padding::Refuse,
        dn_defaults: [("uint16".to_string(), DnDefault { dn_scale: 1e-4, dn_offset: 0.0, nodata: Some(0.0) })].into(),
        preprocessing_version: "1".into(),
        processing_level: None,
        resolution_m: None,
        pixel_threshold: None,
        members: Vec::new(),
        view_agreement_minimum: None,
        gate: None,
        golden_tolerance: 1e-4,
        assets: Vec::new(),
        about: About { description: "A test.".into(), created: "2026-01-31T12:00:00Z".into(), ..About::default() },
    }
}

pub fn tensor(name: &str, dims: &[i64], values: &[f32]) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: FLOAT,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Default::default()
    }
}

pub fn half_tensor(name: &str, dims: &[i64], values: &[f32]) -> pb::TensorProto {
    pb::TensorProto {
        data_type: FLOAT16,
        raw_data: values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        ..tensor(name, dims, &[])
    }
}

pub fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<pb::AttributeProto>) -> pb::NodeProto {
    pb::NodeProto {
        name: output.into(),
        op_type: op.into(),
        input: inputs.iter().map(|s| (*s).into()).collect(),
        output: vec![output.into()],
        attribute: attributes,
        ..Default::default()
    }
}

pub fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: 2, i: value, ..Default::default() }
}

pub fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: 7, ints: values.to_vec(), ..Default::default() }
}

/// A float value; -1 stands for the symbol `batch`.
pub fn value(name: &str, dims: &[i64]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |&d: &i64| Dimension {
        value: Some(if d < 0 { Value::DimParam("batch".into()) } else { Value::DimValue(d) }),
        ..Default::default()
    };
    let shape = pb::TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: FLOAT, shape: Some(shape) };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}

pub fn model_of(graph: pb::GraphProto) -> pb::ModelProto {
    pb::ModelProto {
        ir_version: 8,
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: 17 }],
        producer_name: "s2infer-tests".into(),
        graph: Some(graph),
        ..Default::default()
    }
}

/// Convolution, ReLU, mean over the window, one fully connected layer: `logits` is `[batch, 1]`.
pub fn small_graph() -> pb::GraphProto {
    let weights: Vec<f32> = (0..4 * 4 * 9).map(|i| ((i * 37 % 19) as f32 - 9.0) / 20.0).collect();
    pb::GraphProto {
        name: "small".into(),
        node: vec![
            node(
                "Conv",
                &["input", "conv.weight", "conv.bias"],
                "c",
                vec![
                    ints("kernel_shape", &[3, 3]),
                    ints("strides", &[1, 1]),
                    ints("pads", &[1, 1, 1, 1]),
                    int("group", 1),
                ],
            ),
            node("Relu", &["c"], "r", vec![]),
            node("GlobalAveragePool", &["r"], "p", vec![]),
            node("Flatten", &["p"], "f", vec![int("axis", 1)]),
            node("Gemm", &["f", "fc.weight", "fc.bias"], "logits", vec![int("transB", 1)]),
        ],
        initializer: vec![
            tensor("conv.weight", &[4, 4, 3, 3], &weights),
            tensor("conv.bias", &[4], &[0.1, -0.1, 0.2, 0.0]),
            tensor("fc.weight", &[1, 4], &[1.0, -1.0, 0.5, 0.25]),
            tensor("fc.bias", &[1], &[0.5]),
        ],
        input: vec![value("input", &[-1, 4, SIDE as i64, SIDE as i64])],
        output: vec![value("logits", &[-1, 1])],
        ..Default::default()
    }
}

/// Mean over the window and one fully connected layer, simple enough to compute here as well.
pub fn linear_graph() -> pb::GraphProto {
    pb::GraphProto {
        name: "linear".into(),
        node: vec![
            node("GlobalAveragePool", &["input"], "p", vec![]),
            node("Flatten", &["p"], "f", vec![int("axis", 1)]),
            node("Gemm", &["f", "fc.weight", "fc.bias"], "logits", vec![int("transB", 1)]),
        ],
        initializer: vec![tensor("fc.weight", &[1, 4], &[1.0, -1.0, 0.5, 0.25]), tensor("fc.bias", &[1], &[0.5])],
        input: vec![value("input", &[-1, 4, SIDE as i64, SIDE as i64])],
        output: vec![value("logits", &[-1, 1])],
        ..Default::default()
    }
}

/// Two windows of a fixed pattern.
pub fn golden_input() -> Array4<f32> {
    Array4::from_shape_fn((2, 4, SIDE, SIDE), |(n, c, y, x)| ((n * 7 + c * 5 + y * 3 + x) % 11) as f32 / 5.0 - 1.0)
}

/// The golden batch of [`linear_graph`], by hand.
pub fn linear_golden() -> Golden {
    let input = golden_input();
    let mut output = Array2::zeros((2, 1));
    for (n, window) in input.axis_iter(Axis(0)).enumerate() {
        let mean = |c: usize| window.index_axis(Axis(0), c).mean().unwrap();
        output[[n, 0]] = mean(0) - mean(1) + 0.5 * mean(2) + 0.25 * mean(3) + 0.5;
    }
    Golden { input, output: output.into_dyn() }
}

/// The golden batch of [`small_graph`], by hand.
pub fn small_golden() -> Golden {
    let graph = small_graph();
    let values = |index: usize| -> Vec<f32> {
        let raw: &[u8] = &graph.initializer[index].raw_data;
        raw.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    let (weights, bias, fc) = (values(0), values(1), values(2));
    let input = golden_input();
    let mut output = Array2::from_elem((2, 1), 0.5f32);
    for n in 0..2 {
        for o in 0..4 {
            let mut sum = 0.0;
            for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
                let mut value = bias[o];
                for (c, ky, kx) in (0..4 * 9).map(|i| (i / 9, i / 3 % 3, i % 3)) {
                    let pixel = (y + ky).checked_sub(1).zip((x + kx).checked_sub(1));
                    let pixel = pixel.and_then(|(y, x)| input.get([n, c, y, x]));
                    value += pixel.copied().unwrap_or(0.0) * weights[((o * 4 + c) * 3 + ky) * 3 + kx];
                }
                sum += value.max(0.0);
            }
            output[[n, 0]] += fc[o] * sum / (SIDE * SIDE) as f32;
        }
    }
    Golden { input, output: output.into_dyn() }
}

/// Writes a complete folder around `onnx`; its golden output is that of [`linear_graph`].
pub fn write_folder(folder: &Path, manifest: &Manifest, onnx: &[u8]) -> s2infer::Result<Model> {
    write_folder_with(folder, manifest, onnx, &linear_golden())
}

/// Writes a complete folder around `onnx` with this golden batch.
pub fn write_folder_with(folder: &Path, manifest: &Manifest, onnx: &[u8], golden: &Golden) -> s2infer::Result<Model> {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.onnx"), onnx).unwrap();
    std::fs::write(folder.join("card.md"), "# A test\n").unwrap();
    write_golden(&folder.join("golden.safetensors"), golden)?;
    seal(folder, manifest)
}

pub fn encode(graph: pb::GraphProto) -> Vec<u8> {
    model_of(graph).encode_to_vec()
}
