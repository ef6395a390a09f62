//! Scores joined with labels.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::patches::Patch;
use super::table;
use crate::{Error, Result};

/// A labelled score; the file that `s2infer calibrate --scores` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

impl Scored {
    /// `winter-cloudy`
    pub(super) fn group(&self) -> String {
        format!("{}-{}", self.season, self.cloud)
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
        let score = *scores.get(&tile).ok_or_else(|| Error::usage(format!("{tile}: no score")))?;
        let (season, cloud) = (text(&patch.season), text(&patch.cloud));
        Ok(Scored {
            tile,
            label: patch.label,
            score,
            season,
            cloud,
            site: patch.site.clone(),
            class: text(&patch.class),
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
