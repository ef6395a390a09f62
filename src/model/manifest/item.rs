//! The parts of the STAC item that are read: plain `serde` types, nothing checked yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DnDefault, Gate, Head, Padding, Precision, TrainingStatistics, Tta, WeightsStorage};

/// Version of the `s2infer:inference` block.
pub const BLOCK_SCHEMA: &str = "1.0";
/// Schema of the Machine Learning Model extension.
pub const MLM_SCHEMA: &str = "https://stac-extensions.github.io/mlm/v1.5.1/schema.json";
/// Schema of the file extension.
pub const FILE_SCHEMA: &str = "https://stac-extensions.github.io/file/v2.1.0/schema.json";
/// Schema of the classification extension.
pub const CLASSIFICATION_SCHEMA: &str = "https://stac-extensions.github.io/classification/v2.0.0/schema.json";

/// What the arithmetic of [`crate::model::Expression`] is called in a band object.
pub const EXPRESSION_FORMAT: &str = "arithmetic";

/// A STAC item; what is not named here belongs to others and is left alone.
#[derive(Debug, Deserialize)]
pub struct Item {
    pub r#type: String,
    pub stac_version: String,
    pub stac_extensions: Vec<String>,
    #[serde(default)]
    pub bbox: Option<[f64; 4]>,
    pub properties: Properties,
    pub assets: BTreeMap<String, ItemAsset>,
}

#[derive(Debug, Deserialize)]
pub struct Properties {
    #[serde(default)]
    pub description: String,
    pub license: Option<String>,
    pub created: Option<String>,
    pub start_datetime: Option<String>,
    pub end_datetime: Option<String>,
    #[serde(rename = "mlm:name")]
    pub name: String,
    #[serde(rename = "mlm:architecture")]
    pub architecture: String,
    #[serde(rename = "mlm:total_parameters")]
    pub total_parameters: Option<u64>,
    #[serde(rename = "mlm:pretrained_source")]
    pub pretrained_source: Option<String>,
    #[serde(rename = "mlm:hyperparameters", default)]
    pub hyperparameters: Map<String, Value>,
    #[serde(rename = "mlm:input")]
    pub input: Vec<Input>,
    #[serde(rename = "mlm:output")]
    pub output: Vec<Output>,
    #[serde(rename = "s2infer:inference")]
    pub inference: Inference,
}

#[derive(Debug, Deserialize)]
pub struct Input {
    pub bands: Vec<BandReference>,
    pub input: Structure,
    #[serde(default)]
    pub value_scaling: Option<Vec<Option<Scaling>>>,
    #[serde(default)]
    pub resize_type: Option<String>,
    #[serde(default)]
    pub pre_processing_function: Option<Value>,
}

/// A band by name, or an object that may also hold an expression.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum BandReference {
    Name(String),
    Object { name: String, format: Option<String>, expression: Option<Value> },
}

#[derive(Debug, Deserialize)]
pub struct Structure {
    pub shape: Vec<f64>,
    pub dim_order: Vec<String>,
    pub data_type: String,
}

#[derive(Debug, Deserialize)]
pub struct Scaling {
    pub r#type: String,
    pub mean: Option<f32>,
    pub stddev: Option<f32>,
}

#[derive(Debug, Deserialize)]
pub struct Output {
    pub result: Structure,
    #[serde(rename = "classification:classes", default)]
    pub classes: Vec<Class>,
    #[serde(default)]
    pub post_processing_function: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub struct Class {
    pub value: i64,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ItemAsset {
    pub href: String,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(rename = "file:checksum")]
    pub checksum: Option<String>,
    #[serde(rename = "file:size")]
    pub size: Option<u64>,
}

/// The block `s2infer:inference`: what the extension has no words for.
/// `models/s2infer-inference.schema.json` describes the same for others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    pub schema: String,
    pub head: Head,
    pub precision: Precision,
    #[serde(default)]
    pub weights_storage: WeightsStorage,
    pub tta: Tta,
    pub temperature: f32,
    pub clip: Option<[f32; 2]>,
    pub minimum_valid_share: f64,
    pub overlap_px: u32,
    pub padding: Padding,
    pub dn_defaults: BTreeMap<String, DnDefault>,
    pub preprocessing_version: String,
    pub golden_tolerance: f32,
    #[serde(default)]
    pub ignored_classes: Vec<String>,
    #[serde(default)]
    pub processing_level: Option<String>,
    #[serde(default)]
    pub resolution_m: Option<f64>,
    #[serde(default)]
    pub pixel_threshold: Option<f32>,
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    #[serde(default)]
    pub members: Vec<MemberEntry>,
    #[serde(default)]
    pub view_agreement_minimum: Option<f64>,
    #[serde(default)]
    pub gate: Option<Gate>,
    #[serde(default)]
    pub band_substitutes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub training_statistics: BTreeMap<String, TrainingStatistics>,
}

/// A member as it is written; one without a threshold is refused by its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberEntry {
    pub model: String,
    pub threshold: Option<f32>,
}
