//! Which coordinates a table has, and what formats say about them.

use std::str::FromStr;

use serde_json::{Value, json};

use crate::{Error, Result};

/// WGS 84, longitude and latitude.
pub(super) const WGS84: u32 = 4326;

/// The coordinates of a table's geometries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CrsChoice {
    /// Longitude and latitude, WGS 84.
    #[default]
    LonLat,
    /// Those of each scene's own reference system.
    Source,
}

impl FromStr for CrsChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "lonlat" | "epsg:4326" | "ogc:crs84" => Ok(Self::LonLat),
            "source" => Ok(Self::Source),
            _ => Err(Error::usage(format!("--crs {text}: give lonlat or source"))),
        }
    }
}

/// The one reference system of a layer, once a feature has shown it.
#[derive(Debug, Default)]
pub(super) struct LayerCrs(Option<(u32, String)>);

impl LayerCrs {
    /// Takes the system of a feature of `tile`.
    pub(super) fn take(&mut self, epsg: u32, tile: &str) -> Result<()> {
        match &self.0 {
            None => self.0 = Some((epsg, tile.to_owned())),
            Some((known, _)) if *known == epsg => {}
            Some((known, first)) => {
                return Err(Error::usage(format!(
                    "--crs source: {first} is in EPSG:{known} and {tile} in EPSG:{epsg}, and this format holds one \
                     reference system: give --crs lonlat, csv or ndjson, or run them apart"
                )));
            }
        }
        Ok(())
    }

    /// Its code, if any feature had one.
    pub(super) fn epsg(&self) -> Option<u32> {
        self.0.as_ref().map(|(epsg, _)| *epsg)
    }
}

/// The zone of a WGS 84 / UTM code, and whether it is a southern one.
fn utm(epsg: u32) -> Option<(u32, bool)> {
    match epsg {
        32601..=32660 => Some((epsg - 32600, false)),
        32701..=32760 => Some((epsg - 32700, true)),
        _ => None,
    }
}

/// A known code's UTM zone; an error with the remedy for all others.
fn utm_or_error(epsg: u32) -> Result<(u32, bool)> {
    utm(epsg).ok_or_else(|| {
        Error::usage(format!(
            "--crs source: GeoPackage and GeoParquet define their reference system, and here only WGS 84 and its UTM zones \
             are known, not EPSG:{epsg}; give --crs lonlat, or another format"
        ))
    })
}

fn name((zone, is_south): (u32, bool)) -> String {
    format!("WGS 84 / UTM zone {zone}{}", if is_south { 'S' } else { 'N' })
}

/// Degrees of a zone's central meridian, and metres of false northing.
fn meridian((zone, is_south): (u32, bool)) -> (i64, i64) {
    (i64::from(zone) * 6 - 183, if is_south { 10_000_000 } else { 0 })
}

/// The value of GeoJSON's old `crs` member (GeoJSON 2008, clause 3).
pub(super) fn geojson_member(epsg: u32) -> Value {
    let urn =
        if epsg == WGS84 { "urn:ogc:def:crs:OGC:1.3:CRS84".into() } else { format!("urn:ogc:def:crs:EPSG::{epsg}") };
    json!({ "type": "name", "properties": { "name": urn } })
}

const WGS84_WKT: &str = "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563,\
    AUTHORITY[\"EPSG\",\"7030\"]],AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0,AUTHORITY[\"EPSG\",\"8901\"]],\
    UNIT[\"degree\",0.0174532925199433,AUTHORITY[\"EPSG\",\"9122\"]]";

/// Name and definition as well-known text (OGC 01-009).
pub(super) fn definition(epsg: u32) -> Result<(String, String)> {
    if epsg == WGS84 {
        let axes = "AXIS[\"Latitude\",NORTH],AXIS[\"Longitude\",EAST]";
        return Ok(("WGS 84".into(), format!("{WGS84_WKT},{axes},AUTHORITY[\"EPSG\",\"4326\"]]")));
    }
    let zone = utm_or_error(epsg)?;
    let (central_meridian, false_northing) = meridian(zone);
    let name = name(zone);
    let text = format!(
        "PROJCS[\"{name}\",{WGS84_WKT},AUTHORITY[\"EPSG\",\"4326\"]],PROJECTION[\"Transverse_Mercator\"],\
         PARAMETER[\"latitude_of_origin\",0],PARAMETER[\"central_meridian\",{central_meridian}],\
         PARAMETER[\"scale_factor\",0.9996],PARAMETER[\"false_easting\",500000],\
         PARAMETER[\"false_northing\",{false_northing}],UNIT[\"metre\",1,AUTHORITY[\"EPSG\",\"9001\"]],\
         AXIS[\"Easting\",EAST],AXIS[\"Northing\",NORTH],AUTHORITY[\"EPSG\",\"{epsg}\"]]"
    );
    Ok((name, text))
}

/// The definition as PROJJSON (schema 0.7); `None` for longitude and latitude, which GeoParquet takes for granted.
pub(super) fn projjson(epsg: u32) -> Result<Option<Value>> {
    if epsg == WGS84 {
        return Ok(None);
    }
    let zone = utm_or_error(epsg)?;
    let (central_meridian, false_northing) = meridian(zone);
    let parameter = |name: &str, value: Value, unit: &str, code: u32| {
        let id = json!({ "authority": "EPSG", "code": code });
        json!({ "name": name, "value": value, "unit": unit, "id": id })
    };
    let axis = |name: &str, abbreviation: &str, direction: &str, unit: &str| json!({ "name": name, "abbreviation": abbreviation, "direction": direction, "unit": unit });
    Ok(Some(json!({
        "$schema": "https://proj.org/schemas/v0.7/projjson.schema.json",
        "type": "ProjectedCRS",
        "name": name(zone),
        "base_crs": {
            "type": "GeographicCRS",
            "name": "WGS 84",
            "datum": {
                "type": "GeodeticReferenceFrame",
                "name": "World Geodetic System 1984",
                "ellipsoid": { "name": "WGS 84", "semi_major_axis": 6_378_137, "inverse_flattening": 298.257_223_563 },
                "id": { "authority": "EPSG", "code": 6326 },
            },
            "coordinate_system": {
                "subtype": "ellipsoidal",
                "axis": [
                    axis("Geodetic latitude", "Lat", "north", "degree"),
                    axis("Geodetic longitude", "Lon", "east", "degree"),
                ],
            },
            "id": { "authority": "EPSG", "code": WGS84 },
        },
        "conversion": {
            "name": name(zone).trim_start_matches("WGS 84 / "),
            "method": { "name": "Transverse Mercator", "id": { "authority": "EPSG", "code": 9807 } },
            "parameters": [
                parameter("Latitude of natural origin", json!(0), "degree", 8801),
                parameter("Longitude of natural origin", json!(central_meridian), "degree", 8802),
                parameter("Scale factor at natural origin", json!(0.9996), "unity", 8805),
                parameter("False easting", json!(500_000), "metre", 8806),
                parameter("False northing", json!(false_northing), "metre", 8807),
            ],
        },
        "coordinate_system": {
            "subtype": "Cartesian",
            "axis": [axis("Easting", "E", "east", "metre"), axis("Northing", "N", "north", "metre")],
        },
        "id": { "authority": "EPSG", "code": epsg },
    })))
}
