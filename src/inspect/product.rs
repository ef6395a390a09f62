//! The facts of a product: what its metadata state and which files it holds.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::fed;
use crate::Result;
use crate::model::Model;
use crate::scene::{Contradiction, Product, SceneOptions, classification_shares};

/// Names of Sen2Cor's classes, in order.
const CLASSES: [&str; 12] = [
    "no_data",
    "saturated_or_defective",
    "dark",
    "cloud_shadow",
    "vegetation",
    "not_vegetated",
    "water",
    "unclassified",
    "cloud_medium_probability",
    "cloud_high_probability",
    "thin_cirrus",
    "snow_or_ice",
];

/// `format, level, date, baseline, sun_elevation_deg, cloud_cover, contradiction, bands[{name, resolution_m, file,
/// dn_scale, dn_offset}], scene_classification_percent, fed`.
pub(super) fn facts(path: &Path, options: &SceneOptions, model: impl FnOnce() -> Result<Model>) -> Result<Value> {
    let product = Product::open(path).map_err(|error| error.context(path.display()))?;
    let bands = product.entries.iter().filter_map(|entry| {
        let name = entry.role.band()?;
        let declared = product.declared(name);
        Some(json!({
            "name": name,
            "resolution_m": entry.resolution_m,
            "file": entry.location.text(),
            "dn_scale": declared.dn_scale,
            "dn_offset": declared.dn_offset,
        }))
    });
    let bands: Vec<Value> = bands.collect();
    let shares = classification_shares(&product, &options.read)?;
    let fed = model()
        .and_then(|model| fed(path, options, &model))
        .unwrap_or_else(|error| json!({ "error": error.to_string() }));
    Ok(json!({
        "format": product.kind,
        "level": product.level,
        "date": product.date.or(product.name.date).map(|date| date.to_string()),
        "baseline": product.name.baseline.map(|baseline| format!("{:02}.{:02}", baseline / 100, baseline % 100)),
        "sun_elevation_deg": product.sun_elevation_deg,
        "cloud_cover": product.cloud_cover_percent,
        "contradiction": product.contradictions.first().map(Contradiction::text),
        "bands": bands,
        "scene_classification_percent": shares.map(named),
        "fed": fed,
    }))
}

fn named(shares: [f64; 12]) -> Map<String, Value> {
    CLASSES.iter().zip(shares).map(|(name, share)| ((*name).to_owned(), json!((share * 1e6).round() / 1e6))).collect()
}
