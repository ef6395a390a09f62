//! A folder with one file a band: Earth Search and AWS layouts, and patches cut from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{self, Entry, Location};
use super::{Product, ProductName, stac};
use crate::scene::parse_date;
use crate::{Error, Result};

/// Folders that hold the bands of one resolution.
const RESOLUTIONS: [&str; 3] = ["R10m", "R20m", "R60m"];

/// Whether the files of a folder are the bands of one scene: at least two bands, all names alike but for the band. The
/// files of a radar scene may lie beside those of an optical one, each with names of their own. So may those of two, which
/// [`open`] refuses: by themselves they would be tiles of one band each.
pub(super) fn is_scene(path: &Path) -> bool {
    let Listing { entries, radar } = listing(path);
    let bands: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.role.band()).collect();
    let optical = bands.iter().filter(|band| !files::is_radar(band)).count();
    let is_whole = |scene: &RadarScene| scene.bands.len() >= 2;
    bands.len() >= 2 && (radar.len() < 2 || optical >= 2 || radar.values().all(is_whole))
}

/// What lies in a folder.
#[derive(Default)]
struct Listing {
    entries: Vec<Entry>,
    /// Radar scenes by what their files' names begin with.
    radar: BTreeMap<String, RadarScene>,
}

/// The files of one radar scene.
struct RadarScene {
    first_file: PathBuf,
    bands: BTreeSet<String>,
}

/// The bands of the scene in a folder; none where its files are of several optical ones. A folder of a hundred thousand
/// tiles is told by the names of two.
fn listing(path: &Path) -> Listing {
    let mut optical = BTreeSet::new();
    let mut found = Listing::default();
    let folders = std::iter::once(path.to_owned()).chain(RESOLUTIONS.iter().map(|name| path.join(name)));
    for file in folders.flat_map(|folder| list(&folder)) {
        let Ok(within) = file.strip_prefix(path) else { continue };
        let Some(entry) = files::entry(within, || Location::File(file.clone())) else { continue };
        match entry.role.band() {
            Some(band) if files::is_radar(band) => {
                let new = || RadarScene { first_file: within.to_owned(), bands: BTreeSet::new() };
                found.radar.entry(prefix(&file)).or_insert_with(new).bands.insert(band.to_owned());
            }
            Some(_) => drop(optical.insert(prefix(&file))),
            None => {}
        }
        if optical.len() > 1 || !file.is_file() {
            return Listing::default();
        }
        found.entries.push(entry);
    }
    found
}

/// What lies in a folder, by name.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// A file's name up to its band.
fn prefix(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut before: Vec<&str> = Vec::new();
    for token in stem.split('_') {
        if files::role_of(token).is_some() {
            break;
        }
        before.push(token);
    }
    before.join("_")
}

/// Lists the bands, and reads the STAC item or AWS's `tileInfo.json` that lies beside them. Of two radar scenes nothing says
/// which one is meant.
pub(super) fn open(path: &Path) -> Result<Product> {
    let mut product = match list(path).into_iter().find(|file| stac::is_item(file)) {
        Some(item) => stac::open(&item).map_err(|error| error.context(item.display()))?,
        None => Product { kind: "folder", special_dn: vec![0.0], ..Product::default() },
    };
    let Listing { entries, radar } = listing(path);
    if let [one, other, ..] = radar.values().collect::<Vec<_>>().as_slice() {
        return Err(Error::unsupported(format!(
            "{} radar scenes in one folder, that of {} and that of {}: leave one of them, or give each a folder of its own; \
             orbits and changes of one scene stand behind the band (VV_ASC, VV_DESC_DIFF)",
            radar.len(),
            one.first_file.display(),
            other.first_file.display()
        )));
    }
    product.entries = entries;
    let info = path.join("tileInfo.json");
    if info.is_file() {
        tile_info(&info, &mut product)?;
    }
    Ok(product)
}

/// What AWS writes beside a tile.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TileInfo {
    product_name: Option<String>,
    timestamp: Option<String>,
    cloudy_pixel_percentage: Option<f64>,
}

fn tile_info(path: &Path, product: &mut Product) -> Result<()> {
    let bytes = files::metadata(path)?;
    let info: TileInfo = serde_json::from_slice(&bytes)
        .map_err(|error| crate::Error::malformed(format!("{}: {error}", path.display())))?;
    product.name = product.name.or(info.product_name.map(|name| ProductName::of(Path::new(&name))).unwrap_or_default());
    product.date = product.date.or(info.timestamp.as_deref().map(parse_date).transpose()?);
    let cloud_cover = info.cloudy_pixel_percentage.filter(|percent| (0.0..=100.0).contains(percent));
    product.cloud_cover_percent = product.cloud_cover_percent.or(cloud_cover);
    product.metadata.extend(bytes);
    Ok(())
}
