//! An evaluation as a document: the verdict first, the details after it, limits and the command at the end.

mod classes;
mod data;
mod failures;
mod maps;
mod plots;
mod results;
mod tables;
mod text;
mod verdict;

pub(crate) use plots::PlotData;

use super::Evaluation;
use crate::page::{Block, Document, Section};

/// What a report says beside its figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// What the tiles are, in prose (`` `code` ``, `**bold**`, `*italics*`).
    pub note: String,
    /// The command line that reproduces it.
    pub command: String,
    /// When, as a date.
    pub created: String,
}

impl Evaluation {
    /// The report.
    pub fn document(&self, frame: &Frame) -> Document {
        let title = match &self.baseline {
            Some(baseline) => format!("{} against {}", self.candidate.name, baseline.name),
            None => format!("{}, measured", self.candidate.name),
        };
        let mut sections = vec![verdict::section(self), data::section(self, frame)];
        sections.extend(results::two_by_two(self));
        sections.push(results::by_group(self));
        sections.extend(results::paired(self));
        sections.extend(results::where_it_holds(self));
        sections.push(plots::section(self));
        sections.extend(failures::section(&self.failures));
        sections.extend(results::sliced(self));
        sections.push(self.limits(frame));
        Document { title, lead: frame.note.clone(), sections }
    }

    fn limits(&self, frame: &Frame) -> Section {
        let settings = &self.settings;
        let mut items = vec![
            "Recall intervals are Clopper and Pearson's (1934); they take tiles for independent, which tiles of one site \
             are not quite."
                .to_owned(),
            format!(
                "Intervals of precision, average precision, AUROC and of differences are Efron's BCa (1987) over {} draws of \
                 whole sites; where every tile is its own site they take tiles for independent too.",
                settings.resamples
            ),
            "Precision, alerts and accuracy are stated for one prevalence. Where positives are rarer precision is lower: \
             see the table by prevalence."
                .to_owned(),
            "The thresholds' promise is about tiles like those that calibrated them; nothing here says anything about \
             regions, sensors or years that were not measured."
                .to_owned(),
        ];
        if !self.data.states_model {
            items.push(format!(
                "`{}` does not say which model gave its scores (column `model_sha256`); that it was `{}` is taken on trust.",
                self.data.file, self.candidate.name
            ));
        }
        if self.data.sites == 0 {
            items.push("**The table has no sites**: no interval here knows of correlated tiles.".to_owned());
        }
        for model in [Some(&self.candidate), self.baseline.as_ref()].into_iter().flatten() {
            items.push(format!("`{}`: {}", model.name, model.guarantee));
            items.extend(
                model.prefilter.map(|state| format!("`{}`: the prefilter of these scores: {state}.", model.name)),
            );
            items.extend(model.profile_warnings.iter().map(|warning| format!("`{}`: {warning}", model.name)));
        }
        let blocks = vec![
            Block::List(items),
            tables::hashes(self, frame),
            Block::Text("The command:".into()),
            Block::Code(frame.command.clone()),
        ];
        Section { title: "Limits, hashes and the command".into(), blocks }
    }
}
