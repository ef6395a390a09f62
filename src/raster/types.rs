//! What a raster is, whatever file it came from.

use std::collections::BTreeMap;
use std::fmt;

/// The container a raster was read from, decided by its magic bytes and never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Classic TIFF, with or without geo keys.
    Tiff,
    /// BigTIFF: 64-bit offsets.
    BigTiff,
    /// JPEG patch.
    Jpeg,
    /// PNG patch.
    Png,
    /// JPEG 2000: a JP2 file or a bare codestream.
    Jpeg2000,
    /// An array as NumPy saves it.
    Npy,
}

/// The type of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleType {
    /// `uint8`
    U8,
    /// `uint16`
    U16,
    /// `int16`
    I16,
    /// `uint32`
    U32,
    /// `int32`
    I32,
    /// `float32`
    F32,
    /// `float64`
    F64,
}

impl SampleType {
    /// A nodata value as samples of this type hold it. What an integer type does not hold is no sample of it.
    pub fn rounded(self, value: f64) -> f64 {
        match self {
            Self::F32 => f64::from(value as f32),
            _ => value,
        }
    }

    /// Bytes of one sample.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The name that NumPy, GDAL and STAC share: `uint16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

/// A rectangle of source pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Window {
    /// The pixels that both have; none where there are none.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let along = |a: u32, a_px: u32, b: u32, b_px: u32| {
            let (start, end) = (a.max(b), (a + a_px).min(b + b_px));
            (start < end).then(|| (start, end - start))
        };
        let (x, width) = along(self.x, self.width, other.x, other.width)?;
        let (y, height) = along(self.y, self.height, other.y, other.height)?;
        Some(Self { x, y, width, height })
    }
}

/// What a file says about one of its bands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BandInfo {
    /// The band's description (`B04`), where the file has one.
    pub description: Option<String>,
    /// GDAL scale: reflectance = sample × scale + offset.
    pub scale: Option<f64>,
    /// GDAL offset, in units of reflectance.
    pub offset: Option<f64>,
}

/// A validated header: nothing in it is larger than [`crate::limits`] allows.
#[derive(Debug, Clone)]
pub struct Header {
    /// Container.
    pub format: Format,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// One entry per band, in file order; never empty. An alpha band is a band.
    pub bands: Vec<BandInfo>,
    /// Type of every sample.
    pub sample_type: SampleType,
    /// The file's nodata value (GDAL_NODATA), if it states one; may be NaN.
    pub nodata: Option<f64>,
    /// Whether a transparency mask lies beside the image, in the file or as `<name>.msk`; it is not read.
    pub has_mask: bool,
    /// Where on Earth, if the file says so.
    pub geo: Option<super::Geo>,
    /// Dataset-level GDAL metadata items (`AREA_OR_POINT`, `ACQUISITIONDATETIME`, …) and, under
    /// `TIFFTAG_DATETIME` and `TIFFTAG_IMAGEDESCRIPTION`, the two baseline text tags.
    pub metadata: BTreeMap<String, String>,
}

impl Header {
    /// The nodata value as samples hold it: GDAL rounds what the tag says to their type.
    pub fn nodata_sample(&self) -> Option<f64> {
        self.nodata.map(|value| self.sample_type.rounded(value))
    }
}

/// Raw samples of a window: band-sequential, row by row, little-endian, before any scaling.
#[derive(Clone)]
pub struct Planes {
    /// Type of every sample.
    pub sample_type: SampleType,
    /// Number of bands held.
    pub bands: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `bands × height × width × size_bytes` bytes.
    pub bytes: Vec<u8>,
}

impl Planes {
    /// An empty buffer, to be filled by [`super::Raster::read`] and used again.
    pub fn new() -> Self {
        Self { sample_type: SampleType::U8, bands: 0, width: 0, height: 0, bytes: Vec::new() }
    }

    /// The bytes of one band, row by row.
    pub fn band(&self, band: usize) -> &[u8] {
        let plane_bytes = self.width * self.height * self.sample_type.size_bytes();
        &self.bytes[band * plane_bytes..(band + 1) * plane_bytes]
    }
}

/// The shape alone: the bytes would fill any log.
impl fmt::Debug for Planes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sample_type, bands, width, height, bytes: _ } = self;
        write!(formatter, "Planes({} {bands}×{height}×{width})", sample_type.name())
    }
}

impl Default for Planes {
    fn default() -> Self {
        Self::new()
    }
}
