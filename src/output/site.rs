//! Sites: the neighbouring positive windows of each tile as one line.

use jiff::civil::Date;

use super::crs::CrsChoice;
use super::feature::{Cell, Feature, Kind, Layer, crs_cells, shape_in_degrees, shape_in_source};
use super::geometry::{Ring, bounds_in_degrees, ellipsoidal_area_m2};
use super::{Row, Sink, Table, TableOptions};
use crate::Result;
use crate::decide::Decision;
use crate::decide::sites::{Site, SiteMerger};
use crate::raster::{Geo, Window};

/// Decimals of square metres.
const AREA_DECIMALS: usize = 1;

const COLUMNS: [(&str, Kind); 20] = [
    ("site", Kind::Text),
    ("tile", Kind::Text),
    ("date", Kind::Date),
    ("windows", Kind::Integer),
    ("undecided", Kind::Integer),
    ("score_max", Kind::Float),
    ("score_mean", Kind::Float),
    ("threshold", Kind::Float),
    ("shift", Kind::Text),
    ("area_m2", Kind::Double),
    ("x", Kind::Integer),
    ("y", Kind::Integer),
    ("width", Kind::Integer),
    ("height", Kind::Integer),
    ("longitude", Kind::Double),
    ("latitude", Kind::Double),
    ("west", Kind::Double),
    ("south", Kind::Double),
    ("east", Kind::Double),
    ("north", Kind::Double),
];

/// Takes the rows of windows and writes the sites of a tile once its last row has passed.
pub(super) struct Sites {
    table: Table,
    tile: Option<Tile>,
}

/// The tile whose rows are arriving.
struct Tile {
    name: String,
    date: Option<Date>,
    geo: Option<Geo>,
    window: Window,
    merger: SiteMerger<Rule>,
}

/// What decided a window.
struct Rule {
    threshold: Option<f32>,
    shift: Option<String>,
}

impl Sites {
    pub(super) fn new(table: Table) -> Self {
        Self { table, tile: None }
    }

    pub(super) fn layer(options: &TableOptions) -> Layer {
        Layer::new("sites", "Neighbouring positive windows", &COLUMNS, options)
    }

    /// Writes the sites of the tile that is complete.
    fn flush(&mut self) -> Result<()> {
        let Some(Tile { name, date, geo, window, merger }) = self.tile.take() else { return Ok(()) };
        for (number, site) in (1..).zip(merger.finish()) {
            let place = Place::of(&site, geo.as_ref(), window.width.max(window.height));
            let feature = place.feature(&name, number, date, &site, &self.table);
            self.table.writer.write(&feature)?;
        }
        Ok(())
    }
}

impl Sink for Sites {
    fn write(&mut self, row: &Row) -> Result<()> {
        if self.tile.as_ref().is_none_or(|tile| tile.name != row.tile) {
            self.flush()?;
        }
        let tile = self.tile.get_or_insert_with(|| Tile {
            name: row.tile.clone(),
            date: row.date,
            geo: row.geo.clone(),
            window: row.window,
            merger: SiteMerger::default(),
        });
        match (&row.decision, row.score) {
            (Decision::Positive, Some(score)) => {
                let rule = Rule { threshold: row.threshold, shift: row.shift.clone() };
                tile.merger.positive(row.window, score, rule);
            }
            (Decision::Abstain | Decision::Error, _) => tile.merger.undecided(row.window),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        self.table.writer.finish()
    }
}

/// Where a site lies, as far as its tile says where it lies itself.
struct Place<'a> {
    geo: Option<&'a Geo>,
    /// Open rings of columns and rows.
    rings: Vec<Ring>,
    /// The same in degrees.
    degrees: Option<Vec<Ring>>,
}

impl<'a> Place<'a> {
    /// Edges in degrees are at most `step_px` long, like those of windows.
    fn of(site: &Site<Rule>, geo: Option<&'a Geo>, step_px: u32) -> Self {
        let corners = |ring: &Vec<[u32; 2]>| ring.iter().map(|&[x, y]| (f64::from(x), f64::from(y))).collect();
        let rings: Vec<Ring> = site.outline.iter().map(corners).collect();
        let in_degrees = |ring: &Ring| {
            let points = stepped(ring, f64::from(step_px.max(1)));
            points.into_iter().map(|(column, row)| geo?.longitude_latitude(column, row)).collect::<Option<Ring>>()
        };
        Self { geo, degrees: rings.iter().map(in_degrees).collect(), rings }
    }

    fn area_m2(&self, site: &Site<Rule>) -> Option<f64> {
        let in_plane = self.geo.and_then(Geo::pixel_area_m2).map(|pixel| pixel * site.area_px as f64);
        in_plane.or_else(|| self.degrees.as_deref().map(ellipsoidal_area_m2))
    }

    fn feature<'b>(
        &self,
        tile: &'b str,
        number: u64,
        date: Option<Date>,
        site: &'b Site<Rule>,
        table: &Table,
    ) -> Feature<'b> {
        let (column, row) = site.centroid;
        let center = self.geo.and_then(|geo| geo.point(column, row));
        let [west, south, east, north] = match self.degrees.as_deref().map(bounds_in_degrees) {
            Some(bounds) => bounds.map(Some),
            None => [None; 4],
        };
        let mut cells = vec![
            Cell::Text(format!("{tile}#{number}").into()),
            Cell::text(tile),
            Cell::or_null(date, Cell::Date),
            Cell::Integer(site.windows),
            Cell::Integer(site.undecided),
            Cell::Float(site.score_max),
            Cell::Float(site.score_mean),
            Cell::or_null(site.strongest.threshold, Cell::Float),
            Cell::or_null(site.strongest.shift.as_deref(), Cell::text),
            Cell::or_null(self.area_m2(site), |area| Cell::Fixed(area, AREA_DECIMALS)),
            Cell::Integer(site.extent.x.into()),
            Cell::Integer(site.extent.y.into()),
            Cell::Integer(site.extent.width.into()),
            Cell::Integer(site.extent.height.into()),
            Cell::degrees(center.map(|center| center.0)),
            Cell::degrees(center.map(|center| center.1)),
        ];
        cells.extend([west, south, east, north].map(Cell::degrees));
        cells.extend(crs_cells(self.geo, site.centroid, &table.options));
        let shape = match (table.has_shapes, table.options.crs) {
            (false, _) => None,
            (true, CrsChoice::LonLat) => shape_in_degrees(self.degrees.clone()),
            (true, CrsChoice::Source) => self.geo.and_then(|geo| shape_in_source(geo, &self.rings)),
        };
        Feature { tile, cells, date, shape, point: None }
    }
}

/// A ring with points between those that are further than `step` apart.
fn stepped(ring: &Ring, step: f64) -> Ring {
    let edges = ring.iter().zip(ring.iter().cycle().skip(1));
    let points = edges.flat_map(|(from, to)| {
        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let steps = (x.abs().max(y.abs()) / step).ceil().max(1.0);
        (0..steps as u32).map(move |index| {
            let share = f64::from(index) / steps;
            (from.0 + share * x, from.1 + share * y)
        })
    });
    points.collect()
}
