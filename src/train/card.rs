//! The model card: what was trained on what, how, and what came out.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::fit::Epoch;
use super::patches::{Patch, Split};
use crate::model::Manifest;

/// Heading under which the measurements stand; [`with_measurements`] replaces everything from here on.
const MEASURED: &str = "## Measured";

/// What the card tells besides the manifest.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Paragraphs in Markdown that come first: the task, the data, the limits.
    pub about: String,
    /// The command that trained the model.
    pub command: String,
    /// Settings of the recipe, in words.
    pub recipe: Vec<(String, String)>,
    /// Patches by split: positives, negatives, places.
    pub counts: BTreeMap<Split, [usize; 3]>,
    /// All epochs.
    pub history: Vec<Epoch>,
    /// The epoch that was kept.
    pub best: usize,
}

/// Positives, negatives and places of every split.
pub fn counts(patches: &[Patch]) -> BTreeMap<Split, [usize; 3]> {
    let mut places: BTreeMap<Split, std::collections::BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<Split, [usize; 3]> = BTreeMap::new();
    for patch in patches {
        let count = counts.entry(patch.split).or_default();
        count[if patch.is_positive() { 0 } else { 1 }] += 1;
        places.entry(patch.split).or_default().insert(&patch.site);
    }
    for (split, places) in places {
        counts.entry(split).or_default()[2] = places.len();
    }
    counts
}

/// The card as Markdown, without measurements.
pub fn render(manifest: &Manifest, story: &Story) -> String {
    let mut text = format!("# {}\n\n{}\n\n", manifest.name, manifest.about.description);
    if !story.about.trim().is_empty() {
        let _ = write!(text, "{}\n\n", story.about.trim());
    }
    let _ = write!(text, "## Input\n\n{}\n\n", input(manifest));
    text += "## Patches\n\n| split | positives | negatives | places | used for |\n| --- | ---: | ---: | ---: | --- |\n";
    for (split, [positives, negatives, places]) in &story.counts {
        let used_for = match split {
            Split::Train => "fitting the weights",
            Split::Select => "choosing the epoch",
            Split::Calibration => "calibrating the thresholds",
            Split::Measurement => "measuring at those thresholds",
        };
        let _ = writeln!(text, "| {} | {positives} | {negatives} | {places} | {used_for} |", split.name());
    }
    text += "\n## Recipe\n\n| setting | value |\n| --- | --- |\n";
    for (name, value) in &story.recipe {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = write!(text, "\n```sh\n{}\n```\n\n", story.command);
    text + &epochs(story)
}

/// All epochs with the measures on the patches that choose one.
fn epochs(story: &Story) -> String {
    let names: Vec<&String> = story.history.first().map_or_else(Vec::new, |epoch| epoch.select.keys().collect());
    let mut text = "On `select`:\n\n| epoch | training loss |".to_owned();
    names.iter().for_each(|name| text += &format!(" {} |", name.replace('_', " ").replace('/', ", ")));
    let _ = writeln!(text, "\n| ---: | ---: |{}", " ---: |".repeat(names.len()));
    for Epoch { epoch, loss, select, .. } in &story.history {
        let kept = if *epoch == story.best { " (kept)" } else { "" };
        let _ = write!(text, "| {epoch}{kept} | {loss:.4} |");
        names.iter().for_each(|name| text += &format!(" {:.4} |", select.get(*name).unwrap_or(&f64::NAN)));
        text.push('\n');
    }
    let seconds: f64 = story.history.iter().map(|epoch| epoch.seconds).sum();
    let _ = writeln!(text, "\nAll epochs took {:.0} minutes.", seconds / 60.0);
    text
}

/// The card with its measurements replaced by `measurements` (Markdown below the heading).
pub fn with_measurements(card: &str, measurements: &str) -> String {
    let head = card.split_once(&format!("\n{MEASURED}")).map_or(card, |(head, _)| head);
    format!("{}\n\n{MEASURED}\n\n{}\n", head.trim_end(), measurements.trim_end())
}

fn input(manifest: &Manifest) -> String {
    let side = manifest.tile_px;
    let mut text = format!("Windows of {side}×{side} pixels; reflectance");
    if let Some([low, high]) = manifest.clip {
        let _ = write!(text, ", clipped to {low} … {high}");
    }
    text += ", then standardised by the training patches' own statistics:\n\n";
    text += "| band | mean | standard deviation | 2 % | median | 98 % |\n| --- | ---: | ---: | ---: | ---: | ---: |\n";
    for band in &manifest.bands {
        let _ = write!(text, "| {} | {:.4} | {:.4} |", band.name, band.mean, band.standard_deviation);
        match band.training {
            Some(of) => {
                let _ = writeln!(text, " {:.4} | {:.4} | {:.4} |", of.p02, of.median, of.p98);
            }
            None => text += " | | |\n",
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::with_measurements;

    #[test]
    fn new_measurements_replace_old_ones() {
        let once = with_measurements("# A model\n\ntext\n", "first");
        assert_eq!(with_measurements(&once, "second"), "# A model\n\ntext\n\n## Measured\n\nsecond\n");
    }
}
