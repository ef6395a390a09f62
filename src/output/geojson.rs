//! The table as a GeoJSON feature collection (RFC 7946).

use serde_json::{Value, json};

use super::Stream;
use super::crs::{LayerCrs, WGS84, geojson_member};
use super::feature::{Feature, Layer, Members, Writer};
use super::geometry::{DEGREE_DECIMALS, rounded};
use super::ndjson::to_json;
use crate::Result;

pub(super) struct GeoJson {
    stream: Stream,
    layer: Layer,
    /// Whether the collection names its reference system, as GeoJSON did before the RFC.
    names_crs: bool,
    crs: LayerCrs,
    empty: bool,
}

impl GeoJson {
    pub(super) fn new(mut stream: Stream, layer: Layer, names_crs: bool) -> Result<Self> {
        stream.write("{\"type\":\"FeatureCollection\",\"features\":[")?;
        Ok(Self { stream, layer, names_crs, crs: LayerCrs::default(), empty: true })
    }
}

impl Writer for GeoJson {
    fn write(&mut self, feature: &Feature<'_>) -> Result<()> {
        if let Some((_, epsg)) = feature.shape {
            self.crs.take(epsg, feature.tile)?;
        }
        let separator = if self.empty { "\n" } else { ",\n" };
        self.empty = false;
        let properties = to_json(&Members { layer: &self.layer, feature })?;
        let geometry = geometry(feature);
        self.stream
            .write(&format!("{separator}{{\"type\":\"Feature\",\"geometry\":{geometry},\"properties\":{properties}}}"))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.stream.write("\n]")?;
        // It stands last because the first features may have no place. Members have no order.
        if self.names_crs {
            let member = geojson_member(self.crs.epsg().unwrap_or(WGS84));
            self.stream.write(&format!(",\"crs\":{member}"))?;
        }
        self.stream.write("}\n")?;
        self.stream.finish()
    }
}

/// The outline, else the centre, else null.
fn geometry(feature: &Feature<'_>) -> Value {
    let point = || {
        let (longitude, latitude) = feature.point?;
        let [longitude, latitude] = [longitude, latitude].map(|degrees| rounded(degrees, DEGREE_DECIMALS));
        Some(json!({ "type": "Point", "coordinates": [longitude?, latitude?] }))
    };
    feature.shape.as_ref().map(|(shape, _)| shape.to_json()).or_else(point).unwrap_or(Value::Null)
}
