//! Damaged ONNX files: the scan refuses what it promises to, and what passes it does the engines no harm.

mod common;
#[path = "common/damage.rs"]
mod damage;
#[path = "common/model_folders.rs"]
mod folders;

use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};
use s2infer::Kind;
use s2infer::infer::engine::{EngineChoice, EngineRequest, Network, open};
use s2infer::model::{Model, check_golden};

const FOLDER: &str = "S2INFER_TEST_DAMAGED_FOLDER";
const ENGINE: &str = "S2INFER_TEST_DAMAGED_ENGINE";
const WHOLE: &str = "undamaged";
const ADDRESS_SPACE: u64 = 1 << 30;

/// Writes a folder whose manifest vouches for `bytes`, so that the scan has to judge them.
fn write(folder: &Path, bytes: &[u8]) -> s2infer::Result<Model> {
    folders::write_folder_with(folder, &folders::manifest(), bytes, &folders::small_golden())
}

#[test]
fn scan_refuses_each_kind_of_damage_for_its_own_reason() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &folders::encode(folders::small_graph())).expect("the undamaged model passes");
    for damage in damage::all() {
        match write(dir.path(), &damage.bytes) {
            Err(error) => {
                assert_eq!(error.kind(), Kind::Refused, "{}", damage.name);
                let message = error.to_string();
                assert!(message.contains(damage.message), "{}: {message}", damage.name);
                assert!(message.contains("model.onnx") && !message.contains('\n'), "{}: {message}", damage.name);
            }
            Ok(model) => {
                assert!(damage.message.is_empty(), "{} passed the scan", damage.name);
                assert!(!model.graph.is_empty());
            }
        }
    }
}

#[test]
fn engines_survive_every_damaged_file_in_a_small_address_space() {
    let mut engines = vec!["tract"];
    let libraries = [
        ("ort", common::ort_library(), "the ONNX Runtime library"),
        ("openvino", common::openvino_library(), "the OpenVINO libraries"),
    ];
    for (engine, library, what) in libraries {
        match library {
            Some(_) => engines.push(engine),
            None => common::skip_or_fail(what),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut damages = damage::all();
    assert!(damages.len() >= 60);
    let whole = damage::Damage { name: WHOLE.into(), bytes: folders::encode(folders::small_graph()), message: "" };
    damages.push(whole);
    for damage in damages {
        if write(dir.path(), &damage.bytes).is_err() {
            continue;
        }
        for engine in &engines {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_runs_one_folder", "--nocapture"])
                .env(FOLDER, dir.path())
                .env(ENGINE, engine)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} on {engine}: {}\n{text}{error}", damage.name, output.status);
            assert!(text.contains("OUTCOME"), "{} on {engine}: {text}", damage.name);
            assert!(damage.name != WHOLE || text.contains("OUTCOME Ok"), "on {engine}: {text}");
        }
    }
}

/// The other half of the test above, in a process of its own; does nothing when run as a test.
#[test]
fn child_runs_one_folder() {
    let (Some(folder), Ok(engine)) = (std::env::var_os(FOLDER), std::env::var(ENGINE)) else { return };
    let limit = Rlimit { current: Some(ADDRESS_SPACE), maximum: Some(ADDRESS_SPACE) };
    setrlimit(Resource::As, limit).unwrap();
    println!("OUTCOME {:?}", outcome(Path::new(&folder), &engine).map_err(|error| error.to_string()));
}

fn outcome(folder: &Path, engine: &str) -> s2infer::Result<()> {
    let model = Model::load(folder)?;
    let any = EngineRequest::default();
    let engine = open(&match engine {
        "ort" => EngineRequest { engine: EngineChoice::Ort, ort_lib: common::ort_library(), ..any },
        "openvino" => EngineRequest { engine: EngineChoice::OpenVino, openvino_lib: common::openvino_library(), ..any },
        _ => EngineRequest { engine: EngineChoice::Tract, ..any },
    })?;
    let golden = model.golden.as_ref().unwrap();
    let input = &golden.input;
    let (batch, bands, height, width) = input.dim();
    let output = engine.session(Network::fp32(&model.graph, [bands, height, width]), batch)?.run(input.view())?;
    let checked = check_golden(golden, output.view(), model.manifest.golden_tolerance);
    assert!(checked.is_err() || output.iter().all(|value| value.is_finite()), "NaN passed the golden batch");
    checked
}
