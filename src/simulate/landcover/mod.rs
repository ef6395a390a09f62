//! Simulated land: tiles and masks in the layout of the Preligens challenge at ENS (256×256 px, red, green, blue, near
//! infrared, `uint16`), whose own images cannot be had by everyone. A sandbox to train and to measure on; nothing measured
//! on it is a measurement of the challenge.
//!
//! | part | files |
//! | --- | --- |
//! | what the land is like | [`region`], [`palette`] |
//! | what a day makes of fields, grass and trees | [`growth`] |
//! | what stands where | [`parcel`], [`stroke`], [`land`] |
//! | what the sensor sees, and what a map of it says | [`image`], [`mask`] |
//! | which tiles there are | [`plan`], [`dataset`] |
//!
//! No class is a colour: fields are green, yellow or bare by crop and date, as grass and heath are; a stand is of both kinds
//! of trees; roofs look like rock and soil. What tells them apart is form, texture and neighbourhood.

pub mod dataset;
pub mod growth;
pub mod image;
pub mod land;
pub mod mask;
pub mod palette;
pub mod parcel;
pub mod plan;
pub mod region;
pub mod stroke;

/// Height and width of a tile in pixels of 10 m.
pub const SIDE: usize = 256;

/// The challenge's classes; the number of a class in a mask is its place here.
pub const CLASSES: [&str; 10] = [
    "no_data",
    "clouds",
    "artificial",
    "cultivated",
    "broadleaf",
    "coniferous",
    "herbaceous",
    "natural",
    "snow",
    "water",
];

/// A class of a mask. Of the challenge's, `no_data` occurs in no mask, there as here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Class {
    Clouds = 1,
    Artificial = 2,
    Cultivated = 3,
    Broadleaf = 4,
    Coniferous = 5,
    Herbaceous = 6,
    Natural = 7,
    Snow = 8,
    Water = 9,
}
