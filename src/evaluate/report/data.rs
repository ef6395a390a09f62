//! What was evaluated on, and whether it shares anything with what it must not.

use super::super::{Data, Evaluation};
use super::Frame;
use crate::labelled::Audit;
use crate::page::{Block, Cell, Column, Section, Table, Tone};

pub(super) fn section(evaluation: &Evaluation, _frame: &Frame) -> Section {
    let mut blocks = vec![Block::Text(sentence(&evaluation.data)), counts(&evaluation.data)];
    blocks.extend(audit(&evaluation.audit));
    Section { title: "Data, splits and leakage audit".into(), blocks }
}

fn sentence(data: &Data) -> String {
    let sites = match data.sites {
        0 => "of unknown sites (each counts as a site of its own)".to_owned(),
        sites => format!("of {sites} sites"),
    };
    let regions = if data.regions > 0 { format!(" in {} regions", data.regions) } else { String::new() };
    let mut left_out = Vec::new();
    if data.n_overcast > 0 {
        left_out.push(format!("{} have more cloud than a run decides on", data.n_overcast));
    }
    if data.n_undecided > 0 {
        let positives = data.n_abstained_positives;
        left_out.push(format!("{} were not decided, {positives} known positives among them", data.n_undecided));
    }
    let left_out = match left_out.is_empty() {
        true => String::new(),
        false => format!(" Left out: {}.", left_out.join("; ")),
    };
    format!("{} labelled tiles of `{}`, {sites}{regions}.{left_out}", data.tiles, data.file)
}

fn counts(data: &Data) -> Block {
    let row = |group: &super::super::GroupData| {
        vec![
            group.group.clone().into(),
            group.positives.to_string().into(),
            group.negatives.to_string().into(),
            if data.sites > 0 { group.positive_sites.to_string().into() } else { Cell::from("–") },
        ]
    };
    Block::Table(Table {
        caption: "Tiles by group.".into(),
        columns: vec![
            Column::text("group"),
            Column::number("positives"),
            Column::number("negatives"),
            Column::number("sites of positives"),
        ],
        rows: data.groups.iter().map(row).collect(),
    })
}

/// The audit, passed or not, with what could not be looked at.
pub(super) fn audit(audit: &Audit) -> Vec<Block> {
    let parts: Vec<String> = audit.parts.iter().map(|(name, tiles)| format!("{name} ({tiles} tiles)")).collect();
    if parts.len() < 2 {
        return vec![Block::Verdict {
            tone: Tone::Warning,
            text: "**The leakage audit had nothing to compare with**: give the tables of training and calibration \
                   (`--against`, `--calibration`), or a manifest with all splits."
                .into(),
        }];
    }
    let known = format!(
        "{} of {} tiles state a site, {} coordinates; places nearer than {} km count as the same.",
        audit.tiles_with_site, audit.tiles, audit.tiles_with_place, audit.place_gap_km
    );
    if audit.n_leaks == 0 {
        let text = format!("**Leakage audit passed**: {} share no site, tile or place. {known}", parts.join(", "));
        return vec![Block::Verdict { tone: Tone::Good, text }];
    }
    let text = format!("**Leakage audit failed**: {} shared by {}. {known}", audit.n_leaks, parts.join(", "));
    let row = |leak: &crate::labelled::Leak| {
        vec![leak.what.into(), leak.name.clone().into(), leak.parts[0].clone().into(), leak.parts[1].clone().into()]
    };
    let table = Table {
        caption: format!("The first {} of {} leaks.", audit.leaks.len(), audit.n_leaks),
        columns: ["what", "name", "in", "and in"].map(Column::text).to_vec(),
        rows: audit.leaks.iter().map(row).collect(),
    };
    vec![Block::Verdict { tone: Tone::Bad, text }, Block::Table(table)]
}
