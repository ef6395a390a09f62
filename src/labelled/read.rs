//! Reading a table of labelled tiles.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::StringRecord;

use super::columns::{Columns, Needs};
use super::further::Builder;
use super::labels::Labels;
use super::{Labelled, LabelledRow, cells, challenge};
use crate::decide::{Bounds, Season, group_name, sha256, validate_group_name};
use crate::infer::gate::SPARED;
use crate::limits::{GROUPS_MAX, TABLE_BYTES_MAX, read_bounded};
use crate::{Error, Result};

/// Values that tell shares of clouds from percentages, at least.
const PERCENTAGES_MIN: usize = 10;

impl Labelled {
    /// Reads a table of scores: `tile,label,score,season,cloud[,site][,region][,group]` and any further columns, in any
    /// order. A result table of s2infer with a column `label` is one too: its `shift` is the group.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if it cannot be read, is too large, or is not such a table; the message names the line.
    pub fn read_scores(path: &Path, labels: &Labels, bounds: &Bounds) -> Result<Self> {
        read(path, Needs::Scores, labels, bounds)
    }

    /// Reads a manifest: `path,label,split,site,region,season,cloud` and any further columns; of these only `path` and
    /// `label` are always needed. Paths are relative to the manifest's folder. A tile whose season or sky is not known
    /// has an empty group: see [`Labelled::check_groups`].
    ///
    /// # Errors
    /// As [`Self::read_scores`].
    pub fn read_manifest(path: &Path, labels: &Labels, bounds: &Bounds) -> Result<Self> {
        read(path, Needs::Tiles, labels, bounds)
    }

    /// Reads a manifest of tiles with maps of labels, the column `mask` in the place of `label`; or a folder in the layout of
    /// the Preligens challenge (`train/images`, `train/masks`, …), whose tiles are paired by name.
    ///
    /// # Errors
    /// As [`Self::read_scores`].
    pub fn read_maps(path: &Path, labels: &Labels, bounds: &Bounds) -> Result<Self> {
        if challenge::is_one(path) {
            return challenge::read(path);
        }
        read(path, Needs::Maps, labels, bounds)
    }

    /// Reads what a table says of where its tiles are; it need have no labels.
    ///
    /// # Errors
    /// As [`Self::read_scores`].
    pub fn read_places(path: &Path, bounds: &Bounds) -> Result<Self> {
        read(path, Needs::Places, &Labels::binary(), bounds)
    }

    /// Reads a table of scores from bytes; `file` is its name.
    ///
    /// # Errors
    /// As [`Self::read_scores`].
    pub fn parse_scores(bytes: &[u8], file: &str, labels: &Labels, bounds: &Bounds) -> Result<Self> {
        parse(bytes, file, Needs::Scores, labels, bounds)
    }
}

fn read(path: &Path, needs: Needs, labels: &Labels, bounds: &Bounds) -> Result<Labelled> {
    let bytes = read_bounded(path, TABLE_BYTES_MAX)?;
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let table = parse(&bytes, &file, needs, labels, bounds).map_err(|error| error.context(path.display()))?;
    Ok(Labelled { folder: path.parent().map(Path::to_owned).unwrap_or_default(), ..table })
}

fn parse(bytes: &[u8], file: &str, needs: Needs, labels: &Labels, bounds: &Bounds) -> Result<Labelled> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| Error::usage(format!("not CSV: {error}")))?;
    let columns = Columns::find(header, needs)?;
    let needs_groups = labels.is_binary() && needs == Needs::Scores;
    if needs_groups {
        columns.check_groups()?;
    }
    let mut further: Vec<Builder> = columns.further.iter().map(|(_, name)| Builder::new(name)).collect();
    let mut parser =
        Parser { columns, labels, bounds, needs, needs_groups, names: HashSet::new(), model: None, prefilter: None };
    let mut table = Labelled {
        file: file.to_owned(),
        folder: PathBuf::new(),
        sha256: sha256(bytes),
        model_sha256: None,
        prefilter: None,
        rows: Vec::new(),
        further: Vec::new(),
        n_overcast: 0,
        n_undecided: 0,
        n_undecided_positives: 0,
    };
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| Error::usage(format!("not CSV: {error}")))? {
        let line = || line_of(bytes, record.position());
        if parser.is_undecided(&record) {
            table.n_undecided += 1;
            table.n_undecided_positives += u64::from(parser.is_positive(&record));
            continue;
        }
        match parser.row(&record).map_err(|error| error.context(format!("line {}", line())))? {
            Some(row) => {
                table.rows.push(row);
                for (builder, (index, _)) in further.iter_mut().zip(&parser.columns.further) {
                    builder.push(record.get(*index).unwrap_or_default());
                }
            }
            None => table.n_overcast += 1,
        }
    }
    check_percentages(&table)?;
    table.model_sha256 = parser.model;
    table.prefilter = parser.prefilter;
    table.further = further.into_iter().filter_map(Builder::finish).collect();
    check(&table, needs, bounds)?;
    Ok(table)
}

/// The line of a record, the header's being 1. A record's position is where the one before it ended: the second half of a
/// CR LF, or empty lines, stand between.
fn line_of(bytes: &[u8], position: Option<&csv::Position>) -> usize {
    let ended = position.map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX)).min(bytes.len());
    let (before, rest) = bytes.split_at(ended);
    let between = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    1 + before.iter().chain(between).filter(|byte| **byte == b'\n').count()
}

/// Refuses shares where percentages are meant: all skies would be clear.
fn check_percentages(table: &Labelled) -> Result<()> {
    let covers = || table.rows.iter().filter_map(|row| row.cloud_cover_percent);
    let in_shares = covers().filter(|cover| (0.1..=1.0).contains(cover)).count();
    if covers().any(|cover| cover > 1.0) || in_shares < PERCENTAGES_MIN || 2 * in_shares < covers().count() {
        return Ok(());
    }
    Err(Error::usage("cloud: no value is above 1, and most are above 0.1: give percentages, 45 for 0.45"))
}

fn check(table: &Labelled, needs: Needs, bounds: &Bounds) -> Result<()> {
    if table.rows.is_empty() {
        return Err(Error::usage(match table.n_overcast {
            0 if table.n_undecided > 0 => format!("a run decided none of the {} rows", table.n_undecided),
            0 => "no tiles below the header".to_owned(),
            n => format!("all {n} rows are too cloudy to decide: above {} %", bounds.cloudy_up_to_percent),
        }));
    }
    let groups: HashSet<&Arc<str>> = table.rows.iter().map(|row| &row.group).collect();
    if groups.len() > GROUPS_MAX {
        return Err(Error::usage(format!("more than {GROUPS_MAX} groups; the column `group` holds few names")));
    }
    if needs == Needs::Places {
        return Ok(());
    }
    // A tile may stand in several groups, as one that was rendered in several seasons does under one name.
    let mut seen: HashSet<(Cow<'_, str>, &Arc<str>)> = HashSet::new();
    for row in table.rows.iter().filter(|row| !row.tile.is_empty()) {
        if !seen.insert((cells::plain_path(&row.tile), &row.group)) {
            return Err(Error::usage(format!("{} stands twice; every tile counts once", row.tile)));
        }
    }
    Ok(())
}

struct Parser<'a> {
    columns: Columns,
    labels: &'a Labels,
    bounds: &'a Bounds,
    needs: Needs,
    needs_groups: bool,
    names: HashSet<Arc<str>>,
    model: Option<String>,
    prefilter: Option<bool>,
}

impl Parser<'_> {
    fn is_undecided(&self, record: &StringRecord) -> bool {
        self.columns
            .decision
            .and_then(|i| record.get(i))
            .is_some_and(|decision| ["abstain", "error"].contains(&decision))
    }

    fn is_positive(&self, record: &StringRecord) -> bool {
        let label = self.columns.label.and_then(|i| record.get(i)).unwrap_or_default();
        self.labels.is_binary() && self.labels.parse(label).is_ok_and(|label| label == 1)
    }

    /// One row; none if its sky is more than cloudy.
    fn row(&mut self, record: &StringRecord) -> Result<Option<LabelledRow>> {
        let cell = |column: Option<usize>| column.and_then(|i| record.get(i)).unwrap_or_default();
        let columns = &self.columns;
        let latitude = cells::degrees("latitude", cell(columns.latitude), 90.0)?;
        let longitude = cells::degrees("longitude", cell(columns.longitude), 180.0)?;
        let season = match cells::season(cell(columns.season))? {
            None => self.bounds.season(cells::date(cell(columns.date))?, latitude),
            season => season,
        };
        let cover = [cell(columns.cloud_cover), cell(columns.cloud)].into_iter().find_map(cells::percent);
        let cloud = [cell(columns.cloud), cell(columns.cloud_cover)].into_iter().find(|text| !text.is_empty());
        let sky = match cloud.map(|text| cells::sky(text, self.bounds)).transpose()? {
            // Maps of clouds have their labels there.
            Some(None) if self.needs != Needs::Maps => return Ok(None),
            sky => sky.flatten(),
        };
        let group = match (cell(columns.group), season, sky) {
            ("", Some(season), Some(sky)) => group_name(season, sky),
            ("", _, None) if columns.shift.is_some() => cells::group_of_shift(cell(columns.shift))?,
            ("", ..) if !self.needs_groups => String::new(),
            ("", None, _) => return Err(Error::usage("season is empty; give summer or winter")),
            ("", _, None) => return Err(Error::usage("cloud is empty; give clear, cloudy or a percentage")),
            (name, ..) => {
                validate_group_name(name).map_err(Error::usage)?;
                name.to_owned()
            }
        };
        let (label, mask) = match (self.needs, cell(columns.mask)) {
            (Needs::Maps, "") => return Err(Error::usage("mask is empty; every tile needs one")),
            (Needs::Maps, mask) => (0, Some(mask.into())),
            (Needs::Places, _) => (0, None),
            _ => (self.labels.parse(cell(columns.label))?, None),
        };
        let score = match (cell(columns.score), columns.score) {
            (_, None) => None,
            _ if self.needs != Needs::Scores => None,
            ("", _) if !self.labels.is_binary() => None,
            (text, Some(_)) => Some(cells::score(text)?),
        };
        let predicted = if self.needs == Needs::Scores { self.predicted(cell(columns.decision))? } else { None };
        let tile = self.tile(record);
        if self.needs == Needs::Scores {
            self.same_model(cell(self.columns.model).to_owned())?;
            self.same_prefilter(
                cell(self.columns.prefilter).to_owned(),
                cell(self.columns.reason).starts_with(SPARED),
            )?;
        }
        Ok(Some(LabelledRow {
            tile,
            label,
            mask,
            score,
            predicted,
            season: season.or_else(|| season_of(&group)),
            group: self.name(&group),
            split: self.optional(cell(self.columns.split)),
            site: self.optional(cell(self.columns.site)),
            region: self.optional(cell(self.columns.region)),
            cloud_cover_percent: cover,
            longitude_latitude: longitude.zip(latitude),
        }))
    }

    fn tile(&self, record: &StringRecord) -> String {
        let cell = |index: usize| record.get(index).unwrap_or_default();
        let tile = self.columns.tile.map_or("", cell);
        match self.columns.window.map(|corner| corner.map(cell)) {
            Some([x, y]) if !tile.is_empty() && [x, y] != ["0", "0"] => format!("{tile}#{x},{y}"),
            _ => tile.to_owned(),
        }
    }

    fn predicted(&self, decision: &str) -> Result<Option<u16>> {
        if self.labels.is_binary() || decision.is_empty() {
            return Ok(None);
        }
        let class = self.labels.class(decision);
        class.map(Some).ok_or_else(|| {
            Error::usage(format!("decision {decision:?} is no class ({})", self.labels.classes().join(", ")))
        })
    }

    fn same_model(&mut self, sha256: String) -> Result<()> {
        match &self.model {
            Some(model) if *model != sha256 => Err(Error::usage("model_sha256: scores of several models in one table")),
            None if !sha256.is_empty() => {
                self.model = Some(sha256);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A row that was spared says as much as the column.
    fn same_prefilter(&mut self, stated: String, is_spared: bool) -> Result<()> {
        let stated = match stated.as_str() {
            "on" => Some(true),
            "off" => Some(false),
            "" => None,
            _ => return Err(Error::usage(format!("prefilter {stated:?}: give on or off"))),
        };
        for asked in stated.into_iter().chain(is_spared.then_some(true)) {
            if *self.prefilter.get_or_insert(asked) != asked {
                return Err(Error::usage("prefilter: scores with the prefilter and without it in one table"));
            }
        }
        Ok(())
    }

    fn optional(&mut self, text: &str) -> Option<Arc<str>> {
        (!text.is_empty()).then(|| self.name(text))
    }

    /// Names are few and rows many: each name is kept once.
    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let name: Arc<str> = text.into();
        self.names.insert(name.clone());
        name
    }
}

/// The season in a group's name, as `winter-cloudy`.
fn season_of(group: &str) -> Option<Season> {
    let (season, _) = group.split_once('-')?;
    Season::ALL.into_iter().find(|candidate| candidate.name() == season)
}
