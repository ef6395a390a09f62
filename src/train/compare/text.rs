//! A comparison as Markdown.

use std::fmt::Write;

use super::{
    ALL, AtThresholds, Comparison, FAILURE_RECALL, Measured, PRECISION_MARGIN, PRECISION_TARGET, RECALL_TARGET,
};
use crate::decide::{SEASON_SKY_GROUPS, group_name};
use crate::train::bootstrap::RESAMPLES;
use crate::train::report::share;

impl Comparison {
    /// The comparison in tables and words, from the verdict to the details.
    pub fn to_markdown(&self) -> String {
        [self.verdict(), self.by_group(), self.two_by_two(), self.false_alarms(), NOTES.to_owned()].join("\n")
    }

    fn verdict(&self) -> String {
        let [before, after] = [&self.models[0].one_threshold, &self.models[1].per_group];
        let recall = match self.target.groups_missed.as_slice() {
            [] => format!("met (lowest: {})", worst(after)),
            missed => {
                let of = |name: &String| format!("{name} ({:.3})", after.groups[name].recall);
                format!("missed in {}", missed.iter().map(of).collect::<Vec<_>>().join(", "))
            }
        };
        let met = |is_met: bool| if is_met { "met" } else { "missed" };
        let difference = &self.precision_difference;
        format!(
            "## Target\n\n\
             - Recall ≥ {RECALL_TARGET:.2} in every group: {recall}.\n\
             - Pooled precision at 1:10 not more than {PRECISION_MARGIN:.2} under the incumbent's: {}: {:.3} against \
             {:.3}, a difference of {:+.3} [{:+.3}, {:+.3}], with 95 % above {:+.3}.\n\
             - Pooled precision at 1:10 ≥ {PRECISION_TARGET:.2}: {}: {:.3}.\n\
             - The incumbent fails under shift (recall ≤ {FAILURE_RECALL} in its worst group): {}: {}.\n",
            met(self.target.precision_held),
            after.all.precision,
            before.all.precision,
            difference.estimate,
            difference.interval[0],
            difference.interval[1],
            difference.lower_bound,
            met(self.target.precision_reached),
            after.all.precision,
            if self.target.incumbent_fails { "it does" } else { "it does not" },
            worst(before),
        )
    }

    fn by_group(&self) -> String {
        let mut text = "## By group\n".to_owned();
        let [incumbent, candidate] = &self.models;
        for (model, at, thresholds) in [
            (incumbent, &incumbent.one_threshold, "one threshold for all groups"),
            (candidate, &candidate.per_group, "a threshold per group"),
        ] {
            let _ = write!(
                text,
                "\n`{}` at {thresholds}:\n\n\
                 | group | threshold | recall | false alarms | precision at 1:10 | average precision |\n\
                 | --- | ---: | --- | --- | ---: | ---: |\n",
                model.name
            );
            let named = groups().into_iter().filter_map(|name| Some((at.groups.get(&name)?, name)));
            for (group, name) in named.chain([(&at.all, ALL.to_owned())]) {
                let (of, threshold) = (group.outcome, group.threshold.map_or_else(String::new, |t| format!("{t:.4}")));
                let _ = writeln!(
                    text,
                    "| {name} | {threshold} | {} | {} | {:.3} | {:.4} |",
                    share(of.caught, of.positives),
                    share(of.alarms, of.negatives),
                    group.precision,
                    model.average_precision[&name],
                );
            }
        }
        text
    }

    fn two_by_two(&self) -> String {
        let names = groups();
        let mut text = format!(
            "## What the model does and what the thresholds do\n\n\
             | model | thresholds | recall {} | recall of all | worst group | precision at 1:10 |\n\
             | --- | --- |{} ---: | --- | ---: |\n",
            names.join(" | "),
            " ---: |".repeat(names.len())
        );
        for Measured { name, one_threshold, per_group, .. } in &self.models {
            for (thresholds, at) in [("one", one_threshold), ("per group", per_group)] {
                let recall =
                    |group: &String| at.groups.get(group).map_or("–".into(), |of| format!("{:.3}", of.recall));
                let _ = writeln!(
                    text,
                    "| `{name}` | {thresholds} | {} | {:.3} | {} | {:.3} |",
                    names.iter().map(recall).collect::<Vec<_>>().join(" | "),
                    at.all.recall,
                    at.worst_group,
                    at.all.precision,
                );
            }
        }
        text
    }

    fn false_alarms(&self) -> String {
        let [before, after] = [&self.models[0].one_threshold.false_alarms, &self.models[1].per_group.false_alarms];
        let mut text = format!(
            "## False alarms by class, all groups\n\n| class | tiles | `{}`, one threshold | `{}`, per group |\n\
             | --- | ---: | ---: | ---: |\n",
            self.models[0].name, self.models[1].name
        );
        for (class, outcome) in before {
            let alarms = after.get(class).map_or(0, |outcome| outcome.alarms);
            let _ = writeln!(text, "| {class} | {} | {} | {alarms} |", outcome.negatives, outcome.alarms);
        }
        let _ = writeln!(
            text,
            "\nThe interval of the difference in precision: {RESAMPLES} resamples of the {} places, percentiles.",
            self.precision_difference.places
        );
        text
    }
}

const NOTES: &str = "\
Recall intervals are Clopper and Pearson's at 95 %; they take patches for independent, which patches of one place are \
not quite, and in `all` each patch stands four times. Precision is stated for ten negatives to a positive; where \
positives are rarer it is lower. The one threshold gives as many alerts as there are positives among the pooled \
calibration tiles; thresholds per group catch the target share of the calibration positives with the stated confidence.
";

fn groups() -> Vec<String> {
    SEASON_SKY_GROUPS.iter().map(|&(season, sky)| group_name(season, sky)).collect()
}

fn worst(at: &AtThresholds) -> String {
    let recall = at.groups.get(&at.worst_group).map_or(0.0, |group| group.recall);
    format!("{recall:.3} in {}", at.worst_group)
}
