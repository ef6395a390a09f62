//! Class shares of whole tiles as CSV, a line for every tile.

use std::path::Path;

use super::text::csv_cell;
use super::{Stream, Target};
use crate::{Error, Result};

/// Least share of a class that is not ignored. A class that is there and was given nothing costs a divergence more than all
/// else: 1 % of a tile costs 0.138 at a share of 1e-8 and 0.037 at this one.
pub const SHARE_FLOOR: f64 = 1e-4;
/// Shares are written to so many decimals.
const DECIMALS: usize = 6;

/// What the first column says of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `sample_id`: the file's name without its extension.
    SampleId,
    /// `tile`: its path.
    Tile,
}

/// Writes a column for the tile, then one per class; the printed shares of a line add up to exactly 1. Ignored classes get
/// 0, every other at least about [`SHARE_FLOOR`].
pub struct DistributionWriter {
    stream: Stream,
    key: Key,
    ignored: Vec<bool>,
}

impl DistributionWriter {
    /// Starts the table; `ignored` says of every class whether it is never given.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn create(target: Target, key: Key, classes: &[String], ignored: Vec<bool>) -> Result<Self> {
        let mut stream = Stream::open(target)?;
        let key_name = if key == Key::SampleId { "sample_id" } else { "tile" };
        let names: Vec<_> = [key_name].into_iter().chain(classes.iter().map(String::as_str)).map(csv_cell).collect();
        stream.write(&(names.join(",") + "\n"))?;
        Ok(Self { stream, key, ignored })
    }

    /// Writes the shares of one tile in the order of the classes; cells stay empty for a tile that has none (no valid
    /// pixel).
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be written, or the shares are not one finite number ≥ 0 per
    /// class with a positive sum over the classes that are not ignored.
    pub fn write(&mut self, tile: &str, shares: Option<&[f64]>) -> Result<()> {
        let name = match self.key {
            Key::Tile => tile.to_owned(),
            Key::SampleId => sample_id(tile),
        };
        let cells = match shares {
            None => vec![String::new(); self.ignored.len()],
            Some(shares) => printed(shares, &self.ignored)
                .ok_or_else(|| Error::output(format!("{tile}: {shares:?} is not a distribution")))?,
        };
        let cells: Vec<String> = [csv_cell(&name)].into_iter().chain(cells).collect();
        self.stream.write(&(cells.join(",") + "\n"))
    }

    /// Completes the table; a file gets its name.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn finish(self) -> Result<()> {
        self.stream.finish()
    }
}

/// The name of a tile's file without its extension.
pub fn sample_id(tile: &str) -> String {
    Path::new(tile).file_stem().map_or_else(|| tile.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Shares raised to the floor and scaled to add up to 1, as they are printed; `None` where they are none.
fn printed(shares: &[f64], ignored: &[bool]) -> Option<Vec<String>> {
    let kept = |class: usize| if ignored[class] { 0.0 } else { shares[class] };
    let is_valid = shares.len() == ignored.len() && shares.iter().all(|share| *share >= 0.0);
    let sum: f64 = if is_valid { (0..shares.len()).map(kept).sum() } else { 0.0 };
    if !(sum > 0.0 && sum.is_finite()) {
        return None;
    }
    let raise = |class: usize| if ignored[class] { 0.0 } else { (shares[class] / sum).max(SHARE_FLOOR) };
    let raised: Vec<f64> = (0..shares.len()).map(raise).collect();
    let (sum, one) = (raised.iter().sum::<f64>(), 10u64.pow(DECIMALS as u32));
    let exact: Vec<f64> = raised.iter().map(|share| share / sum * one as f64).collect();
    let mut units: Vec<u64> = exact.iter().map(|value| value.floor() as u64).collect();
    // What rounding down left goes to the largest remainders, the first of equals.
    let mut order: Vec<usize> = (0..units.len()).filter(|&class| !ignored[class]).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let left = one.saturating_sub(units.iter().sum()) as usize;
    order.iter().cycle().take(left).for_each(|&class| units[class] += 1);
    let cell = |(class, units): (usize, u64)| match ignored[class] {
        true => "0".to_owned(),
        false => format!("{}.{:0DECIMALS$}", units / one, units % one),
    };
    Some(units.into_iter().enumerate().map(cell).collect())
}
