//! The shape of an image and of its chunks, from the baseline tags.

use super::codec::Compression;
use super::directory::{Directory, Reader};
use super::predictor::Predictor;
use super::tags;
use crate::limits::{RASTER_BANDS_MAX, RASTER_CHUNKS_MAX, RASTER_SIDE_PX_MAX, TIFF_ENTRIES_MAX};
use crate::raster::grid::Grid;
use crate::raster::types::SampleType;
use crate::{Error, Result};

/// What the header says, checked.
pub(super) struct Layout {
    pub(super) grid: Grid,
    pub(super) sample_type: SampleType,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// `FillOrder` 2: the bits of every stored byte are turned round.
    pub(super) bits_reversed: bool,
    pub(super) tiled: bool,
}

impl Layout {
    pub(super) fn read(reader: &Reader<'_>, directory: &Directory) -> Result<Self> {
        let number = |tag| reader.unsigned(directory, tag);
        let width = side(number(tags::IMAGE_WIDTH)?, "width")?;
        let height = side(number(tags::IMAGE_LENGTH)?, "height")?;
        let bands = number(tags::SAMPLES_PER_PIXEL)?.unwrap_or(1);
        if bands == 0 {
            return Err(Error::malformed("no samples per pixel"));
        }
        if bands > RASTER_BANDS_MAX as u64 {
            return Err(Error::limit(format!("{bands} bands; at most {RASTER_BANDS_MAX} are read")));
        }
        let bands = bands as usize;
        let sample_type = sample_type(reader, directory, bands)?;
        let planar = match number(tags::PLANAR_CONFIGURATION)?.unwrap_or(1) {
            1 => false,
            2 => bands > 1,
            other => return Err(Error::malformed(format!("planar configuration {other}"))),
        };
        let bits_reversed = match number(tags::FILL_ORDER)?.unwrap_or(1) {
            1 => false,
            2 => true,
            other => return Err(Error::malformed(format!("fill order {other}"))),
        };
        let compression = Compression::from_tag(number(tags::COMPRESSION)?.unwrap_or(1))?;
        check_colours(number(tags::PHOTOMETRIC)?)?;
        let predictor = Predictor::from_tag(number(tags::PREDICTOR)?.unwrap_or(1), compression, sample_type)?;
        let tiled = directory.has(tags::TILE_WIDTH) || directory.has(tags::TILE_LENGTH);
        let (chunk_width, chunk_height) = if tiled {
            (side(number(tags::TILE_WIDTH)?, "tile width")?, side(number(tags::TILE_LENGTH)?, "tile height")?)
        } else {
            (width, rows_per_strip(number(tags::ROWS_PER_STRIP)?, height)?)
        };
        let sample_bytes = sample_type.size_bytes();
        let grid = Grid { width, height, chunk_width, chunk_height, bands, planar, sample_bytes };
        if grid.chunks() > RASTER_CHUNKS_MAX {
            return Err(Error::limit(format!(
                "{} strips or tiles; at most {RASTER_CHUNKS_MAX} are read",
                grid.chunks()
            )));
        }
        Ok(Self { grid, sample_type, compression, predictor, bits_reversed, tiled })
    }
}

fn side(pixels: Option<u64>, what: &str) -> Result<u32> {
    match pixels {
        None | Some(0) => Err(Error::malformed(format!("no {what}"))),
        Some(pixels) if pixels > u64::from(RASTER_SIDE_PX_MAX) => {
            Err(Error::limit(format!("{what} of {pixels} pixels; at most {RASTER_SIDE_PX_MAX} are read")))
        }
        Some(pixels) => Ok(pixels as u32),
    }
}

fn rows_per_strip(rows: Option<u64>, height: u32) -> Result<u32> {
    match rows {
        Some(0) => Err(Error::malformed("strips of no rows")),
        Some(rows) => Ok(rows.min(height.into()) as u32),
        None => Ok(height),
    }
}

/// One value for all bands: TIFF has one value a band here, and some writers store it once.
fn common(reader: &Reader<'_>, directory: &Directory, tag: u16, bands: usize) -> Result<Option<u64>> {
    let Some(values) = reader.unsigneds(directory, tag, TIFF_ENTRIES_MAX as u64)? else { return Ok(None) };
    if values.len() != 1 && values.len() < bands {
        return Err(Error::malformed(format!("tag {tag} has {} values for {bands} bands", values.len())));
    }
    let of_bands = values.get(..bands).unwrap_or(&values);
    match of_bands.split_first() {
        Some((first, rest)) if rest.iter().all(|value| value == first) => Ok(Some(*first)),
        _ => Err(Error::unsupported(format!("bands of different sample types (tag {tag}: {of_bands:?})"))),
    }
}

fn sample_type(reader: &Reader<'_>, directory: &Directory, bands: usize) -> Result<SampleType> {
    let bits = common(reader, directory, tags::BITS_PER_SAMPLE, bands)?.unwrap_or(1);
    // 4 is "undefined", which GDAL and libtiff read as unsigned.
    let format = common(reader, directory, tags::SAMPLE_FORMAT, bands)?.unwrap_or(1);
    match (format, bits) {
        (1 | 4, 8) => Ok(SampleType::U8),
        (1 | 4, 16) => Ok(SampleType::U16),
        (2, 16) => Ok(SampleType::I16),
        (1 | 4, 32) => Ok(SampleType::U32),
        (2, 32) => Ok(SampleType::I32),
        (3, 32) => Ok(SampleType::F32),
        (3, 64) => Ok(SampleType::F64),
        (1 | 4, _) => Err(Error::unsupported(format!("unsigned samples of {bits} bits; 8, 16 and 32 are read"))),
        (2, _) => Err(Error::unsupported(format!("signed samples of {bits} bits; 16 and 32 are read"))),
        (3, _) => Err(Error::unsupported(format!("float samples of {bits} bits; 32 and 64 are read"))),
        (5 | 6, _) => Err(Error::unsupported("complex samples")),
        _ => Err(Error::malformed(format!("sample format {format}"))),
    }
}

/// Colour spaces in which stored samples are not the bands' values are refused; MinIsWhite and palettes are not
/// among them: GDAL, too, hands out what is stored.
fn check_colours(photometric: Option<u64>) -> Result<()> {
    let name = match photometric {
        Some(5) => "CMYK",
        Some(6) => "YCbCr",
        Some(8..=10) => "CIE L*a*b*",
        Some(32844 | 32845) => "LogLuv",
        _ => return Ok(()),
    };
    Err(Error::unsupported(format!("{name} colours")))
}
