//! How the pixels of an image are cut into chunks, and how a window is put together from them.

use super::buffer;
use super::types::{Planes, Window};
use crate::limits::WINDOW_BYTES_MAX;
use crate::{Error, Result};

/// The chunks (strips, tiles or the one chunk of a patch) of an image.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) chunk_width: u32,
    pub(super) chunk_height: u32,
    /// Bands of the image.
    pub(super) bands: usize,
    /// Whether each chunk holds one band (`PlanarConfiguration` 2) instead of all, pixel by pixel.
    pub(super) planar: bool,
    pub(super) sample_bytes: usize,
}

/// Part of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Index in file order.
    pub(super) chunk: u64,
    /// The rectangle within the chunk.
    pub(super) inside: Window,
}

/// Decoded rows of a part: the first sample of its top left pixel comes first, rows are `row_bytes` apart.
pub(super) struct Rows<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) row_bytes: usize,
}

/// What is done with the rows of a part.
pub(super) type Take<'a> = dyn FnMut(Rows<'_>) + 'a;

impl Grid {
    /// Samples that lie together in one pixel of a chunk.
    pub(super) fn samples_per_pixel(&self) -> usize {
        if self.planar { 1 } else { self.bands }
    }

    pub(super) fn pixel_bytes(&self) -> usize {
        self.samples_per_pixel() * self.sample_bytes
    }

    fn across(&self) -> u64 {
        u64::from(self.width.div_ceil(self.chunk_width))
    }

    fn chunks_per_plane(&self) -> u64 {
        self.across() * u64::from(self.height.div_ceil(self.chunk_height))
    }

    /// Chunks of the whole image.
    pub(super) fn chunks(&self) -> u64 {
        self.chunks_per_plane() * if self.planar { self.bands as u64 } else { 1 }
    }

    /// First row of the image that `chunk` holds.
    pub(super) fn top_of(&self, chunk: u64) -> u32 {
        (chunk % self.chunks_per_plane() / self.across()) as u32 * self.chunk_height
    }

    /// The place of `chunk` in the image, cut at its edges.
    pub(super) fn rectangle_of(&self, chunk: u64) -> Window {
        let x = (chunk % self.across()) as u32 * self.chunk_width;
        let y = self.top_of(chunk);
        let (width, height) = (self.chunk_width.min(self.width - x), self.chunk_height.min(self.height - y));
        Window { x, y, width, height }
    }

    /// Whether `window` is the whole image.
    pub(super) fn is_whole(&self, window: Window) -> bool {
        (window.width, window.height) == (self.width, self.height)
    }

    fn check(&self, window: Window, bands: &[usize]) -> Result<()> {
        let fits =
            |start: u32, length: u32, side: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= side);
        if !fits(window.x, window.width, self.width) || !fits(window.y, window.height, self.height) {
            return Err(Error::usage(format!("{window:?} is not within the {}×{} raster", self.width, self.height)));
        }
        match bands.iter().find(|&&band| band >= self.bands) {
            Some(band) => Err(Error::usage(format!("band index {band} of a raster of {} bands", self.bands))),
            None if bands.is_empty() => Err(Error::usage("no bands asked for")),
            None => Ok(()),
        }
    }

    /// Gives `planes` the shape of the window; what it holds is not cleared.
    fn shape(&self, window: Window, bands: &[usize], planes: &mut Planes) -> Result<()> {
        let samples = u64::from(window.width) * u64::from(window.height);
        let bytes = samples.checked_mul((bands.len() * self.sample_bytes) as u64).filter(|&b| b <= WINDOW_BYTES_MAX);
        let bytes = bytes.ok_or_else(|| {
            Error::limit(format!("a window of {}×{} pixels and {} bands", window.width, window.height, bands.len()))
        })?;
        buffer::resize(&mut planes.bytes, bytes as usize)?;
        (planes.width, planes.height) = (window.width as usize, window.height as usize);
        planes.bands = bands.len();
        Ok(())
    }

    /// Fills `planes`; `with_rows` decodes a part and hands its rows on.
    pub(super) fn read(
        &self,
        window: Window,
        bands: &[usize],
        planes: &mut Planes,
        with_rows: &mut dyn FnMut(Part, &mut Take<'_>) -> Result<()>,
    ) -> Result<()> {
        self.check(window, bands)?;
        self.shape(window, bands, planes)?;
        let plane_bytes = planes.width * planes.height * self.sample_bytes;
        for part in self.parts(window) {
            let (place, part) = part;
            if self.planar {
                for (&band, plane) in bands.iter().zip(planes.bytes.chunks_exact_mut(plane_bytes)) {
                    let chunk = part.chunk + band as u64 * self.chunks_per_plane();
                    with_rows(Part { chunk, ..part }, &mut |rows| self.scatter(rows, 0, place, window, plane))?;
                }
            } else {
                with_rows(part, &mut |rows| {
                    for (&band, plane) in bands.iter().zip(planes.bytes.chunks_exact_mut(plane_bytes)) {
                        self.scatter(Rows { ..rows }, band, place, window, plane);
                    }
                })?;
            }
        }
        Ok(())
    }

    /// The parts of the first plane's chunks that make up `window`, each with its place in the image.
    fn parts(&self, window: Window) -> impl Iterator<Item = (Window, Part)> {
        let (chunk_width, chunk_height, across) = (self.chunk_width, self.chunk_height, self.across());
        let columns = cuts(window.x, window.width, chunk_width);
        cuts(window.y, window.height, chunk_height).flat_map(move |(row, y, height)| {
            columns.clone().map(move |(column, x, width)| {
                let chunk = u64::from(row) * across + u64::from(column);
                let inside = Window { x: x - column * chunk_width, y: y - row * chunk_height, width, height };
                (Window { x, y, width, height }, Part { chunk, inside })
            })
        })
    }

    /// Copies the samples of one band from interleaved rows to their place in that band's plane of the window.
    fn scatter(&self, rows: Rows<'_>, sample: usize, place: Window, window: Window, plane: &mut [u8]) {
        let sample_bytes = self.sample_bytes;
        let plane_row_bytes = window.width as usize * sample_bytes;
        let left = (place.x - window.x) as usize * sample_bytes;
        let width_bytes = place.width as usize * sample_bytes;
        let from_rows = rows.bytes.chunks(rows.row_bytes);
        let to_rows = plane.chunks_exact_mut(plane_row_bytes).skip((place.y - window.y) as usize);
        for (from, to) in from_rows.zip(to_rows).take(place.height as usize) {
            let to = &mut to[left..left + width_bytes];
            match (self.samples_per_pixel(), sample_bytes) {
                (1, _) => to.copy_from_slice(&from[..width_bytes]),
                (samples, 1) => gather::<1>(from, samples, sample, to),
                (samples, 2) => gather::<2>(from, samples, sample, to),
                (samples, 4) => gather::<4>(from, samples, sample, to),
                (samples, _) => gather::<8>(from, samples, sample, to),
            }
        }
    }
}

/// Picks one sample of `SIZE` bytes from each pixel.
fn gather<const SIZE: usize>(pixels: &[u8], samples: usize, sample: usize, to: &mut [u8]) {
    let from = pixels.as_chunks::<SIZE>().0.iter().skip(sample).step_by(samples);
    to.as_chunks_mut::<SIZE>().0.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// The pieces of `start..start + length` along one axis of chunks: chunk index, start, length.
fn cuts(start: u32, length: u32, chunk: u32) -> impl Iterator<Item = (u32, u32, u32)> + Clone {
    let end = start + length;
    (start / chunk..=(end - 1) / chunk).map(move |index| {
        let from = start.max(index * chunk);
        let to = u64::from(end).min((u64::from(index) + 1) * u64::from(chunk)) as u32;
        (index, from, to - from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_at_chunk_borders() {
        assert_eq!(cuts(0, 10, 4).collect::<Vec<_>>(), [(0, 0, 4), (1, 4, 4), (2, 8, 2)]);
        assert_eq!(cuts(5, 2, 4).collect::<Vec<_>>(), [(1, 5, 2)]);
        assert_eq!(cuts(3, 2, u32::MAX).collect::<Vec<_>>(), [(0, 3, 2)]);
    }
}
