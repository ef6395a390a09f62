//! EuroSAT's RGB patches as a manifest for the `construction` model.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::patches::{Patch, Split};
use super::places;
use crate::{Error, Result};

/// Classes that count as construction.
pub const POSITIVES: [&str; 2] = ["Industrial", "Residential"];
/// Natural and farmland classes. Highway and River are in neither list: many of their patches hold buildings, so
/// their label would be wrong either way.
pub const NEGATIVES: [&str; 6] =
    ["AnnualCrop", "Forest", "HerbaceousVegetation", "Pasture", "PermanentCrop", "SeaLake"];
/// Smallest distance between two places in kilometres.
pub const PLACE_GAP_KM: f64 = 20.0;
/// Negatives for every positive.
pub const NEGATIVES_PER_POSITIVE: usize = 10;

/// A row of the index: `file,class,split,longitude,latitude,…`.
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
}

/// Reads the index.
pub fn read_index(path: &Path) -> Result<Vec<Entry>> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| Error::usage(e).context(path.display()))?;
    let entries: Result<Vec<Entry>, csv::Error> = reader.deserialize().collect();
    entries.map_err(|e| Error::usage(e).context(path.display()))
}

/// The manifest: the easternmost tenth of `train` chooses the epoch, `val` is halved by place into calibration and
/// measurement, and in each of the four splits positives are drawn (by `seed`) down to one for ten negatives.
/// `folder` is where the patches lie, as the manifest shall name it.
pub fn manifest(entries: &[Entry], folder: &Path, seed: u64) -> Vec<Patch> {
    let used = |e: &&Entry| POSITIVES.contains(&e.class.as_str()) || NEGATIVES.contains(&e.class.as_str());
    let mut patches = Vec::new();
    for split in ["train", "val"] {
        let mut rows: Vec<&Entry> = entries.iter().filter(used).filter(|e| e.split == split).collect();
        rows.sort_by(|a, b| a.longitude.total_cmp(&b.longitude).then_with(|| a.file.cmp(&b.file)));
        let points: Vec<_> = rows.iter().map(|e| (e.longitude, e.latitude)).collect();
        let places = places::group(&points, PLACE_GAP_KM);
        let splits = if split == "train" { easternmost_tenth(rows.len()) } else { halves(&rows, &places) };
        for ((entry, place), used_for) in rows.iter().zip(&places).zip(splits) {
            patches.push(Patch {
                path: folder.join(&entry.file),
                label: is_positive(entry) as u8,
                split: used_for,
                site: format!("{split}-{place:03}"),
                longitude: entry.longitude,
                latitude: entry.latitude,
                season: None,
                cloud: None,
                class: Some(entry.class.clone()),
            });
        }
    }
    thin(patches, seed)
}

fn is_positive(entry: &Entry) -> bool {
    POSITIVES.contains(&entry.class.as_str())
}

/// Splits for rows sorted from west to east.
fn easternmost_tenth(rows: usize) -> Vec<Split> {
    (0..rows).map(|row| if row < rows - rows / 10 { Split::Train } else { Split::Select }).collect()
}

fn halves(rows: &[&Entry], places: &[usize]) -> Vec<Split> {
    let mut counts = vec![(0, 0); places.iter().max().map_or(0, |last| last + 1)];
    for (entry, &place) in rows.iter().zip(places) {
        match is_positive(entry) {
            true => counts[place].0 += 1,
            false => counts[place].1 += 1,
        }
    }
    let halves = places::halve(&counts);
    places.iter().map(|&place| if halves[place] { Split::Measurement } else { Split::Calibration }).collect()
}

/// Keeps every negative and a random tenth as many positives, in each split; the order stays.
fn thin(patches: Vec<Patch>, seed: u64) -> Vec<Patch> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut kept: Vec<usize> = (0..patches.len()).filter(|&i| !patches[i].is_positive()).collect();
    for split in [Split::Train, Split::Select, Split::Calibration, Split::Measurement] {
        let of = |positive| {
            let fits = move |p: &Patch| p.split == split && p.is_positive() == positive;
            patches.iter().enumerate().filter(move |(_, p)| fits(p)).map(|(i, _)| i).collect::<Vec<_>>()
        };
        let mut positives = of(true);
        positives.shuffle(&mut rng);
        positives.truncate(of(false).len() / NEGATIVES_PER_POSITIVE);
        kept.extend(positives);
    }
    kept.sort_unstable();
    kept.into_iter().map(|i| patches[i].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let class = |i: usize| ["Industrial", "Forest", "SeaLake", "Residential", "Pasture", "River"][i % 6];
        (0..3000)
            .map(|i| Entry {
                file: format!("{i}.jpg"),
                class: class(i).into(),
                split: if i < 2000 { "train" } else { "val" }.into(),
                longitude: (i % 997) as f64 * 0.01 + if i < 2000 { 0.0 } else { 20.0 },
                latitude: 40.0 + (i % 13) as f64,
            })
            .collect()
    }

    #[test]
    fn every_split_holds_ten_negatives_for_a_positive_and_no_river() {
        let patches = manifest(&entries(), Path::new("patches"), 1);
        for split in [Split::Train, Split::Select, Split::Calibration, Split::Measurement] {
            let of: Vec<_> = patches.iter().filter(|p| p.split == split).collect();
            let positives = of.iter().filter(|p| p.is_positive()).count();
            assert!(positives > 0, "{split:?} has no positive");
            assert_eq!(positives, (of.len() - positives) / 10, "{split:?}");
        }
        assert!(patches.iter().all(|p| p.class.as_deref() != Some("River")));
        assert_eq!(patches, manifest(&entries(), Path::new("patches"), 1));
        assert_ne!(patches, manifest(&entries(), Path::new("patches"), 2));
    }

    #[test]
    fn epoch_is_chosen_east_of_all_training_patches_and_halves_lie_apart() {
        let patches = manifest(&entries(), Path::new(""), 1);
        let of = |split| patches.iter().filter(move |p| p.split == split);
        let east = of(Split::Train).map(|p| p.longitude).fold(f64::MIN, f64::max);
        assert!(of(Split::Select).all(|p| p.longitude >= east));
        for a in of(Split::Calibration) {
            assert!(of(Split::Measurement).all(|b| b.site != a.site));
        }
    }
}
