//! The table as one JSON object per line, and the members it shares with GeoJSON.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::text::degrees;
use super::{Row, Sink, Stream};
use crate::{Error, Result};

pub(super) struct Ndjson {
    stream: Stream,
    classes: Vec<String>,
}

impl Ndjson {
    pub(super) fn new(stream: Stream, classes: &[String]) -> Self {
        Self { stream, classes: classes.to_vec() }
    }
}

impl Sink for Ndjson {
    fn write(&mut self, row: &Row) -> Result<()> {
        let mut line = to_json(&Members { row, classes: &self.classes })?;
        line.push('\n');
        self.stream.write(&line)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.stream.finish()
    }
}

/// A row as a JSON object: the columns, then the notes, then `scores`.
pub(super) struct Members<'a> {
    pub(super) row: &'a Row,
    pub(super) classes: &'a [String],
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.row;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tile", &row.tile)?;
        map.serialize_entry("x", &row.window.x)?;
        map.serialize_entry("y", &row.window.y)?;
        map.serialize_entry("width", &row.window.width)?;
        map.serialize_entry("height", &row.window.height)?;
        map.serialize_entry("longitude", &row.longitude_latitude.and_then(|(longitude, _)| rounded(longitude)))?;
        map.serialize_entry("latitude", &row.longitude_latitude.and_then(|(_, latitude)| rounded(latitude)))?;
        map.serialize_entry("date", &row.date)?;
        map.serialize_entry("shift", &row.shift)?;
        map.serialize_entry("score", &row.score)?;
        map.serialize_entry("threshold", &row.threshold)?;
        map.serialize_entry("decision", row.decision.text())?;
        map.serialize_entry("reason", &row.reason)?;
        for (key, value) in &row.notes {
            map.serialize_entry(key, value)?;
        }
        if let Some(scores) = &row.scores {
            map.serialize_entry("scores", &Scores { scores, classes: self.classes })?;
        }
        map.end()
    }
}

/// Class name to probability; a plain list where the model names no classes.
struct Scores<'a> {
    scores: &'a [f32],
    classes: &'a [String],
}

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scores.len() == self.classes.len() {
            serializer.collect_map(self.classes.iter().zip(self.scores))
        } else {
            serializer.collect_seq(self.scores)
        }
    }
}

/// Degrees rounded to the seven decimals of the CSV; null if it is not a number.
pub(super) fn rounded(degree: f64) -> Option<f64> {
    degrees(degree).parse().ok().filter(|degree: &f64| degree.is_finite())
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::output(format!("a row is not JSON: {error}")))
}
