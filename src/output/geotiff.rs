//! A GeoTIFF writer for one band of bytes, strip by strip: the `tiff` crate's encoder borrows its writer for
//! as long as an image is open, so that it cannot be kept between windows.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use libdeflater::{CompressionLvl, Compressor};

use super::tiff_directory::Directory;
use super::{AtomicFile, write_error};
use crate::raster::Geo;
use crate::{Error, Result};

const ROWS_PER_STRIP: u32 = 64;

/// An unfinished file: classic little-endian TIFF, Deflate, uint8.
pub(super) struct ByteTiff {
    file: AtomicFile,
    size: [u32; 2],
    nodata: u8,
    geo: Option<Geo>,
    compressor: Compressor,
    strip: Vec<u8>,
    encoded: Vec<u8>,
    /// Offset and length of every strip so far.
    strips: Vec<[u32; 2]>,
    end: u64,
}

impl ByteTiff {
    /// Starts a file of `size` [width, height].
    pub(super) fn create(path: &Path, size: [u32; 2], nodata: u8, geo: Option<&Geo>) -> Result<Self> {
        let mut tiff = Self {
            file: AtomicFile::create(path)?,
            size,
            nodata,
            geo: geo.cloned(),
            compressor: Compressor::new(CompressionLvl::default()),
            strip: Vec::new(),
            encoded: Vec::new(),
            strips: Vec::new(),
            end: 0,
        };
        // The offset of the directory is filled in at the end.
        tiff.append(b"II\x2a\0\0\0\0\0")?;
        Ok(tiff)
    }

    /// Adds the next row of `width` bytes.
    pub(super) fn write_row(&mut self, row: &[u8]) -> Result<()> {
        self.strip.extend_from_slice(row);
        if self.strip.len() >= ROWS_PER_STRIP as usize * row.len() { self.write_strip() } else { Ok(()) }
    }

    /// Writes the directory and gives the file its name, which is returned.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        if !self.strip.is_empty() {
            self.write_strip()?;
        }
        self.align()?;
        let mut directory = Directory::new(self.end);
        self.describe(&mut directory);
        self.append(&directory.values.clone())?;
        self.align()?;
        let offset = u32::try_from(self.end).map_err(|_| self.too_large())?;
        self.append(&directory.bytes())?;
        let patched = self.file.seek(SeekFrom::Start(4)).and_then(|_| self.file.write_all(&offset.to_le_bytes()));
        patched.map_err(|error| self.error(&error))?;
        let path = self.file.path().to_owned();
        self.file.commit()?;
        Ok(path)
    }

    fn write_strip(&mut self) -> Result<()> {
        self.encoded.resize(self.compressor.zlib_compress_bound(self.strip.len()), 0);
        let length = self
            .compressor
            .zlib_compress(&self.strip, &mut self.encoded)
            .map_err(|error| Error::output(format!("{}: cannot compress: {error}", self.file.path().display())))?;
        self.strip.clear();
        let offset = u32::try_from(self.end).map_err(|_| self.too_large())?;
        self.strips.push([offset, length as u32]);
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.truncate(length);
        let written = self.append(&encoded);
        self.encoded = encoded;
        written
    }

    /// All tags but the offsets of their values.
    fn describe(&self, directory: &mut Directory) {
        let [width, height] = self.size;
        let column = |i: usize| self.strips.iter().map(|strip| strip[i]).collect::<Vec<_>>();
        directory.longs(256, &[width]);
        directory.longs(257, &[height]);
        directory.shorts(258, &[8]); // bits per sample
        directory.shorts(259, &[8]); // compression: Deflate
        directory.shorts(262, &[1]); // photometric: zero is black
        directory.longs(273, &column(0));
        directory.shorts(277, &[1]); // samples per pixel
        directory.longs(278, &[ROWS_PER_STRIP]);
        directory.longs(279, &column(1));
        directory.shorts(284, &[1]); // planar configuration
        directory.shorts(339, &[1]); // sample format: unsigned
        if let Some(geo) = &self.geo {
            georeference(geo, directory);
        }
        directory.text(42113, &self.nodata.to_string());
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.error(&error))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self) -> Result<()> {
        if self.end % 2 == 1 { self.append(&[0]) } else { Ok(()) }
    }

    fn error(&self, error: &std::io::Error) -> Error {
        write_error(&self.file.path().display().to_string(), error)
    }

    fn too_large(&self) -> Error {
        Error::output(format!("{}: the class map is larger than the 4 GiB of a TIFF", self.file.path().display()))
    }
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
