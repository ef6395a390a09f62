//! The figures: models and thresholds apart, group by group, in pairs, and by slices.

use super::super::{AtThreshold, Evaluation, Measured, Operating, Paired, PairedScore};
use super::text;
use crate::page::{Block, Cell, Column, Figure, Heat, HeatCell, Plot, Section, Table, Tone};

/// Positives below which a cell of a map is grey.
pub(super) const POSITIVES_SHOWN_MIN: usize = 11;

/// Each model at one threshold and at thresholds per group, so that what thresholds do is not taken for the model's
/// merit.
pub(super) fn two_by_two(evaluation: &Evaluation) -> Option<Section> {
    let models: Vec<&Measured> = evaluation.baseline.iter().chain([&evaluation.candidate]).collect();
    let mut rows = Vec::new();
    let mut is_complete = true;
    for model in &models {
        for (name, operating) in [("one for all groups", &model.one), ("one per group", &model.per_group)] {
            match operating {
                Some(operating) => rows.push(row(&model.name, name, operating, evaluation)),
                None => is_complete = false,
            }
        }
    }
    if rows.is_empty() {
        return None;
    }
    let groups = &evaluation.candidate.own.groups;
    let mut columns = vec![Column::text("model"), Column::text("thresholds")];
    columns.extend(groups.iter().map(|group| Column::number(format!("recall {}", group.group))));
    columns.extend(["recall of all", "precision", "alerts per 1,000"].map(Column::number));
    let mut blocks = vec![
        Block::Text(
            "Thresholds alone lift recall at a price in precision; the model's merit is the precision at the same recall. \
             *One for all groups* gives as many alerts as there are positives among the calibration tiles; *one per group* \
             catches the target share of each group's calibration positives with the stated confidence."
                .into(),
        ),
        Block::Table(Table { caption: "What the model does and what the thresholds do.".into(), columns, rows }),
    ];
    if !is_complete {
        blocks.push(Block::Text(
            "A row is missing where no calibration scores were at hand: `--calibration`, `--baseline-calibration`."
                .into(),
        ));
    }
    Some(Section { title: "Models and thresholds".into(), blocks })
}

fn row(model: &str, thresholds: &str, operating: &Operating, evaluation: &Evaluation) -> Vec<Cell> {
    let mut cells: Vec<Cell> = vec![model.into(), thresholds.into()];
    cells.extend(operating.groups.iter().map(|group| {
        let is_low = group.recall.estimate.is_some_and(|recall| recall < evaluation.settings.target_recall);
        let tone = if is_low { Tone::Bad } else { Tone::Neutral };
        Cell::toned(text::number(group.recall.estimate), tone)
    }));
    let all = &operating.all;
    cells.push(text::number(all.recall.estimate).into());
    cells.push(text::number(all.precision.estimate).into());
    cells.push(text::whole(all.alerts_per_1000).into());
    cells
}

pub(super) fn by_group(evaluation: &Evaluation) -> Section {
    let models: Vec<&Measured> = evaluation.baseline.iter().chain([&evaluation.candidate]).collect();
    let mut blocks = Vec::new();
    for model in &models {
        blocks.push(at_thresholds(model, evaluation));
    }
    for model in &models {
        blocks.push(quality(model));
    }
    for model in &models {
        blocks.push(by_prevalence(model));
    }
    Section { title: "By group".into(), blocks }
}

fn groups(operating: &Operating) -> impl Iterator<Item = &AtThreshold> {
    operating.groups.iter().chain([&operating.all])
}

fn at_thresholds(model: &Measured, evaluation: &Evaluation) -> Block {
    let prevalence = evaluation.settings.prevalence;
    let row = |at: &AtThreshold| {
        vec![
            at.group.clone().into(),
            at.threshold.map_or_else(String::new, |threshold| format!("{threshold:.4}")).into(),
            text::recall(&at.recall).into(),
            text::false_alarms(&at.false_alarms).into(),
            text::estimate(&at.precision).into(),
            text::estimate(&at.f1).into(),
            text::whole(at.alerts_per_1000).into(),
            text::number(at.accuracy).into(),
            text::number(at.balanced_accuracy).into(),
        ]
    };
    let titles =
        ["threshold", "recall", "false alarms", "precision", "F1", "alerts per 1,000", "accuracy", "balanced accuracy"];
    Block::Table(Table {
        caption: format!(
            "`{}` at its own thresholds; lowest recall in {}. Precision, F1, alerts and accuracy at {} positives. Raising no alert \
             at all has an accuracy of {:.3}.",
            model.name,
            model.own.worst_group,
            text::percent(prevalence),
            1.0 - prevalence
        ),
        columns: [Column::text("group")].into_iter().chain(titles.map(Column::number)).collect(),
        rows: groups(&model.own).map(row).collect(),
    })
}

fn quality(model: &Measured) -> Block {
    let row = |quality: &super::super::Quality| {
        vec![
            quality.group.clone().into(),
            text::estimate(&quality.average_precision).into(),
            text::number(quality.average_precision_as_is).into(),
            text::estimate(&quality.auroc).into(),
            text::number(quality.precision_at_target_recall).into(),
            text::number(quality.brier).into(),
            text::number(quality.log_loss).into(),
            text::number(quality.ece).into(),
        ]
    };
    let titles = [
        "average precision",
        "of the tiles as they are",
        "AUROC",
        "best precision at the target recall",
        "Brier",
        "log loss",
        "calibration error",
    ];
    let probabilities = match &model.probability {
        Some(method) => format!("probabilities are those of the profile (`{method}`)"),
        None => "scores count as probabilities".to_owned(),
    };
    Block::Table(Table {
        caption: format!(
            "The scores of `{}`, whatever the threshold. Average precision is stated for the same prevalence in every group. \
             For Brier, log loss and calibration error (over {} bins of equally many tiles) {probabilities}.",
            model.name,
            super::super::quality::CALIBRATION_BINS
        ),
        columns: [Column::text("group")].into_iter().chain(titles.map(Column::number)).collect(),
        rows: model.quality.iter().map(row).collect(),
    })
}

fn by_prevalence(model: &Measured) -> Block {
    let prevalences =
        model.own.all.operational.iter().map(|at| Column::number(format!("at {}", text::percent(at.prevalence))));
    let row = |at: &AtThreshold| {
        let cell = |of: &super::super::AtPrevalence| -> Cell {
            format!("{} ({})", text::number(of.precision), text::whole(of.alerts_per_1000)).into()
        };
        [Cell::from(at.group.clone())].into_iter().chain(at.operational.iter().map(cell)).collect()
    };
    Block::Table(Table {
        caption: format!(
            "Precision of `{}` (and alerts per 1,000 tiles) where positives are rarer than among the measured tiles.",
            model.name
        ),
        columns: [Column::text("group")].into_iter().chain(prevalences).collect(),
        rows: groups(&model.own).map(row).collect(),
    })
}

pub(super) fn paired(evaluation: &Evaluation) -> Option<Section> {
    let baseline = evaluation.baseline.as_ref()?;
    let score = |score: &PairedScore| -> [Cell; 2] {
        [text::difference(&score.difference).into(), text::p(score.p_holm.or(score.p)).into()]
    };
    let row = |paired: &Paired| {
        let recall = &paired.recall;
        let mut cells: Vec<Cell> = vec![
            paired.group.clone().into(),
            recall.gained.to_string().into(),
            recall.lost.to_string().into(),
            text::p(recall.p_holm.or(Some(recall.p))).into(),
        ];
        cells.extend(score(&paired.precision));
        cells.extend(score(&paired.average_precision));
        cells
    };
    let titles = ["gained", "lost", "p", "precision", "p", "average precision", "p"];
    let table = Table {
        caption: format!("`{}` less `{}`, each at its own thresholds.", evaluation.candidate.name, baseline.name),
        columns: [Column::text("group")].into_iter().chain(titles.map(Column::number)).collect(),
        rows: evaluation.paired.iter().map(row).collect(),
    };
    let text = "*Gained* are positives that only the candidate catches, *lost* those that only the baseline does (McNemar's \
                exact test). Precision and average precision: difference with its interval over sites, and permutations that \
                swap the models within whole sites. The p of the groups are adjusted by Holm's rule.";
    let bars = crate::page::Bars {
        categories: evaluation.paired.iter().map(|paired| paired.group.clone()).collect(),
        series: vec![
            ("gained".into(), evaluation.paired.iter().map(|paired| paired.recall.gained as f64).collect()),
            ("lost".into(), evaluation.paired.iter().map(|paired| paired.recall.lost as f64).collect()),
        ],
        value_label: "positives".into(),
    };
    let figure = Figure { caption: "Positives that only one of the models catches.".into(), plot: Plot::Bars(bars) };
    let blocks = vec![Block::Text(text.into()), Block::Table(table), Block::Figures(vec![figure])];
    Some(Section { title: "Paired tests".into(), blocks })
}

/// Region by season, and the thresholds of one group on another.
pub(super) fn where_it_holds(evaluation: &Evaluation) -> Option<Section> {
    let figures: Vec<Figure> = [regions(evaluation), transfer(evaluation)].into_iter().flatten().collect();
    if figures.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::Figures(figures)];
    if !evaluation.regions.is_empty() {
        let row = |cell: &super::super::RegionSeason| {
            vec![
                cell.region.clone().into(),
                cell.season.clone().into(),
                text::recall(&cell.recall).into(),
                text::false_alarms(&cell.false_alarms).into(),
            ]
        };
        blocks.push(Block::Table(Table {
            caption: "By region and season, at the thresholds of each tile's group.".into(),
            columns: vec![
                Column::text("region"),
                Column::text("season"),
                Column::number("recall"),
                Column::number("false alarms"),
            ],
            rows: evaluation.regions.iter().map(row).collect(),
        }));
    }
    Some(Section { title: "Regions, and thresholds elsewhere".into(), blocks })
}

fn regions(evaluation: &Evaluation) -> Option<Figure> {
    let cells = &evaluation.regions;
    let unique = |names: Vec<&String>| names.into_iter().cloned().collect::<std::collections::BTreeSet<_>>();
    let with_positives = cells.iter().filter(|cell| cell.recall.n > 0);
    let rows: Vec<String> = unique(with_positives.map(|cell| &cell.region).collect()).into_iter().collect();
    let columns: Vec<String> = unique(cells.iter().map(|cell| &cell.season).collect()).into_iter().collect();
    if rows.is_empty() {
        return None;
    }
    let cell = |region: &String, season: &String| {
        let found = cells.iter().find(|cell| cell.region == *region && cell.season == *season)?;
        found.recall.estimate.map(|recall| HeatCell {
            value: recall,
            text: format!("{recall:.2}\nn = {}", found.recall.n),
            muted: found.recall.n < POSITIVES_SHOWN_MIN,
        })
    };
    let name = |season: &String| if season.is_empty() { "season unknown".to_owned() } else { season.clone() };
    Some(Figure {
        caption: format!(
            "Recall by region and season; grey where there are fewer than {POSITIVES_SHOWN_MIN} positives."
        ),
        plot: Plot::Heat(Heat {
            cells: rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect(),
            columns: columns.iter().map(name).collect(),
            rows,
            range: [0.0, 1.0],
            legend: "recall".into(),
            row_axis: "region".into(),
            column_axis: "season".into(),
        }),
    })
}

fn transfer(evaluation: &Evaluation) -> Option<Figure> {
    let names: Vec<String> = evaluation.candidate.own.groups.iter().map(|group| group.group.clone()).collect();
    if evaluation.transfer.is_empty() {
        return None;
    }
    let cell = |of: &String, on: &String| {
        let found = evaluation.transfer.iter().find(|cell| cell.threshold_of == *of && cell.tiles_of == *on)?;
        found.recall.estimate.map(|recall| HeatCell {
            value: recall,
            text: format!("{recall:.2}\n{} fa", text::number(found.false_alarms.estimate)),
            muted: found.recall.n < POSITIVES_SHOWN_MIN,
        })
    };
    Some(Figure {
        caption: "The threshold of one group (row) on the tiles of another (column): recall, and below it the share of false \
                  alarms (fa)."
            .into(),
        plot: Plot::Heat(Heat {
            cells: names.iter().map(|row| names.iter().map(|column| cell(row, column)).collect()).collect(),
            rows: names.clone(),
            columns: names,
            range: [0.0, 1.0],
            legend: "recall".into(),
            row_axis: "threshold of".into(),
            column_axis: "tiles of".into(),
        }),
    })
}

pub(super) fn sliced(evaluation: &Evaluation) -> Option<Section> {
    let table = |slice: &super::super::Slice| {
        let row = |part: &super::super::SlicePart| {
            vec![
                part.value.clone().into(),
                text::recall(&part.recall).into(),
                text::false_alarms(&part.false_alarms).into(),
            ]
        };
        Block::Table(Table {
            caption: format!("By `{}`.", slice.column),
            columns: vec![Column::text(&slice.column), Column::number("recall"), Column::number("false alarms")],
            rows: slice.parts.iter().map(row).collect(),
        })
    };
    let blocks: Vec<Block> = evaluation.slices.iter().map(table).collect();
    (!blocks.is_empty()).then(|| Section { title: "Slices".into(), blocks })
}
