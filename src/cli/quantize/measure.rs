//! Both models over the labelled tiles: thresholds of the same kind for both, and the gate.

use std::collections::BTreeMap;

use s2infer::calibrate::{CalibrateRequest, Calibration, Scores, Sites, calibrate};
use s2infer::decide::{Profile, Rule};
use s2infer::labelled::Labelled;
use s2infer::model::Model;
use s2infer::model::manifest::Head;
use s2infer::quantize::{Gate, Scored};
use s2infer::{Error, Result};

use super::super::calibration;
use super::super::scoring::Scoring;
use super::folder::Draft;
use super::has_thresholds;
use super::tiles::Splits;

/// The gate, and the new model's profile where its task has thresholds.
pub fn measure(original: &Model, draft: &Draft, splits: &Splits, scoring: &Scoring) -> Result<(Gate, Option<Vec<u8>>)> {
    let precision = draft.model.manifest.precision;
    let tta = original.manifest.tta;
    let score = |model: &Model, table: &Labelled| scoring.score(table, model, None, tta);
    if has_thresholds(original) {
        let promise = promise(original)?;
        let calibrated = |model: &Model| {
            calibrate(&Scores::of(score(model, &splits.calibration)?.table)?, &request(model, promise.as_ref()))
        };
        let (old, new) = (calibrated(original)?, calibrated(&draft.model)?);
        let (before, after) =
            in_common(score(original, &splits.measured)?.table, score(&draft.model, &splits.measured)?.table);
        let side = |table: &Labelled, calibration: &Calibration| Scored {
            scores: table.rows.iter().filter_map(|row| row.score).collect(),
            thresholds: by_group(&calibration.profile),
        };
        let gate = Gate::decisions(precision, &before.rows, &side(&before, &old), &side(&after, &new))?;
        return Ok((gate, Some(new.to_json().into_bytes())));
    }
    if original.manifest.head == Head::Segmentation {
        let folder = tempfile::tempdir().map_err(Error::output)?;
        let maps = |model: &Model, name| scoring.maps(&splits.measured, model, tta, &folder.path().join(name));
        let (before, after) = (maps(original, "fp32")?, maps(&draft.model, "other")?);
        let n_classes = original.manifest.classes.len();
        return Ok((Gate::maps(precision, &splits.measured.rows, n_classes, &before, &after)?, None));
    }
    let (before, after) =
        in_common(score(original, &splits.measured)?.table, score(&draft.model, &splits.measured)?.table);
    let predicted = |table: &Labelled| table.rows.iter().map(|row| row.predicted).collect::<Vec<_>>();
    Ok((Gate::classes(precision, &before.rows, &predicted(&before), &predicted(&after))?, None))
}

/// The original's profile: thresholds of both models are for its promise.
pub fn promise(original: &Model) -> Result<Option<Profile>> {
    original.profile.as_deref().map(|bytes| Profile::parse(bytes, "profile.json")).transpose()
}

fn request(model: &Model, like: Option<&Profile>) -> CalibrateRequest {
    let rule = like.map_or(Rule::Exact, |profile| profile.rule);
    let plain = CalibrateRequest { by_flags: false, ..calibration::request(model, model.manifest.tta, rule) };
    let Some(profile) = like else { return plain };
    CalibrateRequest {
        target_recall: profile.target_recall.unwrap_or(plain.target_recall),
        confidence: profile.confidence.unwrap_or(plain.confidence),
        joint: profile.joint,
        sites: Sites::of(profile),
        unseen_region: profile.unseen_region.is_some(),
        spare_alarms: profile.spare_alarms,
        bounds: profile.bounds.clone(),
        ..plain
    }
}

fn by_group(profile: &Profile) -> BTreeMap<String, f64> {
    profile.groups.iter().map(|group| (group.group.clone(), group.threshold)).collect()
}

/// The tiles that both decided.
fn in_common(before: Labelled, after: Labelled) -> (Labelled, Labelled) {
    let names =
        |table: &Labelled| table.rows.iter().map(|row| row.tile.clone()).collect::<std::collections::HashSet<_>>();
    let (first, second) = (names(&before), names(&after));
    (before.filtered(|row| second.contains(&row.tile)), after.filtered(|row| first.contains(&row.tile)))
}
