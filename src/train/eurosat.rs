//! EuroSAT's RGB patches as manifests for two tasks.

use std::collections::BTreeMap;
use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::patches::{Patch, Split};
use super::places::{self, PLACE_GAP_KM};
use super::table;
use crate::{Error, Result};

/// The ten classes; a class's label is its index here.
pub const CLASSES: [&str; 10] = [
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
];
/// Classes that count as construction.
pub const POSITIVES: [&str; 2] = ["Industrial", "Residential"];
/// The class that is neither: a road is built, and it is no building.
pub const LEFT_OUT: &str = "Highway";
/// Negatives for every positive.
pub const NEGATIVES_PER_POSITIVE: usize = 10;
/// What the places of `val` are dealt to, and their shares, for construction.
pub const VAL_SHARES: [(Split, f64); 3] =
    [(Split::Temperature, 0.15), (Split::Calibration, 0.45), (Split::Measurement, 0.4)];

/// What is to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// [`POSITIVES`] (label 1) against the natural and farmland classes (label 0), thinned to 1:10.
    Construction,
    /// All of [`CLASSES`].
    Classes,
}

impl Task {
    /// The label of a EuroSAT class; none where the task leaves the class out.
    pub(super) fn label(self, class: &str) -> Option<u8> {
        let index = CLASSES.iter().position(|known| *known == class)?;
        match self {
            Self::Construction if class == LEFT_OUT => None,
            Self::Construction => Some(POSITIVES.contains(&class) as u8),
            Self::Classes => Some(index as u8),
        }
    }

    /// What the places of `val` are dealt to. The ten classes have no thresholds: all of it measures.
    fn val_shares(self) -> &'static [(Split, f64)] {
        match self {
            Self::Construction => &VAL_SHARES,
            Self::Classes => &[(Split::Measurement, 1.0)],
        }
    }
}

/// A row of the index: `file,class,split,longitude,latitude[,country_id]`.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Path below the patches' folder.
    pub file: String,
    /// EuroSAT class.
    pub class: String,
    /// `train` or `val`, the published split by longitude.
    pub split: String,
    /// Degrees east.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
    /// Number of the country.
    #[serde(default)]
    pub country_id: Option<String>,
}

/// Countries by the index's numbers, which go by the alphabet; named by where their patches lie. Number 16 lies in several
/// countries, and the numbers that are missing here have no patch in `train` and `val`.
const COUNTRIES: [(&str, &str); 22] = [
    ("0", "Austria"),
    ("1", "Belgium"),
    ("4", "Czechia"),
    ("5", "Denmark"),
    ("8", "France"),
    ("9", "Germany"),
    ("11", "Hungary"),
    ("12", "Iceland"),
    ("13", "Ireland"),
    ("14", "Italy"),
    ("18", "Luxembourg"),
    ("19", "Malta"),
    ("20", "Netherlands"),
    ("21", "Norway"),
    ("22", "Poland"),
    ("23", "Portugal"),
    ("25", "Slovakia"),
    ("26", "Slovenia"),
    ("27", "Spain"),
    ("28", "Sweden"),
    ("29", "Switzerland"),
    ("31", "United Kingdom"),
];

/// The name of a country of the index; its number where that says nothing certain.
pub fn country(number: &str) -> String {
    let named = COUNTRIES.iter().find(|(of, _)| *of == number);
    named.map_or_else(|| format!("number {number}"), |(_, name)| (*name).to_owned())
}

/// Reads the index.
///
/// # Errors
/// [`crate::Kind::Usage`] with the line; a class that EuroSAT does not have.
pub fn read_index(path: &Path) -> Result<Vec<Entry>> {
    let entries: Vec<Entry> = table::read(path)?;
    match entries.iter().find(|entry| !CLASSES.contains(&entry.class.as_str())) {
        Some(Entry { file, class, .. }) => {
            Err(Error::usage(format!("{}: {file}: {class:?} is no class of EuroSAT", path.display())))
        }
        None => Ok(entries),
    }
}

/// The manifest of a task: the easternmost tenth of `train` selects, and the places of `val` are dealt to the uses
/// that come after training. For construction, one positive for ten negatives is drawn (by `seed`) in each split.
/// `folder` is where the patches lie, as the manifest shall name it.
pub fn manifest(entries: &[Entry], folder: &Path, task: Task, seed: u64) -> Vec<Patch> {
    let mut patches = Vec::new();
    for published in ["train", "val"] {
        let of = |e: &&Entry| e.split == published && task.label(&e.class).is_some();
        let mut rows: Vec<&Entry> = entries.iter().filter(of).collect();
        rows.sort_by(|a, b| a.longitude.total_cmp(&b.longitude).then_with(|| a.file.cmp(&b.file)));
        let points: Vec<_> = rows.iter().map(|e| (e.longitude, e.latitude)).collect();
        let places = places::group(&points, PLACE_GAP_KM);
        let splits = match published {
            "train" => easternmost_tenth(rows.len()),
            _ => dealt(&rows, &places, task.val_shares()),
        };
        for ((entry, place), split) in rows.iter().zip(&places).zip(splits) {
            patches.extend(patch(entry, folder, task, split, format!("{published}-{place:03}")));
        }
    }
    match task {
        Task::Construction => thin(patches, seed),
        Task::Classes => patches,
    }
}

fn patch(entry: &Entry, folder: &Path, task: Task, split: Split, site: String) -> Option<Patch> {
    Some(Patch {
        path: folder.join(&entry.file),
        label: task.label(&entry.class)?,
        split,
        site,
        longitude: entry.longitude,
        latitude: entry.latitude,
        class: Some(entry.class.clone()),
        country: entry.country_id.as_deref().map(country),
        ..Patch::default()
    })
}

/// Splits for rows sorted from west to east.
fn easternmost_tenth(rows: usize) -> Vec<Split> {
    (0..rows).map(|row| if row < rows - rows / 10 { Split::Train } else { Split::Select }).collect()
}

fn dealt(rows: &[&Entry], places: &[usize], shares: &[(Split, f64)]) -> Vec<Split> {
    let mut counts = vec![(0, 0); places.iter().max().map_or(0, |last| last + 1)];
    for (entry, &place) in rows.iter().zip(places) {
        match POSITIVES.contains(&entry.class.as_str()) {
            true => counts[place].0 += 1,
            false => counts[place].1 += 1,
        }
    }
    let parts = places::deal(&counts, &shares.iter().map(|(_, share)| *share).collect::<Vec<_>>());
    places.iter().map(|&place| shares[parts[place]].0).collect()
}

/// Draws, in each split, as many positives as there are with ten negatives for each; the order stays.
pub(super) fn thin(patches: Vec<Patch>, seed: u64) -> Vec<Patch> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut by_split: BTreeMap<Split, [Vec<usize>; 2]> = BTreeMap::new();
    for (index, patch) in patches.iter().enumerate() {
        by_split.entry(patch.split).or_default()[usize::from(patch.is_positive())].push(index);
    }
    let mut kept = Vec::new();
    for [mut negatives, mut positives] in by_split.into_values() {
        positives.shuffle(&mut rng);
        negatives.shuffle(&mut rng);
        let drawn = positives.len().min(negatives.len() / NEGATIVES_PER_POSITIVE);
        positives.truncate(drawn);
        negatives.truncate(drawn * NEGATIVES_PER_POSITIVE);
        kept.extend(positives.into_iter().chain(negatives));
    }
    kept.sort_unstable();
    kept.into_iter().map(|i| patches[i].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let class = |i: usize| ["Industrial", "Forest", "SeaLake", "Residential", "Pasture", "Highway"][i % 6];
        (0..3000)
            .map(|i| Entry {
                file: format!("{i}.jpg"),
                class: class(i).into(),
                split: if i < 2000 { "train" } else { "val" }.into(),
                longitude: (i % 997) as f64 * 0.01 + if i < 2000 { 0.0 } else { 20.0 },
                latitude: 40.0 + (i % 13) as f64,
                country_id: Some((i % 3).to_string()),
            })
            .collect()
    }

    fn construction(seed: u64) -> Vec<Patch> {
        manifest(&entries(), Path::new("patches"), Task::Construction, seed)
    }

    fn of(patches: &[Patch], split: Split) -> Vec<&Patch> {
        patches.iter().filter(|patch| patch.split == split).collect()
    }

    #[test]
    fn every_split_holds_ten_negatives_for_a_positive_and_no_highway() {
        let patches = construction(1);
        for split in Split::ALL {
            let of = of(&patches, split);
            let positives = of.iter().filter(|p| p.is_positive()).count();
            assert!(positives > 0, "{split:?} has no positive");
            assert_eq!(of.len(), 11 * positives, "{split:?}");
        }
        assert!(patches.iter().all(|p| p.class.as_deref() != Some("Highway")));
        assert_eq!(patches, construction(1));
        assert_ne!(patches, construction(2));
    }

    #[test]
    fn patches_that_choose_the_epoch_lie_east_of_all_that_train() {
        for task in [Task::Construction, Task::Classes] {
            let patches = manifest(&entries(), Path::new(""), task, 1);
            let east = of(&patches, Split::Train).iter().map(|p| p.longitude).fold(f64::MIN, f64::max);
            assert!(of(&patches, Split::Select).iter().all(|p| p.longitude >= east));
        }
    }

    #[test]
    fn uses_of_val_share_no_place() {
        let patches = construction(1);
        let sites =
            |split| of(&patches, split).iter().map(|p| p.site.clone()).collect::<std::collections::HashSet<_>>();
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(sites(VAL_SHARES[a].0).is_disjoint(&sites(VAL_SHARES[b].0)), "{a} {b}");
        }
    }

    #[test]
    fn scarce_positives_are_all_kept_and_negatives_drawn() {
        let scarce = |e: &Entry| !POSITIVES.contains(&e.class.as_str()) || e.file.ends_with("00.jpg");
        let entries: Vec<Entry> = entries().into_iter().filter(scarce).collect();
        let patches = manifest(&entries, Path::new(""), Task::Construction, 1);
        let train = of(&patches, Split::Train);
        let positives = train.iter().filter(|p| p.is_positive()).count();
        assert!(positives > 0);
        assert_eq!(train.len(), 11 * positives);
    }

    #[test]
    fn ten_classes_have_their_index_for_a_label_and_all_of_val_measures() {
        let patches = manifest(&entries(), Path::new(""), Task::Classes, 1);
        assert_eq!(patches.len(), 3000);
        assert_eq!(of(&patches, Split::Measurement).len(), 1000);
        let highway = patches.iter().find(|p| p.class.as_deref() == Some("Highway")).unwrap();
        assert_eq!((highway.label, CLASSES[3]), (3, "Highway"));
        assert!(highway.country.is_some());
    }
}
