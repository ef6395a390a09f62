//! Models that are no folder of ours: a bare ONNX file, or a STAC item of the Machine Learning Model extension.
//!
//! What the file says and what a person says are brought together into a [manifest](super::Manifest); what both leave open is asked for,
//! never guessed. No golden batch can exist, so that such a model is unsealed: nothing shows that an engine computes it as
//! its maker's did.

mod complete;
mod interface;
mod item;
mod metadata;
mod questions;
mod scale;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use scale::Scale;

use super::Model;
use super::assets::{Asset, Role, describe_accident, sha256};
use super::files::Files;
use super::graph::{self, Outline};
use super::manifest::{About, Padding};
use crate::limits::{CONFIG_BYTES_MAX, MODEL_BYTES_MAX};
use crate::{Error, Kind, Result};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A class for the window.
    Classification,
    /// A class for every pixel.
    Segmentation,
}

/// What a graph gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Numbers of any size, of which a soft-max or sigmoid makes probabilities.
    Logits,
    /// Probabilities.
    Probabilities,
}

/// What a person says of a model that does not describe itself, or says otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// Its input bands in the order of its channels.
    pub bands: Option<Vec<String>>,
    /// What its numbers are before its own mean and deviation.
    pub scale: Option<Scale>,
    /// The processing level that it was trained on: `L1C`, `L2A`, or `unknown`.
    pub level: Option<String>,
    /// What it does.
    pub task: Option<Task>,
    /// What its output is.
    pub gives: Option<Gives>,
    /// Its classes in the order of its output.
    pub classes: Option<Vec<String>>,
    /// Side of its input in pixels.
    pub tile_px: Option<u32>,
    /// Probability from which a pixel is of a class after the first; 0 for none.
    pub threshold: Option<f64>,
    /// Metres of a pixel that it was made for.
    pub resolution_m: Option<f64>,
    /// What a tile smaller than its input gets.
    pub padding: Option<Padding>,
}

/// What a foreign model says of itself; what it leaves open is `None` or empty.
#[derive(Debug, Default)]
struct Description {
    name: Option<String>,
    architecture: Option<String>,
    about: About,
    task: Option<Task>,
    bands: Option<Vec<String>>,
    /// Mean and deviation a band, or one for all, of the numbers that [`Scale`] gives.
    standardisation: Vec<(f64, f64)>,
    /// Range of those numbers.
    clip: Option<[f64; 2]>,
    classes: Option<Vec<String>>,
    tile_px: Option<u32>,
    overlap_percent: Option<f64>,
    threshold: Option<f64>,
    resolution_m: Option<f64>,
    is_padded: bool,
    /// What it says and this program does not do.
    remarks: Vec<String>,
}

/// A model that is no folder: what was made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsealed {
    /// The files it came from, the one that was named first.
    pub files: Vec<PathBuf>,
    /// What was understood, in a few sentences.
    pub understood: Vec<String>,
    /// Whether the graph was exported for one row at a time.
    pub is_single_row: bool,
}

/// The file of a foreign model that a name leads to: an ONNX file, an item, or the one item of a folder.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_dir() {
        let own = path.join("model.json");
        if own.exists() && !is_item(&own) {
            return None;
        }
        let files = std::fs::read_dir(&path).ok()?.flatten().take(crate::limits::PRODUCT_FILES_MAX);
        let mut items = files.map(|entry| entry.path()).filter(|path| is_item(path));
        return items.next().filter(|_| items.next().is_none());
    }
    let is_onnx = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    ((is_onnx && path.exists()) || is_item(&path)).then_some(path)
}

fn is_item(path: &Path) -> bool {
    let is_json = path.extension().is_some_and(|extension| extension == "json" || extension == "geojson");
    is_json && path.is_file() && read_item(path).is_ok_and(|item| item::is_foreign(&item))
}

fn read_item(path: &Path) -> Result<Value> {
    let bytes = read(path, CONFIG_BYTES_MAX)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::refused(format!("no JSON: {error}")))
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bytes = Files::Folder(folder).read(name, bytes_max).map_err(|error| error.without_context(name))?;
    match describe_accident(&bytes) {
        Some(accident) => Err(Error::refused(accident)),
        None => Ok(bytes.into_owned()),
    }
}

/// Loads the model in `path`, with what is `stated` of it.
///
/// # Errors
/// [`Kind::Usage`] with every flag that is missing and an example; [`Kind::Refused`] for what is wrong or not run.
pub(super) fn load(path: &Path, stated: &Stated) -> Result<Model> {
    let assembled = assemble(path, stated).map_err(|error| match error.kind() {
        Kind::Usage => error,
        _ => error.with_kind(Kind::Refused),
    });
    assembled.map_err(|error| error.context(path.display()))
}

/// What an ONNX file or item says of itself, before anything is stated: `{file, metadata, input, output, ends_in}`.
///
/// # Errors
/// [`Kind::Refused`] for what cannot be read or is not run.
pub fn foreign_facts(name: &str) -> Result<Value> {
    let path = find(name).ok_or_else(|| Error::usage(format!("{name}: no ONNX file and no STAC-MLM item")))?;
    let Parts { outline, files, .. } = take(&path).map_err(|error| error.context(path.display()))?;
    Ok(json!({
        "file": files.last(),
        "metadata": outline.metadata,
        "input": outline.input,
        "output": outline.output,
        "ends_in": outline.ending.operator(),
    }))
}

fn assemble(path: &Path, stated: &Stated) -> Result<Model> {
    let Parts { description, bytes, outline, files } = take(path)?;
    let complete::Completed { mut manifest, adaptation, understood } =
        complete::complete(description, &outline, stated, path)?;
    let sha256 = sha256(&bytes);
    manifest.assets = vec![Asset::of("model", "model.onnx", Role::Model, &bytes)];
    manifest.validate().map_err(|error| error.without_context("model.json"))?;
    // Names the numbers that rows depend on, as a folder's manifest does.
    manifest.item = manifest.item_as_it_is()?;
    let scanned = graph::scan(&graph::adapt(&bytes, adaptation)?, &manifest)?;
    let is_single_row = outline.input.first().copied().flatten().is_some();
    Ok(Model {
        manifest,
        sha256,
        graph: scanned.graph,
        facts: scanned.facts,
        gate: None,
        golden: None,
        profile: None,
        reference: None,
        unsealed: Some(Unsealed { files, understood, is_single_row }),
    })
}

/// What the files hold, before anybody is asked.
struct Parts {
    description: Description,
    bytes: Vec<u8>,
    outline: Outline,
    files: Vec<PathBuf>,
}

fn take(path: &Path) -> Result<Parts> {
    if !is_item(path) {
        let bytes = read(path, MODEL_BYTES_MAX)?;
        let outline = graph::outline(&bytes)?;
        let description = metadata::describe(&outline.metadata)?;
        return Ok(Parts { description, bytes, outline, files: vec![path.to_owned()] });
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let (description, file) = item::describe(&read_item(path)?, folder)?;
    let onnx = folder.join(&file.name);
    let bytes = read(&onnx, MODEL_BYTES_MAX).map_err(|error| error.context(&file.name))?;
    if let Some(stated) = file.sha256 {
        let actual = sha256(&bytes);
        if actual != stated {
            return Err(Error::refused(format!(
                "{}: SHA-256 is {actual}, the item's file:checksum says {stated}; download it again",
                file.name
            )));
        }
    }
    let outline = graph::outline(&bytes).map_err(|error| error.context(&file.name))?;
    Ok(Parts { description, bytes, outline, files: vec![path.to_owned(), onnx] })
}
