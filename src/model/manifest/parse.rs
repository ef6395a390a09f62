//! `model.json` to [`Manifest`].

use serde_json::Value;

use super::item::{
    BLOCK_SCHEMA, BandReference, Class, EXPRESSION_FORMAT, Input, Item, MLM_SCHEMA, MemberEntry, Output, Scaling,
};
use super::{About, Band, Head, Manifest, Member};
use crate::model::assets::Asset;
use crate::model::expression::Expression;
use crate::quoted::quoted;
use crate::{Error, Result};

impl Manifest {
    /// Reads and validates the STAC item in `bytes`.
    ///
    /// Every failure is [`crate::Kind::Refused`] and says what is expected in which field.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let not_json = |error: serde_json::Error| {
            Error::refused(format!(
                "model.json does not describe a model: {error}; \
                 models/s2infer-inference.schema.json and the MLM extension say what it must hold"
            ))
        };
        let raw: Item = serde_json::from_slice(bytes).map_err(not_json)?;
        let item = serde_json::from_slice(bytes).map_err(not_json)?;
        check_kind(&raw)?;
        let p = raw.properties;
        let block = p.inference;
        if block.schema != BLOCK_SCHEMA {
            return Err(Error::refused(format!(
                "model.json: s2infer:inference has schema {:?}, this version reads {BLOCK_SCHEMA:?}; \
                 install a matching s2infer",
                block.schema
            )));
        }
        let input = only(p.input, "mlm:input")?;
        let output = only(p.output, "mlm:output")?;
        let tile_px = tile_px(&input)?;
        check_output(&output, block.head, tile_px)?;
        let (mut statistics, mut substitutes) = (block.training_statistics, block.band_substitutes);
        let mut bands = bands(input)?;
        for band in &mut bands {
            band.training = statistics.remove(&band.name);
            band.substitutes = substitutes.remove(&band.name).unwrap_or_default();
        }
        if let Some(name) = substitutes.keys().next() {
            return Err(Error::refused(format!(
                "model.json: band_substitutes name the band {name:?}, which is not an input"
            )));
        }
        if let Some(name) = statistics.keys().next() {
            return Err(Error::refused(format!(
                "model.json: training_statistics name the band {name:?}, which is not an input"
            )));
        }
        let assets = raw.assets.into_iter().map(|(key, asset)| Asset::from_item(key, asset)).collect::<Result<_>>()?;
        let manifest = Self {
            item,
            name: p.name,
            architecture: p.architecture,
            bands,
            units: block.units,
            tile_px,
            precision: block.precision,
            weights_storage: block.weights_storage,
            classes: classes(output.classes)?,
            ignored_classes: block.ignored_classes,
            head: block.head,
            tta: block.tta,
            temperature: block.temperature,
            clip: block.clip,
            minimum_valid_share: block.minimum_valid_share,
            overlap_px: block.overlap_px,
            padding: block.padding,
            dn_defaults: block.dn_defaults,
            preprocessing_version: block.preprocessing_version,
            processing_level: block.processing_level,
            resolution_m: block.resolution_m,
            pixel_threshold: block.pixel_threshold,
            members: block.members.into_iter().map(member).collect::<Result<_>>()?,
            view_agreement_minimum: block.view_agreement_minimum,
            gate: block.gate,
            golden_tolerance: block.golden_tolerance,
            assets,
            about: About {
                description: p.description,
                license: p.license,
                created: p.created.unwrap_or_default(),
                training_period: p.start_datetime.zip(p.end_datetime).map(|(a, b)| [a, b]),
                training_bbox: raw.bbox,
                total_parameters: p.total_parameters,
                pretrained_source: p.pretrained_source,
                hyperparameters: p.hyperparameters,
            },
        };
        manifest.validate()?;
        Ok(manifest)
    }
}

fn check_kind(item: &Item) -> Result<()> {
    if item.r#type != "Feature" || !item.stac_version.starts_with("1.") {
        return Err(Error::refused(format!(
            "model.json is a {:?} of STAC version {:?}, expected a \"Feature\" (an item) of version 1.1",
            item.r#type, item.stac_version
        )));
    }
    if !item.stac_extensions.iter().any(|uri| uri == MLM_SCHEMA) {
        return Err(Error::refused(format!("model.json does not list {MLM_SCHEMA} among its stac_extensions")));
    }
    Ok(())
}

fn only<T>(list: Vec<T>, field: &str) -> Result<T> {
    let count = list.len();
    let mut list = list.into_iter();
    match (list.next(), list.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Error::refused(format!("model.json: {field} has {count} entries, expected one"))),
    }
}

fn tile_px(input: &Input) -> Result<u32> {
    let structure = &input.input;
    let order: Vec<&str> = structure.dim_order.iter().map(String::as_str).collect();
    if !matches!(order[..], ["batch", "bands" | "channel", "height", "width"]) {
        return Err(Error::refused(format!(
            "model.json: the input's dim_order is {order:?}, expected [\"batch\", \"bands\", \"height\", \"width\"]"
        )));
    }
    if structure.data_type != "float32" {
        return Err(Error::refused(format!(
            "model.json: the input's data_type is {:?}, expected \"float32\"",
            structure.data_type
        )));
    }
    if let Some(resize) = &input.resize_type {
        return Err(Error::refused(format!(
            "model.json: resize_type {resize:?} is not supported: windows have the model's own size; set it to null"
        )));
    }
    if input.pre_processing_function.is_some() {
        return Err(Error::refused(
            "model.json: pre_processing_function is not supported: \
             only clip and z-score are applied; remove it or put it into the graph",
        ));
    }
    let [_, bands, height, width] = structure.shape[..] else {
        return Err(Error::refused("model.json: the input's shape needs four numbers"));
    };
    let side = height as u32;
    if bands != input.bands.len() as f64 || height != width || f64::from(side) != height {
        return Err(Error::refused(format!(
            "model.json: the input's shape is {:?}, expected [-1, {count}, side, side] for its {count} bands",
            structure.shape,
            count = input.bands.len()
        )));
    }
    Ok(side)
}

fn check_output(output: &Output, head: Head, tile_px: u32) -> Result<()> {
    if output.post_processing_function.is_some() {
        return Err(Error::refused(
            "model.json: post_processing_function is not supported: the head decides what the output means; \
             remove it or put it into the graph",
        ));
    }
    let classes = output.classes.len() as f64;
    let side = f64::from(tile_px);
    let expected: Vec<f64> = match head {
        Head::Binary => vec![1.0],
        Head::Multiclass => vec![classes],
        Head::Segmentation => vec![classes, side, side],
    };
    if output.result.shape.get(1..) != Some(&expected[..]) || output.result.data_type != "float32" {
        return Err(Error::refused(format!(
            "model.json: the output is {} {:?}, expected float32 and, after the batch, {expected:?} \
             for a {head:?} head with {classes} classes",
            output.result.data_type, output.result.shape
        )));
    }
    Ok(())
}

fn bands(input: Input) -> Result<Vec<Band>> {
    let scaling = input.value_scaling.unwrap_or_default();
    if scaling.len() != input.bands.len() && scaling.len() != 1 {
        return Err(Error::refused(format!(
            "model.json: value_scaling has {} entries for {} bands, expected one a band",
            scaling.len(),
            input.bands.len()
        )));
    }
    let mut bands = Vec::with_capacity(input.bands.len());
    for (index, reference) in input.bands.into_iter().enumerate() {
        let (name, expression) = match reference {
            BandReference::Name(name) => (name, None),
            BandReference::Object { name, format, expression } => {
                let expression = expression.map(|value| derived(&name, format.as_deref(), &value)).transpose()?;
                (name, expression)
            }
        };
        let entry = scaling.get(index).or(scaling.first()).and_then(Option::as_ref);
        let (mean, standard_deviation) = z_score(&name, entry)?;
        bands.push(Band { name, mean, standard_deviation, training: None, substitutes: Vec::new(), expression });
    }
    Ok(bands)
}

fn derived(name: &str, format: Option<&str>, value: &Value) -> Result<Expression> {
    let text = value.as_str().filter(|_| format == Some(EXPRESSION_FORMAT)).ok_or_else(|| {
        Error::refused(format!(
            "model.json: band {} has an expression of the format {}, expected {EXPRESSION_FORMAT:?} and a text \
             such as \"(B08 - B04) / (B08 + B04)\"",
            quoted(name),
            quoted(format.unwrap_or("null"))
        ))
    })?;
    Expression::parse(text).map_err(|what| {
        Error::refused(format!("model.json: the expression {} of band {} {what}", quoted(text), quoted(name)))
    })
}

fn z_score(band: &str, scaling: Option<&Scaling>) -> Result<(f32, f32)> {
    match scaling {
        Some(Scaling { r#type, mean: Some(mean), stddev: Some(stddev) }) if r#type == "z-score" => Ok((*mean, *stddev)),
        other => Err(Error::refused(format!(
            "model.json: value_scaling of band {band:?} is {:?}, expected \"z-score\" with mean and stddev",
            other.map_or("null", |s| s.r#type.as_str())
        ))),
    }
}

fn member(MemberEntry { model, threshold }: MemberEntry) -> Result<Member> {
    let Some(threshold) = threshold else {
        return Err(Error::refused(format!(
            "model.json: member {model:?} has no threshold; give the score from which on it says positive"
        )));
    };
    Ok(Member { model, threshold })
}

fn classes(classes: Vec<Class>) -> Result<Vec<String>> {
    classes
        .into_iter()
        .enumerate()
        .map(|(index, class)| match class {
            Class { value, name: Some(name) } if value == index as i64 => Ok(name),
            Class { value, name } => Err(Error::refused(format!(
                "model.json: class {index} has the value {value} and the name {name:?}; \
                 expected values 0, 1, 2, … in the order of the output, each with a name"
            ))),
        })
        .collect()
}
