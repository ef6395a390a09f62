//! One line of the result, whatever its format.

use jiff::civil::Date;

use crate::decide::Decision;
use crate::raster::Window;

/// What is said of one window of one tile.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The tile's path as it was given, made text by [`super::tile_text`].
    pub tile: String,
    /// The window, in source pixels.
    pub window: Window,
    /// Centre of the window in degrees, WGS 84, where the tile says where it lies.
    pub longitude_latitude: Option<(f64, f64)>,
    /// The window's outline as a closed ring of longitude and latitude in degrees, in either direction.
    pub footprint: Option<[(f64, f64); 5]>,
    /// Day of acquisition, where known.
    pub date: Option<Date>,
    /// The shift whose threshold was used.
    pub shift: Option<String>,
    /// The score that was compared, or the probability of the class decided on; finite.
    pub score: Option<f32>,
    /// The threshold it was compared with.
    pub threshold: Option<f32>,
    /// The decision.
    pub decision: Decision,
    /// Why there is none, or what to know about it.
    pub reason: Option<String>,
    /// The probabilities of all classes, in the model's order; finite.
    pub scores: Option<Vec<f32>>,
    /// Further keys and values for the formats with room for them (`radiometry_source`, `bands_source`);
    /// no key may repeat a column's.
    pub notes: Vec<(String, String)>,
}

impl Row {
    /// A row for a tile or window that has nothing but a reason: an error, or an abstention.
    pub fn without_score(tile: String, window: Window, decision: Decision, reason: String) -> Self {
        Self {
            tile,
            window,
            longitude_latitude: None,
            footprint: None,
            date: None,
            shift: None,
            score: None,
            threshold: None,
            decision,
            reason: Some(reason),
            scores: None,
            notes: Vec::new(),
        }
    }
}
