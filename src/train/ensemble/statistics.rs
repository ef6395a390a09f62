//! What the trees before the network see of labelled patches, and where they may cut.

use rayon::prelude::*;

use crate::infer::gate;
use crate::labelled::{Labelled, LabelledRow};
use crate::model::Manifest;
use crate::model::manifest::Band;
use crate::train::pixels;
use crate::{Error, Result};

/// Names of the numbers, channel by channel, in the order of [`gate::statistics`].
pub fn names(manifest: &Manifest) -> Vec<String> {
    let of = |band: &Band| gate::STATISTICS.map(|what| format!("{} {what}", band.name));
    manifest.bands.iter().flat_map(of).collect()
}

/// The numbers of every patch of a table, as a run computes them.
///
/// # Errors
/// A file that cannot be read or has another size.
pub fn of(table: &Labelled, manifest: &Manifest) -> Result<Vec<Vec<f32>>> {
    let row = |row: &LabelledRow| {
        let mut input = pixels::read(&table.folder.join(&row.tile), manifest)?;
        let pixels = input.len() / manifest.bands.len();
        let valid: Vec<bool> = input[..pixels].iter().map(|value| !value.is_nan()).collect();
        input.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        Ok(gate::statistics(&input, &valid))
    };
    table.rows.par_iter().map(row).collect()
}

/// The lowest score of the positives, and the number of their sites: a site's patches are alike, so that they count once
/// for what the cut-off proves.
///
/// # Errors
/// [`crate::Kind::Usage`] without a positive.
pub fn cutoff(table: &Labelled, scores: &[f32]) -> Result<(f32, u64)> {
    let positives = || table.rows.iter().zip(scores).filter(|(row, _)| row.is_positive());
    let lowest = positives().map(|(_, score)| *score).min_by(f32::total_cmp);
    let lowest = lowest.ok_or_else(|| Error::usage(format!("{}: no positive to calibrate on", table.file)))?;
    let sites: std::collections::HashSet<&str> =
        positives().map(|(row, _)| row.site.as_deref().unwrap_or(&row.tile)).collect();
    Ok((lowest, sites.len() as u64))
}
