//! The threshold profile: thresholds per group, what they promise, and what they were calibrated for.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Bounds, ShiftChoice};
use crate::limits::{CONFIG_BYTES_MAX, NAME_BYTES_MAX};
use crate::model::manifest::{Head, Precision, Tta};
use crate::{Error, Result};

/// The `format` of every profile.
pub const PROFILE_FORMAT: &str = "s2infer-threshold-profile";
/// The only `version` of the format so far.
pub const PROFILE_VERSION: u32 = 1;

/// A validated threshold profile. Its fields are the keys of the JSON file, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`PROFILE_FORMAT`]
    pub format: String,
    /// [`PROFILE_VERSION`]
    pub version: u32,
    /// The model that gave the scores.
    pub model: ModelRef,
    /// The preprocessing that was before it.
    pub preprocessing_version: String,
    /// The test-time augmentation that was on.
    pub tta: Tta,
    /// Whether the model's prefilter was asked; none for a model without one, and in older profiles, for which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefilter: Option<bool>,
    /// How thresholds were chosen.
    pub rule: Rule,
    /// Share of the true positives to be caught, between 0 and 1; none for the budget rule.
    pub target_recall: Option<f64>,
    /// Confidence that the target is met; the exact rule's alone.
    pub confidence: Option<f64>,
    /// Whether `confidence` is for all groups at once.
    pub joint: bool,
    /// The class whose score is compared with the thresholds: its probability, of a segmentation model its mean soft-max
    /// over the valid pixels of a window; none for a model with two classes, which has one score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The correlation of positives of one site that was allowed for; none where all were taken for independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_correlation: Option<f64>,
    /// How positives of one site were treated otherwise; none where `site_correlation` says it, or they were taken for
    /// independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_rule: Option<SiteRule>,
    /// Share of the calibration negatives of a group that was allowed to alert for more positives than the target demands;
    /// none where thresholds are as high as the rule lets them be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare_alarms: Option<f64>,
    /// The threshold for regions that calibrated nothing; none where it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_region: Option<UnseenRegion>,
    /// What turns a score into a probability; none where scores are taken for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Probability>,
    /// Confidence that each group had to reach on its own; above `confidence` where `joint`.
    pub group_confidence: Option<f64>,
    /// What a season and a sky are.
    pub bounds: Bounds,
    /// The scores that were calibrated on.
    pub scores: ScoresRef,
    /// The command that wrote the profile.
    pub command: String,
    /// When.
    pub created: jiff::Timestamp,
    /// The promise in words, with what it assumes.
    pub guarantee: String,
    /// What the calibration found doubtful.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// One entry per group; never empty.
    pub groups: Vec<Group>,
    /// Hash of the file this was read from.
    #[serde(skip)]
    pub(crate) source_sha256: Option<String>,
}

/// The model that a profile is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// The model's name; for people, not compared.
    pub name: String,
    /// SHA-256 of its ONNX file, lower-case hexadecimal.
    pub sha256: String,
    /// What it computes in.
    pub precision: Precision,
}

/// The scores that a profile came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoresRef {
    /// File name.
    pub file: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// Rows that were used.
    pub n_rows: u64,
    /// Positives among them.
    pub n_positives: u64,
    /// Different sites among the positives, where the table had a column `site`.
    pub n_sites: Option<u64>,
}

/// How a threshold is chosen from the scores of a group's positives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The highest score whose recall is at least the target with the stated confidence.
    Exact,
    /// The target recall holds on average over calibrations; half of the time it is missed.
    Mean,
    /// One threshold for all groups, at which as many calibration tiles alert as there are positives; no promise.
    Budget,
}

/// How positives of one site are treated that are not independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteRule {
    /// They count as fewer, by the correlation measured among them.
    MeasuredCorrelation,
    /// One of each site counts, chosen by its name and not by its score.
    OnePerSite,
}

/// The threshold for a region that calibrated nothing: regions are taken for draws from one population, and this is the
/// order statistic of their own thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnseenRegion {
    /// Used where it is lower than the group's.
    pub threshold: f64,
    /// Regions with enough positives for a threshold of their own.
    pub n_regions: u64,
    /// Rank of the threshold among theirs, from below, from 1.
    pub rank: u64,
    /// Confidence that a new region's positives reach the target, were the regions' own thresholds exact.
    pub confidence: f64,
}

/// What turns a score p into a probability: σ(a ln p − b ln(1 − p) + c) (Kull et al. 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probability {
    /// `temperature`, `platt` or `beta`
    pub method: String,
    /// Weight of ln p; 0 or more.
    pub a: f64,
    /// Weight of −ln(1 − p); 0 or more.
    pub b: f64,
    /// Added.
    pub c: f64,
    /// Mean log loss in nats of the scores it was fitted to, before and after.
    pub log_loss: [f64; 2],
    /// Those scores; not the ones that thresholds come from.
    pub scores: ScoresRef,
}

/// One group's threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name, as `winter-cloudy`.
    pub group: String,
    /// Positives it was calibrated on.
    pub n_positives: u64,
    /// The threshold is the positives' score of this rank from below, from 1; none where inherited.
    pub rank: Option<u64>,
    /// A score at or above this is positive.
    pub threshold: f64,
    /// Share of the group's calibration positives that the threshold catches; none without positives.
    pub recall: Option<f64>,
    /// Probability that the true recall reaches the target, at least; none where inherited.
    pub confidence: Option<f64>,
    /// Whether the group had enough positives for a threshold of its own.
    pub feasible: bool,
    /// The larger group whose threshold it uses instead: a sky, or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited_from: Option<String>,
    /// Different sites among its positives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_sites: Option<u64>,
    /// Correlation measured among positives of one site (ICC of their log-odds); none where no site has two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intraclass_correlation: Option<f64>,
    /// Positives it would have needed, where it had too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_positives_needed: Option<u64>,
}

/// What a run is about to score with; a profile must have been calibrated with the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// SHA-256 of the ONNX file, lower-case hexadecimal.
    pub model_sha256: String,
    /// What it computes in.
    pub precision: Precision,
    /// The manifest's preprocessing version.
    pub preprocessing_version: String,
    /// The augmentation that will be on.
    pub tta: Tta,
}

impl Profile {
    /// Reads and validates a profile; `name` (a path) goes into messages.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] if the file is too large, is not such JSON, has an unknown, repeated or
    /// missing field, or holds a value that makes no sense.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let refused = |what: String| {
            Error::refused(format!("{name}: not a valid threshold profile: {what}; write one with `s2infer calibrate`"))
        };
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(refused(format!("{} bytes, at most {CONFIG_BYTES_MAX} are read", bytes.len())));
        }
        let mut profile: Self = serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        profile.validate().map_err(refused)?;
        profile.source_sha256 = Some(sha256(bytes));
        Ok(profile)
    }

    /// A profile from its parts, as a calibration makes it.
    ///
    /// # Errors
    /// The reason why it is not valid.
    pub(crate) fn validated(self) -> Result<Self, String> {
        self.validate()?;
        Ok(self)
    }

    fn validate(&self) -> Result<(), String> {
        if self.format != PROFILE_FORMAT || self.version != PROFILE_VERSION {
            return Err(format!(
                "format {:?} version {}, expected {PROFILE_FORMAT:?} version {PROFILE_VERSION}",
                self.format, self.version
            ));
        }
        if !is_sha256(&self.model.sha256) || !is_sha256(&self.scores.sha256) {
            return Err("a sha256 is not 64 lower-case hexadecimal digits".into());
        }
        let open_unit = |x: f64| x > 0.0 && x < 1.0;
        let confidences = [self.confidence, self.group_confidence];
        if ![self.target_recall].into_iter().chain(confidences).flatten().all(open_unit) {
            return Err("target_recall and the confidences must lie between 0 and 1".into());
        }
        if (self.rule == Rule::Exact) != confidences.iter().all(Option::is_some) {
            return Err("an exact profile states its confidences, any other has none".into());
        }
        if (self.rule == Rule::Budget) != self.target_recall.is_none() {
            return Err("a budget profile has no target_recall, any other states it".into());
        }
        self.bounds.validate()?;
        if self.unseen_region.as_ref().is_some_and(|unseen| !(0.0..=1.0).contains(&unseen.threshold)) {
            return Err("unseen_region: the threshold must lie in 0..=1".into());
        }
        let is_wrong = |p: &Probability| !(p.a >= 0.0 && p.b >= 0.0 && [p.a, p.b, p.c].iter().all(|v| v.is_finite()));
        if self.probability.as_ref().is_some_and(is_wrong) {
            return Err("probability: a, b and c must be finite, a and b 0 or more".into());
        }
        if self.groups.is_empty() {
            return Err("it has no groups".into());
        }
        for (i, group) in self.groups.iter().enumerate() {
            group.validate()?;
            if self.groups.iter().take(i).any(|other| other.group == group.group) {
                return Err(format!("group {:?} is there twice", group.group));
            }
        }
        Ok(())
    }

    /// Whether the profile was calibrated with exactly what will run.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`], saying what differs and what to do.
    pub fn check(&self, binding: &Binding) -> Result<()> {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        let difference = if self.model.sha256 != binding.model_sha256 {
            let (profile, run) = (short(&self.model.sha256), short(&binding.model_sha256));
            format!("another model ({}, sha256 {profile}…, not {run}…)", self.model.name)
        } else if self.model.precision != binding.precision {
            format!("precision {}, the model's is {}", self.model.precision, binding.precision)
        } else if self.preprocessing_version != binding.preprocessing_version {
            let (profile, run) = (&self.preprocessing_version, &binding.preprocessing_version);
            format!("preprocessing {profile}, the model's is {run}")
        } else if self.tta != binding.tta {
            format!("--tta {}, this run uses --tta {}", tta_word(self.tta), tta_word(binding.tta))
        } else {
            return Ok(());
        };
        Err(Error::refused(format!(
            "the threshold profile was calibrated for {difference}; its thresholds do not hold here: run with what it \
             names, or calibrate anew with `s2infer calibrate`"
        )))
    }

    /// The index of the class that thresholds are of among a model's; none for a model with two.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] where the profile is for another kind of model.
    pub fn class_index(&self, head: Head, classes: &[String]) -> Result<Option<usize>> {
        let index = self.class.as_ref().map(|class| classes.iter().position(|other| other == class));
        match (head, index) {
            (Head::Binary, None) => Ok(None),
            (Head::Multiclass | Head::Segmentation, Some(Some(index))) => Ok(Some(index)),
            _ => Err(Error::refused(match &self.class {
                Some(class) => {
                    format!("the threshold profile is for the class {class:?}, which the model does not decide on")
                }
                None => {
                    "the threshold profile is for a model with two classes; make one with `s2infer calibrate --class`"
                        .into()
                }
            })),
        }
    }

    /// The profile for regions that calibrated nothing: no group's threshold above the one found for those.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] where the calibration found none.
    pub fn for_unseen_region(mut self) -> Result<Self> {
        let unseen = self.unseen_region.as_ref().map(|unseen| unseen.threshold).ok_or_else(|| {
            Error::refused(
                "--unseen-region: the threshold profile has no threshold for unseen regions; make one with `s2infer \
                 calibrate --unseen-region`",
            )
        })?;
        self.groups.iter_mut().for_each(|group| group.threshold = group.threshold.min(unseen));
        Ok(self)
    }

    /// Whether `choice` names something that this profile can resolve.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`], listing the groups.
    pub fn check_choice(&self, choice: &ShiftChoice) -> Result<()> {
        let known = match choice {
            ShiftChoice::Auto => true,
            ShiftChoice::Season(season) => self.is_season_sky() || self.group(season.name()).is_some(),
            ShiftChoice::Sky(sky) => self.is_season_sky() || self.group(sky.name()).is_some(),
            ShiftChoice::Group(name) => self.group(name).is_some(),
        };
        if known {
            return Ok(());
        }
        let names: Vec<_> = self.groups.iter().map(|group| group.group.as_str()).collect();
        let shifts = if self.is_season_sky() { "summer, winter, clear, cloudy, " } else { "" };
        Err(Error::usage(format!(
            "--threshold-profile {choice}: the profile has no such group; it has auto, {shifts}{}",
            names.join(", ")
        )))
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.group == name)
    }

    /// SHA-256 of the file the profile was read from, else of [`Self::to_json`]; lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        self.source_sha256.clone().unwrap_or_else(|| sha256(self.to_json().as_bytes()))
    }

    /// The JSON file, ending in a newline.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists only: nothing here that serde_json could refuse.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Group {
    fn validate(&self) -> Result<(), String> {
        validate_group_name(&self.group)?;
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        if !unit(self.threshold) || ![self.recall, self.confidence].into_iter().flatten().all(unit) {
            return Err(format!("group {:?}: threshold, recall and confidence must lie in 0..=1", self.group));
        }
        if self.rank.is_some_and(|rank| rank == 0 || rank > self.n_positives) || self.feasible != self.rank.is_some() {
            return Err(format!("group {:?}: a rank from 1 to n_positives if and only if feasible", self.group));
        }
        Ok(())
    }
}

/// Whether `name` can be a group's: short, printable, and none of the words that mean something else.
pub(crate) fn validate_group_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!("group name {name:?} is empty, longer than {NAME_BYTES_MAX} bytes or not printable"));
    }
    if ["auto", "unknown", "all"].contains(&name) {
        return Err(format!("no group can be named {name:?}: the word has a meaning of its own"));
    }
    Ok(())
}

fn tta_word(tta: Tta) -> &'static str {
    match tta {
        Tta::None => "none",
        Tta::Flips => "flips",
        Tta::D4 => "d4",
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
