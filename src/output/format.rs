//! The forms of a table, and how they are asked for.

use std::path::Path;
use std::str::FromStr;

use crate::{Error, Result};

/// The form of the result table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line per window; names that a spreadsheet would run as formulas are escaped.
    Csv,
    /// One JSON object per line, with everything a row holds.
    Ndjson,
    /// One RFC 7946 feature collection.
    GeoJson,
    /// One layer of a GeoPackage.
    GeoPackage,
    /// One GeoParquet file.
    GeoParquet,
}

impl Format {
    /// What `--format` says, else what the extension of `--output` says, else CSV.
    pub fn choose(asked: Option<Self>, output: Option<&Path>) -> Self {
        asked.or_else(|| output.and_then(Self::of_name)).unwrap_or(Self::Csv)
    }

    /// What a file's extension promises.
    pub fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "geojson" | "json" => Some(Self::GeoJson),
            "gpkg" => Some(Self::GeoPackage),
            "parquet" | "geoparquet" => Some(Self::GeoParquet),
            _ => None,
        }
    }

    /// Whether it is written back and forth, or closed by what stands at its end, so that no pipe can take it.
    pub fn needs_file(self) -> bool {
        matches!(self, Self::GeoPackage | Self::GeoParquet)
    }

    /// Whether it holds outlines.
    pub(super) fn has_shapes(self) -> bool {
        !matches!(self, Self::Csv | Self::Ndjson)
    }

    /// What its files' names end on, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::GeoJson => "geojson",
            Self::GeoPackage => "gpkg",
            Self::GeoParquet => "parquet",
        }
    }

    /// The media type of its files.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::GeoJson => "application/geo+json",
            Self::GeoPackage => "application/geopackage+sqlite3",
            Self::GeoParquet => "application/vnd.apache.parquet",
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            "geojson" => Ok(Self::GeoJson),
            "gpkg" | "geopackage" => Ok(Self::GeoPackage),
            "parquet" | "geoparquet" => Ok(Self::GeoParquet),
            _ => Err(Error::usage(format!("--format {text}: give csv, ndjson, geojson, gpkg or parquet"))),
        }
    }
}
