//! The report: what was tried, which layers compute in what, and the gate. It is printed, and it is the folder's card.

use s2infer::infer::engine::EngineInfo;
use s2infer::model::Model;
use s2infer::page::{Block, Cell, Column, Document, Section, Table, Tone};
use s2infer::quantize::{Gate, HalfReport, Int8};

use super::folder::Draft;
use super::{Made, Quantize};

/// The report of a model in another precision.
pub fn report(
    command: &Quantize,
    engine: &EngineInfo,
    original: &Model,
    draft: &Draft,
    made: &Made,
    gate: &Gate,
) -> Document {
    let manifest = &draft.model.manifest;
    let precision = manifest.precision;
    let mut sections = vec![gate_section(gate), origin(command, engine, original, draft)];
    match made {
        Made::Int8(made) => sections.extend([trials(made), layers(made)]),
        Made::Fp16(made) => sections.push(wide(made)),
        Made::Bf16(_) => {}
    }
    Document {
        title: manifest.name.clone(),
        lead: format!("{} in {precision}. {}", original.manifest.name, manifest.about.description),
        sections,
    }
}

fn gate_section(gate: &Gate) -> Section {
    let verdict = match gate.is_passed() {
        true => Block::Verdict { tone: Tone::Good, text: format!("{} loses no more than it may.", gate.precision) },
        false => Block::Verdict { tone: Tone::Bad, text: format!("Refused: {}.", gate.refusals.join("; ")) },
    };
    let mut blocks = vec![verdict, Block::Table(gate.table())];
    blocks.extend(gate.unseen.iter().map(|unseen| Block::Text(format!("The gate had {unseen}."))));
    if !gate.recall_at_old_thresholds.is_empty() {
        blocks.push(Block::Text(
            "Both at thresholds that were calibrated here, on the same tiles and for the promise of the original's profile: \
             where that profile came from other tiles, its own thresholds are others."
                .into(),
        ));
    }
    if let Some(difference) = gate.logit_difference {
        let ranks = gate
            .rank_correlation
            .map_or(String::new(), |rho| format!("; Spearman's correlation of the scores is {rho:.5}"));
        blocks.push(Block::Text(format!("The largest difference of a logit is {difference:.3}{ranks}.")));
    }
    Section { title: "What it costs".into(), blocks }
}

fn origin(command: &Quantize, engine: &EngineInfo, original: &Model, draft: &Draft) -> Section {
    let megabytes = |model: &Model| {
        let size =
            model.manifest.assets.iter().find(|asset| asset.sha256 == model.sha256).map_or(0, |asset| asset.size);
        size as f64 / 1e6
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let blocks = vec![
        Block::Text(format!(
            "Made from `{}` (sha256 {}), with the labelled tiles of `{}`. The ONNX file has {:.1} MB, the original's {:.1}. \
             Golden batch, scores and thresholds are those of {} {} on {}; other engines round 8 bits and bf16 elsewhere. Use, \
             limits and training are those of the original's card; thresholds are this model's own and hold for no other \
             precision.",
            original.manifest.name,
            original.sha256,
            command.manifest.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            megabytes(&draft.model),
            megabytes(original),
            engine.engine,
            engine.version,
            engine.provider,
        )),
        Block::Code(format!("s2infer {}", arguments.join(" "))),
    ];
    Section { title: "Where it comes from".into(), blocks }
}

fn decibels(value: f64) -> Cell {
    Cell::from(format!("{value:.1}"))
}

fn trials(made: &Int8) -> Section {
    let columns = vec![
        Column::text("ranges"),
        Column::number("places equalised"),
        Column::text("biases corrected"),
        Column::number("logits, worst group, dB"),
    ];
    let rows = made.trials.iter().map(|trial| {
        let corrected = if trial.is_bias_corrected { "yes" } else { "no" };
        let places = Cell::from(trial.n_equalised.to_string());
        vec![trial.method.as_str().into(), places, corrected.into(), decibels(trial.worst_group_sqnr_db)]
    });
    let caption = "Everything that was tried, by the signal-to-noise ratio of the logits in the worst group of season and sky; \
                   the last is what was taken, with the layers below.";
    let table = Table { caption: caption.into(), columns, rows: rows.collect() };
    Section { title: "What was tried".into(), blocks: vec![Block::Table(table)] }
}

fn layers(made: &Int8) -> Section {
    let columns =
        vec![Column::text("layer"), Column::text("operator"), Column::number("SQNR, dB"), Column::text("computed in")];
    let rows = made.layers.iter().map(|layer| {
        let precision = if layer.is_int8 { "int8" } else { "fp32" };
        let reason = layer.reason.map_or(String::new(), |reason| format!(" ({reason})"));
        let sqnr = layer.sqnr_db.map_or_else(|| Cell::from("–"), decibels);
        vec![layer.name.as_str().into(), layer.operator.as_str().into(), sqnr, format!("{precision}{reason}").into()]
    });
    let caption = "Layers with weights, and the signal-to-quantisation-noise ratio of each by itself.";
    let table = Table { caption: caption.into(), columns, rows: rows.collect() };
    Section { title: "Layers".into(), blocks: vec![Block::Table(table)] }
}

fn wide(made: &HalfReport) -> Section {
    let text = match made.wide.is_empty() {
        true => format!("All {} nodes compute in half precision.", made.n_nodes),
        false => {
            let names: Vec<String> = made.wide.iter().map(|name| format!("`{name}`")).collect();
            format!("{} of {} nodes stay in 32 bits: {}.", names.len(), made.n_nodes, names.join(", "))
        }
    };
    Section { title: "Nodes".into(), blocks: vec![Block::Text(text)] }
}
