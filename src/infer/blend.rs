//! Class probabilities of overlapping windows, blended into one map.
//!
//! A pixel's probability is the weighted mean over the windows that see it. The weight of a window is a raised cosine
//! along either axis, 0.5 − 0.5 cos(2π (i + 0.5) / n) for pixel i of n: the Hann window taken at the pixels' centres, so
//! that it is positive even at the border, and the pixels at the raster's edge, which one window alone may see, are
//! covered. Windows arrive row by row; what is kept is one row of them.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use super::head::ClassMap;
use crate::limits::BLEND_BYTES_MAX;
use crate::raster::Window;
use crate::{Error, Result};

/// A band of blended pixels: rows that windows to come may still change.
#[derive(Debug)]
pub struct Blend {
    width: usize,
    classes: usize,
    /// Along one axis of a window.
    weights: Vec<f32>,
    /// Image row of the first of `rows`.
    top: u32,
    rows: VecDeque<Row>,
    spare: Vec<Row>,
    /// Weights of one row of one window, relative to all that its pixels have had.
    shares: Vec<f32>,
}

#[derive(Debug)]
struct Row {
    /// `[classes, width]`
    means: Vec<f32>,
    /// Sum of the weights that a pixel has had; 0 where no window has a valid pixel.
    weights: Vec<f32>,
}

/// A row of the map that is final.
#[derive(Debug, Clone, Copy)]
pub struct BlendedRow<'a> {
    /// Its place in the raster.
    pub y: u32,
    /// Probabilities, `[classes, width]`.
    pub means: &'a [f32],
    weights: &'a [f32],
}

impl BlendedRow<'_> {
    /// Number of pixels.
    pub fn width(&self) -> usize {
        self.weights.len()
    }

    /// Whether any window has a prediction for a pixel.
    pub fn is_valid(&self, x: usize) -> bool {
        self.weights[x] > 0.0
    }

    /// Probability of one class at one pixel.
    pub fn probability(&self, class: usize, x: usize) -> f32 {
        self.means[class * self.weights.len() + x]
    }
}

impl Blend {
    /// For a raster of this width and height in pixels, windows of `tile_px` and this many classes.
    ///
    /// # Errors
    /// [`crate::Kind::Limit`] if one row of windows takes more than [`BLEND_BYTES_MAX`].
    pub fn new(width: u32, height: u32, tile_px: u32, classes: usize) -> Result<Self> {
        let rows = u128::from(tile_px.min(height));
        if u128::from(width) * rows * 4 * (classes as u128 + 1) > u128::from(BLEND_BYTES_MAX) {
            return Err(Error::limit(format!(
                "blending {classes} classes over {width} px by {rows} rows takes more than {BLEND_BYTES_MAX} bytes; give \
                 --overlap 0, or cut the file into narrower ones"
            )));
        }
        let weight = |pixel: u32| 0.5 - 0.5 * (TAU * (f64::from(pixel) + 0.5) / f64::from(tile_px)).cos();
        Ok(Self {
            width: width as usize,
            classes,
            weights: (0..tile_px).map(|pixel| weight(pixel) as f32).collect(),
            top: 0,
            rows: VecDeque::new(),
            spare: Vec::new(),
            shares: Vec::new(),
        })
    }

    /// Adds a window's prediction; of its pixels those that are `valid`, `[side, side]`. Rows above it are final, as
    /// windows come from top to bottom, and go to `done`.
    ///
    /// # Errors
    /// Those of `done`.
    pub fn add(
        &mut self,
        window: Window,
        map: &ClassMap,
        valid: &[bool],
        done: impl FnMut(BlendedRow<'_>) -> Result<()>,
    ) -> Result<()> {
        self.finish_above(window.y, done)?;
        let bottom = (window.y - self.top + window.height) as usize;
        while self.rows.len() < bottom {
            let row = self.blank_row();
            self.rows.push_back(row);
        }
        let first = (window.y - self.top) as usize;
        let (left, columns) = (window.x as usize, window.width as usize);
        for (y, row) in self.rows.iter_mut().skip(first).take(window.height as usize).enumerate() {
            let totals = &mut row.weights[left..left + columns];
            self.shares.clear();
            let pixels = self.weights.iter().zip(&valid[y * map.side_px..]).zip(totals);
            self.shares.extend(pixels.map(|((weight, is_valid), total)| {
                let weight = if *is_valid { weight * self.weights[y] } else { 0.0 };
                *total += weight;
                if weight > 0.0 { weight / *total } else { 0.0 }
            }));
            for (class, means) in row.means.chunks_exact_mut(self.width).enumerate() {
                let pixels = means[left..left + columns].iter_mut().zip(map.row(class, y)).zip(&self.shares);
                // A running mean: what one window alone sees is that window's probability, bit for bit.
                pixels.for_each(|((mean, probability), share)| *mean += share * (probability - *mean));
            }
        }
        Ok(())
    }

    /// Hands all rows above `y` to `done`, but those that no window has touched.
    ///
    /// # Errors
    /// Those of `done`.
    pub fn finish_above(&mut self, y: u32, mut done: impl FnMut(BlendedRow<'_>) -> Result<()>) -> Result<()> {
        while self.top < y {
            let Some(row) = self.rows.pop_front() else {
                self.top = y;
                break;
            };
            done(BlendedRow { y: self.top, means: &row.means, weights: &row.weights })?;
            self.top += 1;
            self.spare.push(row);
        }
        Ok(())
    }

    fn blank_row(&mut self) -> Row {
        let mut row = self.spare.pop().unwrap_or_else(|| Row { means: Vec::new(), weights: Vec::new() });
        row.means.clear();
        row.means.resize(self.classes * self.width, 0.0);
        row.weights.clear();
        row.weights.resize(self.width, 0.0);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blended(width: u32, height: u32, windows: &[(Window, ClassMap)], valid: &[bool]) -> Vec<Vec<Option<f32>>> {
        let side = windows[0].1.side_px as u32;
        let mut blend = Blend::new(width, height, side, 2).unwrap();
        let mut rows = Vec::new();
        let mut keep = |row: BlendedRow<'_>| {
            rows.resize(row.y as usize, Vec::new());
            let pixel = |x| row.is_valid(x).then(|| row.probability(1, x));
            rows.push((0..row.width()).map(pixel).collect());
            Ok(())
        };
        windows.iter().for_each(|(window, map)| blend.add(*window, map, valid, &mut keep).unwrap());
        blend.finish_above(height, &mut keep).unwrap();
        rows
    }

    fn level(side: usize, probability: f32) -> ClassMap {
        let area = side * side;
        ClassMap::of(2, side, [vec![1.0 - probability; area], vec![probability; area]].concat())
    }

    #[test]
    fn overlapping_windows_fade_into_each_other_and_a_lone_one_stays_as_it_is() {
        let at = |x, y| Window { x, y, width: 4, height: 4 };
        let windows = [(at(0, 0), level(4, 0.1)), (at(2, 0), level(4, 0.7))];
        let rows = blended(6, 4, &windows, &[true; 16]);
        // By hand: sin²(π(i + ½)/4) is 0.146, 0.854, 0.854, 0.146.
        let [low, high] = [1.0, 3.0].map(|i: f64| (i * std::f64::consts::PI / 8.0).sin().powi(2));
        let wanted = [0.1, 0.1, high * 0.1 + low * 0.7, low * 0.1 + high * 0.7, 0.7, 0.7];
        for row in &rows {
            row.iter()
                .zip(wanted)
                .for_each(|(found, wanted)| assert!((f64::from(found.unwrap()) - wanted).abs() < 1e-7));
            assert_eq!([row[0], row[5]], [Some(0.1), Some(0.7)], "bit for bit");
        }
    }

    #[test]
    fn invalid_pixels_and_those_of_no_window_have_no_class() {
        let mut valid = [true; 4];
        valid[1] = false;
        let window = Window { x: 0, y: 1, width: 2, height: 2 };
        let rows = blended(3, 4, &[(window, level(2, 0.6))], &valid);
        let some = Some(0.6);
        assert_eq!(rows[1..3], [[some, None, None], [some, some, None]]);
    }

    #[test]
    fn a_band_that_no_memory_holds_is_refused() {
        assert_eq!(Blend::new(1 << 20, 1 << 20, 8192, 10).unwrap_err().kind(), crate::Kind::Limit);
    }
}
