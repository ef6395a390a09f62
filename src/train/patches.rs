//! The manifest of labelled patches: what the trainer reads and the preparation writes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::table;
use crate::{Error, Result, limits};

/// What a patch is used for; one patch has one use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Fits the weights.
    #[default]
    Train,
    /// Chooses the epoch, and between recipes.
    Select,
    /// Fits the temperature.
    Temperature,
    /// Calibrates the thresholds.
    Calibration,
    /// Measures recall and precision at those thresholds.
    Measurement,
}

impl Split {
    /// All of them, in the order of their use.
    pub const ALL: [Self; 5] = [Self::Train, Self::Select, Self::Temperature, Self::Calibration, Self::Measurement];

    /// The name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Select => "select",
            Self::Temperature => "temperature",
            Self::Calibration => "calibration",
            Self::Measurement => "measurement",
        }
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|split| split.name() == text)
            .ok_or_else(|| Error::usage(format!("{text:?} is no split: give {}", Self::ALL.map(Self::name).join(", "))))
    }
}

/// One row: `path,label,split,site,longitude,latitude[,season,cloud,class,country,date,cloud_cover]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// The file, relative to the manifest's folder.
    pub path: PathBuf,
    /// Index of the class that the model is to find; of two classes, 1 is the positive one.
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
    /// `clear`, `cloudy` or a percentage, where known.
    #[serde(default)]
    pub cloud: Option<String>,
    /// The class it had in the source data.
    #[serde(default)]
    pub class: Option<String>,
    /// The country, as the source data call it, or another region.
    #[serde(default, alias = "region")]
    pub country: Option<String>,
    /// Day of acquisition, where known: `2018-07-15`.
    #[serde(default)]
    pub date: Option<String>,
    /// Share of clouds in percent, where known.
    #[serde(default, alias = "cloud_cover_percent")]
    pub cloud_cover: Option<f64>,
}

impl Patch {
    /// Whether it is a positive of a task with two classes.
    pub fn is_positive(&self) -> bool {
        self.label == 1
    }
}

/// Reads a manifest. What its labels may be depends on the model: see [`check_labels`].
pub fn read(path: &Path) -> Result<Vec<Patch>> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(e).context(path.display()))?.len();
    if size > limits::TABLE_BYTES_MAX {
        return Err(Error::limit(format!("{}: larger than {} bytes", path.display(), limits::TABLE_BYTES_MAX)));
    }
    table::read(path)
}

/// Checks that every label is the index of one of `classes` classes.
///
/// # Errors
/// [`crate::Kind::Usage`], naming the first patch whose label is none.
pub fn check_labels(patches: &[Patch], classes: usize) -> Result<()> {
    match patches.iter().find(|patch| usize::from(patch.label) >= classes) {
        Some(Patch { path, label, .. }) => Err(Error::usage(format!(
            "{}: label {label}, but the model's {classes} classes have the labels 0 to {}",
            path.display(),
            classes.saturating_sub(1)
        ))),
        None => Ok(()),
    }
}

/// Checks that patches can train a model of `classes` classes and choose its epoch: no file stands twice, `train`
/// shows more than one class, and of two classes `select`, where it has patches, shows the positive one.
///
/// # Errors
/// [`crate::Kind::Usage`], naming the file or the split.
pub fn check_training(patches: &[Patch], classes: &[String]) -> Result<()> {
    let mut paths = HashSet::new();
    if let Some(twice) = patches.iter().find(|patch| !paths.insert(&patch.path)) {
        return Err(Error::usage(format!("{}: stands twice", twice.path.display())));
    }
    let of = |split: Split| -> HashSet<u8> { patches.iter().filter(|p| p.split == split).map(|p| p.label).collect() };
    let (train, select) = (of(Split::Train), of(Split::Select));
    if train.len() < 2 {
        return Err(Error::usage("the patches of split `train` are not of two classes: there is nothing to learn"));
    }
    if classes.len() == 2 && !select.is_empty() && !select.contains(&1) {
        return Err(Error::usage(format!("no patch of split `select` shows `{}`: it can choose no epoch", classes[1])));
    }
    Ok(())
}

/// Writes a manifest, complete or not at all.
pub fn write(path: &Path, patches: &[Patch]) -> Result<()> {
    table::write(path, patches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(label: u8) -> Patch {
        Patch {
            path: "a/b.jpg".into(),
            label,
            split: Split::Temperature,
            site: "s".into(),
            longitude: 10.5,
            latitude: -3.0,
            class: Some("Forest".into()),
            country: Some("9".into()),
            ..Patch::default()
        }
    }

    #[test]
    fn a_manifest_reads_back_and_may_lack_what_is_optional() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patches.csv");
        write(&path, &[patch(0), patch(9)]).unwrap();
        assert_eq!(read(&path).unwrap(), [patch(0), patch(9)]);
        std::fs::write(&path, "path,label,split,site,longitude,latitude\na/b.jpg,7,temperature,s,10.5,-3\n").unwrap();
        assert_eq!(read(&path).unwrap(), [Patch { class: None, country: None, ..patch(7) }]);
    }

    #[test]
    fn a_label_beyond_the_classes_is_an_error_that_names_the_patch() {
        assert!(check_labels(&[patch(0), patch(1)], 2).is_ok());
        let error = check_labels(&[patch(0), patch(2)], 2).unwrap_err().to_string();
        assert!(error.contains("a/b.jpg") && error.contains("label 2"), "{error}");
    }

    #[test]
    fn every_split_is_read_by_its_name() {
        for split in Split::ALL {
            assert_eq!(split.name().parse::<Split>().unwrap(), split);
        }
        assert!("test".parse::<Split>().is_err());
    }
}
