//! [`Manifest`] to a STAC item.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};

use super::item::{BLOCK_SCHEMA, CLASSIFICATION_SCHEMA, EXPRESSION_FORMAT, FILE_SCHEMA, MLM_SCHEMA};
use super::{Band, Head, Manifest, Member};
use crate::model::assets::Role;
use crate::{Error, Result};

impl Manifest {
    /// The STAC 1.1 item that says what this manifest says; [`Manifest::parse`] reads the same back.
    /// `self.item` is not looked at.
    pub fn to_item(&self) -> Result<Value> {
        self.validate()?;
        if self.about.created.is_empty() {
            return Err(Error::refused("a manifest needs the moment it was created, as 2026-01-31T12:00:00Z"));
        }
        self.item_as_it_is()
    }

    /// As [`Self::to_item`], of a manifest that was valid and need not say when the model was made.
    pub(in crate::model) fn item_as_it_is(&self) -> Result<Value> {
        let mut item = json!({
            "type": "Feature",
            "stac_version": "1.1.0",
            "stac_extensions": [MLM_SCHEMA, FILE_SCHEMA, CLASSIFICATION_SCHEMA],
            "id": self.name,
            "geometry": null,
            "properties": self.properties()?,
            "links": [],
            "assets": self.assets.iter().map(|a| (a.key.clone(), self.asset(a))).collect::<Map<_, _>>(),
        });
        if let Some([west, south, east, north]) = self.about.training_bbox {
            item["bbox"] = json!([west, south, east, north]);
            item["geometry"] = json!({"type": "Polygon", "coordinates": [
                [[west, south], [east, south], [east, north], [west, north], [west, south]]
            ]});
        }
        Ok(item)
    }

    fn properties(&self) -> Result<Value> {
        let about = &self.about;
        let mut p = Map::new();
        let mut set = |key: &str, value: Value| p.insert(key.to_owned(), value);
        set("description", json!(about.description));
        if let Some(license) = &about.license {
            set("license", json!(license));
        }
        set("created", json!(about.created));
        match &about.training_period {
            Some([start, end]) => {
                set("datetime", Value::Null);
                set("start_datetime", json!(start));
                set("end_datetime", json!(end));
            }
            None => {
                set("datetime", json!(about.created));
            }
        }
        set("mlm:name", json!(self.name));
        set("mlm:architecture", json!(self.architecture));
        set("mlm:tasks", json!([self.task()]));
        set("mlm:framework", json!("ONNX"));
        if let Some(count) = about.total_parameters {
            set("mlm:total_parameters", json!(count));
        }
        set("mlm:pretrained", json!(about.pretrained_source.is_some()));
        set("mlm:pretrained_source", json!(about.pretrained_source));
        set("mlm:accelerator", Value::Null);
        set("mlm:accelerator_constrained", json!(false));
        if !about.hyperparameters.is_empty() {
            set("mlm:hyperparameters", json!(about.hyperparameters));
        }
        set("mlm:input", json!([self.input()?]));
        set("mlm:output", json!([self.output()]));
        set("s2infer:inference", self.block()?);
        Ok(Value::Object(p))
    }

    fn task(&self) -> &'static str {
        match self.head {
            Head::Binary | Head::Multiclass => "scene-classification",
            Head::Segmentation => "semantic-segmentation",
        }
    }

    fn input(&self) -> Result<Value> {
        let band = |band: &Band| match &band.expression {
            None => json!(band.name),
            Some(expression) => {
                json!({"name": band.name, "format": EXPRESSION_FORMAT, "expression": expression.to_string()})
            }
        };
        let bands: Vec<Value> = self.bands.iter().map(band).collect();
        let scaling = self
            .bands
            .iter()
            .map(|b| Ok(json!({"type": "z-score", "mean": short(b.mean)?, "stddev": short(b.standard_deviation)?})))
            .collect::<Result<Vec<_>>>()?;
        Ok(json!({
            "name": "reflectance",
            "bands": bands,
            "input": {
                "shape": [-1, bands.len(), self.tile_px, self.tile_px],
                "dim_order": ["batch", "bands", "height", "width"],
                "data_type": "float32",
            },
            "value_scaling": scaling,
            "resize_type": null,
        }))
    }

    fn output(&self) -> Value {
        let (shape, order) = match self.head {
            Head::Binary => (json!([-1, 1]), json!(["batch", "class"])),
            Head::Multiclass => (json!([-1, self.classes.len()]), json!(["batch", "class"])),
            Head::Segmentation => (
                json!([-1, self.classes.len(), self.tile_px, self.tile_px]),
                json!(["batch", "class", "height", "width"]),
            ),
        };
        let classes: Vec<Value> = self
            .classes
            .iter()
            .enumerate()
            .map(|(value, name)| json!({"value": value, "name": name, "description": name}))
            .collect();
        json!({
            "name": "logits",
            "tasks": [self.task()],
            "result": {"shape": shape, "dim_order": order, "data_type": "float32"},
            "classification:classes": classes,
        })
    }

    fn block(&self) -> Result<Value> {
        let mut statistics = Map::new();
        for band in &self.bands {
            if let Some(t) = band.training {
                let entry = json!({"p02": short(t.p02)?, "median": short(t.median)?, "p98": short(t.p98)?});
                statistics.insert(band.name.clone(), entry);
            }
        }
        let clip = match self.clip {
            Some([low, high]) => json!([short(low)?, short(high)?]),
            None => Value::Null,
        };
        let dn_defaults: BTreeMap<_, _> = self.dn_defaults.iter().collect();
        let mut block = json!({
            "schema": BLOCK_SCHEMA,
            "head": self.head,
            "precision": self.precision,
            "weights_storage": self.weights_storage,
            "tta": self.tta,
            "temperature": short(self.temperature)?,
            "clip": clip,
            "minimum_valid_share": self.minimum_valid_share,
            "overlap_px": self.overlap_px,
            "padding": self.padding,
            "dn_defaults": dn_defaults,
            "preprocessing_version": self.preprocessing_version,
            "golden_tolerance": short(self.golden_tolerance)?,
            "training_statistics": statistics,
        });
        if !self.ignored_classes.is_empty() {
            block["ignored_classes"] = json!(self.ignored_classes);
        }
        if let Some(level) = &self.processing_level {
            block["processing_level"] = json!(level);
        }
        if let Some(resolution_m) = self.resolution_m {
            block["resolution_m"] = json!(resolution_m);
        }
        if let Some(threshold) = self.pixel_threshold {
            block["pixel_threshold"] = json!(short(threshold)?);
        }
        if !self.units.is_empty() {
            block["units"] = json!(self.units);
        }
        if !self.members.is_empty() {
            let member = |member: &Member| Ok(json!({"model": member.model, "threshold": short(member.threshold)?}));
            block["members"] = self.members.iter().map(member).collect::<Result<_>>()?;
        }
        if let Some(share) = self.view_agreement_minimum {
            block["view_agreement_minimum"] = json!(share);
        }
        if let Some(gate) = &self.gate {
            block["gate"] = json!({
                "asset": gate.asset,
                "cutoff": short(gate.cutoff)?,
                "calibration_positives": gate.calibration_positives,
                "lost_share_max": gate.lost_share_max,
                "confidence": gate.confidence,
            });
        }
        let substituted = self.bands.iter().filter(|band| !band.substitutes.is_empty());
        let substitutes: BTreeMap<_, _> = substituted.map(|band| (&band.name, &band.substitutes)).collect();
        if !substitutes.is_empty() {
            block["band_substitutes"] = json!(substitutes);
        }
        Ok(block)
    }

    fn asset(&self, asset: &crate::model::Asset) -> Value {
        let mut value = json!({
            "href": format!("./{}", asset.href),
            "type": asset.role.media_type(),
            "title": asset.role.title(),
            "roles": asset.role.stac_roles(),
            "file:checksum": format!("1220{}", asset.sha256),
            "file:size": asset.size,
        });
        if asset.role == Role::Model {
            value["mlm:artifact_type"] = json!("onnx");
            value["bands"] = self.bands.iter().map(|b| json!({"name": b.name})).collect();
        }
        value
    }
}

/// The shortest decimal that reads back to the same f32, as a JSON number.
fn short(value: f32) -> Result<Number> {
    let shortest: Option<f64> = value.to_string().parse().ok();
    shortest.and_then(Number::from_f64).ok_or_else(|| Error::refused(format!("{value} cannot stand in a manifest")))
}
