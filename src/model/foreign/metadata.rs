//! The metadata that GeoDeep and Deepness keep in an ONNX file: `metadata_props`, each value a JSON text.
//!
//! GeoDeep 0.9.13 reads `model_type`, `class_names`, `resolution` (centimetres), `tiles_overlap` (percent), `seg_thresh` and
//! `seg_small_segment`, and takes the size of a tile from the graph. Deepness has these keys from before and adds `names` for
//! `class_names`, the size of a tile (its documentation says `tiles_size`, its code reads `tile_size`), and
//! `standardization_mean` with `standardization_std`: of samples that were divided by 255.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Description, Task};
use crate::{Error, Result};

/// What the metadata say.
///
/// # Errors
/// [`crate::Kind::Refused`] naming the key for a value that is not what the key holds, and for a kind of model that is not
/// run.
pub fn describe(metadata: &BTreeMap<String, String>) -> Result<Description> {
    let keys = Keys(metadata);
    let mut remarks = Vec::new();
    if keys.number("seg_small_segment")?.is_some_and(|size| size > 0.0) {
        remarks.push("seg_small_segment is not applied: small segments stay in the map".to_owned());
    }
    let mean = keys.numbers("standardization_mean")?;
    let deviation = keys.numbers("standardization_std")?;
    if mean.is_empty() != deviation.is_empty() {
        return Err(Error::refused(
            "its metadata have only one of standardization_mean and standardization_std, and Deepness then takes neither: \
             write both into the file, or neither",
        ));
    }
    let count = mean.len().max(deviation.len());
    let of = |list: &[f64], index: usize, default: f64| match list {
        [] => default,
        [one] => *one,
        list => list.get(index).copied().unwrap_or(f64::NAN),
    };
    Ok(Description {
        task: keys.task()?,
        classes: keys.classes()?,
        standardisation: (0..count).map(|index| (of(&mean, index, 0.0), of(&deviation, index, 1.0))).collect(),
        tile_px: keys.tile_px()?,
        overlap_percent: keys.number("tiles_overlap")?,
        threshold: keys.number("seg_thresh")?,
        resolution_m: keys.number("resolution")?.map(|centimetres| centimetres / 100.0),
        // Both fill what lies beyond the layer.
        is_padded: true,
        remarks,
        ..Description::default()
    })
}

fn whole(key: &str, number: f64) -> Result<u32> {
    let is_whole = number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number);
    if is_whole { Ok(number as u32) } else { Err(refusal(key, &number.to_string(), "a whole number of pixels")) }
}

struct Keys<'a>(&'a BTreeMap<String, String>);

impl Keys<'_> {
    fn json(&self, key: &str) -> Result<Option<Value>> {
        let Some(text) = self.0.get(key) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| refusal(key, text, "JSON, as json.dumps writes it"))
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.json(key)? else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
        number.map(Some).ok_or_else(|| refusal(key, &value.to_string(), "a number of at least 0"))
    }

    fn tile_px(&self) -> Result<Option<u32>> {
        let of = |key| self.number(key)?.map(|size| whole(key, size)).transpose();
        match (of("tile_size")?, of("tiles_size")?) {
            (Some(read), Some(documented)) if read != documented => Err(Error::refused(format!(
                "its metadata contradict themselves: tile_size is {read}, tiles_size {documented}"
            ))),
            (read, documented) => Ok(read.or(documented)),
        }
    }

    /// A list of numbers, or one.
    fn numbers(&self, key: &str) -> Result<Vec<f64>> {
        let Some(value) = self.json(key)? else { return Ok(Vec::new()) };
        let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let numbers: Option<Vec<f64>> = list.iter().map(|value| value.as_f64().filter(|n| n.is_finite())).collect();
        numbers.ok_or_else(|| refusal(key, &value.to_string(), "a list of numbers"))
    }

    fn task(&self) -> Result<Option<Task>> {
        let Some(value) = self.json("model_type")? else { return Ok(None) };
        let name = value.as_str().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "segmentor" => Ok(Some(Task::Segmentation)),
            "classification" | "classifier" | "classificator" => Ok(Some(Task::Classification)),
            _ => Err(Error::refused(format!(
                "its model_type is {value}: s2infer runs Segmentor models and classifiers, no detectors, regressors, \
                 super-resolution or recognition by likeness"
            ))),
        }
    }

    /// Names in the order of the output: of `{"0": "other", "1": "road"}`, or of a list.
    fn classes(&self) -> Result<Option<Vec<String>>> {
        let (read, older) = (self.json("class_names")?, self.json("names")?);
        if read.as_ref().zip(older.as_ref()).is_some_and(|(read, older)| read != older) {
            return Err(Error::refused(
                "its metadata contradict themselves: class_names and names say different classes",
            ));
        }
        let Some(mut value) = read.or(older) else { return Ok(None) };
        // A list of one for every output.
        if let Value::Array(outputs) = &mut value
            && outputs.len() == 1
            && outputs[0].is_object()
        {
            value = outputs.swap_remove(0);
        }
        let wrong = || refusal("class_names", &value.to_string(), "names by the numbers 0, 1, 2, …");
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
        match &value {
            Value::Array(names) => names.iter().map(text).collect::<Result<_>>().map(Some),
            Value::Object(names) => {
                let numbered =
                    names.iter().map(|(number, name)| Ok((number.parse().map_err(|_| wrong())?, text(name)?)));
                let numbered: BTreeMap<usize, String> = numbered.collect::<Result<_>>()?;
                let first = numbered.keys().next().copied().unwrap_or(0);
                // One channel: its class may be called 1, as it stands in the map.
                let is_counted = numbered.keys().copied().eq(first..first + numbered.len());
                if !is_counted || first > usize::from(numbered.len() == 1) || numbered.is_empty() {
                    return Err(wrong());
                }
                Ok(Some(numbered.into_values().collect()))
            }
            _ => Err(wrong()),
        }
    }
}

fn refusal(key: &str, found: &str, expected: &str) -> Error {
    Error::refused(format!("its metadata {key} is {found}, expected {expected}"))
}
