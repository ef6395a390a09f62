//! How fast models run here: the program and its engines side by side; stands beside the street.
//!
//! A [`Case`] is one combination of model, engine, device, batch, threads and augmentation. [`compare()`] measures
//! cases in rounds, one of each after the other, so that a machine that grows slower does so for all; [`Report`] is what
//! came of it. [`tune`] uses the same measure to choose a batch.

mod case;
mod compare;
mod flops;
mod machine;
mod memory;
mod peak;
mod program;
mod render;
mod report;
mod round;
mod stability;
mod tiles;
pub mod tune;

pub use case::{Case, Subject};
pub use compare::{Measured, Settings, compare};
pub use flops::gflop_per_row;
pub use machine::Machine;
pub use peak::peak_gflops;
pub use report::{Latency, Line, Report, SCHEMA, Split, TilesUsed};
pub use round::Round;
pub use stability::{Estimate, ROUNDS_MIN, STABLE_WITHIN, median};
pub use tiles::write_tiles;
