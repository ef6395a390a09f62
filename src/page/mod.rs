//! A small document model for reports, and its two outputs: one HTML file with inline SVG plots, and Markdown.
//!
//! The HTML needs no network and no script, holds on a phone, in print and in a dark room, and parses as XML. Whatever
//! comes from data (group names, paths, labels) is escaped; only prose knows marks, and only three ([`Block::Text`]).

mod document;
mod html;
mod markdown;
mod plot;
mod prose;

pub use document::{Block, Card, Cell, Column, Document, Figure, Gallery, Section, Table, Tone};
pub use plot::{
    Axis, Bars, Curves, Forest, ForestRow, Heat, HeatCell, Histogram, Mark, Plot, Reference, Reliability,
    ReliabilityBin, Series,
};

#[cfg(test)]
mod tests;
