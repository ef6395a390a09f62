//! What a file of a product is, by its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::archive::Workspace;
use crate::limits::{METADATA_BYTES_MAX, PRODUCT_DEPTH_MAX, PRODUCT_FILES_MAX, read_bounded};
use crate::raster::{address, fetch};
use crate::scene::canonical_band;
use crate::{Error, Kind, Result};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// One band: reflectance, `B04`, or backscatter, `VV`.
    Band(String),
    /// Scene classification of Sen2Cor (classes 0 to 11).
    SceneClassification,
    /// Probability of cloud in percent.
    CloudProbability,
    /// L1C's classification since baseline 04.00: opaque cloud, cirrus, snow, a band each.
    CloudClasses,
}

impl Role {
    /// The band, if it is one.
    pub fn band(&self) -> Option<&str> {
        match self {
            Self::Band(name) => Some(name),
            _ => None,
        }
    }
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub enum Location {
    /// A file, or an address.
    File(PathBuf),
    /// An entry of an archive, unpacked when it is needed.
    Packed(Arc<Workspace>, String),
}

impl Location {
    /// The file to open.
    ///
    /// # Errors
    /// What unpacking fails of.
    pub fn file(&self) -> Result<PathBuf> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Packed(workspace, name) => workspace.unpack(name),
        }
    }

    /// As a person would name it.
    pub fn text(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Packed(_, name) => name.clone(),
        }
    }
}

/// One file of a product.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it holds.
    pub role: Role,
    /// Metres of a pixel by its name or folder.
    pub resolution_m: Option<u32>,
    /// Where it is.
    pub location: Location,
}

impl Entry {
    /// Order of the listing: what it is, then how fine, then its name.
    fn key(&self) -> (&Role, Option<u32>, String) {
        (&self.role, self.resolution_m, self.location.text())
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Bytes of a metadata file, or of one at an address; nothing is read of a pipe or a device.
///
/// # Errors
/// [`Kind::Io`] for what is no regular file, [`Kind::Malformed`] for one that cannot be read or is too large.
pub(super) fn metadata(path: &Path) -> Result<Vec<u8>> {
    if let Some(address) = address(path) {
        return fetch(address, METADATA_BYTES_MAX);
    }
    if !path.is_file() {
        return Err(Error::io(format!("{}: not a regular file", path.display())));
    }
    read_bounded(path, METADATA_BYTES_MAX).map_err(|error| error.with_kind(Kind::Malformed))
}

/// Every file below `root` that a scene may use, by name.
///
/// # Errors
/// [`Kind::Io`] for a folder that cannot be read.
pub(super) fn scan(root: &Path) -> Result<Vec<Entry>> {
    let walk = WalkDir::new(root).max_depth(PRODUCT_DEPTH_MAX).sort_by_file_name();
    let all: Vec<_> = walk.into_iter().collect::<Result<_, _>>().map_err(Error::io)?;
    let files = all.iter().filter(|entry| entry.path().is_file()).take(PRODUCT_FILES_MAX);
    let found =
        files.filter_map(|file| entry(file.path().strip_prefix(root).ok()?, || Location::File(file.path().into())));
    Ok(found.collect())
}

/// What the file at `path` within a product is, if a scene may use it.
pub(super) fn entry(path: &Path, location: impl FnOnce() -> Location) -> Option<Entry> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    if !["jp2", "tif", "tiff"].contains(&extension.as_str()) {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    if folder.eq_ignore_ascii_case("preview") {
        return None;
    }
    let role = role_of(stem)?;
    let tokens = || stem.split(['_', '-']).chain([folder.trim_start_matches(['R', 'r'])]);
    Some(Entry { role, resolution_m: tokens().find_map(metres), location: location() })
}

/// `60m`
fn metres(token: &str) -> Option<u32> {
    let digits = token.strip_suffix(['m', 'M'])?;
    digits.parse().ok().filter(|metres| (1..=10_000).contains(metres))
}

/// Quality masks of single bands, which bear the band's name too.
const MASKS: [&str; 7] = ["DETFOO", "QUALIT", "DEFECT", "NODATA", "SATURA", "TECQUA", "CLOUDS"];

/// What a file is by its stem, `T32TQM_20220105T101409_B04_10m` or `nir08`.
pub(super) fn role_of(stem: &str) -> Option<Role> {
    let upper = stem.to_ascii_uppercase();
    let tokens: Vec<&str> = upper.split(['_', '-']).collect();
    let has = |words: &[&str]| tokens.iter().any(|token| words.contains(token));
    if has(&MASKS) {
        return None;
    }
    if has(&["SCL"]) {
        return Some(Role::SceneClassification);
    }
    if has(&["CLDPRB", "CLD"]) {
        return Some(Role::CloudProbability);
    }
    if has(&["CLASSI"]) {
        return Some(Role::CloudClasses);
    }
    let of_token = |token: &&str| is_band_token(token).then(|| canonical_band(token));
    let name = tokens.iter().rev().find_map(of_token).or_else(|| common_name(stem).map(String::from));
    name.or_else(|| radar_band(&tokens)).map(Role::Band)
}

/// Polarisations of a radar.
const POLARISATIONS: [&str; 4] = ["VV", "VH", "HH", "HV"];
/// What may follow one: the direction of the orbit, and that it is the change between two dates.
const RADAR_QUALIFIERS: [&str; 3] = ["ASC", "DESC", "DIFF"];

/// `VV`, or `VV_DESC_DIFF`, where a name ends so.
fn radar_band(tokens: &[&str]) -> Option<String> {
    let start = tokens.iter().rposition(|token| POLARISATIONS.contains(token))?;
    let rest = tokens.get(start + 1..)?;
    let rest = rest.split_last().filter(|(last, _)| metres(last).is_some()).map_or(rest, |(_, before)| before);
    let is_name = rest.iter().all(|token| RADAR_QUALIFIERS.contains(token));
    is_name.then(|| [&[tokens[start]], rest].concat().join("_"))
}

/// Whether a band of this name is a radar's.
pub(super) fn is_radar(band: &str) -> bool {
    band.split('_').next().is_some_and(|first| POLARISATIONS.contains(&first))
}

/// `B04`, `B8A`, `B08A`; never a bare number, nor `B4`, which numbers pieces of other things too.
fn is_band_token(token: &str) -> bool {
    let name = canonical_band(token);
    // By bytes: a name may hold any characters.
    let is_band = matches!(name.as_bytes(), b"B8A" | [_, b'0'..=b'9', b'0'..=b'9']);
    token.len() >= 3 && token.starts_with('B') && is_band
}

/// The band that STAC catalogues call `red` or `swir16`.
pub(super) fn common_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "coastal" => "B01",
        "blue" => "B02",
        "green" => "B03",
        "red" => "B04",
        "rededge1" | "rededge071" => "B05",
        "rededge2" | "rededge075" => "B06",
        "rededge3" | "rededge078" => "B07",
        "nir" => "B08",
        "nir08" => "B8A",
        "nir09" => "B09",
        "cirrus" => "B10",
        "swir16" => "B11",
        "swir22" => "B12",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_the_names_of_every_layout() {
        let of = |path: &str| {
            let entry = entry(Path::new(path), || Location::File(path.into()))?;
            Some((entry.role, entry.resolution_m))
        };
        let band = |name: &str, metres| Some((Role::Band(name.into()), metres));
        assert_eq!(of("IMG_DATA/R10m/T29UNU_20221005T115411_B02_10m.jp2"), band("B02", Some(10)));
        for other in ["x_\u{20ac}.tif", "B\u{e9}.tif", "B\u{20ac}1.tif", "\u{e9}04.tif"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(of("IMG_DATA/T34UCF_20230823T095559_B8A.jp2"), band("B8A", None));
        assert_eq!(of("IMG_DATA/S2A_OPER_MSI_L1C_T32TQR_B12.jp2"), band("B12", None));
        assert_eq!(of("R20m/B8A.jp2"), band("B8A", Some(20)));
        assert_eq!(of("swir16.tif"), band("B11", None));
        assert_eq!(of("S1A_IW_GRDH_1SDV_20171221T064238_29SND_56_35_VV.tif"), band("VV", None));
        assert_eq!(of("patch_vh_desc_diff_10m.tif"), band("VH_DESC_DIFF", Some(10)));
        assert_eq!(of("VV_20200101_quicklook.tif"), None);
        assert_eq!(of("IMG_DATA/S2A_USER_SCL_L2A_T32TQR_60m.jp2"), Some((Role::SceneClassification, Some(60))));
        assert_eq!(of("QI_DATA/MSK_CLDPRB_20m.jp2"), Some((Role::CloudProbability, Some(20))));
        assert_eq!(of("QI_DATA/L2A_T34VFJ_20170823T094031_CLD_20m.jp2"), Some((Role::CloudProbability, Some(20))));
        for other in ["QI_DATA/MSK_DETFOO_B04.jp2", "R10m/x_TCI_10m.jp2", "preview/B03.jp2", "B04.xml", "x_PVI.jp2"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
