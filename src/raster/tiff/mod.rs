//! TIFF and BigTIFF, classic and Geo.
//!
//! Only the image of the first directory is read, as GDAL does; overviews are passed over, a mask is noted, and a file whose
//! later pages are as large as the first is refused, since those pages may be bands.

mod chunks;
mod codec;
mod directory;
mod gdal;
mod geo_keys;
mod layout;
mod packbits;
mod predictor;
mod tags;

pub(super) use chunks::Chunks;

use super::geo::Geo;
use super::grid::Grid;
use super::source::Source;
use super::types::{BandInfo, Format, Header};
use crate::Result;
use directory::Reader;
use gdal::GdalMetadata;
use layout::Layout;

/// The georeference alone, of a TIFF that need not hold pixels.
pub(super) fn georeference(source: &Source) -> Result<Option<Geo>> {
    let (reader, first) = Reader::open(source)?;
    let (directory, _) = reader.first_image(first)?;
    Ok(geo_keys::read(&reader, &directory)?.0)
}

/// Reads and checks the header.
pub(super) fn open(source: &Source, format: Format) -> Result<(Header, Grid, Chunks)> {
    let (reader, first) = Reader::open(source)?;
    let (directory, has_mask) = reader.first_image(first)?;
    let layout = Layout::read(&reader, &directory)?;
    let nodata = gdal::nodata(&reader, &directory)?;
    let GdalMetadata { mut items, bands: per_band } = gdal::metadata(&reader, &directory)?;
    for (tag, name) in [(tags::DATE_TIME, "TIFFTAG_DATETIME"), (tags::IMAGE_DESCRIPTION, "TIFFTAG_IMAGEDESCRIPTION")] {
        if let Some(text) = reader.text(&directory, tag)? {
            items.insert(name.to_owned(), text);
        }
    }
    let (geo, area_or_point) = geo_keys::read(&reader, &directory)?;
    items.extend(area_or_point.map(|value| ("AREA_OR_POINT".to_owned(), value.to_owned())));
    let mut bands = vec![BandInfo::default(); layout.grid.bands];
    for (band, info) in bands.iter_mut().zip(per_band) {
        *band = info;
    }
    let header = Header {
        format,
        width: layout.grid.width,
        height: layout.grid.height,
        bands,
        sample_type: layout.sample_type,
        nodata,
        has_mask,
        geo,
        metadata: items,
    };
    let chunks = Chunks::locate(&reader, &directory, &layout, nodata)?;
    Ok((header, layout.grid, chunks))
}
