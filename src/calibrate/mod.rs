//! Scores to thresholds with a guarantee: for each group the highest threshold that catches the target share
//! of its positives with the stated confidence, whatever the scores' distribution.

mod backoff;
mod binomial;
mod budget;
mod probability;
mod region;
mod scores;
mod table;
mod warnings;

pub use scores::{ScoreRow, Scores};

use crate::decide::{Bounds, Group, ModelRef, PROFILE_FORMAT, PROFILE_VERSION, Profile, Rule, SiteRule};
use crate::model::manifest::Tta;
use crate::{Error, Result};

use backoff::{Correlation, Node};
use binomial::{Choice, Level};

/// What is asked of a calibration, and what the scores came from.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrateRequest {
    /// The model that gave the scores.
    pub model: ModelRef,
    /// The manifest's preprocessing version.
    pub preprocessing_version: String,
    /// The augmentation that was on.
    pub tta: Tta,
    /// How thresholds are chosen.
    pub rule: Rule,
    /// Share of the positives to be caught, between 0 and 1; not used by [`Rule::Budget`].
    pub target_recall: f64,
    /// Confidence that the target is met, between 0 and 1; used by [`Rule::Exact`] alone.
    pub confidence: f64,
    /// Whether the confidence is for all groups at once.
    pub joint: bool,
    /// How positives of one site are treated; the exact rule's matter alone.
    pub sites: Sites,
    /// Whether to find a threshold for regions that calibrated nothing, by the column `region`.
    pub unseen_region: bool,
    /// Share of a group's calibration negatives, 0 to 1, that may alert where that catches more positives than the rule
    /// demands; none lowers no threshold.
    pub spare_alarms: Option<f64>,
    /// What a season and a sky are; must be what the scores were read with.
    pub bounds: Bounds,
    /// Whether flags of `s2infer calibrate` asked for it: messages then name them.
    pub by_flags: bool,
    /// The command line, for the profile.
    pub command: String,
    /// The time, for the profile.
    pub created: jiff::Timestamp,
}

/// How positives of one site, which are alike, are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sites {
    /// All are taken for independent.
    Independent,
    /// As fewer (Kish's design effect), with this correlation among them, 0 to 1.
    Correlation(f64),
    /// As fewer, with the correlation measured in each group.
    MeasuredCorrelation,
    /// One of each site, chosen by its name and not by its score.
    OnePerSite,
}

impl Sites {
    /// As a profile says it.
    pub fn of(profile: &Profile) -> Self {
        match (profile.site_rule, profile.site_correlation) {
            (Some(SiteRule::MeasuredCorrelation), _) => Self::MeasuredCorrelation,
            (Some(SiteRule::OnePerSite), _) => Self::OnePerSite,
            (None, Some(correlation)) => Self::Correlation(correlation),
            (None, None) => Self::Independent,
        }
    }

    fn correlation(self) -> Correlation {
        match self {
            Self::Independent | Self::OnePerSite => Correlation::Given(0.0),
            Self::Correlation(correlation) => Correlation::Given(correlation),
            Self::MeasuredCorrelation => Correlation::Measured,
        }
    }
}

/// A finished calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The profile; [`Profile::to_json`] is the file, with `groups` at the top.
    pub profile: Profile,
    /// What is doubtful about it; also in the profile.
    pub warnings: Vec<String>,
}

impl Calibration {
    /// The JSON that `--format json` prints: the profile as it is written.
    pub fn to_json(&self) -> String {
        self.profile.to_json()
    }

    /// A table for people, with the guarantee in words and the warnings below it.
    pub fn to_text(&self) -> String {
        table::render(&self.profile)
    }
}

/// Why sites are needed where no flag says so.
pub const NEEDS_SITES: &str = "the promise of the model's profile needs, as it counts positives by site";

/// Chooses a threshold for every group.
///
/// With the exact rule the threshold is the score of rank j among the group's n positives in ascending order,
/// j the largest rank with P(Bin(n, 1 − recall) < j) ≤ 1 − confidence. That is Wilks' tolerance limit, and the
/// one-sided Clopper–Pearson bound read backwards. The mean rule takes j = ⌊(1 − recall)(n + 1)⌋. A group with
/// too few positives inherits the threshold of the smallest larger group that has enough (its sky, then all),
/// or a sibling's that is lower, and is marked as infeasible. `spare_alarms` lowers the thresholds of groups in which
/// hardly any negative alerts. The budget rule gives all groups the one threshold at
/// which as many tiles of the pooled table alert as there are positives; it promises nothing and marks every group so.
///
/// # Errors
/// [`crate::Kind::Usage`] if a number of the request is out of range; [`crate::Kind::Refused`] if no group
/// has enough positives, saying how many are needed.
pub fn calibrate(scores: &Scores, request: &CalibrateRequest) -> Result<Calibration> {
    validate(request)?;
    let has_sites = || scores.rows.iter().any(|row| row.positive && row.site.is_some());
    if request.sites != Sites::Independent && !has_sites() {
        return Err(Error::usage(format!(
            "{}: no positive states a site, which {}: fill the column site",
            scores.file,
            if request.by_flags { "--site-correlation and --one-per-site need" } else { NEEDS_SITES }
        )));
    }
    let nodes = scores.nodes(request.sites == Sites::OnePerSite);
    if request.rule == Rule::Budget {
        return by_budget(scores, &nodes, request);
    }
    let present = nodes.iter().filter(|node| !node.positives.is_empty()).count();
    let level = level(request, present);
    let correlation = request.sites.correlation();
    let choose = |node: &Node| {
        let choice = level.choose(&node.positives, correlation.design_effect(&node.positives))?;
        Some(request.spare_alarms.map_or(choice, |spare| lowered(node, choice, spare)))
    };
    let choices: Vec<_> = nodes.iter().map(choose).collect();
    if choices.iter().all(Option::is_none) {
        return Err(infeasible(scores, &nodes, &level, request));
    }
    let mut groups = Vec::with_capacity(nodes.len());
    for (node, choice) in nodes.iter().zip(&choices) {
        groups.push(match choice {
            Some(choice) => Group {
                rank: Some(choice.rank),
                confidence: Some(choice.confidence),
                feasible: true,
                ..entry(node, choice.threshold)
            },
            None => {
                let (threshold, from) = backoff::inherit(node, &nodes, &choices, &level, correlation);
                Group {
                    inherited_from: Some(from),
                    n_positives_needed: Some(level.positives_needed()),
                    ..entry(node, threshold)
                }
            }
        });
    }
    let warnings = warnings::of(scores, &nodes, request);
    let unseen_region = request.unseen_region.then(|| region::unseen(scores, request)).transpose()?;
    let profile = profile(scores, request, level.miss.map(|miss| 1.0 - miss), groups, warnings);
    finish(Profile { unseen_region, ..profile })
}

/// The choice, or the lowest positive's score at which no more than `spare` of the group's negatives alert, where that is
/// lower: it catches more positives, so that the promise holds all the more.
fn lowered(node: &Node, choice: Choice, spare: f64) -> Choice {
    let allowed = (spare * node.negatives.len() as f64).floor() as usize;
    let loudest = node.negatives.iter().rev().nth(allowed).copied().unwrap_or(f64::NEG_INFINITY);
    let below = node.positives.partition_point(|(score, _)| *score <= loudest);
    match node.positives.get(below) {
        Some(&(threshold, _)) if threshold < choice.threshold => Choice { rank: below as u64 + 1, threshold, ..choice },
        _ => choice,
    }
}

fn by_budget(scores: &Scores, nodes: &[Node], request: &CalibrateRequest) -> Result<Calibration> {
    let threshold = budget::threshold(scores)
        .ok_or_else(|| Error::refused("no positives among the scores: the budget is as many alerts as positives"))?;
    let group = |node: &Node| Group { inherited_from: Some("all".into()), ..entry(node, threshold) };
    let groups = nodes.iter().map(group).collect();
    finish(profile(scores, request, None, groups, Vec::new()))
}

fn finish(profile: Profile) -> Result<Calibration> {
    let profile = profile.validated().map_err(|what| Error::usage(format!("no valid profile comes out: {what}")))?;
    Ok(Calibration { warnings: profile.warnings.clone(), profile })
}

fn validate(request: &CalibrateRequest) -> Result<()> {
    for (flag, value) in [("--target-recall", request.target_recall), ("--confidence", request.confidence)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(Error::usage(format!("{flag} {value}: give a number between 0 and 1, as 0.8")));
        }
    }
    if request.joint && request.rule != Rule::Exact {
        return Err(Error::usage("--joint: only the exact rule has a confidence to divide; use --rule exact"));
    }
    if request.sites != Sites::Independent && request.rule != Rule::Exact {
        return Err(Error::usage(
            "--site-correlation and --one-per-site: they change the exact rule alone; use --rule exact",
        ));
    }
    if let Sites::Correlation(correlation) = request.sites
        && !(0.0..=1.0).contains(&correlation)
    {
        return Err(Error::usage(format!("--site-correlation {correlation}: give 0 to 1, or `measured`")));
    }
    if request.unseen_region && request.rule != Rule::Exact {
        return Err(Error::usage("--unseen-region: it needs the exact rule's thresholds of regions; use --rule exact"));
    }
    let is_wrong = |spare: &f64| request.rule == Rule::Budget || !(0.0..1.0).contains(spare);
    if let Some(spare) = request.spare_alarms.filter(is_wrong) {
        return Err(Error::usage(format!(
            "--spare-alarms {spare}: give a share from 0 to 1, with --rule exact or mean"
        )));
    }
    request.bounds.validate().map_err(Error::usage)
}

/// The level that each of `present` groups has to reach. Groups hold different positives, so they are
/// independent and Šidák's division is exact.
fn level(request: &CalibrateRequest, present: usize) -> Level {
    let miss = 1.0 - request.confidence;
    let miss = match request.joint {
        true => -((-miss).ln_1p() / present.max(1) as f64).exp_m1(),
        false => miss,
    };
    Level { recall: request.target_recall, miss: (request.rule == Rule::Exact).then_some(miss) }
}

/// A group that is infeasible so far.
fn entry(node: &Node, threshold: f64) -> Group {
    let n_positives = node.positives.len() as u64;
    let caught = node.positives.iter().filter(|(score, _)| *score >= threshold).count();
    Group {
        group: node.group.clone(),
        n_positives,
        rank: None,
        threshold,
        recall: (n_positives > 0).then(|| caught as f64 / n_positives as f64),
        confidence: None,
        feasible: false,
        inherited_from: None,
        n_sites: node.n_sites,
        intraclass_correlation: backoff::measured(&node.positives),
        n_positives_needed: None,
    }
}

/// Positives of each group and, where sites repeat, as how many independent ones they count.
fn infeasible(scores: &Scores, nodes: &[Node], level: &Level, request: &CalibrateRequest) -> Error {
    let count = |node: &Node| {
        let n = scores.rows.iter().filter(|row| row.positive && *row.group == *node.group).count();
        let effective =
            node.positives.len() as f64 / request.sites.correlation().design_effect(&node.positives).max(1.0);
        match n as f64 - effective > 0.05 {
            true => format!("{} {n}, which count as {effective:.1} as sites repeat", node.group),
            false => format!("{} {n}", node.group),
        }
    };
    let counts: Vec<_> = nodes.iter().map(count).collect();
    let remedy = match request.by_flags {
        true => "lower --target-recall or --confidence",
        false => "calibrate the original for less (s2infer calibrate --target-recall, --confidence)",
    };
    let needed = level.positives_needed();
    Error::refused(format!(
        "no group has the {needed} positives that this target recall and confidence need at least ({}); add \
         labelled positives, or {remedy}",
        counts.join("; ")
    ))
}

fn profile(
    scores: &Scores,
    request: &CalibrateRequest,
    group_confidence: Option<f64>,
    groups: Vec<Group>,
    warnings: Vec<String>,
) -> Profile {
    let exact = request.rule == Rule::Exact;
    Profile {
        format: PROFILE_FORMAT.into(),
        version: PROFILE_VERSION,
        model: request.model.clone(),
        preprocessing_version: request.preprocessing_version.clone(),
        tta: request.tta,
        prefilter: None,
        rule: request.rule,
        target_recall: (request.rule != Rule::Budget).then_some(request.target_recall),
        confidence: exact.then_some(request.confidence),
        joint: request.joint,
        site_correlation: match request.sites {
            Sites::Correlation(correlation) => Some(correlation),
            _ => None,
        },
        site_rule: match request.sites {
            Sites::MeasuredCorrelation => Some(SiteRule::MeasuredCorrelation),
            Sites::OnePerSite => Some(SiteRule::OnePerSite),
            _ => None,
        },
        class: None,
        unseen_region: None,
        probability: None,
        spare_alarms: request.spare_alarms,
        group_confidence,
        bounds: request.bounds.clone(),
        scores: scores.reference(),
        command: request.command.clone(),
        created: request.created,
        guarantee: table::guarantee(request),
        warnings,
        groups,
        source_sha256: None,
    }
}
