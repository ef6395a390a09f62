//! Small pictures of windows: reflectance of three bands, averaged while the samples are at hand.

use super::summary::sample_reader;
use crate::model::Manifest;
use crate::raster::{Planes, Window};
use crate::scene::Radiometry;

/// Red, green and blue.
const TRUE_COLOUR: [&str; 3] = ["B04", "B03", "B02"];

/// How a raster is brought to a picture of at most so many pixels a side: by averaging squares of `factor` × `factor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrink {
    /// Pixels of the raster to one of the picture, along either axis; at least 1.
    pub factor: u32,
}

impl Shrink {
    /// The smallest that fits a raster's longer side into `side_px_max`.
    pub fn to_fit(width: u32, height: u32, side_px_max: u32) -> Self {
        Self { factor: width.max(height).div_ceil(side_px_max).max(1) }
    }

    /// The pixels of the picture that a window touches.
    pub fn window(self, window: Window) -> Window {
        let (x, y) = (window.x / self.factor, window.y / self.factor);
        let right = (window.x + window.width).div_ceil(self.factor);
        let bottom = (window.y + window.height).div_ceil(self.factor);
        Window { x, y, width: right - x, height: bottom - y }
    }
}

/// The part of a picture that one window's core gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Thumbnail {
    /// Its place in the picture; pixels at the border may be shared with neighbours.
    pub place: Window,
    /// Sums of the valid pixels' reflectance in the three bands, and their number; row by row.
    pub sums: Vec<[f32; 4]>,
}

/// The bands that make a picture, among those that the model reads: true colour where it has them, else the first in
/// grey.
pub fn picture_bands(manifest: &Manifest) -> [usize; 3] {
    true_colour(manifest).unwrap_or([0; 3])
}

/// Red, green and blue among the bands that the model reads.
pub fn true_colour(manifest: &Manifest) -> Option<[usize; 3]> {
    let sources = manifest.sources();
    let place = |name| sources.iter().position(|source| source.name == name);
    let [red, green, blue] = TRUE_COLOUR.map(place);
    Some([red?, green?, blue?])
}

impl Thumbnail {
    /// Of the samples of `window`, of which `core` counts; `valid` is a mask of rows of `side_px`.
    pub fn of(
        planes: &Planes,
        radiometry: &Radiometry,
        valid: &[bool],
        side_px: usize,
        [window, core]: [Window; 2],
        bands: [usize; 3],
        shrink: Shrink,
    ) -> Self {
        let place = shrink.window(core);
        let mut sums = vec![[0.0; 4]; place.width as usize * place.height as usize];
        let (read, sample_bytes) = (sample_reader(planes.sample_type), planes.sample_type.size_bytes());
        let bands = bands.map(|band| (planes.band(band), radiometry.bands[band]));
        for y in core.y..core.y + core.height {
            let to_row = (y / shrink.factor - place.y) as usize * place.width as usize;
            let from_row = (y - window.y) as usize;
            for x in core.x..core.x + core.width {
                let column = (x - window.x) as usize;
                if !valid[from_row * side_px + column] {
                    continue;
                }
                let sum = &mut sums[to_row + (x / shrink.factor - place.x) as usize];
                let sample = (from_row * planes.width + column) * sample_bytes;
                for (sum, (samples, radiometry)) in sum.iter_mut().zip(bands) {
                    let dn = read(&samples[sample..sample + sample_bytes]);
                    *sum += ((dn + radiometry.dn_offset) * radiometry.dn_scale) as f32;
                }
                sum[3] += 1.0;
            }
        }
        Self { place, sums }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::SampleType;
    use crate::scene::BandRadiometry;

    #[test]
    fn a_picture_is_at_most_as_large_as_asked_for_and_never_larger_than_the_raster() {
        assert_eq!(Shrink::to_fit(10_980, 10_980, 1200).factor, 10);
        assert_eq!(Shrink::to_fit(1200, 7, 1200).factor, 1);
        assert_eq!(Shrink::to_fit(1201, 7, 1200).factor, 2);
        let window = Shrink { factor: 10 }.window(Window { x: 64, y: 0, width: 64, height: 5 });
        assert_eq!(window, Window { x: 6, y: 0, width: 7, height: 1 });
    }

    #[test]
    fn a_thumbnail_sums_the_valid_pixels_of_the_core() {
        let dn: Vec<u16> = (0..9).map(|pixel| 1000 + 100 * pixel).collect();
        let planes = Planes {
            sample_type: SampleType::U16,
            bands: 1,
            width: 3,
            height: 3,
            bytes: dn.iter().flat_map(|dn| dn.to_le_bytes()).collect(),
        };
        let radiometry = Radiometry {
            bands: vec![BandRadiometry { dn_scale: 1e-4, dn_offset: -1000.0 }],
            nodata: Vec::new(),
            source: "file".into(),
            is_offset_assumed: false,
            is_offset_checked: false,
        };
        let mut valid = [true; 9];
        valid[4] = false;
        let window = Window { x: 4, y: 4, width: 3, height: 3 };
        let core = Window { x: 4, y: 4, width: 3, height: 2 };
        let found = Thumbnail::of(&planes, &radiometry, &valid, 3, [window, core], [0; 3], Shrink { factor: 2 });
        assert_eq!(found.place, Window { x: 2, y: 2, width: 2, height: 1 });
        // DN 1000, 1100 and 1300 (1400 is invalid); 1200 and 1500.
        for (sums, (sum, n)) in found.sums.iter().zip([(0.04, 3.0), (0.07, 2.0)]) {
            assert!(sums[..3].iter().all(|found| (found - sum).abs() < 1e-6) && sums[3] == n, "{sums:?}");
        }
    }
}
