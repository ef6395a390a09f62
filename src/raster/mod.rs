//! Bytes to pixels: files in, validated headers and windows of raw samples out.

mod geo;
mod types;

pub use geo::Geo;
pub use types::{BandInfo, Format, Header, Planes, SampleType, Window};
