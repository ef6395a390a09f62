//! The ablation ladder: recipes side by side, on the patches that chose their epochs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::checkpoints::Checkpoints;
use super::evaluate::WORST;
use super::report;
use super::scored::{self, Scored};
use crate::{Error, Result};

/// Where `s2train train` leaves the scores of the patches that chose the epoch, beside the checkpoints.
pub const SCORES: &str = "select.csv";
/// Share of the positives that a fold's threshold catches of the other fold.
const RECALL: f64 = 0.8;
/// Negatives for every positive where precision is stated.
const NEGATIVES_PER_POSITIVE: f64 = 10.0;
const CONFIDENCE: f64 = 0.95;

/// One recipe and its runs, which differ in the seed alone.
#[derive(Debug)]
pub struct Rung {
    /// What the recipe is called.
    pub name: String,
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    measures: BTreeMap<String, f64>,
    epochs: usize,
    minutes: f64,
    scores: Vec<Scored>,
}

impl Rung {
    /// Reads the checkpoints of a recipe, one folder a seed.
    ///
    /// # Errors
    /// A folder without a finished epoch or without scores.
    pub fn read(name: &str, folders: &[&Path]) -> Result<Self> {
        let run = |folder: &&Path| -> Result<Run> {
            let progress = Checkpoints::of(folder)?.progress()?;
            let best = progress.best().and_then(|best| progress.history.get(best - 1));
            let best = best.ok_or_else(|| Error::malformed(format!("{}: no epoch", folder.display())))?;
            Ok(Run {
                measures: best.select.clone(),
                epochs: progress.history.len(),
                minutes: progress.history.iter().map(|epoch| epoch.seconds).sum::<f64>() / 60.0,
                scores: scored::read(&folder.join(SCORES), u8::MAX.into())?,
            })
        };
        Ok(Self { name: name.to_owned(), runs: folders.iter().map(run).collect::<Result<_>>()? })
    }

    /// Mean and range of a measure over the runs.
    fn measure(&self, name: &str) -> String {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.measures.get(name).copied()).collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match values.len() {
            0 => "–".to_owned(),
            1 => format!("{mean:.3}"),
            _ => format!("{mean:.3} ({low:.3}–{high:.3})"),
        }
    }
}

/// That all recipes were judged on the same patches.
///
/// # Errors
/// [`crate::Kind::Usage`], naming the recipe that was not.
pub fn check(rungs: &[Rung]) -> Result<()> {
    let Some(first) = rungs.first().and_then(|rung| rung.runs.first()) else { return Ok(()) };
    for rung in rungs {
        for run in &rung.runs {
            scored::check_same_tiles(&first.scores, &run.scores).map_err(|e| e.context(&rung.name))?;
        }
    }
    Ok(())
}

/// The ladder as Markdown: measures of every rung, and for two classes recall and precision of every group.
pub fn render(rungs: &[Rung]) -> String {
    let names: BTreeSet<&String> =
        rungs.iter().flat_map(|rung| &rung.runs).flat_map(|run| run.measures.keys()).collect();
    let mut text = "| recipe | seeds | epochs | minutes a run |".to_owned();
    names.iter().for_each(|name| text += &format!(" {} |", name.replace('_', " ").replace('/', ", ")));
    let _ = writeln!(text, "\n| --- | ---: | ---: | ---: |{}", " ---: |".repeat(names.len()));
    for rung in rungs {
        let epochs = rung.runs.iter().map(|run| run.epochs).max().unwrap_or(0);
        let minutes = rung.runs.iter().map(|run| run.minutes).sum::<f64>() / rung.runs.len().max(1) as f64;
        let _ = write!(text, "| {} | {} | {epochs} | {minutes:.0} |", rung.name, rung.runs.len());
        names.iter().for_each(|name| text += &format!(" {} |", rung.measure(name)));
        text.push('\n');
    }
    if names.iter().any(|name| *name == WORST) {
        text += &by_group(rungs);
    }
    text
}

fn by_group(rungs: &[Rung]) -> String {
    let mut text = format!(
        "\nRecall and precision at 1:{NEGATIVES_PER_POSITIVE:.0}, first seed: the places are dealt into two halves, and \
         the threshold that catches {:.0} % of one half's positives is applied to the other. Intervals are Clopper and \
         Pearson's at {:.0} %; they take patches for independent.\n\n| recipe | group | recall | false alarms | \
         precision |\n| --- | --- | --- | --- | ---: |\n",
        RECALL * 100.0,
        CONFIDENCE * 100.0
    );
    for rung in rungs {
        let Some(run) = rung.runs.first() else { continue };
        let groups: BTreeSet<String> = run.scores.iter().map(Scored::group).collect();
        for group in groups {
            let of: Vec<&Scored> = run.scores.iter().filter(|row| row.group() == group).collect();
            let [recall, alarms] = crossed(&of);
            let (r, a) = (ratio(recall), ratio(alarms) * NEGATIVES_PER_POSITIVE);
            let [recall, alarms] = [recall, alarms].map(|(hits, n)| report::share(hits, n));
            let _ = writeln!(text, "| {} | {group} | {recall} | {alarms} | {:.3} |", rung.name, r / (r + a));
        }
    }
    text
}

fn ratio((hits, n): (usize, usize)) -> f64 {
    hits as f64 / n.max(1) as f64
}

/// Hits of positives and of negatives, `(hits, n)`, each half of the places judged at the other half's threshold.
fn crossed(rows: &[&Scored]) -> [(usize, usize); 2] {
    let sites: BTreeSet<&String> = rows.iter().map(|row| &row.site).collect();
    let first: BTreeSet<&String> = sites.into_iter().step_by(2).collect();
    let mut totals = [(0, 0); 2];
    for half in [false, true] {
        let (here, there): (Vec<&Scored>, Vec<&Scored>) =
            rows.iter().partition(|row| first.contains(&row.site) == half);
        let mut positives: Vec<f32> = there.iter().filter(|row| row.label == 1).map(|row| row.score).collect();
        positives.sort_by(f32::total_cmp);
        // The largest threshold that catches the wanted share.
        let missed = positives.len() - (RECALL * positives.len() as f64 - 1e-9).ceil() as usize;
        let threshold = positives.get(missed).copied().unwrap_or(0.0);
        for row in here {
            let total = &mut totals[if row.label == 1 { 0 } else { 1 }];
            total.0 += usize::from(row.score >= threshold);
            total.1 += 1;
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(site: usize, label: u8, score: f32) -> Scored {
        Scored {
            tile: String::new(),
            label,
            score,
            season: "winter".into(),
            cloud: "clear".into(),
            site: format!("site-{site}"),
            ..Scored::default()
        }
    }

    #[test]
    fn each_half_is_judged_at_the_threshold_of_the_other() {
        // Site 0: positives .1 to .5; site 1: .6 to 1. 80 % of site 0's are caught from .2 on, of site 1's from .7.
        let positives = (1..=10).map(|i| row(usize::from(i > 5), 1, i as f32 / 10.0));
        let rows: Vec<Scored> = positives.chain([row(0, 0, 0.65), row(1, 0, 0.65)]).collect();
        let rows: Vec<&Scored> = rows.iter().collect();
        assert_eq!(crossed(&rows), [(5, 10), (1, 2)]);
    }
}
