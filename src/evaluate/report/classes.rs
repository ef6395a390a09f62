//! The report of a model with several classes.

use super::super::{ClassEvaluation, ClassFigures, ClassMeasured, Data, Judged, Share};
use super::{Frame, data, failures, text};
use crate::labelled::Audit;
use crate::page::{Block, Cell, Column, Document, Figure, Heat, HeatCell, Plot, Section, Table, Tone};

impl ClassEvaluation {
    /// The report.
    pub fn document(&self, frame: &Frame) -> Document {
        let title = title(&self.candidate.name, self.baseline.as_ref().map(|baseline| &*baseline.name));
        let mut sections = vec![self.verdict(), tiles(&self.data, &self.audit)];
        for model in [Some(&self.candidate), self.baseline.as_ref()].into_iter().flatten() {
            sections.push(measured(model));
        }
        sections.extend(failures::section(&self.failures));
        sections.push(self.limits(frame));
        Document { title, lead: frame.note.clone(), sections }
    }

    fn verdict(&self) -> Section {
        let (tone, verdict) = judged(&self.candidate.name, &self.audit, &self.requirements);
        let measured = format!(
            "{verdict} Accuracy {} (over sites {}), macro-F1 {}.",
            text::share(&self.candidate.accuracy),
            text::estimate(&self.candidate.accuracy_over_sites),
            text::estimate(&self.candidate.macro_f1)
        );
        let mut blocks = vec![Block::Verdict { tone, text: measured }];
        if let (Some(paired), Some(baseline)) = (&self.paired, &self.baseline) {
            blocks.push(Block::Text(format!(
                "Against `{}`: {} tiles gained, {} lost (McNemar's exact test, p {}); accuracy {}, macro-F1 {}, over sites.",
                baseline.name,
                paired.gained,
                paired.lost,
                text::p(Some(paired.p)),
                text::difference(&paired.accuracy),
                text::difference(&paired.macro_f1)
            )));
        }
        Section { title: "Verdict".into(), blocks }
    }

    fn limits(&self, frame: &Frame) -> Section {
        let items = vec![
            "The interval behind the accuracy's counts is Clopper and Pearson's and takes tiles for independent; those over \
             sites are Efron's BCa, whole sites drawn."
                .to_owned(),
            "Nothing here says anything about regions, sensors or years that were not measured.".to_owned(),
        ];
        let models = [Some(&self.candidate), self.baseline.as_ref()].into_iter().flatten();
        limits(items, models.map(|model| [&model.name, &model.precision, &model.model_sha256]), &self.data, frame)
    }
}

pub(super) fn title(candidate: &str, baseline: Option<&str>) -> String {
    match baseline {
        Some(baseline) => format!("{candidate} against {baseline}"),
        None => format!("{candidate}, measured"),
    }
}

/// Whether a model does what was demanded.
pub(super) fn judged(name: &str, audit: &Audit, requirements: &[Judged]) -> (Tone, String) {
    let unmet: Vec<String> = requirements
        .iter()
        .filter(|judged| !judged.is_met)
        .map(|judged| format!("`{}` ({})", judged.requirement, judged.found))
        .collect();
    match (audit.n_leaks, requirements.is_empty(), unmet.is_empty()) {
        (1.., ..) => (Tone::Bad, "**The figures are not valid**: the audit found leaks between the splits.".into()),
        (0, true, _) => {
            (Tone::Neutral, "**Nothing was demanded**, so nothing is decided here; see `--require`.".into())
        }
        (0, false, true) => (Tone::Good, format!("**{name} meets every demand**.")),
        (0, false, false) => (Tone::Bad, format!("**{name} misses** {}.", unmet.join(", "))),
    }
}

pub(super) fn tiles(of: &Data, audit: &Audit) -> Section {
    let sites = if of.sites > 0 { format!("{} sites", of.sites) } else { "unknown sites".into() };
    let mut blocks = vec![Block::Text(format!("{} labelled tiles of `{}`, of {sites}.", of.tiles, of.file))];
    blocks.extend(data::audit(audit));
    Section { title: "Data, splits and leakage audit".into(), blocks }
}

/// What the figures do not say, and what they are of: name, precision and hash of the models.
pub(super) fn limits<'a>(
    items: Vec<String>,
    models: impl Iterator<Item = [&'a String; 3]>,
    data: &Data,
    frame: &Frame,
) -> Section {
    let row = |[name, precision, sha256]: [&String; 3]| -> Vec<Cell> {
        vec![format!("model {name} ({precision})").into(), text::short(sha256).into()]
    };
    let mut rows: Vec<Vec<Cell>> = models.map(row).collect();
    rows.push(vec![format!("tiles {}", data.file).into(), text::short(&data.sha256).into()]);
    let table = Table {
        caption: format!("What this report is about, {}; s2infer {}.", frame.created, env!("CARGO_PKG_VERSION")),
        columns: vec![Column::text("what"), Column::text("SHA-256, the first digits")],
        rows,
    };
    let blocks = vec![
        Block::List(items),
        Block::Table(table),
        Block::Text("The command:".into()),
        Block::Code(frame.command.clone()),
    ];
    Section { title: "Limits, hashes and the command".into(), blocks }
}

fn measured(model: &ClassMeasured) -> Section {
    let row = |class: &ClassFigures| {
        vec![
            class.class.clone().into(),
            text::share(&class.recall).into(),
            text::number(class.precision).into(),
            format!("{:.3}", class.f1).into(),
        ]
    };
    let names: Vec<String> = model.classes.iter().map(|class| class.class.clone()).collect();
    let mut blocks = vec![
        Block::Table(Table {
            caption: format!(
                "`{}`: accuracy {}, macro-F1 {}.",
                model.name,
                text::share(&model.accuracy),
                text::estimate(&model.macro_f1)
            ),
            columns: vec![
                Column::text("class"),
                Column::number("recall"),
                Column::number("precision"),
                Column::number("F1"),
            ],
            rows: model.classes.iter().map(row).collect(),
        }),
        Block::Figures(vec![confusion("Tiles", &names, &model.confusion, |count, _| count.to_string())]),
        confusion_table(&names, &model.confusion),
    ];
    let by = |what: &str, shares: &std::collections::BTreeMap<String, Share>| {
        let mut shares: Vec<(&String, &Share)> = shares.iter().collect();
        shares.sort_by_key(|(_, share)| std::cmp::Reverse(share.n));
        let row = |(name, share): (&String, &Share)| vec![Cell::from(name.clone()), text::share(share).into()];
        Block::Table(Table {
            caption: format!("Accuracy of `{}` by {what}.", model.name),
            columns: vec![Column::text(what), Column::number("accuracy")],
            rows: shares.into_iter().map(row).collect(),
        })
    };
    if !model.regions.is_empty() {
        blocks.push(by("region", &model.regions));
    }
    if !model.groups.is_empty() {
        blocks.push(by("group", &model.groups));
    }
    Section { title: format!("{} by class", model.name), blocks }
}

/// `what` of each class and what they were taken for; `text` has a cell's number and its share of the row.
pub(super) fn confusion(
    what: &str,
    names: &[String],
    matrix: &[Vec<u64>],
    text: impl Fn(u64, f64) -> String,
) -> Figure {
    let row = |row: &Vec<u64>| {
        let n: u64 = row.iter().sum();
        let cell = |&count: &u64| {
            let value = count as f64 / n.max(1) as f64;
            (count > 0).then(|| HeatCell { value, text: text(count, value), muted: false })
        };
        row.iter().map(cell).collect()
    };
    Figure {
        caption: format!(
            "{what} of each class (row) taken for each class (column); the colour is the share of the row."
        ),
        plot: Plot::Heat(Heat {
            cells: matrix.iter().map(row).collect(),
            rows: names.to_vec(),
            columns: names.to_vec(),
            range: [0.0, 1.0],
            legend: "share of the class".into(),
            row_axis: "class".into(),
            column_axis: "taken for".into(),
        }),
    }
}

pub(super) fn confusion_table(names: &[String], matrix: &[Vec<u64>]) -> Block {
    let columns = names.iter().map(|name| Column::number(name.clone()));
    let row = |(name, counts): (&String, &Vec<u64>)| {
        [Cell::from(name.clone())].into_iter().chain(counts.iter().map(|count| Cell::from(count.to_string()))).collect()
    };
    Block::Table(Table {
        caption: "The same in numbers.".into(),
        columns: [Column::text("class")].into_iter().chain(columns).collect(),
        rows: names.iter().zip(matrix).map(row).collect(),
    })
}
