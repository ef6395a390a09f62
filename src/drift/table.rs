//! Tables of tiles: `tile,group,score,valid_share,mean_B04,deviation_B04,…`, or a result table of s2infer.

use std::path::Path;

use super::ALL;
use super::middle::Middle;
use super::observation::{Observation, Quantity};
use super::reference::Reference;
use crate::decide::{Bounds, SEASON_SKY_GROUPS, group_name};
use crate::infer::summary::{BandSummary, WindowSummary};
use crate::labelled::{season, sky};
use crate::limits::{TABLE_BYTES_MAX, read_bounded};
use crate::output::csv_cell;
use crate::quoted::quoted;
use crate::{Error, Result};

/// No season and no share of cloud is longer.
const WORD_BYTES_MAX: usize = 40;

/// Reads a table with the column `score` and, in any order, `tile`; `group`, or `season` and `cloud`, or `shift`;
/// `decision`; `valid_share`, and `mean_` and `deviation_` of every band of the reference. Consecutive rows of one tile
/// are its windows, and each row without a name is a tile. A row with the decision `error` is left out; one without a
/// score abstained.
///
/// # Errors
/// [`crate::Kind::Usage`] naming the line, for scores that are no number from 0 to 1 among others.
pub fn read_table(path: &Path, reference: &Reference) -> Result<Vec<Observation>> {
    let bytes = read_bounded(path, TABLE_BYTES_MAX)?;
    parse(&bytes, reference).map_err(|error| error.context(path.display()))
}

fn parse(bytes: &[u8], reference: &Reference) -> Result<Vec<Observation>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let not_csv = |error: csv::Error| Error::usage(format!("not CSV: {error}"));
    let columns = Columns::find(reader.headers().map_err(not_csv)?, reference)?;
    let (mut tiles, mut windows, mut name) = (Vec::new(), Vec::new(), None);
    for record in reader.into_records() {
        let record = record.map_err(not_csv)?;
        let tile = columns.tile.and_then(|column| record.get(column));
        let tile = tile.filter(|tile| !tile.is_empty()).map(str::to_owned);
        if tile.is_none() || tile != name {
            tiles.extend(middle(std::mem::take(&mut windows)));
        }
        let line = record.position().map_or(0, csv::Position::line);
        windows.extend(columns.row(&record, reference).map_err(|error| error.context(format!("line {line}")))?);
        name = tile;
    }
    tiles.extend(middle(windows));
    if tiles.is_empty() {
        return Err(Error::usage("no tiles below the header"));
    }
    Ok(tiles)
}

fn middle(windows: Vec<Observation>) -> Option<Observation> {
    let (mut middle, count) = (Middle::default(), windows.len() as u64);
    windows.into_iter().zip(0..).for_each(|(window, index)| middle.offer(index, count, window));
    middle.chosen()
}

/// Writes tiles as a table that [`read_table`] reads; `names` are the tiles'.
pub fn write_table(names: &[String], tiles: &[Observation], bands: &[String]) -> String {
    let quantities = Quantity::all(bands.len());
    let watched = || quantities.iter().filter(|quantity| **quantity != Quantity::Abstained);
    let header: Vec<String> = watched().map(|quantity| quantity.name(bands)).collect();
    let mut text = format!("tile,group,{}\n", header.join(","));
    for (name, tile) in names.iter().zip(tiles) {
        text += &csv_cell(name);
        text.push(',');
        text += &csv_cell(tile.group.as_deref().unwrap_or_default());
        for quantity in watched() {
            text.push(',');
            text += &quantity.value(tile).map(|value| (value as f32).to_string()).unwrap_or_default();
        }
        text.push('\n');
    }
    text
}

/// Where the columns stand.
struct Columns {
    tile: Option<usize>,
    score: usize,
    group: Option<usize>,
    season: Option<usize>,
    cloud: Option<usize>,
    shift: Option<usize>,
    decision: Option<usize>,
    valid_share: Option<usize>,
    /// Mean and standard deviation of each band; none of a table of shares alone.
    bands: Vec<(usize, usize)>,
}

impl Columns {
    fn find(header: &csv::StringRecord, reference: &Reference) -> Result<Self> {
        let find = |name: &str| -> Result<Option<usize>> {
            let mut found = header.iter().enumerate().filter(|(_, cell)| cell.eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(Error::usage(format!("two columns are named {name}"))),
                (first, _) => Ok(first.map(|(index, _)| index)),
            }
        };
        let valid_share = find("valid_share")?;
        Ok(Self {
            tile: find("tile")?,
            score: find("score")?.ok_or_else(|| {
                Error::usage(
                    "no column score; give a result table of s2infer, or one of `s2infer drift reference --table`",
                )
            })?,
            group: find("group")?,
            season: find("season")?,
            cloud: find("cloud")?,
            shift: find("shift")?,
            decision: find("decision")?,
            bands: band_columns(find, valid_share.is_some(), reference)?,
            valid_share,
        })
    }

    /// One row; none for an error.
    fn row(&self, record: &csv::StringRecord, reference: &Reference) -> Result<Option<Observation>> {
        let cell = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
        if cell(self.decision) == "error" {
            return Ok(None);
        }
        let score = match cell(Some(self.score)) {
            "" => None,
            text => Some(
                number(text)
                    .filter(|score| (0.0..=1.0).contains(score))
                    .ok_or_else(|| Error::usage(format!("score {} is not a number from 0 to 1", quoted(text))))?,
            ),
        };
        Ok(Some(Observation { group: self.group(&cell, reference)?, score, summary: self.summary(&cell)? }))
    }

    /// By the column `group`, else season and sky, else a shift that is a group; none where it is not known.
    fn group<'a>(&self, cell: &impl Fn(Option<usize>) -> &'a str, reference: &Reference) -> Result<Option<String>> {
        let named = cell(self.group);
        if !named.is_empty() {
            return Ok(Some(named.to_owned()));
        }
        let word = |column: &'static str, text: &'a str| match text.len() <= WORD_BYTES_MAX {
            true => Ok(text),
            false => Err(Error::usage(format!("{column} {}: give one word or number", quoted(text)))),
        };
        let sky = match word("cloud", cell(self.cloud))? {
            "" => None,
            text => sky(text, &Bounds::default())?,
        };
        if let (Some(season), Some(sky)) = (season(word("season", cell(self.season))?)?, sky) {
            return Ok(Some(group_name(season, sky)));
        }
        let shift = cell(self.shift);
        Ok(is_group(shift, reference.groups.iter().map(|group| group.group.as_str())).then(|| shift.to_owned()))
    }

    fn summary<'a>(&self, cell: &impl Fn(Option<usize>) -> &'a str) -> Result<Option<WindowSummary>> {
        let (bands, text) = (&self.bands, cell(self.valid_share));
        if text.is_empty() {
            return Ok(None);
        }
        let finite = |column: usize| {
            let text = cell(Some(column));
            number(text).ok_or_else(|| Error::usage(format!("{} is no number", quoted(text))))
        };
        let valid_share = number(text).filter(|share| (0.0..=1.0).contains(share));
        let valid_share =
            valid_share.ok_or_else(|| Error::usage(format!("valid_share {} is not 0 to 1", quoted(text))))?;
        if bands.iter().all(|(mean, deviation)| cell(Some(*mean)).is_empty() && cell(Some(*deviation)).is_empty()) {
            return Ok(Some(WindowSummary { valid_share, bands: Box::default() }));
        }
        let band = |&(mean, deviation): &(usize, usize)| -> Result<BandSummary> {
            Ok(BandSummary { mean: finite(mean)?, standard_deviation: finite(deviation)? })
        };
        Ok(Some(WindowSummary { valid_share, bands: bands.iter().map(band).collect::<Result<_>>()? }))
    }
}

/// Those of all bands, or none where the table has none of them: with some of them alone nobody would know which were
/// left out.
fn band_columns(
    find: impl Fn(&str) -> Result<Option<usize>>,
    has_valid_share: bool,
    reference: &Reference,
) -> Result<Vec<(usize, usize)>> {
    let of_band = |band| [Quantity::Mean(band), Quantity::Deviation(band)];
    let names = (0..reference.bands.len()).flat_map(of_band).map(|quantity| quantity.name(&reference.bands));
    let columns: Vec<(String, Option<usize>)> =
        names.map(|name| find(&name).map(|column| (name, column))).collect::<Result<_>>()?;
    if columns.iter().all(|(_, column)| column.is_none()) {
        return Ok(Vec::new());
    }
    let missing = columns.iter().filter(|(_, column)| column.is_none()).map(|(name, _)| name.as_str());
    let missing: Vec<&str> = missing.chain((!has_valid_share).then_some("valid_share")).collect();
    if !missing.is_empty() {
        return Err(Error::usage(format!(
            "columns are missing: {}; add them, or leave out all of mean_ and deviation_",
            missing.join(", ")
        )));
    }
    let columns: Vec<usize> = columns.into_iter().filter_map(|(_, column)| column).collect();
    Ok(columns.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect())
}

fn number(text: &str) -> Option<f32> {
    text.parse().ok().filter(|value: &f32| value.is_finite())
}

/// Whether a shift names one group: one of these, or of season and sky.
pub(crate) fn is_group<'a>(shift: &str, mut groups: impl Iterator<Item = &'a str>) -> bool {
    let season_sky = || SEASON_SKY_GROUPS.iter().any(|&(season, sky)| group_name(season, sky) == shift);
    shift != ALL && (groups.any(|group| group == shift) || season_sky())
}
