//! Test-time augmentation: the views of a window, and maps turned back.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use s2infer::infer::augment::views;
use s2infer::model::manifest::Tta;

use crate::model::SIDE_PX;
use crate::tiles::BANDS;

pub fn benches(criterion: &mut Criterion) {
    let source: Vec<f32> = (0..BANDS * SIDE_PX * SIDE_PX).map(|index| index as f32).collect();
    let mut target = vec![0.0; source.len()];
    let mut group = criterion.benchmark_group("augment a window of 64 x 64 x 4");
    for tta in [Tta::Flips, Tta::D4] {
        group.bench_function(BenchmarkId::new("views", format!("{tta:?}")), |bencher| {
            bencher.iter(|| {
                for view in views(tta) {
                    view.apply(&source, &mut target, SIDE_PX);
                    black_box(&target);
                }
            });
        });
        group.bench_function(BenchmarkId::new("maps turned back", format!("{tta:?}")), |bencher| {
            bencher.iter(|| {
                target.fill(0.0);
                for view in views(tta) {
                    view.add_inverse(&source, &mut target, SIDE_PX);
                }
                black_box(&target);
            });
        });
    }
    group.finish();
}
