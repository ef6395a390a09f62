//! Where a raster lies: geo keys and the affine transform.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proj4rs::Proj;

use super::types::Window;

const WGS84: u32 = 4326;
/// Along a meridian, on average.
const METRES_OF_A_DEGREE: f64 = 111_133.0;

/// Georeference of a raster.
#[derive(Debug, Clone, PartialEq)]
pub struct Geo {
    /// EPSG code of the coordinate reference system, where the keys give one.
    pub epsg: Option<u32>,
    /// GDAL's order: `x = t[0] + column·t[1] + row·t[2]`, `y = t[3] + column·t[4] + row·t[5]`.
    pub transform: [f64; 6],
}

thread_local! {
    /// Building a projection from its definition costs far more than using it.
    static PROJECTIONS: RefCell<HashMap<u32, Option<Rc<Proj>>>> = RefCell::default();
}

impl Geo {
    /// A place in the raster in its own reference system; columns and rows as in [`Self::longitude_latitude`].
    pub fn place(&self, column: f64, row: f64) -> (f64, f64) {
        let t = &self.transform;
        (t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5])
    }

    /// Whether its coordinates are longitudes and latitudes; `None` where the reference system is unknown.
    pub fn is_geographic(&self) -> Option<bool> {
        let epsg = self.epsg?;
        if epsg == WGS84 { Some(true) } else { Some(projection(epsg)?.is_latlong()) }
    }

    /// Square metres of a pixel in the plane of its projection, as pixels are usually counted; `None` where the reference
    /// system is unknown or no projection.
    pub fn pixel_area_m2(&self) -> Option<f64> {
        let projection = projection(self.epsg.filter(|epsg| *epsg != WGS84)?)?;
        let [_, a, b, _, c, d] = self.transform;
        (!projection.is_latlong()).then(|| (a * d - b * c).abs() * projection.to_meter().powi(2))
    }

    /// Metres of a pixel's side in the plane of its projection, or along a meridian where coordinates are degrees; `None`
    /// where the reference system is unknown.
    pub fn pixel_size_m(&self) -> Option<f64> {
        let [.., by_column, by_row] = self.transform;
        match self.is_geographic()? {
            true => Some(by_column.hypot(by_row) * METRES_OF_A_DEGREE),
            false => self.pixel_area_m2().map(f64::sqrt),
        }
    }

    /// Longitude and latitude in degrees (WGS 84) of a place in the raster; whole numbers are corners of pixels, so
    /// `(0.5, 0.5)` is the centre of the first one. Across the antimeridian longitudes may run on beyond ±180, so that what
    /// is connected stays so. `None` where the reference system is unknown or the place lies outside its domain.
    pub fn longitude_latitude(&self, column: f64, row: f64) -> Option<(f64, f64)> {
        let (x, y) = self.place(column, row);
        let (longitude, latitude) = to_degrees(self.epsg?, x, y)?;
        let on_earth = (-360.0..=360.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude);
        on_earth.then_some((longitude, latitude))
    }

    /// As [`Self::longitude_latitude`], the longitude within ±180: of a place by itself.
    pub fn point(&self, column: f64, row: f64) -> Option<(f64, f64)> {
        let (longitude, latitude) = self.longitude_latitude(column, row)?;
        let is_beyond = longitude.abs() > 180.0;
        Some((if is_beyond { (longitude + 180.0).rem_euclid(360.0) - 180.0 } else { longitude }, latitude))
    }

    /// The four corners of `window` as longitude and latitude, from the upper left by way of the lower left: counter
    /// clockwise for a raster with north up, as GeoJSON (RFC 7946) wants its rings.
    pub fn footprint(&self, window: Window) -> Option<[(f64, f64); 4]> {
        let (left, top) = (f64::from(window.x), f64::from(window.y));
        let (right, bottom) = (left + f64::from(window.width), top + f64::from(window.height));
        Some([
            self.longitude_latitude(left, top)?,
            self.longitude_latitude(left, bottom)?,
            self.longitude_latitude(right, bottom)?,
            self.longitude_latitude(right, top)?,
        ])
    }
}

fn to_degrees(epsg: u32, x: f64, y: f64) -> Option<(f64, f64)> {
    if epsg == WGS84 {
        return Some((x, y));
    }
    let (from, to) = (projection(epsg)?, projection(WGS84)?);
    let mut point = if from.is_latlong() { (x.to_radians(), y.to_radians(), 0.0) } else { (x, y, 0.0) };
    proj4rs::transform::transform(&from, &to, &mut point).ok()?;
    Some((point.0.to_degrees(), point.1.to_degrees()))
}

fn projection(epsg: u32) -> Option<Rc<Proj>> {
    PROJECTIONS.with_borrow_mut(|known| {
        let define = || Proj::from_epsg_code(u16::try_from(epsg).ok()?).ok().map(Rc::new);
        known.entry(epsg).or_insert_with(define).clone()
    })
}
