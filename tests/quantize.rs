//! `s2infer quantize` as users run it, on the real ONNX Runtime; what it writes is judged by ONNX's own checker and
//! reference evaluator.

mod common;
#[path = "common/model_folders.rs"]
mod model_folders;
#[path = "common/tiles.rs"]
mod tiles;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use model_folders::{manifest, write_folder_with};
use ndarray::Array4;
use s2infer::infer::engine::{self, EngineChoice, EngineRequest, Network};
use s2infer::model::Manifest;
use s2infer::model::manifest::Head;
use s2infer::onnx::{Conv, GraphBuilder, Resampling, Value, Weights};
use tiles::write_u16;

const SIDE: usize = 16;
const GROUPS: [(&str, &str); 4] =
    [("summer", "clear"), ("summer", "cloudy"), ("winter", "clear"), ("winter", "cloudy")];
/// Tiles of each split: ranges, thresholds, the gate.
const SPLITS: [(&str, usize); 3] = [("temperature", 200), ("calibration", 800), ("measurement", 800)];

/// Kinds of tiles.
const KINDS: usize = 10;

/// SplitMix64, uniform in 0..1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    fn weights(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| (2.0 * self.next() - 1.0) * scale).collect()
    }
}

struct Net {
    graph: GraphBuilder,
    random: Random,
    /// Whether the first channel of the block's first layer is a thousand times as large as the others, and read as
    /// little.
    is_uneven: bool,
    /// Whether the first channel of its second layer is all but zero.
    is_dead: bool,
}

impl Net {
    fn new() -> Self {
        Self { graph: GraphBuilder::new("small", Weights::Fp32), random: Random(3), is_uneven: false, is_dead: false }
    }

    fn conv(&mut self, x: &Value, name: &str, from: usize, to: usize, kernel: usize) -> Value {
        let count = to * from * kernel * kernel;
        let scale = (3.0 / (from * kernel * kernel) as f32).sqrt();
        let mut weights = self.random.weights(count, scale);
        let inner = from * kernel * kernel;
        match name {
            // A filter that training has all but switched off.
            "second" if self.is_dead => weights[..inner].iter_mut().for_each(|weight| *weight *= 1e-12),
            "first" if self.is_uneven => weights[..inner].iter_mut().for_each(|weight| *weight *= 1000.0),
            "second" if self.is_uneven => {
                let first = weights.chunks_mut(kernel * kernel).step_by(from);
                first.flatten().for_each(|weight| *weight *= 1e-3);
            }
            _ => {}
        }
        let weight = self.graph.weight(&format!("{name}.weight"), &[to, from, kernel, kernel], &weights);
        let bias = self.graph.weight(&format!("{name}.bias"), &[to], &self.random.weights(to, 0.1));
        self.graph.conv(x, &weight, Some(&bias), Conv { kernel, padding: kernel / 2, ..Conv::default() })
    }

    /// A residual block after a stem.
    fn body(&mut self) -> Value {
        let input = self.graph.input("input", &[None, Some(4), Some(SIDE), Some(SIDE)]);
        let stem = self.conv(&input, "stem", 4, 8, 3);
        let stem = self.graph.relu(&stem);
        let stem = self.graph.max_pool(&stem, 2, 2, 0);
        let long = self.conv(&stem, "first", 8, 8, 3);
        let long = self.graph.relu(&long);
        let long = self.conv(&long, "second", 8, 8, 3);
        let sum = self.graph.add(&long, &stem);
        self.graph.relu(&sum)
    }

    fn classifier(mut self, classes: usize) -> Vec<u8> {
        let body = self.body();
        let pooled = self.graph.global_average_pool(&body);
        let flat = self.graph.flatten(&pooled);
        let weights = self.random.weights(8 * classes, 6.0);
        let weight = self.graph.weight("head.weight", &[classes, 8], &weights);
        let bias = self.graph.weight("head.bias", &[classes], &vec![0.0; classes]);
        let logits = self.graph.linear(&flat, &weight, &bias);
        self.graph.output("logits", &logits, &[None, Some(classes)]);
        self.graph.finish()
    }

    fn segmenter(mut self) -> Vec<u8> {
        let body = self.body();
        let large = self.graph.resize(&body, 2, Resampling::Nearest);
        let joined = self.graph.concat(&[&large, &large]);
        let logits = self.conv(&joined, "classes", 16, 3, 1);
        self.graph.output("logits", &logits, &[None, Some(3), Some(SIDE), Some(SIDE)]);
        self.graph.finish()
    }
}

fn library() -> Option<PathBuf> {
    let library = common::ort_library();
    if library.is_none() {
        common::skip_or_fail("the ONNX Runtime library");
    }
    library
}

/// What ONNX Runtime makes of a batch.
fn run(graph: &[u8], input: &Array4<f32>) -> ndarray::ArrayD<f32> {
    let request =
        EngineRequest { engine: EngineChoice::Ort, ort_lib: common::ort_library(), ..EngineRequest::default() };
    let (rows, bands, height, width) = input.dim();
    let engine = engine::open(&request).unwrap();
    engine.session(Network::fp32(graph, [bands, height, width]), rows).unwrap().run(input.view()).unwrap()
}

fn write_model(folder: &Path, manifest: &Manifest, graph: &[u8]) {
    let mut random = Random(11);
    let input = Array4::from_shape_simple_fn((4, 4, SIDE, SIDE), || 3.0 * random.next() - 1.5);
    let output = run(graph, &input);
    write_folder_with(folder, manifest, graph, &s2infer::model::Golden { input, output }).unwrap();
}

fn binary() -> Manifest {
    Manifest { tile_px: SIDE as u32, ..manifest() }
}

/// Models and tiles, whose labels are what the fp32 model says of them, one in fifty turned round.
struct World(tempfile::TempDir);

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn s2infer(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
        command.current_dir(self.0.path()).args(arguments);
        command.env("ORT_DYLIB_PATH", common::ort_library().unwrap_or_default()).output().unwrap()
    }

    fn quantize(&self, model: &str, precision: &str, out: &str, more: &[&str]) -> Output {
        let manifest = match model {
            "maps" => "maps.csv",
            "several" => "classes.csv",
            _ => "tiles.csv",
        };
        let fixed =
            ["quantize", model, "--precision", precision, "--manifest", manifest, "--out", out, "--engine", "ort"];
        self.s2infer(&[&fixed, more].concat())
    }

    /// A manifest with the rows of `tiles.csv` that `keep` chooses, told split, group, label and how many of these came
    /// before; what `change` makes of each is written.
    fn some_rows(&self, name: &str, keep: impl Fn(&str, &str, &str, usize) -> bool, change: impl Fn(&str) -> String) {
        let table = fs::read_to_string(self.path("tiles.csv")).unwrap();
        let mut before: HashMap<String, usize> = HashMap::new();
        let is_kept = |row: &&str| {
            let cells: Vec<&str> = row.split(',').collect();
            let (label, split, group) = (cells[1], cells[2], format!("{}-{}", cells[3], cells[4]));
            let count = before.entry(format!("{split} {group} {label}")).or_default();
            *count += 1;
            split == "split" || keep(split, &group, label, *count - 1)
        };
        let rows: Vec<String> = table.lines().filter(is_kept).map(change).collect();
        fs::write(self.path(name), rows.join("\n")).unwrap();
    }

    /// A quantisation to fp16 by another manifest.
    fn quantize_by(&self, manifest: &str, out: &str) -> Output {
        let command = ["quantize", "binary", "--precision", "fp16", "--manifest", manifest, "--out", out];
        self.s2infer(&[&command[..], &["--engine", "ort"]].concat())
    }

    fn make() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        let classes = |names: [&str; 3]| names.map(str::to_owned).to_vec();
        let three = classes(["water", "forest", "town"]);
        write_model(&world.path("binary"), &binary(), &Net::new().classifier(1));
        write_model(&world.path("uneven"), &binary(), &Net { is_uneven: true, ..Net::new() }.classifier(1));
        write_model(&world.path("dead"), &binary(), &Net { is_dead: true, ..Net::new() }.classifier(1));
        let several = Manifest { head: Head::Multiclass, classes: three.clone(), ..binary() };
        write_model(&world.path("several"), &several, &Net::new().classifier(3));
        let maps = Manifest { head: Head::Segmentation, classes: three, ..binary() };
        write_model(&world.path("maps"), &maps, &Net::new().segmenter());
        fs::create_dir(world.path("tiles")).unwrap();
        world.write_tiles();
        world
    }

    fn write_tiles(&self) {
        let total: usize = SPLITS.iter().map(|(_, count)| count).sum();
        for index in 0..total {
            // Of each kind all tiles are the same: what 8 bits move is a kind, and kinds lie far apart.
            let mut random = Random(1000 + (index / 4 % KINDS) as u64);
            let levels: Vec<f32> = (0..4).map(|_| 400.0 + 2400.0 * random.next()).collect();
            let slopes: Vec<f32> = (0..8).map(|_| 60.0 * (random.next() - 0.5)).collect();
            write_u16(&self.path(&format!("tiles/t{index:04}.tif")), 4, SIDE as u32, |band, row, column| {
                let wave = ((row * (band as u32 + 1) + 3 * column) % 7) as f32 * 40.0;
                (levels[band] + slopes[band] * row as f32 + slopes[band + 4] * column as f32 + wave).max(1.0) as u16
            });
            // A file of its own all the same: copies in two splits are refused.
            let mut file =
                fs::OpenOptions::new().append(true).open(self.path(&format!("tiles/t{index:04}.tif"))).unwrap();
            file.write_all(&(index as u32).to_le_bytes()).unwrap();
        }
        let scores = |model: &str, more: &[&str]| {
            let fixed = ["tiles", "--model", model, "--engine", "tract", "--format", "csv"];
            let output = self.s2infer(&[&fixed, more].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let mut reader = csv::Reader::from_reader(&*output.stdout);
            reader.records().map(|row| row.unwrap()).collect::<Vec<_>>()
        };
        let binary: Vec<f32> = scores("binary", &["--threshold", "0.5"]).iter().map(|row| column(row, 9)).collect();
        let several: Vec<String> = scores("several", &[]).iter().map(|row| row[11].to_owned()).collect();
        let mut sorted = binary.clone();
        sorted.sort_by(f32::total_cmp);
        let median = sorted[total / 2];
        let mut tables =
            [String::from("path,label,split,season,cloud\n"), String::from("path,label,split,season,cloud\n")];
        for index in 0..total {
            let split = SPLITS.iter().scan(0, |end, (name, count)| {
                *end += count;
                Some((*end, *name))
            });
            let split = split.into_iter().find(|(end, _)| index < *end).unwrap().1;
            let (season, cloud) = GROUPS[index % 4];
            let is_positive = (binary[index] >= median) != (index % 50 == 7);
            let of_class = ["water", "forest", "town"].iter().position(|name| *name == several[index]).unwrap();
            for (table, label) in tables.iter_mut().zip([usize::from(is_positive), of_class]) {
                *table += &format!("tiles/t{index:04}.tif,{label},{split},{season},{cloud}\n");
            }
        }
        let masks = self.path("masks");
        let output =
            self.s2infer(&["tiles", "--model", "maps", "--engine", "tract", "--masks", masks.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let maps = tables[0].replace("path,label,", "path,mask,");
        let maps: Vec<String> = maps.lines().enumerate().map(|(line, row)| with_mask(line, row)).collect();
        fs::write(self.path("maps.csv"), maps.join("\n")).unwrap();
        fs::write(self.path("tiles.csv"), &tables[0]).unwrap();
        fs::write(self.path("classes.csv"), &tables[1]).unwrap();
    }
}

/// A row of tiles whose labels are what the model said of each pixel.
fn with_mask(line: usize, row: &str) -> String {
    let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
    if line > 0 {
        cells[1] = s2infer::output::mask_path(Path::new("masks"), &cells[0]).display().to_string();
    }
    cells.join(",")
}

fn column(row: &csv::StringRecord, index: usize) -> f32 {
    row[index].parse().unwrap()
}

fn world() -> Option<&'static World> {
    static WORLD: LazyLock<Option<World>> = LazyLock::new(|| library().map(|_| World::make()));
    WORLD.as_ref()
}

#[track_caller]
fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn fail(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

#[test]
fn an_int8_model_is_a_folder_of_its_own_and_decides_by_its_own_profile() {
    let Some(world) = world() else { return };
    let report = succeed(&world.quantize("binary", "int8", "here/own", &[]));
    for words in
        ["loses no more than it may", "winter-cloudy", "recall, int8 at fp32's thresholds", "(last layer)", "Spearman"]
    {
        assert!(report.contains(words), "{words:?} is not in {report}");
    }
    let card = fs::read_to_string(world.path("here/own/card.md")).unwrap();
    assert_eq!(card, report);
    let table =
        succeed(&world.s2infer(&["tiles", "--model", "here/own", "--engine", "ort", "--threshold-profile", "winter"]));
    assert_eq!(table.lines().count(), 1801);
    // Another precision's profile is refused, and so is the engine that would compute it wrongly.
    fail(&world.s2infer(&["tiles", "--model", "binary", "--profile", "here/own/profile.json"]), 4, &["another model"]);
    fail(&world.s2infer(&["tiles", "--model", "here/own", "--engine", "tract"]), 3, &["tract", "int8"]);
    let profile: serde_json::Value =
        serde_json::from_slice(&fs::read(world.path("here/own/profile.json")).unwrap()).unwrap();
    assert_eq!(profile["model"]["precision"], "int8");
    assert_eq!(fs::read_dir(world.path("here")).unwrap().count(), 1, "drafts are left behind");
}

#[test]
fn what_is_written_is_valid_onnx_and_computes_what_the_standard_says() {
    let Some(world) = world() else { return };
    let Some(python) = common::python() else { return common::skip_or_fail("Python with onnx and onnxruntime") };
    succeed(&world.quantize("binary", "int8", "valid", &[]));
    succeed(&world.quantize("binary", "int8", "valid-coarse", &["--per-tensor", "--reduce-range", "--method", "mse"]));
    succeed(&world.quantize("binary", "int8", "valid-signed", &["--activations", "signed"]));
    succeed(&world.quantize("binary", "fp16", "valid-half", &[]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_quantized.py");
    let folders = ["valid", "valid-coarse", "valid-signed", "valid-half"];
    let output =
        Command::new(python).current_dir(world.path("")).arg(script).arg("binary/model.onnx").args(folders).output();
    let found: serde_json::Value = serde_json::from_str(&succeed(&output.unwrap())).unwrap();
    for (index, name) in folders.iter().enumerate() {
        let of = |key: &str| found[index][key].as_f64().unwrap();
        assert!(of("from_reference") <= of("tolerance"), "{name}: {found}");
        assert!(of("from_onnxruntime") <= of("tolerance"), "{name}: {found}");
        assert!(of("from_fp32") > 0.0, "{name} computes in fp32: {found}");
        assert_eq!(found[index]["output_type"], "float32");
    }
    let count = |index: usize, kind: &str, name: &str| found[index][kind][name].as_u64().unwrap_or(0);
    // Three layers of weights; zero points are unsigned, or signed where they were asked for.
    assert_eq!((count(0, "constants", "INT8"), count(0, "operators", "Conv")), (3, 3));
    assert!(count(0, "constants", "UINT8") > 0 && count(2, "constants", "UINT8") == 0);
    assert!(count(3, "constants", "FLOAT16") > 0 && count(3, "constants", "FLOAT") == 0, "{found}");
}

#[test]
fn what_costs_too_much_is_refused_with_the_table_and_leaves_nothing() {
    let Some(world) = world() else { return };
    // One scale for weights of which one channel is a thousand times the others' writes the others as zero.
    let coarse = ["--per-tensor", "--sqnr-min", "-100", "--equalise", "false"];
    let output = world.quantize("uneven", "int8", "refused", &coarse);
    fail(&output, 4, &["points lower", "decided alike", "nothing was written"]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("Refused: ") && table.contains("| all |"), "{table}");
    assert!(!world.path("refused").exists());
    // With a scale for each channel nothing is lost.
    succeed(&world.quantize("uneven", "int8", "even", &[]));
}

#[test]
fn half_precision_keeps_every_logit_and_maps_and_classes_have_gates_of_their_own() {
    let Some(world) = world() else { return };
    let report = succeed(&world.quantize("binary", "fp16", "half", &[]));
    assert!(report.contains("compute in half precision"), "{report}");
    let report = succeed(&world.quantize("several", "fp16", "several-half", &[]));
    assert!(report.contains("accuracy, fp16"), "{report}");
    let report = succeed(&world.quantize("maps", "fp16", "maps-half", &[]));
    assert!(report.contains("mean IoU, fp16") && report.contains("| summer-clear |"), "{report}");
    assert!(!world.path("maps-half/profile.json").exists());
}

#[test]
fn classes_in_8_bits_pass_their_gate_and_maps_of_near_ties_do_not() {
    let Some(world) = world() else { return };
    let report = succeed(&world.quantize("several", "int8", "several-int8", &[]));
    assert!(report.contains("accuracy, int8"), "{report}");
    // Random weights make maps of near ties, of which 8 bits move more than the gate lets pass.
    let output = world.quantize("maps", "int8", "maps-int8", &[]);
    fail(&output, 4, &["all: mean IoU is", "nothing was written"]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("mean IoU, int8") && table.contains("| winter-cloudy |"), "{table}");
    assert!(!world.path("maps-int8").exists());
}

#[test]
fn layers_are_kept_or_forced_by_name() {
    let Some(world) = world() else { return };
    // What it costs does not matter here.
    let output = world.quantize("binary", "int8", "by-name", &["--keep-float", "Conv_0", "--int8", "Gemm_10"]);
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("| Conv_0 | Conv |") && report.contains("fp32 (as told)"), "{report}");
    assert!(report.contains("int8 (as told)"), "{report}");
    fail(&world.quantize("binary", "int8", "never", &["--keep-float", "Conv_99"]), 2, &["Conv_99", "Conv_0"]);
    let both = ["--keep-float", "Conv_0", "--int8", "Conv_0"];
    fail(&world.quantize("binary", "int8", "never", &both), 2, &["Conv_0", "contradict"]);
    fail(&world.quantize("binary", "fp16", "never", &both[..2]), 2, &["--precision int8"]);
}

#[test]
fn errors_name_the_file_the_flag_and_the_remedy() {
    let Some(world) = world() else { return };
    fail(&world.quantize("binary", "int8", "tiles", &[]), 2, &["--out tiles", "is there already"]);
    fail(&world.quantize("binary", "int8", "never", &["--split", "spring"]), 2, &["--split spring", "measurement"]);
    fail(&world.quantize("binary", "int8", "never", &["--gate-split", "calibration"]), 2, &["three splits"]);
    fail(&world.quantize("binary", "bf16", "never", &[]), 3, &["bf16", "--engine openvino"]);
    fail(&world.quantize("binary", "int8", "never", &["--name", "a/b"]), 2, &["--name", "a/b"]);
    fail(&world.quantize("binary", "int8", "tiles.csv/never", &[]), 5, &["--out tiles.csv/never"]);
    succeed(&world.quantize("binary", "int8", "again", &[]));
    fail(&world.quantize("again", "int8", "never", &[]), 2, &["int8", "fp32"]);
    let tract =
        ["quantize", "binary", "--precision", "int8", "--manifest", "tiles.csv", "--out", "never", "--engine", "tract"];
    fail(&world.s2infer(&tract), 3, &["--engine tract", "--engine ort"]);
    std::os::unix::fs::symlink("nowhere", world.path("dangling")).unwrap();
    fail(&world.quantize("binary", "int8", "dangling", &[]), 2, &["--out dangling", "is there already"]);
    fail(&world.quantize("binary", "int8", &"long".repeat(70), &[]), 5, &["--out long", "too long"]);
    assert!(!world.path("never").exists());
}

#[test]
fn bf16_and_int8_on_openvino_have_golden_batches_and_profiles_of_their_own() {
    let Some(world) = world() else { return };
    let Some(openvino) = common::openvino_library() else { return common::skip_or_fail("the OpenVINO library") };
    let openvino = ["--engine", "openvino", "--openvino-lib", openvino.to_str().unwrap()];
    for (precision, out) in [("bf16", "there/bf16"), ("int8", "there/int8")] {
        let fixed = ["quantize", "binary", "--precision", precision, "--manifest", "tiles.csv", "--out", out];
        succeed(&world.s2infer(&[&fixed[..], &openvino].concat()));
        let run = ["tiles", "--model", out, "--threshold-profile", "winter-cloudy"];
        assert_eq!(succeed(&world.s2infer(&[&run[..], &openvino].concat())).lines().count(), 1801);
    }
    fail(&world.s2infer(&["tiles", "--model", "there/bf16", "--engine", "ort"]), 3, &["bf16", "--engine openvino"]);
    let other = ["tiles", "--model", "binary", "--profile", "there/bf16/profile.json"];
    fail(&world.s2infer(&other), 4, &["calibrated for another model", "test-model-bf16"]);
}

#[test]
fn a_channel_that_is_all_but_dead_does_not_keep_a_model_from_8_bits() {
    let Some(world) = world() else { return };
    let report = succeed(&world.quantize("dead", "int8", "dead-int8", &[]));
    assert!(report.contains("loses no more than it may"), "{report}");
}

#[test]
fn splits_that_share_a_tile_or_a_site_are_refused_before_anything_runs() {
    let Some(world) = world() else { return };
    let table = fs::read_to_string(world.path("tiles.csv")).unwrap();
    let first = table.lines().find(|line| line.contains(",calibration,")).unwrap();
    fs::write(
        world.path("leaks.csv"),
        format!("{table}{}\n", first.replace(",calibration,", ",measurement,").replace("tiles/", "./tiles/")),
    )
    .unwrap();
    let sites =
        table.lines().enumerate().map(|(line, row)| format!("{row},{}\n", if line == 0 { "site" } else { "here" }));
    fs::write(world.path("one-site.csv"), sites.collect::<String>()).unwrap();
    for (manifest, code, words) in [("leaks.csv", 2, "stands twice"), ("one-site.csv", 4, "the splits leak: site here")]
    {
        let command = ["quantize", "binary", "--precision", "int8", "--manifest", manifest, "--out", "never"];
        fail(&world.s2infer(&command), code, &[manifest, words]);
    }
}

#[test]
fn a_reader_that_leaves_does_not_keep_the_folder_from_being_written() {
    let Some(world) = world() else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    command.current_dir(world.path("")).env("ORT_DYLIB_PATH", common::ort_library().unwrap_or_default());
    command.args(["quantize", "binary", "--precision", "fp16", "--manifest", "tiles.csv", "--out", "unread"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(world.path("unread/model.json").exists());
}

#[test]
fn too_few_tiles_to_judge_are_refused_and_few_are_warned_of_in_the_card() {
    let Some(world) = world() else { return };
    let fewer = |name: &str, per_group: usize| {
        let keep = |split: &str, _: &str, _: &str, before: usize| split != "measurement" || before < per_group;
        world.some_rows(name, keep, str::to_owned);
    };
    fewer("one.csv", 1);
    let words = ["one.csv: split measurement: group all: 4 positives and 4 negatives", "at least 10"];
    fail(&world.quantize_by("one.csv", "never"), 2, &words);
    // In all there are enough, in a group not.
    fewer("nine.csv", 9);
    fail(&world.quantize_by("nine.csv", "never"), 2, &["group summer-clear: 9 positives and 9 negatives"]);
    let is_cloudy_winter = |group: &str| group == "winter-cloudy";
    let unmeasured = |split: &str, group: &str, _: &str, _: usize| split != "measurement" || !is_cloudy_winter(group);
    world.some_rows("unmeasured.csv", unmeasured, str::to_owned);
    fail(&world.quantize_by("unmeasured.csv", "never"), 2, &["group winter-cloudy: 0 positives and 0 negatives"]);
    fewer("few.csv", 20);
    let output = world.quantize_by("few.csv", "few");
    let report = succeed(&output);
    // 1 − 0.05^(1/20) is 0.139.
    let words = "winter-cloudy: one of 20 positives is 5.00 points, 1.0 are allowed; with none lost, 13.9 may be";
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(words) && said.contains("few.csv"), "{said}");
    assert!(report.contains(words) && report.contains("loses no more than it may"), "{report}");
}

#[test]
fn what_a_manifest_shows_is_told_before_anything_runs() {
    let Some(world) = world() else { return };
    let all = |_: &str, _: &str, _: &str, _: usize| true;
    world.some_rows("negative.csv", |split, _, label, _| split != "calibration" || label == "0", str::to_owned);
    fail(&world.quantize_by("negative.csv", "never"), 2, &["negative.csv: split calibration: no positives"]);
    let half = |split: &str, group: &str, _: &str, _: usize| split != "calibration" || group != "winter-clear";
    world.some_rows("uncalibrated.csv", half, str::to_owned);
    let words = ["uncalibrated.csv: split calibration: no tiles of group winter-clear"];
    fail(&world.quantize_by("uncalibrated.csv", "never"), 2, &words);
    world.some_rows("eight.csv", |split, _, _, before| split != "temperature" || before < 1, str::to_owned);
    fail(&world.quantize_by("eight.csv", "never"), 2, &["eight.csv: 8 tiles to observe ranges on", "at least 16"]);
    // Line 1 is the header, whatever ends the lines.
    let wrong = |row: &str| {
        row.replace("tiles/t0001.tif,0", "tiles/t0001.tif,7").replace("tiles/t0001.tif,1", "tiles/t0001.tif,7")
    };
    for (end, name) in [("", "lf.csv"), ("\r", "crlf.csv")] {
        world.some_rows(name, all, |row| wrong(row) + end);
        fail(&world.quantize_by(name, "never"), 2, &[&format!("{name}: line 3: label \"7\"")]);
    }
    world.some_rows(
        "skyless.csv",
        all,
        |row| if row.contains("t0900.tif") { row.replace("clear", "") } else { row.into() },
    );
    let output = world.quantize_by("skyless.csv", "never");
    fail(&output, 2, &["skyless.csv: tiles/t0900.tif: its season or sky"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("skyless.csv: skyless.csv"));
}

#[test]
fn a_tile_that_cannot_be_read_is_exit_code_1_in_whatever_split() {
    let Some(world) = world() else { return };
    fs::write(world.path("broken.tif"), b"II*\0 no more").unwrap();
    for (tile, name) in [("t0003.tif", "ranges.csv"), ("t0300.tif", "calibration.csv"), ("t1200.tif", "measured.csv")] {
        let broken = |row: &str| row.replace(&format!("tiles/{tile}"), "broken.tif");
        world.some_rows(name, |_, _, _, _| true, broken);
        fail(&world.quantize_by(name, "never"), 1, &["broken.tif"]);
    }
}

#[test]
fn a_tile_without_valid_pixels_makes_room_for_another_and_is_named_where_there_is_none() {
    let Some(world) = world() else { return };
    write_u16(&world.path("empty.tif"), 4, SIDE as u32, |_, _, _| 0);
    let empty = |row: &str| row.replace("tiles/t0000.tif", "empty.tif");
    // Two of each label in each group are 16.
    world.some_rows("sixteen.csv", |split, _, _, before| split != "temperature" || before < 2, empty);
    let words = ["15 tiles to observe ranges on, at least 16", "too little is valid of empty.tif"];
    fail(&world.quantize_by("sixteen.csv", "never"), 2, &words);
    // Eight of 24 are empty, so that all have to be drawn.
    for index in 0..8 {
        fs::copy(world.path("empty.tif"), world.path(&format!("empty-{index}.tif"))).unwrap();
    }
    let keep = |split: &str, _: &str, _: &str, before: usize| split != "temperature" || before < 3;
    world.some_rows("spare.csv", keep, |row| {
        row.replace("tiles/t000", "empty-").replace("empty-8", "tiles/t0008").replace("empty-9", "tiles/t0009")
    });
    let command = ["quantize", "binary", "--precision", "fp16", "--manifest", "spare.csv", "--out", "spare"];
    succeed(&world.s2infer(&[&command[..], &["--engine", "ort", "--tiles", "16"]].concat()));
}

#[test]
fn a_copy_under_another_name_in_another_split_is_refused() {
    let Some(world) = world() else { return };
    let (original, copy) = ("tiles/t0300.tif", "copy.tif");
    fs::copy(world.path(original), world.path(copy)).unwrap();
    world.some_rows("copies.csv", |_, _, _, _| true, |row| row.replace("tiles/t1200.tif", copy));
    let words = ["copies.csv: the splits leak", original, copy, "is in calibration and in measurement"];
    fail(&world.quantize_by("copies.csv", "never"), 4, &words);
    // Twice in one split is nobody's loss.
    world.some_rows("twice.csv", |_, _, _, _| true, |row| row.replace("tiles/t0301.tif", copy));
    succeed(&world.quantize_by("twice.csv", "twice"));
}

#[test]
fn a_promise_by_sites_needs_them_and_says_how_much_they_count() {
    let Some(world) = world() else { return };
    let own = |row: &str| match row.contains(",split,") {
        true => "site".to_owned(),
        false => format!("s-{}", row.split(',').next().unwrap()),
    };
    world.some_rows("scored.csv", |_, _, _, _| true, |row| format!("{row},{}", own(row)));
    let table = fs::read_to_string(world.path("scored.csv")).unwrap();
    assert!(table.starts_with("path,label,split,season,cloud,site"));
    fs::create_dir(world.path("by-site")).unwrap();
    for file in fs::read_dir(world.path("binary")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), world.path("by-site").join(file.file_name())).unwrap();
    }
    let calibrate = ["calibrate", "--model", "binary", "--manifest", "scored.csv", "--one-per-site", "--engine", "ort"];
    succeed(&world.s2infer(&[&calibrate[..], &["--out", "by-site/profile.json"]].concat()));
    s2infer::model::seal(&world.path("by-site"), &binary()).unwrap();
    let quantize = |manifest: &str| {
        let command = ["quantize", "by-site", "--precision", "fp16", "--manifest", manifest, "--out", "never"];
        world.s2infer(&[&command[..], &["--engine", "ort"]].concat())
    };
    let output = quantize("tiles.csv");
    fail(&output, 2, &["tiles.csv: split calibration: no positive states a site", "fill the column site"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("--one-per-site"));
    let one = |row: &str| if row.contains(",calibration,") { "here".to_owned() } else { own(row) };
    world.some_rows("one-place.csv", |_, _, _, _| true, |row| format!("{row},{}", one(row)));
    let output = quantize("one-place.csv");
    fail(&output, 4, &["no group has the", "which count as 1.0 as sites repeat", "s2infer calibrate"]);
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_another_writes_is_not() {
    let Some(world) = world() else { return };
    let left = |name: &str| {
        fs::create_dir_all(world.path("swept").join(name)).unwrap();
        fs::write(world.path("swept").join(name).join("model.onnx"), "half").unwrap();
        world.path("swept").join(name)
    };
    let [killed, alive, other] = [".s2infer-folder-k1Lled", ".s2infer-folder-aL1ve0", ".s2infer-folder-mine"].map(left);
    let writer = fs::File::open(&alive).unwrap();
    writer.lock().unwrap();
    succeed(&world.quantize("binary", "fp16", "swept/half", &[]));
    assert!(!killed.exists() && alive.join("model.onnx").exists() && other.exists());
    // The lock of a folder with a name has gone with its writer.
    assert!(fs::File::open(world.path("swept/half")).unwrap().try_lock().is_ok());
}

#[test]
fn a_killed_run_leaves_nothing_under_the_final_name_and_the_next_one_writes_it() {
    let Some(world) = world() else { return };
    fs::create_dir(world.path("shot")).unwrap();
    let half = ["quantize", "binary", "--precision", "fp16", "--manifest", "tiles.csv", "--out", "shot/half"];
    let mut killed = Command::new(env!("CARGO_BIN_EXE_s2infer"));
    killed.current_dir(world.path("")).args(half).args(["--engine", "ort"]).stderr(Stdio::null()).stdout(Stdio::null());
    let mut killed = killed.env("ORT_DYLIB_PATH", common::ort_library().unwrap_or_default()).spawn().unwrap();
    let names = || -> Vec<_> {
        fs::read_dir(world.path("shot"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    while names().is_empty() {
        assert!(killed.try_wait().unwrap().is_none(), "it ended before it began a folder");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = names();
    assert!(matches!(&left[..], [one] if one.starts_with(".s2infer-folder-")), "{left:?}");
    succeed(&world.quantize("binary", "fp16", "shot/half", &[]));
    assert_eq!(names(), ["half"]);
}
