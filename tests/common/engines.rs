//! What the tests of engines share: generated models, their inputs and outputs, and opening an engine in a process of its
//! own.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use ndarray::{Array4, ArrayD, ArrayViewD, IxDyn};
use s2infer::infer::engine::{self, Device, EngineChoice, EngineRequest};
use s2infer::model::manifest::Precision;

use crate::common;

/// The folder of generated models; `None` (and a skip) without Python.
pub fn models() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/make_models.py");
        let output = Command::new(common::python()?).arg(script).arg(folder.path()).output().unwrap();
        if String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError") {
            return None;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(folder)
    });
    if folder.is_none() {
        common::skip_or_fail("Python with numpy, onnx and onnxruntime");
    }
    folder.as_ref().map(tempfile::TempDir::path)
}

pub fn graph(models: &Path, name: &str) -> Vec<u8> {
    fs::read(models.join(format!("{name}.onnx"))).unwrap()
}

/// An array as tests/make_models.py writes it.
pub fn array(models: &Path, name: &str) -> ArrayD<f32> {
    let bytes = fs::read(models.join(name)).unwrap();
    let header: Vec<usize> =
        bytes.as_chunks::<8>().0.iter().map(|axis| i64::from_le_bytes(*axis) as usize).take(6).collect();
    let shape = &header[1..=header[0]];
    let values = bytes[8 * (1 + header[0])..].as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value));
    ArrayD::from_shape_vec(IxDyn(shape), values.collect()).unwrap()
}

/// Uniform in −1..1, from SplitMix64.
pub fn noise(seed: u64, shape: (usize, usize, usize, usize)) -> Array4<f32> {
    let mut state = seed;
    Array4::from_shape_simple_fn(shape, || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

#[track_caller]
pub fn assert_close(found: ArrayViewD<f32>, expected: ArrayViewD<f32>, tolerance: f32, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {found} is not {expected}");
    }
}

// A process loads one library, so every case below opens its engine in a child: this test program, asked by
// environment variables to run `engine_opens_as_the_environment_asks` alone.

const ASK: &str = "S2INFER_TEST_OPEN";

#[test]
fn engine_opens_as_the_environment_asks() {
    let asked = env::var(ASK).unwrap_or_else(|_| "tract cpu".to_owned());
    let engine = engine::open(&asked_for(&asked));
    match &engine {
        Ok(engine) => println!("\nOPENED {} {:?}", engine.info().engine, engine.info().fallback_reason),
        Err(error) => println!("\nFAILED {:?} {error}", error.kind()),
    }
    assert!(engine.is_ok() || env::var_os(ASK).is_some());
}

/// `ENGINE[:PRECISION] DEVICE [LIBRARY]`
fn asked_for(asked: &str) -> EngineRequest {
    let mut words = asked.splitn(3, ' ');
    let engine = words.next().unwrap_or_default();
    let (engine, precision) = engine.split_once(':').unwrap_or((engine, "fp32"));
    let mut request = EngineRequest {
        engine: match engine {
            "auto" => EngineChoice::Auto,
            "ort" => EngineChoice::Ort,
            "openvino" => EngineChoice::OpenVino,
            _ => EngineChoice::Tract,
        },
        device: match words.next() {
            Some("cuda") => Device::Cuda(0),
            Some("tensorrt") => Device::TensorRt(0),
            Some("openvino") => Device::OpenVino,
            _ => Device::Auto,
        },
        precision: Precision::ALL.into_iter().find(|known| known.as_str() == precision).unwrap(),
        ..EngineRequest::default()
    };
    let library = if engine == "openvino" { &mut request.openvino_lib } else { &mut request.ort_lib };
    *library = words.next().map(PathBuf::from);
    request
}

/// What a child prints when asked to open `asked` with `ORT_DYLIB_PATH` set to `variable`. It must not die of a signal.
pub fn opened(asked: &str, variable: Option<&Path>) -> String {
    opened_by(&env::current_exe().unwrap(), asked, variable.map(|path| ("ORT_DYLIB_PATH", path)))
}

/// The same for another copy of the test program, and any variables.
pub fn opened_by<'a>(
    program: &Path,
    asked: &str,
    variables: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> String {
    let mut child = Command::new(program);
    child.args(["--exact", "engines::engine_opens_as_the_environment_asks", "--nocapture"]).env(ASK, asked);
    for variable in ["ORT_DYLIB_PATH", "OPENVINO_LIB_PATH", "INTEL_OPENVINO_DIR", "LD_LIBRARY_PATH"] {
        child.env_remove(variable);
    }
    child.envs(variables);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{asked}: {output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{asked}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("OPENED") || line.starts_with("FAILED"));
    line.unwrap_or_else(|| panic!("{asked}: {text}")).to_owned()
}

#[track_caller]
pub fn assert_failed(line: &str, parts: &[&str]) {
    assert!(line.starts_with("FAILED Engine "), "{line}");
    for part in parts {
        assert!(line.contains(part), "{line} does not contain '{part}'");
    }
}
