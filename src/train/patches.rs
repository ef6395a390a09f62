//! The manifest of labelled patches: what the trainer reads and the preparation writes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, limits};

/// What a patch is used for; one patch has one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Fits the weights.
    Train,
    /// Chooses the epoch.
    Select,
    /// Calibrates the thresholds.
    Calibration,
    /// Measures recall and precision at those thresholds.
    Measurement,
}

impl Split {
    /// The name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Select => "select",
            Self::Calibration => "calibration",
            Self::Measurement => "measurement",
        }
    }
}

/// One row: `path,label,split,site,longitude,latitude[,season,cloud,class]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// The file, relative to the manifest's folder.
    pub path: PathBuf,
    /// Class: of two, 1 is the positive one.
    pub label: u8,
    /// What it is used for.
    pub split: Split,
    /// The place it belongs to; no place has patches in two splits that are compared.
    pub site: String,
    /// Degrees east of the centre.
    pub longitude: f64,
    /// Degrees north of the centre.
    pub latitude: f64,
    /// `summer` or `winter`, where known.
    #[serde(default)]
    pub season: Option<String>,
    /// `clear` or `cloudy`, where known.
    #[serde(default)]
    pub cloud: Option<String>,
    /// The class it had in the source data.
    #[serde(default)]
    pub class: Option<String>,
}

impl Patch {
    /// Whether it is a positive.
    pub fn is_positive(&self) -> bool {
        self.label == 1
    }
}

/// Reads a manifest; see [`check_labels`].
pub fn read(path: &Path) -> Result<Vec<Patch>> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(e).context(path.display()))?.len();
    if size > limits::TABLE_BYTES_MAX {
        return Err(Error::limit(format!("{}: larger than {} bytes", path.display(), limits::TABLE_BYTES_MAX)));
    }
    let mut reader = csv::Reader::from_path(path).map_err(|e| Error::usage(e).context(path.display()))?;
    let rows: Result<Vec<Patch>, csv::Error> = reader.deserialize().collect();
    rows.map_err(|e| Error::usage(e).context(path.display()))
}

/// Checks that every label is below the number of classes.
pub fn check_labels(patches: &[Patch], classes: usize) -> Result<()> {
    match patches.iter().position(|patch| usize::from(patch.label) >= classes) {
        Some(row) => Err(Error::usage(format!(
            "row {}: label {} where labels go from 0 to {} for the {classes} of --classes",
            row + 1,
            patches[row].label,
            classes - 1
        ))),
        None => Ok(()),
    }
}

/// Writes a manifest.
pub fn write(path: &Path, patches: &[Patch]) -> Result<()> {
    let failed = |e: csv::Error| Error::output(e).context(path.display());
    let mut writer = csv::Writer::from_path(path).map_err(failed)?;
    for patch in patches {
        writer.serialize(patch).map_err(failed)?;
    }
    writer.flush().map_err(|e| Error::output(e).context(path.display()))
}
