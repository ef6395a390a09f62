//! Scores joined with labels, and what a profile's thresholds came to on labelled scores.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::interval::clopper_pearson;
use super::metrics::average_precision;
use super::patches::Patch;
use super::table;
use crate::decide::Profile;
use crate::{Error, Result};

/// Confidence of the intervals in the report.
const CONFIDENCE: f64 = 0.95;

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

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Recall and precision of each of the profile's groups on labelled scores, as a Markdown table, with the profile's
/// thresholds and, for comparison, with the first group's threshold everywhere.
pub fn render(profile: &Profile, rows: &[Scored]) -> String {
    let mut text = format!(
        "Thresholds for a recall of {} with confidence {}{}, measured on patches of other places. Intervals are \
         Clopper and Pearson's at {} %; they take patches for independent, which patches of one place are not quite.\n\n",
        profile.target_recall,
        profile.confidence.map_or_else(|| "in the mean".to_owned(), |c| c.to_string()),
        if profile.joint { " over all groups" } else { "" },
        CONFIDENCE * 100.0,
    );
    let first = profile.groups.first().map_or(0.5, |group| group.threshold);
    text += "| group | threshold | recall | false alarms | precision at 1:10 | average precision | recall at the first \
             group's threshold |\n| --- | ---: | --- | --- | ---: | ---: | ---: |\n";
    for group in &profile.groups {
        let of: Vec<&Scored> = rows.iter().filter(|row| row.group() == group.group).collect();
        let at = Count::at(group.threshold, &of);
        let scores: Vec<f32> = of.iter().map(|row| row.score).collect();
        let labels: Vec<bool> = of.iter().map(|row| row.label == 1).collect();
        let _ = writeln!(
            text,
            "| {} | {:.4} | {} | {} | {:.3} | {:.4} | {:.3} |",
            group.group,
            group.threshold,
            share(at.caught, at.positives),
            share(at.alarms, at.negatives),
            at.precision(10.0),
            average_precision(&scores, &labels),
            Count::at(first, &of).recall(),
        );
    }
    text += "\nFalse alarms by class in the source data (all groups, each at its own threshold):\n\n";
    text += "| class | patches | false alarms |\n| --- | ---: | ---: |\n";
    for (class, [patches, alarms]) in alarms_by_class(profile, rows) {
        let _ = writeln!(text, "| {class} | {patches} | {alarms} |");
    }
    text
}

/// Outcomes at a threshold.
struct Count {
    positives: usize,
    caught: usize,
    negatives: usize,
    alarms: usize,
}

impl Count {
    fn at(threshold: f64, rows: &[&Scored]) -> Self {
        let is_alert = |row: &&&Scored| row.score >= threshold as f32;
        let (positives, negatives): (Vec<&Scored>, Vec<&Scored>) = rows.iter().partition(|row| row.label == 1);
        Self {
            caught: positives.iter().filter(is_alert).count(),
            alarms: negatives.iter().filter(is_alert).count(),
            positives: positives.len(),
            negatives: negatives.len(),
        }
    }

    fn recall(&self) -> f64 {
        self.caught as f64 / self.positives.max(1) as f64
    }

    /// Precision where there are `negatives` for every positive.
    fn precision(&self, negatives: f64) -> f64 {
        let alarms = negatives * self.alarms as f64 / self.negatives.max(1) as f64;
        self.recall() / (self.recall() + alarms).max(f64::MIN_POSITIVE)
    }
}

/// `0.871 [0.780, 0.934] 74/85`
pub(super) fn share(hits: usize, n: usize) -> String {
    let [low, high] = clopper_pearson(hits, n, CONFIDENCE);
    format!("{:.3} [{low:.3}, {high:.3}] {hits}/{n}", hits as f64 / n.max(1) as f64)
}

fn alarms_by_class(profile: &Profile, rows: &[Scored]) -> BTreeMap<String, [usize; 2]> {
    let mut classes: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.label == 0) {
        let Some(group) = profile.group(&row.group()) else { continue };
        let count = classes.entry(row.class.clone()).or_default();
        count[0] += 1;
        count[1] += usize::from(row.score >= group.threshold as f32);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_brought_to_the_wanted_prevalence() {
        // A true positive rate of .85 and a false positive rate of .02 give .810 at 1:10.
        let count = Count { positives: 100, caught: 85, negatives: 50, alarms: 1 };
        assert!((count.precision(10.0) - 0.8095).abs() < 1e-4);
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
