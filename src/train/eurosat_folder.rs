//! Any folder of EuroSAT's patches as a manifest that measures: `<Class>/<Class>_<n>.jpg`, with an index or without.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::eurosat::{CLASSES, Task, country, thin};
use super::patches::{Patch, Split};
use super::places::{PLACE_GAP_KM, group};
use super::scored::file_name;
use super::table;
use crate::{Error, Result};

/// Where patches are taken to lie without an index, in degrees east and north: the middle of EuroSAT's countries.
pub const NOWHERE: (f64, f64) = (10.0, 47.0);

/// A row of the index: `file,longitude,latitude[,country_id]`; other columns are left alone.
#[derive(Debug, Clone, Deserialize)]
struct Whereabouts {
    file: PathBuf,
    longitude: f64,
    latitude: f64,
    #[serde(default)]
    country_id: Option<String>,
}

/// The manifest of a task over the patches in `folder`, all of them for [`Split::Measurement`], with absolute paths.
/// For construction, ten negatives and one positive are drawn by `seed`. Without an index each patch is taken for a
/// place of its own (`unknown-<name>`) at [`NOWHERE`].
///
/// # Errors
/// A class without a folder or without a JPEG in it; a patch that the index lacks; too few patches.
pub fn manifest(folder: &Path, index: Option<&Path>, task: Task, seed: u64) -> Result<Vec<Patch>> {
    let root = root(folder)?;
    let mut patches = Vec::new();
    for class in CLASSES {
        let names = jpegs(&root.join(class))?;
        let Some(label) = task.label(class) else { continue };
        patches.extend(names.into_iter().map(|path| Patch {
            label,
            split: Split::Measurement,
            site: format!("unknown-{}", path.file_stem().unwrap_or_default().to_string_lossy()),
            longitude: NOWHERE.0,
            latitude: NOWHERE.1,
            class: Some(class.into()),
            path,
            ..Patch::default()
        }));
    }
    if let Some(index) = index {
        locate(&mut patches, index)?;
    }
    let patches = match task {
        Task::Construction => thin(patches, seed),
        Task::Classes => patches,
    };
    match patches.is_empty() {
        true => Err(Error::usage(format!("{}: fewer than ten negatives for one positive", folder.display()))),
        false => Ok(patches),
    }
}

/// The folder that holds the classes' folders: `folder` itself or its only one that does.
fn root(folder: &Path) -> Result<PathBuf> {
    let unreadable = |e: std::io::Error| Error::io(e).context(folder.display());
    let folder = folder.canonicalize().map_err(unreadable)?;
    let below = std::fs::read_dir(&folder).map_err(unreadable)?.flatten().map(|entry| entry.path());
    let holds = |folder: &PathBuf| CLASSES.iter().any(|class| folder.join(class).is_dir());
    let mut roots = std::iter::once(folder.clone()).chain(below).filter(holds);
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        (Some(a), Some(b)) => {
            Err(Error::usage(format!("{} and {} both hold EuroSAT's classes; name one", a.display(), b.display())))
        }
        (None, _) => {
            Err(Error::usage(format!("{}: no folder of EuroSAT's classes ({}, …)", folder.display(), CLASSES[0])))
        }
    }
}

/// The JPEGs of a class, sorted by name.
fn jpegs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::usage(e).context(folder.display()))?;
    let is_jpeg = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("jpg") || extension.eq_ignore_ascii_case("jpeg"))
    };
    let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_jpeg).collect();
    names.sort();
    match names.is_empty() {
        true => Err(Error::usage(format!("{}: no *.jpg in it", folder.display()))),
        false => Ok(names),
    }
}

/// Gives the patches the coordinates, countries and places of the index, matched by file name.
fn locate(patches: &mut [Patch], index: &Path) -> Result<()> {
    let rows: Vec<Whereabouts> = table::read(index)?;
    let rows: HashMap<String, &Whereabouts> = rows.iter().map(|row| (file_name(&row.file), row)).collect();
    for patch in patches.iter_mut() {
        let row = rows
            .get(&file_name(&patch.path))
            .ok_or_else(|| Error::usage(format!("{}: no row for {}", index.display(), patch.path.display())))?;
        (patch.longitude, patch.latitude) = (row.longitude, row.latitude);
        patch.country = row.country_id.as_deref().map(country);
    }
    let points: Vec<_> = patches.iter().map(|patch| (patch.longitude, patch.latitude)).collect();
    for (patch, place) in patches.iter_mut().zip(group(&points, PLACE_GAP_KM)) {
        patch.site = format!("place-{place:03}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 empty files of every class, one folder deeper.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for class in CLASSES {
            let below = folder.path().join("patches").join(class);
            std::fs::create_dir_all(&below).unwrap();
            (1..=12).for_each(|n| std::fs::write(below.join(format!("{class}_{n}.jpg")), "").unwrap());
        }
        folder
    }

    #[test]
    fn patches_one_folder_deeper_are_found_and_thinned_for_construction() {
        let folder = folder();
        let of = |task| manifest(folder.path(), None, task, 1).unwrap();
        assert_eq!(of(Task::Classes).len(), 120);
        let patches = of(Task::Construction);
        // 84 negatives of seven classes: eight positives and eighty of them.
        assert_eq!(patches.len(), 88);
        assert_eq!(patches.iter().filter(|patch| patch.is_positive()).count(), 8);
        assert!(patches.iter().all(|patch| patch.path.is_file() && patch.split == Split::Measurement));
        assert!(patches.iter().all(|patch| patch.site.starts_with("unknown-")));
    }

    #[test]
    fn an_index_gives_places_and_must_know_every_patch() {
        let folder = folder();
        let index = folder.path().join("index.csv");
        let row = |n: usize| CLASSES.map(|class| format!("x/{class}_{n}.jpg,{},50.0,9\n", n / 7 * 5)).concat();
        let write = |last: usize| {
            let rows: String = (1..=last).map(row).collect();
            std::fs::write(&index, format!("file,longitude,latitude,country_id\n{rows}")).unwrap();
        };
        write(12);
        let patches = manifest(folder.path(), Some(&index), Task::Classes, 1).unwrap();
        let sites: std::collections::HashSet<_> = patches.iter().map(|patch| &patch.site).collect();
        assert_eq!(sites.len(), 2, "{sites:?}");
        assert!(patches.iter().all(|patch| patch.country.as_deref() == Some("Germany") && patch.latitude == 50.0));
        write(11);
        let error = manifest(folder.path(), Some(&index), Task::Classes, 1).unwrap_err().to_string();
        assert!(error.contains("AnnualCrop_12.jpg"), "{error}");
    }

    #[test]
    fn a_missing_class_is_an_error_that_names_it() {
        let folder = folder();
        std::fs::remove_dir_all(folder.path().join("patches/River")).unwrap();
        let error = manifest(folder.path(), None, Task::Construction, 1).unwrap_err().to_string();
        assert!(error.contains("River"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        assert!(manifest(empty.path(), None, Task::Construction, 1).unwrap_err().to_string().contains("AnnualCrop"));
    }
}
