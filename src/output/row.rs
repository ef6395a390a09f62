//! One line of the result, whatever its format.

use jiff::civil::Date;

use super::crs::CrsChoice;
use super::feature::{Cell, Feature, Kind, Layer, Scores, crs_cells, shape_in_degrees, shape_in_source};
use super::{Notes, TableOptions};
use crate::decide::Decision;
use crate::raster::{Geo, Window};

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
    /// Where the tile's pixels lie in its own reference system.
    pub geo: Option<Geo>,
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
    /// Whether the prefilter spared the network this window.
    pub spared: bool,
    /// Whether it was decided at a threshold that no guarantee holds for.
    pub without_guarantee: bool,
    /// What else is known of it, for the formats with room for it.
    pub notes: Notes,
}

const COLUMNS: [(&str, Kind); 15] = [
    ("tile", Kind::Text),
    ("x", Kind::Integer),
    ("y", Kind::Integer),
    ("width", Kind::Integer),
    ("height", Kind::Integer),
    ("longitude", Kind::Double),
    ("latitude", Kind::Double),
    ("date", Kind::Date),
    ("shift", Kind::Text),
    ("score", Kind::Float),
    ("threshold", Kind::Float),
    ("decision", Kind::Text),
    ("reason", Kind::Text),
    ("notes", Kind::Members),
    ("scores", Kind::Nested),
];

impl Row {
    /// A row for a tile or window that has nothing but a reason: an error, or an abstention.
    pub fn without_score(tile: String, window: Window, decision: Decision, reason: String) -> Self {
        Self {
            tile,
            window,
            longitude_latitude: None,
            footprint: None,
            geo: None,
            date: None,
            shift: None,
            score: None,
            threshold: None,
            decision,
            reason: Some(reason),
            scores: None,
            spared: false,
            without_guarantee: false,
            notes: Notes::default(),
        }
    }

    pub(super) fn layer(options: &TableOptions) -> Layer {
        Layer::new("windows", "Decisions by window", &COLUMNS, options)
    }

    /// The row as a line of that layer; a shape costs, so that it is there only if it is asked for.
    pub(super) fn feature<'a>(&'a self, options: &'a TableOptions, with_shape: bool) -> Feature<'a> {
        let window = self.window;
        let place = self.longitude_latitude;
        let text = |text: &'a Option<String>| Cell::or_null(text.as_deref(), Cell::text);
        let mut cells = vec![
            Cell::text(&self.tile),
            Cell::Integer(window.x.into()),
            Cell::Integer(window.y.into()),
            Cell::Integer(window.width.into()),
            Cell::Integer(window.height.into()),
            Cell::degrees(place.map(|(longitude, _)| longitude)),
            Cell::degrees(place.map(|(_, latitude)| latitude)),
            Cell::or_null(self.date, Cell::Date),
            text(&self.shift),
            Cell::or_null(self.score, Cell::Float),
            Cell::or_null(self.threshold, Cell::Float),
            Cell::text(self.decision.text()),
            text(&self.reason),
        ];
        let [left, top] = [window.x, window.y].map(f64::from);
        let (right, bottom) = (left + f64::from(window.width), top + f64::from(window.height));
        cells.extend(crs_cells(self.geo.as_ref(), ((left + right) / 2.0, (top + bottom) / 2.0), options));
        cells.push(Cell::Members(&self.notes));
        let scores = self.scores.as_deref();
        cells.push(Cell::or_null(scores, |scores| Cell::Scores(Scores { scores, classes: &options.classes })));
        let shape = || match options.crs {
            CrsChoice::LonLat => {
                let ring = self.footprint.map(|ring| vec![ring.into_iter().take(4).collect()]);
                shape_in_degrees(ring)
            }
            CrsChoice::Source => {
                let ring = vec![(left, top), (left, bottom), (right, bottom), (right, top)];
                shape_in_source(self.geo.as_ref()?, &[ring])
            }
        };
        let shape = if with_shape { shape() } else { None };
        let point = place.filter(|_| options.crs == CrsChoice::LonLat);
        Feature { tile: &self.tile, cells, date: self.date, shape, point }
    }
}
