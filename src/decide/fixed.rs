//! A profile that no calibration made: one threshold for every group, without a promise.

use super::profile::{PROFILE_FORMAT, PROFILE_VERSION, sha256};
use super::{Binding, Bounds, Group, ModelRef, Profile, Rule, ScoresRef};

impl Profile {
    /// `threshold` for each of `groups`, for what is measured or compared like a calibrated profile and has none.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] for a group that cannot be named so, and for a threshold outside of 0 to 1.
    pub fn fixed(name: &str, binding: Binding, groups: &[String], threshold: f64, why: &str) -> crate::Result<Self> {
        let Binding { model_sha256, precision, preprocessing_version, tta } = binding;
        let group = |name: &String| Group {
            group: name.clone(),
            n_positives: 0,
            rank: None,
            threshold,
            recall: None,
            confidence: None,
            feasible: false,
            inherited_from: None,
            n_sites: None,
            intraclass_correlation: None,
            n_positives_needed: None,
        };
        let nothing = ScoresRef { file: String::new(), sha256: sha256(b""), n_rows: 0, n_positives: 0, n_sites: None };
        let profile = Self {
            format: PROFILE_FORMAT.into(),
            version: PROFILE_VERSION,
            model: ModelRef { name: name.to_owned(), sha256: model_sha256, precision },
            preprocessing_version,
            tta,
            prefilter: None,
            rule: Rule::Budget,
            target_recall: None,
            confidence: None,
            joint: false,
            class: None,
            site_correlation: None,
            site_rule: None,
            spare_alarms: None,
            unseen_region: None,
            probability: None,
            group_confidence: None,
            bounds: Bounds::default(),
            scores: nothing,
            command: String::new(),
            created: jiff::Timestamp::UNIX_EPOCH,
            guarantee: why.to_owned(),
            warnings: Vec::new(),
            groups: groups.iter().map(group).collect(),
            source_sha256: None,
        };
        profile.validated().map_err(crate::Error::refused)
    }
}
