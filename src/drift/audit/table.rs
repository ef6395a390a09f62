//! Tables of audited tiles.

use std::collections::HashMap;
use std::path::Path;

use jiff::civil::Date;

use crate::limits::{TABLE_BYTES_MAX, read_bounded};
use crate::model::sha256;
use crate::quoted::quoted;
use crate::{Error, Result};

/// Hexadecimal digits of a tile's hash that are kept: 128 bits.
const KEY_DIGITS: usize = 32;

/// Audited positives by date.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditTable {
    pub(super) positives: Vec<Positive>,
    /// Rows of tiles that are no positive, that nobody labelled, or that a run did not decide.
    pub n_left_out: u64,
    pub(super) has_dates: bool,
}

/// One tile that is a positive, or one of a date.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Positive {
    /// Hash of tile and date.
    pub key: String,
    pub date: Option<Date>,
    pub is_missed: bool,
    tile: String,
    line: u64,
}

/// What the rows of one tile say together.
struct Tile {
    name: String,
    line: u64,
    date: Option<Date>,
    rows: u64,
    is_positive: bool,
    /// Whether one of its windows was found; none where none was decided.
    is_caught: Option<bool>,
}

/// One row: whether it is labelled a positive, and whether the run found it.
struct Row {
    is_positive: bool,
    is_caught: Option<bool>,
}

impl AuditTable {
    /// Reads a table with `tile` and either `missed` (1 or 0, a positive each) or `decision` and `label`, and optionally
    /// `date`: the same tile of another date is another positive. Rows of one tile are its windows: it was caught where
    /// one of them was.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] naming the line.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, TABLE_BYTES_MAX)?;
        Self::parse(&bytes).map_err(|error| error.context(path.display()))
    }

    /// As [`Self::read`], from bytes.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let not_csv = |error: csv::Error| Error::usage(format!("not CSV: {error}"));
        let columns = Columns::find(reader.headers().map_err(not_csv)?)?;
        let (mut tiles, mut unlabelled) = (Vec::new(), 0);
        let mut index = HashMap::new();
        for record in reader.into_records() {
            let record = record.map_err(not_csv)?;
            let line = record.position().map_or(0, csv::Position::line);
            let at_line = |error: Error| error.context(format!("line {line}"));
            let Some(row) = columns.row(&record).map_err(at_line)? else {
                unlabelled += 1;
                continue;
            };
            let (name, date) = columns.tile(&record).map_err(at_line)?;
            let key = key(&name, date);
            let position = *index.entry(key.clone()).or_insert(tiles.len());
            if position == tiles.len() {
                tiles.push((key, Tile { name, line, date, rows: 0, is_positive: false, is_caught: None }));
            }
            if let Some((_, tile)) = tiles.get_mut(position) {
                tile.add(&row);
            }
        }
        if tiles.is_empty() && unlabelled == 0 {
            return Err(Error::usage("no rows below the header: nothing was audited"));
        }
        let (positives, others): (Vec<_>, Vec<_>) = tiles.into_iter().partition(|(_, tile)| tile.counts());
        let n_left_out = unlabelled + others.iter().map(|(_, tile)| tile.rows).sum::<u64>();
        let mut positives: Vec<Positive> = positives.into_iter().map(Positive::of).collect();
        // Stable: within a date the order plays no part.
        positives.sort_by_key(|positive| positive.date);
        Ok(Self { positives, n_left_out, has_dates: columns.date.is_some() })
    }
}

impl Tile {
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.is_positive |= row.is_positive;
        self.is_caught = match (self.is_caught, row.is_caught) {
            (Some(before), Some(now)) => Some(before || now),
            (before, now) => before.or(now),
        };
    }

    fn counts(&self) -> bool {
        self.is_positive && self.is_caught.is_some()
    }
}

impl Positive {
    fn of((key, tile): (String, Tile)) -> Self {
        Self { key, date: tile.date, is_missed: tile.is_caught == Some(false), tile: tile.name, line: tile.line }
    }

    /// The error of a tile that was counted with another result.
    pub fn is_corrected(&self) -> Error {
        Error::usage(format!(
            "line {}: {} has another result than when it was counted; evidence cannot be taken back: start another state",
            self.line,
            quoted(&self.tile)
        ))
    }
}

/// Where the columns stand.
struct Columns {
    tile: usize,
    date: Option<usize>,
    result: ResultColumns,
}

enum ResultColumns {
    Missed(usize),
    Decision { decision: usize, label: usize },
}

impl Columns {
    fn find(header: &csv::StringRecord) -> Result<Self> {
        let find = |name: &str| header.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        let missing = || Error::usage("the header must name tile and missed, or tile, decision and label");
        let result = match (find("missed"), find("decision").zip(find("label"))) {
            (Some(missed), _) => ResultColumns::Missed(missed),
            (None, Some((decision, label))) => ResultColumns::Decision { decision, label },
            (None, None) => return Err(missing()),
        };
        Ok(Self { tile: find("tile").ok_or_else(missing)?, date: find("date"), result })
    }

    /// None of a row that nobody labelled.
    fn row(&self, record: &csv::StringRecord) -> Result<Option<Row>> {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let (label, is_caught) = match self.result {
            ResultColumns::Missed(missed) => {
                return Ok(truth(cell(missed))?.map(|missed| Row { is_positive: true, is_caught: Some(!missed) }));
            }
            ResultColumns::Decision { decision, label } => (truth(cell(label))?, is_caught(cell(decision))?),
        };
        Ok(label.map(|is_positive| Row { is_positive, is_caught }))
    }

    /// Its name, written in one way, and its date.
    fn tile(&self, record: &csv::StringRecord) -> Result<(String, Option<Date>)> {
        let name = normalised(record.get(self.tile).unwrap_or_default());
        if name.is_empty() {
            return Err(Error::usage("no tile"));
        }
        let date = self.date.map(|column| date(record.get(column).unwrap_or_default())).transpose()?;
        Ok((name, date))
    }
}

/// `./a//b` is `a/b`.
fn normalised(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

fn key(tile: &str, date: Option<Date>) -> String {
    let date = date.map(|date| date.to_string()).unwrap_or_default();
    sha256(format!("{tile}\n{date}").as_bytes()).chars().take(KEY_DIGITS).collect()
}

/// In no other way of writing, since another would be another tile.
fn date(text: &str) -> Result<Date> {
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.ok_or_else(|| Error::usage(format!("date {}: give a day as YYYY-MM-DD", quoted(text))))
}

/// None for a tile that was not decided.
fn is_caught(decision: &str) -> Result<Option<bool>> {
    match decision {
        "positive" => Ok(Some(true)),
        "negative" => Ok(Some(false)),
        "abstain" | "error" => Ok(None),
        _ => Err(Error::usage(format!("decision {}: give positive, negative, abstain or error", quoted(decision)))),
    }
}

/// None of an empty cell.
fn truth(text: &str) -> Result<Option<bool>> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "1" | "1.0" | "true" | "positive" => Ok(Some(true)),
        "0" | "0.0" | "false" | "negative" => Ok(Some(false)),
        _ => Err(Error::usage(format!("{}: give 1 or 0, true or false, or nothing where nobody looked", quoted(text)))),
    }
}
