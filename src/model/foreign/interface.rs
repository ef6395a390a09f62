//! What a graph takes and gives, read with what is known of the task: its input's size, its classes, its head.

use super::{Description, Gives, Stated, Task};
use crate::model::graph::{Channels, Ending, Outline};
use crate::model::manifest::Head;
use crate::{Error, Result};

/// More channels than this in the last place are pixels.
const CHANNELS_LAST_MAX: i64 = 20;

/// Channels and side of the input, as far as the graph fixes them.
pub fn input(outline: &Outline) -> Result<(Option<i64>, Option<u32>)> {
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

/// Logits or probabilities, by the last operator or as stated; `None` where neither tells.
pub fn gives(outline: &Outline, stated: &Stated) -> Result<Option<Gives>> {
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

/// What an output is.
pub struct Classes {
    /// Their names, in the order of the output as it is adapted.
    pub names: Vec<String>,
    /// What the output means.
    pub head: Head,
    /// How it is made up.
    pub channels: Channels,
}

fn refuse_output(outline: &Outline, what: &str) -> Error {
    Error::refused(format!("its output is {}, {what}", shape(&outline.output)))
}

/// Channels of the output of a graph that does this task.
pub fn channels(task: Task, tile_px: Option<u32>, outline: &Outline) -> Result<i64> {
    let output = &outline.output;
    let refuse = |what: &str| refuse_output(outline, what);
    let count = match (task, &output[..]) {
        (Task::Segmentation, [_, count, height, width]) => {
            let side = tile_px.map(i64::from);
            if [height, width].iter().any(|size| size.zip(side).is_some_and(|(size, side)| size != side)) {
                return Err(refuse("and its input of another size: only maps of the same size are read"));
            }
            count
        }
        (Task::Classification, [_, count]) => count,
        (Task::Segmentation, _) => return Err(refuse("expected [batch, classes, height, width]")),
        (Task::Classification, _) => return Err(refuse("expected [batch, classes]")),
    };
    count.ok_or_else(|| refuse("which leaves the number of classes open; export it with that fixed"))
}

/// Classes and head by the task and the channels of the output.
pub fn classes(task: Task, count: i64, outline: &Outline, names: &[String]) -> Result<Classes> {
    let refuse = |what: &str| refuse_output(outline, what);
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
pub fn threshold(
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

/// As a manifest's names are: letters, digits, `-` and `_`.
fn class_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.trim().chars().map(plain).collect()
}
