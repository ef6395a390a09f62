//! Where a raster lies: geo keys and the affine transform.

/// Georeference of a raster.
#[derive(Debug, Clone, PartialEq)]
pub struct Geo {
    /// EPSG code of the coordinate reference system, where the keys give one.
    pub epsg: Option<u32>,
    /// GDAL's order: x = t[0] + column·t[1] + row·t[2], y = t[3] + column·t[4] + row·t[5].
    pub transform: [f64; 6],
}
