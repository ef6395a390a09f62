//! What is evaluated: a model with its thresholds and what it said of the tiles.

use std::collections::BTreeSet;
use std::path::Path;

use s2infer::calibrate::{CalibrateRequest, Scores, Sites, calibrate};
use s2infer::decide::{Bounds, Profile, Rule};
use s2infer::evaluate::{ClassContestant, Contestant, Thresholds};
use s2infer::labelled::{Labelled, Labels};
use s2infer::limits::{CONFIG_BYTES_MAX, read_bounded};
use s2infer::model::Model;
use s2infer::model::manifest::Tta;
use s2infer::pipeline::MEMBERS_THRESHOLD;
use s2infer::{Error, Kind, Result};

use super::super::calibration;
use super::super::scoring::{Scoring, check_model};
use super::tables::Tables;
use super::{CALIBRATION, Evaluate};

impl Evaluate {
    /// The candidate, or with the candidate's profile the baseline.
    pub(super) fn contestant(
        &self,
        model: &Model,
        tables: &Tables,
        scoring: &Scoring,
        candidates: Option<&Profile>,
    ) -> Result<Contestant> {
        let (table, profile, calibration) = match (candidates, &tables.baseline) {
            (Some(_), Some(table)) => (table, &self.baseline_profile, &self.baseline_calibration),
            _ => (&tables.candidate, &self.profile, &self.calibration),
        };
        let tta = self.tta(model);
        let profile = self.thresholds_of(model, profile.as_deref(), table)?;
        let bounds = Bounds::default();
        let scores = match (calibration, &tables.calibration) {
            (Some(path), _) => {
                let table = Labelled::read_scores(path, &Labels::binary(), &bounds)?;
                let table = check_model(table, model).map_err(|error| error.context(path.display()))?;
                Some(Scores::of(table)?)
            }
            (None, Some(table)) => {
                table.check_groups()?;
                Some(Scores::of(scoring.score(table, model, None, tta)?.table)?)
            }
            (None, None) => None,
        };
        let thresholds = scores.map(|scores| self.thresholds(&scores, model, tta, candidates.unwrap_or(&profile)));
        let (one, per_group) = match thresholds {
            // Nobody asked for those of the manifest's split.
            Some(Err(error)) if calibration.is_none() && error.kind() == Kind::Refused => {
                tracing::warn!("no thresholds from the split {CALIBRATION}: {error}");
                (None, None)
            }
            thresholds => thresholds.transpose()?.unwrap_or_default(),
        };
        Ok(Contestant {
            name: model.manifest.name.clone(),
            model_sha256: model.sha256.clone(),
            precision: model.manifest.precision.to_string(),
            prefilter: self.prefilter_of(model, table),
            profile,
            one,
            per_group,
            scores: table.rows.iter().filter_map(|row| row.score).collect(),
        })
    }

    /// One threshold for all groups and thresholds per group, from calibration scores; those as the candidate's profile
    /// was made, for both models, that they differ in nothing else.
    fn thresholds(
        &self,
        scores: &Scores,
        model: &Model,
        tta: Tta,
        profile: &Profile,
    ) -> Result<(Option<f64>, Option<Thresholds>)> {
        let request = CalibrateRequest {
            target_recall: self.target_recall,
            confidence: profile.confidence.unwrap_or(0.9),
            sites: Sites::of(profile),
            spare_alarms: profile.spare_alarms,
            ..calibration::request(model, tta, Rule::Exact)
        };
        let budget =
            CalibrateRequest { rule: Rule::Budget, sites: Sites::Independent, spare_alarms: None, ..request.clone() };
        let one = calibrate(scores, &budget)?.profile.groups.first().map(|group| group.threshold);
        let groups = calibrate(scores, &request)?.profile.groups;
        Ok((one, Some(groups.into_iter().map(|group| (group.group, group.threshold)).collect())))
    }

    /// Whether the prefilter was asked for a table's scores: as the table says, or --no-prefilter of one that does not.
    fn prefilter_of(&self, model: &Model, table: &Labelled) -> Option<&'static str> {
        let asked = model.asks_prefilter()?;
        Some(match table.prefilter.or((!asked).then_some(false)) {
            Some(true) => "on",
            Some(false) => "off",
            None => "not stated",
        })
    }

    /// The thresholds that a run would decide by: those of a profile, or the members' own for every group of a table.
    pub(super) fn thresholds_of(&self, model: &Model, profile: Option<&Path>, table: &Labelled) -> Result<Profile> {
        match decides_by_members(model, profile) {
            true => members_profile(model, self.tta(model), table),
            false => self.profile_of(model, profile, self.tta(model)),
        }
    }

    pub(super) fn profile_of(&self, model: &Model, path: Option<&Path>, tta: Tta) -> Result<Profile> {
        let (bytes, name) = match path {
            Some(path) => (read_bounded(path, CONFIG_BYTES_MAX)?, path.display().to_string()),
            None => {
                let bytes = model.profile.clone().ok_or_else(|| {
                    Error::refused(format!(
                        "model {} has no threshold profile: give --profile or --baseline-profile FILE, made by `s2infer \
                         calibrate`",
                        model.manifest.name
                    ))
                })?;
                (bytes, format!("{}/profile.json", model.manifest.name))
            }
        };
        let profile = Profile::parse(&bytes, &name)?;
        profile.check(&calibration::binding(model, tta)).map_err(|error| error.context(&name))?;
        profile.check_prefilter(model.asks_prefilter()).map_err(|error| error.context(&name))?;
        profile.class_index(model.manifest.head, &model.manifest.classes).map_err(|error| error.context(&name))?;
        Ok(profile)
    }
}

/// Whether the members of a model decide by their own thresholds, as in a run without a profile.
pub(super) fn decides_by_members(model: &Model, profile: Option<&Path>) -> bool {
    profile.is_none() && model.profile.is_none() && !model.manifest.members.is_empty()
}

/// The members' own thresholds for every group of a table.
fn members_profile(model: &Model, tta: Tta, table: &Labelled) -> Result<Profile> {
    let groups: BTreeSet<String> = table.rows.iter().map(|row| row.group.to_string()).collect();
    let groups: Vec<String> = groups.into_iter().collect();
    let why = "Each member decides by its own threshold; nothing is promised.";
    let binding = calibration::binding(model, tta);
    Profile::fixed(&model.manifest.name, binding, &groups, f64::from(MEMBERS_THRESHOLD), why)
}

pub(super) fn class_contestant(model: &Model, table: &Labelled) -> Result<ClassContestant> {
    let predicted = table.rows.iter().map(|row| {
        row.predicted.ok_or_else(|| {
            Error::usage(format!("{}: no decision; the table needs a column decision with the class", row.tile))
        })
    });
    Ok(ClassContestant {
        name: model.manifest.name.clone(),
        model_sha256: model.sha256.clone(),
        precision: model.manifest.precision.to_string(),
        predicted: predicted.collect::<Result<_>>()?,
        scores: table.rows.iter().map(|row| row.score).collect(),
    })
}
