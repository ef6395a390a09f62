//! ESA's SAFE products: L1C and L2A, in the layouts of 2015, 2016 and since, before and after baseline 04.00.

use std::path::{Path, PathBuf};

use roxmltree::Node;

use super::{Contradiction, Declared, Product, ProductName, files, xml};
use crate::raster::Geo;
use crate::scene::parse_date;
use crate::{Error, Result};

/// `band_id` of the metadata: the order of the instrument's bands.
const BANDS: [&str; 13] = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"];
/// First baseline whose DN hold an offset.
const FIRST_BASELINE_WITH_OFFSET: f64 = 4.0;

/// A `.SAFE` folder, be its metadata there or not, or one of its granules.
pub(super) fn is_safe(path: &Path) -> bool {
    let is_named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("SAFE"));
    product_metadata(path).is_some() || granule_root(path).is_some() || (is_named && path.join("GRANULE").is_dir())
}

/// The product that the folder of a granule lies in.
fn granule_root(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let above = path.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "GRANULE"))?;
    above.parent().filter(|root| product_metadata(root).is_some()).map(Path::to_owned)
}

/// `MTD_MSIL2A.xml`, or `S2A_OPER_MTD_SAFL1C_….xml` before 2016.
fn product_metadata(root: &Path) -> Option<PathBuf> {
    let is_metadata = |name: &str| {
        let old = name.contains("_MTD_SAF") || name.contains("_MTD_L1B") || name.contains("_MTD_L1A");
        name.ends_with(".xml") && (name.starts_with("MTD_MSIL") || old)
    };
    let mut names = names(root);
    names.retain(|name| is_metadata(name));
    names.first().map(|name| root.join(name))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Reads a product's metadata and lists its files.
pub(super) fn open(path: &Path) -> Result<Product> {
    let root = granule_root(path).unwrap_or_else(|| path.to_owned());
    let metadata = product_metadata(&root).ok_or_else(|| {
        Error::unsupported(
            "no product metadata (MTD_MSIL1C.xml, MTD_MSIL2A.xml): the product is incomplete, download it again",
        )
    })?;
    let granule = if root == path { only_granule(path)? } else { path.to_owned() };
    let mut product = Product { entries: files::scan(&granule)?, ..Product::default() };
    let bytes = files::metadata(&metadata)?;
    describe(&bytes, &mut product).map_err(|error| error.context(file_name(&metadata)))?;
    if let Some(tile) = granule_metadata(&granule) {
        let bytes = files::metadata(&tile)?;
        describe_granule(&bytes, &mut product).map_err(|error| error.context(file_name(&tile)))?;
    }
    Ok(product)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The granule of a product that has one.
fn only_granule(root: &Path) -> Result<PathBuf> {
    let folder = root.join("GRANULE");
    std::fs::read_dir(&folder).map_err(|error| Error::io(error).context(folder.display()))?;
    let granules: Vec<String> = names(&folder).into_iter().filter(|name| folder.join(name).is_dir()).collect();
    match &granules[..] {
        [one] => Ok(folder.join(one)),
        [] => Err(Error::unsupported("no granule below GRANULE: the product is incomplete, download it again")),
        several => Err(Error::unsupported(format!(
            "{} granules, each a scene of its own: give their folders, GRANULE/{} for one",
            several.len(),
            several[0]
        ))),
    }
}

/// `MTD_TL.xml`, or the granule's only XML file before 2016.
fn granule_metadata(granule: &Path) -> Option<PathBuf> {
    let names = names(granule);
    let old = |name: &&String| name.ends_with(".xml") && name.contains("_MTD_");
    names.iter().find(|name| *name == "MTD_TL.xml").or_else(|| names.iter().find(old)).map(|name| granule.join(name))
}

/// Takes over what the product's metadata says.
pub(super) fn describe(bytes: &[u8], product: &mut Product) -> Result<()> {
    let document = xml::parse(bytes)?;
    let root = document.root_element();
    product.kind = "SAFE";
    product.declared_by = "metadata";
    let level = xml::text(root, "PROCESSING_LEVEL").unwrap_or_default();
    product.level = match level {
        "Level-1C" => Some("L1C".into()),
        "Level-2A" | "Level-2Ap" => Some("L2A".into()),
        other => {
            return Err(Error::unsupported(format!(
                "a product of {other}: only Level-1C and Level-2A hold reflectance on a map grid"
            )));
        }
    };
    let uri = ["PRODUCT_URI", "PRODUCT_URI_2A"].iter().find_map(|name| xml::text(root, name));
    product.name = uri.map(|uri| ProductName::of(Path::new(uri))).unwrap_or_default();
    product.date = xml::text(root, "PRODUCT_START_TIME").map(parse_date).transpose()?;
    let cloud_cover = xml::number(root, "Cloud_Coverage_Assessment")?;
    product.cloud_cover_percent =
        cloud_cover.map(|percent| xml::percent(percent, "Cloud_Coverage_Assessment")).transpose()?;
    product.special_dn = special_dn(root)?;
    radiometry(root, product)?;
    product.metadata.extend(bytes);
    Ok(())
}

/// DN without a value: no data first, then saturated.
fn special_dn(root: Node<'_, '_>) -> Result<Vec<f64>> {
    let named = |wanted: &str| {
        let mut values = root.descendants().filter(|node| node.tag_name().name() == "Special_Values");
        values.find(|node| xml::text(*node, "SPECIAL_VALUE_TEXT") == Some(wanted))
    };
    let values = ["NODATA", "SATURATED"].into_iter().filter_map(named);
    values.filter_map(|node| xml::number(node, "SPECIAL_VALUE_INDEX").transpose()).collect()
}

/// Quantification and offsets, by band.
fn radiometry(root: Node<'_, '_>, product: &mut Product) -> Result<()> {
    let names = ["BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"];
    let mut quantification = None;
    for name in names {
        quantification = quantification.or(xml::number(root, name)?);
    }
    if let Some(value) = quantification.filter(|value| *value <= 0.0) {
        return Err(Error::malformed(format!("a quantification of {value} makes no reflectance")));
    }
    let dn_scale = quantification.map(|value| 1.0 / value);
    let offsets = offsets(root)?;
    let baseline = xml::text(root, "PROCESSING_BASELINE");
    let number = baseline.map(|text| xml::parse_number(text, "PROCESSING_BASELINE")).transpose()?;
    let needs_offset = number.is_some_and(|number| number >= FIRST_BASELINE_WITH_OFFSET);
    // L2A products have no B10.
    let lacks = |(id, band): &(usize, &&str)| **band != "B10" && !offsets.iter().any(|(of, _)| of == id);
    let without: Vec<&str> = BANDS.iter().enumerate().filter(lacks).map(|(_, band)| *band).collect();
    if needs_offset && !without.is_empty() {
        let which = if offsets.is_empty() { "any band".to_owned() } else { without.join(", ") };
        product.contradictions.push(Contradiction::Radiometry(format!(
            "it states processing baseline {}, whose DN hold an offset, and no offset for {which}",
            baseline.unwrap_or_default()
        )));
    }
    let silent_means_none = offsets.is_empty() && number.is_some() && !needs_offset;
    product.declared = BANDS
        .iter()
        .enumerate()
        .map(|(id, band)| {
            let stated = offsets.iter().find(|(of, _)| *of == id).map(|(_, dn)| *dn);
            ((*band).to_owned(), Declared { dn_scale, dn_offset: stated.or(silent_means_none.then_some(0.0)) })
        })
        .collect();
    if let (Some(number), Some(named)) = (number, product.name.baseline)
        && (number * 100.0).round() as u16 != named
    {
        let what = format!("it states processing baseline {number}, and the product's name N{named:04}");
        product.contradictions.push(Contradiction::Radiometry(what));
    }
    product.name.baseline = product.name.baseline.or(number.map(|number| (number * 100.0).round() as u16));
    Ok(())
}

/// Index among [`BANDS`] and DN to add.
fn offsets(root: Node<'_, '_>) -> Result<Vec<(usize, f64)>> {
    let is_offset = |node: &Node<'_, '_>| ["BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"].contains(&node.tag_name().name());
    let mut offsets = Vec::new();
    for node in root.descendants().filter(is_offset) {
        let id = node.attribute("band_id").and_then(|id| id.parse::<usize>().ok()).filter(|id| *id < BANDS.len());
        let id = id.ok_or_else(|| Error::malformed("an offset without a band_id from 0 to 12"))?;
        offsets.push((id, xml::parse_number(node.text().unwrap_or_default(), node.tag_name().name())?));
    }
    Ok(offsets)
}

/// Takes over what the granule's metadata says.
pub(super) fn describe_granule(bytes: &[u8], product: &mut Product) -> Result<()> {
    let document = xml::parse(bytes)?;
    let root = document.root_element();
    if let Some(date) = xml::text(root, "SENSING_TIME") {
        product.date = Some(parse_date(date)?);
    }
    if let Some(sun) = xml::find(root, "Mean_Sun_Angle") {
        let zenith = xml::number(sun, "ZENITH_ANGLE")?;
        if let Some(zenith) = zenith.filter(|zenith| !(0.0..=180.0).contains(zenith)) {
            return Err(Error::malformed(format!("the sun's ZENITH_ANGLE is {zenith}, and no angle from the zenith")));
        }
        product.sun_elevation_deg = zenith.map(|zenith| 90.0 - zenith);
    }
    if let Some(geocoding) = xml::find(root, "Tile_Geocoding") {
        product.geocoding = self::geocoding(geocoding)?;
    }
    product.metadata.extend(bytes);
    Ok(())
}

/// Corner and pixel size by resolution.
fn geocoding(node: Node<'_, '_>) -> Result<Vec<(u32, Geo)>> {
    let code = xml::text(node, "HORIZONTAL_CS_CODE").and_then(|code| code.strip_prefix("EPSG:"));
    let epsg = code.and_then(|code| code.parse().ok());
    let mut found = Vec::new();
    for position in node.descendants().filter(|node| node.tag_name().name() == "Geoposition") {
        let resolution = position.attribute("resolution").and_then(|text| text.parse().ok());
        let number = |name| xml::number(position, name);
        if let (Some(resolution), Some(x), Some(y), Some(dx), Some(dy)) =
            (resolution, number("ULX")?, number("ULY")?, number("XDIM")?, number("YDIM")?)
        {
            found.push((resolution, Geo { epsg, transform: [x, dx, 0.0, y, 0.0, dy] }));
        }
    }
    Ok(found)
}
