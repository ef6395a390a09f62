//! Inference alone: one session, one thread, a batch from memory.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ndarray::Array4;

use crate::model::{BATCH_ROWS, SIDE_PX, engines, resnet18};
use crate::tiles::BANDS;
use s2infer::infer::engine::Network;

pub fn benches(criterion: &mut Criterion) {
    let graph = resnet18();
    let shape = (BATCH_ROWS, BANDS, SIDE_PX, SIDE_PX);
    let batch =
        Array4::from_shape_fn(shape, |(row, band, y, x)| ((row + band * 5 + y * 3 + x) % 17) as f32 / 8.0 - 1.0);
    let mut group = criterion.benchmark_group("ResNet-18, a batch of 32 x 64 x 64 x 4");
    group.throughput(Throughput::Elements(BATCH_ROWS as u64)).sample_size(20);
    for (name, engine) in engines() {
        let mut session = engine.session(Network::fp32(&graph, [BANDS, SIDE_PX, SIDE_PX]), BATCH_ROWS).unwrap();
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(session.run(batch.view()).unwrap()));
        });
    }
    group.finish();
}
