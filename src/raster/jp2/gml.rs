//! The georeference of GMLJP2 (OGC 05-047r3): a rectified grid, whose origin is the centre of the first pixel.

use roxmltree::{Document, Node, ParsingOptions};

use crate::raster::Geo;
use crate::{Error, Result};

const NODES_MAX: u32 = 10_000;

/// The georeference that the document gives; `None` where it gives none, or one in a reference system whose order of
/// axes is not known here (only UTM, web Mercator and WGS 84 are).
pub(super) fn georeference(text: &str) -> Result<Option<Geo>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..Default::default() };
    let document = Document::parse_with_options(text.trim(), options)
        .map_err(|error| Error::malformed(format!("GMLJP2: {error}")))?;
    let Some(grid) = document.descendants().find(|node| node.has_tag_name_local("RectifiedGrid")) else {
        return Ok(None);
    };
    let origin = grid.descendants().find(|node| node.has_tag_name_local("pos"));
    let mut vectors = grid.children().filter(|node| node.has_tag_name_local("offsetVector"));
    let (Some(origin), Some(across), Some(down)) = (origin, vectors.next(), vectors.next()) else { return Ok(None) };
    let name = origin.ancestors().chain([across]).find_map(|node| node.attribute("srsName"));
    let Some((epsg, is_y_first)) = name.and_then(reference_system) else { return Ok(None) };
    let [[x, y], [across_x, across_y], [down_x, down_y]] = [pair(origin)?, pair(across)?, pair(down)?]
        .map(|[first, second]| if is_y_first { [second, first] } else { [first, second] });
    let left = x - 0.5 * (across_x + down_x);
    let top = y - 0.5 * (across_y + down_y);
    Ok(Some(Geo { epsg: Some(epsg), transform: [left, across_x, down_x, top, across_y, down_y] }))
}

/// The EPSG code, and whether the axis that points north comes first: only in the URN and URI forms of a name.
fn reference_system(name: &str) -> Option<(u32, bool)> {
    let code = name.rsplit([':', '/', '#']).next()?.parse().ok()?;
    let by_authority = name.starts_with("urn:ogc:def:crs:EPSG:") || name.starts_with("http://www.opengis.net/def/crs/");
    let is_y_first = match code {
        // UTM on WGS 84 and on ETRS89; web Mercator
        32601..=32660 | 32701..=32760 | 25828..=25838 | 3857 => false,
        4326 => by_authority,
        _ => return None,
    };
    name.contains("EPSG").then_some((code, is_y_first))
}

fn pair(node: Node<'_, '_>) -> Result<[f64; 2]> {
    let mut numbers = node.text().unwrap_or_default().split_whitespace().map(str::parse::<f64>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(x)), Some(Ok(y)), None) if x.is_finite() && y.is_finite() => Ok([x, y]),
        _ => Err(Error::malformed(format!("GMLJP2: `{}` is not a pair of numbers", node.text().unwrap_or_default()))),
    }
}

/// Element names without their name space: writers bind several.
trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
