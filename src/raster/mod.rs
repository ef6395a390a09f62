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
mod image;
mod jp2;
mod jpeg;
mod magic;
mod map;
mod npy;
mod patch;
mod png;
mod reader;
mod remote;
mod resample;
mod source;
mod stack;
mod tiff;
mod types;

pub use facts::BandFacts;
pub use geo::Geo;
pub use image::Image;
pub use jp2::{DECODER_COMMAND, end_jp2_decoders, serve_jp2_decoder};
pub use magic::looks_like_raster;
pub use reader::Raster;
pub use remote::{address, certificates, shown};
pub(crate) use remote::{fetch, join, without_scheme};
pub use resample::Kernel;
pub use source::ReadOptions;
pub use stack::{Frame, Layer, Stack};
pub use types::{BandInfo, Format, Header, Planes, SampleType, Window};
