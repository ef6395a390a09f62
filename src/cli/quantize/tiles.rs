//! Which tiles do what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ndarray::{Array4, Axis};
use s2infer::calibrate::{NEEDS_SITES, Sites};
use s2infer::decide::Profile;
use s2infer::labelled::{Labelled, LabelledRow, Part, audit, copies};
use s2infer::limits::RANGE_TILES_MIN;
use s2infer::model::manifest::Precision;
use s2infer::model::{Model, sha256};
use s2infer::pipeline::read_inputs;
use s2infer::quantize::{Budget, Counted, Tiles, unseen_loss};
use s2infer::scene::SceneOptions;
use s2infer::{Error, Kind, Result};

use super::measure::promise;
use super::{Quantize, USUAL_SPLITS, has_thresholds};

/// Splits that the gate measures on where --gate-split does not say.
const MEASURING: [&str; 2] = ["measurement", "test"];
const CALIBRATION: &str = "calibration";

/// The tiles of a manifest by what they do.
pub struct Splits {
    /// Ranges are observed on these.
    pub observed: Labelled,
    /// Thresholds are calibrated on these.
    pub calibration: Labelled,
    /// The gate measures on these.
    pub measured: Labelled,
}

impl Quantize {
    /// The splits that the flags name, or the usual ones; they share no tile.
    pub(super) fn splits(&self, table: &Labelled, model: &Model) -> Result<Splits> {
        let needs_thresholds = has_thresholds(model);
        let there = table.splits();
        let file = self.manifest.display();
        let choose = |given: &Option<String>, usual: &[&str], flag: &str, what: &str| -> Result<String> {
            let is_there = |name: &str| there.iter().any(|split| &**split == name);
            match given {
                Some(name) if is_there(name) => Ok(name.clone()),
                Some(name) => Err(Error::usage(format!("{flag} {name}: {file} has the splits {}", there.join(", ")))),
                None => usual.iter().find(|name| is_there(name)).map(|name| (*name).to_owned()).ok_or_else(|| {
                    Error::usage(format!("{file}: no split {} to {what}; give {flag} NAME", usual.join(" or ")))
                }),
            }
        };
        let observed = choose(&self.split, &USUAL_SPLITS, "--split", "observe ranges on")?;
        let measured = choose(&self.gate_split, &MEASURING, "--gate-split", "measure on")?;
        let calibration =
            choose(&None, &[CALIBRATION], "a column split with calibration and", "calibrate thresholds on");
        let calibration = if needs_thresholds { calibration? } else { calibration.unwrap_or_default() };
        if measured == observed || measured == calibration || observed == calibration {
            return Err(Error::usage(format!(
                "{file}: ranges are observed on {observed:?}, thresholds calibrated on {calibration:?} and the gate measures on \
                 {measured:?}: these must be three splits (--split, --gate-split)"
            )));
        }
        let of = |name: &str| table.clone().filtered(|row| row.split.as_deref() == Some(name));
        let splits = Splits { observed: of(&observed), calibration: of(&calibration), measured: of(&measured) };
        // A table names its file itself where it is at fault.
        let named = |error: Error| error.without_context(&table.file).context(&file);
        splits.check(needs_thresholds).map_err(&named)?;
        if let (true, Some(promise)) = (needs_thresholds, promise(model)?) {
            check_sites(&splits.calibration, &promise, &calibration).map_err(&named)?;
        }
        let unseen = splits.unseen_loss(self.precision(), needs_thresholds);
        let unseen = unseen.map_err(|error| named(error.context(format!("split {measured}"))))?;
        if let Some(unseen) = unseen {
            tracing::warn!("{file}: split {measured}: {unseen}");
        }
        Ok(splits)
    }
}

impl Splits {
    /// What can be told before anything runs: files that are not there, tiles and sites in two splits, groups that are not
    /// known.
    fn check(&self, needs_thresholds: bool) -> Result<()> {
        let all = [("ranges", &self.observed), ("calibration", &self.calibration), ("measurement", &self.measured)];
        for (_, table) in all {
            let path = |row: &LabelledRow| table.folder.join(&row.tile);
            if let Some(row) = table.rows.iter().find(|row| !path(row).exists()) {
                return Err(Error::usage(format!("{}: no such file", path(row).display())));
            }
        }
        if needs_thresholds {
            self.calibration.check_groups()?;
            self.measured.check_groups()?;
            self.calibrates()?;
        }
        let n = self.observed.rows.len();
        if n < RANGE_TILES_MIN {
            return Err(Error::usage(format!("{n} tiles to observe ranges on, at least {RANGE_TILES_MIN} are needed")));
        }
        let parts = all.map(|(name, table)| Part { name: name.to_owned(), rows: table.rows.iter().collect() });
        let mut audit = audit(&parts, 0.0);
        if audit.leaks.is_empty() {
            audit.leaks = copies(&parts, &self.observed.folder);
            audit.n_leaks = audit.leaks.len();
        }
        match audit.first() {
            Some(leak) => Err(Error::refused(format!("the splits leak: {leak}"))),
            None => Ok(()),
        }
    }

    /// Thresholds need a positive, and a threshold for every group that is measured.
    fn calibrates(&self) -> Result<()> {
        let table = &self.calibration;
        if !table.rows.iter().any(LabelledRow::is_positive) {
            return Err(Error::usage(format!(
                "split {CALIBRATION}: no positives among its {} tiles, so no threshold can be calibrated",
                table.rows.len()
            )));
        }
        let calibrated: BTreeSet<&str> = table.rows.iter().map(|row| &*row.group).collect();
        match self.measured.rows.iter().find(|row| !calibrated.contains(&*row.group)) {
            Some(row) => Err(Error::usage(format!(
                "split {CALIBRATION}: no tiles of group {}, which is measured: its threshold would be another group's; add \
                 tiles, or leave the group out of all splits",
                row.group
            ))),
            None => Ok(()),
        }
    }

    /// What the gate will not see; an error where it could not judge.
    fn unseen_loss(&self, precision: Precision, needs_thresholds: bool) -> Result<Option<String>> {
        let counted = if needs_thresholds { Counted::Positives } else { Counted::Tiles };
        let calibrated = self.calibration.rows.iter().filter(|_| needs_thresholds).map(|row| &*row.group);
        let calibrated: Vec<&str> = calibrated.collect::<BTreeSet<_>>().into_iter().collect();
        unseen_loss(counted, &Budget::of(precision), &self.measured.rows, &calibrated)
    }
}

/// Refuses a calibration split that no threshold can come of.
fn check_sites(calibration: &Labelled, promise: &Profile, split: &str) -> Result<()> {
    let has_site = |row: &LabelledRow| row.is_positive() && row.site.is_some();
    if Sites::of(promise) != Sites::Independent && !calibration.rows.iter().any(has_site) {
        return Err(Error::usage(format!(
            "split {split}: no positive states a site, which {NEEDS_SITES}: fill the column site"
        )));
    }
    Ok(())
}

/// At most `n_max` tiles as the network sees them, as many of every group of season and sky as there are, in turns; chosen by
/// their names and by nothing in them, so that labels are as frequent as they are.
pub fn observe(model: &Model, table: &Labelled, scene: &SceneOptions, n_max: usize) -> Result<Tiles> {
    let rows = stratified(&table.rows);
    let mut names: Vec<&str> = rows.iter().map(|row| &*row.group).collect();
    names.sort_unstable();
    names.dedup();
    let (mut inputs, mut groups, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = &rows[..];
    // A tile that the model abstains on makes room for another.
    while groups.len() < n_max && !rest.is_empty() {
        let (drawn, later) = rest.split_at(rest.len().min(n_max - groups.len()));
        rest = later;
        let paths: Vec<PathBuf> = drawn.iter().map(|row| table.folder.join(&row.tile)).collect();
        let (read, kept) = read_inputs(&model.manifest, scene, &paths).map_err(unreadable)?;
        inputs.push(read);
        let number = |index: &usize| names.binary_search(&&*drawn[*index].group).unwrap_or_default();
        groups.extend(kept.iter().map(number));
        left_out.extend((0..drawn.len()).filter(|index| !kept.contains(index)).map(|index| drawn[index].tile.as_str()));
    }
    if groups.len() < RANGE_TILES_MIN {
        let more = if left_out.len() > 1 { format!(" (and {} more)", left_out.len() - 1) } else { String::new() };
        let first = left_out.first().map_or(String::new(), |tile| format!("; too little is valid of {tile}{more}"));
        return Err(Error::usage(format!(
            "{}: {} tiles to observe ranges on, at least {RANGE_TILES_MIN} are needed{first}",
            table.file,
            groups.len()
        )));
    }
    Ok(Tiles { inputs: joined(inputs)?, groups })
}

/// One behind the other; what was read at once, as is usual, is not copied.
fn joined(drawn: Vec<Array4<f32>>) -> Result<Array4<f32>> {
    <[_; 1]>::try_from(drawn).map(|[only]| only).or_else(|drawn| {
        let views: Vec<_> = drawn.iter().map(|inputs| inputs.view()).collect();
        ndarray::concatenate(Axis(0), &views).map_err(Error::usage)
    })
}

/// As a tile of the other splits, whatever about it is wrong.
fn unreadable(error: Error) -> Error {
    match error.kind() {
        Kind::Usage => error.with_kind(Kind::Malformed),
        _ => error,
    }
}

/// All rows in the order in which they are drawn.
fn stratified(rows: &[LabelledRow]) -> Vec<&LabelledRow> {
    let mut strata: BTreeMap<&str, Vec<(String, &LabelledRow)>> = BTreeMap::new();
    for row in rows {
        strata.entry(&row.group).or_default().push((sha256(row.tile.as_bytes()), row));
    }
    let mut queues: Vec<_> = strata.into_values().collect();
    queues.iter_mut().for_each(|queue| queue.sort_by(|a, b| b.0.cmp(&a.0)));
    let mut chosen = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let round: Vec<&LabelledRow> = queues.iter_mut().filter_map(|queue| Some(queue.pop()?.1)).collect();
        chosen.extend(round);
    }
    chosen
}
