//! STAC items with the Machine Learning Model extension (MLM 1.x) as others publish them: without our own block.
//!
//! What `value_scaling` computes is the extension's table: z-score (x − mean) / stddev, min-max (x − minimum) / (maximum −
//! minimum), offset x − value, scale x / value, clip. What x is (reflectance or DN) it does not say.

use std::path::{Component, Path};

use serde_json::Value;

use super::{Description, Task};
use crate::model::assets::multihash_sha256;
use crate::model::manifest::{About, canonical_band};
use crate::{Error, Result};

const EXTENSION: &str = "https://stac-extensions.github.io/mlm/v1.";
/// The block that makes a model folder of ours of an item.
const OWN_BLOCK: &str = "s2infer:inference";
/// A bound on reflectance and DN alike, for a clip that has only one.
const BEYOND: f64 = 1e6;

/// The ONNX file that an item describes.
pub struct ModelFile {
    /// Its name beside the item.
    pub name: String,
    /// SHA-256 that the item states, in lower-case hexadecimal.
    pub sha256: Option<String>,
}

/// Whether JSON is an item of this kind.
pub fn is_foreign(item: &Value) -> bool {
    let extensions = item["stac_extensions"].as_array().into_iter().flatten();
    let is_mlm = extensions.filter_map(Value::as_str).any(|uri| uri.starts_with(EXTENSION));
    item["type"] == "Feature" && is_mlm && item["properties"].get(OWN_BLOCK).is_none()
}

/// What the item says, and of which file beside it.
///
/// # Errors
/// [`crate::Kind::Refused`] naming the field for everything that is not done or cannot be.
pub fn describe(item: &Value, folder: &Path) -> Result<(Description, ModelFile)> {
    let properties = &item["properties"];
    let input = only(&properties["mlm:input"], "mlm:input")?;
    let output = only(&properties["mlm:output"], "mlm:output")?;
    let bands = bands(input)?;
    let (standardisation, clip) = value_scaling(input)?;
    let text = |key: &str| properties[key].as_str().map(str::to_owned);
    let structure = &input["input"];
    if structure["data_type"].as_str().is_some_and(|kind| kind != "float32") {
        return Err(refusal("mlm:input data_type", &structure["data_type"], "float32"));
    }
    refuse_function(input, "pre_processing_function", "value_scaling and --model-scale")?;
    refuse_function(output, "post_processing_function", "soft-max, sigmoid and the choice of the likeliest class")?;
    let description = Description {
        name: text("mlm:name"),
        architecture: text("mlm:architecture"),
        about: About {
            description: text("description").unwrap_or_default(),
            license: text("license"),
            created: text("created").unwrap_or_default(),
            total_parameters: properties["mlm:total_parameters"].as_u64(),
            pretrained_source: text("mlm:pretrained_source"),
            ..About::default()
        },
        task: Some(task(output, properties)?),
        bands: (!bands.is_empty()).then_some(bands),
        standardisation,
        clip,
        classes: classes(output)?,
        tile_px: side(structure)?,
        is_padded: is_padded(input)?,
        ..Description::default()
    };
    Ok((description, file(item, folder)?))
}

fn only<'a>(list: &'a Value, field: &str) -> Result<&'a Value> {
    match list.as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one),
        Some(list) => Err(Error::refused(format!("{field} has {} entries, expected one", list.len()))),
        None => Err(Error::refused(format!("the item has no {field}"))),
    }
}

fn bands(input: &Value) -> Result<Vec<String>> {
    let read = |band: &Value| {
        if !band["expression"].is_null() {
            return Err(refusal("mlm:input band", band, "a name: an expression is not computed"));
        }
        let name = band.as_str().or_else(|| band["name"].as_str());
        let name = name.ok_or_else(|| refusal("mlm:input band", band, "a name"))?;
        Ok(canonical_band(name).unwrap_or_else(|| name.to_owned()))
    };
    input["bands"].as_array().into_iter().flatten().map(read).collect()
}

/// The side in pixels by `shape` and `dim_order`; `None` where it is open.
fn side(structure: &Value) -> Result<Option<u32>> {
    let names: Vec<&str> = structure["dim_order"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !names.is_empty()
        && !matches!(names[..], ["batch", "bands" | "channel" | "channels" | "band", "height", "width"])
    {
        return Err(refusal("mlm:input dim_order", &structure["dim_order"], "batch, bands, height, width"));
    }
    let sizes: Vec<f64> = structure["shape"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    match sizes[..] {
        [_, _, height, width] if height == width => Ok((height >= 1.0).then_some(height as u32)),
        _ => Err(refusal("mlm:input shape", &structure["shape"], "four numbers, the last two equal")),
    }
}

/// Mean and deviation of each entry, and the one clip before them.
type Scaling = (Vec<(f64, f64)>, Option<[f64; 2]>);

fn value_scaling(input: &Value) -> Result<Scaling> {
    if !input["norm_type"].is_null() {
        return Err(refusal(
            "mlm:input norm_type",
            &input["norm_type"],
            "value_scaling in its place, as since MLM 1.4",
        ));
    }
    let mut list = Vec::new();
    let mut clips: Vec<Option<[f64; 2]>> = Vec::new();
    for entry in input["value_scaling"].as_array().into_iter().flatten() {
        let number = |key: &str| {
            let number = entry[key].as_f64().filter(|number| number.is_finite());
            number.ok_or_else(|| refusal("value_scaling", entry, &format!("a number `{key}`")))
        };
        let kind = entry["type"].as_str().unwrap_or_default();
        let (scaling, clip) = match kind {
            "" if entry.is_null() => ((0.0, 1.0), None),
            "z-score" => ((number("mean")?, number("stddev")?), None),
            "min-max" => ((number("minimum")?, number("maximum")? - number("minimum")?), None),
            "offset" => ((number("value")?, 1.0), None),
            "scale" if number("value")? < 1.0 => {
                return Err(refusal("value_scaling", entry, "a value of 1 or more: MLM divides by it"));
            }
            "scale" => ((0.0, number("value")?), None),
            "clip" => ((0.0, 1.0), Some([number("minimum")?, number("maximum")?])),
            "clip-min" => ((0.0, 1.0), Some([number("minimum")?, BEYOND])),
            "clip-max" => ((0.0, 1.0), Some([-BEYOND, number("maximum")?])),
            _ => {
                return Err(refusal("value_scaling", entry, "z-score, min-max, offset, scale, clip or null"));
            }
        };
        list.push(scaling);
        clips.push(clip);
    }
    clips.dedup();
    match clips[..] {
        [] => Ok((list, None)),
        [clip] => Ok((list, clip)),
        _ => Err(refusal("value_scaling", &input["value_scaling"], "the same clip for all bands")),
    }
}

fn is_padded(input: &Value) -> Result<bool> {
    match input["resize_type"].as_str() {
        None | Some("crop") => Ok(false),
        Some("pad") => Ok(true),
        Some(_) => Err(refusal("resize_type", &input["resize_type"], "null, crop or pad: nothing is interpolated")),
    }
}

fn refuse_function(part: &Value, field: &str, done: &str) -> Result<()> {
    if part[field].is_null() || part[field].as_array().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{field} {} is not run; set it to null in the item if {done} already do what it does",
        part[field]
    )))
}

fn task(output: &Value, properties: &Value) -> Result<Task> {
    let tasks = [&output["tasks"], &properties["mlm:tasks"]].into_iter().find(|tasks| tasks.is_array());
    let names = tasks.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let known = names.map(|name| match name {
        "semantic-segmentation" | "segmentation" => Some(Task::Segmentation),
        "classification" | "scene-classification" => Some(Task::Classification),
        _ => None,
    });
    let wanted = "segmentation, semantic-segmentation, classification or scene-classification";
    let wrong = || refusal("tasks", tasks.unwrap_or(&Value::Null), wanted);
    let mut known: Vec<Task> = known.collect::<Option<_>>().ok_or_else(wrong)?;
    known.dedup();
    match known[..] {
        [task] => Ok(task),
        _ => Err(wrong()),
    }
}

fn classes(output: &Value) -> Result<Option<Vec<String>>> {
    let Some(list) = output["classification:classes"].as_array().filter(|list| !list.is_empty()) else {
        return Ok(None);
    };
    let read = |(index, class): (usize, &Value)| {
        let name = ["name", "description"].iter().find_map(|key| class[*key].as_str());
        let is_in_order = class["value"].as_u64() == Some(index as u64);
        name.filter(|_| is_in_order).map(str::to_owned).ok_or_else(|| {
            refusal("classification:classes", class, &format!("the value {index} and a name: the order of the output"))
        })
    };
    list.iter().enumerate().map(read).collect::<Result<_>>().map(Some)
}

/// The asset with the role `mlm:model`, which must lie beside the item.
fn file(item: &Value, folder: &Path) -> Result<ModelFile> {
    let assets = item["assets"].as_object().into_iter().flatten();
    let has_role = |asset: &Value| asset["roles"].as_array().into_iter().flatten().any(|role| role == "mlm:model");
    let models: Vec<&Value> = assets.map(|(_, asset)| asset).filter(|asset| has_role(asset)).collect();
    let is_onnx = |asset: &&&Value| {
        let says = |text: &Value| text.as_str().is_some_and(|text| text.to_ascii_lowercase().contains("onnx"));
        says(&asset["type"]) || says(&asset["mlm:artifact_type"]) || says(&asset["href"])
    };
    let onnx: Vec<&Value> = models.iter().filter(is_onnx).copied().collect();
    let [asset] = onnx[..] else {
        return Err(Error::refused(format!(
            "{} of its {} assets with the role mlm:model are ONNX files, expected one; export the model to ONNX",
            onnx.len(),
            models.len()
        )));
    };
    let href = asset["href"].as_str().unwrap_or_default();
    let name = href.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let relative = href.strip_prefix("./").unwrap_or(href);
    let is_plain = Path::new(relative).components().all(|part| matches!(part, Component::Normal(_)));
    let name = match (href.contains("://"), is_plain && !relative.is_empty() && !relative.contains('\\')) {
        (true, _) if !name.is_empty() && folder.join(name).is_file() => name,
        (true, _) => {
            return Err(Error::refused(format!(
                "its model lies at {href}, and nothing is fetched: download {name} to the item's folder"
            )));
        }
        (false, true) => relative,
        (false, false) => return Err(refusal("the model's href", &asset["href"], "a file beside the item")),
    };
    let sha256 = match asset["file:checksum"].as_str() {
        None => None,
        Some(text) => Some(multihash_sha256(text).ok_or_else(|| {
            refusal("file:checksum", &asset["file:checksum"], "a sha2-256 multihash (1220 and 64 digits), or none")
        })?),
    };
    Ok(ModelFile { name: name.to_owned(), sha256 })
}

fn refusal(field: &str, found: &Value, expected: &str) -> Error {
    Error::refused(format!("{field} is {found}, expected {expected}"))
}
