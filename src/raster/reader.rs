//! One raster file: its header, and windows of its pixels.

use std::path::{Path, PathBuf};

use super::cache::ChunkCache;
use super::grid::{Grid, Part, Rows, Take};
use super::jp2::{self, Jp2};
use super::magic::{self, MAGIC_BYTES};
use super::npy;
use super::patch::Patch;
use super::remote;
use super::source::{ReadOptions, Source};
use super::tiff::{self, Chunks};
use super::types::{Format, Header, Planes, Window};
use crate::{Error, Result};

/// A raster file with a validated header. Windows may be read from many threads at once.
///
/// A small file is read whole and closed at once; a larger one stays mapped (under the guard) or open.
pub struct Raster {
    source: Source,
    header: Header,
    grid: Grid,
    pixels: Pixels,
    cache: ChunkCache,
}

enum Pixels {
    Chunks(Chunks),
    Patch(Patch),
    Jp2(Jp2),
}

impl Raster {
    /// Opens the file, or what is at the address (`s3://`, `https://`, `http://`) in its place, and reads its header. The
    /// magic bytes decide what it is, never its name.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Kind::Io) for what is not a regular file (a FIFO, a device, a folder, a loop of links) or cannot
    /// be read, [`Malformed`](crate::Kind::Malformed), [`Unsupported`](crate::Kind::Unsupported) or
    /// [`Limit`](crate::Kind::Limit) for what is in it. The message begins with the path.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        Self::open_source(path, options).map_err(|error| error.context(path.display()))
    }

    fn open_source(path: &Path, options: &ReadOptions) -> Result<Self> {
        let source = Source::open(path, options)?;
        let mut scratch = Vec::new();
        let magic_bytes = (MAGIC_BYTES as u64).min(source.length()) as usize;
        let start = source.bytes(0, magic_bytes, &mut scratch)?;
        let format = magic::format_of(start).ok_or_else(|| {
            Error::malformed(format!(
                "neither TIFF nor JPEG nor PNG nor JPEG 2000 nor NPY, but {}",
                magic::describe(start)
            ))
        })?;
        let (mut header, grid, pixels) = match format {
            Format::Tiff | Format::BigTiff => {
                let (header, grid, chunks) = tiff::open(&source, format)?;
                (header, grid, Pixels::Chunks(chunks))
            }
            Format::Npy => {
                let (header, grid, chunks) = npy::open(&source)?;
                (header, grid, Pixels::Chunks(chunks))
            }
            Format::Jpeg | Format::Png => {
                let (header, grid, patch) = Patch::open(&source, format)?;
                (header, grid, Pixels::Patch(patch))
            }
            Format::Jpeg2000 => {
                let (header, grid, jp2) = jp2::open(&source, options)?;
                (header, grid, Pixels::Jp2(jp2))
            }
        };
        // No server is asked for a mask beside the file.
        header.has_mask |= remote::address(path).is_none() && mask_file(path).exists();
        source.check_settled()?;
        Ok(Self { source, header, grid, pixels, cache: ChunkCache::default() })
    }

    /// The validated header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether it holds band after band, and not the bands of a pixel side by side.
    pub fn is_planar(&self) -> bool {
        self.grid.planar
    }

    /// Fills `planes` with the given bands (indices from 0, in any order, repeats allowed) of `window`: native sample
    /// type, band after band, row by row, little-endian. The buffer of `planes` is used again.
    ///
    /// Chunks that a window shares with its neighbours are decoded once and kept, up to
    /// [`CHUNK_CACHE_BYTES`](crate::limits::CHUNK_CACHE_BYTES) a raster; a read of the whole image keeps nothing.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::Kind::Usage) for a window or band outside the raster; `Malformed`, `Limit` or `Io` for chunks
    /// that are damaged, cut short, missing, or changed meanwhile. `planes` then holds nothing of use.
    pub fn read(&self, window: Window, bands: &[usize], planes: &mut Planes) -> Result<()> {
        self.read_window(window, bands, planes).map_err(|error| error.context(self.source.path().display()))
    }

    fn read_window(&self, window: Window, bands: &[usize], planes: &mut Planes) -> Result<()> {
        planes.sample_type = self.header.sample_type;
        let keep = !self.grid.is_whole(window);
        let mut with_rows = |part: Part, take: &mut Take<'_>| self.with_rows(part, keep, take);
        self.grid.read(window, bands, planes, &mut with_rows)?;
        self.source.check_settled()
    }

    /// Hands the rows of one part of a chunk to `take`, from the cache if `keep` says that it is in use.
    fn with_rows(&self, part: Part, keep: bool, take: &mut Take<'_>) -> Result<()> {
        let decode = || match &self.pixels {
            Pixels::Chunks(chunks) => chunks.decode(&self.source, &self.grid, part.chunk),
            Pixels::Patch(patch) => patch.decode(&self.source),
            Pixels::Jp2(jp2) => jp2.decode(&self.source, &self.grid, part.chunk),
        };
        if let Pixels::Chunks(chunks) = &self.pixels
            && chunks.are_stored_raw()
        {
            return chunks.with_raw_rows(&self.source, &self.grid, part, take);
        }
        let row_bytes = self.grid.chunk_width as usize * self.grid.pixel_bytes();
        let first = part.inside.y as usize * row_bytes + part.inside.x as usize * self.grid.pixel_bytes();
        let (kept, owned);
        let bytes: &[u8] = if keep {
            kept = self.cache.get(part.chunk, decode)?;
            &kept
        } else {
            owned = decode()?;
            &owned
        };
        let bytes = bytes.get(first..).ok_or_else(|| Error::malformed("a chunk has fewer rows than its raster"))?;
        take(Rows { bytes, row_bytes });
        Ok(())
    }

    /// BLAKE3 of the file's bytes; of a file at an address, of that and of the size, entity tag and time that its server
    /// states.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Kind::Io) if the file cannot be read or changed meanwhile.
    pub fn content_key(&self) -> Result<[u8; 32]> {
        self.source.content_key().map_err(|error| error.context(self.source.path().display()))
    }

    /// Whether the path still names the file as it was opened (device, inode, size, time of modification); to be
    /// called when a window was read. At an address every range is compared as it comes.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::Kind::Io) if it does not.
    pub fn check_unchanged(&self) -> Result<()> {
        self.source.check_unchanged().map_err(|error| error.context(self.source.path().display()))
    }
}

/// Where GDAL keeps the mask of a file that has none inside: `<name>.msk`.
fn mask_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".msk");
    name.into()
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Raster").field("path", &self.source.path()).field("header", &self.header).finish()
    }
}
