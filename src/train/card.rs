//! The model card: what was trained on what, how, and what came out.

use std::collections::{BTreeMap, HashSet};
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
    /// Section in Markdown of what it was trained on.
    pub data: String,
    /// All epochs.
    pub history: Vec<Epoch>,
    /// The epoch that was kept.
    pub best: usize,
}

/// What a split holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Patches of each label, up to the highest that occurs.
    pub patches: Vec<usize>,
    /// Places.
    pub places: usize,
}

/// What every split holds.
pub fn counts(patches: &[Patch]) -> BTreeMap<Split, Count> {
    let labels = patches.iter().map(|patch| usize::from(patch.label) + 1).max().unwrap_or(0);
    let mut counts: BTreeMap<Split, Count> = BTreeMap::new();
    let mut places = HashSet::new();
    for patch in patches {
        let count = counts.entry(patch.split).or_insert_with(|| Count { patches: vec![0; labels], places: 0 });
        count.patches[usize::from(patch.label)] += 1;
        count.places += usize::from(places.insert((patch.split, &patch.site)));
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
    text += &story.data;
    text += "\n## Recipe\n\n| setting | value |\n| --- | --- |\n";
    for (name, value) in &story.recipe {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = write!(text, "\n```sh\n{}\n```\n\n", story.command);
    text + &epochs(story)
}

/// All epochs with the measures on the patches that choose one, where there is one training.
fn epochs(story: &Story) -> String {
    if story.history.is_empty() {
        return String::new();
    }
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

/// The section of labelled patches.
pub fn patches_table(classes: &[String], counts: &BTreeMap<Split, Count>) -> String {
    let mut text = format!("## Patches\n\n| split | {} | places | used for |\n", classes.join(" | "));
    let _ = writeln!(text, "| --- |{} ---: | --- |", " ---: |".repeat(classes.len()));
    for (split, count) in counts {
        let used_for = match split {
            Split::Train => "fitting the weights",
            Split::Select => "choosing the epoch",
            Split::Temperature => "fitting the temperature",
            Split::Calibration => "calibrating the thresholds",
            Split::Measurement => "measuring",
        };
        let of = |label: usize| count.patches.get(label).copied().unwrap_or(0).to_string();
        let patches: Vec<String> = (0..classes.len()).map(of).collect();
        let _ = writeln!(text, "| {} | {} | {} | {used_for} |", split.name(), patches.join(" | "), count.places);
    }
    text
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
    use super::*;

    #[test]
    fn patches_are_counted_by_split_and_class_and_places_once() {
        let patch = |split, label, site: &str| Patch { split, label, site: site.into(), ..Patch::default() };
        let patches = [
            patch(Split::Train, 0, "a"),
            patch(Split::Train, 2, "a"),
            patch(Split::Train, 2, "b"),
            patch(Split::Measurement, 1, "c"),
        ];
        let text = patches_table(&["wood", "field", "town"].map(String::from), &counts(&patches));
        assert!(text.contains("| train | 1 | 0 | 2 | 2 | fitting the weights |"), "{text}");
        assert!(text.contains("| measurement | 0 | 1 | 0 | 1 | measuring |"), "{text}");
    }

    #[test]
    fn new_measurements_replace_old_ones() {
        let once = with_measurements("# A model\n\ntext\n", "first");
        assert_eq!(with_measurements(&once, "second"), "# A model\n\ntext\n\n## Measured\n\nsecond\n");
    }
}
