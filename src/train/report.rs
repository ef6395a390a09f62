//! What a profile's thresholds came to on labelled scores, for the model's card.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::outcome::Outcome;
use super::scored::Scored;
use crate::decide::Profile;
use crate::statistics::interval::clopper_pearson;
use crate::statistics::ranking::average_precision;

/// Confidence of the intervals in reports.
pub const CONFIDENCE: f64 = 0.95;
/// Negatives for every positive that precision is stated for.
pub const NEGATIVES_PER_POSITIVE: f64 = 10.0;

/// Recall and precision of each of the profile's groups and of all together on labelled scores, as Markdown.
pub fn render(profile: &Profile, rows: &[Scored]) -> String {
    let promise = match (profile.target_recall, profile.confidence) {
        (Some(recall), Some(confidence)) => format!("Thresholds for a recall of {recall} with confidence {confidence}"),
        (Some(recall), None) => format!("Thresholds for a recall of {recall} in the mean"),
        (None, _) => "One threshold for all groups by a budget of alerts, without a promised recall".to_owned(),
    };
    let mut text = format!(
        "{promise}{}, measured on patches of other places. Intervals are Clopper and Pearson's at {} %; they take \
         patches for independent, which patches of one place are not quite.\n\n",
        if profile.joint { " over all groups" } else { "" },
        CONFIDENCE * 100.0,
    );
    text += "| group | threshold | recall | false alarms | precision at 1:10 | average precision |\n\
             | --- | ---: | --- | --- | ---: | ---: |\n";
    let thresholds = thresholds(profile);
    for (group, threshold) in &thresholds {
        let of: Vec<&Scored> = rows.iter().filter(|row| row.group() == *group).collect();
        text += &line(group, &format!("{threshold:.4}"), &of, &thresholds);
    }
    text += &line("all", "", &rows.iter().collect::<Vec<_>>(), &thresholds);
    text += "\nFalse alarms by class in the source data (all groups, each at its own threshold):\n\n";
    text += "| class | patches | false alarms |\n| --- | ---: | ---: |\n";
    for (class, outcome) in outcomes_by_class(rows, &thresholds) {
        let _ = writeln!(text, "| {class} | {} | {} |", outcome.negatives, outcome.alarms);
    }
    text
}

fn line(group: &str, threshold: &str, rows: &[&Scored], thresholds: &BTreeMap<String, f64>) -> String {
    let outcome = Outcome::of(rows.iter().copied(), thresholds);
    format!(
        "| {group} | {threshold} | {} | {} | {:.3} | {:.4} |\n",
        share(outcome.caught, outcome.positives),
        share(outcome.alarms, outcome.negatives),
        outcome.precision(NEGATIVES_PER_POSITIVE),
        ranking(rows),
    )
}

/// A profile's thresholds by group.
pub(super) fn thresholds(profile: &Profile) -> BTreeMap<String, f64> {
    profile.groups.iter().map(|group| (group.group.clone(), group.threshold)).collect()
}

/// Average precision of rows as they are; 0 without a positive.
pub(super) fn ranking(rows: &[&Scored]) -> f64 {
    let scores: Vec<f32> = rows.iter().map(|row| row.score).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label == 1).collect();
    average_precision(&scores, &labels).unwrap_or(0.0)
}

/// Outcomes of the negatives by their class in the source data.
pub(super) fn outcomes_by_class(rows: &[Scored], thresholds: &BTreeMap<String, f64>) -> BTreeMap<String, Outcome> {
    let mut classes: BTreeMap<String, Outcome> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.label == 0) {
        *classes.entry(row.class.clone()).or_default() += Outcome::of([row], thresholds);
    }
    classes
}

/// `0.871 [0.780, 0.934] 74/85`
pub(super) fn share(hits: usize, n: usize) -> String {
    let [low, high] = clopper_pearson(hits, n, CONFIDENCE);
    format!("{:.3} [{low:.3}, {high:.3}] {hits}/{n}", hits as f64 / n.max(1) as f64)
}
