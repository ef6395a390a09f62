//! A folder in the layout of the Preligens challenge at ENS: `train/images/ID.tif` with `train/masks/ID.tif`, and the same
//! of `test` where its masks are known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Labelled, LabelledRow};
use crate::{Error, Result};

/// The parts of the layout.
const PARTS: [&str; 2] = ["train", "test"];
/// Of the training tiles in the order of their numbers every so many-th is left for something else than fitting.
const EVERY: usize = 10;

/// Whether a folder is of this layout.
pub(super) fn is_one(folder: &Path) -> bool {
    PARTS.iter().any(|part| folder.join(part).join("images").is_dir())
}

/// Its tiles with their masks as a manifest's rows. Tiles of `test` measure, where there are masks of them. Of `train` one
/// in ten is of the split `select`, and one in ten measures where `test` has no masks; the layout says nothing of places, so
/// that neighbours may be in two splits.
pub(super) fn read(folder: &Path) -> Result<Labelled> {
    let mut rows = Vec::new();
    let [train, test] = PARTS.map(|part| match folder.join(part).join("masks").is_dir() {
        true => pairs(folder, part),
        false => Ok(BTreeMap::new()),
    });
    let (train, test) = (train?, test?);
    for (index, (tile, mask)) in train.into_values().enumerate() {
        let split = match index % EVERY {
            1 => "select",
            0 if test.is_empty() => "measurement",
            _ => "train",
        };
        rows.push(row(&tile, &mask, split));
    }
    rows.extend(test.into_values().map(|(tile, mask)| row(&tile, &mask, "measurement")));
    if rows.is_empty() {
        return Err(Error::usage(format!("{}: no masks in train/masks or test/masks", folder.display())));
    }
    let names: Vec<&str> = rows.iter().map(|row| row.tile.as_str()).collect();
    Ok(Labelled {
        file: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        folder: folder.to_owned(),
        sha256: Sha256::digest(names.join("\n").as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        model_sha256: None,
        prefilter: None,
        rows,
        further: Vec::new(),
        n_overcast: 0,
        n_undecided: 0,
        n_undecided_positives: 0,
    })
}

/// Images and masks of a part by name, relative to the folder; shorter names first, so that numbers rise.
fn pairs(folder: &Path, part: &str) -> Result<BTreeMap<(usize, String), (String, String)>> {
    let [mut images, mut masks] = [tiffs(folder, part, "images")?, tiffs(folder, part, "masks")?];
    let images_alone = images.keys().find(|key| !masks.contains_key(*key)).cloned();
    let masks_alone = masks.keys().find(|key| !images.contains_key(*key)).cloned();
    for (lone, what, other) in [(images_alone, &images, "mask"), (masks_alone, &masks, "image")] {
        if let Some(key) = lone {
            return Err(Error::usage(format!(
                "{}: there is no {other} of the same name; every image of {part} needs a mask, and every mask an image",
                folder.join(&what[&key]).display()
            )));
        }
    }
    let both = std::mem::take(&mut images).into_iter().filter_map(|(key, image)| {
        let mask = masks.remove(&key)?;
        Some((key, (image, mask)))
    });
    Ok(both.collect())
}

fn tiffs(folder: &Path, part: &str, kind: &str) -> Result<BTreeMap<(usize, String), String>> {
    let place = PathBuf::from(part).join(kind);
    let failed = |e: std::io::Error| Error::usage(format!("{}: {e}", folder.join(&place).display()));
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join(&place)).map_err(failed)? {
        let name = PathBuf::from(entry.map_err(failed)?.file_name());
        let is_tiff = name.extension().is_some_and(|e| e.eq_ignore_ascii_case("tif") || e.eq_ignore_ascii_case("tiff"));
        if let (true, Some(stem)) = (is_tiff, name.file_stem()) {
            let stem = stem.to_string_lossy().into_owned();
            found.insert((stem.len(), stem), place.join(&name).to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

fn row(tile: &str, mask: &str, split: &'static str) -> LabelledRow {
    LabelledRow {
        tile: tile.to_owned(),
        label: 0,
        mask: Some(mask.into()),
        score: None,
        predicted: None,
        group: "".into(),
        season: None,
        split: Some(split.into()),
        site: None,
        region: None,
        cloud_cover_percent: None,
        longitude_latitude: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn images_and_masks_are_paired_by_name_in_the_order_of_numbers() {
        let ids: Vec<usize> = (8..30).collect();
        let names = |part: &str| -> Vec<String> {
            ids.iter().flat_map(|id| [format!("{part}/images/{id}.tif"), format!("{part}/masks/{id}.tif")]).collect()
        };
        let train = names("train");
        let known: Vec<&str> =
            train.iter().map(String::as_str).chain(["test/images/99.tif", "train/images/a.txt"]).collect();
        let table = read(folder(&known).path()).unwrap();
        let stems: Vec<&str> = table.rows.iter().map(|row| row.tile.as_str()).collect();
        assert_eq!([stems[0], stems[1], stems[2]], ["train/images/8.tif", "train/images/9.tif", "train/images/10.tif"]);
        let splits = |split: &str| table.rows.iter().filter(|row| row.split.as_deref() == Some(split)).count();
        assert_eq!([splits("train"), splits("select"), splits("measurement")], [16, 3, 3]);
        assert_eq!(table.rows[1].mask.as_deref(), Some("train/masks/9.tif"));
        let both: Vec<String> = train.iter().cloned().chain(names("test")).collect();
        let table = read(folder(&both.iter().map(String::as_str).collect::<Vec<_>>()).path()).unwrap();
        let measured: Vec<_> = table.rows.iter().filter(|row| row.split.as_deref() == Some("measurement")).collect();
        assert!(measured.len() == 22 && measured.iter().all(|row| row.tile.starts_with("test/")));
    }

    #[test]
    fn what_has_no_partner_is_refused_by_name() {
        let with = ["train/images/1.tif", "train/masks/1.tif"];
        for (lone, word) in
            [("train/images/2.tif", "no mask of the same name"), ("train/masks/2.tif", "no image of the same")]
        {
            let folder = folder(&[with[0], with[1], lone]);
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(lone) && error.contains(word), "{error}");
        }
    }
}
