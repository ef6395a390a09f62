//! Pixels to meaning: which band is which, what a sample is worth, which pixels count, when and where.

mod bands;
mod clouds;
mod layers;
mod metadata;
mod product;
mod radiometry;

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::model::Manifest;
use crate::raster::{Geo, Header, Image, Raster, ReadOptions, Window};
use crate::{Error, Result};

pub use bands::{BandSource, Bands, canonical_band};
pub use clouds::{Clouds, classification_shares};
pub use metadata::{TileFacts, TileTable};
pub use product::{Contradiction, Declared, Product, ProductName, Role};
pub use radiometry::{BandRadiometry, DnFlags, Radiometry, Statement};

/// Relative difference up to which pixels are of the size that a model was made for.
const RESOLUTION_AGREEMENT: f64 = 0.1;

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
    /// `--resolution`: metres of a pixel of the grid that a product's bands are brought to.
    pub resolution_m: Option<u32>,
    /// How files are read.
    pub read: ReadOptions,
}

/// An image whose bands, radiometry, date and place are resolved for one model.
#[derive(Debug)]
pub struct Scene {
    /// The pixels.
    pub image: Image,
    /// The bands that the model reads, in the image.
    pub bands: Bands,
    /// What a sample of each of these bands is worth.
    pub radiometry: Radiometry,
    /// Acquisition date, if anything states it.
    pub date: Option<Date>,
    /// Share of clouds in percent, if anything states it.
    pub cloud_cover_percent: Option<f64>,
    /// Whether a person states the share of clouds.
    pub is_cloud_cover_stated: bool,
    /// Where a product's clouds are, pixel by pixel; nothing where a person states the share of clouds.
    pub clouds: Option<Clouds>,
    /// Height of the sun above the horizon in degrees, where a product states it.
    pub sun_elevation_deg: Option<f64>,
    /// Whether a product's bands were brought to another resolution than they are measured at.
    pub is_other_resolution: bool,
    /// Latitude by the name's MGRS square, for files without geo keys.
    latitude_by_name: Option<f64>,
    /// The product, where the image is one; it holds what was unpacked.
    product: Option<Product>,
}

impl Scene {
    /// Opens a file or a product and resolves what its pixels mean to a model.
    ///
    /// # Errors
    /// Whatever [`Raster::open`] refuses; bands that cannot be told apart or are missing; radiometry that is
    /// unknown or contradicts itself; a product that is incomplete.
    pub fn open(path: &Path, manifest: &Manifest, options: &SceneOptions) -> Result<Self> {
        if Product::is_product(path) {
            return Self::open_product(path, manifest, options);
        }
        let raster = Raster::open(path, &options.read)?;
        let header = raster.header();
        refuse_mask(header)?;
        let sources = manifest.sources();
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let bands = Bands::resolve(header, options.bands.as_deref(), &names)?;
        let name = ProductName::of(path);
        let radiometry = Radiometry::resolve(header, &bands.indices, &[], &name, &options.dn, manifest)?;
        let (date, cloud_cover_percent) = circumstances(path, options, &name, header);
        let facts = options.table.as_ref().map(|table| table.facts(path)).unwrap_or_default();
        let is_other_resolution = has_other_pixels(header.geo.as_ref(), manifest, options.resolution_m)?
            || manifest.resolution_m.is_none() && layers::are_resampled(header.geo.as_ref(), &names);
        Ok(Self {
            is_cloud_cover_stated: facts.cloud_cover_percent.or(options.cloud_cover_percent).is_some(),
            bands,
            radiometry,
            date,
            cloud_cover_percent,
            clouds: None,
            sun_elevation_deg: None,
            latitude_by_name: name.latitude,
            is_other_resolution,
            product: None,
            image: Image::File(Box::new(raster)),
        })
    }

    fn open_product(path: &Path, manifest: &Manifest, options: &SceneOptions) -> Result<Self> {
        let product = Product::open(path)?;
        if options.bands.is_some() {
            return Err(Error::usage("--bands names the bands of single files; a product's files name their own"));
        }
        let facts = options.table.as_ref().map(|table| table.facts(path)).unwrap_or_default();
        let stated_date = facts.date.or(options.date);
        let is_settled = |contradiction: &&Contradiction| match contradiction {
            Contradiction::Radiometry(_) => options.dn.force,
            Contradiction::Date(_) => stated_date.is_some(),
            Contradiction::File(_) => false,
        };
        if let Some(contradiction) = product.contradictions.iter().find(|contradiction| !is_settled(contradiction)) {
            return Err(Error::unsupported(format!(
                "the {} metadata contradict themselves: {}; {}",
                product.kind,
                contradiction.text(),
                contradiction.remedy()
            )));
        }
        let mut opener = layers::Opener::new(&options.read);
        let layers::Chosen { stack, bands, header, names, is_mixed, is_other_resolution } =
            layers::choose(&product, manifest, options.resolution_m, &mut opener)?;
        refuse_mask(&header)?;
        let declared: Vec<Statement> =
            names.iter().map(|name| Statement::declared(product.declared_by, product.declared(name))).collect();
        let mut name = product.name;
        if product.ignores_baseline {
            name.baseline = None;
        }
        let is_other = has_other_pixels(stack.frame().geo.as_ref(), manifest, options.resolution_m)?;
        let mut radiometry = Radiometry::resolve(&header, &bands.indices, &declared, &name, &options.dn, manifest)?;
        if is_mixed {
            radiometry.nodata.clear();
        } else {
            radiometry.add_nodata(&product.special_dn);
        }
        let stated_by_hand = facts.cloud_cover_percent.or(options.cloud_cover_percent);
        let clouds = match stated_by_hand {
            Some(_) => None,
            None => Clouds::find(&product, stack.frame(), &mut opener)?,
        };
        Ok(Self {
            bands,
            radiometry,
            date: stated_date.or(product.date).or(name.date),
            is_cloud_cover_stated: stated_by_hand.is_some(),
            cloud_cover_percent: stated_by_hand.or(product.cloud_cover_percent),
            clouds,
            sun_elevation_deg: product.sun_elevation_deg,
            latitude_by_name: name.latitude,
            image: Image::Stack(stack),
            is_other_resolution: is_other_resolution || is_other,
            product: Some(product),
        })
    }

    /// Where the scene's pixels lie, if the file has geo keys.
    pub fn geo(&self) -> Option<&Geo> {
        self.image.geo()
    }

    /// Longitude (within ±180) and latitude of a window's centre in degrees (WGS 84), if the file has geo keys that say.
    pub fn longitude_latitude(&self, window: Window) -> Option<(f64, f64)> {
        let column = f64::from(window.x) + f64::from(window.width) / 2.0;
        let row = f64::from(window.y) + f64::from(window.height) / 2.0;
        self.image.geo()?.point(column, row)
    }

    /// The corners of a window as longitude and latitude, closed and counter-clockwise, if the file has geo keys.
    pub fn footprint(&self, window: Window) -> Option<[(f64, f64); 5]> {
        let [a, b, c, d] = self.image.geo()?.footprint(window)?;
        Some([a, b, c, d, a])
    }

    /// The latitude that decides the season: by geo keys, else by the MGRS square in the name.
    pub fn latitude(&self, window: Window) -> Option<f64> {
        self.longitude_latitude(window).map(|(_, latitude)| latitude).or(self.latitude_by_name)
    }

    /// The whole image as a window.
    pub fn extent(&self) -> Window {
        self.image.extent()
    }

    /// Whether the image is of another processing level than the one that a model was trained on.
    pub fn is_other_level(&self, manifest: &Manifest) -> bool {
        let level = self.product.as_ref().and_then(|product| product.level.as_deref());
        level.zip(manifest.processing_level.as_deref()).is_some_and(|(level, trained_on)| level != trained_on)
    }

    /// The product, where the image is one.
    pub fn product(&self) -> Option<&Product> {
        self.product.as_ref()
    }

    /// Share of clouds over a window in percent, and what says so: what a person stated, else the product's own
    /// pixels, else its metadata.
    ///
    /// # Errors
    /// Those of reading the product's cloud pixels.
    pub fn cloud_cover(&self, window: Window) -> Result<Option<(f64, &'static str)>> {
        if let Some(clouds) = &self.clouds
            && let Some(percent) = clouds.cover_percent(window)?
        {
            return Ok(Some((percent, clouds.source())));
        }
        Ok(self.cloud_cover_percent.map(|percent| (percent, "scene")))
    }

    /// A hash of everything that results depend on: the pixels, the cloud pixels and the metadata.
    ///
    /// # Errors
    /// As [`Raster::content_key`].
    pub fn content_key(&self) -> Result<[u8; 32]> {
        let Some(product) = &self.product else { return self.image.content_key() };
        let mut all = Sha256::new();
        all.update(self.image.content_key()?);
        for raster in self.clouds.iter().flat_map(Clouds::rasters) {
            all.update(raster.content_key()?);
        }
        all.update(&product.metadata);
        Ok(all.finalize().into())
    }
}

/// Whether an image has other pixels than the model was made for, and a person decides that it is to be run all the same.
///
/// # Errors
/// [`crate::Kind::Unsupported`] where nobody has decided.
fn has_other_pixels(geo: Option<&Geo>, manifest: &Manifest, asked_m: Option<u32>) -> Result<bool> {
    let sizes = geo.and_then(Geo::pixel_size_m).zip(manifest.resolution_m);
    let is_near = |a: f64, b: f64| (a / b - 1.0).abs() <= RESOLUTION_AGREEMENT;
    let Some((pixel_m, made_for_m)) = sizes.filter(|(pixel_m, made_for_m)| !is_near(*pixel_m, *made_for_m)) else {
        return Ok(false);
    };
    if asked_m.is_some_and(|asked_m| is_near(pixel_m, asked_m.into())) {
        return Ok(true);
    }
    Err(Error::unsupported(format!(
        "its pixels are {pixel_m:.2} m, and the model was made for {made_for_m} m: resample it, or give --resolution {:.0} to \
         decide it as it is",
        pixel_m.max(1.0)
    )))
}

fn refuse_mask(header: &Header) -> Result<()> {
    if !header.has_mask {
        return Ok(());
    }
    Err(Error::unsupported(
        "a transparency mask (inside, or a file .msk beside it) says which pixels count, and it is not read: \
         write its pixels as nodata (gdalwarp -dstnodata 0), or drop it (gdal_translate -mask none)",
    ))
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
