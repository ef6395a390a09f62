//! How well a model with several classes tells them apart, as a report.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::patches::Patch;
use super::report::{CONFIDENCE, share};
use super::scored::file_name;
use super::table;
use crate::statistics::classes::{confusion, f1};
use crate::statistics::interval::clopper_pearson;
use crate::{Error, Result};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// The classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Patches.
    pub patches: usize,
    /// Share of the patches that were given their own class.
    pub accuracy: f64,
    /// Its interval at 95 %, Clopper and Pearson's.
    pub accuracy_interval: [f64; 2],
    /// Mean of the classes' F1.
    pub macro_f1: f64,
    /// F1 of each class.
    pub f1: Vec<f64>,
    /// Patches of each class (row) that were taken for each class (column).
    pub confusion: Vec<Vec<usize>>,
    /// Right ones and patches by country; empty where countries are unknown.
    pub countries: BTreeMap<String, [usize; 2]>,
}

/// The columns of `s2infer`'s CSV that matter here.
#[derive(Debug, Deserialize)]
struct Prediction {
    tile: String,
    decision: String,
    reason: String,
}

/// Joins the CSV of a run of a model with `classes` with the patches it was run on, by file name.
///
/// # Errors
/// [`crate::Kind::Usage`], naming the patch: no decision, two of them, or a label or decision that is no class.
pub fn measure(run: &Path, patches: &[Patch], classes: &[String]) -> Result<ClassReport> {
    super::patches::check_labels(patches, classes.len())?;
    let mut decisions = HashMap::new();
    for Prediction { tile, decision, reason } in table::read(run)? {
        let class = classes.iter().position(|class| *class == decision).ok_or_else(|| {
            Error::usage(format!(
                "{tile}: {decision:?} is no class of the model ({})",
                reason_or_classes(&reason, classes)
            ))
        })?;
        if decisions.insert(file_name(Path::new(&tile)), class).is_some() {
            return Err(Error::usage(format!("{tile}: decided twice")));
        }
    }
    let predicted = |patch: &Patch| {
        let name = file_name(&patch.path);
        decisions.get(&name).copied().ok_or_else(|| Error::usage(format!("{name}: not in {}", run.display())))
    };
    let predicted: Vec<usize> = patches.iter().map(predicted).collect::<Result<_>>()?;
    Ok(report(&predicted, patches, classes))
}

fn reason_or_classes(reason: &str, classes: &[String]) -> String {
    if reason.is_empty() { classes.join(", ") } else { reason.to_owned() }
}

fn report(predicted: &[usize], patches: &[Patch], classes: &[String]) -> ClassReport {
    let labels: Vec<u8> = patches.iter().map(|patch| patch.label).collect();
    let confusion = confusion(predicted, &labels, classes.len());
    let right: usize = (0..classes.len()).map(|class| confusion[class][class]).sum();
    let f1 = f1(&confusion);
    let mut countries: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (patch, &predicted) in patches.iter().zip(predicted) {
        let Some(country) = &patch.country else { continue };
        let [hits, n] = countries.entry(country.clone()).or_default();
        *hits += usize::from(usize::from(patch.label) == predicted);
        *n += 1;
    }
    ClassReport {
        classes: classes.to_vec(),
        patches: patches.len(),
        accuracy: right as f64 / patches.len().max(1) as f64,
        accuracy_interval: clopper_pearson(right, patches.len(), CONFIDENCE),
        macro_f1: f1.iter().sum::<f64>() / classes.len().max(1) as f64,
        f1,
        confusion,
        countries,
    }
}

impl ClassReport {
    /// The report as Markdown.
    pub fn to_markdown(&self) -> String {
        let right: usize = (0..self.classes.len()).map(|class| self.confusion[class][class]).sum();
        let mut text = format!(
            "Accuracy {}, macro-F1 {:.3}. Intervals are Clopper and Pearson's at {} %.\n\n",
            share(right, self.patches),
            self.macro_f1,
            CONFIDENCE * 100.0
        );
        let _ = writeln!(text, "| class (row) taken for | {} | recall | F1 |", self.classes.join(" | "));
        let _ = writeln!(text, "| --- |{}", " ---: |".repeat(self.classes.len() + 2));
        for (class, row) in self.confusion.iter().enumerate() {
            let n: usize = row.iter().sum();
            let cells: Vec<String> = row.iter().map(usize::to_string).collect();
            let recall = row[class] as f64 / n.max(1) as f64;
            let (name, f1) = (&self.classes[class], self.f1[class]);
            let _ = writeln!(text, "| {name} | {} | {recall:.3} | {f1:.3} |", cells.join(" | "));
        }
        if !self.countries.is_empty() {
            text += "\n| country | accuracy |\n| --- | --- |\n";
            let mut countries: Vec<_> = self.countries.iter().collect();
            countries.sort_by_key(|(_, [_, n])| std::cmp::Reverse(*n));
            for (country, [hits, n]) in countries {
                let _ = writeln!(text, "| {country} | {} |", share(*hits, *n));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [&str; 3] = ["field", "town", "wood"];

    fn patch(index: usize, label: u8) -> Patch {
        let country = Some(["9", "14"][index % 2].to_owned());
        Patch { path: format!("{index}.jpg").into(), label, country, ..Patch::default() }
    }

    fn run(decisions: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.csv");
        let lines: Vec<String> =
            decisions.iter().enumerate().map(|(i, decision)| format!("x/{i}.jpg,{decision},\n")).collect();
        std::fs::write(&path, format!("tile,decision,reason\n{}", lines.concat())).unwrap();
        (folder, path)
    }

    // scikit-learn 1.9.1 of [0, 0, 1, 1, 2, 2, 2] against [0, 1, 1, 1, 2, 0, 2]: accuracy_score 5/7, f1_score
    // (average="macro") 0.7, confusion_matrix as below; scipy.stats.binomtest(5, 7).proportion_ci(0.95, "exact")
    #[test]
    fn figures_agree_with_scikit_learn() {
        let patches: Vec<Patch> = [0, 0, 1, 1, 2, 2, 2].into_iter().enumerate().map(|(i, l)| patch(i, l)).collect();
        let (_folder, path) = run(&["field", "town", "town", "town", "wood", "field", "wood"]);
        let report = measure(&path, &patches, &CLASSES.map(String::from)).unwrap();
        assert!((report.accuracy - 5.0 / 7.0).abs() < 1e-12);
        assert!((report.macro_f1 - 0.7).abs() < 1e-12);
        assert_eq!(report.confusion, [[1, 1, 0], [0, 2, 0], [1, 0, 2]]);
        assert!((report.accuracy_interval[0] - 0.290_42).abs() < 1e-4, "{:?}", report.accuracy_interval);
        assert!((report.accuracy_interval[1] - 0.963_31).abs() < 1e-4, "{:?}", report.accuracy_interval);
        // Patches 1 and 5 are wrong, both with an odd number.
        assert_eq!(report.countries, [("14".into(), [1, 3]), ("9".into(), [4, 4])].into());
        assert!(report.to_markdown().contains("| wood | 1 | 0 | 2 | 0.667 | 0.800 |"));
    }

    #[test]
    fn a_patch_without_a_decision_is_an_error_that_names_it() {
        let classes = CLASSES.map(String::from);
        let why = |decisions: &[&str]| {
            let (_folder, path) = run(decisions);
            measure(&path, &[patch(0, 0), patch(1, 2)], &classes).unwrap_err().to_string()
        };
        assert!(why(&["field"]).contains("1.jpg"));
        assert!(why(&["field", "error"]).contains("1.jpg"));
    }
}
