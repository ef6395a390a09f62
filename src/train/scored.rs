//! Scores joined with labels.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::patches::Patch;
use super::table;
use crate::{Error, Result};

/// A labelled score; the file that `s2infer calibrate --scores` reads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scored {
    /// File name.
    pub tile: String,
    /// 1 positive, 0 negative.
    pub label: u8,
    /// The model's score, as `s2infer` wrote it.
    pub score: f32,
    /// `summer` or `winter`.
    pub season: String,
    /// `clear` or `cloudy`.
    pub cloud: String,
    /// The place.
    pub site: String,
    /// Class in the source data.
    pub class: String,
    /// Country or region, where known.
    #[serde(default)]
    pub region: Option<String>,
    /// Degrees east, where known.
    #[serde(default)]
    pub longitude: Option<f64>,
    /// Degrees north, where known.
    #[serde(default)]
    pub latitude: Option<f64>,
    /// Share of clouds, where known.
    #[serde(default)]
    pub cloud_cover_percent: Option<f64>,
}

impl Scored {
    /// `winter-cloudy`
    pub(super) fn group(&self) -> String {
        format!("{}-{}", self.season, self.cloud)
    }
}

/// Reads labelled scores.
///
/// # Errors
/// [`crate::Kind::Usage`], naming file and tile: no rows, a score that is no number from 0 to 1, a tile that stands twice,
/// a label of `classes` or more.
pub fn read(path: &Path, classes: usize) -> Result<Vec<Scored>> {
    let rows: Vec<Scored> = table::read(path)?;
    let wrong = |what: String| Err(Error::usage(what).context(path.display()));
    let mut tiles = HashSet::new();
    for row in &rows {
        let Scored { tile, label, score, .. } = row;
        if usize::from(*label) >= classes {
            return wrong(format!("{tile}: label {label}; labels are 0 to {}", classes - 1));
        }
        if !(0.0..=1.0).contains(score) {
            return wrong(format!("{tile}: score {score}; scores are numbers from 0 to 1"));
        }
        if !tiles.insert(tile) {
            return wrong(format!("{tile}: stands twice"));
        }
    }
    match rows.is_empty() {
        true => wrong("no rows".into()),
        false => Ok(rows),
    }
}

/// That two tables are of the same tiles with the same labels.
///
/// # Errors
/// [`crate::Kind::Usage`], naming a tile that differs.
pub fn check_same_tiles(a: &[Scored], b: &[Scored]) -> Result<()> {
    let labels: HashMap<&str, u8> = a.iter().map(|row| (row.tile.as_str(), row.label)).collect();
    let differs = |row: &&Scored| labels.get(row.tile.as_str()) != Some(&row.label);
    match b.iter().find(differs) {
        Some(row) => Err(Error::usage(format!("the tables of scores differ in {} or its label", row.tile))),
        None if a.len() != b.len() => {
            Err(Error::usage(format!("the tables of scores have {} and {} tiles", a.len(), b.len())))
        }
        None => Ok(()),
    }
}

/// The columns of `s2infer`'s CSV that matter here.
#[derive(Debug, Deserialize)]
struct Prediction {
    tile: String,
    score: Option<f32>,
    reason: String,
}

/// Joins a run's CSV with the table of its tiles, in the order of the table; every tile must have one score.
pub fn join(predictions: &Path, tiles: &[Patch]) -> Result<Vec<Scored>> {
    let mut scores = HashMap::new();
    for Prediction { tile, score, reason } in table::read(predictions)? {
        let score: f32 = score.ok_or_else(|| Error::usage(format!("{tile}: has no score: {reason}")))?;
        if scores.insert(file_name(Path::new(&tile)), score).is_some() {
            return Err(Error::usage(format!("{tile}: scored twice")));
        }
    }
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let scored = |patch: &Patch| {
        let tile = file_name(&patch.path);
        let score =
            *scores.get(&tile).ok_or_else(|| Error::usage(format!("{tile}: no score in {}", predictions.display())))?;
        let (season, cloud) = (text(&patch.season), text(&patch.cloud));
        Ok(Scored {
            tile,
            label: patch.label,
            score,
            season,
            cloud,
            site: patch.site.clone(),
            class: text(&patch.class),
            region: patch.country.clone(),
            longitude: Some(patch.longitude),
            latitude: Some(patch.latitude),
            cloud_cover_percent: patch.cloud_cover,
        })
    };
    tiles.iter().map(scored).collect()
}

/// The file's name, by which rows of different tables are joined.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_scores_name_file_and_tile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let of = |rows: &str| {
            std::fs::write(&path, format!("tile,label,score,season,cloud,site,class\n{rows}")).unwrap();
            read(&path, 2)
        };
        let row = |tile: &str, label: &str, score: &str| format!("{tile},{label},{score},winter,clear,a,b\n");
        assert_eq!(of(&(row("a", "1", "0.5") + &row("b", "0", "1"))).unwrap().len(), 2);
        for (rows, what) in [
            (row("a", "2", "0.5"), "label 2"),
            (row("a", "1", "NaN"), "score NaN"),
            (row("a", "1", "7.5"), "score 7.5"),
            (row("a", "1", "0.5") + &row("a", "1", "0.5"), "twice"),
            (String::new(), "no rows"),
        ] {
            let message = of(&rows).unwrap_err().to_string();
            assert!(message.contains("scores.csv") && message.contains(what), "{message}");
        }
    }

    #[test]
    fn tables_of_other_tiles_or_labels_are_told_apart() {
        let row = |tile: &str, label| Scored { tile: tile.into(), label, score: 0.5, ..Scored::default() };
        let all = [row("a", 0), row("b", 1)];
        assert!(check_same_tiles(&all, &[row("b", 1), row("a", 0)]).is_ok());
        assert!(check_same_tiles(&all, &all[..1]).is_err() && check_same_tiles(&all[..1], &all).is_err());
        assert!(check_same_tiles(&all, &[row("a", 0), row("b", 0)]).unwrap_err().to_string().contains('b'));
    }

    #[test]
    fn predictions_are_joined_by_file_name() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("run.csv");
        std::fs::write(&csv, "tile,score,reason\nx/b.tif,0.5,\nx/a.tif,0.25,\n").unwrap();
        let tile = |name: &str| Patch {
            path: name.into(),
            label: 1,
            season: Some("winter".into()),
            cloud: Some("clear".into()),
            ..Patch::default()
        };
        let rows = join(&csv, &[tile("a.tif"), tile("b.tif")]).unwrap();
        assert_eq!(rows.iter().map(|row| row.score).collect::<Vec<_>>(), [0.25, 0.5]);
        assert!(join(&csv, &[tile("c.tif")]).is_err());
    }
}
