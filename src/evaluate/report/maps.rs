//! The report of a segmentation model.

use std::collections::BTreeMap;

use super::super::{MapClass, MapEvaluation, MapMeasured, MapPart};
use super::classes::{confusion, confusion_table, judged, limits, tiles, title};
use super::{Frame, failures, text};
use crate::page::{Block, Cell, Column, Document, Section, Table};

impl MapEvaluation {
    /// The report.
    pub fn document(&self, frame: &Frame) -> Document {
        let title = title(&self.candidate.name, self.baseline.as_ref().map(|baseline| &*baseline.name));
        let mut sections = vec![self.verdict(), tiles(&self.data, &self.audit)];
        sections.extend(self.models().map(measured));
        sections.extend(failures::section(&self.failures));
        sections.push(self.limits(frame));
        Document { title, lead: frame.note.clone(), sections }
    }

    fn models(&self) -> impl Iterator<Item = &MapMeasured> {
        [Some(&self.candidate), self.baseline.as_ref()].into_iter().flatten()
    }

    fn verdict(&self) -> Section {
        let (tone, verdict) = judged(&self.candidate.name, &self.audit, &self.requirements);
        let row = |model: &MapMeasured| {
            let figures = [&model.mean_iou, &model.mean_kl, &model.mean_kl_repository, &model.accuracy];
            [Cell::from(model.name.clone())].into_iter().chain(figures.map(|of| text::estimate(of).into())).collect()
        };
        let mut rows: Vec<Vec<Cell>> = self.models().map(row).collect();
        if let Some(difference) = &self.difference {
            let figures =
                [&difference.mean_iou, &difference.mean_kl, &difference.mean_kl_repository, &difference.accuracy];
            rows.push(
                [Cell::from("difference")].into_iter().chain(figures.map(|of| text::difference(of).into())).collect(),
            );
        }
        let mean = &self.predict_the_mean;
        let name = format!("the mean of the {} for every tile", mean.of);
        let (none, figures) =
            (Cell::from("–"), [&mean.mean_kl, &mean.mean_kl_repository].map(|of| text::estimate(of).into()));
        rows.push([Cell::from(name), none.clone()].into_iter().chain(figures).chain([none]).collect());
        let table = Table {
            caption: "Mean intersection over union of the classes, mean Kullback–Leibler divergence of the tiles' class shares \
                      (nats; less is better), with the epsilon of the Preligens challenge's page and that of its repository, and accuracy of the pixels, with their 95 % intervals over sites."
                .into(),
            columns: vec![
                Column::text("model"),
                Column::number("mean IoU"),
                Column::number("KL (ε 1e-8)"),
                Column::number("KL (ε 1e-7)"),
                Column::number("accuracy"),
            ],
            rows,
        };
        Section { title: "Verdict".into(), blocks: vec![Block::Verdict { tone, text: verdict }, Block::Table(table)] }
    }

    fn limits(&self, frame: &Frame) -> Section {
        let items = vec![
            "Intervals are Efron's BCa, whole sites drawn; pixels of a tile are no independent samples.".to_owned(),
            "The divergence is Σ y ln(y / ŷ) of a tile's labelled shares y and the mean soft-max ŷ over its valid pixels, as \
             a run writes it; ε is added to every share."
                .to_owned(),
            "Classes that are neither labelled nor given have no intersection over union and are not in its mean."
                .to_owned(),
            "Nothing here says anything about regions, sensors or years that were not measured.".to_owned(),
        ];
        let models = self.models().map(|model| [&model.name, &model.precision, &model.model_sha256]);
        limits(items, models, &self.data, frame)
    }
}

fn measured(model: &MapMeasured) -> Section {
    let row = |class: &MapClass| {
        let shares = [class.iou, class.recall, class.precision, Some(class.f1)];
        [Cell::from(class.class.clone())]
            .into_iter()
            .chain(shares.map(|share| text::number(share).into()))
            .chain([Cell::from(class.n_pixels.to_string())])
            .collect()
    };
    let undecided = match model.n_undecided_pixels {
        0 => String::new(),
        n => format!(" {n} labelled pixels are invalid in their tiles and count nowhere."),
    };
    let names: Vec<String> = model.classes.iter().map(|class| class.class.clone()).collect();
    let share = |_, share: f64| format!("{share:.2}");
    let mut blocks = vec![
        Block::Table(Table {
            caption: format!("The classes of `{}`.{undecided}", model.name),
            columns: [Column::text("class")]
                .into_iter()
                .chain(["IoU", "recall", "precision", "F1", "pixels"].map(Column::number))
                .collect(),
            rows: model.classes.iter().map(row).collect(),
        }),
        Block::Figures(vec![confusion("Pixels", &names, &model.confusion, share)]),
        confusion_table(&names, &model.confusion),
    ];
    for (what, by) in [("season", &model.seasons), ("region", &model.regions), ("group", &model.groups)] {
        blocks.extend(parts(what, by, &names));
    }
    Section { title: format!("{} by class", model.name), blocks }
}

/// More classes than this have no column each.
const CLASS_COLUMNS_MAX: usize = 4;

fn parts(what: &str, parts: &BTreeMap<String, MapPart>, classes: &[String]) -> Option<Block> {
    let classes = if classes.len() > CLASS_COLUMNS_MAX { &[] } else { classes };
    let row = |(name, part): (&String, &MapPart)| -> Vec<Cell> {
        let figures = [Some(part.mean_iou), part.mean_kl, Some(part.accuracy)];
        let figures = part.iou.iter().take(classes.len()).copied().chain(figures);
        [Cell::from(name.clone())]
            .into_iter()
            .chain(figures.map(|figure| text::number(figure).into()))
            .chain([Cell::from(part.tiles.to_string())])
            .collect()
    };
    let columns = classes.iter().map(|class| format!("IoU of {class}"));
    let columns = columns.chain(["mean IoU", "KL divergence", "accuracy", "tiles"].map(String::from));
    (!parts.is_empty()).then(|| {
        Block::Table(Table {
            caption: format!("By {what}."),
            columns: [Column::text(what)].into_iter().chain(columns.map(Column::number)).collect(),
            rows: parts.iter().map(row).collect(),
        })
    })
}
