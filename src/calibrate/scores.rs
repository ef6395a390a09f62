//! The table of scores: `tile,label,score,season,cloud[,site][,group]`, columns in any order. A result table of s2infer
//! with a column `label` is one too: its `shift` is the group, and rows without a decision are left out.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::backoff::Node;
use crate::decide::{Bounds, SEASON_SKY_GROUPS, group_name, sha256};
use crate::labelled::{Labelled, Labels};
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
    pub group: Arc<str>,
    /// Its site: tiles of one site are not independent.
    pub site: Option<Arc<str>>,
    /// Its region.
    pub region: Option<Arc<str>>,
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
    /// SHA-256 of the model that gave the scores, where the table says so.
    pub model_sha256: Option<String>,
    /// Rows left out because their sky is more than cloudy, where a run would abstain.
    pub n_overcast: u64,
    /// Rows left out because a run did not decide them: `decision` is `abstain` or `error`.
    pub n_undecided: u64,
}

impl Scores {
    /// A tile that both tables name; none where they share none.
    pub fn tile_in_common<'a>(&'a self, other: &Self) -> Option<&'a str> {
        let tiles: std::collections::HashSet<&str> = other.rows.iter().map(|row| row.tile.as_str()).collect();
        let named = self.rows.iter().map(|row| row.tile.as_str()).filter(|tile| !tile.is_empty());
        named.into_iter().find(|tile| tiles.contains(tile))
    }

    /// Reads a table from a file.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if it cannot be read, is too large, or is not such a table; the message names
    /// the line.
    pub fn read(path: &Path, bounds: &Bounds) -> Result<Self> {
        Self::of(Labelled::read_scores(path, &Labels::binary(), bounds)?).map_err(|error| error.context(path.display()))
    }

    /// Reads a table from bytes; `file` is its name for the profile.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] as [`Self::read`].
    pub fn parse(bytes: &[u8], file: &str, bounds: &Bounds) -> Result<Self> {
        Self::of(Labelled::parse_scores(bytes, file, &Labels::binary(), bounds)?)
    }

    /// The scores of a labelled table.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if a row has none.
    pub fn of(table: Labelled) -> Result<Self> {
        let row = |row: crate::labelled::LabelledRow| {
            let score = row.score.ok_or_else(|| Error::usage(format!("{}: has no score", row.tile)))?;
            let positive = row.is_positive();
            Ok(ScoreRow { tile: row.tile, positive, score, group: row.group, site: row.site, region: row.region })
        };
        Ok(Self {
            rows: table.rows.into_iter().map(row).collect::<Result<_>>()?,
            file: table.file,
            sha256: table.sha256,
            model_sha256: table.model_sha256,
            n_overcast: table.n_overcast,
            n_undecided: table.n_undecided,
        })
    }

    /// Different sites among the positives; none unless every positive has one.
    pub(super) fn n_sites(&self) -> Option<u64> {
        count_sites(self.rows.iter().filter(|row| row.positive))
    }

    /// The groups with their positives: the four of season × sky, whether they have rows or not, or the names
    /// of the column `group` in order of appearance.
    pub(super) fn nodes(&self, one_per_site: bool) -> Vec<Node> {
        let mut rows_of: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            rows_of.entry(&row.group).or_default().push(index);
        }
        let sites = self.site_numbers();
        let node = |group: String| {
            let rows = rows_of.get(group.as_str()).map(Vec::as_slice).unwrap_or_default();
            let (positives, negatives): (Vec<usize>, Vec<usize>) =
                rows.iter().copied().partition(|&row| self.rows[row].positive);
            let positives = if one_per_site { self.one_of_each_site(positives, &sites) } else { positives };
            let mut scored: Vec<(f64, u32)> = positives.iter().map(|&row| (self.rows[row].score, sites[row])).collect();
            scored.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut negatives: Vec<f64> = negatives.into_iter().map(|row| self.rows[row].score).collect();
            negatives.sort_by(f64::total_cmp);
            let n_sites = count_sites(positives.iter().map(|&row| &self.rows[row]));
            Node { positives: scored, negatives, n_sites, group }
        };
        self.group_names().into_iter().map(node).collect()
    }

    /// A number for the site of each row; rows without a site have numbers of their own.
    pub(super) fn site_numbers(&self) -> Vec<u32> {
        let mut of_site: HashMap<&str, u32> = HashMap::new();
        let mut next = 0;
        let mut fresh = || {
            next += 1;
            next - 1
        };
        let number = self.rows.iter().map(|row| match row.site.as_deref() {
            Some(site) => *of_site.entry(site).or_insert_with(&mut fresh),
            None => fresh(),
        });
        number.collect()
    }

    /// Of each site the row whose tile's name has the lowest hash: a choice that knows no score.
    pub(super) fn one_of_each_site(&self, rows: Vec<usize>, sites: &[u32]) -> Vec<usize> {
        let mut chosen: HashMap<u32, (String, usize)> = HashMap::new();
        for row in rows {
            let candidate = (sha256(self.rows[row].tile.as_bytes()), row);
            let kept = chosen.entry(sites[row]).or_insert_with(|| candidate.clone());
            if candidate < *kept {
                *kept = candidate;
            }
        }
        let mut rows: Vec<usize> = chosen.into_values().map(|(_, row)| row).collect();
        rows.sort_unstable();
        rows
    }

    fn group_names(&self) -> Vec<String> {
        let season_sky: Vec<_> = SEASON_SKY_GROUPS.iter().map(|&(season, sky)| group_name(season, sky)).collect();
        let mut seen = HashSet::new();
        let names: Vec<_> = self.rows.iter().map(|row| &row.group).filter(|name| seen.insert(*name)).collect();
        if names.iter().all(|name| season_sky.iter().any(|known| **known == ***name)) {
            return season_sky;
        }
        names.into_iter().map(|name| name.to_string()).collect()
    }
}

fn count_sites<'a>(rows: impl Iterator<Item = &'a ScoreRow>) -> Option<u64> {
    let sites: Option<HashSet<_>> = rows.map(|row| row.site.as_deref()).collect();
    sites.map(|sites| sites.len() as u64)
}
