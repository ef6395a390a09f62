//! OpenVINO: its precisions, and every way in which its libraries can be missing or wrong.

mod common;
#[path = "common/engines.rs"]
mod engines;

use std::path::{Path, PathBuf};
use std::{env, fs};

use engines::{array, assert_close, assert_failed, graph, models, noise, opened_by};
use ndarray::{Array4, ArrayD, Axis, s};
use s2infer::infer::engine::{self, Device, Engine, EngineChoice, EngineRequest, Network};
use s2infer::model::manifest::Precision;
use s2infer::{Kind, Result};

/// The libraries' folder, or `None` (and a skip).
fn libraries() -> Option<PathBuf> {
    let found = common::openvino_library();
    if found.is_none() {
        common::skip_or_fail("the OpenVINO libraries");
    }
    found.map(|path| if path.is_dir() { path } else { path.parent().unwrap().to_owned() })
}

fn request(precision: Precision) -> EngineRequest {
    let openvino_lib = common::openvino_library();
    EngineRequest { engine: EngineChoice::OpenVino, openvino_lib, precision, sessions: 2, ..EngineRequest::default() }
}

fn run(engine: &dyn Engine, graph: &[u8], precision: Precision, input: &Array4<f32>) -> Result<ArrayD<f32>> {
    let (rows, bands, height, width) = input.dim();
    engine.session(Network { graph, input: [bands, height, width], precision }, rows)?.run(input.view())
}

/// Whether this processor has instructions for bf16, as the kernel lists them.
fn has_bf16() -> bool {
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap();
    flags.contains("avx512_bf16") || flags.contains("amx_bf16")
}

#[test]
fn fp16_graph_scores_as_onnx_runtime_scores_it() {
    let (Some(_), Some(models)) = (libraries(), models()) else { return };
    let engine = engine::open(&request(Precision::Fp16)).unwrap();
    let input = array(models, "fp16.input.bin").into_dimensionality().unwrap();
    let output = run(&*engine, &graph(models, "fp16"), Precision::Fp16, &input).unwrap();
    // The last bit of an fp16 activation is 1/2048 of it.
    assert_close(output.view(), array(models, "fp16.output.bin").view(), 2e-3, "fp16");
}

/// The engines leave out different roundings between layers, which eighteen layers of random weights enlarge: what int8
/// does to a score is the same on both in size, not in digits.
#[test]
fn int8_graph_is_as_near_to_fp32_as_on_onnx_runtime() {
    let (Some(_), Some(models)) = (libraries(), models()) else { return };
    let engine = engine::open(&request(Precision::Int8)).unwrap();
    let input = array(models, "int8.input.bin").into_dimensionality().unwrap();
    let (onnx_runtime, fp32) = (array(models, "int8.output.bin"), array(models, "int8.fp32.bin"));
    let output = run(&*engine, &graph(models, "int8"), Precision::Int8, &input).unwrap();
    let rms = |a: &ArrayD<f32>, b: &ArrayD<f32>| (a - b).mapv(|difference| difference.powi(2)).mean().unwrap().sqrt();
    let (ours, theirs) = (rms(&output, &fp32), rms(&onnx_runtime, &fp32));
    assert!(ours <= 1.25 * theirs, "{ours} against {theirs}");
    assert!(rms(&output, &onnx_runtime) <= 2.0 * theirs, "the two are further apart than either is from fp32");
    assert!(ours > 0.05 * theirs, "fp32 came out: {ours}");
}

#[test]
fn bf16_is_another_precision_where_the_processor_has_it_and_an_error_elsewhere() {
    let (Some(_), Some(models)) = (libraries(), models()) else { return };
    let engine = match engine::open(&request(Precision::Bf16)) {
        Ok(engine) => engine,
        Err(error) => {
            assert!(!has_bf16(), "{error}");
            assert_eq!((error.kind(), error.exit_code()), (Kind::Engine, 3));
            assert!(error.to_string().contains("cannot compute in bf16"), "{error}");
            return;
        }
    };
    assert!(has_bf16());
    let input = array(models, "resnet18.input.bin").into_dimensionality().unwrap();
    let fp32 = array(models, "resnet18.output.bin");
    let bf16 = run(&*engine, &graph(models, "resnet18"), Precision::Bf16, &input).unwrap();
    let largest = (&bf16 - &fp32).iter().fold(0f32, |largest, difference| largest.max(difference.abs()));
    assert!(largest > 1e-4, "fp32 came out: {largest}");
    assert_close(bf16.view(), fp32.view(), 0.05, "bf16");
    let again = run(&*engine, &graph(models, "resnet18"), Precision::Fp32, &input).unwrap();
    assert_close(again.view(), fp32.view(), 1e-4, "fp32 after bf16");
}

#[test]
fn other_engines_refuse_bf16_and_name_openvino() {
    let Some(models) = models() else { return };
    let mut requests = vec![EngineRequest { engine: EngineChoice::Tract, ..EngineRequest::default() }];
    match common::ort_library() {
        Some(library) => requests.push(EngineRequest {
            engine: EngineChoice::Ort,
            ort_lib: Some(library),
            ..EngineRequest::default()
        }),
        None => common::skip_or_fail("the ONNX Runtime library"),
    }
    for request in requests {
        let engine = engine::open(&request).unwrap();
        let error = run(&*engine, &graph(models, "binary"), Precision::Bf16, &Array4::zeros((2, 4, 16, 16)));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Engine);
        assert!(error.to_string().contains("--engine openvino"), "{error}");
    }
}

#[test]
fn rows_are_the_same_bits_in_every_precision_whatever_the_batch_place_and_thread() {
    let (Some(_), Some(models)) = (libraries(), models()) else { return };
    for precision in Precision::ALL {
        let Ok(engine) = engine::open(&request(precision)) else {
            assert!(precision == Precision::Bf16 && !has_bf16());
            continue;
        };
        let (name, side) = match precision {
            Precision::Fp16 => ("fp16", 16),
            Precision::Int8 => ("int8", 64),
            _ => ("resnet18", 64),
        };
        let graph = graph(models, name);
        let row = noise(7, (1, 4, side, side));
        let bits = |batch: usize, place: usize| {
            let mut input = noise(place as u64, (batch, 4, side, side));
            input.slice_mut(s![place..place + 1, .., .., ..]).assign(&row);
            let output = run(&*engine, &graph, precision, &input).unwrap();
            output.index_axis(Axis(0), place).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let first = bits(8, 0);
        for (batch, place) in [(8, 7), (12, 0), (12, 5), (32, 0), (32, 17), (32, 31)] {
            assert_eq!(bits(batch, place), first, "{precision}, batch {batch}, place {place}");
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|place| scope.spawn(move || (place, bits(8, place)))).collect();
            for thread in threads {
                let (place, bits) = thread.join().unwrap();
                assert_eq!(bits, first, "{precision}, thread {place}");
            }
        });
    }
}

#[test]
fn openvino_with_a_device_or_library_of_onnx_runtime_is_a_contradiction() {
    let openvino = || EngineRequest { engine: EngineChoice::OpenVino, ..EngineRequest::default() };
    let named = || Some(PathBuf::from("libopenvino_c.so"));
    for request in [
        EngineRequest { device: Device::Cuda(0), ..openvino() },
        EngineRequest { device: Device::OpenVino, ..openvino() },
        EngineRequest { ort_lib: Some("libonnxruntime.so".into()), ..openvino() },
        EngineRequest { openvino_lib: named(), engine: EngineChoice::Ort, ..openvino() },
        EngineRequest { openvino_lib: named(), engine: EngineChoice::Tract, ..openvino() },
        EngineRequest { openvino_lib: named(), engine: EngineChoice::Auto, device: Device::Cuda(0), ..openvino() },
    ] {
        assert_eq!(engine::open(&request).err().map(|error| error.kind()), Some(Kind::Usage), "{request:?}");
    }
}

fn opened(asked: &str, variables: &[(&'static str, &Path)]) -> String {
    opened_by(&env::current_exe().unwrap(), asked, variables.iter().copied())
}

#[test]
fn missing_library_is_an_error_that_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("libopenvino_c.so");
    let line = opened(&format!("openvino cpu {}", missing.display()), &[]);
    assert_failed(&line, &["--openvino-lib", missing.to_str().unwrap(), "No such file", "scripts/setup-openvino.sh"]);
    let line = opened("openvino cpu", &[("OPENVINO_LIB_PATH", &missing)]);
    assert_failed(&line, &["OPENVINO_LIB_PATH", "No such file"]);
    let line = opened(&format!("openvino cpu {}", folder.path().display()), &[]);
    assert_failed(&line, &["holds no libopenvino_c.so"]);
    let line = opened("openvino cpu", &[]);
    let is_installed = line.starts_with("OPENED openvino");
    assert!(is_installed || line.contains("pip install openvino") && line.contains("/usr/local/lib"), "{line}");
}

#[test]
fn auto_goes_by_precision() {
    let (Some(openvino), Some(ort)) = (libraries(), common::ort_library()) else {
        return common::skip_or_fail("both run-time libraries");
    };
    let (openvino, ort) = (("OPENVINO_LIB_PATH", openvino.as_path()), ("ORT_DYLIB_PATH", ort.as_path()));
    for precision in ["fp32", "fp16", "int8"] {
        assert_eq!(opened(&format!("auto:{precision} cpu"), &[openvino, ort]), "OPENED onnxruntime None");
    }
    if has_bf16() {
        assert_eq!(opened("auto:bf16 cpu", &[openvino, ort]), "OPENED openvino None");
    }
    let fallback = opened("auto:int8 cpu", &[openvino]);
    let has_reason = fallback.starts_with("OPENED openvino Some(") && fallback.contains("setup-ort.sh");
    assert!(has_reason || fallback == "OPENED onnxruntime None", "{fallback}");
    let fp32 = opened("auto cpu", &[openvino]);
    assert!(fp32.starts_with("OPENED tract Some(") || fp32 == "OPENED onnxruntime None", "{fp32}");
    assert_failed(&opened("auto:bf16 cpu", &[("OPENVINO_LIB_PATH", Path::new("/nowhere")), ort]), &["/nowhere"]);
}

/// A folder that links to every library but `name`, which it holds a copy of, shortened to `share` of its length.
fn without(libraries: &Path, name: &str, share: Option<f64>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(libraries).unwrap() {
        let path = entry.unwrap().path();
        let target = folder.path().join(path.file_name().unwrap());
        if !path.file_name().unwrap().to_string_lossy().starts_with(name) {
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(|_| ())).unwrap();
        } else if let Some(share) = share {
            let bytes = fs::read(&path).unwrap();
            fs::write(target, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
        }
    }
    folder
}

#[test]
fn truncated_or_missing_part_is_an_error_that_names_the_file() {
    let Some(libraries) = libraries() else { return };
    let plugin = "libopenvino_intel_cpu_plugin.so";
    for name in ["libopenvino_c.so", "libopenvino.so", "libopenvino_onnx_frontend.so", plugin, "libtbb.so"] {
        for share in [0.0, 0.001, 0.5, 0.999] {
            let folder = without(&libraries, name, Some(share));
            let line = opened(&format!("openvino cpu {}", folder.path().display()), &[]);
            let reason = if share == 0.0 { "no shared library" } else { "" };
            assert_failed(&line, &[name, reason, "cannot be used", "scripts/setup-openvino.sh"]);
        }
        let folder = without(&libraries, name, None);
        assert_failed(
            &opened(&format!("openvino cpu {}", folder.path().display()), &[]),
            &[name, "scripts/setup-openvino.sh"],
        );
    }
}

#[test]
fn library_of_something_else_is_named_as_such() {
    let Some(ort) = common::ort_library() else { return common::skip_or_fail("the ONNX Runtime library") };
    let line = opened(&format!("openvino cpu {}", ort.display()), &[]);
    assert_failed(&line, &["--openvino-lib", "it is not OpenVINO's C library"]);
}
