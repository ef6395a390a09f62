//! What is known of a window beside its columns.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::geometry::rounded;

/// For the formats with room for it: members of a row in NDJSON and GeoJSON, one JSON text in GeoPackage and GeoParquet.
/// What is unknown is null. The names of its members are no column's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// What names the bands.
    pub bands_source: Option<String>,
    /// What states scale and offset.
    pub radiometry_source: Option<String>,
    /// Share of the window under clouds, in percent; with one decimal.
    pub cloud_cover_percent: Option<f64>,
    /// What says so.
    pub cloud_source: Option<String>,
    /// Height of the sun above the horizon, in degrees; with one decimal.
    pub sun_elevation_deg: Option<f64>,
}

impl Notes {
    /// A number as notes hold it: with one decimal, none for what is no number.
    pub fn one_decimal(value: f64) -> Option<f64> {
        rounded(value, 1)
    }

    /// Writes all members into a map that may have others.
    pub(super) fn members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("bands_source", &self.bands_source)?;
        map.serialize_entry("radiometry_source", &self.radiometry_source)?;
        map.serialize_entry("cloud_cover_percent", &self.cloud_cover_percent)?;
        map.serialize_entry("cloud_source", &self.cloud_source)?;
        map.serialize_entry("sun_elevation_deg", &self.sun_elevation_deg)
    }
}

impl Serialize for Notes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut map)?;
        map.end()
    }
}
