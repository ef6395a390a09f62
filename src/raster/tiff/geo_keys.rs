//! The georeference of a GeoTIFF (OGC 19-008r4), read as GDAL reads it.

use super::directory::{Directory, Reader};
use super::tags;
use crate::limits::TIFF_ENTRIES_MAX;
use crate::raster::geo::Geo;
use crate::{Error, Result};

const MODEL_TYPE: u64 = 1024;
const RASTER_TYPE: u64 = 1025;
const GEODETIC_CRS: u64 = 2048;
const PROJECTED_CRS: u64 = 3072;

/// The georeference, and GDAL's word for what the keys say about pixels: with `Point` the stored coordinates are those
/// of the pixels' centres. The transform that comes out is in any case the one of the corners.
pub(super) fn read(reader: &Reader<'_>, directory: &Directory) -> Result<(Option<Geo>, Option<&'static str>)> {
    let keys = reader.unsigneds(directory, tags::GEO_KEY_DIRECTORY, TIFF_ENTRIES_MAX as u64 * 4)?.unwrap_or_default();
    let key = |wanted| short_key(&keys, wanted);
    if let [_, _, _, count, entries @ ..] = keys.as_slice()
        && (entries.len() as u64) < count.saturating_mul(4)
    {
        return Err(Error::malformed(format!("a geo key directory of {count} keys is cut short")));
    }
    let area_or_point = key(RASTER_TYPE).map(|kind| if kind == 2 { "Point" } else { "Area" });
    let code = match key(MODEL_TYPE) {
        Some(2) => key(GEODETIC_CRS),
        _ => key(PROJECTED_CRS).or_else(|| key(GEODETIC_CRS).filter(|_| key(MODEL_TYPE).is_none())),
    };
    // 32767 is "user-defined".
    let epsg = code.filter(|code| (1024..32767).contains(code)).map(|code| code as u32);
    let Some(mut transform) = transform(reader, directory)? else { return Ok((None, area_or_point)) };
    if area_or_point == Some("Point") {
        transform[0] -= 0.5 * (transform[1] + transform[2]);
        transform[3] -= 0.5 * (transform[4] + transform[5]);
    }
    Ok((Some(Geo { epsg, transform }), area_or_point))
}

/// The value of a key that is one short stored in the directory itself.
fn short_key(keys: &[u64], wanted: u64) -> Option<u64> {
    keys.chunks_exact(4).skip(1).find_map(|entry| match entry {
        &[key, 0, 1, value] if key == wanted => Some(value),
        _ => None,
    })
}

/// In GDAL's order; scale and tie point come before the matrix.
fn transform(reader: &Reader<'_>, directory: &Directory) -> Result<Option<[f64; 6]>> {
    let doubles = |tag| reader.doubles(directory, tag, TIFF_ENTRIES_MAX as u64 * 6).map(Option::unwrap_or_default);
    let scale = doubles(tags::MODEL_PIXEL_SCALE)?;
    let tie = doubles(tags::MODEL_TIEPOINT)?;
    let matrix = doubles(tags::MODEL_TRANSFORMATION)?;
    let found = match (scale.as_slice(), tie.as_slice(), matrix.as_slice()) {
        (&[across, down, ..], &[column, row, _, x, y, ..], _) if across != 0.0 && down != 0.0 => {
            // GDAL takes the height of a pixel as downwards whatever its sign.
            let down = -down.abs();
            Some([x - column * across, across, 0.0, y - row * down, 0.0, down])
        }
        (_, _, &[a, b, _, x, c, d, _, y, ..]) if matrix.len() == 16 => Some([x, a, b, y, c, d]),
        _ => None,
    };
    Ok(found.filter(|numbers| numbers.iter().all(|number| number.is_finite())))
}
