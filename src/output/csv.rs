//! The table as CSV (RFC 4180, line feeds).

use super::Stream;
use super::feature::{Cell, Column, Feature, Kind, Layer, Writer};
use super::text::{csv_cell, fixed, number};
use crate::Result;

pub(super) struct Csv {
    stream: Stream,
    columns: Vec<Column>,
}

impl Csv {
    pub(super) fn new(stream: Stream, layer: &Layer) -> Result<Self> {
        let mut csv = Self { stream, columns: layer.columns.clone() };
        let names = csv.columns.iter().filter(|column| has_room(column)).map(|column| column.name);
        let header = names.collect::<Vec<_>>().join(",") + "\n";
        csv.stream.write(&header)?;
        Ok(csv)
    }
}

impl Writer for Csv {
    fn write(&mut self, feature: &Feature<'_>) -> Result<()> {
        let cells = self.columns.iter().zip(&feature.cells).filter(|(column, _)| has_room(column));
        let cells: Vec<String> = cells.map(|(_, cell)| text(cell)).collect();
        self.stream.write(&(cells.join(",") + "\n"))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.stream.finish()
    }
}

/// What has parts has no cell here.
fn has_room(column: &Column) -> bool {
    !matches!(column.kind, Kind::Members | Kind::Nested)
}

fn text(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Text(text) => csv_cell(text),
        Cell::Integer(value) => value.to_string(),
        Cell::Float(value) => number(*value),
        Cell::Fixed(value, decimals) => fixed(*value, *decimals),
        Cell::Date(date) => date.to_string(),
        Cell::Null | Cell::Members(_) | Cell::Scores(_) => String::new(),
    }
}
