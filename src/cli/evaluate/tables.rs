//! The tiles that measure, the models' tables of them, and what they share with others.

use std::path::Path;

use s2infer::decide::Bounds;
use s2infer::evaluate::check_demands;
use s2infer::labelled::{Audit, Labelled, LabelledRow, Labels, Leak, Part, audit};
use s2infer::model::Model;
use s2infer::model::manifest::Head;
use s2infer::{Error, Result};

use super::super::claims::Claims;
use super::super::scoring::{Scored, Scoring, check_model};
use super::contestants::decides_by_members;
use super::{CALIBRATION, Evaluate};

/// Splits that are evaluated on where --split does not say.
const USUAL_SPLITS: [&str; 2] = ["measurement", "test"];
/// Splits that both fit a model, one its weights and one its epoch: what they share makes no figure better.
const FITTING: [&str; 2] = ["train", "select"];
/// The tiles that measure, and the models' tables of them.
pub(super) struct Tables {
    pub(super) candidate: Labelled,
    pub(super) baseline: Option<Labelled>,
    /// Labelled tiles of the split `calibration`, not scored yet.
    pub(super) calibration: Option<Labelled>,
    pub(super) audit: Audit,
    pub(super) n_abstained_positives: u64,
}

impl Evaluate {
    pub(super) fn tables(
        &self,
        model: &Model,
        baseline: Option<&Model>,
        scoring: &Scoring,
        claims: &Claims,
    ) -> Result<Tables> {
        let labels = Labels::of(&model.manifest.classes);
        let bounds = Bounds::default();
        let Some(manifest) = &self.manifest else { return self.given_tables(model, baseline, &labels, &bounds) };
        let all = Labelled::read_manifest(manifest, &labels, &bounds)?;
        let split = self.split(&all, manifest)?;
        let is_measured = |row: &LabelledRow| split.is_none() || row.split.as_deref() == split.as_deref();
        let measured = all.clone().filtered(is_measured);
        if model.manifest.head == Head::Binary {
            measured.check_groups()?;
            check_demands(&self.require, &measured, baseline.is_some())?;
        }
        measured.rows.iter().try_for_each(|row| claims.input("the tile", &measured.folder.join(&row.tile)))?;
        let audit = self.audit(&measured, Some((&all, split.as_deref())), &[], &bounds)?;
        self.remove_earlier()?;
        let calibration = Some(all.filtered(|row| row.split.as_deref() == Some(CALIBRATION)));
        let calibration = calibration.filter(|table| split.as_deref() != Some(CALIBRATION) && !table.rows.is_empty());
        let first = self.decided(&measured, model, self.profile.as_deref(), scoring)?;
        let Some(other) = baseline else {
            let n_abstained_positives = first.n_abstained_positives;
            return Ok(Tables { candidate: first.table, baseline: None, calibration, audit, n_abstained_positives });
        };
        let second = self.decided(&measured, other, self.baseline_profile.as_deref(), scoring)?;
        let (candidate, baseline) = in_common(first.table, second.table);
        let n_abstained_positives = positives(&measured) - positives(&candidate);
        Ok(Tables { candidate, baseline: Some(baseline), calibration, audit, n_abstained_positives })
    }

    /// What a run would make of the tiles, abstentions where views disagree included.
    fn decided(&self, table: &Labelled, model: &Model, profile: Option<&Path>, scoring: &Scoring) -> Result<Scored> {
        if model.manifest.head != Head::Binary {
            return scoring.score(table, model, None, self.tta(model));
        }
        scoring.decide(table, model, &self.thresholds_of(model, profile, table)?, self.tta(model))
    }

    fn given_tables(
        &self,
        model: &Model,
        baseline: Option<&Model>,
        labels: &Labels,
        bounds: &Bounds,
    ) -> Result<Tables> {
        let read = |path: &Path, model: &Model| -> Result<Labelled> {
            let table = Labelled::read_scores(path, labels, bounds)?;
            check_model(table, model).map_err(|error| error.context(path.display()))
        };
        let scores = self.scores.as_deref().ok_or_else(|| Error::usage("give --manifest or --scores"))?;
        let all = read(scores, model)?;
        let split = self.split(&all, scores)?;
        let is_measured = |row: &LabelledRow| split.is_none() || row.split.as_deref() == split.as_deref();
        // A million rows are not copied where none is left out.
        let (candidate, all) = match &split {
            Some(_) => (all.clone().filtered(is_measured), Some(all)),
            None => (all, None),
        };
        let mut calibrated_on = self.calibrated_on(model, self.profile.as_deref())?;
        let other = match (&self.baseline_scores, baseline) {
            (Some(path), Some(model)) => {
                calibrated_on.extend(self.calibrated_on(model, self.baseline_profile.as_deref())?);
                let table = read(path, model)?.filtered(is_measured);
                Some(same_tiles(&candidate, table).map_err(|error| error.context(path.display()))?)
            }
            _ => None,
        };
        if model.manifest.head == Head::Binary {
            check_demands(&self.require, &candidate, baseline.is_some())?;
        }
        let audit = self.audit(&candidate, all.as_ref().map(|all| (all, split.as_deref())), &calibrated_on, bounds)?;
        self.remove_earlier()?;
        let n_abstained_positives = candidate.n_undecided_positives;
        Ok(Tables { candidate, baseline: other, calibration: None, audit, n_abstained_positives })
    }

    /// The table that a binary model's thresholds are from: whose it is, and its hash.
    fn calibrated_on(&self, model: &Model, profile: Option<&Path>) -> Result<Vec<(String, String)>> {
        if model.manifest.head != Head::Binary || decides_by_members(model, profile) {
            return Ok(Vec::new());
        }
        let profile = self.profile_of(model, profile, self.tta(model))?;
        Ok(vec![(format!("the thresholds of {}", model.manifest.name), profile.scores.sha256)])
    }

    /// The split that measures; none where all tiles do.
    pub(super) fn split(&self, table: &Labelled, manifest: &Path) -> Result<Option<String>> {
        let splits = table.splits();
        let wrong = |what: &str| {
            let names: Vec<&str> = splits.iter().map(|name| &**name).collect();
            Err(Error::usage(format!("{}: {what}; it has {}: give --split", manifest.display(), names.join(", "))))
        };
        match &self.split {
            Some(name) if !splits.iter().any(|split| **split == **name) => wrong(&format!("no tile of split {name:?}")),
            Some(name) => Ok(Some(name.clone())),
            None if splits.is_empty() => Ok(None),
            None if splits.len() == 1 && !FITTING.contains(&&*splits[0]) => Ok(Some(splits[0].to_string())),
            None => match USUAL_SPLITS.iter().find(|usual| splits.iter().any(|split| **split == ***usual)) {
                Some(usual) => Ok(Some((*usual).to_owned())),
                None => wrong("no split measurement or test"),
            },
        }
    }

    /// Looks for what the measured tiles share with the other splits, the calibration tables and `--against`.
    pub(super) fn audit(
        &self,
        measured: &Labelled,
        manifest: Option<(&Labelled, Option<&str>)>,
        calibrated_on: &[(String, String)],
        bounds: &Bounds,
    ) -> Result<Audit> {
        let mut tables: Vec<(String, Labelled)> = Vec::new();
        let mut add = |table: Labelled, name: &str, measuring: Option<&str>| {
            let splits = table.splits();
            if splits.is_empty() {
                tables.push((name.to_owned(), table));
                return;
            }
            for split in splits.iter().filter(|split| Some(&***split) != measuring) {
                let part = table.clone().filtered(|row| row.split.as_deref() == Some(split));
                let name = if FITTING.contains(&&**split) { FITTING.join(" and ") } else { split.to_string() };
                tables.push((name, part));
            }
        };
        if let Some((all, split)) = manifest
            && split.is_some()
        {
            add(all.clone(), "manifest", split);
        }
        let measuring = measured.splits().first().map(|split| split.to_string());
        for path in &self.against {
            let table = Labelled::read_places(path, bounds).map_err(|error| error.context("--against"))?;
            add(table, &path.display().to_string(), measuring.as_deref());
        }
        for path in [&self.calibration, &self.baseline_calibration].into_iter().flatten() {
            add(Labelled::read_places(path, bounds)?, CALIBRATION, None);
        }
        // Several tables may hold the same split; it is then one part.
        let mut parts: Vec<Part<'_>> = vec![Part { name: "measured".into(), rows: measured.rows.iter().collect() }];
        for (name, table) in &tables {
            match parts.iter_mut().find(|part| part.name == *name) {
                Some(part) => part.rows.extend(&table.rows),
                None => parts.push(Part { name: name.clone(), rows: table.rows.iter().collect() }),
            }
        }
        let mut audit = audit(&parts, self.place_gap_km);
        for (whose, _) in calibrated_on.iter().filter(|(_, sha256)| *sha256 == measured.sha256) {
            let parts = ["measured".into(), whose.clone()];
            audit.leaks.insert(0, Leak { what: "table", name: measured.file.clone(), parts });
            audit.n_leaks += 1;
        }
        match audit.first() {
            Some(leak) if !self.despite_leaks => Err(Error::refused(format!(
                "the splits leak: {leak}; figures would be too good: mend the splits, or give --despite-leaks for a report \
                 that says so"
            ))),
            _ => Ok(audit),
        }
    }
}

/// The second table in the order of the first.
fn same_tiles(first: &Labelled, second: Labelled) -> Result<Labelled> {
    let key = |row: &LabelledRow| (row.tile.clone(), row.group.clone());
    let mut rows: std::collections::HashMap<_, LabelledRow> =
        second.rows.into_iter().map(|row| (key(&row), row)).collect();
    let ordered = first.rows.iter().map(|row| {
        let other = rows.remove(&key(row)).filter(|other| other.label == row.label);
        other.ok_or_else(|| Error::usage(format!("has no {} with the same label and group", row.tile)))
    });
    let ordered: Vec<LabelledRow> = ordered.collect::<Result<_>>()?;
    if let Some(row) = rows.values().next() {
        return Err(Error::usage(format!("{}: not among the candidate's tiles", row.tile)));
    }
    Ok(Labelled { rows: ordered, further: Vec::new(), ..second })
}

/// The tiles that both models decided.
fn in_common(first: Labelled, second: Labelled) -> (Labelled, Labelled) {
    let keys = |table: &Labelled| -> std::collections::HashSet<_> {
        table.rows.iter().map(|row| (row.tile.clone(), row.group.clone())).collect()
    };
    let (a, b) = (keys(&first), keys(&second));
    let is_common = |row: &LabelledRow| {
        let key = (row.tile.clone(), row.group.clone());
        a.contains(&key) && b.contains(&key)
    };
    (first.filtered(is_common), second.filtered(is_common))
}

fn positives(table: &Labelled) -> u64 {
    table.rows.iter().filter(|row| row.is_positive()).count() as u64
}
