//! Pixels to meaning: which band is which, what a sample is worth, which pixels count, when and where.

mod bands;
mod metadata;
mod product;
mod radiometry;

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use crate::model::Manifest;
use crate::raster::{Header, Raster, ReadOptions, Window};
use crate::{Error, Result};

pub use bands::{BandSource, Bands, canonical_band};
pub use metadata::{TileFacts, TileTable};
pub use product::ProductName;
pub use radiometry::{BandRadiometry, DnFlags, Radiometry};

/// What the command line says about every scene of a run.
#[derive(Debug, Clone, Default)]
pub struct SceneOptions {
    /// `--bands`: the file's bands in file order.
    pub bands: Option<Vec<String>>,
    /// `--dn-scale`, `--dn-offset`, `--dn-force`.
    pub dn: DnFlags,
    /// `--date`
    pub date: Option<Date>,
    /// `--cloud-cover` in percent.
    pub cloud_cover_percent: Option<f64>,
    /// `--metadata`
    pub table: Option<Arc<TileTable>>,
    /// How files are read.
    pub read: ReadOptions,
}

/// A raster whose bands, radiometry, date and place are resolved for one model.
#[derive(Debug)]
pub struct Scene {
    /// The pixels.
    pub raster: Raster,
    /// The model's bands in the file.
    pub bands: Bands,
    /// What a sample of each of the model's bands is worth.
    pub radiometry: Radiometry,
    /// Acquisition date, if anything states it.
    pub date: Option<Date>,
    /// Share of clouds in percent, if anything states it.
    pub cloud_cover_percent: Option<f64>,
    /// Latitude by the name's MGRS square, for files without geo keys.
    latitude_by_name: Option<f64>,
}

impl Scene {
    /// Opens a file and resolves what its pixels mean to a model.
    ///
    /// # Errors
    /// Whatever [`Raster::open`] refuses; bands that cannot be told apart or are missing; radiometry that is
    /// unknown or contradicts itself.
    pub fn open(path: &Path, manifest: &Manifest, options: &SceneOptions) -> Result<Self> {
        let raster = Raster::open(path, &options.read)?;
        let header = raster.header();
        if header.has_mask {
            return Err(Error::unsupported(format!(
                "{}: a transparency mask (inside, or a file .msk beside it) says which pixels count, and it is not read: \
                 write its pixels as nodata (gdalwarp -dstnodata 0), or drop it (gdal_translate -mask none)",
                path.display()
            )));
        }
        let names: Vec<&str> = manifest.bands.iter().map(|band| band.name.as_str()).collect();
        let bands = Bands::resolve(header, options.bands.as_deref(), &names)?;
        let product = ProductName::of(path);
        let radiometry = Radiometry::resolve(header, &bands.indices, &product, &options.dn, manifest)?;
        let (date, cloud_cover_percent) = circumstances(path, options, &product, header);
        Ok(Self { bands, radiometry, date, cloud_cover_percent, latitude_by_name: product.latitude, raster })
    }

    /// Longitude and latitude of a window's centre in degrees (WGS 84), if the file has geo keys that say.
    pub fn longitude_latitude(&self, window: Window) -> Option<(f64, f64)> {
        let column = f64::from(window.x) + f64::from(window.width) / 2.0;
        let row = f64::from(window.y) + f64::from(window.height) / 2.0;
        self.raster.header().geo.as_ref()?.longitude_latitude(column, row)
    }

    /// The corners of a window as longitude and latitude, closed and counter-clockwise, if the file has geo keys.
    pub fn footprint(&self, window: Window) -> Option<[(f64, f64); 5]> {
        let [a, b, c, d] = self.raster.header().geo.as_ref()?.footprint(window)?;
        Some([a, b, c, d, a])
    }

    /// The latitude that decides the season: by geo keys, else by the MGRS square in the name.
    pub fn latitude(&self, window: Window) -> Option<f64> {
        self.longitude_latitude(window).map(|(_, latitude)| latitude).or(self.latitude_by_name)
    }

    /// The whole raster as a window.
    pub fn extent(&self) -> Window {
        let header = self.raster.header();
        Window { x: 0, y: 0, width: header.width, height: header.height }
    }
}

/// Date and cloud cover in percent: by the side table, else the command line, else the product's name, else the
/// file's tags.
pub fn circumstances(
    path: &Path,
    options: &SceneOptions,
    product: &ProductName,
    header: &Header,
) -> (Option<Date>, Option<f64>) {
    let facts = options.table.as_ref().map(|table| table.facts(path)).unwrap_or_default();
    let date = facts.date.or(options.date).or(product.date).or_else(|| metadata::date_of_tags(&header.metadata));
    let cloud_cover = facts.cloud_cover_percent.or(options.cloud_cover_percent);
    (date, cloud_cover.or_else(|| metadata::cloud_cover_of_tags(&header.metadata)))
}

/// Reads a date as people and programs write it: `2024-01-31`, `20240131`, with or without a time after a `T` or blank.
///
/// # Errors
/// [`crate::Kind::Usage`] with the text where it is no date.
pub fn parse_date(text: &str) -> Result<Date> {
    let text = text.trim();
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "0"));
    let is_time = time.starts_with(|first: char| first.is_ascii_digit());
    let is_day = matches!(day.len(), 8 | 10) && is_time;
    product::leading_date(day)
        .filter(|_| is_day)
        .ok_or_else(|| Error::usage(format!("`{text}` is not a date; write it as 2024-01-31")))
}
