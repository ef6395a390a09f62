//! STAC items of Sentinel-2: Earth Search (old and new), Planetary Computer and their like.

use std::path::Path;

use serde_json::Value;

use super::files::{self, Entry, Location, Role};
use super::{Contradiction, Declared, Product, ProductName, xml};
use crate::raster::{address, join, without_scheme};
use crate::scene::{canonical_band, parse_date};
use crate::{Error, Result};

/// Whether a file is called as a STAC item is.
pub(super) fn has_items_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json" || extension == "geojson")
}

/// Whether a file is a STAC item; its name ends on `.json` and it says so itself.
pub(super) fn is_item(path: &Path) -> bool {
    has_items_name(path) && read(path).is_ok_and(|item| is_stac(&item))
}

fn is_stac(item: &Value) -> bool {
    item["type"] == "Feature" && item["stac_version"].is_string() && item["assets"].is_object()
}

fn read(path: &Path) -> Result<Value> {
    let bytes = files::metadata(path)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::malformed(format!("no JSON: {error}")))
}

/// Reads an item and finds the files that it names.
pub(super) fn open(path: &Path) -> Result<Product> {
    let item = read(path)?;
    if !is_stac(&item) {
        return Err(Error::unsupported("JSON, but no STAC item (a Feature with stac_version and assets)"));
    }
    let properties = &item["properties"];
    let number = |key: &str| properties[key].as_f64();
    let mut product = Product {
        kind: "STAC",
        declared_by: "stac",
        special_dn: vec![0.0],
        date: properties["datetime"].as_str().map(parse_date).transpose()?,
        cloud_cover_percent: number("eo:cloud_cover").map(|share| xml::percent(share, "eo:cloud_cover")).transpose()?,
        sun_elevation_deg: number("view:sun_elevation"),
        name: name_of(&item),
        level: properties["s2:product_type"].as_str().and_then(|kind| kind.strip_prefix("S2MSI")).map(level),
        metadata: item.to_string().into_bytes(),
        ..Product::default()
    };
    let applied = properties["earthsearch:boa_offset_applied"].as_bool();
    product.ignores_baseline = applied == Some(true);
    let assets = item["assets"].as_object().into_iter().flatten();
    for (key, asset) in assets {
        let Some(entry) = entry(key, asset, path)? else { continue };
        let by_file = entry.location.text();
        let by_file = Path::new(&by_file).file_stem().and_then(|stem| stem.to_str()).and_then(files::role_of);
        if by_file.as_ref().is_some_and(|role| *role != entry.role) {
            let what = format!("its asset {key} leads to {}", entry.location.text());
            product.contradictions.push(Contradiction::File(what));
        }
        if let Role::Band(band) = &entry.role {
            let declared = declared(asset, applied, &mut product.contradictions);
            product.declared.push((band.clone(), declared));
        }
        product.entries.push(entry);
    }
    Ok(product)
}

fn level(kind: &str) -> String {
    format!("L{}", kind.trim_end_matches('p'))
}

/// The names of ESA's product that items state, and the baseline beside them.
fn name_of(item: &Value) -> ProductName {
    let properties = &item["properties"];
    let uri = ["s2:product_uri", "sentinel:product_id"].iter().find_map(|key| properties[*key].as_str());
    let mut name = uri.map(|uri| ProductName::of(Path::new(uri))).unwrap_or_default();
    let keys = ["s2:processing_baseline", "sentinel:processing_baseline", "processing:version"];
    let stated = keys.iter().find_map(|key| properties[*key].as_str());
    let stated = stated.and_then(|text| text.parse::<f64>().ok()).map(|number| (number * 100.0).round() as u16);
    name.baseline = name.baseline.or(stated);
    name.or(item["id"].as_str().map(|id| ProductName::of(Path::new(id))).unwrap_or_default())
}

/// What an asset is: by its bands, its key, or its file's name.
fn entry(key: &str, asset: &Value, item: &Path) -> Result<Option<Entry>> {
    let Some(href) = asset["href"].as_str() else { return Ok(None) };
    let file_name = href.rsplit('/').next().unwrap_or_default().split('?').next().unwrap_or_default();
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let extension = file_name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    // Earth Search lists each band a second time as the JPEG 2000 it was made from.
    if key.ends_with("-jp2") || !extension.is_some_and(|name| ["tif", "tiff", "jp2"].contains(&name.as_str())) {
        return Ok(None);
    }
    let bands = ["bands", "eo:bands"].iter().find_map(|name| asset[*name].as_array()).map_or(&[][..], Vec::as_slice);
    let named = match bands {
        [one] => [&one["name"], &one["eo:common_name"], &one["common_name"]]
            .into_iter()
            .find_map(|name| band(name.as_str()?)),
        _ => None,
    };
    // Three bands in one asset are a picture.
    let by_key = || if bands.len() > 1 { None } else { band(key) };
    let by_file = || if bands.len() > 1 { None } else { files::role_of(stem) };
    let role = files::role_of(key).filter(|role| role.band().is_none());
    let Some(role) = role.or_else(|| named.or_else(by_key).map(Role::Band)).or_else(by_file) else { return Ok(None) };
    Ok(Some(Entry { role, resolution_m: None, location: location(href, file_name, item)? }))
}

/// `B04`, `red`
fn band(name: &str) -> Option<String> {
    let canonical = files::common_name(name).map(String::from);
    canonical.or_else(|| matches!(files::role_of(name), Some(Role::Band(_))).then(|| canonical_band(name)))
}

/// The file of that name beside the item, else the one that a relative address leads to. An item at an address leads to
/// others, never to files of this machine.
fn location(href: &str, file_name: &str, item: &Path) -> Result<Location> {
    if let Some(base) = address(item) {
        return Ok(Location::File(join(base, href)?.into()));
    }
    let folder = item.parent().unwrap_or(Path::new("."));
    let beside = folder.join(file_name);
    if beside.is_file() {
        return Ok(Location::File(beside));
    }
    Ok(Location::File(match href.strip_prefix("file://") {
        Some(path) => path.into(),
        None if href.starts_with("//") => return Err(without_scheme(href)),
        None if href.contains("://") => join("", href)?.into(),
        None => folder.join(href),
    }))
}

/// Scale and offset of an asset, in DN; what it says of the offset twice must agree.
fn declared(asset: &Value, applied: Option<bool>, contradictions: &mut Vec<Contradiction>) -> Declared {
    let band = ["raster:bands", "bands"].iter().find_map(|name| asset[*name].get(0)).unwrap_or(&Value::Null);
    let number = |names: [&str; 2]| {
        let of_band = names.iter().find_map(|name| band[*name].as_f64());
        of_band.or_else(|| asset[names[1]].as_f64())
    };
    let dn_scale = number(["scale", "raster:scale"]);
    if let Some(scale) = dn_scale.filter(|scale| *scale <= 0.0) {
        contradictions.push(Contradiction::Radiometry(format!("a scale of {scale} makes no reflectance")));
    }
    let stated = number(["offset", "raster:offset"]).zip(dn_scale).map(|(offset, scale)| (offset / scale).round());
    match (applied, stated) {
        (Some(true), Some(offset)) if offset != 0.0 => {
            contradictions.push(Contradiction::Radiometry(format!(
                "earthsearch:boa_offset_applied says that the pixels hold no offset, raster:bands one of {offset} DN"
            )));
            Declared { dn_scale, dn_offset: None }
        }
        (Some(true), _) => Declared { dn_scale, dn_offset: Some(0.0) },
        _ => Declared { dn_scale, dn_offset: stated },
    }
}
