//! Facts that stand beside the pixels: the `--metadata` table and the file's own tags.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::limits::{TABLE_BYTES_MAX, read_bounded};
use crate::{Error, Result};

/// What the side table says of one tile.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TileFacts {
    /// Acquisition date.
    pub date: Option<Date>,
    /// Share of clouds in percent.
    pub cloud_cover_percent: Option<f64>,
}

/// The side table `tile,date,cloud_cover`, matched by path or file name.
#[derive(Debug, Default)]
pub struct TileTable {
    by_file_name: HashMap<OsString, Vec<(PathBuf, TileFacts)>>,
}

/// What a column may be called, the first that is there; letters and digits alone are compared, in any case.
const TILE_COLUMNS: [&str; 4] = ["tile", "path", "file", "filename"];
const DATE_COLUMNS: [&str; 4] = ["date", "acquisitiondate", "sensingdate", "datetime"];
const CLOUD_COLUMNS: [&str; 5] =
    ["cloudcover", "cloudcoverpercent", "cloudypixelpercentage", "cloudcoverage", "eocloudcover"];

impl TileTable {
    /// Reads a CSV file with a header row; `tile` (or `path`, `file`, `filename`) is required, `date`
    /// (`acquisition_date`, …) and `cloud_cover` (`cloudcover`, `cloud_cover_percent`, …; percent) may be empty or one
    /// of them absent, other columns are left alone.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] naming the file and line.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_bounded(path, TABLE_BYTES_MAX)?).map_err(|error| error.context(path.display()))
    }

    fn parse(text: &[u8]) -> Result<Self> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader.headers().map_err(Error::usage)?.clone();
        let header: Vec<String> = header.iter().map(plain).collect();
        let column = |names: &[&str]| names.iter().find_map(|name| header.iter().position(|cell| cell == name));
        let tile = column(&TILE_COLUMNS)
            .ok_or_else(|| Error::usage("no column `tile`; the header must be tile,date,cloud_cover (in percent)"))?;
        let (date, cloud_cover) = (column(&DATE_COLUMNS), column(&CLOUD_COLUMNS));
        if date.is_none() && cloud_cover.is_none() {
            return Err(Error::usage("neither a column `date` nor a column `cloud_cover`"));
        }
        let mut table = Self::default();
        for record in reader.records() {
            let record = record.map_err(Error::usage)?;
            let line = line_of(text, record.position());
            let cell = |column: Option<usize>| column.and_then(|at| record.get(at)).filter(|text| !text.is_empty());
            let name = PathBuf::from(cell(Some(tile)).ok_or_else(|| Error::usage(format!("line {line}: no tile")))?);
            let facts = TileFacts {
                date: cell(date)
                    .map(super::parse_date)
                    .transpose()
                    .map_err(|error| error.context(format!("line {line}")))?,
                cloud_cover_percent: cell(cloud_cover)
                    .map(parse_percent)
                    .transpose()
                    .map_err(|error| error.context(format!("line {line}, cloud_cover")))?,
            };
            let Some(file_name) = name.file_name().map(OsString::from) else {
                return Err(Error::usage(format!("line {line}: `{}` names no file", name.display())));
            };
            let rows = table.by_file_name.entry(file_name).or_default();
            if rows.iter().any(|(other, _)| *other == name) {
                return Err(Error::usage(format!("line {line}: `{}` stands twice", name.display())));
            }
            rows.push((name, facts));
        }
        Ok(table)
    }

    /// What a person should know who gave this table for these tiles: that no row belongs to any of them, that the
    /// clouds look like fractions.
    pub fn remarks<'a>(&self, mut tiles: impl Iterator<Item = &'a Path>) -> Vec<String> {
        let mut remarks = Vec::new();
        let rows = self.by_file_name.values().map(Vec::len).sum::<usize>();
        if !tiles.any(|tile| self.row(tile).is_some()) {
            remarks.push(format!(
                "0 of {rows} rows matched a tile; a row's `tile` is a tile's file name with its extension, or the end \
                 of its path"
            ));
        }
        let clouds: Vec<f64> =
            self.by_file_name.values().flatten().filter_map(|(_, facts)| facts.cloud_cover_percent).collect();
        if clouds.iter().all(|percent| *percent <= 1.0) && clouds.iter().any(|percent| percent.fract() != 0.0) {
            remarks.push("no cloud cover is above 1, as if given as fractions; it is read as percent".into());
        }
        remarks
    }

    /// The facts of a tile, as far as a row states them.
    pub fn facts(&self, path: &Path) -> TileFacts {
        self.row(path).unwrap_or_default()
    }

    /// The row whose path is the longest end of `path`.
    fn row(&self, path: &Path) -> Option<TileFacts> {
        let rows = path.file_name().and_then(|name| self.by_file_name.get(name)).map_or(&[][..], Vec::as_slice);
        let length = |row: &Path| row.components().filter(|part| *part != std::path::Component::CurDir).count();
        let fitting =
            rows.iter().filter(|(row, _)| path == row || path.ends_with(row.strip_prefix(".").unwrap_or(row)));
        fitting.max_by_key(|(row, _)| length(row)).map(|(_, facts)| *facts)
    }
}

/// The line that a record stands on: its position is that of the blank lines before it.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let rest = text.get(position.byte() as usize..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte)).filter(|byte| **byte == b'\n').count();
    position.line() + blank as u64
}

/// A column's name without its spaces, signs and capitals.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A share in percent, 0 to 100.
fn parse_percent(text: &str) -> Result<f64> {
    match text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(Error::usage(format!("`{text}` is not a share in percent (0 to 100)"))),
    }
}

/// Names under which writers keep the acquisition date, the most telling first. TIFF's own DateTime is none of them: it
/// is the date of the file.
const DATE_TAGS: [&str; 6] = [
    "ACQUISITION_DATE",
    "ACQUISITIONDATETIME",
    "DATATAKE_1_DATATAKE_SENSING_START",
    "PRODUCT_START_TIME",
    "SENSING_TIME",
    "datetime",
];

/// Names under which writers keep the cloud share in percent.
const CLOUD_TAGS: [&str; 4] = ["CLOUDY_PIXEL_PERCENTAGE", "CLOUD_COVERAGE_ASSESSMENT", "eo:cloud_cover", "CLOUD_COVER"];

/// The acquisition date in a file's tags.
pub fn date_of_tags(tags: &BTreeMap<String, String>) -> Option<Date> {
    DATE_TAGS.iter().find_map(|name| super::product::leading_date(tag(tags, name)?.trim()))
}

/// The cloud share in a file's tags.
pub fn cloud_cover_of_tags(tags: &BTreeMap<String, String>) -> Option<f64> {
    CLOUD_TAGS.iter().find_map(|name| parse_percent(tag(tags, name)?.trim()).ok())
}

fn tag<'a>(tags: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_row_matches_by_file_name_or_by_the_longest_path() {
        let table = TileTable::parse(b"tile,date,cloud_cover\na.tif,2024-01-05,5\nwest/a.tif,,62.5\nb.tif,20240706,\n")
            .unwrap();
        assert_eq!(table.facts(Path::new("east/a.tif")).date, Some(date(2024, 1, 5)));
        assert_eq!(table.facts(Path::new("x/west/a.tif")).cloud_cover_percent, Some(62.5));
        assert_eq!(table.facts(Path::new("b.tif")).date, Some(date(2024, 7, 6)));
        assert_eq!(table.facts(Path::new("c.tif")), TileFacts::default());
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (text, expected) in [
            ("tile,date\na.tif,yesterday\n", "line 2"),
            ("tile,cloud_cover\na.tif,5\nb.tif,NaN\n", "line 3"),
            ("tile,cloud_cover\n\na.tif,5\n\nb.tif,NaN\n", "line 5"),
            ("tile,cloud_cover\na.tif,5\na.tif,6\n", "twice"),
            ("name,date\na.tif,2024-01-05\n", "no column `tile`"),
            ("tile,remark\na.tif,x\n", "neither"),
        ] {
            let message = TileTable::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_date_of_the_file_is_no_date_of_acquisition() {
        let mut tags = BTreeMap::from([
            ("TIFFTAG_DATETIME".to_owned(), "2025:05:05 00:00:00".to_owned()),
            ("Cloud_Coverage_Assessment".to_owned(), "12.5".to_owned()),
        ]);
        assert_eq!(date_of_tags(&tags), None);
        assert_eq!(cloud_cover_of_tags(&tags), Some(12.5));
        tags.insert("acquisition_date".to_owned(), "2024-01-31T10:00:00Z".to_owned());
        assert_eq!(date_of_tags(&tags), Some(date(2024, 1, 31)));
    }

    #[test]
    fn columns_are_known_by_their_usual_names() {
        for header in ["path,acquisition_date,cloudcover", "Tile,Date,Cloud cover", "file,datetime,cloud_cover_percent"]
        {
            let table = TileTable::parse(format!("{header}\na.tif,2024-01-05,40\n").as_bytes()).unwrap();
            let facts = table.facts(Path::new("a.tif"));
            assert_eq!((facts.date, facts.cloud_cover_percent), (Some(date(2024, 1, 5)), Some(40.0)), "{header}");
        }
    }

    #[test]
    fn a_table_of_other_tiles_or_of_fractions_is_remarked_on() {
        let remarks = |rows: &str, tile: &str| {
            let table = TileTable::parse(format!("tile,cloud_cover\n{rows}").as_bytes()).unwrap();
            table.remarks(std::iter::once(Path::new(tile))).join("; ")
        };
        assert!(remarks("a,5\nb,6\n", "a.tif").starts_with("0 of 2 rows"));
        assert!(remarks("a.tif,0.25\nb.tif,1\n", "a.tif").starts_with("no cloud cover is above 1"));
        for whole in ["a.tif,0\nb.tif,1\n", "a.tif,0.25\nb.tif,40\n", "a.tif,\n"] {
            assert_eq!(remarks(whole, "x/a.tif"), "", "{whole}");
        }
    }
}
