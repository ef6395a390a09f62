//! What `s2infer inspect` says about a model.

use serde_json::{Map, Value, json};

use super::{Model, Role};

/// The facts of a model as one JSON object; key order is the order to print in.
pub fn describe(model: &Model) -> Value {
    let m = &model.manifest;
    let bands: Vec<Value> = m
        .bands
        .iter()
        .map(|band| {
            let mut described = json!({
                "name": band.name,
                "mean": decimal(band.mean),
                "standard_deviation": decimal(band.standard_deviation),
                "training": band.training.map(|t| {
                    json!({"p02": decimal(t.p02), "median": decimal(t.median), "p98": decimal(t.p98)})
                }),
            });
            if let Some(expression) = &band.expression {
                described["expression"] = json!(expression.to_string());
            }
            if let Some(unit) = m.units.get(&band.name) {
                described["unit"] = json!(unit);
            }
            described
        })
        .collect();
    let sizes = m.assets.iter().filter(|asset| asset.role == Role::Model).map(|asset| asset.size);
    let size = sizes.reduce(|sum, size| sum + size);
    let mut facts = json!({
        "name": m.name,
        "description": m.about.description,
        "architecture": m.architecture,
        "head": m.head,
        "classes": m.classes,
        "ignored_classes": m.ignored_classes,
        "bands": bands,
        "input_shape": [-1, m.bands.len(), m.tile_px, m.tile_px],
        "clip": m.clip.map(|range| range.map(decimal)),
        "minimum_valid_share": m.minimum_valid_share,
        "overlap_px": m.overlap_px,
        "padding": m.padding,
        "dn_defaults": m.dn_defaults,
        "processing_level": m.processing_level,
        "resolution_m": m.resolution_m,
        "pixel_threshold": m.pixel_threshold.map(decimal),
        "tta": m.tta,
        "temperature": decimal(m.temperature),
        "preprocessing_version": m.preprocessing_version,
        "precision": m.precision,
        "weights_storage": m.weights_storage,
        "parameters": model.facts.parameters,
        "parameters_as_trained": m.about.total_parameters,
        "opset": model.facts.opset,
        "producer": model.facts.producer,
        "operators": model.facts.operators,
        "size_bytes": size,
        "sha256": model.sha256,
        "sealed": model.unsealed.is_none(),
        "understood": model.unsealed.as_ref().map(|unsealed| &unsealed.understood),
        "golden": model.golden.as_ref().map(|golden| {
            json!({"windows": golden.input.shape().first(), "tolerance": decimal(m.golden_tolerance)})
        }),
        "profile": model.profile.as_deref().map(summarise_profile),
        "reference": model.reference.as_deref().map(summarise_reference),
    });
    // What most models have not.
    let mut set = |key: &str, value: Value| facts.as_object_mut().map(|facts| facts.insert(key.to_owned(), value));
    if !m.members.is_empty() {
        let thresholds = m.members.iter().map(|member| (member.model.clone(), decimal(member.threshold).into()));
        set("members", Value::Object(thresholds.collect()));
    }
    if let Some(share) = m.view_agreement_minimum {
        set("view_agreement_minimum", share.into());
    }
    if let Some(gate) = &m.gate {
        set(
            "prefilter",
            json!({
                "cutoff": decimal(gate.cutoff),
                "calibration_positives": gate.calibration_positives,
                "lost_share_max": gate.lost_share_max,
                "confidence": gate.confidence,
                "guarantee": gate.guarantee(),
            }),
        );
    }
    facts
}

/// Its hash and the threshold of each of its groups, as far as it has any.
fn summarise_profile(bytes: &[u8]) -> Value {
    let profile: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let groups = profile.get("groups").and_then(Value::as_array);
    let thresholds: Map<String, Value> = groups
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry.get("group")?.as_str()?.to_owned(), entry.get("threshold")?.clone())))
        .collect();
    json!({"sha256": super::sha256(bytes), "thresholds": thresholds})
}

/// Its hash and the tiles of each of its groups.
fn summarise_reference(bytes: &[u8]) -> Value {
    let reference: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let groups = reference.get("groups").and_then(Value::as_array);
    let tiles: Map<String, Value> = groups
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry.get("group")?.as_str()?.to_owned(), entry.get("n_tiles")?.clone())))
        .collect();
    json!({"sha256": super::sha256(bytes), "tiles": tiles})
}

/// The shortest decimal that reads back to the same f32.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
