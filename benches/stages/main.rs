//! The street, stage by stage: reading, preprocessing, augmentation, each engine, the whole way. Everything is made
//! here: tiles, model, folders. Times are per tile or per batch of [`model::BATCH_ROWS`], as each name says.

mod decode;
mod engines;
mod model;
mod preprocess;
mod tiles;
mod tta;
mod whole;

use criterion::{criterion_group, criterion_main};

criterion_group!(stages, decode::benches, preprocess::benches, tta::benches, engines::benches, whole::benches);
criterion_main!(stages);
