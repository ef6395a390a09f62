//! What makes a guarantee doubtful although the numbers suffice.

use std::collections::{HashMap, HashSet};

use super::backoff::{Correlation, MEASURED_SITES_MIN, Node, is_measurable, measured};
use super::scores::Scores;
use super::{CalibrateRequest, Sites};

/// A correlation within sites that is often met, to show what it does.
const TYPICAL_CORRELATION: f64 = 0.3;

/// One line each.
pub(super) fn of(scores: &Scores, nodes: &[Node], request: &CalibrateRequest) -> Vec<String> {
    let mut warnings = Vec::new();
    if scores.n_overcast > 0 {
        warnings.push(format!("{} rows left out: more cloud than a run decides on", scores.n_overcast));
    }
    if scores.n_undecided > 0 {
        warnings.push(format!("{} rows left out: a run did not decide them", scores.n_undecided));
    }
    if request.sites == Sites::Independent {
        warnings.extend(nodes.iter().filter_map(|node| clustered(node, request)));
    }
    match request.sites {
        Sites::Independent => {}
        Sites::MeasuredCorrelation => warnings.extend(nodes.iter().filter_map(unmeasurable)),
        Sites::Correlation(given) => warnings.extend(nodes.iter().filter_map(|node| more_alike(node, given, request))),
        Sites::OnePerSite => {}
    }
    if request.sites != Sites::Independent {
        warnings.extend(without_site(scores));
    }
    if request.joint {
        warnings.extend(shared_between_groups(scores));
    }
    warnings
}

fn remedy(request: &CalibrateRequest, flags: &str) -> String {
    match request.by_flags {
        true => format!("give {flags}"),
        false => format!("calibrate the original so (s2infer calibrate with {flags}), and this is done as well"),
    }
}

/// Several positives per site tell less than as many independent ones.
fn clustered(node: &Node, request: &CalibrateRequest) -> Option<String> {
    let (n, sites) = (node.positives.len() as f64, node.n_sites? as f64);
    if n <= sites {
        return None;
    }
    let effective = n / Correlation::Given(TYPICAL_CORRELATION).design_effect(&node.positives);
    Some(format!(
        "group {}: {n} positives from {sites} sites are not independent, as the guarantee assumes; with a \
         correlation of {TYPICAL_CORRELATION} within sites they count as {effective:.0}: {}",
        node.group,
        remedy(request, "--one-per-site or --site-correlation")
    ))
}

/// Too few sites to measure a correlation.
fn unmeasurable(node: &Node) -> Option<String> {
    (!is_measurable(&node.positives)).then(|| {
        format!(
            "group {}: its positives are from fewer than {MEASURED_SITES_MIN} sites, too few to measure how alike they are: \
             each site counts as one positive",
            node.group
        )
    })
}

/// Positives of a site are more alike than was assumed.
fn more_alike(node: &Node, given: f64, request: &CalibrateRequest) -> Option<String> {
    let found = measured(&node.positives).filter(|found| *found > given)?;
    Some(format!(
        "group {}: positives of one site have a measured correlation of {found:.2}, and the guarantee assumes no more than \
         {given}: {}",
        node.group,
        remedy(request, &format!("--site-correlation {found:.2} or --one-per-site"))
    ))
}

/// Positives whose site is not known count as sites of their own.
fn without_site(scores: &Scores) -> Option<String> {
    let n = scores.rows.iter().filter(|row| row.positive && row.site.is_none()).count();
    (n > 0).then(|| format!("{n} positives state no site; each counts as a site of its own"))
}

/// Groups that share sites (or tiles, where sites are not given) are not independent of one another.
fn shared_between_groups(scores: &Scores) -> Option<String> {
    let mut groups: HashMap<&str, &str> = HashMap::new();
    let mut shared = HashSet::new();
    for row in scores.rows.iter().filter(|row| row.positive) {
        let id = row.site.as_deref().unwrap_or(&row.tile);
        if !id.is_empty() && **groups.entry(id).or_insert(&row.group) != *row.group {
            shared.insert(id);
        }
    }
    (!shared.is_empty()).then(|| {
        format!(
            "{} sites or tiles have positives in several groups, but the joint confidence takes groups for independent",
            shared.len()
        )
    })
}
