//! A row as the journal stores it: without its tile's path, numbers as their bits.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::super::{Notes, Row};
use crate::decide::Decision;
use crate::raster::{Geo, Window};

/// Field by field a [`Row`]; floating-point numbers are kept as bits so that they come back unchanged.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredRow {
    window: [u32; 4],
    place: Option<[u64; 2]>,
    footprint: Option<Vec<[u64; 2]>>,
    geo: Option<StoredGeo>,
    date: Option<Date>,
    shift: Option<String>,
    score: Option<u32>,
    threshold: Option<u32>,
    decision: Decision,
    reason: Option<String>,
    scores: Option<Vec<u32>>,
    spared: bool,
    without_guarantee: bool,
    notes: Notes,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGeo {
    epsg: Option<u32>,
    transform: [u64; 6],
}

impl From<&Row> for StoredRow {
    fn from(row: &Row) -> Self {
        let Row { window, .. } = row;
        Self {
            window: [window.x, window.y, window.width, window.height],
            place: row.longitude_latitude.map(point_bits),
            footprint: row.footprint.map(|ring| ring.into_iter().map(point_bits).collect()),
            geo: row.geo.as_ref().map(|geo| StoredGeo { epsg: geo.epsg, transform: geo.transform.map(f64::to_bits) }),
            date: row.date,
            shift: row.shift.clone(),
            score: row.score.map(f32::to_bits),
            threshold: row.threshold.map(f32::to_bits),
            decision: row.decision.clone(),
            reason: row.reason.clone(),
            scores: row.scores.as_ref().map(|scores| scores.iter().map(|score| score.to_bits()).collect()),
            spared: row.spared,
            without_guarantee: row.without_guarantee,
            notes: row.notes.clone(),
        }
    }
}

impl StoredRow {
    /// The row under the path its tile has now; none if the footprint is not a ring of five points.
    pub(super) fn restore(self, tile: &str) -> Option<Row> {
        let [x, y, width, height] = self.window;
        let footprint = match self.footprint {
            Some(ring) => Some(ring.into_iter().map(point).collect::<Vec<_>>().try_into().ok()?),
            None => None,
        };
        Some(Row {
            tile: tile.to_owned(),
            window: Window { x, y, width, height },
            longitude_latitude: self.place.map(point),
            footprint,
            geo: self.geo.map(|geo| Geo { epsg: geo.epsg, transform: geo.transform.map(f64::from_bits) }),
            date: self.date,
            shift: self.shift,
            score: self.score.map(f32::from_bits),
            threshold: self.threshold.map(f32::from_bits),
            decision: self.decision,
            reason: self.reason,
            scores: self.scores.map(|scores| scores.into_iter().map(f32::from_bits).collect()),
            spared: self.spared,
            without_guarantee: self.without_guarantee,
            notes: self.notes,
        })
    }
}

fn point_bits((longitude, latitude): (f64, f64)) -> [u64; 2] {
    [longitude.to_bits(), latitude.to_bits()]
}

fn point([longitude, latitude]: [u64; 2]) -> (f64, f64) {
    (f64::from_bits(longitude), f64::from_bits(latitude))
}
