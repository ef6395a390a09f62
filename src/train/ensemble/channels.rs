//! Which channels a network of two sensors sees: read from a file of JSON, written into the model's manifest.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::limits::{CONFIG_BYTES_MAX, read_bounded};
use crate::model::Expression;
use crate::model::manifest::Band;
use crate::{Error, Result};

/// Channels by branch, the optical ones first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// Those of the first encoder.
    #[serde(default)]
    pub optical: Vec<Channel>,
    /// Those of the second.
    #[serde(default)]
    pub radar: Vec<Channel>,
}

/// A channel of the network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Name of a band of the file, or of what is derived.
    pub name: String,
    /// How it follows from bands of the file.
    pub expression: Option<String>,
    /// Its unit, where it is no reflectance: `dB`, `1`.
    pub unit: Option<String>,
}

impl Channels {
    /// Reads a declaration.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where it is none or names no channel.
    pub fn read(path: &Path) -> Result<Self> {
        let named = |e: Error| e.context(path.display());
        let text = read_bounded(path, CONFIG_BYTES_MAX).map_err(named)?;
        let channels: Self = serde_json::from_slice(&text).map_err(|e| named(Error::usage(e)))?;
        match channels.count() {
            0 => Err(named(Error::usage("names no channel under \"optical\" or \"radar\""))),
            _ => Ok(channels),
        }
    }

    /// All of them, in the network's order.
    pub fn all(&self) -> impl Iterator<Item = &Channel> {
        self.optical.iter().chain(&self.radar)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.optical.len() + self.radar.len()
    }

    /// The manifest's channels, without statistics yet.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for an expression that is none.
    pub fn bands(&self) -> Result<Vec<Band>> {
        let band = |channel: &Channel| {
            let expression = channel.expression.as_deref().map(Expression::parse).transpose();
            let expression = expression.map_err(|why| Error::usage(format!("channel {}: {why}", channel.name)))?;
            Ok(Band { expression, ..Band::named(&channel.name) })
        };
        self.all().map(band).collect()
    }

    /// The manifest's units.
    pub fn units(&self) -> BTreeMap<String, String> {
        self.all().filter_map(|channel| Some((channel.name.clone(), channel.unit.clone()?))).collect()
    }
}
