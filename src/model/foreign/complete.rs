//! What a model says and what a person says, brought together: a manifest, or one error with all that is still open.

use std::path::Path;

use super::interface;
use super::questions::{Questions, scale_forms};
use super::{Description, Gives, Scale, Stated};
use crate::model::Manifest;
use crate::model::graph::{Adaptation, Ending, Outline};
use crate::model::manifest::{Band, DnDefault, Head, Padding, Tta};
use crate::{Error, Result};

/// Mean reflectance of a band, and its standard deviation, that a set of images can have. The least deviation is below
/// that of one DN, which is what a network of raw DN is given.
const MEAN_RANGE: [f64; 2] = [-0.2, 2.0];
const DEVIATION_RANGE: [f64; 2] = [5e-5, 10.0];
const MINIMUM_VALID_SHARE: f64 = 0.5;
/// Coarser than that of models whose golden batch is one logit a window: a map has half a million of them.
const GOLDEN_TOLERANCE: f32 = 1e-3;

/// A model that leaves nothing open.
pub struct Completed {
    /// What it is.
    pub manifest: Manifest,
    /// What its graph needs.
    pub adaptation: Adaptation,
    /// Both in words.
    pub understood: Vec<String>,
}

/// Completes `description` of the graph in `path` by what is `stated`.
///
/// # Errors
/// [`crate::Kind::Usage`] naming every flag that is missing, with an example, and for flags that contradict the graph;
/// [`crate::Kind::Refused`] for graphs that are not run.
pub fn complete(description: Description, outline: &Outline, stated: &Stated, path: &Path) -> Result<Completed> {
    let (channels, side) = interface::input(outline)?;
    let bands = stated.bands.as_ref().or(description.bands.as_ref());
    if let Some((bands, channels)) = bands.zip(channels).filter(|(bands, channels)| bands.len() as i64 != *channels) {
        return Err(Error::usage(format!("{} bands ({}) for {channels} channels", bands.len(), bands.join(","))));
    }
    if let Some((side, stated)) = side.zip(stated.tile_px).filter(|(side, stated)| side != stated) {
        return Err(Error::usage(format!("--model-tile {stated}: its graph is fixed at {side} px")));
    }
    let task = stated.task.or(description.task);
    let tile_px = side.or(stated.tile_px).or(description.tile_px);
    let count = task.map(|task| interface::channels(task, tile_px, outline)).transpose()?;
    let names = stated.classes.as_ref().or(description.classes.as_ref());
    let gives = interface::gives(outline, stated)?;
    let mut open = Questions::of(&description, stated, channels);
    if task.is_none() {
        open.ask("what it does", "--model-task", "segmentation (or classification)");
    }
    if tile_px.is_none() {
        open.ask("the size of its windows", "--model-tile", "256");
    }
    if names.is_none() {
        open.ask("the names of its classes, in the order of its output", "--model-classes", "other,road");
    }
    if gives.is_none() {
        let ending = format!("what its output is (it ends in {})", outline.ending.operator());
        open.ask(&ending, "--model-output", "logits (or probabilities)");
    }
    let (Some(task), Some(bands), Some(scale), Some(level), Some(tile_px), Some(names), Some(gives), Some(count)) =
        (task, bands, &stated.scale, &stated.level, tile_px, names, gives, count)
    else {
        return Err(open.error(path, stated));
    };
    let classes = interface::classes(task, count, outline, names)?;
    let pixel_threshold = interface::threshold(task, classes.channels, classes.names.len(), &description, stated)?;
    let manifest = Manifest {
        item: serde_json::Value::Null,
        name: model_name(description.name.as_deref().or(path.file_stem().and_then(|stem| stem.to_str()))),
        architecture: description.architecture.clone().unwrap_or_else(|| "unknown".into()),
        bands: folded(bands, &description, scale)?,
        units: Default::default(),
        tile_px,
        precision: outline.precision,
        weights_storage: outline.weights_storage,
        classes: classes.names,
        ignored_classes: Vec::new(),
        head: classes.head,
        tta: Tta::None,
        temperature: 1.0,
        clip: clip(&description, scale),
        minimum_valid_share: MINIMUM_VALID_SHARE,
        overlap_px: overlap_px(&description, tile_px)?,
        padding: stated.padding.unwrap_or(if description.is_padded { Padding::Nodata } else { Padding::Refuse }),
        dn_defaults: dn_defaults(scale),
        preprocessing_version: "1".into(),
        processing_level: Some(level.clone()).filter(|level| level != "unknown"),
        resolution_m: stated.resolution_m.or(description.resolution_m),
        pixel_threshold,
        members: Vec::new(),
        view_agreement_minimum: None,
        gate: None,
        golden_tolerance: GOLDEN_TOLERANCE,
        assets: Vec::new(),
        about: description.about.clone(),
    };
    let activation = match outline.ending {
        Ending::Activation { node, .. } => Some(node),
        _ => None,
    };
    let gives_probabilities = gives == Gives::Probabilities && activation.is_none();
    let adaptation = Adaptation { activation, gives_probabilities, channels: classes.channels };
    let understood = understood(&manifest, &description, outline, scale, gives);
    Ok(Completed { manifest, adaptation, understood })
}

/// The bands, with mean and deviation brought to reflectance.
fn folded(names: &[String], description: &Description, scale: &Scale) -> Result<Vec<Band>> {
    let list = &description.standardisation;
    if ![0, 1, names.len()].contains(&list.len()) {
        return Err(Error::refused(format!("{} means and deviations for {} bands", list.len(), names.len())));
    }
    let fold = |(index, name): (usize, &String)| {
        let (mean, deviation) = list.get(index).or(list.first()).copied().unwrap_or((0.0, 1.0));
        let (reflectance, spread) = (scale.reflectance(mean), scale.difference(deviation));
        let within = |[low, high]: [f64; 2], value: f64| (low..=high).contains(&value);
        if !within(MEAN_RANGE, reflectance) || !within(DEVIATION_RANGE, spread) {
            return Err(Error::usage(format!(
                "--model-scale {scale}: mean {mean} and deviation {deviation} of band {name} are then {reflectance:.4} and \
                 {spread:.6} in reflectance, and no images have those; give one of {}",
                scale_forms(description)
            )));
        }
        Ok(Band {
            name: name.clone(),
            mean: reflectance as f32,
            standard_deviation: spread as f32,
            training: None,
            substitutes: Vec::new(),
            expression: None,
        })
    };
    names.iter().enumerate().map(fold).collect()
}

fn clip(description: &Description, scale: &Scale) -> Option<[f32; 2]> {
    let own = description.clip.map(|range| range.map(|number| scale.reflectance(number)));
    let picture = scale.white().map(|white| [0.0, white]);
    let range = match (own, picture) {
        (Some([low, high]), Some([black, white])) => [low.max(black), high.min(white)],
        (range, other) => range.or(other)?,
    };
    Some(range.map(|number| number as f32))
}

fn overlap_px(description: &Description, tile_px: u32) -> Result<u32> {
    let percent = description.overlap_percent.unwrap_or(0.0);
    if percent >= 100.0 {
        return Err(Error::refused(format!("its tiles_overlap is {percent} %, which leaves nothing between windows")));
    }
    Ok((percent / 100.0 * f64::from(tile_px)).floor() as u32)
}

/// Sentinel-2's DN; and of a model of 8-bit pictures, what their values are.
fn dn_defaults(scale: &Scale) -> std::collections::BTreeMap<String, DnDefault> {
    let picture = scale
        .white()
        .map(|white| ("uint8".to_owned(), DnDefault { dn_scale: white / 255.0, dn_offset: 0.0, nodata: None }));
    let dn = DnDefault { dn_scale: 1e-4, dn_offset: 0.0, nodata: Some(0.0) };
    [("uint16".to_owned(), dn)].into_iter().chain(picture).collect()
}

fn model_name(name: Option<&str>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = name.unwrap_or_default().chars().map(plain).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.len() >= 3 && name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.into()
    } else {
        format!("model-{name}").trim_end_matches('-').into()
    }
}

/// What was understood, in words.
fn understood(
    manifest: &Manifest,
    description: &Description,
    outline: &Outline,
    scale: &Scale,
    gives: Gives,
) -> Vec<String> {
    let ending = match &outline.ending {
        Ending::Activation { operator, .. } => format!("probabilities by {operator}, which is taken out of the graph"),
        Ending::Logits(operator) => format!("logits (it ends in {operator})"),
        Ending::Unknown(operator) => format!("{gives:?} as stated (it ends in {operator})").to_lowercase(),
    };
    let bands: Vec<&str> = manifest.bands.iter().map(|band| band.name.as_str()).collect();
    let threshold = match (manifest.head, manifest.pixel_threshold) {
        (Head::Segmentation, Some(share)) => format!(", a pixel is of a class after the first from {share} on"),
        (Head::Segmentation, None) => ", a pixel is of its likeliest class".into(),
        _ => String::new(),
    };
    let resolution = manifest.resolution_m.map_or("unstated".into(), |metres| format!("{metres} m"));
    let mut lines = vec![
        format!("{:?}, classes {}{threshold}; output: {ending}", manifest.head, manifest.classes.join(", ")),
        format!(
            "bands {} on the scale {scale}, level {}; windows of {} px that overlap by {} px, pixels of {resolution}",
            bands.join(","),
            manifest.processing_level.as_deref().unwrap_or("unknown"),
            manifest.tile_px,
            manifest.overlap_px,
        ),
    ];
    if let Some(stated) = description.tile_px.filter(|stated| *stated != manifest.tile_px) {
        lines.push(format!("it says windows of {stated} px, and {} px are what runs", manifest.tile_px));
    }
    lines.extend(description.remarks.iter().cloned());
    lines
}
