//! Native samples to network input: reflectance, clipping, standardisation, the mask.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use s2infer::infer::preprocess::Preprocessing;
use s2infer::raster::{Planes, SampleType};
use s2infer::scene::{BandRadiometry, Radiometry};

use crate::model::{SIDE_PX, manifest};
use crate::tiles::BANDS;

pub fn benches(criterion: &mut Criterion) {
    let preprocessing = Preprocessing::new(&manifest());
    let radiometry = Radiometry {
        bands: vec![BandRadiometry { dn_scale: 1e-4, dn_offset: -1000.0 }; BANDS],
        nodata: vec![0.0],
        source: "command-line".into(),
        is_offset_assumed: false,
        is_offset_checked: false,
    };
    let area = SIDE_PX * SIDE_PX;
    let (mut input, mut valid) = (vec![0.0; BANDS * area], vec![true; area]);
    let mut group = criterion.benchmark_group("preprocess a tile of 64 x 64 x 4");
    group.throughput(Throughput::Elements((BANDS * area) as u64));
    for sample_type in [SampleType::U8, SampleType::U16, SampleType::F32] {
        let planes = Planes {
            sample_type,
            bands: BANDS,
            width: SIDE_PX,
            height: SIDE_PX,
            bytes: samples(sample_type, BANDS * area),
        };
        group.bench_function(BenchmarkId::from_parameter(sample_type.name()), |bencher| {
            bencher.iter(|| black_box(preprocessing.apply(&planes, &radiometry, &mut input, &mut valid)));
        });
    }
    group.finish();
}

fn samples(sample_type: SampleType, count: usize) -> Vec<u8> {
    let values = (0..count).map(|index| index * 7919 % 3000);
    match sample_type {
        SampleType::U8 => values.map(|value| (value % 256) as u8).collect(),
        SampleType::U16 => values.flat_map(|value| (value as u16).to_le_bytes()).collect(),
        _ => values.flat_map(|value| (value as f32 * 1e-4).to_le_bytes()).collect(),
    }
}
