//! The trainer's binary, and what it writes against Python's onnxruntime.
#![allow(dead_code)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub fn s2train(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2train"));
    command.args(arguments).env("OMP_NUM_THREADS", "1");
    command
}

pub fn succeed(output: Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `model.onnx` in ONNX Runtime against the outputs in `golden.safetensors` and those of libtorch.
const COMPARE: &str = r#"
import json, struct, sys
import numpy as np, onnx, onnxruntime as ort
folder, tolerance = sys.argv[1], float(sys.argv[2])
torch = np.array(json.loads(sys.argv[3]), np.float32)
model = onnx.load(folder + "/model.onnx")
onnx.checker.check_model(model, full_check=True)
raw = open(folder + "/golden.safetensors", "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + size])
def tensor(name):
    low, high = head[name]["data_offsets"]
    return np.frombuffer(raw[8 + size + low:8 + size + high], np.float32).reshape(head[name]["shape"])
got = ort.InferenceSession(folder + "/model.onnx").run(None, {"input": tensor("input")})[0]
def difference(a, b):
    return float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())
assert got.shape == tensor("output").shape, got.shape
assert difference(got, tensor("output")) < 1e-5, (got, tensor("output"))
assert difference(got.reshape(-1), torch) < tolerance, (got, torch)
assert np.ptp(got) > 1e-3, got
"#;

pub fn compare(python: &Path, folder: &Path, torch: &[f32], tolerance: &str) {
    let ran = Command::new(python).args(["-c", COMPARE]).arg(folder).args([tolerance, &format!("{torch:?}")]).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&ran.stderr));
}

/// Starts a training and kills it as soon as its first epoch is in `checkpoints`.
pub fn kill_after_the_first_epoch(mut training: Command, checkpoints: &Path) {
    let mut child = training.spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(300);
    while !checkpoints.join("progress.json").exists() {
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < patience, "no first epoch");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
