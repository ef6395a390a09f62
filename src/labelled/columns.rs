//! Where the columns of a table stand.

use csv::StringRecord;

use crate::limits::TABLE_COLUMNS_MAX;
use crate::{Error, Result};

/// What a table is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Labels and scores.
    Scores,
    /// Labels and the tiles themselves.
    Tiles,
    /// The tiles and maps of labels.
    Maps,
    /// Nothing but where tiles are and what they are called.
    Places,
}

/// Index of each column with a meaning of its own.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) tile: Option<usize>,
    pub(super) label: Option<usize>,
    pub(super) mask: Option<usize>,
    pub(super) score: Option<usize>,
    pub(super) split: Option<usize>,
    pub(super) site: Option<usize>,
    pub(super) region: Option<usize>,
    pub(super) group: Option<usize>,
    pub(super) season: Option<usize>,
    pub(super) cloud: Option<usize>,
    pub(super) cloud_cover: Option<usize>,
    pub(super) date: Option<usize>,
    pub(super) longitude: Option<usize>,
    pub(super) latitude: Option<usize>,
    pub(super) shift: Option<usize>,
    pub(super) decision: Option<usize>,
    pub(super) model: Option<usize>,
    pub(super) prefilter: Option<usize>,
    pub(super) reason: Option<usize>,
    /// Left upper corner of a window.
    pub(super) window: Option<[usize; 2]>,
    /// All the others, with their names.
    pub(super) further: Vec<(usize, String)>,
}

/// Columns of result tables that say nothing about a tile.
const IGNORED: [&str; 6] = ["x", "y", "width", "height", "threshold", "class_scores"];

impl Columns {
    /// Finds the columns by name, in any order and case.
    pub(super) fn find(header: &StringRecord, needs: Needs) -> Result<Self> {
        if header.len() > TABLE_COLUMNS_MAX {
            return Err(Error::usage(format!(
                "{} columns, at most {TABLE_COLUMNS_MAX} are read: is this a table of labelled tiles?",
                header.len()
            )));
        }
        if let Some(separator) =
            [';', '\t'].into_iter().find(|separator| header.len() == 1 && header[0].contains(*separator))
        {
            return Err(Error::usage(format!("its columns are separated by {separator:?}; separate them by commas")));
        }
        let mut columns = Self::default();
        let mut corner = [None, None];
        for (index, cell) in header.iter().enumerate() {
            let name = cell.to_ascii_lowercase();
            let slot = match name.as_str() {
                "tile" | "path" => &mut columns.tile,
                "label" => &mut columns.label,
                "mask" if needs == Needs::Maps => &mut columns.mask,
                "score" => &mut columns.score,
                "split" => &mut columns.split,
                "site" => &mut columns.site,
                "region" => &mut columns.region,
                "group" => &mut columns.group,
                "season" => &mut columns.season,
                "cloud" => &mut columns.cloud,
                "cloud_cover" | "cloud_cover_percent" => &mut columns.cloud_cover,
                "date" => &mut columns.date,
                "longitude" | "lon" => &mut columns.longitude,
                "latitude" | "lat" => &mut columns.latitude,
                "shift" => &mut columns.shift,
                "decision" => &mut columns.decision,
                "model_sha256" => &mut columns.model,
                "prefilter" => &mut columns.prefilter,
                "reason" => &mut columns.reason,
                "x" => &mut corner[0],
                "y" => &mut corner[1],
                // A column without a name, as an index of pandas.
                "" => continue,
                other if IGNORED.contains(&other) => continue,
                _ => {
                    if columns.further.iter().any(|(_, other)| *other == name) {
                        return Err(twice(&name));
                    }
                    columns.further.push((index, name));
                    continue;
                }
            };
            if slot.replace(index).is_some() {
                return Err(twice(&name));
            }
        }
        if let [Some(x), Some(y)] = corner {
            columns.window = Some([x, y]);
        }
        // Where nothing else says what a region is, a country is one.
        if columns.region.is_none()
            && let Some(country) = columns.further.iter().position(|(_, name)| name == "country")
        {
            columns.region = Some(columns.further.remove(country).0);
        }
        columns.check(needs)?;
        Ok(columns)
    }

    fn check(&self, needs: Needs) -> Result<()> {
        let (header, example) = match needs {
            Needs::Scores => (
                "tile,label,score,season,cloud[,site][,region][,group]",
                ", or be that of a result table of s2infer with a column label",
            ),
            Needs::Tiles => ("path,label,split,site,region,season,cloud", "; only path and label are always needed"),
            Needs::Places => ("path,split,site,longitude,latitude", "; only path is always needed"),
            Needs::Maps => ("path,mask,split,site,region,season,cloud", "; only path and mask are always needed"),
        };
        let missing =
            |name: &str| Err(Error::usage(format!("no column {name}; the header must name {header}{example}")));
        match needs {
            Needs::Maps if self.mask.is_none() => return missing("mask"),
            Needs::Scores | Needs::Tiles if self.label.is_none() => return missing("label"),
            _ => {}
        }
        if needs != Needs::Scores {
            return if self.tile.is_none() { missing("path") } else { Ok(()) };
        }
        // Of several classes the decision may be all there is.
        if self.score.is_none() && self.decision.is_none() {
            return missing("score");
        }
        Ok(())
    }

    /// Refuses a table that cannot say which season and sky its tiles have.
    pub(super) fn check_groups(&self) -> Result<()> {
        let by_date = self.date.is_some() && self.latitude.is_some();
        let missing =
            match (self.group.or(self.shift), self.season.is_some() || by_date, self.cloud.or(self.cloud_cover)) {
                (Some(_), ..) | (None, true, Some(_)) => return Ok(()),
                (None, false, _) => "season",
                (None, true, None) => "cloud",
            };
        Err(Error::usage(format!(
            "no column {missing}; the header must name tile,label,score,season,cloud[,site][,region][,group], or be that \
             of a result table of s2infer with a column label"
        )))
    }
}

fn twice(name: &str) -> Error {
    Error::usage(format!("two columns are named {name}, or mean the same"))
}
