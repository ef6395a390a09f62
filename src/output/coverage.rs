//! Which tiles a run has decided, where and when they were taken.

use std::sync::{Arc, Mutex};

use jiff::civil::Date;

use super::geometry::{Ring, Shape, bounds_in_degrees};
use super::{Row, Sink};
use crate::decide::Decision;
use crate::raster::{Geo, Window};
use crate::{Error, Result};

/// What the rows of a run say of its tiles.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    pub(super) tiles: Vec<CoveredTile>,
    /// The first and the last day.
    pub(super) days: Option<(Date, Date)>,
}

/// A tile by the rows it has.
#[derive(Debug, Clone)]
pub(super) struct CoveredTile {
    name: String,
    has_failed: bool,
    /// What its windows cover.
    extent: Window,
    geo: Option<Geo>,
}

impl Coverage {
    /// The tiles without a failed window, by their names in the result.
    pub fn tiles_decided(&self) -> impl Iterator<Item = &str> {
        self.tiles.iter().filter(|tile| !tile.has_failed).map(|tile| tile.name.as_str())
    }

    fn add(&mut self, row: &Row) {
        if self.tiles.last().is_none_or(|tile| tile.name != row.tile) {
            let (name, geo) = (row.tile.clone(), row.geo.clone());
            self.tiles.push(CoveredTile { name, has_failed: false, extent: row.window, geo });
        }
        if let Some(tile) = self.tiles.last_mut() {
            tile.has_failed |= row.decision == Decision::Error;
            tile.extent = around(tile.extent, row.window);
        }
        if let Some(day) = row.date {
            let (first, last) = self.days.unwrap_or((day, day));
            self.days = Some((first.min(day), last.max(day)));
        }
    }
}

impl CoveredTile {
    /// Its outline in degrees, where it says where it lies.
    pub(super) fn ring(&self) -> Option<Ring> {
        Some(self.geo.as_ref()?.footprint(self.extent)?.to_vec())
    }

    pub(super) fn shape(&self) -> Option<Shape> {
        Shape::of_degrees(vec![self.ring()?])
    }

    /// `[west, south, east, north]`; west is greater than east across the antimeridian.
    pub(super) fn bounds(&self) -> Option<[f64; 4]> {
        Some(bounds_in_degrees(&[self.ring()?]))
    }
}

fn around(a: Window, b: Window) -> Window {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let end = |start: u32, length: u32| start.saturating_add(length);
    let (right, bottom) = (end(a.x, a.width).max(end(b.x, b.width)), end(a.y, a.height).max(end(b.y, b.height)));
    Window { x, y, width: right - x, height: bottom - y }
}

/// A coverage that is still being written, shared with its sink.
#[derive(Debug, Clone, Default)]
pub struct SharedCoverage(Arc<Mutex<Coverage>>);

impl SharedCoverage {
    /// A sink that looks at rows and writes nothing.
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.clone())
    }

    /// What the rows have said so far.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the thread that wrote it broke off.
    pub fn get(&self) -> Result<Coverage> {
        let coverage = self.0.lock().map_err(|_| Error::output("what the run covers is lost"))?;
        Ok(coverage.clone())
    }
}

impl Sink for SharedCoverage {
    fn write(&mut self, row: &Row) -> Result<()> {
        let mut coverage = self.0.lock().map_err(|_| Error::output("what the run covers is lost"))?;
        coverage.add(row);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
