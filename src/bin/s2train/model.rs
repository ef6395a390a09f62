//! What the model is, on the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use s2infer::infer::preprocess::PREPROCESSING_VERSION;
use s2infer::model::Manifest;
use s2infer::model::manifest::{About, Band, DnDefault, Head, Padding, Precision, Tta, WeightsStorage};
use s2infer::train::network::{Architecture, Family, Pooling};
use s2infer::train::patches::{Patch, Split};
use s2infer::{Error, Result};

/// Largest relative difference between engines that loading a model forgives; measured differences are a hundred
/// times smaller.
const GOLDEN_TOLERANCE: f32 = 1e-3;
/// Windows with fewer valid pixels abstain.
const MINIMUM_VALID_SHARE: f64 = 0.9;

/// The model
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The model")]
pub struct ModelArguments {
    /// Name of the model [default: that of its folder]
    #[arg(long)]
    name: Option<String>,
    /// One sentence about it
    #[arg(long, value_name = "TEXT", default_value = "Whether a window shows what the positive patches show.")]
    description: String,
    /// Markdown that the card begins with: task, data, limits
    #[arg(long, value_name = "FILE")]
    about: Option<PathBuf>,
    /// SPDX identifier of the weights' licence
    #[arg(long, value_name = "SPDX")]
    license: Option<String>,
    /// Bands in channel order; patches without band names must have exactly these
    #[arg(long, value_name = "B04,B03,…", value_delimiter = ',', default_value = "B04,B03,B02")]
    bands: Vec<String>,
    /// Processing level of the products that the patches were cut from; scenes of another get a warning
    #[arg(long, value_name = "L1C|L2A", value_parser = ["L1C", "L2A"])]
    processing_level: Option<String>,
    resolution_m: None,
    pixel_threshold: None,
    /// Names of the classes in the order of the labels; of two, the first is the negative one
    #[arg(long, value_name = "NAME,NAME,…", value_delimiter = ',', default_value = "other,construction")]
    classes: Vec<String>,
    /// Network
    #[arg(long, value_enum, default_value = "resnet18")]
    network: NetworkArgument,
    /// Channels of the first stage [default: 64 for ResNets, 40 for ConvNeXt]
    #[arg(long, value_name = "CHANNELS")]
    width: Option<usize>,
    /// Pixels of a patch for one of the network's first stage: 4 as published, 2 or 1 for targets of a few pixels
    #[arg(long, value_name = "1|2|4", default_value = "4", value_parser = stem)]
    stem: usize,
    /// Pooling of the last feature map; gem keeps targets of a few pixels
    #[arg(long, value_enum, default_value = "average")]
    pooling: PoolingArgument,
    /// Height and width of a patch in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    tile_px: u32,
    /// Range that reflectance is clipped to, or none
    #[arg(long, value_name = "LOW,HIGH", default_value = "none", value_parser = clip)]
    clip: Clip,
    /// What samples of a data type are worth where a file does not say: reflectance = (DN + offset) × scale
    #[arg(long, value_name = "TYPE:SCALE:OFFSET[:NODATA]", value_parser = dn_default,
          default_values = ["uint16:0.0001:0:0", "float32:1:0"])]
    dn_default: Vec<(String, DnDefault)>,
    /// Test-time augmentation that the model asks for
    #[arg(long, value_name = "none|flips|d4", default_value = "d4", value_parser = tta)]
    tta: Tta,
    /// How weights are stored; fp16 halves the file and is widened to fp32 when the model is loaded
    #[arg(long, value_name = "fp32|fp16", default_value = "fp16", value_parser = weights)]
    weights: WeightsStorage,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkArgument {
    Resnet18,
    Resnet50,
    ConvnextAtto,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PoolingArgument {
    Average,
    Gem,
}

/// A range of reflectance, or none.
#[derive(Debug, Clone, Copy)]
pub struct Clip(Option<[f32; 2]>);

impl ModelArguments {
    /// The manifest, with bands that have no statistics yet; `name` is the model's where the flags give none.
    pub fn manifest(&self, name: String, patches: &[Patch]) -> Result<Manifest> {
        let band = |name: &String| Band {
            name: name.clone(),
            mean: 0.0,
            standard_deviation: 1.0,
            training: None,
            substitutes: Vec::new(),
        };
        if self.classes.len() < 2 {
            return Err(Error::usage("--classes: give at least two, of two the negative one first"));
        }
        if self.width == Some(0) {
            return Err(Error::usage("--width 0: give at least 1"));
        }
        Ok(Manifest {
            item: serde_json::Value::Null,
            name: self.name.clone().unwrap_or(name),
            architecture: self.architecture().to_string(),
            bands: self.bands.iter().map(band).collect(),
            tile_px: self.tile_px,
            precision: Precision::Fp32,
            weights_storage: self.weights,
            classes: self.classes.clone(),
            head: if self.classes.len() == 2 { Head::Binary } else { Head::Multiclass },
            tta: self.tta,
            temperature: 1.0,
            clip: self.clip.0,
            minimum_valid_share: MINIMUM_VALID_SHARE,
            overlap_px: 0,
            padding: Padding::Refuse,
            dn_defaults: self.dn_default.iter().cloned().collect::<BTreeMap<_, _>>(),
            preprocessing_version: PREPROCESSING_VERSION.into(),
            processing_level: self.processing_level.clone(),
            golden_tolerance: GOLDEN_TOLERANCE,
            assets: Vec::new(),
            about: About {
                description: self.description.clone(),
                license: self.license.clone(),
                created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                training_bbox: bbox(patches),
                ..About::default()
            },
        })
    }

    /// The network: one logit for two classes, else one a class.
    pub fn architecture(&self) -> Architecture {
        let family = match self.network {
            NetworkArgument::Resnet18 => Family::ResNet18,
            NetworkArgument::Resnet50 => Family::ResNet50,
            NetworkArgument::ConvnextAtto => Family::ConvNextAtto,
        };
        Architecture {
            family,
            width: self.width.unwrap_or(family.width()),
            stem_stride: self.stem,
            pooling: match self.pooling {
                PoolingArgument::Average => Pooling::Average,
                PoolingArgument::Gem => Pooling::Gem,
            },
            bands: self.bands.len(),
            outputs: if self.classes.len() == 2 { 1 } else { self.classes.len() },
        }
    }

    /// The Markdown of `--about`.
    pub fn about(&self) -> Result<String> {
        let Some(path) = &self.about else { return Ok(String::new()) };
        std::fs::read_to_string(path).map_err(|e| Error::usage(e).context(path.display()))
    }
}

/// West, south, east, north of the patches that the weights were fitted to.
fn bbox(patches: &[Patch]) -> Option<[f64; 4]> {
    let mut train = patches.iter().filter(|patch| patch.split == Split::Train);
    let first = train.next()?;
    let start = [first.longitude, first.latitude, first.longitude, first.latitude];
    Some(train.fold(start, |[west, south, east, north], patch| {
        let (x, y) = (patch.longitude, patch.latitude);
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

fn stem(text: &str) -> Result<usize, String> {
    let stride = text.parse().ok().filter(|stride| Architecture::STEM_STRIDES.contains(stride));
    stride.ok_or_else(|| "1, 2 or 4".to_owned())
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

fn tta(text: &str) -> Result<Tta, String> {
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
