//! # s2infer: Sentinel-2 tiles in, calibrated decisions out
//!
//! ## The map
//!
//! One street, one direction; nothing on the right is imported by anything on its left:
//!
//! ```text
//! bytes ─▶ raster ─▶ scene ─▶ infer ─▶ decide ─▶ output
//!          pixels    meaning  scores   decisions  files
//! ```
//!
//! | room | what it does |
//! | --- | --- |
//! | [`raster`] | TIFF, JPEG 2000, JPEG, PNG and NPY, here or at an address: validated headers, windows of raw samples, geo keys, the memory map; files on one grid |
//! | [`scene`] | tiles and products: bands by name, reflectance, validity, date, season, the clouds of every window |
//! | [`model`] | model folders: manifest, hashes, graph scan, members, golden batch, the built-in model; other people's models |
//! | [`onnx`] | writing ONNX graphs, changing and merging them; running tree ensembles |
//! | [`infer`] | windows, preprocessing, derived channels, the prefilter, test-time augmentation, engines, heads, blending |
//! | [`decide`] | threshold profiles, shift selection, the rule, sites |
//! | [`output`] | one file per format, maps, pictures, atomic writes, the resume journal, the run record |
//! | [`pipeline`] | the only room where all the others meet; it sequences and computes nothing |
//! | [`inspect`] | what a tile is and what a model would be fed of it; beside the street |
//! | [`labelled`] | labelled tiles: manifests, tables of scores, the scores of a model; beside the street |
//! | [`drift`] | whether tiles and scores are still those that the model was calibrated on; beside the street |
//! | [`calibrate`] | scores to thresholds with a guarantee; stands beside the street |
//! | [`evaluate`] | two models side by side on labelled tiles, and the report of it; beside the street |
//! | [`mod@bench`] | how fast models and engines run here, and the choice of a batch; beside the street |
//! | [`quantize`] | a model in half precision or 8 bits, and the gate that it must pass; beside the street |
//! | [`page`] | documents with tables and plots, as HTML and Markdown |
//! | [`statistics`] | intervals, tests, ranking and calibration of scores; pure |
//! | [`simulate`] | simulated seasons, skies with their cloud masks, coasts, land and landslides; beside the street |
//!
//! ## Invariants
//!
//! 1. The library never prints and never exits.
//! 2. Preprocessing, augmentation, heads and the rule are pure: no files, clock or environment.
//! 3. Nothing allocates from an untrusted number without a bound from [`limits`].
//! 4. `unsafe` lives in the memory map, and in one call that sets an environment variable before any thread is there
//!    ([`infer::engine::forbid_telemetry`]).
//! 5. Scores are finite by construction; a window without a valid score abstains.
//! 6. A file appears under its final name complete or not at all.
//! 7. An engine or device asked for by name runs or is an error; only `auto` falls back.

pub mod bench;
pub mod calibrate;
pub mod decide;
pub mod drift;
pub mod error;
pub mod evaluate;
pub mod infer;
pub mod inspect;
pub mod labelled;
pub mod limits;
pub mod model;
pub mod onnx;
pub mod output;
pub mod page;
pub mod pipeline;
pub mod quantize;
mod quoted;
pub mod raster;
pub mod scene;
pub mod simulate;
pub mod statistics;
#[cfg(feature = "train")]
pub mod train;

pub use error::{Error, Kind, Result};
