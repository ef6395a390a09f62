//! Products: what is delivered as many files, of which a scene takes the bands that a model needs.
//!
//! A product states more than its pixels do: quantification and offsets by band, the baseline, the date, the sun, the
//! clouds. It is told from a folder of tiles by what is in it, never by its name alone.

mod archive;
mod files;
mod folder;
mod name;
mod safe;
mod stac;
mod xml;

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use crate::raster::{Geo, address};
use crate::{Error, Result};

pub use archive::Workspace;
pub use files::{Entry, Role};
pub use name::{ProductName, leading_date};

/// What a product's metadata says of one band: reflectance = (DN + `dn_offset`) × `dn_scale`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Declared {
    /// Reflectance of one DN.
    pub dn_scale: Option<f64>,
    /// DN added before scaling.
    pub dn_offset: Option<f64>,
}

/// Two things that a product's metadata say and that cannot both be true; in words, by what may settle it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contradiction {
    /// Scale, offset or baseline.
    Radiometry(String),
    /// The day of acquisition.
    Date(String),
    /// What a file holds.
    File(String),
}

impl Contradiction {
    /// What differs.
    pub fn text(&self) -> &str {
        match self {
            Self::Radiometry(text) | Self::Date(text) | Self::File(text) => text,
        }
    }

    /// What settles it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Radiometry(_) => "settle it with --dn-scale and --dn-offset together with --dn-force",
            Self::Date(_) => "settle it with --date, or its row of --metadata",
            Self::File(_) => "correct the item",
        }
    }
}

/// What a product is, before any model is asked.
#[derive(Debug, Clone, Default)]
pub struct Product {
    /// `SAFE`, `STAC` or `folder`.
    pub kind: &'static str,
    /// `L1C` or `L2A`, where it is stated.
    pub level: Option<String>,
    /// Bands, scene classification and cloud masks.
    pub entries: Vec<Entry>,
    /// Where [`Self::declared`] was read: `metadata` or `stac`.
    pub declared_by: &'static str,
    /// Radiometry by band.
    pub declared: Vec<(String, Declared)>,
    /// What the metadata contradicts itself in.
    pub contradictions: Vec<Contradiction>,
    /// Facts of its names, or of the names it states.
    pub name: ProductName,
    /// Whether the baseline in the name says nothing of the offset, because whoever repacked the pixels says that it
    /// was applied to them.
    pub ignores_baseline: bool,
    /// Day of acquisition.
    pub date: Option<Date>,
    /// Share of clouds in percent.
    pub cloud_cover_percent: Option<f64>,
    /// Height of the sun above the horizon in degrees, at the middle of the scene.
    pub sun_elevation_deg: Option<f64>,
    /// Upper left corner and reference system by resolution in metres, for files without their own.
    pub geocoding: Vec<(u32, Geo)>,
    /// DN that stand for "no data" and "saturated".
    pub special_dn: Vec<f64>,
    /// Holds what was unpacked.
    pub workspace: Option<Arc<Workspace>>,
    /// Text of the metadata, of which results depend.
    pub metadata: Vec<u8>,
}

impl Product {
    /// Whether `path` is a product and no raster and no folder of tiles: a `.SAFE` folder or its granule, a
    /// `.SAFE.zip`, a STAC item (a file or an address), a folder with one file a band.
    pub fn is_product(path: &Path) -> bool {
        if path.is_dir() {
            return safe::is_safe(path) || folder::is_scene(path);
        }
        archive::is_archive(path) || (stac::has_items_name(path) && (path.is_file() || address(path).is_some()))
    }

    /// Reads what a product holds.
    ///
    /// # Errors
    /// [`crate::Kind::Malformed`] or [`crate::Kind::Unsupported`] for metadata that cannot be read or that is of a kind
    /// of product without georeferenced reflectance (L0, L1A, L1B).
    pub fn open(path: &Path) -> Result<Self> {
        let product = if archive::is_archive(path) {
            archive::open(path)
        } else if path.is_dir() && safe::is_safe(path) {
            safe::open(path)
        } else if path.is_dir() {
            folder::open(path)
        } else {
            stac::open(path)
        };
        let mut product = product?;
        product.name = product.name.or(ProductName::of(path));
        if let (Some(date), Some(named)) = (product.date, product.name.date)
            && (date - named).get_days().abs() > 1
        {
            let what = format!("it was sensed on {date}, and by its name on {named}");
            product.contradictions.push(Contradiction::Date(what));
        }
        if product.entries.iter().all(|entry| !matches!(entry.role, Role::Band(_))) {
            return Err(Error::unsupported(format!("a {} product without any band", product.kind)));
        }
        product.entries.sort();
        Ok(product)
    }

    /// Radiometry that the metadata states for a band.
    pub fn declared(&self, band: &str) -> Declared {
        let found = self.declared.iter().find(|(name, _)| name == band);
        found.map(|(_, declared)| *declared).unwrap_or_default()
    }

    /// Those of its files that are files.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        let file = |entry: &Entry| match &entry.location {
            files::Location::File(path) => Some(path.clone()),
            files::Location::Packed(..) => None,
        };
        self.entries.iter().filter_map(file).collect()
    }

    /// Names of its bands, each once.
    pub fn bands(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.entries.iter().filter_map(|entry| entry.role.band()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
