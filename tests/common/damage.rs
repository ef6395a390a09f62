//! Ways to damage a model file. Each has a name, what it makes of the small graph, and a part of the
//! message that must refuse it (empty: it may also pass the scan).

use prost::Message;
use tract_onnx::pb;

use crate::folders::*;

pub struct Damage {
    pub name: String,
    pub bytes: Vec<u8>,
    pub message: &'static str,
}

type Edit = fn(&mut pb::GraphProto);

fn insert(graph: &mut pb::GraphProto, node: pb::NodeProto) {
    // Between the convolution and the ReLU: takes "c", gives "c2".
    graph.node.insert(1, node);
    graph.node[2].input[0] = "c2".into();
}

fn long(name: &str, values: &[i64]) -> pb::TensorProto {
    pb::TensorProto {
        data_type: 7,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..tensor(name, &[values.len() as i64], &[])
    }
}

fn entry(key: &str, value: &str) -> pb::StringStringEntryProto {
    pb::StringStringEntryProto { key: key.into(), value: value.into() }
}

fn external(graph: &mut pb::GraphProto, place: &str) {
    let tensor = &mut graph.initializer[0];
    tensor.raw_data.clear();
    tensor.data_location = Some(1);
    tensor.external_data = vec![entry("location", place), entry("offset", "0")];
}

const EDITS: &[(&str, Edit, &str)] = &[
    ("external_parent", |g| external(g, "../../etc/passwd"), "outside the file"),
    ("external_absolute", |g| external(g, "/etc/passwd"), "outside the file"),
    ("external_hidden_parent", |g| external(g, "x/../../y"), "outside the file"),
    ("external_link", |g| external(g, "link-to-elsewhere"), "outside the file"),
    (
        "external_entries_without_location",
        |g| g.initializer[0].external_data = vec![entry("location", "weights.bin")],
        "outside the file",
    ),
    ("location_unknown", |g| g.initializer[0].data_location = Some(7), "outside the file"),
    ("dim_negative", |g| g.initializer[0].dims[0] = -4, "below zero"),
    ("dims_overflow", |g| g.initializer[0].dims = vec![i64::MAX, i64::MAX], "below zero or more than"),
    ("dims_wrap_to_right_size", |g| g.initializer[1].dims = vec![1 << 62, 4, 4], "below zero or more than"),
    ("dims_too_many", |g| g.initializer[1].dims = vec![1; 200], "dimensions are more than"),
    ("raw_data_short", |g| g.initializer[0].raw_data.truncate(100), "bytes of data"),
    ("raw_data_long", |g| g.initializer[0].raw_data.extend([0; 4]), "bytes of data"),
    ("raw_data_missing", |g| g.initializer[0].raw_data.clear(), "bytes of data"),
    ("data_in_two_fields", |g| g.initializer[1].float_data = vec![0.0; 4], "more than one field"),
    ("type_unknown", |g| g.initializer[0].data_type = 99, "element type 99"),
    ("type_string", |g| g.initializer[0].data_type = 8, "element type 8"),
    ("weights_nan", |g| g.initializer[3].raw_data = f32::NAN.to_le_bytes().into(), "NaN"),
    ("segment", |g| g.initializer[0].segment = Some(Default::default()), "segments"),
    ("sparse", |g| g.sparse_initializer = vec![Default::default()], "sparse"),
    ("initialiser_twice", |g| g.initializer.push(tensor("fc.bias", &[1], &[0.0])), "taken"),
    ("stride_zero", |g| g.node[0].attribute[1].ints = vec![0, 0], "strides"),
    ("stride_negative", |g| g.node[0].attribute[1].ints = vec![-1, 1], "strides"),
    ("stride_huge", |g| g.node[0].attribute[1].ints = vec![i64::MAX, 1], "strides"),
    ("strides_too_few", |g| g.node[0].attribute[1].ints = vec![1], "1 strides"),
    ("pads_negative", |g| g.node[0].attribute[2].ints = vec![-1, 0, 0, 0], "pads"),
    ("pads_huge", |g| g.node[0].attribute[2].ints = vec![1 << 40, 0, 0, 0], "pads"),
    ("pads_too_few", |g| g.node[0].attribute[2].ints = vec![1, 1], "2 pads"),
    ("kernel_zero", |g| g.node[0].attribute[0].ints = vec![0, 3], "kernel_shape"),
    ("kernel_of_other_size", |g| g.node[0].attribute[0].ints = vec![5, 5], "do not fit"),
    ("group_zero", |g| g.node[0].attribute[3].i = 0, "group"),
    ("group_odd", |g| g.node[0].attribute[3].i = 3, "do not fit"),
    ("dilation_zero", |g| g.node[0].attribute.push(ints("dilations", &[0, 0])), "dilations"),
    (
        "auto_pad_unknown",
        |g| {
            g.node[0].attribute.push(pb::AttributeProto {
                s: b"SAME".into(),
                r#type: 3,
                name: "auto_pad".into(),
                ..Default::default()
            });
        },
        "not a way to pad",
    ),
    ("attribute_twice", |g| g.node[0].attribute.push(int("group", 1)), "given twice"),
    ("attribute_of_no_type", |g| g.node[3].attribute[0].r#type = 0, "is not a number"),
    ("attribute_refers", |g| g.node[3].attribute[0].ref_attr_name = "outer".into(), "is not a number"),
    ("operator_unknown", |g| g.node[1].op_type = "Explode".into(), "ai.onnx.Explode is not on the list"),
    ("operator_of_a_vendor", |g| g.node[1].domain = "com.microsoft".into(), "com.microsoft.Relu is not on the list"),
    ("control_flow", |g| insert(g, node("If", &["c"], "c2", vec![])), "not on the list"),
    (
        "subgraph_in_attribute",
        |g| {
            g.node[1].attribute.push(pb::AttributeProto {
                name: "body".into(),
                r#type: 5,
                g: Some(small_graph()),
                ..Default::default()
            });
        },
        "is not a number",
    ),
    ("inputs_too_few", |g| g.node[0].input.truncate(1), "inputs, expected"),
    ("input_left_out", |g| g.node[0].input[1].clear(), "left out"),
    ("output_missing", |g| g.node[1].output.clear(), "before it is made"),
    ("cycle", |g| g.node[0].input[0] = "f".into(), "cycle"),
    ("self_cycle", |g| g.node[1].input[0] = "r".into(), "cycle"),
    ("name_twice", |g| g.node[1].output[0] = "c".into(), "made twice"),
    ("graph_output_unmade", |g| g.output[0].name = "nothing".into(), "no node makes"),
    ("graph_outputs_two", |g| g.output.push(value("r", &[-1, 4, 8, 8])), "outputs, expected one"),
    ("graph_inputs_two", |g| g.input.push(value("more", &[-1, 1])), "inputs, expected one"),
    ("graph_input_other_bands", |g| g.input[0] = value("input", &[-1, 3, 8, 8]), "model.json says 4"),
    ("graph_input_fixed_batch", |g| g.input[0] = value("input", &[16, 4, 8, 8]), "fixed batch"),
    ("graph_input_flat", |g| g.input[0] = value("input", &[-1, 256]), "dimensions, expected"),
    (
        "reshape_huge",
        |g| {
            g.initializer.push(long("shape", &[1 << 20, 1 << 20, 1 << 20]));
            insert(g, node("Reshape", &["c", "shape"], "c2", vec![]));
        },
        "elements",
    ),
    (
        "reshape_negative",
        |g| {
            g.initializer.push(long("shape", &[-7, 4, 8, 8]));
            insert(g, node("Reshape", &["c", "shape"], "c2", vec![]));
        },
        "asks for the size -7",
    ),
    (
        "resize_huge",
        |g| {
            g.initializer.push(tensor("scales", &[4], &[1.0, 1.0, 1e6, 1e6]));
            insert(g, node("Resize", &["c", "", "scales"], "c2", vec![]));
        },
        "scales by",
    ),
    (
        "resize_nothing",
        |g| {
            g.initializer.push(tensor("scales", &[4], &[1.0, 1.0, 0.0, -1.0]));
            insert(g, node("Resize", &["c", "", "scales"], "c2", vec![]));
        },
        "scales by",
    ),
    (
        "resize_chain",
        |g| {
            g.initializer.push(tensor("scales", &[4], &[1.0, 1.0, 64.0, 64.0]));
            insert(g, node("Resize", &["c", "", "scales"], "x", vec![]));
            g.node.insert(2, node("Resize", &["x", "", "scales"], "y", vec![]));
            g.node.insert(3, node("Resize", &["y", "", "scales"], "c2", vec![]));
            g.node[4].input[0] = "c2".into();
        },
        "",
    ),
    (
        "constant_of_shape_huge",
        |g| {
            g.initializer.push(long("shape", &[1 << 30, 1 << 30]));
            g.node.insert(0, node("ConstantOfShape", &["shape"], "huge", vec![]));
            g.node.insert(2, node("Add", &["c", "huge"], "c2", vec![]));
            g.node[3].input[0] = "c2".into();
        },
        "elements",
    ),
    (
        "expand_huge",
        |g| {
            g.initializer.push(long("shape", &[1 << 24, 1 << 24, 8, 8]));
            insert(g, node("Expand", &["c", "shape"], "c2", vec![]));
        },
        "elements",
    ),
    (
        "tile_huge",
        |g| {
            g.initializer.push(long("repeats", &[1, 1, 1 << 30, 1 << 30]));
            insert(g, node("Tile", &["c", "repeats"], "c2", vec![]));
        },
        "asks for the size",
    ),
    (
        "pad_huge",
        |g| {
            g.initializer.push(long("pads", &[0, 0, 1 << 40, 0, 0, 0, 0, 0]));
            insert(g, node("Pad", &["c", "pads"], "c2", vec![]));
        },
        "asks for the size",
    ),
    (
        "transpose_twice_the_same",
        |g| insert(g, node("Transpose", &["c"], "c2", vec![ints("perm", &[0, 1, 1, 3])])),
        "perm",
    ),
    ("cast_to_nothing", |g| insert(g, node("Cast", &["c"], "c2", vec![int("to", 99)])), "element type 99"),
    (
        "divide_by_zero",
        |g| {
            g.initializer.push(tensor("zero", &[1], &[0.0]));
            g.node.insert(1, node("Mul", &["c", "zero"], "z", vec![]));
            g.node.insert(2, node("Div", &["z", "zero"], "c2", vec![]));
            g.node[3].input[0] = "c2".into();
        },
        "",
    ),
    ("root_of_negative", |g| insert(g, node("Sqrt", &["c"], "c2", vec![])), ""),
    ("gemm_of_wrong_size", |g| g.initializer[2] = tensor("fc.weight", &[1, 5], &[0.0; 5]), ""),
    ("axis_out_of_rank", |g| g.node[3].attribute[0].i = 9, ""),
];

fn edited() -> impl Iterator<Item = Damage> {
    EDITS.iter().map(|(name, edit, message)| {
        let mut graph = small_graph();
        edit(&mut graph);
        Damage { name: (*name).into(), bytes: encode(graph), message }
    })
}

fn whole_file() -> Vec<Damage> {
    let bytes = encode(small_graph());
    let make = |name: &str, bytes: Vec<u8>, message| Damage { name: name.into(), bytes, message };
    let model = |edit: fn(&mut pb::ModelProto)| {
        let mut model = model_of(small_graph());
        edit(&mut model);
        model.encode_to_vec()
    };
    // A message of only one field that holds itself, as deep as the file is long.
    let mut nested = Vec::new();
    for _ in 0..4000 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(nested.len() as u64, &mut outer);
        outer.append(&mut nested);
        nested = outer;
    }
    let mut graphs_in_graphs = small_graph();
    for _ in 0..40 {
        let inner = pb::AttributeProto { name: "g".into(), r#type: 5, g: Some(graphs_in_graphs), ..Default::default() };
        graphs_in_graphs = pb::GraphProto { node: vec![node("Relu", &["x"], "y", vec![inner])], ..Default::default() };
    }
    // Two bytes a node: 12 MB of file that would be gigabytes of nodes.
    let mut many = vec![0x3a];
    prost::encoding::encode_varint(12_000_000, &mut many);
    many.extend([0x0a, 0x00].repeat(6_000_000));
    vec![
        make("empty", Vec::new(), "empty"),
        make("zeros", vec![0; 1000], "not a valid ONNX file"),
        make("html", b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>".to_vec(), "web page"),
        make(
            "lfs_pointer",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".to_vec(),
            "git lfs pull",
        ),
        make("nested", nested, "no graph"),
        make("nested_graphs", encode(graphs_in_graphs), "nested"),
        make("many_empty_nodes", many, "so many pieces"),
        make("opset_missing", model(|m| m.opset_import.clear()), "operator set"),
        make("opset_old", model(|m| m.opset_import[0].version = 3), "operator set 3"),
        make("opset_of_the_future", model(|m| m.opset_import[0].version = i64::MAX), "operator set"),
        make("functions", model(|m| m.functions.push(Default::default())), "functions"),
        make("training_info", model(|m| m.training_info.push(Default::default())), "training"),
        make("graph_missing", model(|m| m.graph = None), "no graph"),
        make("text_after_the_end", [&bytes[..], b"tail"].concat(), ""),
    ]
}

/// xorshift64*: the same damage on every machine.
fn random(state: &mut u64) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize
}

fn seeded() -> Vec<Damage> {
    let bytes = encode(small_graph());
    let mut state = 20_261_121;
    let mut damages = Vec::new();
    for index in 0..10 {
        let bytes = bytes[..random(&mut state) % bytes.len()].to_vec();
        damages.push(Damage { name: format!("cut_{index}"), bytes, message: "" });
    }
    for index in 0..30 {
        let mut bytes = bytes.clone();
        // Half of them in the structure after the weights, where a flipped bit means more.
        let from = if index % 2 == 0 { 0 } else { bytes.len().saturating_sub(250) };
        for _ in 0..1 + index % 4 {
            let place = from + random(&mut state) % (bytes.len() - from);
            bytes[place] ^= 1 << (random(&mut state) % 8);
        }
        damages.push(Damage { name: format!("flip_{index}"), bytes, message: "" });
    }
    damages
}

/// All of them.
pub fn all() -> Vec<Damage> {
    edited().chain(whole_file()).chain(seeded()).collect()
}
