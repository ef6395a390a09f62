//! What is compared of one tile.

use crate::decide::{Bounds, Observation as Circumstances, group_name};
use crate::infer::summary::WindowSummary;

/// One tile that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Season and sky, or the profile's group; none where they are not known.
    pub group: Option<String>,
    /// The score of the tile's window; none where it abstained.
    pub score: Option<f32>,
    /// What the window's pixels were like; none for a tile from the resume journal or from a table of scores.
    pub summary: Option<WindowSummary>,
}

/// One number of a tile whose distribution is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// The score, 0 to 1.
    Score,
    /// 1 where the tile abstained, else 0.
    Abstained,
    /// Share of valid pixels, 0 to 1.
    ValidShare,
    /// Mean reflectance of the band of this index.
    Mean(usize),
    /// Standard deviation of the reflectance of the band of this index.
    Deviation(usize),
}

impl Quantity {
    /// All for a model of so many bands, in the order in which they are listed everywhere.
    pub fn all(bands: usize) -> Vec<Self> {
        let single = [Self::Score, Self::Abstained, Self::ValidShare];
        let of_bands = (0..bands).flat_map(|band| [Self::Mean(band), Self::Deviation(band)]);
        single.into_iter().chain(of_bands).collect()
    }

    /// Its name in files: `score`, `mean_B04`.
    pub fn name(self, bands: &[String]) -> String {
        let band = |index: usize| bands.get(index).map_or("?", String::as_str);
        match self {
            Self::Score => "score".into(),
            Self::Abstained => "abstained".into(),
            Self::ValidShare => "valid_share".into(),
            Self::Mean(index) => format!("mean_{}", band(index)),
            Self::Deviation(index) => format!("deviation_{}", band(index)),
        }
    }

    /// Its value for a tile that has one.
    pub fn value(self, tile: &Observation) -> Option<f64> {
        let band = |index| tile.summary.as_ref().and_then(|summary| summary.bands.get(index));
        match self {
            Self::Score => tile.score.map(f64::from),
            Self::Abstained => Some(f64::from(u8::from(tile.score.is_none()))),
            Self::ValidShare => tile.summary.as_ref().map(|summary| f64::from(summary.valid_share)),
            Self::Mean(index) => band(index).map(|band| f64::from(band.mean)),
            Self::Deviation(index) => band(index).map(|band| f64::from(band.standard_deviation)),
        }
    }
}

/// The means and deviations of all bands, for tests of all at once; none where a tile has none.
pub(super) fn band_values(tile: &Observation, bands: usize) -> Option<Vec<f32>> {
    let summary = tile.summary.as_ref().filter(|summary| summary.bands.len() == bands)?;
    Some(summary.bands.iter().flat_map(|band| [band.mean, band.standard_deviation]).collect())
}

/// The group of season and sky, where both are known and the sky is no more than cloudy.
pub fn season_sky(bounds: &Bounds, known: &Circumstances) -> Option<String> {
    let season = bounds.season_of(known)?;
    let sky = bounds.sky(known.cloud_cover_percent?).ok().flatten()?;
    Some(group_name(season, sky))
}
