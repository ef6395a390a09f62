//! Evaluation of models with several classes: accuracy, F1, what is taken for what, and where.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::Cases;
use super::confusion::{Matrices, f1, margins, right};
use super::uncertainty::over_sites;
use super::{ALL, Data, Estimate, Judged, Measurable, Painter, Pictured, Requirement, Settings, Share, data};
use crate::labelled::{Audit, Labelled};
use crate::statistics::paired::McNemar;
use crate::{Error, Result};

/// Accuracy and macro-F1 of the candidate, of the baseline, and the differences.
const FIGURES: usize = 6;
/// Mistakes shown.
const SHOWN: usize = 12;

/// A model with what it decided.
#[derive(Debug, Clone)]
pub struct ClassContestant {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file.
    pub model_sha256: String,
    /// `fp32`, `fp16` or `int8`
    pub precision: String,
    /// The class of each tile.
    pub predicted: Vec<u16>,
    /// Its probability, where known.
    pub scores: Vec<Option<f64>>,
}

/// What was measured of one model.
#[derive(Debug, Clone, Serialize)]
pub struct ClassMeasured {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file.
    pub model_sha256: String,
    /// `fp32`, `fp16` or `int8`
    pub precision: String,
    /// Share of the tiles that were given their own class; the interval takes tiles for independent.
    pub accuracy: Share,
    /// The same with the interval of the bootstrap over sites.
    pub accuracy_over_sites: Estimate,
    /// Mean of the classes' F1, with the interval of the bootstrap over sites.
    pub macro_f1: Estimate,
    /// The classes, in the order of their labels.
    pub classes: Vec<ClassFigures>,
    /// Tiles of each class (row) that were taken for each class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Accuracy by region; empty where no tile states one.
    pub regions: BTreeMap<String, Share>,
    /// Accuracy by group; empty where no tile states one.
    pub groups: BTreeMap<String, Share>,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Its name.
    pub class: String,
    /// Share of its tiles that were given it.
    pub recall: Share,
    /// Share of the tiles that were given it that are its own; none where none was.
    pub precision: Option<f64>,
    /// Harmonic mean of both; 0 for a class that is neither labelled nor given.
    pub f1: f64,
}

/// The comparison of two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassPaired {
    /// Tiles that only the candidate has right.
    pub gained: u64,
    /// Tiles that only the baseline has right.
    pub lost: u64,
    /// McNemar's exact test, two-sided; takes tiles for independent.
    pub p: f64,
    /// Difference in accuracy, candidate less baseline, over sites.
    pub accuracy: Estimate,
    /// Difference in macro-F1.
    pub macro_f1: Estimate,
}

/// The whole evaluation.
#[derive(Debug, Clone, Serialize)]
pub struct ClassEvaluation {
    /// The settings.
    pub settings: Settings,
    /// The tiles.
    pub data: Data,
    /// What they share with what they must not.
    pub audit: Audit,
    /// The model that is judged.
    pub candidate: ClassMeasured,
    /// The one it is compared with.
    pub baseline: Option<ClassMeasured>,
    /// The comparison.
    pub paired: Option<ClassPaired>,
    /// The surest mistakes of the candidate.
    pub failures: Vec<Pictured>,
    /// The demands, each met or not.
    pub requirements: Vec<Judged>,
}

/// Evaluates a candidate, and compares it with a baseline where there is one.
///
/// # Errors
/// [`crate::Kind::Usage`] for demands that mean nothing, and tiles of one class alone.
#[allow(clippy::too_many_arguments, reason = "two models, their tiles and what is asked of them")]
pub fn evaluate_classes(
    table: &Labelled,
    classes: &[String],
    audit: Audit,
    candidate: &ClassContestant,
    baseline: Option<&ClassContestant>,
    settings: &Settings,
    requirements: &[Requirement],
    paint: &Painter<'_>,
) -> Result<ClassEvaluation> {
    let cases = Cases::of(table);
    requirements.iter().try_for_each(|demand| demand.check::<ClassEvaluation>(classes, baseline.is_some()))?;
    if table.rows.iter().all(|row| row.label == table.rows[0].label) {
        return Err(Error::usage(format!("{}: all tiles are of one class: nothing can be told apart", table.file)));
    }
    let models: Vec<&ClassContestant> = [Some(candidate), baseline].into_iter().flatten().collect();
    let matrices: Vec<Matrices> = models.iter().map(|model| matrices(table, &cases, model, classes.len())).collect();
    let estimates = estimates(&cases, &matrices, settings);
    let mut measured = models.iter().zip(&matrices).zip(estimates.chunks(2)).map(|((model, matrices), estimates)| {
        measure(table, model, classes, &matrices.whole(), [estimates[0], estimates[1]])
    });
    let (first, second) = (measured.next(), measured.next());
    let candidate_measured = first.ok_or_else(|| Error::usage("no model to evaluate"))?;
    let paired = baseline.map(|baseline| {
        let count = |is_gain: bool| {
            let pairs = table.rows.iter().zip(&candidate.predicted).zip(&baseline.predicted);
            let right = pairs.map(|((row, new), old)| (*new == row.label, *old == row.label));
            right.filter(|&(new, old)| new != old && new == is_gain).count() as u64
        };
        let (gained, lost) = (count(true), count(false));
        ClassPaired {
            gained,
            lost,
            p: McNemar::of(gained, lost).two_sided,
            accuracy: estimates[4],
            macro_f1: estimates[5],
        }
    });
    let mut evaluation = ClassEvaluation {
        settings: settings.clone(),
        data: data(table, &cases),
        audit,
        candidate: candidate_measured,
        baseline: second,
        paired,
        failures: mistakes(table, candidate, classes, paint),
        requirements: Vec::new(),
    };
    evaluation.requirements = requirements.iter().map(|demand| demand.judge(&evaluation, classes)).collect();
    Ok(evaluation)
}

fn matrices(table: &Labelled, cases: &Cases, model: &ClassContestant, classes: usize) -> Matrices {
    let rows = table.rows.iter().zip(&cases.cluster).zip(&model.predicted);
    let cells = rows.map(|((row, &cluster), &predicted)| (cluster, usize::from(row.label), usize::from(predicted), 1));
    Matrices::of(classes, cells)
}

/// Accuracy and macro-F1.
fn figures(matrices: &Matrices, weights: &[u32]) -> [f64; 2] {
    let confusion = matrices.weighted(weights);
    let ((right, all), f1) = (right(&confusion), f1(&confusion));
    // 0 / 0 is NaN, as it should be.
    [right as f64 / all as f64, f1.iter().sum::<f64>() / f1.len() as f64]
}

/// The [`FIGURES`] with their intervals.
fn estimates(cases: &Cases, matrices: &[Matrices], settings: &Settings) -> Vec<Estimate> {
    let figures = |weights: &[u32], values: &mut [f64]| {
        for (model, matrices) in matrices.iter().enumerate().take(2) {
            values[2 * model..2 * model + 2].copy_from_slice(&figures(matrices, weights));
        }
        (0..2).for_each(|i| values[4 + i] = values[i] - values[2 + i]);
    };
    over_sites(cases, FIGURES, settings, figures)
}

fn measure(
    table: &Labelled,
    model: &ClassContestant,
    classes: &[String],
    confusion: &[Vec<u64>],
    [accuracy_over_sites, macro_f1]: [Estimate; 2],
) -> ClassMeasured {
    let f1 = f1(confusion);
    let (right, _) = right(confusion);
    let class = |(index, name): (usize, &String)| {
        let (hits, labelled, given) = margins(confusion, index);
        ClassFigures {
            class: name.clone(),
            recall: Share::of(hits as usize, labelled as usize),
            precision: (given > 0).then(|| hits as f64 / given as f64),
            f1: f1[index],
        }
    };
    let accuracy_by = |name: &dyn Fn(usize) -> Option<String>| {
        let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for (index, row) in table.rows.iter().enumerate() {
            if let Some(name) = name(index) {
                let [hits, n] = counts.entry(name).or_default();
                *hits += usize::from(row.label == model.predicted[index]);
                *n += 1;
            }
        }
        counts.into_iter().map(|(name, [hits, n])| (name, Share::of(hits, n))).collect::<BTreeMap<_, _>>()
    };
    ClassMeasured {
        name: model.name.clone(),
        model_sha256: model.model_sha256.clone(),
        precision: model.precision.clone(),
        accuracy: Share::of(right as usize, table.rows.len()),
        accuracy_over_sites,
        macro_f1,
        classes: classes.iter().enumerate().map(class).collect(),
        confusion: confusion.to_vec(),
        regions: accuracy_by(&|row| table.rows[row].region.as_ref().map(|region| region.to_string())),
        groups: accuracy_by(&|row| Some(table.rows[row].group.to_string()).filter(|group| !group.is_empty())),
    }
}

fn mistakes(table: &Labelled, model: &ClassContestant, classes: &[String], paint: &Painter<'_>) -> Vec<Pictured> {
    let mut rows: Vec<usize> =
        (0..table.rows.len()).filter(|&row| table.rows[row].label != model.predicted[row]).collect();
    let score = |row: usize| model.scores[row].unwrap_or_default();
    rows.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    let mut sites = std::collections::HashSet::new();
    let (first, others): (Vec<usize>, Vec<usize>) =
        rows.into_iter().partition(|&row| table.rows[row].site.as_ref().is_none_or(|site| sites.insert(site)));
    let name = |class: u16| classes.get(usize::from(class)).cloned();
    let pictured = |row: usize| {
        let tile = &table.rows[row];
        Pictured {
            kind: "mistaken",
            tile: tile.tile.clone(),
            group: tile.group.to_string(),
            site: tile.site.as_ref().map(|site| site.to_string()),
            class: name(tile.label),
            taken_for: name(model.predicted[row]),
            score: score(row),
            threshold: None,
            picture: paint(&tile.tile),
        }
    };
    first.into_iter().chain(others).take(SHOWN).map(pictured).collect()
}

impl Measurable for ClassEvaluation {
    fn metrics() -> &'static [&'static str] {
        &["accuracy", "accuracy_lower", "macro_f1", "macro_f1_lower", "recall", "precision", "f1"]
    }

    /// Groups are the classes.
    fn value(&self, metric: &str, group: &str, is_baseline: bool) -> Option<f64> {
        let measured = if is_baseline { self.baseline.as_ref()? } else { &self.candidate };
        let low = |estimate: &Estimate| estimate.interval.map(|[low, _]| low);
        let class = measured.classes.iter().find(|class| class.class == group);
        match (metric, class) {
            ("accuracy", None) if group == ALL => measured.accuracy.estimate,
            ("accuracy_lower", None) if group == ALL => low(&measured.accuracy_over_sites),
            ("macro_f1", None) if group == ALL => measured.macro_f1.estimate,
            ("macro_f1_lower", None) if group == ALL => low(&measured.macro_f1),
            ("recall", Some(class)) => class.recall.estimate,
            ("precision", Some(class)) => class.precision,
            ("f1", Some(class)) => Some(class.f1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Bounds;
    use crate::labelled::{Labels, audit};

    // scikit-learn 1.9.1 of [0, 0, 1, 1, 2, 2, 2] against [0, 1, 1, 1, 2, 0, 2]: accuracy_score 5/7, f1_score
    // (average="macro") 0.7, confusion_matrix as below; scipy.stats.binomtest(5, 7).proportion_ci(0.95, "exact")
    #[test]
    fn figures_agree_with_scikit_learn() {
        let classes = ["field", "town", "wood"].map(String::from);
        let labels = ["field", "field", "town", "town", "2", "2", "2"];
        let rows: Vec<String> = labels.iter().enumerate().map(|(i, label)| format!("{i},{label},field\n")).collect();
        let table = format!("tile,label,decision\n{}", rows.concat());
        let table =
            Labelled::parse_scores(table.as_bytes(), "t.csv", &Labels::of(&classes), &Bounds::default()).unwrap();
        let model = ClassContestant {
            name: "m".into(),
            model_sha256: String::new(),
            precision: "fp32".into(),
            predicted: vec![0, 1, 1, 1, 2, 0, 2],
            scores: vec![None; 7],
        };
        let demands = ["accuracy>=0.7".parse().unwrap(), "recall>=0.6 in every group".parse().unwrap()];
        let settings = Settings { resamples: 100, ..Settings::default() };
        let found =
            evaluate_classes(&table, &classes, audit(&[], 1.0), &model, None, &settings, &demands, &|_| None).unwrap();
        assert!((found.candidate.accuracy.estimate.unwrap() - 5.0 / 7.0).abs() < 1e-12);
        assert!((found.candidate.macro_f1.estimate.unwrap() - 0.7).abs() < 1e-12);
        assert_eq!(found.candidate.confusion, [[1, 1, 0], [0, 2, 0], [1, 0, 2]]);
        let [low, high] = found.candidate.accuracy.interval;
        assert!((low - 0.290_42).abs() < 1e-4 && (high - 0.963_31).abs() < 1e-4, "{low} {high}");
        assert!(found.requirements[0].is_met && !found.requirements[1].is_met);
        assert_eq!(found.requirements[1].found, "recall 0.500 in field");
        assert_eq!(found.failures.len(), 2);
    }
}
