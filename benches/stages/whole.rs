//! The whole way: files to a table, one session, one reader.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use ndarray::{Array4, Axis};
use s2infer::infer::engine::{Engine, Network};
use s2infer::model::manifest::Tta;
use s2infer::model::{Golden, Model, seal, write_golden};
use s2infer::output::{self, Format, TableOptions, Target};
use s2infer::pipeline::{self, Input, Job, Outputs, Thresholds};
use s2infer::scene::SceneOptions;

use crate::model::{BATCH_ROWS, SIDE_PX, engines, manifest, resnet18};
use crate::tiles::{BANDS, write};

const TILES: usize = 64;

pub fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let tiles = write(folder.path(), SIDE_PX, TILES);
    let mut group = criterion.benchmark_group("files to table, ResNet-18, 64 tiles of 64 x 64 x 4");
    group.throughput(Throughput::Elements(TILES as u64)).sample_size(10);
    for (name, engine) in engines() {
        let engine: Arc<dyn Engine> = engine.into();
        let model = model(&folder.path().join("model"), engine.as_ref());
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                let job = Job {
                    inputs: tiles.iter().map(|path| Input { path: path.clone(), problem: None }).collect(),
                    model: model.clone(),
                    engine: engine.clone(),
                    thresholds: Thresholds::Fixed(0.5),
                    scene: SceneOptions::default(),
                    clouds: None,
                    tta: Tta::None,
                    overlap_px: 0,
                    batch: BATCH_ROWS,
                    sessions: 1,
                    readers: 1,
                };
                let outputs = Outputs {
                    sink: output::open(
                        Format::Csv,
                        Target::Stdout(Box::new(std::io::sink())),
                        &TableOptions::default(),
                    )
                    .unwrap(),
                    journal: None,
                    keep_journal: false,
                    maps: Default::default(),
                    distributions: None,
                    progress: &mut |_| {},
                    observe: None,
                };
                let summary = pipeline::run(job, outputs).unwrap();
                assert_eq!(summary.counts.tiles_failed, 0);
            });
        });
    }
    group.finish();
}

/// A sealed folder whose golden batch is what `engine` computes.
fn model(folder: &std::path::Path, engine: &dyn Engine) -> Model {
    std::fs::create_dir_all(folder).unwrap();
    let graph = resnet18();
    let input = Array4::from_elem((1, BANDS, SIDE_PX, SIDE_PX), 0.25);
    let mut session = engine.session(Network::fp32(&graph, [BANDS, SIDE_PX, SIDE_PX]), 1).unwrap();
    let output = session.run(input.view()).unwrap();
    assert_eq!(output.len_of(Axis(0)), 1);
    std::fs::write(folder.join("model.onnx"), graph).unwrap();
    std::fs::write(folder.join("card.md"), "# A model to time\n").unwrap();
    write_golden(&folder.join("golden.safetensors"), &Golden { input, output }).unwrap();
    seal(folder, &manifest()).unwrap()
}
