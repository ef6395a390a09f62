//! Which tiles do what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use s2infer::labelled::{Labelled, LabelledRow, Part, audit};
use s2infer::model::{Model, sha256};
use s2infer::pipeline::read_inputs;
use s2infer::quantize::Tiles;
use s2infer::scene::SceneOptions;
use s2infer::{Error, Result};

use super::{Quantize, USUAL_SPLITS};

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
    pub(super) fn splits(&self, table: &Labelled, needs_thresholds: bool) -> Result<Splits> {
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
        splits.check(needs_thresholds).map_err(|error| error.context(file))?;
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
        }
        let parts = all.map(|(name, table)| Part { name: name.to_owned(), rows: table.rows.iter().collect() });
        match audit(&parts, 0.0).first() {
            Some(leak) => Err(Error::refused(format!("the splits leak: {leak}"))),
            None => Ok(()),
        }
    }
}

/// At most `n_max` tiles as the network sees them, as many of every group of season and sky as there are, in turns; chosen by
/// their names and by nothing in them, so that labels are as frequent as they are.
pub fn observe(model: &Model, table: &Labelled, scene: &SceneOptions, n_max: usize) -> Result<Tiles> {
    let rows = stratified(&table.rows, n_max);
    let paths: Vec<PathBuf> = rows.iter().map(|row| table.folder.join(&row.tile)).collect();
    let (inputs, kept) = read_inputs(&model.manifest, scene, &paths)?;
    let mut names: Vec<&str> = rows.iter().map(|row| &*row.group).collect();
    names.sort_unstable();
    names.dedup();
    let number = |index: usize| names.binary_search(&&*rows[index].group).unwrap_or_default();
    let groups: Vec<usize> = kept.into_iter().map(number).collect();
    if groups.len() < 16 {
        return Err(Error::usage(format!("{}: {} tiles to observe ranges on are too few", table.file, groups.len())));
    }
    Ok(Tiles { inputs, groups })
}

fn stratified(rows: &[LabelledRow], n_max: usize) -> Vec<&LabelledRow> {
    let mut strata: BTreeMap<&str, Vec<(String, &LabelledRow)>> = BTreeMap::new();
    for row in rows {
        strata.entry(&row.group).or_default().push((sha256(row.tile.as_bytes()), row));
    }
    let mut queues: Vec<_> = strata.into_values().collect();
    queues.iter_mut().for_each(|queue| queue.sort_by(|a, b| b.0.cmp(&a.0)));
    let mut chosen = Vec::new();
    while chosen.len() < n_max && queues.iter().any(|queue| !queue.is_empty()) {
        let round: Vec<&LabelledRow> = queues.iter_mut().filter_map(|queue| Some(queue.pop()?.1)).collect();
        chosen.extend(round);
    }
    chosen.truncate(n_max);
    chosen
}
