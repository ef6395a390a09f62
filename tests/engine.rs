//! Engines against Python's onnxruntime, and every way in which a library or model can be wrong.

mod common;
#[path = "common/engines.rs"]
mod engines;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use engines::{array, assert_close, assert_failed, graph, models, noise, opened, opened_by};
use ndarray::{Array4, ArrayD, Axis, concatenate, s};
use s2infer::infer::engine::{self, Device, Engine, EngineChoice, EngineRequest, Network};
use s2infer::{Error, Kind, Result};

fn request(engine: EngineChoice, device: Device, ort_lib: Option<PathBuf>) -> EngineRequest {
    EngineRequest { engine, device, ort_lib, ..EngineRequest::default() }
}

fn tract() -> Box<dyn Engine> {
    engine::open(&request(EngineChoice::Tract, Device::Auto, None)).unwrap()
}

/// Every engine, or those (and a skip) that are not missing their library.
fn engines() -> Vec<Box<dyn Engine>> {
    let mut engines = vec![tract()];
    match common::ort_library() {
        Some(library) => {
            engines.push(engine::open(&request(EngineChoice::Ort, Device::Cpu, Some(library))).unwrap());
        }
        None => common::skip_or_fail("the ONNX Runtime library"),
    }
    match common::openvino_library() {
        Some(openvino_lib) => {
            let library = request(EngineChoice::OpenVino, Device::Cpu, None);
            let library = EngineRequest { openvino_lib: Some(openvino_lib), ..library };
            engines.push(engine::open(&library).unwrap());
        }
        None => common::skip_or_fail("the OpenVINO libraries"),
    }
    engines
}

fn run(engine: &dyn Engine, graph: &[u8], input: &Array4<f32>) -> Result<ArrayD<f32>> {
    let (rows, bands, height, width) = input.dim();
    engine.session(Network::fp32(graph, [bands, height, width]), rows)?.run(input.view())
}

#[test]
fn engines_agree_with_python_on_every_kind_of_head() {
    let Some(models) = models() else { return };
    for engine in engines() {
        for name in ["binary", "multiclass", "segmentation", "resnet18", "strides", "slices"] {
            let input = array(models, &format!("{name}.input.bin")).into_dimensionality().unwrap();
            let expected = array(models, &format!("{name}.output.bin"));
            let output = run(&*engine, &graph(models, name), &input).unwrap();
            assert_close(output.view(), expected.view(), 1e-5, &format!("{name} on {}", engine.info().engine));
        }
    }
}

#[test]
fn a_row_scores_the_same_bits_wherever_it_stands_in_a_batch() {
    let Some(models) = models() else { return };
    for engine in engines() {
        for (name, side, batches) in [("segmentation", 16, [5, 8, 16, 32]), ("resnet18", 64, [5, 8, 16, 32])] {
            for batch in batches {
                assert_positions_agree(&*engine, &graph(models, name), batch, side);
            }
        }
    }
}

/// Puts one row at several places of a batch whose other rows are noise, one of them NaN, and compares its output.
fn assert_positions_agree(engine: &dyn Engine, graph: &[u8], batch: usize, side: usize) {
    let mut session = engine.session(Network::fp32(graph, [4, side, side]), batch).unwrap();
    let row = noise(7, (1, 4, side, side));
    let mut first: Option<Vec<u32>> = None;
    for position in (0..batch).filter(|at| batch <= 8 || [0, 1, 6, 15, 16, 29, 31].contains(at)) {
        let mut input = noise(position as u64, (batch, 4, side, side));
        input.slice_mut(s![(position + 1) % batch, .., .., ..]).fill(f32::NAN);
        input.slice_mut(s![position..position + 1, .., .., ..]).assign(&row);
        let output = session.run(input.view()).unwrap();
        let bits: Vec<u32> = output.index_axis(Axis(0), position).iter().map(|value| value.to_bits()).collect();
        let place = format!("{}, batch {batch}, position {position}", engine.info().engine);
        assert!(bits.iter().all(|&bits| f32::from_bits(bits).is_finite()), "{place}");
        assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "{place}");
    }
}

#[test]
fn layers_on_maps_of_a_few_pixels_score_the_same_bits_whatever_the_batch() {
    let Some(models) = models() else { return };
    let graph = graph(models, "resnet18");
    let row = noise(7, (1, 4, 64, 64));
    // To tract such a layer is given as it is.
    for engine in engines().into_iter().filter(|engine| engine.info().engine != "tract") {
        let bits = |batch: usize| {
            let mut input = noise(batch as u64, (batch, 4, 64, 64));
            input.slice_mut(s![batch - 1.., .., .., ..]).assign(&row);
            let output = run(&*engine, &graph, &input).unwrap();
            output.index_axis(Axis(0), batch - 1).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let usual = bits(8);
        for batch in [1, 2, 5, 12, 16, 32] {
            assert_eq!(bits(batch), usual, "{}, batch {batch}", engine.info().engine);
        }
    }
}

#[test]
fn sessions_of_one_engine_give_the_same_bits_in_every_thread() {
    let Some(models) = models() else { return };
    let graph = graph(models, "binary");
    let input = noise(3, (8, 4, 16, 16));
    for engine in engines() {
        let outputs: Vec<ArrayD<f32>> = std::thread::scope(|scope| {
            let work = || run(&*engine, &graph, &input).unwrap();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(outputs.iter().all(|output| *output == outputs[0]), "{}", engine.info().engine);
    }
}

#[test]
fn not_a_number_comes_through_and_stays_in_its_row() {
    let Some(models) = models() else { return };
    let input = concatenate![
        Axis(0),
        Array4::from_elem((1, 1, 2, 2), 1.0),
        Array4::from_elem((1, 1, 2, 2), -1.0),
        Array4::from_elem((1, 1, 2, 2), 0.0)
    ];
    for engine in engines() {
        let output = run(&*engine, &graph(models, "logarithm"), &input).unwrap();
        assert_eq!(output[[0, 0]], 0.0);
        assert!(output[[1, 0]].is_nan());
        assert_eq!(output[[2, 0]], f32::NEG_INFINITY);
    }
}

#[test]
fn tract_refuses_what_it_would_get_wrong_and_the_others_take_it() {
    let Some(models) = models() else { return };
    for engine in engines() {
        for (name, operator) in [
            ("quantised", "QuantizeLinear"),
            ("dilated", "MaxPool"),
            ("normalised", "InstanceNormalization"),
            ("reflected", "Pad"),
            ("half", "Cast"),
        ] {
            let result = run(&*engine, &graph(models, name), &Array4::zeros((2, 1, 8, 8)));
            if engine.info().engine != "tract" {
                assert_eq!(result.unwrap().shape(), [2, 1], "{name}");
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.kind(), Kind::Refused, "{name}");
            assert!(error.to_string().contains(operator) && error.to_string().contains("--engine ort"), "{error}");
        }
    }
}

#[test]
fn openvino_refuses_what_it_would_get_wrong_and_the_others_agree_with_python() {
    let Some(models) = models() else { return };
    for engine in engines() {
        for (name, operator) in [
            ("softmax", "Softmax"),
            ("reduce", "ReduceL1"),
            ("pool", "AveragePool"),
            ("transposed", "ConvTranspose"),
            ("antialias", "Resize"),
            ("outside", "Resize"),
            ("aligned", "Resize"),
            ("conv", "Conv"),
            ("ceiled", "MaxPool"),
            ("read_back_pool", "AveragePool"),
            ("read_back_gemm", "Gemm"),
            ("signed", "QuantizeLinear"),
        ] {
            let in_8_bits = ["read_back_pool", "read_back_gemm", "signed"].contains(&name);
            if in_8_bits && engine.info().engine == "tract" {
                continue;
            }
            let name = format!("openvino_{name}");
            let input = array(models, &format!("{name}.input.bin")).into_dimensionality().unwrap();
            let result = run(&*engine, &graph(models, &name), &input);
            if engine.info().engine == "openvino" {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), Kind::Refused, "{name}");
                assert!(error.to_string().contains(operator) && error.to_string().contains("--engine ort"), "{error}");
                continue;
            }
            let expected = array(models, &format!("{name}.output.bin"));
            assert_close(result.unwrap().view(), expected.view(), 1e-5, &format!("{name} on {}", engine.info().engine));
        }
    }
}

#[test]
fn graphs_that_ask_for_terabytes_are_clean_errors() {
    let Some(models) = models() else { return };
    for engine in engines() {
        for name in ["huge", "grown"] {
            let error = run(&*engine, &graph(models, name), &Array4::zeros((2, 1, 2, 2))).unwrap_err();
            assert!(matches!(error.kind(), Kind::Refused | Kind::OutOfMemory | Kind::Engine), "{name}: {error:?}");
        }
    }
}

#[test]
fn models_that_do_not_take_and_give_a_batch_of_float32_are_refused() {
    let Some(models) = models() else { return };
    for engine in engines() {
        for name in ["batchless", "integers", "single"] {
            let error = run(&*engine, &graph(models, name), &Array4::zeros((2, 1, 2, 2))).unwrap_err();
            assert_eq!(error.kind(), Kind::Refused, "{name} on {}: {error}", engine.info().engine);
        }
    }
}

#[test]
fn damaged_graphs_are_refused_without_a_panic() {
    let Some(models) = models() else { return };
    let whole = graph(models, "binary");
    for engine in engines() {
        for seed in 0..60 {
            let mut bytes = whole.clone();
            let place = (seed * 7919) % bytes.len();
            match seed % 3 {
                0 => bytes.truncate(place),
                1 => bytes[place] ^= 1 << (seed % 8),
                _ => bytes[place] = 0xff,
            }
            if let Err(error) = run(&*engine, &bytes, &Array4::zeros((2, 4, 16, 16))) {
                assert!(matches!(error.kind(), Kind::Refused | Kind::Engine | Kind::OutOfMemory), "{seed}: {error:?}");
                assert!(!error.to_string().contains('\n'), "{seed}: {error}");
            }
        }
        assert_eq!(
            engine.session(Network::fp32(b"<!DOCTYPE html>", [1, 2, 2]), 1).err().map(|error| error.kind()),
            Some(Kind::Refused)
        );
    }
}

#[test]
fn batch_of_another_shape_is_an_error() {
    let Some(models) = models() else { return };
    for engine in engines() {
        let mut session = engine.session(Network::fp32(&graph(models, "binary"), [4, 16, 16]), 2).unwrap();
        assert_eq!(session.run(Array4::zeros((3, 4, 16, 16)).view()).unwrap_err().kind(), Kind::Engine);
        let reversed = Array4::zeros((2, 4, 16, 16));
        assert!(session.run(reversed.slice(s![.., ..;-1, .., ..])).is_err());
        for row in [[3, 16, 16], [4, 16, 15]] {
            assert_eq!(
                engine.session(Network::fp32(&graph(models, "binary"), row), 2).err().unwrap().kind(),
                Kind::Refused,
                "{row:?}"
            );
        }
        assert_eq!(
            engine.session(Network::fp32(&graph(models, "binary"), [4, 16, 16]), 0).err().unwrap().kind(),
            Kind::Limit
        );
    }
}

#[test]
fn engines_say_what_they_are() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for engine in engines() {
        let info = engine.info();
        assert_eq!((info.provider.as_str(), &info.fallback_reason), ("cpu", &None));
        match info.engine.as_str() {
            "openvino" => {
                assert!(info.version.starts_with("20") && info.version.split('.').count() == 3, "{}", info.version);
                assert!(info.library.as_ref().is_some_and(|library| library.contains("libopenvino_c.so")), "{info:?}");
            }
            "tract" => assert!(lock.contains(&format!("name = \"tract-onnx\"\nversion = \"{}\"", info.version))),
            name => {
                assert_eq!(name, "onnxruntime");
                let library = fs::canonicalize(common::ort_library().unwrap()).unwrap();
                assert_eq!(info.library.as_deref(), library.to_str());
                let version = info.version.split('.').map(str::parse::<u32>).collect::<Result<Vec<_>, _>>().unwrap();
                assert!(version.len() == 3 && version[0] == 1 && version[1] >= 17, "{}", info.version);
            }
        }
    }
}

#[test]
fn tract_with_a_device_or_library_is_a_contradiction() {
    for request in [
        request(EngineChoice::Tract, Device::Cuda(0), None),
        request(EngineChoice::Tract, Device::OpenVino, None),
        request(EngineChoice::Tract, Device::Auto, Some("libonnxruntime.so".into())),
    ] {
        assert_eq!(engine::open(&request).err().map(|error| error.kind()), Some(Kind::Usage));
    }
}

#[test]
fn missing_library_is_an_error_when_named_and_a_reason_when_not() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("libonnxruntime.so");
    for engine in ["auto", "ort"] {
        let line = opened(&format!("{engine} cpu {}", missing.display()), None);
        assert_failed(&line, &["--ort-lib", missing.to_str().unwrap(), "No such file"]);
        assert_failed(&opened(&format!("{engine} cpu"), Some(&missing)), &["ORT_DYLIB_PATH", "No such file"]);
        let line = opened(&format!("{engine} cpu {}", folder.path().display()), None);
        assert_failed(&line, &["holds no libonnxruntime.so"]);
    }
}

#[test]
fn without_any_library_auto_takes_tract_and_ort_says_where_it_looked() {
    let found = opened("ort cpu", None);
    if found.starts_with("OPENED onnxruntime") {
        assert_eq!(opened("auto cpu", None), found, "this system has a library of its own");
        return;
    }
    assert_failed(&found, &["/usr/local/lib", "scripts/setup-ort.sh", "--ort-lib", "pip install onnxruntime"]);
    let line = opened("auto cpu", None);
    assert!(line.starts_with("OPENED tract Some(") && line.contains("/usr/local/lib"), "{line}");
    assert_failed(&opened("auto cuda", None), &["scripts/setup-ort.sh"]);
}

#[test]
fn library_is_found_in_a_folder_and_through_the_environment() {
    let Some(library) = common::ort_library() else { return common::skip_or_fail("the ONNX Runtime library") };
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(fs::canonicalize(&library).unwrap(), folder.path().join("libonnxruntime.so.1")).unwrap();
    for engine in ["auto", "ort"] {
        assert_eq!(opened(&format!("{engine} cpu {}", folder.path().display()), None), "OPENED onnxruntime None");
        assert_eq!(opened(&format!("{engine} cpu"), Some(&library)), "OPENED onnxruntime None");
    }
}

#[test]
fn library_beside_the_executable_is_taken_and_a_broken_one_is_a_reason_to_fall_back() {
    let Some(library) = common::ort_library() else { return common::skip_or_fail("the ONNX Runtime library") };
    let folder = tempfile::tempdir().unwrap();
    let (program, beside) = (folder.path().join("program"), folder.path().join("libonnxruntime.so"));
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    std::os::unix::fs::symlink(fs::canonicalize(&library).unwrap(), &beside).unwrap();
    assert_eq!(opened_by(&program, "auto cpu", []), "OPENED onnxruntime None");
    fs::remove_file(&beside).unwrap();
    fs::write(&beside, "<html>").unwrap();
    let line = opened_by(&program, "auto cpu", []);
    let has_reason = line.starts_with("OPENED tract Some(") && line.contains("it is no shared library");
    assert!(has_reason || line == "OPENED onnxruntime None", "{line}");
}

#[test]
fn files_that_are_no_library_are_clean_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so");
    for bytes in [&b""[..], b"\x7fELF", b"version https://git-lfs.github.com/spec/v1\n", &[0x7f; 4096]] {
        fs::write(&file, bytes).unwrap();
        assert_failed(&opened("auto cpu", Some(&file)), &["it is no shared library"]);
    }
    fs::copy(env::current_exe().unwrap(), &file).unwrap();
    let line = opened(&format!("ort cpu {}", file.display()), None);
    assert!(line.starts_with("FAILED Engine "), "{line}");
}

#[test]
fn truncated_library_is_an_error_and_not_a_signal() {
    let Some(library) = common::ort_library() else { return common::skip_or_fail("the ONNX Runtime library") };
    let whole = fs::read(library).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so");
    for length in [65, 4096, whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert_failed(&opened("ort cpu", Some(&file)), &["truncated", &length.to_string()]);
    }
    let mut other = whole;
    other[18] = 40;
    fs::write(&file, other).unwrap();
    assert_failed(&opened("ort cpu", Some(&file)), &["another processor"]);
}

/// A shared library compiled from C, or `None` without a C compiler.
fn compiled(folder: &Path, source: &str) -> Option<PathBuf> {
    let (code, library) = (folder.join("library.c"), folder.join("libonnxruntime.so"));
    fs::write(&code, source).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).status().ok()?;
    assert!(status.success());
    Some(library)
}

#[test]
fn old_and_foreign_libraries_are_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let old = "static const char *version(void) { return \"1.16.3\"; }
               static const void *api(unsigned number) { return 0; }
               static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = { api, version };
               const void *OrtGetApiBase(void) { return &base; }";
    let Some(library) = compiled(folder.path(), old) else { return common::skip_or_fail("a C compiler") };
    assert_failed(&opened("auto cpu", Some(&library)), &["1.16.3", "too old", "1.17"]);
    let library = compiled(folder.path(), "int nothing(void) { return 0; }").unwrap();
    assert_failed(&opened("auto cpu", Some(&library)), &["OrtGetApiBase"]);
    let lying = old.replace("1.16.3", "1.99.0");
    let library = compiled(folder.path(), &lying).unwrap();
    assert_failed(&opened("auto cpu", Some(&library)), &["cannot be used"]);
}

#[test]
fn devices_that_are_not_there_name_the_library_they_miss() {
    let Some(library) = common::ort_library() else { return common::skip_or_fail("the ONNX Runtime library") };
    // Which of a provider's libraries is missed first depends on what lies beside the main one.
    for (device, file) in [("cuda", ".so"), ("tensorrt", ".so"), ("openvino", ".so")] {
        for engine in ["auto", "ort"] {
            let line = opened(&format!("{engine} {device}"), Some(&library));
            if line.starts_with("OPENED onnxruntime") {
                continue; // This machine has the device.
            }
            assert_failed(&line, &["libonnxruntime_providers_", file]);
        }
    }
}

#[test]
fn kinds_of_engine_errors_end_with_their_exit_codes() {
    assert_eq!(Error::engine("").exit_code(), 3);
    assert_eq!(Error::out_of_memory("").exit_code(), 3);
}
