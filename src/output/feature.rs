//! What every format writes: a layer of features, each with typed cells and a shape.

use std::borrow::Cow;

use jiff::civil::Date;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::crs::CrsChoice;
use super::geometry::{DEGREE_DECIMALS, Point, Ring, Shape, rounded};
use super::{Notes, TableOptions, crs};
use crate::Result;
use crate::raster::Geo;

/// Decimals of metres: a millimetre.
const METRE_DECIMALS: usize = 3;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    /// 32 bits.
    Float,
    /// 64 bits.
    Double,
    Date,
    /// Further values under names of their own: in JSON members, as a column a JSON text, and nothing in CSV.
    Members,
    /// A value with parts: in JSON nested, as a column a JSON text, and nothing in CSV.
    Nested,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// A table by name and columns.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) columns: Vec<Column>,
}

impl Layer {
    /// The columns that come with `--crs source`, in front of the nested ones.
    pub(super) fn new(
        name: &'static str,
        description: &'static str,
        columns: &[(&'static str, Kind)],
        options: &TableOptions,
    ) -> Self {
        let in_crs: &[_] = match options.crs {
            CrsChoice::LonLat => &[],
            CrsChoice::Source => &[("epsg", Kind::Integer), ("easting", Kind::Double), ("northing", Kind::Double)],
        };
        let is_plain = |(_, kind): &&(&str, Kind)| !matches!(kind, Kind::Members | Kind::Nested);
        let (plain, nested): (Vec<_>, Vec<_>) = columns.iter().partition(is_plain);
        let columns = plain.into_iter().chain(in_crs.iter().copied()).chain(nested);
        Self { name, description, columns: columns.map(|(name, kind)| Column { name, kind }).collect() }
    }
}

/// One value; `Null` fits every column.
#[derive(Debug, Clone)]
pub(super) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(u64),
    Float(f32),
    /// A number written with so many decimals, and not known better.
    Fixed(f64, usize),
    Date(Date),
    Members(&'a Notes),
    Scores(Scores<'a>),
}

/// Class name to probability; a plain list where the model names no classes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scores<'a> {
    pub(super) scores: &'a [f32],
    pub(super) classes: &'a [String],
}

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scores.len() == self.classes.len() {
            serializer.collect_map(self.classes.iter().zip(self.scores))
        } else {
            serializer.collect_seq(self.scores)
        }
    }
}

/// A cell as a JSON value.
impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_u64(*number),
            Self::Float(number) => serializer.serialize_f32(*number),
            Self::Fixed(number, decimals) => rounded(*number, *decimals).serialize(serializer),
            Self::Date(date) => date.serialize(serializer),
            Self::Members(notes) => notes.serialize(serializer),
            Self::Scores(scores) => scores.serialize(serializer),
        }
    }
}

/// One line of a table.
#[derive(Debug)]
pub(super) struct Feature<'a> {
    /// The tile it is about.
    pub(super) tile: &'a str,
    /// One per column.
    pub(super) cells: Vec<Cell<'a>>,
    pub(super) date: Option<Date>,
    /// Where it lies, for formats with geometries; with the code of its coordinates.
    pub(super) shape: Option<(Shape, u32)>,
    /// Longitude and latitude of what has no shape.
    pub(super) point: Option<Point>,
}

/// A feature's members as a JSON object.
pub(super) struct Members<'a> {
    pub(super) layer: &'a Layer,
    pub(super) feature: &'a Feature<'a>,
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, cell) in self.layer.columns.iter().zip(&self.feature.cells) {
            match (column.kind, cell) {
                (Kind::Members, Cell::Members(notes)) => notes.members(&mut map)?,
                (Kind::Members | Kind::Nested, Cell::Null) => {}
                _ => map.serialize_entry(column.name, cell)?,
            }
        }
        map.end()
    }
}

/// Writes features in their order.
pub(super) trait Writer: Send {
    fn write(&mut self, feature: &Feature<'_>) -> Result<()>;

    /// As [`super::Sink::finish`].
    fn finish(self: Box<Self>) -> Result<()>;
}

impl<'a> Cell<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn or_null<V>(value: Option<V>, cell: impl FnOnce(V) -> Self) -> Self {
        value.map_or(Self::Null, cell)
    }

    pub(super) fn degrees(degrees: Option<f64>) -> Self {
        Self::or_null(degrees, |degrees| Self::Fixed(degrees, DEGREE_DECIMALS))
    }
}

/// The cells that come with `--crs source`: code, easting and northing of a place in the raster; longitude and latitude
/// where its system is geographic.
pub(super) fn crs_cells<'a>(geo: Option<&Geo>, (column, row): Point, options: &TableOptions) -> Vec<Cell<'a>> {
    if options.crs == CrsChoice::LonLat {
        return Vec::new();
    }
    let Some((geo, epsg)) = geo.and_then(|geo| Some((geo, geo.epsg?))) else { return vec![Cell::Null; 3] };
    let (easting, northing) = geo.place(column, row);
    let decimals = decimals(geo);
    vec![Cell::Integer(epsg.into()), Cell::Fixed(easting, decimals), Cell::Fixed(northing, decimals)]
}

/// What rings of columns and rows enclose, in the raster's own system.
pub(super) fn shape_in_source(geo: &Geo, rings: &[Ring]) -> Option<(Shape, u32)> {
    let placed = |ring: &Ring| ring.iter().map(|&(column, row)| geo.place(column, row)).collect();
    Some((Shape::of_plane(rings.iter().map(placed).collect(), decimals(geo))?, geo.epsg?))
}

/// What rings of columns and rows enclose, in degrees. Their edges should be short: a straight line of a projection is none
/// in degrees.
pub(super) fn shape_in_degrees(rings: Option<Vec<Ring>>) -> Option<(Shape, u32)> {
    Some((Shape::of_degrees(rings?)?, crs::WGS84))
}

fn decimals(geo: &Geo) -> usize {
    if geo.is_geographic() == Some(true) { DEGREE_DECIMALS } else { METRE_DECIMALS }
}
