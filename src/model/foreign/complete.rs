//! What a model says and what a person says, brought together: a manifest, or one error with all that is still open.

use std::path::Path;

use super::{Description, Gives, Scale, Stated, Task};
use crate::model::Manifest;
use crate::model::graph::{Adaptation, Channels, Ending, Outline};
use crate::model::manifest::{Band, DnDefault, Head, Padding, Tta};
use crate::{Error, Result};

/// Bands that models of so many channels usually take, for examples: red, green, blue first.
const EXAMPLE_BANDS: [&str; 13] =
    ["B04", "B03", "B02", "B08", "B11", "B12", "B05", "B06", "B07", "B8A", "B01", "B09", "B10"];
/// Mean reflectance of a band, and its standard deviation, that a set of images can have. The least deviation is below
/// that of one DN, which is what a network of raw DN is given.
const MEAN_RANGE: [f64; 2] = [-0.2, 2.0];
const DEVIATION_RANGE: [f64; 2] = [5e-5, 10.0];
/// Statistics above this are of no reflectance.
const REFLECTANCE_STATISTIC_MAX: f64 = 10.0;
/// More channels than this in the last place are pixels.
const CHANNELS_LAST_MAX: i64 = 20;
const MINIMUM_VALID_SHARE: f64 = 0.5;
const GOLDEN_TOLERANCE: f32 = 1e-4;

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
    let (channels, side) = input(outline)?;
    let mut open = Questions::default();
    let task = stated.task.or(description.task);
    if task.is_none() {
        open.ask("what it does", "--model-task", "segmentation (or classification)");
    }
    let bands = stated.bands.clone().or(description.bands.clone());
    let wanted = bands.as_ref().map(|bands| bands.len() as i64).or(channels);
    if let (Some(bands), Some(channels)) = (&bands, channels)
        && bands.len() as i64 != channels
    {
        return Err(Error::usage(format!("{} bands ({}) for {channels} channels", bands.len(), bands.join(","))));
    }
    if bands.is_none() {
        let first = EXAMPLE_BANDS.get(..wanted.unwrap_or(3).clamp(1, 13) as usize).unwrap_or_default();
        open.ask("the order of its bands", "--model-bands", &first.join(","));
    }
    if stated.scale.is_none() {
        open.ask(&scale_question(&description), "--model-scale", example_scale(&description));
    }
    if stated.level.is_none() {
        open.ask("the processing level that it was trained on (L1C, L2A or unknown)", "--model-level", "L2A");
    }
    let tile_px = side.or(stated.tile_px).or(description.tile_px);
    if tile_px.is_none() {
        open.ask("the size of its windows", "--model-tile", "256");
    }
    if let (Some(side), Some(stated)) = (side, stated.tile_px.filter(|stated| Some(*stated) != side)) {
        return Err(Error::usage(format!("--model-tile {stated}: its graph is fixed at {side} px")));
    }
    let names = stated.classes.clone().or(description.classes.clone());
    if names.is_none() {
        open.ask("the names of its classes, in the order of its output", "--model-classes", "other,road");
    }
    let gives = gives(outline, stated)?;
    if gives.is_none() {
        let ending = match &outline.ending {
            Ending::Activation { operator, .. } | Ending::Logits(operator) | Ending::Unknown(operator) => operator,
        };
        open.ask(&format!("what its output is (it ends in {ending})"), "--model-output", "logits (or probabilities)");
    }
    let (Some(task), Some(bands), Some(scale), Some(level), Some(tile_px), Some(names), Some(gives)) =
        (task, bands, &stated.scale, &stated.level, tile_px, names, gives)
    else {
        return Err(open.error(path, stated));
    };
    let classes = classes(task, tile_px, outline, names)?;
    let pixel_threshold = threshold(task, classes.channels, classes.names.len(), &description, stated)?;
    let manifest = Manifest {
        item: serde_json::Value::Null,
        name: model_name(description.name.as_deref().or(path.file_stem().and_then(|stem| stem.to_str()))),
        architecture: description.architecture.clone().unwrap_or_else(|| "unknown".into()),
        bands: folded(&bands, &description, scale)?,
        tile_px,
        precision: outline.precision,
        weights_storage: outline.weights_storage,
        classes: classes.names,
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

/// Channels and side of the input, as far as the graph fixes them.
fn input(outline: &Outline) -> Result<(Option<i64>, Option<u32>)> {
    let refuse = |what: &str| Error::refused(format!("its input is {}, {what}", shape(&outline.input)));
    let [rows, channels, height, width] = outline.input[..] else {
        return Err(refuse("expected [batch, bands, height, width]"));
    };
    if width.is_some_and(|last| last <= CHANNELS_LAST_MAX && channels.is_none_or(|second| second > CHANNELS_LAST_MAX)) {
        return Err(refuse("bands last; export it with bands first (tf2onnx: --inputs-as-nchw, --outputs-as-nchw)"));
    }
    if rows.is_some_and(|rows| rows != 1) {
        return Err(refuse("more than one row at a time; export it with a free batch"));
    }
    if height != width {
        return Err(refuse("not square; export it with a square input"));
    }
    let side = height.map(|side| u32::try_from(side).map_err(|_| refuse("too large"))).transpose()?;
    Ok((channels, side))
}

fn shape(dims: &[Option<i64>]) -> String {
    let dims: Vec<String> = dims.iter().map(|dim| dim.map_or("?".into(), |size| size.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

fn gives(outline: &Outline, stated: &Stated) -> Result<Option<Gives>> {
    let (found, operator) = match &outline.ending {
        Ending::Activation { operator, .. } => (Gives::Probabilities, operator),
        Ending::Logits(operator) => (Gives::Logits, operator),
        Ending::Unknown(_) => return Ok(stated.gives),
    };
    match stated.gives.filter(|stated| *stated != found) {
        None => Ok(Some(found)),
        Some(_) => Err(Error::usage(format!("--model-output contradicts its graph, which ends in {operator}"))),
    }
}

struct Classes {
    names: Vec<String>,
    head: Head,
    channels: Channels,
}

/// Classes and head by the task and the output's shape.
fn classes(task: Task, tile_px: u32, outline: &Outline, names: Vec<String>) -> Result<Classes> {
    let output = &outline.output;
    let refuse = |what: &str| Error::refused(format!("its output is {}, {what}", shape(output)));
    let side = i64::from(tile_px);
    let count = match (task, &output[..]) {
        (Task::Segmentation, [_, count, height, width]) => {
            if [height, width].iter().any(|size| size.is_some_and(|size| size != side)) {
                return Err(refuse(&format!("and its input {side} px wide: only maps of the same size are read")));
            }
            count
        }
        (Task::Classification, [_, count]) => count,
        (Task::Segmentation, _) => return Err(refuse("expected [batch, classes, height, width]")),
        (Task::Classification, _) => return Err(refuse("expected [batch, classes]")),
    };
    let count = count.ok_or_else(|| refuse("which leaves the number of classes open; export it with that fixed"))?;
    let mut names: Vec<String> = names.iter().map(|name| class_name(name)).collect();
    let (head, channels) = match (task, count) {
        (Task::Segmentation, 1) => (Head::Segmentation, Channels::OneOfTwo),
        (Task::Classification, 1) => (Head::Binary, Channels::One),
        (Task::Segmentation, _) => (Head::Segmentation, Channels::Classes),
        (Task::Classification, _) => (Head::Multiclass, Channels::Classes),
    };
    if let ([only], true) = (&names[..], count == 1) {
        names = vec![format!("not_{only}"), only.clone()];
    }
    let expected = if count == 1 { 2 } else { count };
    if names.len() as i64 != expected {
        let list = names.join(",");
        return Err(Error::usage(format!(
            "{} class names ({list}) for an output of {count} channels; give {expected} by --model-classes",
            names.len()
        )));
    }
    match &outline.ending {
        Ending::Activation { operator, .. } if operator == "Sigmoid" && count > 1 => {
            Err(refuse("each class with a sigmoid of its own: pixels of several classes at once are not run"))
        }
        Ending::Activation { operator, .. } if operator == "Softmax" && count == 1 => {
            Err(refuse("a soft-max over a single class, which is 1 everywhere; export it without"))
        }
        _ => Ok(Classes { names, head, channels }),
    }
}

/// The threshold of a pixel. Others' rule for several classes (what stays below it counts as nothing, then the likeliest wins,
/// and the first class where nothing is left) is ours from a half on, and without effect up to one over the classes.
fn threshold(
    task: Task,
    channels: Channels,
    classes: usize,
    description: &Description,
    stated: &Stated,
) -> Result<Option<f32>> {
    let Some(share) = stated.threshold.or(description.threshold).filter(|_| task == Task::Segmentation) else {
        return Ok(None);
    };
    if share > 1.0 {
        return Err(Error::usage(format!("a threshold of {share} is no probability; give --model-threshold 0 to 1")));
    }
    let is_ours = stated.threshold.is_some() || channels == Channels::OneOfTwo;
    match (is_ours, share) {
        (true, 0.0) => Ok(None),
        (false, share) if share * classes as f64 <= 1.0 => Ok(None),
        (false, share) if share < 0.5 => Err(Error::usage(format!(
            "its seg_thresh {share} for {classes} classes is not done; give --model-threshold 0 (the likeliest class) or \
             one from 0.5 on"
        ))),
        _ => Ok(Some(share as f32)),
    }
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
                 {spread:.6} in reflectance, and no images have those; {}",
                scale_question(description)
            )));
        }
        Ok(Band {
            name: name.clone(),
            mean: reflectance as f32,
            standard_deviation: spread as f32,
            training: None,
            substitutes: Vec::new(),
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

/// As a manifest's names are: letters, digits, `-` and `_`.
fn class_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.trim().chars().map(plain).collect()
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

fn looks_like_dn(description: &Description) -> Option<f64> {
    let statistics = description.standardisation.iter().flat_map(|(mean, deviation)| [*mean, *deviation]);
    let largest = statistics.chain(description.clip.into_iter().flatten()).fold(0.0, f64::max);
    (largest > REFLECTANCE_STATISTIC_MAX).then_some(largest)
}

fn scale_question(description: &Description) -> String {
    let forms = format!("what its numbers are before mean and deviation ({}", Scale::FORMS);
    match looks_like_dn(description) {
        Some(number) => format!(
            "{forms}; its statistics go up to {number}, which is no reflectance: dn, dn+1000 where the offset of baseline \
             04.00 was left in, or 0-255:WHITE)"
        ),
        None => format!("{forms}; WHITE is the reflectance of an 8-bit picture's 255)"),
    }
}

fn example_scale(description: &Description) -> &'static str {
    match (looks_like_dn(description), description.bands.is_some()) {
        (Some(_), _) => "dn",
        (None, true) => "reflectance",
        (None, false) => "0-1:0.3",
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
    lines.extend(description.remarks.iter().cloned());
    lines
}

/// What is still open.
#[derive(Default)]
struct Questions(Vec<(String, &'static str, String)>);

impl Questions {
    fn ask(&mut self, what: &str, flag: &'static str, example: &str) {
        self.0.push((what.to_owned(), flag, example.to_owned()));
    }

    /// One line: what is open, the flags that say it, and a command that says all.
    fn error(self, path: &Path, stated: &Stated) -> Error {
        let open: Vec<String> = self.0.iter().map(|(what, flag, _)| format!("{what}: {flag}")).collect();
        let said = [
            ("--model-bands", stated.bands.as_ref().map(|bands| bands.join(","))),
            ("--model-scale", stated.scale.as_ref().map(Scale::to_string)),
            ("--model-level", stated.level.clone()),
        ];
        let said = said.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        let asked = self.0.iter().map(|(_, flag, example)| {
            (*flag, example.split_once(' ').map_or(example.as_str(), |(value, _)| value).to_owned())
        });
        let flags: Vec<String> = said.chain(asked).map(|(flag, value)| format!("{flag} {value}")).collect();
        Error::usage(format!(
            "it does not say, and nothing is guessed: {}; for example `s2infer scene.tif --model {} {}`",
            open.join("; "),
            path.display(),
            flags.join(" ")
        ))
    }
}
