//! Simulated pixels: what winter and a cloudy sky do to clear patches, and tiles as a Sentinel-2 user has them. Stands
//! beside the street. Whatever comes out of here is marked as **simulated** wherever it appears.

pub mod noise;
pub mod shift;
pub mod tile;
