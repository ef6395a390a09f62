//! Cutting a raster into windows of the model's size.

use crate::limits::WINDOWS_MAX;
use crate::model::manifest::Padding;
use crate::raster::Window;
use crate::{Error, Result};

/// The windows of one raster, row by row; computed, never stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    raster: (u32, u32),
    tile_px: u32,
    columns: Axis,
    rows: Axis,
}

/// The positions along one axis: `stride` apart, the last flush with the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    length_px: u32,
    tile_px: u32,
    stride_px: u32,
    count: u64,
}

impl Axis {
    fn new(length_px: u32, tile_px: u32, overlap_px: u32) -> Self {
        let stride_px = tile_px - overlap_px;
        let count = 1 + u64::from(length_px.saturating_sub(tile_px).div_ceil(stride_px));
        Self { length_px, tile_px, stride_px, count }
    }

    fn start(self, index: u64) -> u32 {
        let last = self.length_px.saturating_sub(self.tile_px);
        (index * u64::from(self.stride_px)).min(u64::from(last)) as u32
    }

    /// The pixels that this position decides: up to the middle of each overlap, so that the cores of all positions
    /// cover the axis once.
    fn core(self, index: u64) -> (u32, u32) {
        let end_of = |index: u64| {
            if index + 1 == self.count {
                return self.length_px;
            }
            let (this_end, next_start) = (self.start(index) + self.tile_px, self.start(index + 1));
            next_start + (this_end - next_start) / 2
        };
        let start = if index == 0 { 0 } else { end_of(index - 1) };
        (start, end_of(index))
    }
}

impl Windows {
    /// Plans the windows of a raster.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] for a raster smaller than `tile_px` where the model does not allow padding,
    /// [`crate::Kind::Usage`] for an overlap that is not smaller than the tile, [`crate::Kind::Limit`] for more than
    /// [`WINDOWS_MAX`] windows.
    pub fn plan(width: u32, height: u32, tile_px: u32, overlap_px: u32, padding: Padding) -> Result<Self> {
        if overlap_px >= tile_px {
            return Err(Error::usage(format!(
                "an overlap of {overlap_px} px leaves nothing of {tile_px} px windows; give a smaller --overlap"
            )));
        }
        if padding == Padding::Refuse && (width < tile_px || height < tile_px) {
            return Err(Error::unsupported(format!(
                "{width}×{height} px is smaller than the model's {tile_px}×{tile_px} px input, and its manifest allows no padding \
                 (--model-padding nodata does, for a model that is no folder)"
            )));
        }
        let [columns, rows] = [width, height].map(|length| Axis::new(length, tile_px, overlap_px));
        let count = columns.count * rows.count;
        if count > WINDOWS_MAX {
            return Err(Error::limit(format!(
                "{width}×{height} px make {count} windows, more than {WINDOWS_MAX}; give a smaller --overlap or cut the file"
            )));
        }
        Ok(Self { raster: (width, height), tile_px, columns, rows })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.columns.count * self.rows.count
    }

    /// The source pixels of window `index`; smaller than the model's input only where the raster is.
    pub fn window(&self, index: u64) -> Window {
        let (row, column) = (index / self.columns.count, index % self.columns.count);
        Window {
            x: self.columns.start(column),
            y: self.rows.start(row),
            width: self.tile_px.min(self.raster.0),
            height: self.tile_px.min(self.raster.1),
        }
    }

    /// How many there are side by side.
    pub fn per_row(&self) -> u64 {
        self.columns.count
    }

    /// Indices of the windows whose parts of a map ([`Self::core`]) share pixels with `window`, rising.
    pub fn with_cores_in(&self, window: Window) -> impl Iterator<Item = u64> + use<> {
        let meet = |axis: Axis, start: u32, length: u32| -> Vec<u64> {
            let shares_pixels = |index: &u64| {
                let (from, to) = axis.core(*index);
                from < start + length && start < to
            };
            (0..axis.count).filter(shares_pixels).collect()
        };
        let (rows, columns) = (meet(self.rows, window.y, window.height), meet(self.columns, window.x, window.width));
        let per_row = self.columns.count;
        rows.into_iter().flat_map(move |row| columns.clone().into_iter().map(move |column| row * per_row + column))
    }

    /// The part of window `index` that a map takes from it; the parts of all windows cover the raster once.
    pub fn core(&self, index: u64) -> Window {
        let (row, column) = (index / self.columns.count, index % self.columns.count);
        let ((left, right), (top, bottom)) = (self.columns.core(column), self.rows.core(row));
        Window { x: left, y: top, width: right - left, height: bottom - top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_is_flush_with_the_edge() {
        let windows = Windows::plan(150, 64, 64, 0, Padding::Refuse).unwrap();
        let starts: Vec<u32> = (0..windows.count()).map(|index| windows.window(index).x).collect();
        assert_eq!(starts, [0, 64, 86]);
    }

    #[test]
    fn the_windows_that_decide_a_part_are_those_whose_cores_meet_it() {
        let windows = Windows::plan(150, 97, 64, 16, Padding::Nodata).unwrap();
        for window in [(0, 0, 150, 97), (60, 40, 1, 1), (55, 30, 64, 64), (149, 96, 1, 1)] {
            let window = Window { x: window.0, y: window.1, width: window.2, height: window.3 };
            let found: Vec<u64> = windows.with_cores_in(window).collect();
            let meets = |index: &u64| windows.core(*index).intersection(window).is_some();
            assert_eq!(found, (0..windows.count()).filter(meets).collect::<Vec<_>>(), "{window:?}");
        }
    }

    #[test]
    fn cores_cover_every_pixel_once() {
        for (width, height, overlap) in [(150, 97, 0), (150, 97, 16), (64, 64, 32), (1000, 65, 63), (40, 200, 8)] {
            let windows = Windows::plan(width, height, 64, overlap, Padding::Nodata).unwrap();
            let mut hits = vec![0u8; (width * height) as usize];
            for index in 0..windows.count() {
                let (core, window) = (windows.core(index), windows.window(index));
                assert!(core.x >= window.x && core.x + core.width <= window.x + window.width, "{core:?} in {window:?}");
                assert!(core.y >= window.y && core.y + core.height <= window.y + window.height);
                for y in core.y..core.y + core.height {
                    for x in core.x..core.x + core.width {
                        hits[(y * width + x) as usize] += 1;
                    }
                }
            }
            assert!(hits.iter().all(|&count| count == 1), "{width}×{height}, overlap {overlap}");
        }
    }

    #[test]
    fn a_small_raster_is_refused_unless_padding_is_allowed() {
        assert!(Windows::plan(63, 64, 64, 0, Padding::Refuse).is_err());
        let padded = Windows::plan(63, 64, 64, 0, Padding::Nodata).unwrap();
        assert_eq!((padded.count(), padded.window(0).width), (1, 63));
        assert!(Windows::plan(64, 64, 64, 64, Padding::Refuse).is_err());
        assert!(Windows::plan(1 << 20, 1 << 20, 64, 0, Padding::Refuse).is_err(), "more windows than anyone waits for");
    }
}
