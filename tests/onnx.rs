//! Graphs that `s2infer::onnx` writes, against ONNX's own checker, ONNX Runtime and NumPy.

mod common;

use std::process::Command;

use ndarray::Array4;
use s2infer::infer::engine::{EngineChoice, EngineRequest, Network, open};
use s2infer::onnx::{Conv, GraphBuilder, Resampling, Weights};

const SIDE: usize = 8;

/// Values that the Python side computes again: (37·i mod 19 − 9) / 20.
fn values(count: usize, start: usize) -> Vec<f32> {
    (start..start + count).map(|i| ((i * 37 % 19) as f32 - 9.0) / 20.0).collect()
}

/// One of everything, in the shape of a small U-Net with a score at the end.
fn everything(weights: Weights) -> Vec<u8> {
    let mut graph = GraphBuilder::new("everything", weights);
    let x = graph.input("input", &[None, Some(4), Some(SIDE), Some(SIDE)]);
    let grouped = graph.weight("grouped.weight", &[6, 2, 3, 3], &values(108, 0));
    let bias = graph.weight("grouped.bias", &[6], &values(6, 5));
    let a = graph.conv(&x, &grouped, Some(&bias), Conv { kernel: 3, stride: 1, padding: 1, groups: 2 });
    let a = graph.relu(&a);
    let pooled = graph.max_pool(&a, 3, 2, 1);
    let strided = graph.weight("strided.weight", &[6, 6, 1, 1], &values(36, 7));
    let b = graph.conv(&a, &strided, None, Conv { stride: 2, ..Conv::default() });
    let b = graph.add(&pooled, &b);
    let up = graph.weight("up.weight", &[6, 3, 2, 2], &values(72, 11));
    let up_bias = graph.weight("up.bias", &[3], &values(3, 1));
    let c = graph.conv_transpose(&b, &up, Some(&up_bias), Conv { kernel: 2, stride: 2, ..Conv::default() });
    let nearest = graph.resize(&b, 2, Resampling::Nearest);
    let linear = graph.resize(&b, 2, Resampling::Linear);
    let joined = graph.concat(&[&c, &nearest, &linear]);
    let mean = graph.global_average_pool(&joined);
    let mean = graph.flatten(&mean);
    let fc = graph.weight("fc.weight", &[2, 15], &values(30, 3));
    let fc_bias = graph.weight("fc.bias", &[2], &values(2, 9));
    let logits = graph.linear(&mean, &fc, &fc_bias);
    let scores = graph.sigmoid(&logits);
    graph.output("scores", &scores, &[None, Some(2)]);
    graph.finish()
}

const REFERENCE: &str = r#"
import sys
import numpy as np, onnx, onnxruntime as ort
folder, half = sys.argv[1], sys.argv[2] == "fp16"
model = onnx.load(folder + "/model.onnx")
onnx.checker.check_model(model, full_check=True)
kinds = {i.name: i.data_type for i in model.graph.initializer}
assert (kinds.get("fc.weight.fp16") == onnx.TensorProto.FLOAT16) == half, kinds
assert kinds["fc.bias"] == onnx.TensorProto.FLOAT, kinds

def values(shape, start):
    i = np.arange(start, start + np.prod(shape))
    v = ((i * 37 % 19) - 9.0) / 20.0
    v = v.astype(np.float16) if half and len(shape) > 1 else v.astype(np.float32)
    return v.astype(np.float64).reshape(shape)

def conv(x, w, b, stride, pad, groups):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    o, c, k, _ = w.shape
    h = (x.shape[2] - k) // stride + 1
    y = np.zeros((len(x), o, h, h))
    for j in range(o):
        g = j // (o // groups) * c
        for r in range(h):
            for s in range(h):
                part = x[:, g:g + c, r * stride:r * stride + k, s * stride:s * stride + k]
                y[:, j, r, s] = (part * w[j]).sum((1, 2, 3)) + b[j]
    return y

def max_pool(x):
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    return np.stack([np.stack([x[:, :, r:r + 3, s:s + 3].max((2, 3)) for s in range(0, 8, 2)], -1)
                     for r in range(0, 8, 2)], -2)

def up(x, w, b):
    y = np.einsum("nchw,copq->nohpwq", x, w)
    return y.reshape(len(x), w.shape[1], 2 * x.shape[2], 2 * x.shape[3]) + b[:, None, None]

def linear(x):
    n = x.shape[2]
    m = np.zeros((2 * n, n))
    for i in range(2 * n):
        at = min(max((i + .5) / 2 - .5, 0), n - 1)
        low = int(at); high = min(low + 1, n - 1)
        m[i, low] += 1 - (at - low); m[i, high] += at - low
    return np.einsum("ih,nchw,jw->ncij", m, x, m)

x = np.fromfile(folder + "/input.f32", np.float32).reshape(3, 4, 8, 8)
a = np.maximum(conv(x.astype(np.float64), values((6, 2, 3, 3), 0), values((6,), 5), 1, 1, 2), 0)
b = max_pool(a) + conv(a, values((6, 6, 1, 1), 7), np.zeros(6), 2, 0, 1)
c = up(b, values((6, 3, 2, 2), 11), values((3,), 1))
joined = np.concatenate([c, b.repeat(2, 2).repeat(2, 3), linear(b)], 1)
logits = joined.mean((2, 3)) @ values((2, 15), 3).T + values((2,), 9)
expected = 1 / (1 + np.exp(-logits))
session = ort.InferenceSession(folder + "/model.onnx")
for part in (x, x[:1]):
    got = session.run(["scores"], {"input": part})[0]
    assert np.abs(got - expected[:len(part)]).max() < 1e-5, (got, expected)
if not half:
    tract = np.fromfile(folder + "/tract.f32", np.float32).reshape(3, 2)
    assert np.abs(tract - expected).max() < 1e-5, (tract, expected)
assert expected.std() > 1e-3
"#;

fn check(weights: Weights, name: &str) {
    let Some(python) = common::python() else {
        return common::skip_or_fail("Python with onnx, onnxruntime and numpy");
    };
    let folder = tempfile::tempdir().unwrap();
    let graph = everything(weights);
    let input =
        Array4::from_shape_fn((3, 4, SIDE, SIDE), |(n, c, y, x)| ((n * 7 + c * 5 + y * 3 + x) % 11) as f32 / 5.0 - 1.0);
    let bytes = |values: &mut dyn Iterator<Item = &f32>| values.flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    std::fs::write(folder.path().join("model.onnx"), &graph).unwrap();
    std::fs::write(folder.path().join("input.f32"), bytes(&mut input.iter())).unwrap();
    // tract gets its weights widened, as a model folder does when it is loaded.
    if weights == Weights::Fp32 {
        let request = EngineRequest { engine: EngineChoice::Tract, ..EngineRequest::default() };
        let mut session = open(&request).unwrap().session(Network::fp32(&graph, [4, SIDE, SIDE]), 3).unwrap();
        let output = session.run(input.view()).unwrap();
        std::fs::write(folder.path().join("tract.f32"), bytes(&mut output.iter())).unwrap();
    }
    let ran = Command::new(python).args(["-c", REFERENCE]).arg(folder.path()).arg(name).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn every_operator_computes_what_numpy_does() {
    check(Weights::Fp32, "fp32");
}

#[test]
fn fp16_weights_are_valid_onnx_and_widen_to_fp32() {
    check(Weights::Fp16, "fp16");
}

#[test]
fn a_weight_that_fp16_cannot_hold_stays_fp32() {
    let mut graph = GraphBuilder::new("large", Weights::Fp16);
    let x = graph.input("input", &[None, Some(1), Some(1), Some(1)]);
    let weight = graph.weight("large", &[1, 1, 1, 1], &[1e6]);
    let y = graph.conv(&x, &weight, None, Conv::default());
    graph.output("y", &y, &[None, Some(1), Some(1), Some(1)]);
    let request = EngineRequest { engine: EngineChoice::Tract, ..EngineRequest::default() };
    let mut session = open(&request).unwrap().session(Network::fp32(&graph.finish(), [1, 1, 1]), 1).unwrap();
    assert_eq!(session.run(Array4::from_elem((1, 1, 1, 1), 2.0).view()).unwrap().sum(), 2e6);
}
