//! What ran, by hash.

use super::super::Evaluation;
use super::{Frame, text};
use crate::page::{Block, Cell, Column, Table};

pub(super) fn hashes(evaluation: &Evaluation, frame: &Frame) -> Block {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for model in [Some(&evaluation.candidate), evaluation.baseline.as_ref()].into_iter().flatten() {
        rows.push(vec![
            format!("model {} ({})", model.name, model.precision).into(),
            text::short(&model.model_sha256).into(),
        ]);
        rows.push(vec![format!("profile of {}", model.name).into(), text::short(&model.profile_sha256).into()]);
    }
    rows.push(vec![format!("tiles {}", evaluation.data.file).into(), text::short(&evaluation.data.sha256).into()]);
    Block::Table(Table {
        caption: format!("What this report is about, {}; s2infer {}.", frame.created, env!("CARGO_PKG_VERSION")),
        columns: vec![Column::text("what"), Column::text("SHA-256, the first digits")],
        rows,
    })
}
