//! Tiles as a Sentinel-2 user has them: `uint16` GeoTIFFs of reflectance × 10,000 in UTM.

use std::io::Cursor;
use std::path::Path;

use jiff::civil::Date;
use proj4rs::Proj;
use tiff::encoder::colortype::RGB16;
use tiff::encoder::compression::DeflateLevel;
use tiff::encoder::{Compression, Predictor, TiffEncoder};
use tiff::tags::Tag;

use crate::{Error, Result};

/// Pixels of Sentinel-2's visible bands in metres.
const PIXEL_M: f64 = 10.0;
/// DN per unit of reflectance.
const QUANTIFICATION: f32 = 10_000.0;

const MODEL_PIXEL_SCALE: Tag = Tag::Unknown(33550);
const MODEL_TIEPOINT: Tag = Tag::Unknown(33922);
const GEO_KEYS: Tag = Tag::Unknown(34735);
const GDAL_METADATA: Tag = Tag::Unknown(42112);
const GDAL_NODATA: Tag = Tag::Unknown(42113);

/// A tile of three bands.
#[derive(Debug, Clone)]
pub struct Tile<'a> {
    /// Names of the bands.
    pub bands: [&'a str; 3],
    /// Reflectance, band after band, row by row.
    pub reflectance: &'a [f32],
    /// Height and width in pixels.
    pub side: usize,
    /// Degrees east and north of the centre.
    pub centre: (f64, f64),
    /// Acquisition date.
    pub date: Date,
    /// Share of clouds in percent.
    pub cloud_cover_percent: f64,
    /// What the image is, in words.
    pub description: &'a str,
}

impl Tile<'_> {
    /// Writes the tile: Deflate, scale and offset stated, DN 0 for no data (and so never for a pixel).
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self.encode().map_err(|error| error.context(path.display()))?;
        std::fs::write(path, bytes).map_err(|e| Error::output(e).context(path.display()))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let plane = self.side * self.side;
        let dn = |value: f32| (value * QUANTIFICATION).round().clamp(1.0, f32::from(u16::MAX)) as u16;
        let samples: Vec<u16> =
            (0..3 * plane).map(|index| dn(self.reflectance[index % 3 * plane + index / 3])).collect();
        let (epsg, x, y) = utm(self.centre)?;
        let half = self.side as f64 * PIXEL_M / 2.0;
        let corner = |value: f64| (value / PIXEL_M).round() * PIXEL_M;
        let mut bytes = Cursor::new(Vec::new());
        let write = |bytes: &mut Cursor<Vec<u8>>| -> tiff::TiffResult<()> {
            let encoder = TiffEncoder::new(bytes)?.with_compression(Compression::Deflate(DeflateLevel::Best));
            let side = self.side as u32;
            let mut encoder = encoder.with_predictor(Predictor::Horizontal);
            let mut image = encoder.new_image::<RGB16>(side, side)?;
            let tags = image.encoder();
            tags.write_tag(Tag::ImageDescription, self.description)?;
            tags.write_tag(Tag::DateTime, self.date.strftime("%Y:%m:%d 10:30:00").to_string().as_str())?;
            tags.write_tag(MODEL_PIXEL_SCALE, &[PIXEL_M, PIXEL_M, 0.0][..])?;
            tags.write_tag(MODEL_TIEPOINT, &[0.0, 0.0, 0.0, corner(x - half), corner(y + half), 0.0][..])?;
            tags.write_tag(GEO_KEYS, &geo_keys(epsg)[..])?;
            tags.write_tag(GDAL_METADATA, self.metadata().as_str())?;
            tags.write_tag(GDAL_NODATA, "0")?;
            image.write_data(&samples)
        };
        write(&mut bytes).map_err(Error::output)?;
        Ok(bytes.into_inner())
    }

    fn metadata(&self) -> String {
        let mut text = "<GDALMetadata>".to_owned();
        text += &format!("<Item name=\"ACQUISITION_DATE\">{}</Item>", self.date);
        text += &format!("<Item name=\"CLOUDY_PIXEL_PERCENTAGE\">{:.1}</Item>", self.cloud_cover_percent);
        for (index, band) in self.bands.iter().enumerate() {
            let item = |name: &str, role: &str, value: &str| {
                format!("<Item name=\"{name}\" sample=\"{index}\" role=\"{role}\">{value}</Item>")
            };
            text += &item("DESCRIPTION", "description", band);
            text += &item("SCALE", "scale", "0.0001");
            text += &item("OFFSET", "offset", "0");
        }
        text + "</GDALMetadata>"
    }
}

/// EPSG code, easting and northing of a place in its own UTM zone.
fn utm((longitude, latitude): (f64, f64)) -> Result<(u16, f64, f64)> {
    let zone = (((longitude + 180.0) / 6.0).floor() as i64).rem_euclid(60) as u16 + 1;
    let epsg = if latitude < 0.0 { 32700 } else { 32600 } + zone;
    let project = || -> Result<(f64, f64), proj4rs::errors::Error> {
        let (degrees, metres) = (Proj::from_epsg_code(4326)?, Proj::from_epsg_code(epsg)?);
        let mut point = (longitude.to_radians(), latitude.to_radians(), 0.0);
        proj4rs::transform::transform(&degrees, &metres, &mut point)?;
        Ok((point.0, point.1))
    };
    let (x, y) = project().map_err(|e| Error::usage(format!("no UTM coordinates of {longitude}, {latitude}: {e}")))?;
    Ok((epsg, x, y))
}

/// GeoKeyDirectory: version 1.1.0 and three keys, projected coordinates, pixels as areas, the code.
fn geo_keys(epsg: u16) -> [u16; 16] {
    [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg]
}
