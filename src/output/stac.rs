//! A STAC item (version 1.1.0) of what a run wrote.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::coverage::Coverage;
use super::geometry::{DEGREE_DECIMALS, Shape, rounded};
use super::record::NamedFile;
use super::{AtomicFile, write_error};
use crate::limits::RECORD_ENTRIES_MAX;
use crate::raster::{address, shown};
use crate::{Error, Result};

const EXTENSIONS: [&str; 2] = [
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
];
/// The multihash code of SHA-256 and its length in bytes, hexadecimal (the file extension's `file:checksum`).
const MULTIHASH_SHA256: &str = "1220";

/// A file that the run wrote.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its key in the item.
    pub key: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What it is, in a few words.
    pub title: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// STAC's roles.
    pub roles: &'static [&'static str],
}

/// What an item says of a run. One item stands for the whole run: its geometry is the outline of the one tile, or the box
/// around all of them, its time their day or the span of their days.
#[derive(Debug)]
pub struct StacItem<'a> {
    /// What the rows said.
    pub coverage: &'a Coverage,
    /// Every file of the run. They must have their names already.
    pub assets: &'a [Asset],
    /// The inputs as given.
    pub inputs: &'a [PathBuf],
    /// The model.
    pub model: &'a NamedFile,
    /// The threshold profile, if one was used.
    pub profile: Option<&'a NamedFile>,
}

impl StacItem<'_> {
    /// Writes the item to a file that was made before, and gives the file its name. Links and assets are relative to its
    /// folder, its own name without the extension is the item's id.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if no tile has a date, [`crate::Kind::Output`] if a file cannot be read or written.
    pub fn write(&self, mut file: AtomicFile) -> Result<()> {
        let name = file.path().display().to_string();
        let item = self.to_json(file.path()).map_err(|error| error.context(format!("--stac {name}")))?;
        let text = serde_json::to_string_pretty(&item).map_err(|error| Error::output(format!("{name}: {error}")))?;
        file.write_all((text + "\n").as_bytes()).map_err(|error| write_error(&name, &error))?;
        file.commit()
    }

    fn to_json(&self, path: &Path) -> Result<Value> {
        let folder = absolute(path)?.parent().map_or_else(PathBuf::new, Path::to_owned);
        let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (geometry, bounds) = self.place();
        let mut item = json!({
            "type": "Feature",
            "stac_version": "1.1.0",
            "stac_extensions": EXTENSIONS,
            "id": id,
            "geometry": geometry,
        });
        if let Some(bounds) = bounds {
            item["bbox"] = json!(bounds);
        }
        item["properties"] = self.properties()?;
        item["links"] = self.links(&folder)?;
        let assets = self.assets.iter().map(|asset| Ok((asset.key.clone(), asset_json(asset, &folder)?)));
        item["assets"] = Value::Object(assets.collect::<Result<Map<_, _>>>()?);
        Ok(item)
    }

    /// Geometry and bounding box; null and none where no tile says where it lies.
    fn place(&self) -> (Value, Option<[f64; 4]>) {
        let bounds: Vec<[f64; 4]> = self.coverage.tiles.iter().filter_map(|tile| tile.bounds()).collect();
        let Some(around) = around(&bounds) else { return (Value::Null, None) };
        let around = around.map(|degrees| rounded(degrees, DEGREE_DECIMALS).unwrap_or(degrees));
        let shape = match self.coverage.tiles.as_slice() {
            [one] => one.shape(),
            _ => Some(Shape::of_box(around)),
        };
        (shape.map_or(Value::Null, |shape| shape.to_json()), Some(around))
    }

    fn properties(&self) -> Result<Value> {
        let (first, last) = self.coverage.days.ok_or_else(|| {
            Error::unsupported(
                "an item needs a date, and no tile has one: give --date or --metadata. All other files are complete",
            )
        })?;
        let mut properties = match first == last {
            true => json!({ "datetime": format!("{first}T00:00:00Z") }),
            false => json!({
                "datetime": null,
                "start_datetime": format!("{first}T00:00:00Z"),
                "end_datetime": format!("{last}T23:59:59Z"),
            }),
        };
        properties["processing:level"] = json!("L4");
        properties["processing:software"] = json!({ "s2infer": env!("CARGO_PKG_VERSION") });
        properties["mlm:name"] = json!(self.model.name);
        properties["s2infer:model_sha256"] = json!(self.model.sha256);
        if let Some(profile) = self.profile {
            properties["s2infer:profile_sha256"] = json!(profile.sha256);
        }
        properties["s2infer:tiles"] = json!(self.coverage.tiles.len());
        Ok(properties)
    }

    /// The first inputs; `s2infer:tiles` counts them all.
    fn links(&self, folder: &Path) -> Result<Value> {
        let link = |path: &PathBuf| Ok(json!({ "rel": "derived_from", "href": href(folder, path)? }));
        self.inputs.iter().take(RECORD_ENTRIES_MAX).map(link).collect::<Result<Vec<_>>>().map(Value::from)
    }
}

fn asset_json(asset: &Asset, folder: &Path) -> Result<Value> {
    let (size, hash) = size_and_hash(&asset.path)?;
    Ok(json!({
        "href": href(folder, &asset.path)?,
        "title": asset.title,
        "type": asset.media_type,
        "roles": asset.roles,
        "file:size": size,
        "file:checksum": format!("{MULTIHASH_SHA256}{hash}"),
    }))
}

/// Bytes and SHA-256 of a file.
fn size_and_hash(path: &Path) -> Result<(u64, String)> {
    let failed = |error| Error::output(format!("{}: cannot read what was written: {error}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let (mut size, mut hash) = (0, Sha256::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Ok((size, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        size += count as u64;
        hash.update(&buffer[..count]);
    }
}

/// The smallest box around boxes, on a sphere: the widest stretch of longitudes without any of them stays outside.
fn around(boxes: &[[f64; 4]]) -> Option<[f64; 4]> {
    let south = boxes.iter().map(|bounds| bounds[1]).min_by(f64::total_cmp)?;
    let north = boxes.iter().map(|bounds| bounds[3]).max_by(f64::total_cmp)?;
    // A box across the antimeridian ends beyond 180.
    let unrolled = |[west, _, east, _]: &[f64; 4]| (*west, if east < west { east + 360.0 } else { *east });
    let mut stretches: Vec<(f64, f64)> = boxes.iter().map(unrolled).collect();
    stretches.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The first gap is the one across the antimeridian.
    let mut reach = stretches.iter().map(|(_, east)| east - 360.0).max_by(f64::total_cmp)?;
    let (mut widest, mut west, mut east) = (0.0, -180.0, 180.0);
    for (from, to) in stretches {
        if from - reach > widest {
            (widest, west, east) = (from - reach, from, reach);
        }
        reach = reach.max(to);
    }
    let east = if east < -180.0 {
        east + 360.0
    } else if east > 180.0 {
        east - 360.0
    } else {
        east
    };
    Some([west, south, east, north])
}

/// A path as a relative reference (RFC 3986) from `folder`, which is absolute; an address as it is, without its secrets.
fn href(folder: &Path, path: &Path) -> Result<String> {
    if let Some(address) = address(path) {
        return Ok(shown(address));
    }
    let target = absolute(path)?;
    let (from, to): (Vec<Component>, Vec<Component>) = (folder.components().collect(), target.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to.iter().skip(shared).map(|part| percent_encoded(part.as_os_str().as_bytes()));
    let parts = up.chain(down).collect::<Vec<_>>().join("/");
    Ok(if parts.starts_with("..") { parts } else { format!("./{parts}") })
}

/// The path with its folder made canonical; the file itself may be a link.
fn absolute(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::output(format!("{}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match path.file_name() {
        Some(name) => Ok(folder.canonicalize().map_err(failed)?.join(name)),
        None => path.canonicalize().map_err(failed),
    }
}

fn percent_encoded(bytes: &[u8]) -> String {
    let encoded = bytes.iter().map(|&byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_around_boxes_leaves_out_the_widest_gap() {
        let europe = [4.0, 50.0, 5.0, 51.0];
        let fiji = [179.5, -18.0, -179.5, -17.0];
        let samoa = [-173.0, -14.0, -172.0, -13.0];
        assert_eq!(around(&[europe]), Some(europe));
        assert_eq!(around(&[fiji]), Some(fiji));
        assert_eq!(around(&[samoa, fiji]), Some([179.5, -18.0, -172.0, -13.0]));
        let wide = [170.0, 0.0, -160.0, 1.0];
        assert_eq!(around(&[wide, samoa]), Some([170.0, -14.0, -160.0, 1.0]));
        assert_eq!(around(&[fiji, europe]), Some([4.0, -18.0, -179.5, 51.0]));
        assert_eq!(around(&[[-180.0, 0.0, 0.0, 1.0], [0.0, 0.0, 180.0, 1.0]]), Some([-180.0, 0.0, 180.0, 1.0]));
        assert_eq!(around(&[]), None);
    }

    #[test]
    fn references_are_relative_and_encoded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("in/deep")).unwrap();
        std::fs::create_dir_all(root.join("out")).unwrap();
        let from = root.join("out");
        assert_eq!(href(&from, &root.join("out/a b#1.csv")).unwrap(), "./a%20b%231.csv");
        assert_eq!(href(&from, &root.join("in/deep/küste.tif")).unwrap(), "../in/deep/k%C3%BCste.tif");
    }
}
