//! Bytes to pixels: files in, validated headers and windows of raw samples out.
//!
//! A file becomes a [`Raster`] when its header holds under [`crate::limits`]; from then on [`Raster::read`] gives
//! windows of it. Every length in the file is checked against the file before anything is allocated or read, every
//! chunk is decoded into a buffer of exactly the size that the header promises, and whatever does not come out at that
//! size is an error: the right pixels or none.

mod buffer;
mod cache;
mod facts;
mod geo;
mod grid;
mod jpeg;
mod magic;
mod map;
mod patch;
mod png;
mod reader;
mod source;
mod tiff;
mod types;

pub use facts::BandFacts;
pub use geo::Geo;
pub use magic::looks_like_raster;
pub use reader::Raster;
pub use source::ReadOptions;
pub use types::{BandInfo, Format, Header, Planes, SampleType, Window};
