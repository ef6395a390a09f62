//! Small ensembles: linear members that see where a pixel lies, and trees of one branch before them.
#![allow(dead_code)]

use std::path::Path;

use ndarray::Array2;
use prost::Message;
use s2infer::model::manifest::{Gate, Member, Tta};
use s2infer::model::{Golden, Manifest, Model, write_golden};
use tract_onnx::pb;

use crate::model_folders::{SIDE, encode, golden_input, int, manifest, node, tensor, value};

pub const PIXELS: usize = 4 * SIDE * SIDE;
/// Where the members by themselves turn positive.
pub const THRESHOLDS: [f32; 3] = [0.3, 0.5, 0.8];

/// The weight of a pixel of the network's input, `[4, SIDE, SIDE]`, in member `member`.
pub fn weight(member: usize, pixel: usize) -> f32 {
    ((pixel * (7 + 2 * member) + 3 * member) % 13) as f32 / 40.0 - 0.152
}

/// The logit of a member for a row.
pub fn logit(member: usize, row: &[f32]) -> f32 {
    let sum: f64 = row.iter().enumerate().map(|(pixel, x)| f64::from(weight(member, pixel)) * f64::from(*x)).sum();
    sum as f32 + 0.1 * member as f32
}

/// A member: all names are those of the other members, and its nodes have none, as ONNX allows.
pub fn member_graph(member: usize) -> pb::GraphProto {
    let weights: Vec<f32> = (0..PIXELS).map(|pixel| weight(member, pixel)).collect();
    let nodes = [
        node("Flatten", &["input"], "f", vec![int("axis", 1)]),
        node("Gemm", &["f", "fc.weight", "fc.bias"], "logits", vec![int("transB", 1)]),
    ];
    pb::GraphProto {
        name: "member".into(),
        node: nodes.map(|node| pb::NodeProto { name: String::new(), ..node }).to_vec(),
        initializer: vec![
            tensor("fc.weight", &[1, PIXELS as i64], &weights),
            tensor("fc.bias", &[1], &[0.1 * member as f32]),
        ],
        input: vec![value("input", &[-1, 4, SIDE as i64, SIDE as i64])],
        output: vec![value("logits", &[-1, 1])],
        ..Default::default()
    }
}

pub fn key(member: usize) -> String {
    format!("member-{:02}", member + 1)
}

/// A manifest of three members.
pub fn ensemble_manifest() -> Manifest {
    let members = THRESHOLDS.iter().enumerate();
    let members = members.map(|(member, threshold)| Member { model: key(member), threshold: *threshold }).collect();
    Manifest { members, tta: Tta::D4, ..manifest() }
}

/// What the members make of the golden input, computed here.
pub fn ensemble_golden() -> Golden {
    let input = golden_input();
    let rows: Vec<f32> = input.iter().copied().collect();
    let output =
        Array2::from_shape_fn((2, THRESHOLDS.len()), |(row, member)| logit(member, &rows[row * PIXELS..][..PIXELS]));
    Golden { input, output: output.into_dyn() }
}

/// Everything but the manifest.
pub fn write_files(folder: &Path, members: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for member in 0..members {
        std::fs::write(folder.join(format!("{}.onnx", key(member))), encode(member_graph(member))).unwrap();
    }
    std::fs::write(folder.join("card.md"), "# A test\n").unwrap();
    write_golden(&folder.join("golden.safetensors"), &ensemble_golden()).unwrap();
}

/// A complete folder.
pub fn write_ensemble(folder: &Path, manifest: &Manifest) -> s2infer::Result<Model> {
    write_files(folder, THRESHOLDS.len());
    if manifest.gate.is_some() {
        // The mean of the first band, standardised: 0.02 below a reflectance of 0.1, 0.9 from there on.
        std::fs::write(folder.join("prefilter.onnx"), stump(0, 0.0, [0.02, 0.9])).unwrap();
    }
    s2infer::model::seal(folder, manifest)
}

pub fn gate() -> Gate {
    Gate::new("prefilter", 0.1, 150, 0.95)
}

pub fn list(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: 7, ints: values.to_vec(), ..Default::default() }
}

pub fn floats(name: &str, values: &[f32]) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: 6, floats: values.to_vec(), ..Default::default() }
}

pub fn word(name: &str, value: &str) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: 3, s: value.into(), ..Default::default() }
}

/// Attributes of one tree of one branch: `leaves[0]` where the feature is at most `threshold`.
pub fn stump_attributes(feature: i64, threshold: f32, leaves: [f32; 2]) -> Vec<pb::AttributeProto> {
    let modes = ["BRANCH_LEQ", "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec()).to_vec();
    vec![
        list("nodes_treeids", &[0, 0, 0]),
        list("nodes_nodeids", &[0, 1, 2]),
        list("nodes_featureids", &[feature, 0, 0]),
        floats("nodes_values", &[threshold, 0.0, 0.0]),
        pb::AttributeProto { name: "nodes_modes".into(), r#type: 8, strings: modes, ..Default::default() },
        list("nodes_truenodeids", &[1, 0, 0]),
        list("nodes_falsenodeids", &[2, 0, 0]),
        list("target_treeids", &[0, 0]),
        list("target_nodeids", &[1, 2]),
        list("target_ids", &[0, 0]),
        floats("target_weights", &leaves),
        int("n_targets", 1),
        word("post_transform", "NONE"),
    ]
}

/// A file of one tree ensemble with these attributes.
pub fn tree_file(attributes: Vec<pb::AttributeProto>) -> Vec<u8> {
    let trees =
        pb::NodeProto { domain: "ai.onnx.ml".into(), ..node("TreeEnsembleRegressor", &["rows"], "score", attributes) };
    let graph = pb::GraphProto {
        name: "trees".into(),
        node: vec![trees],
        input: vec![value("rows", &[-1, 28])],
        output: vec![value("score", &[-1, 1])],
        ..Default::default()
    };
    let sets = [("", 17), ("ai.onnx.ml", 3)];
    let sets = sets.map(|(domain, version)| pb::OperatorSetIdProto { domain: domain.into(), version });
    pb::ModelProto { ir_version: 8, opset_import: sets.to_vec(), graph: Some(graph), ..Default::default() }
        .encode_to_vec()
}

pub fn stump(feature: i64, threshold: f32, leaves: [f32; 2]) -> Vec<u8> {
    tree_file(stump_attributes(feature, threshold, leaves))
}
