//! GDAL's two private tags: metadata as XML, and the nodata value as text.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::directory::{Directory, Reader};
use super::tags;
use crate::limits::RASTER_BANDS_MAX;
use crate::raster::types::BandInfo;
use crate::{Error, Result};

/// What the metadata tag says.
#[derive(Default)]
pub(super) struct GdalMetadata {
    /// Items of the whole dataset in the default domain.
    pub(super) items: BTreeMap<String, String>,
    /// As many bands as have an item of their own, counted from the first.
    pub(super) bands: Vec<BandInfo>,
}

pub(super) fn metadata(reader: &Reader<'_>, directory: &Directory) -> Result<GdalMetadata> {
    match reader.text(directory, tags::GDAL_METADATA)? {
        Some(xml) if !xml.trim().is_empty() => parse(&xml).map_err(|error| error.context("GDAL metadata (tag 42112)")),
        _ => Ok(GdalMetadata::default()),
    }
}

fn parse(xml: &str) -> Result<GdalMetadata> {
    let document = Document::parse(xml).map_err(Error::malformed)?;
    let mut found = GdalMetadata::default();
    for item in document.descendants().filter(|node| node.has_tag_name("Item")) {
        let value = &unescape(item.text().unwrap_or_default());
        match item.attribute("sample") {
            Some(sample) => band_item(&mut found.bands, sample, item, value)?,
            None if item.attribute("domain").unwrap_or_default().is_empty() => {
                let name = item.attribute("name").ok_or_else(|| Error::malformed("an item without a name"))?;
                found.items.insert(name.to_owned(), value.clone());
            }
            None => {}
        }
    }
    Ok(found)
}

/// GDAL escapes values once more than XML asks for, and takes that off again when it reads.
fn unescape(value: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(value.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

fn band_item(bands: &mut Vec<BandInfo>, sample: &str, item: Node<'_, '_>, value: &str) -> Result<()> {
    let Some(role) = item.attribute("role") else { return Ok(()) };
    let sample: usize = sample.trim().parse().map_err(|_| Error::malformed(format!("sample {sample:?}")))?;
    if sample >= RASTER_BANDS_MAX {
        return Err(Error::limit(format!("sample {sample}")));
    }
    if bands.len() <= sample {
        bands.resize(sample + 1, BandInfo::default());
    }
    let Some(band) = bands.get_mut(sample) else { return Ok(()) };
    let number = || match value.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(Error::malformed(format!("{role} of band {}: {value:?} is not a number", sample + 1))),
    };
    match role {
        "description" if !value.is_empty() => band.description = Some(value.to_owned()),
        "scale" => band.scale = number()?,
        "offset" => band.offset = number()?,
        _ => {}
    }
    Ok(())
}

/// The nodata value, which GDAL writes as text: a number, `nan` or `inf`.
pub(super) fn nodata(reader: &Reader<'_>, directory: &Directory) -> Result<Option<f64>> {
    let Some(text) = reader.text(directory, tags::GDAL_NODATA)? else { return Ok(None) };
    let number = text.trim().parse();
    number.map(Some).map_err(|_| {
        Error::malformed(format!(
            "nodata value {text:?} (tag 42113) is not a number; correct it: gdal_edit.py -a_nodata VALUE, or -unsetnodata"
        ))
    })
}
