//! The reference of a model: what its tiles and scores were like when it was calibrated.

use std::collections::{BTreeMap, HashSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::histogram::{Histogram, TILES_MAX, five_digits};
use super::observation::{Observation, Quantity, band_values};
use super::{ALL, TILES_MIN};
use crate::decide::{Binding, ModelRef};
use crate::limits::{GROUPS_MAX, MODEL_BANDS_MAX, REFERENCE_BYTES_MAX};
use crate::model::manifest::Tta;
use crate::model::sha256;
use crate::quoted::{quoted, shortened};
use crate::{Error, Result};

const FORMAT: &str = "s2infer-drift-reference";
const VERSION: u32 = 1;
/// Tiles of a group that are kept as they are, for tests of all bands at once: their cost grows with the square.
const SAMPLES_MAX: usize = 128;

/// A validated reference. Its fields are the keys of the JSON file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    format: String,
    version: u32,
    /// The model that gave the scores.
    pub model: ModelRef,
    /// The preprocessing that was before it.
    pub preprocessing_version: String,
    /// The test-time augmentation that was on.
    pub tta: Tta,
    /// The model's bands, in its order.
    pub bands: Vec<String>,
    /// The command that wrote the reference.
    pub command: String,
    /// When.
    pub created: jiff::Timestamp,
    /// Season and sky, or the profile's groups, by name, and last all tiles together.
    pub groups: Vec<ReferenceGroup>,
    #[serde(skip)]
    source_sha256: Option<String>,
}

/// The tiles of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceGroup {
    /// Its name.
    pub group: String,
    /// Tiles, with a score or not.
    pub n_tiles: u64,
    /// One for each [`Quantity`] of the bands, in that order.
    pub(super) histograms: Vec<Histogram>,
    /// Mean and standard deviation of every band, of some of the tiles.
    pub(super) samples: Vec<Vec<f32>>,
}

/// What a reference is to say of itself.
#[derive(Debug, Clone)]
pub struct ReferenceRequest {
    /// The model's name.
    pub model_name: String,
    /// What it is bound to.
    pub binding: Binding,
    /// The model's bands.
    pub bands: Vec<String>,
    /// The command line.
    pub command: String,
    /// Now.
    pub created: jiff::Timestamp,
}

impl Reference {
    /// From tiles whose pixels were read. Groups of [`sparse_groups`] are left out.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for fewer than [`TILES_MIN`] tiles with a score, or more than [`GROUPS_MAX`] groups.
    pub fn of(tiles: &[Observation], request: ReferenceRequest) -> Result<Self> {
        let scored = tiles.iter().filter(|tile| tile.score.is_some()).count() as u64;
        if scored < TILES_MIN {
            return Err(Error::usage(format!("{scored} tiles have a score; a reference needs {TILES_MIN} at least")));
        }
        let mut names: Vec<&str> = tiles.iter().filter_map(|tile| tile.group.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() >= GROUPS_MAX {
            return Err(Error::usage(format!("more than {GROUPS_MAX} groups")));
        }
        let sparse = sparse_groups(tiles);
        names.retain(|name| !sparse.iter().any(|(other, _)| other == name));
        let members = |name: &str| tiles.iter().filter(|tile| tile.group.as_deref() == Some(name)).collect::<Vec<_>>();
        let mut groups: Vec<ReferenceGroup> =
            names.iter().map(|name| ReferenceGroup::of(name, &members(name), request.bands.len())).collect();
        groups.push(ReferenceGroup::of(ALL, &tiles.iter().collect::<Vec<_>>(), request.bands.len()));
        let ReferenceRequest { model_name, binding, bands, command, created } = request;
        let Binding { model_sha256, precision, preprocessing_version, tta } = binding;
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            model: ModelRef { name: model_name, sha256: model_sha256, precision },
            preprocessing_version,
            tta,
            bands,
            command,
            created,
            groups,
            source_sha256: None,
        })
    }

    /// Reads and validates a reference; `name` (a path) goes into messages.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] for what is no such file.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let refused = |what: String| {
            Error::refused(format!(
                "{name}: not a valid drift reference: {what}; write one with `s2infer drift reference`"
            ))
        };
        if bytes.len() as u64 > REFERENCE_BYTES_MAX {
            return Err(refused(format!("{} bytes, at most {REFERENCE_BYTES_MAX} are read", bytes.len())));
        }
        let mut reference: Self = serde_json::from_slice(bytes).map_err(|error| refused(shortened(&error)))?;
        reference.validate().map_err(refused)?;
        reference.source_sha256 = Some(sha256(bytes));
        Ok(reference)
    }

    fn validate(&self) -> Result<(), String> {
        if self.format != FORMAT || self.version != VERSION {
            return Err(format!(
                "format {} version {}, not {FORMAT:?} version {VERSION}",
                quoted(&self.format),
                self.version
            ));
        }
        if self.bands.is_empty() || self.bands.len() > MODEL_BANDS_MAX || self.groups.len() > GROUPS_MAX {
            return Err("too many bands or groups, or none".into());
        }
        if self.groups.last().is_none_or(|group| group.group != ALL) {
            return Err(format!("its last group is not {ALL:?}"));
        }
        let mut names = HashSet::new();
        for group in &self.groups {
            if !names.insert(group.group.as_str()) {
                return Err(format!("group {} is there twice", quoted(&group.group)));
            }
            group.validate(self.bands.len()).map_err(|what| format!("group {}: {what}", quoted(&group.group)))?;
        }
        Ok(())
    }

    /// The groups by name, without that of all tiles; one of too few tiles would hide its tiles from every test.
    pub(super) fn known(&self) -> impl Iterator<Item = &ReferenceGroup> {
        self.groups.iter().filter(|group| group.group != ALL && group.n_tiles >= TILES_MIN)
    }

    /// Whether the reference was made with exactly what runs.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`], saying what differs and what to do.
    pub fn check(&self, binding: &Binding, bands: &[String]) -> Result<()> {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        let difference = if self.model.sha256 != binding.model_sha256 {
            let (ours, run) = (short(&self.model.sha256), short(&binding.model_sha256));
            format!("of another model ({}, sha256 {ours}…, not {run}…)", self.model.name)
        } else if (&self.model.precision, &self.preprocessing_version)
            != (&binding.precision, &binding.preprocessing_version)
            || self.bands != bands
        {
            "of another preprocessing".into()
        } else if self.tta != binding.tta {
            format!("of test-time augmentation {:?}, and this run uses {:?}", self.tta, binding.tta)
        } else {
            return Ok(());
        };
        Err(Error::refused(format!(
            "the drift reference is {difference}: its scores are no measure here; make one with `s2infer drift reference`"
        )))
    }

    /// SHA-256 of the file it was read from, else of [`Self::to_json`]; lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        self.source_sha256.clone().unwrap_or_else(|| sha256(self.to_json().as_bytes()))
    }

    /// The JSON file, ending in a newline.
    pub fn to_json(&self) -> String {
        // Strings and finite numbers only: nothing here that serde_json could refuse.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// Groups of fewer than [`TILES_MIN`] tiles, and how many: no tile could ever be tested against one.
pub fn sparse_groups(tiles: &[Observation]) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    for group in tiles.iter().filter_map(|tile| tile.group.as_ref()) {
        *counts.entry(group.clone()).or_insert(0) += 1;
    }
    counts.into_iter().filter(|(_, count)| *count < TILES_MIN).collect()
}

impl ReferenceGroup {
    fn of(name: &str, tiles: &[&Observation], bands: usize) -> Self {
        let histogram = |quantity: Quantity| {
            let values: Vec<f64> = tiles.iter().filter_map(|tile| quantity.value(tile)).collect();
            match quantity {
                Quantity::Abstained => Histogram::with_edges(&values, vec![0.5]),
                _ => Histogram::of(&values),
            }
        };
        let rows: Vec<Vec<f32>> = tiles.iter().filter_map(|tile| band_values(tile, bands)).collect();
        let mut samples = subsample(rows, 1);
        samples.iter_mut().flatten().for_each(|value| *value = five_digits(f64::from(*value)) as f32);
        Self {
            group: name.to_owned(),
            n_tiles: tiles.len() as u64,
            histograms: Quantity::all(bands).into_iter().map(histogram).collect(),
            samples,
        }
    }

    fn validate(&self, bands: usize) -> Result<(), String> {
        if self.histograms.len() != Quantity::all(bands).len() {
            return Err("its histograms are not those of the bands".into());
        }
        if self.n_tiles > TILES_MAX {
            return Err(format!("more than {TILES_MAX} tiles"));
        }
        self.histograms.iter().try_for_each(Histogram::validate)?;
        let is_row = |row: &Vec<f32>| row.len() == 2 * bands && row.iter().all(|value| value.is_finite());
        if self.samples.len() > SAMPLES_MAX || !self.samples.iter().all(is_row) {
            return Err("its samples are not two finite numbers a band".into());
        }
        Ok(())
    }
}

/// At most [`SAMPLES_MAX`] rows, drawn without replacement.
pub(super) fn subsample(mut rows: Vec<Vec<f32>>, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for position in 0..SAMPLES_MAX.min(rows.len()) {
        let drawn = rng.random_range(position..rows.len());
        rows.swap(position, drawn);
    }
    rows.truncate(SAMPLES_MAX);
    rows
}
