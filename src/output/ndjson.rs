//! The table as one JSON object per line.

use serde::Serialize;

use super::Stream;
use super::feature::{Feature, Layer, Members, Writer};
use crate::{Error, Result};

pub(super) struct Ndjson {
    stream: Stream,
    layer: Layer,
}

impl Ndjson {
    pub(super) fn new(stream: Stream, layer: Layer) -> Self {
        Self { stream, layer }
    }
}

impl Writer for Ndjson {
    fn write(&mut self, feature: &Feature<'_>) -> Result<()> {
        let mut line = to_json(&Members { layer: &self.layer, feature })?;
        line.push('\n');
        self.stream.write(&line)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.stream.finish()
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::output(format!("a row is not JSON: {error}")))
}
