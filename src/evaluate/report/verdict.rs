//! The verdict: one paragraph, one table, one plot.

use super::super::{AtThreshold, Evaluation, Measured};
use super::results::POSITIVES_SHOWN_MIN;
use super::text;
use crate::page::{Block, Cell, Column, Figure, Forest, ForestRow, Plot, Section, Table, Tone};

pub(super) fn section(evaluation: &Evaluation) -> Section {
    let mut blocks = vec![Block::Verdict { tone: tone(evaluation), text: sentence(evaluation) }];
    if !evaluation.requirements.is_empty() {
        blocks.push(demands(evaluation));
    }
    blocks.push(table(evaluation));
    blocks.push(Block::Figures(vec![forest(evaluation)]));
    Section { title: "Verdict".into(), blocks }
}

/// What the figures come to.
enum Judgement {
    Leaks,
    NothingDemanded,
    Missed,
    TooFew,
    Met,
}

fn judgement(evaluation: &Evaluation) -> Judgement {
    let is_met = evaluation.requirements.iter().all(|judged| judged.is_met);
    let are_few = evaluation.data.groups.iter().any(|group| group.positives < POSITIVES_SHOWN_MIN);
    match (evaluation.audit.n_leaks, evaluation.requirements.is_empty()) {
        (1.., _) => Judgement::Leaks,
        (0, true) => Judgement::NothingDemanded,
        (0, false) if !is_met => Judgement::Missed,
        (0, false) if are_few => Judgement::TooFew,
        (0, false) => Judgement::Met,
    }
}

fn tone(evaluation: &Evaluation) -> Tone {
    match judgement(evaluation) {
        Judgement::Leaks | Judgement::Missed => Tone::Bad,
        Judgement::NothingDemanded | Judgement::TooFew => Tone::Neutral,
        Judgement::Met => Tone::Good,
    }
}

/// Says first whether the candidate may be deployed, then why.
fn sentence(evaluation: &Evaluation) -> String {
    let (candidate, own) = (&evaluation.candidate, &evaluation.candidate.own);
    let what = match &evaluation.baseline {
        Some(baseline) => format!("replace {}", baseline.name),
        None => "be deployed".to_owned(),
    };
    let verdict = match judgement(evaluation) {
        Judgement::Leaks => format!(
            "**The figures are not valid**: the audit found leaks between the splits ({}).",
            evaluation.audit.first().unwrap_or_default()
        ),
        Judgement::NothingDemanded => {
            "**Nothing was demanded**, so nothing is decided here; see `--require`.".to_owned()
        }
        Judgement::Met => format!("**{} may {what}**: every demand is met.", candidate.name),
        Judgement::TooFew => format!(
            "**There are too few positives to say whether {} may {what}**, although every demand is met on them.",
            candidate.name
        ),
        Judgement::Missed => {
            let unmet: Vec<String> = evaluation
                .requirements
                .iter()
                .filter(|judged| !judged.is_met)
                .map(|judged| format!("`{}` ({})", judged.requirement, judged.found))
                .collect();
            format!("**{} may not {what}**: it misses {}.", candidate.name, unmet.join(", "))
        }
    };
    let worst = own.groups.iter().find(|group| group.group == own.worst_group);
    let worst = worst.map_or_else(String::new, |group| {
        let (share, name) = (&group.recall, &group.group);
        format!(
            " At the thresholds it is deployed with it caught {} of the measured positives in its worst group ({name}, {} of \
             {}, interval {:.3} to {:.3})",
            text::number(share.estimate),
            share.hits,
            share.n,
            share.interval[0],
            share.interval[1]
        )
    });
    let precision = format!(
        "; of its alerts, with {} positives among tiles, {} are right",
        text::percent(evaluation.settings.prevalence),
        text::estimate(&own.all.precision)
    );
    let against = evaluation.baseline.as_ref().zip(evaluation.paired.last()).map(|(baseline, all)| {
        let worst = baseline.own.groups.iter().find(|group| group.group == baseline.own.worst_group);
        format!(
            " `{}` caught {} in its worst group with a precision of {}. The difference in precision is {}, in average \
             precision {}.",
            baseline.name,
            text::number(worst.and_then(|group| group.recall.estimate)),
            text::number(baseline.own.all.precision.estimate),
            text::difference(&all.precision.difference),
            text::difference(&all.average_precision.difference),
        )
    });
    format!("{verdict}{worst}{precision}.{}{}", against.unwrap_or_default(), doubts(evaluation))
}

/// What stands between the figures and a decision.
fn doubts(evaluation: &Evaluation) -> String {
    let mut doubts = String::new();
    let few: Vec<String> = evaluation
        .data
        .groups
        .iter()
        .filter(|group| group.positives < POSITIVES_SHOWN_MIN)
        .map(|group| format!("{} {}", group.group, group.positives))
        .collect();
    if !few.is_empty() {
        doubts += &format!(" **Few positives**: {}; their figures decide next to nothing.", few.join(", "));
    }
    if evaluation.audit.parts.len() < 2 {
        doubts += " **No leak was looked for**: there was nothing to compare the tiles with.";
    }
    if evaluation.baseline.as_ref().is_some_and(|baseline| baseline.model_sha256 == evaluation.candidate.model_sha256) {
        doubts += " **Both are the same model.**";
    }
    doubts
}

fn demands(evaluation: &Evaluation) -> Block {
    let row = |judged: &super::super::Judged| {
        let (word, tone) = if judged.is_met { ("met", Tone::Good) } else { ("missed", Tone::Bad) };
        vec![judged.requirement.clone().into(), judged.found.clone().into(), Cell::toned(word, tone)]
    };
    Block::Table(Table {
        caption: "What was demanded; of several groups the one that decides.".into(),
        columns: vec![Column::text("demand"), Column::text("found"), Column::text("")],
        rows: evaluation.requirements.iter().map(row).collect(),
    })
}

fn table(evaluation: &Evaluation) -> Block {
    let mut columns = vec![Column::text("group")];
    let models: Vec<&Measured> = evaluation.baseline.iter().chain([&evaluation.candidate]).collect();
    for model in &models {
        columns.push(Column::number(format!("{}: recall", model.name)));
        columns.push(Column::number("precision"));
    }
    let groups =
        |model: &'_ Measured| model.own.groups.iter().chain([&model.own.all]).cloned().collect::<Vec<AtThreshold>>();
    let of_models: Vec<Vec<AtThreshold>> = models.iter().map(|model| groups(model)).collect();
    let names: Vec<String> = groups(&evaluation.candidate).into_iter().map(|group| group.group).collect();
    let target = evaluation.settings.target_recall;
    let row = |(index, name): (usize, &String)| {
        let mut cells: Vec<Cell> = vec![name.clone().into()];
        for groups in &of_models {
            let at = &groups[index];
            let is_low = at.recall.estimate.is_some_and(|recall| recall < target);
            let tone = if is_low { Tone::Bad } else { Tone::Neutral };
            cells.push(Cell::toned(text::recall(&at.recall), tone));
            cells.push(text::estimate(&at.precision).into());
        }
        cells
    };
    Block::Table(Table {
        caption: format!(
            "Each model at the thresholds it is deployed with. Recall with its exact 95 % interval and counts; precision at \
             {} positives with its interval over sites.",
            text::percent(evaluation.settings.prevalence)
        ),
        columns,
        rows: names.iter().enumerate().map(row).collect(),
    })
}

fn forest(evaluation: &Evaluation) -> Figure {
    let models: Vec<&Measured> = evaluation.baseline.iter().chain([&evaluation.candidate]).collect();
    let mut rows = Vec::new();
    for index in 0..=evaluation.candidate.own.groups.len() {
        for (series, model) in models.iter().enumerate() {
            let at = model.own.groups.get(index).unwrap_or(&model.own.all);
            let row = |estimate| ForestRow { label: at.group.clone(), series, estimate, interval: at.recall.interval };
            rows.extend(at.recall.estimate.map(row));
        }
    }
    let target = evaluation.settings.target_recall;
    Figure {
        caption: "Recall by group at the deployed thresholds, with exact 95 % intervals.".into(),
        plot: Plot::Forest(Forest {
            rows,
            series: models.iter().map(|model| model.name.clone()).collect(),
            line: Some((target, format!("target {target}"))),
            axis: "recall".into(),
            range: [0.0, 1.0],
        }),
    }
}
