//! The manifest as the rest of the house sees it: what `model.json` says, validated.

mod ensemble;
mod item;
mod parse;
mod validate;
mod write;

pub use ensemble::{GATE_STATISTICS, Gate, Member, lost_share_max};
pub(super) use item::ItemAsset;
pub(super) use validate::canonical_band;

use super::assets::Asset;
use super::expression::Expression;

/// What a model's output tensor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One logit a window, `[n, 1]`: the score is its logistic function.
    Binary,
    /// One logit a class, `[n, classes]`: the scores are their soft-max.
    Multiclass,
    /// One logit a class and pixel, `[n, classes, height, width]`.
    Segmentation,
}

/// Test-time augmentation: the views whose logits are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tta {
    /// The window as it is.
    None,
    /// Itself, left-right, up-down, both: four views.
    Flips,
    /// The eight symmetries of the square.
    D4,
}

/// What a tile smaller than the model's input gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// An error.
    Refuse,
    /// Invalid pixels to the right and below, which count against the valid share.
    Nodata,
}

/// How the samples of one data type become reflectance where nothing in or beside the file says so.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnDefault {
    /// Reflectance of one DN: reflectance = (DN + `dn_offset`) × `dn_scale`.
    pub dn_scale: f64,
    /// DN added before scaling; −1000 since processing baseline 04.00.
    pub dn_offset: f64,
    /// DN that means "no data", before the offset.
    pub nodata: Option<f64>,
}

/// Reflectance percentiles of one band over the training set.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingStatistics {
    /// 2nd percentile.
    pub p02: f32,
    /// Median.
    pub median: f32,
    /// 98th percentile.
    pub p98: f32,
}

/// One channel of the network's input: a band of the file, or derived from bands, and how it is standardised.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// `B04`; of a derived channel its own name, `NDVI`.
    pub name: String,
    /// Mean reflectance (or of what else the channel holds): network input = (clip(reflectance) − mean) / standard_deviation.
    pub mean: f32,
    /// Standard deviation of reflectance, > 0.
    pub standard_deviation: f32,
    /// Percentiles over the training set, if stated.
    pub training: Option<TrainingStatistics>,
    /// Bands that stand in for this one, best first, where a product lacks it.
    pub substitutes: Vec<String>,
    /// How a derived channel follows from the file's bands; `None`: the channel is one of them.
    pub expression: Option<Expression>,
}

/// The unit of what a manifest says nothing else of.
pub const REFLECTANCE: &str = "reflectance";

/// A band that is read from a file: a channel of the network, or a name in the expression of one, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `B04`
    pub name: String,
    /// Bands that stand in for this one, best first, where a product lacks it.
    pub substitutes: Vec<String>,
    /// Whether its samples become reflectance by scale and offset. Those of another unit are taken as they are, unless
    /// the file itself states a scale of the band.
    pub is_reflectance: bool,
}

impl Band {
    /// A band of the file, not standardised.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            mean: 0.0,
            standard_deviation: 1.0,
            training: None,
            substitutes: Vec::new(),
            expression: None,
        }
    }
}

/// What a network is computed in. Scores differ from precision to precision, so a threshold profile is bound to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point.
    Fp32,
    /// 16-bit floating point: weights and activations of the graph are FLOAT16, its input and output FLOAT.
    Fp16,
    /// bfloat16 in layers that the engine has it for. The graph is fp32; the engine is told.
    Bf16,
    /// 8-bit integers in the layers that stand between `QuantizeLinear` and `DequantizeLinear`.
    Int8,
}

impl Precision {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Fp32, Self::Fp16, Self::Bf16, Self::Int8];

    /// As manifests, profiles and flags name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the weights lie in the file; it says nothing about what is computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsStorage {
    /// As they are computed with.
    #[default]
    Fp32,
    /// FLOAT16 initialisers, each behind a `Cast` to FLOAT: half the file, folded when it is loaded.
    Fp16,
}

/// What a reader of the catalogue wants to know and the street does not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// One paragraph.
    pub description: String,
    /// SPDX identifier, or `other`.
    pub license: Option<String>,
    /// When the model was made, RFC 3339 in UTC.
    pub created: String,
    /// First and last moment of the training images, RFC 3339 in UTC, if known.
    pub training_period: Option<[String; 2]>,
    /// West, south, east and north of the training images in degrees, if known.
    pub training_bbox: Option<[f64; 4]>,
    /// Number of parameters as trained; the graph holds fewer where batch normalisation was folded into convolutions.
    pub total_parameters: Option<u64>,
    /// What the weights started from; `None`: trained from scratch.
    pub pretrained_source: Option<String>,
    /// Free-form training settings (`mlm:hyperparameters`).
    pub hyperparameters: serde_json::Map<String, serde_json::Value>,
}

/// A validated manifest.
///
/// The trainer fills one in (with `item` null and no `assets`) and hands it to [`super::seal`].
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The STAC item as it was read.
    pub item: serde_json::Value,
    /// The model's name (`mlm:name`).
    pub name: String,
    /// Architecture (`mlm:architecture`).
    pub architecture: String,
    /// The network's channels in order; never empty. The file's bands that they need are [`Manifest::sources`].
    pub bands: Vec<Band>,
    /// Units of channels and sources by name, where stated: `dB`, `1`. A band of the file without one is reflectance; a
    /// derived channel without one is a plain number.
    pub units: std::collections::BTreeMap<String, String>,
    /// Input height and width in pixels (equal).
    pub tile_px: u32,
    /// Precision that is computed in. Part of what a profile is bound to.
    pub precision: Precision,
    /// How the weights are stored.
    pub weights_storage: WeightsStorage,
    /// Class names in output order. Binary: `[negative, positive]`.
    pub classes: Vec<String>,
    /// Classes that the network has an output for and that are never given: their probability is 0, that of the others
    /// adds up to 1, and pixels labelled with them measure nothing. Subset of `classes`; none of a binary head.
    pub ignored_classes: Vec<String>,
    /// What the output means.
    pub head: Head,
    /// Default test-time augmentation.
    pub tta: Tta,
    /// Logits are divided by this before the score; 1 where the model was not temperature-scaled.
    pub temperature: f32,
    /// Reflectance is clipped to this range before it is standardised; channels of other units are not.
    /// An invalid pixel becomes the band's mean: network input 0.
    pub clip: Option<[f32; 2]>,
    /// Below this share of valid pixels a window abstains.
    pub minimum_valid_share: f64,
    /// Default overlap of neighbouring windows in pixels.
    pub overlap_px: u32,
    /// What a smaller tile gets.
    pub padding: Padding,
    /// Radiometric default per data type name (`uint16`).
    pub dn_defaults: std::collections::BTreeMap<String, DnDefault>,
    /// Version of everything between pixels and network input; part of what a profile is bound to.
    pub preprocessing_version: String,
    /// Metres of a pixel that the model was made for, if stated: a scene of other pixels is refused unless `--resolution`
    /// decides.
    pub resolution_m: Option<f64>,
    /// Least probability of a class after the first for a pixel to be of it (segmentation); without one a pixel is of its
    /// most likely class.
    pub pixel_threshold: Option<f32>,
    /// The networks that the model is made of, in the order of its outputs; none where it is one network, `model.onnx`.
    pub members: Vec<Member>,
    /// Least share of the views that must fall on the decision's side, each by its own score; below it a window abstains.
    pub view_agreement_minimum: Option<f64>,
    /// The trees that decide what the network need not look at.
    pub gate: Option<Gate>,
    /// `L1C` or `L2A`: what the model was trained on, if stated. Reflectance at the top of the atmosphere is another quantity
    /// than that at its bottom.
    pub processing_level: Option<String>,
    /// Largest absolute difference an engine may show on the golden batch, relative to
    /// max(1, |expected|).
    pub golden_tolerance: f32,
    /// The folder's files with their hashes and sizes.
    pub assets: Vec<Asset>,
    /// What the catalogue says beyond what the street uses.
    pub about: About,
}

impl Manifest {
    /// The file's bands that are read, in reading order: as the channels name them first, a derived one by its expression.
    /// Without derived channels these are the channels.
    pub fn sources(&self) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for band in &self.bands {
            let own = std::slice::from_ref(&band.name);
            for name in band.expression.as_ref().map_or(own, Expression::names) {
                if sources.iter().all(|source| source.name != *name) {
                    sources.push(self.source(name));
                }
            }
        }
        sources
    }

    fn source(&self, name: &str) -> Source {
        let channel = self.bands.iter().find(|band| band.name == name);
        Source {
            name: name.to_owned(),
            substitutes: channel.map(|band| band.substitutes.clone()).unwrap_or_default(),
            is_reflectance: self.units.get(name).is_none_or(|unit| unit == REFLECTANCE),
        }
    }

    /// Whether a channel is reflectance: by its unit, without one if it is a band of the file.
    pub fn is_reflectance(&self, band: &Band) -> bool {
        self.units.get(&band.name).map_or(band.expression.is_none(), |unit| unit == REFLECTANCE)
    }

    /// The range that a channel is clipped to before it is standardised.
    pub fn clip_of(&self, band: &Band) -> Option<[f32; 2]> {
        self.clip.filter(|_| self.is_reflectance(band))
    }

    /// For every class whether it is ignored.
    pub fn ignored(&self) -> Vec<bool> {
        self.classes.iter().map(|class| self.ignored_classes.contains(class)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::*;

    /// A one-band model whose `uint16` default is Sentinel-2's.
    pub(crate) fn one_band() -> Manifest {
        Manifest {
            item: serde_json::Value::Null,
            name: "one-band".into(),
            architecture: "none".into(),
            bands: vec![Band {
                name: "B04".into(),
                mean: 0.1,
                standard_deviation: 0.05,
                training: None,
                substitutes: Vec::new(),
                expression: None,
            }],
            units: Default::default(),
            tile_px: 64,
            precision: Precision::Fp32,
            classes: vec!["negative".into(), "positive".into()],
            ignored_classes: Vec::new(),
            head: Head::Binary,
            tta: Tta::None,
            temperature: 1.0,
            clip: None,
            minimum_valid_share: 0.9,
            overlap_px: 0,
            padding: Padding::Refuse,
            dn_defaults: [("uint16".to_owned(), DnDefault { dn_scale: 1e-4, dn_offset: 0.0, nodata: Some(0.0) })]
                .into(),
            preprocessing_version: "1".into(),
            processing_level: None,
            resolution_m: None,
            pixel_threshold: None,
            members: Vec::new(),
            view_agreement_minimum: None,
            gate: None,
            golden_tolerance: 1e-4,
            weights_storage: WeightsStorage::Fp32,
            assets: Vec::new(),
            about: About::default(),
        }
    }
}
