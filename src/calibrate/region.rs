//! A threshold for regions that calibrated nothing.

use std::collections::BTreeMap;

use super::binomial::Level;
use super::{CalibrateRequest, Scores, Sites};
use crate::decide::UnseenRegion;
use crate::{Error, Result};

/// The order rule over regions. Each region's own threshold reaches the target recall in that region with the stated
/// confidence; were regions draws from one population, a new one would need a threshold below the k-th lowest of K with
/// probability k / (K + 1). So the rank is ⌊(1 − confidence)(K + 1)⌋: nine regions bear 90 %, nineteen 95 %.
///
/// # Errors
/// [`crate::Kind::Refused`] where too few regions have enough positives, saying how many.
pub(super) fn unseen(scores: &Scores, request: &CalibrateRequest) -> Result<UnseenRegion> {
    let miss = 1.0 - request.confidence;
    let level = Level { recall: request.target_recall, miss: Some(miss) };
    let sites = scores.site_numbers();
    let mut regions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, row) in scores.rows.iter().enumerate().filter(|(_, row)| row.positive) {
        let region = row.region.as_deref();
        let region = region.ok_or_else(|| Error::usage(format!("--unseen-region: {} has no region", row.tile)))?;
        regions.entry(region).or_default().push(index);
    }
    let own = |rows: &Vec<usize>| {
        let rows = match request.sites {
            Sites::OnePerSite => scores.one_of_each_site(rows.clone(), &sites),
            _ => rows.clone(),
        };
        let mut positives: Vec<(f64, u32)> = rows.into_iter().map(|row| (scores.rows[row].score, sites[row])).collect();
        positives.sort_by(|a, b| a.0.total_cmp(&b.0));
        level.choose(&positives, request.sites.correlation().design_effect(&positives)).map(|choice| choice.threshold)
    };
    let mut thresholds: Vec<f64> = regions.values().filter_map(own).collect();
    thresholds.sort_by(f64::total_cmp);
    let n = thresholds.len();
    let rank = (miss * (n as f64 + 1.0) * (1.0 + 1e-12)).floor() as usize;
    let threshold = rank.checked_sub(1).and_then(|index| thresholds.get(index));
    let Some(&threshold) = threshold else {
        return Err(Error::refused(format!(
            "--unseen-region: {n} of {} regions have the {} positives that a threshold of their own needs at least, and a \
             confidence of {} needs {} such regions",
            regions.len(),
            level.positives_needed(),
            request.confidence,
            (1.0 / miss * (1.0 - 1e-12)).ceil() as usize - 1,
        )));
    };
    let confidence = 1.0 - rank as f64 / (n as f64 + 1.0);
    Ok(UnseenRegion { threshold, n_regions: n as u64, rank: rank as u64, confidence })
}
