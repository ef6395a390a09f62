//! File to native samples: open, header, one read of the whole tile.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use s2infer::raster::{Planes, Raster, ReadOptions, Window};

use crate::tiles::{BANDS, Codec, ground, tiff};

pub fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("decode a tile of uint16 x 4");
    for side_px in [64, 256, 1024] {
        group.throughput(Throughput::Bytes((side_px * side_px * BANDS * 2) as u64));
        for codec in Codec::ALL {
            let path = folder.path().join("tile.tif");
            std::fs::write(&path, tiff(&ground(side_px, 1), side_px, codec)).unwrap();
            let window = Window { x: 0, y: 0, width: side_px as u32, height: side_px as u32 };
            for mmap in [true, false] {
                let how = if mmap { "" } else { ", --no-mmap" };
                let mut planes = Planes::new();
                group.bench_function(BenchmarkId::new(format!("{codec:?}{how}"), side_px), |bencher| {
                    bencher.iter(|| {
                        let raster = Raster::open(&path, &ReadOptions { mmap, ..Default::default() }).unwrap();
                        raster.read(window, &[2, 1, 0, 3], &mut planes).unwrap();
                        black_box(&planes);
                    });
                });
            }
        }
    }
    group.finish();
}
