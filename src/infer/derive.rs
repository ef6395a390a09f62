//! Derived channels: the arithmetic of their expressions over the rows of a window, in f64.

use super::preprocess::Scaling;
use super::summary::sample_reader;
use crate::model::expression::{Expression, Step};
use crate::raster::Planes;
use crate::scene::Radiometry;

/// An expression whose bands are places among the bands that are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Derivation {
    steps: Vec<Step>,
}

impl Derivation {
    /// `place` finds a band among those that are read.
    pub(super) fn new(expression: &Expression, place: impl Fn(&str) -> usize) -> Self {
        let step = |step: &Step| match *step {
            Step::Band(name) => Step::Band(place(&expression.names()[name])),
            step => step,
        };
        Self { steps: expression.steps().iter().map(step).collect() }
    }

    fn bands(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().filter_map(|step| if let Step::Band(place) = step { Some(*place) } else { None })
    }

    /// The values of one row; `rows` holds those of the bands, `stack` is scratch.
    fn row<'a>(&self, rows: &[Vec<f64>], width: usize, stack: &'a mut Vec<Vec<f64>>) -> &'a [f64] {
        let mut height = 0;
        for step in &self.steps {
            if height == stack.len() {
                stack.push(vec![0.0; width]);
            }
            match *step {
                Step::Number(number) => stack[height].fill(number),
                Step::Band(place) => stack[height].copy_from_slice(&rows[place]),
                Step::Negate => stack[height - 1].iter_mut().for_each(|value| *value = -*value),
                Step::Two(operator) => {
                    let (below, above) = stack.split_at_mut(height - 1);
                    let pairs = below[height - 2].iter_mut().zip(&above[0]);
                    pairs.for_each(|(a, b)| *a = operator.apply(*a, *b));
                }
            }
            match step {
                Step::Number(_) | Step::Band(_) => height += 1,
                Step::Negate => {}
                Step::Two(_) => height -= 1,
            }
        }
        &stack[0]
    }
}

/// Derives the channels of one window.
pub(super) struct Deriver<'a> {
    planes: &'a Planes,
    radiometry: &'a Radiometry,
    tile_px: usize,
    /// One row of every band that is read, in reflectance or its own unit; filled for those that an expression takes.
    rows: Vec<Vec<f64>>,
}

impl<'a> Deriver<'a> {
    pub(super) fn new(planes: &'a Planes, radiometry: &'a Radiometry, tile_px: usize) -> Self {
        Self { planes, radiometry, tile_px, rows: vec![vec![0.0; planes.width]; planes.bands] }
    }

    /// Fills the channels of `input` `[channels, tile_px, tile_px]` that `derived` names by their places. A pixel at which
    /// one of them has no finite value becomes invalid.
    pub(super) fn fill(mut self, derived: &[(usize, &Derivation, Scaling)], input: &mut [f32], valid: &mut [bool]) {
        let (width, area) = (self.planes.width, self.tile_px * self.tile_px);
        let mut bands: Vec<usize> = derived.iter().flat_map(|(_, derivation, _)| derivation.bands()).collect();
        bands.sort_unstable();
        bands.dedup();
        let mut stack = Vec::new();
        for y in 0..self.planes.height {
            bands.iter().for_each(|band| self.read(*band, y));
            let from = y * self.tile_px;
            let valid = &mut valid[from..from + width];
            for (channel, derivation, scaling) in derived {
                let values = derivation.row(&self.rows, width, &mut stack);
                let target = &mut input[channel * area + from..][..width];
                for ((value, target), valid) in values.iter().zip(target).zip(&mut *valid) {
                    let clipped = scaling.clip.map_or(*value, |(low, high)| value.max(low).min(high));
                    *target = ((clipped - scaling.mean) / scaling.deviation) as f32;
                    *valid &= value.is_finite() & target.is_finite();
                }
            }
        }
    }

    fn read(&mut self, band: usize, y: usize) {
        let (read, size) = (sample_reader(self.planes.sample_type), self.planes.sample_type.size_bytes());
        let of = self.radiometry.bands[band];
        let samples = self.planes.band(band)[y * self.planes.width * size..].chunks_exact(size);
        let row = self.rows[band].iter_mut().zip(samples);
        row.for_each(|(value, bytes)| *value = (read(bytes) + of.dn_offset) * of.dn_scale);
    }
}
