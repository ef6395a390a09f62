//! Simulated pixels: what winter and a cloudy sky do to clear patches, and tiles as a Sentinel-2 user has them. Stands
//! beside the street. Whatever comes out of here is marked as **simulated** wherever it appears.
//!
//! | part | files |
//! | --- | --- |
//! | light and air | [`sun`], [`atmosphere`], [`cloud`] |
//! | ground | [`season`] |
//! | instrument | [`bands`], [`sensor`], [`tile`] |
//! | what surfaces reflect | [`spectra`] |
//! | chance | [`random`], [`field`], [`severity`] |
//! | files | [`folder`], [`plain`] |
//! | real patches under another season and sky | [`shift`] |
//! | clouds of every kind over real ground, with their masks | [`skies`] |
//! | coasts | [`coast`] |
//! | land cover | [`landcover`] |
//! | landslides | [`landslides`] |

pub mod atmosphere;
pub mod bands;
pub mod cloud;
pub mod coast;
pub mod field;
pub mod folder;
pub mod landcover;
pub mod landslides;
pub mod plain;
pub mod random;
pub mod season;
pub mod sensor;
pub mod severity;
pub mod shift;
pub mod skies;
pub mod spectra;
pub mod sun;
pub mod tile;
