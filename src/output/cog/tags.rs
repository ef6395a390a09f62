//! The tags of a map's directories: shape, colours, place on Earth, GDAL's metadata.

use super::layer::{Layer, Sample};
use super::plan::Part;
use super::{Level, MapCompression};
use crate::output::tiff_directory::Directory;
use crate::raster::Geo;

/// The parts of one level; the first carries what is said of the whole map.
pub(super) fn part<'a, L: Layer>(
    level: &'a Level<L>,
    layer: &L,
    compression: MapCompression,
    geo: Option<&Geo>,
    is_overview: bool,
) -> Part<'a> {
    let palette = layer.palette();
    let mut before = Directory::new();
    before.longs(254, &[u32::from(is_overview)]); // subfile: reduced resolution
    before.longs(256, &[level.size[0]]);
    before.longs(257, &[level.size[1]]);
    before.shorts(258, &[L::Sample::BITS]);
    before.shorts(259, &[compression.tag()]);
    before.shorts(262, &[if palette.is_some() { 3 } else { 1 }]); // photometric: palette, or zero is black
    before.shorts(277, &[1]); // samples per pixel
    before.shorts(284, &[1]); // planar configuration
    if let Some(palette) = palette {
        // All reds, then greens, then blues, in 16 bits.
        let channel = |i: usize| palette.iter().map(move |colour| 257 * u16::from(colour[i])).collect::<Vec<_>>();
        before.shorts(320, &[channel(0), channel(1), channel(2)].concat());
    }
    before.longs(322, &[level.tile_px[0]]);
    before.longs(323, &[level.tile_px[1]]);
    let mut after = Directory::new();
    after.shorts(339, &[L::Sample::FORMAT]);
    if !is_overview {
        if let Some(geo) = geo {
            georeference(geo, &mut after);
        }
        after.text(42112, &metadata(layer));
    }
    after.text(42113, L::NODATA_TEXT);
    Part { before, after, lengths: &level.lengths }
}

/// GDAL's metadata, which `gdalinfo` and rasterio's `tags(1)` show as items of the band.
fn metadata<L: Layer>(layer: &L) -> String {
    // GDAL escapes the text of an item once by itself and once as XML.
    let item = |(name, role, text): (String, &str, String)| {
        let role = if role.is_empty() { String::new() } else { format!(" role=\"{role}\"") };
        format!("  <Item name=\"{name}\" sample=\"0\"{role}>{}</Item>\n", escaped(&escaped(&text)))
    };
    let items: String = layer.items().into_iter().map(item).collect();
    format!("<GDALMetadata>\n{items}</GDALMetadata>\n")
}

/// Text of an XML element; what XML cannot hold becomes a blank.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Geo tags of the GeoTIFF standard (OGC 19-008r4): scale and tie point, or the whole matrix where the image
/// is turned, and the EPSG code.
fn georeference(geo: &Geo, directory: &mut Directory) {
    let [left, dx, row_x, top, column_y, dy] = geo.transform;
    let upright = row_x == 0.0 && column_y == 0.0 && dy < 0.0 && dx > 0.0;
    if upright {
        directory.doubles(33550, &[dx, -dy, 0.0]);
        directory.doubles(33922, &[0.0, 0.0, 0.0, left, top, 0.0]);
    } else {
        let matrix = [dx, row_x, 0.0, left, column_y, dy, 0.0, top, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        directory.doubles(34264, &matrix);
    }
    let Some(epsg) = geo.epsg.and_then(|code| u16::try_from(code).ok()) else { return };
    let geographic = proj4rs::Proj::from_epsg_code(epsg).is_ok_and(|projection| projection.is_latlong());
    // Model type, raster type "pixel is area", and the code under the key for its kind.
    let (model, key) = if geographic { (2, 2048) } else { (1, 3072) };
    directory.shorts(34735, &[1, 1, 0, 3, 1024, 0, 1, model, 1025, 0, 1, 1, key, 0, 1, epsg]);
}
