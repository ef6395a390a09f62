//! What the model is, on the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use s2infer::infer::preprocess::PREPROCESSING_VERSION;
use s2infer::model::Manifest;
use s2infer::model::manifest::{About, Band, DnDefault, Head, Padding, Precision, Tta, WeightsStorage};
use s2infer::train::network::Architecture;
use s2infer::{Error, Result};

/// Largest relative difference between engines that loading a model forgives; measured differences are a hundred
/// times smaller.
const GOLDEN_TOLERANCE: f32 = 1e-3;

/// The model
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The model")]
pub struct ModelArguments {
    /// Name of the model [default: that of its folder]
    #[arg(long)]
    name: Option<String>,
    /// Markdown that the card begins with: task, data, limits
    #[arg(long, value_name = "FILE")]
    about: Option<PathBuf>,
    /// One sentence about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// SPDX identifier of the weights' licence
    #[arg(long, value_name = "SPDX")]
    license: Option<String>,
    /// Processing level of the products that the patches were cut from; scenes of another get a warning
    #[arg(long, value_name = "L1C|L2A", value_parser = ["L1C", "L2A"])]
    processing_level: Option<String>,
    /// Range that reflectance is clipped to, or none
    #[arg(long, value_name = "LOW,HIGH", default_value = "none", value_parser = clip)]
    clip: Clip,
    /// What samples of a data type are worth where a file does not say: reflectance = (DN + offset) × scale
    #[arg(long, value_name = "TYPE:SCALE:OFFSET[:NODATA]", value_parser = dn_default,
          default_values = ["uint16:0.0001:0:0", "float32:1:0"])]
    dn_default: Vec<(String, DnDefault)>,
    /// How weights are stored; fp16 halves the file and is widened to fp32 when the model is loaded
    #[arg(long, value_name = "fp32|fp16", default_value = "fp16", value_parser = weights)]
    weights: WeightsStorage,
}

/// Channels that are bands
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The model")]
pub struct BandArguments {
    /// Bands in channel order; patches without band names must have exactly these
    #[arg(long, value_name = "B04,B03,…", value_delimiter = ',', default_value = "B04,B03,B02")]
    bands: Vec<String>,
}

impl BandArguments {
    /// The bands, without statistics yet.
    pub fn bands(&self) -> Vec<Band> {
        self.bands.iter().map(|name| Band::named(name)).collect()
    }
}

/// A range of reflectance, or none.
#[derive(Debug, Clone, Copy)]
pub struct Clip(Option<[f32; 2]>);

/// What a manifest says that depends on the task.
pub struct Purpose<'a> {
    pub description: &'static str,
    pub architecture: Architecture,
    pub bands: Vec<Band>,
    pub classes: Vec<String>,
    pub ignored_classes: Vec<String>,
    pub head: Head,
    pub tile_px: u32,
    pub tta: Tta,
    pub minimum_valid_share: f64,
    pub overlap_px: u32,
    pub padding: Padding,
    /// Degrees east and north of what the weights are fitted to.
    pub places: &'a mut dyn Iterator<Item = (f64, f64)>,
}

impl ModelArguments {
    /// The manifest; `name` is the model's where the flags give none.
    pub fn manifest(&self, name: String, purpose: Purpose) -> Manifest {
        Manifest {
            item: serde_json::Value::Null,
            name: self.name.clone().unwrap_or(name),
            architecture: purpose.architecture.to_string(),
            bands: purpose.bands,
            units: Default::default(),
            tile_px: purpose.tile_px,
            precision: Precision::Fp32,
            weights_storage: self.weights,
            classes: purpose.classes,
            ignored_classes: purpose.ignored_classes,
            head: purpose.head,
            tta: purpose.tta,
            temperature: 1.0,
            clip: self.clip.0,
            minimum_valid_share: purpose.minimum_valid_share,
            overlap_px: purpose.overlap_px,
            padding: purpose.padding,
            dn_defaults: self.dn_default.iter().cloned().collect::<BTreeMap<_, _>>(),
            preprocessing_version: PREPROCESSING_VERSION.into(),
            processing_level: self.processing_level.clone(),
            resolution_m: None,
            pixel_threshold: None,
            members: Vec::new(),
            view_agreement_minimum: None,
            gate: None,
            golden_tolerance: GOLDEN_TOLERANCE,
            assets: Vec::new(),
            about: About {
                description: self.description.clone().unwrap_or_else(|| purpose.description.to_owned()),
                license: self.license.clone(),
                created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                training_bbox: bbox(purpose.places),
                ..About::default()
            },
        }
    }

    /// The Markdown of `--about`.
    pub fn about(&self) -> Result<String> {
        let Some(path) = &self.about else { return Ok(String::new()) };
        std::fs::read_to_string(path).map_err(|e| Error::usage(e).context(path.display()))
    }
}

/// West, south, east, north of places.
fn bbox(places: &mut dyn Iterator<Item = (f64, f64)>) -> Option<[f64; 4]> {
    let (x, y) = places.next()?;
    Some(places.fold([x, y, x, y], |[west, south, east, north], (x, y)| {
        [west.min(x), south.min(y), east.max(x), north.max(y)]
    }))
}

fn clip(text: &str) -> Result<Clip, String> {
    if text == "none" {
        return Ok(Clip(None));
    }
    let numbers: Vec<f32> = text.split(',').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [low, high] if low < high => Ok(Clip(Some([low, high]))),
        _ => Err("write it as 0,0.275 or none".into()),
    }
}

fn dn_default(text: &str) -> Result<(String, DnDefault), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |index: usize| parts.get(index).and_then(|part| part.parse::<f64>().ok());
    match (number(1), number(2), parts.len()) {
        (Some(dn_scale), Some(dn_offset), 3 | 4) if parts.len() == 3 || number(3).is_some() => {
            Ok((parts[0].to_owned(), DnDefault { dn_scale, dn_offset, nodata: number(3) }))
        }
        _ => Err("write it as uint16:0.0001:0:0".into()),
    }
}

/// `none`, `flips` or `d4`
pub fn tta(text: &str) -> Result<Tta, String> {
    match text {
        "none" => Ok(Tta::None),
        "flips" => Ok(Tta::Flips),
        "d4" => Ok(Tta::D4),
        _ => Err("none, flips or d4".into()),
    }
}

fn weights(text: &str) -> Result<WeightsStorage, String> {
    match text {
        "fp32" => Ok(WeightsStorage::Fp32),
        "fp16" => Ok(WeightsStorage::Fp16),
        _ => Err("fp32 or fp16".into()),
    }
}
