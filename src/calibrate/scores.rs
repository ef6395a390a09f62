//! The table of scores: `tile,label,score,season,cloud[,site][,group]`, columns in any order. A result table of s2infer
//! with a column `label` is one too: its `shift` is the group, and rows without a decision are left out.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::backoff::Node;
use crate::decide::{Bounds, SEASON_SKY_GROUPS, Season, Sky, group_name, sha256, validate_group_name};
use crate::limits::{GROUPS_MAX, TABLE_BYTES_MAX, read_bounded};
use crate::{Error, Result};

/// One scored tile with its label.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow {
    /// The tile; empty where the table has no such column.
    pub tile: String,
    /// Whether it is a true positive.
    pub positive: bool,
    /// Its score, 0 to 1.
    pub score: f64,
    /// Its group: the column `group`, else season and sky.
    pub group: String,
    /// Its site: tiles of one site are not independent.
    pub site: Option<String>,
}

/// A table of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The rows, in the order of the table.
    pub rows: Vec<ScoreRow>,
    /// File name, for the profile.
    pub file: String,
    /// SHA-256 of the table's bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Rows left out because their sky is more than cloudy, where a run would abstain.
    pub n_overcast: u64,
    /// Rows left out because a run did not decide them: `decision` is `abstain` or `error`.
    pub n_undecided: u64,
}

impl Scores {
    /// Reads a table from a file.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if it cannot be read, is too large, or is not such a table; the message names
    /// the line.
    pub fn read(path: &Path, bounds: &Bounds) -> Result<Self> {
        let bytes = read_bounded(path, TABLE_BYTES_MAX)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(&bytes, &file, bounds).map_err(|error| error.context(path.display()))
    }

    /// Reads a table from bytes; `file` is its name for the profile.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] as [`Self::read`].
    pub fn parse(bytes: &[u8], file: &str, bounds: &Bounds) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let header = reader.headers().map_err(|error| Error::usage(format!("not CSV: {error}")))?;
        let columns = Columns::find(header)?;
        let (file, sha256) = (file.to_owned(), sha256(bytes));
        let mut scores = Self { rows: Vec::new(), file, sha256, n_overcast: 0, n_undecided: 0 };
        for record in reader.into_records() {
            let record = record.map_err(|error| Error::usage(format!("not CSV: {error}")))?;
            let line = record.position().map_or(0, csv::Position::line);
            if columns.is_undecided(&record) {
                scores.n_undecided += 1;
                continue;
            }
            match columns.row(&record, bounds).map_err(|error| error.context(format!("line {line}")))? {
                Some(row) => scores.rows.push(row),
                None => scores.n_overcast += 1,
            }
        }
        if scores.rows.is_empty() {
            return Err(Error::usage(match scores.n_overcast {
                0 if scores.n_undecided > 0 => format!("a run decided none of the {} rows", scores.n_undecided),
                0 => "no scores below the header".to_owned(),
                n => format!("all {n} rows are too cloudy to decide: above {} %", bounds.cloudy_up_to_percent),
            }));
        }
        if scores.group_names().len() > GROUPS_MAX {
            return Err(Error::usage(format!("more than {GROUPS_MAX} groups; the column `group` holds few names")));
        }
        Ok(scores)
    }

    /// Different sites among the positives; none unless every positive has one.
    pub(super) fn n_sites(&self) -> Option<u64> {
        count_sites(self.rows.iter().filter(|row| row.positive))
    }

    /// The groups with their positives: the four of season × sky, whether they have rows or not, or the names
    /// of the column `group` in order of appearance.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let names = self.group_names();
        let mut rows_of: HashMap<(&str, bool), Vec<&ScoreRow>> = HashMap::new();
        for row in &self.rows {
            rows_of.entry((&row.group, row.positive)).or_default().push(row);
        }
        let node = |group: String| {
            let rows = |positive| rows_of.get(&(group.as_str(), positive)).map(Vec::as_slice).unwrap_or_default();
            let ascending = |positive| {
                let mut scores: Vec<f64> = rows(positive).iter().map(|row| row.score).collect();
                scores.sort_by(f64::total_cmp);
                scores
            };
            Node {
                positives: ascending(true),
                negatives: ascending(false),
                n_sites: count_sites(rows(true).iter().copied()),
                site_size: site_size(rows(true)),
                group: group.clone(),
            }
        };
        names.into_iter().map(node).collect()
    }

    fn group_names(&self) -> Vec<String> {
        let season_sky: Vec<_> = SEASON_SKY_GROUPS.iter().map(|&(season, sky)| group_name(season, sky)).collect();
        let mut seen = HashSet::new();
        let names: Vec<_> = self.rows.iter().map(|row| &row.group).filter(|name| seen.insert(*name)).collect();
        if names.iter().all(|name| season_sky.contains(name)) {
            return season_sky;
        }
        names.into_iter().cloned().collect()
    }
}

fn count_sites<'a>(rows: impl Iterator<Item = &'a ScoreRow>) -> Option<u64> {
    let sites: Option<HashSet<_>> = rows.map(|row| row.site.as_deref()).collect();
    sites.map(|sites| sites.len() as u64)
}

/// Rows of the same site as a row, itself among them, on average over rows: Σ m² / Σ m over the sites' sizes m. Rows
/// without a site stand alone.
fn site_size(rows: &[&ScoreRow]) -> f64 {
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    let alone = rows.iter().filter(|row| row.site.is_none()).count();
    rows.iter().filter_map(|row| row.site.as_deref()).for_each(|site| *sizes.entry(site).or_default() += 1);
    let squares = alone + sizes.values().map(|size| size * size).sum::<usize>();
    squares as f64 / rows.len().max(1) as f64
}

/// Where the columns stand.
struct Columns {
    tile: Option<usize>,
    label: usize,
    score: usize,
    season: Option<usize>,
    cloud: Option<usize>,
    site: Option<usize>,
    group: Option<usize>,
    shift: Option<usize>,
    decision: Option<usize>,
}

impl Columns {
    fn find(header: &csv::StringRecord) -> Result<Self> {
        let find = |name: &str| -> Result<Option<usize>> {
            let mut found = header.iter().enumerate().filter(|(_, cell)| cell.eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(Error::usage(format!("two columns are named {name}"))),
                (first, _) => Ok(first.map(|(i, _)| i)),
            }
        };
        let missing = |name: &str| {
            Error::usage(format!(
                "no column {name}; the header must name tile,label,score,season,cloud[,site][,group], or be that of a \
                 result table of s2infer with a column label"
            ))
        };
        let columns = Self {
            tile: find("tile")?,
            label: find("label")?.ok_or_else(|| missing("label"))?,
            score: find("score")?.ok_or_else(|| missing("score"))?,
            season: find("season")?,
            cloud: find("cloud")?,
            site: find("site")?,
            group: find("group")?,
            shift: find("shift")?,
            decision: find("decision")?,
        };
        if columns.group.or(columns.shift).is_none() {
            columns.season.ok_or_else(|| missing("season"))?;
            columns.cloud.ok_or_else(|| missing("cloud"))?;
        }
        Ok(columns)
    }

    fn is_undecided(&self, record: &csv::StringRecord) -> bool {
        self.decision.and_then(|i| record.get(i)).is_some_and(|decision| ["abstain", "error"].contains(&decision))
    }

    /// One row; none if its sky is more than cloudy.
    fn row(&self, record: &csv::StringRecord, bounds: &Bounds) -> Result<Option<ScoreRow>> {
        let cell = |column: Option<usize>| column.and_then(|i| record.get(i)).unwrap_or_default();
        let sky = match cell(self.cloud) {
            "" => None,
            text => match sky(text, bounds)? {
                Some(sky) => Some(sky),
                None => return Ok(None),
            },
        };
        let group = match (cell(self.group), season(cell(self.season))?, sky) {
            ("", Some(season), Some(sky)) => group_name(season, sky),
            ("", None, None) if self.shift.is_some() => group_of_shift(cell(self.shift))?,
            ("", None, _) => return Err(Error::usage("season is empty; give summer or winter")),
            ("", _, None) => return Err(Error::usage("cloud is empty; give clear, cloudy or a percentage")),
            (name, _, _) => {
                validate_group_name(name).map_err(Error::usage)?;
                name.to_owned()
            }
        };
        let site = cell(self.site);
        Ok(Some(ScoreRow {
            tile: cell(self.tile).to_owned(),
            positive: label(cell(Some(self.label)))?,
            score: score(cell(Some(self.score)))?,
            group,
            site: (!site.is_empty()).then(|| site.to_owned()),
        }))
    }
}

/// The group that a run took a threshold from, if season and sky were known to it.
fn group_of_shift(shift: &str) -> Result<String> {
    let groups: Vec<_> = SEASON_SKY_GROUPS.iter().map(|&(season, sky)| group_name(season, sky)).collect();
    groups.iter().find(|group| *group == shift).cloned().ok_or_else(|| {
        Error::usage(format!(
            "shift {shift:?} is none of {}: add the columns season and cloud, or score with a profile and --metadata",
            groups.join(", ")
        ))
    })
}

fn label(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "positive" => Ok(true),
        "0" | "false" | "negative" => Ok(false),
        _ => Err(Error::usage(format!("label {text:?}: give 1 or 0, true or false, positive or negative"))),
    }
}

fn score(text: &str) -> Result<f64> {
    // The comparison fails for NaN as well.
    text.parse()
        .ok()
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| Error::usage(format!("score {text:?} is not a number from 0 to 1")))
}

/// The season by name, none of an empty text.
pub(crate) fn season(text: &str) -> Result<Option<Season>> {
    match Season::ALL.into_iter().find(|season| season.name() == text) {
        None if !text.is_empty() => Err(Error::usage(format!("season {text:?}: give summer or winter"))),
        season => Ok(season),
    }
}

/// The sky by name or by percentage; none if it is more than cloudy.
pub(crate) fn sky(text: &str, bounds: &Bounds) -> Result<Option<Sky>> {
    if let Some(sky) = Sky::ALL.into_iter().find(|sky| sky.name() == text) {
        return Ok(Some(sky));
    }
    match text.parse() {
        Ok(percent) => bounds.sky(percent),
        Err(_) => Err(Error::usage(format!("cloud {text:?}: give clear, cloudy or a percentage"))),
    }
}
