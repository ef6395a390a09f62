//! Several files as one raster: a band from each, brought to one grid.

use std::sync::Arc;

use super::resample::{self, Kernel};
use super::types::{Planes, SampleType, Window};
use super::{Geo, Raster};
use crate::limits::WINDOW_BYTES_MAX;
use crate::{Error, Result};

/// Relative difference up to which two pixel sizes are one.
const GRID_TOLERANCE: f64 = 1e-3;
/// Part of a pixel of the grid by which two corners may differ.
const CORNER_TOLERANCE_PX: f64 = 0.01;

/// The grid that layers are brought to.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Where it lies.
    pub geo: Option<Geo>,
}

/// One band of one file, and how its pixels lie on the grid.
#[derive(Debug, Clone)]
pub struct Layer {
    raster: Arc<Raster>,
    band: usize,
    fit: Fit,
    kernel: Kernel,
}

/// Pixels of a layer against those of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// One for one.
    Same,
    /// So many of the layer's, along each axis, make one of the grid.
    Finer(u32),
    /// One of the layer's covers so many of the grid, along each axis.
    Coarser(u32),
}

impl Layer {
    /// Fits a band of a file to a grid: the upper left corners are one, and one pixel size is a whole multiple of the
    /// other. `geo` stands in for a file without a georeference.
    ///
    /// # Errors
    /// [`crate::Kind::Unsupported`] for a file that lies elsewhere, another reference system, or sizes that do not fit.
    pub fn fit(raster: Arc<Raster>, band: usize, geo: Option<&Geo>, frame: &Frame, kernel: Kernel) -> Result<Self> {
        let header = raster.header();
        let ratio = match (header.geo.as_ref().or(geo), &frame.geo) {
            (Some(own), Some(grid)) => ratio_of_grids(own, grid)?,
            _ => f64::from(header.width) / f64::from(frame.width),
        };
        let nearest =
            |ratio: f64| ((ratio / ratio.round() - 1.0).abs() < GRID_TOLERANCE).then_some(ratio.round() as u32);
        let fit = match (nearest(ratio), nearest(1.0 / ratio)) {
            (Some(1), _) => Fit::Same,
            (Some(finer), _) => Fit::Finer(finer),
            (None, Some(coarser)) => Fit::Coarser(coarser),
            (None, None) => {
                return Err(Error::unsupported(format!(
                    "its pixels are {:.3} times as fine as the grid's; only whole multiples fit",
                    ratio
                )));
            }
        };
        let covers = |own: u32, grid: u32| match fit {
            Fit::Same => own == grid,
            Fit::Finer(ratio) => own.div_ceil(ratio) == grid || own / ratio == grid,
            Fit::Coarser(ratio) => grid.div_ceil(ratio) == own,
        };
        if !covers(header.width, frame.width) || !covers(header.height, frame.height) {
            return Err(Error::unsupported(format!(
                "{}×{} px do not cover the grid of {}×{} px",
                header.width, header.height, frame.width, frame.height
            )));
        }
        Ok(Self { raster, band, fit, kernel })
    }

    /// Whether pixels are taken as they are.
    pub fn is_native(&self) -> bool {
        self.fit == Fit::Same
    }

    /// The file.
    pub fn raster(&self) -> &Raster {
        &self.raster
    }

    /// Fills `target`, row by row, with the samples of a window of the grid; `nodata` are no samples to mix.
    pub fn read(&self, window: Window, nodata: &[f64], scratch: &mut Planes, target: &mut [f32]) -> Result<()> {
        let source = self.source(window);
        self.raster.read(source, &[self.band], scratch)?;
        let samples = resample::to_f32(scratch)?;
        match self.fit {
            Fit::Same => target.copy_from_slice(&samples),
            Fit::Finer(ratio) => resample::reduce(&samples, source, window, ratio, nodata, target),
            Fit::Coarser(ratio) => resample::enlarge(&samples, source, window, ratio, self.kernel, nodata, target),
        }
        Ok(())
    }

    /// Every sample of the layer that lies in a window of the grid; where one covers several pixels of it, as often.
    ///
    /// # Errors
    /// As [`Raster::read`].
    pub fn samples(&self, window: Window, scratch: &mut Planes) -> Result<Vec<f32>> {
        if matches!(self.fit, Fit::Coarser(_)) {
            let mut samples = vec![0.0; window.width as usize * window.height as usize];
            self.read(window, &[], scratch, &mut samples)?;
            return Ok(samples);
        }
        self.raster.read(self.source(window), &[self.band], scratch)?;
        resample::to_f32(scratch)
    }

    /// The pixels of the layer that a window of the grid needs.
    fn source(&self, window: Window) -> Window {
        let header = self.raster.header();
        let (x, width) = self.axis(window.x, window.width, header.width);
        let (y, height) = self.axis(window.y, window.height, header.height);
        Window { x, y, width, height }
    }

    /// First pixel and number of pixels of the layer that a stretch of the grid needs.
    fn axis(&self, start: u32, length: u32, own: u32) -> (u32, u32) {
        match self.fit {
            Fit::Same => (start, length),
            Fit::Finer(ratio) => {
                let from = (start * ratio).min(own - 1);
                (from, (length * ratio).min(own - from))
            }
            // One more on either side: bilinear weights reach half a pixel of the layer further.
            Fit::Coarser(ratio) => {
                let from = (start / ratio).saturating_sub(1);
                let end = ((start + length - 1) / ratio + 2).min(own);
                (from, end - from)
            }
        }
    }
}

/// Pixels of `own` along one pixel of `grid`.
fn ratio_of_grids(own: &Geo, grid: &Geo) -> Result<f64> {
    if let (Some(own), Some(grid)) = (own.epsg, grid.epsg)
        && own != grid
    {
        return Err(Error::unsupported(format!("it lies in EPSG:{own}, the others in EPSG:{grid}")));
    }
    let (a, b) = (&own.transform, &grid.transform);
    let is_upright = |t: &[f64; 6]| t[2] == 0.0 && t[4] == 0.0 && t[1] > 0.0 && t[5] < 0.0;
    let shift = ((a[0] - b[0]) / b[1]).abs().max(((a[3] - b[3]) / b[5]).abs());
    if !is_upright(a) || !is_upright(b) || shift > CORNER_TOLERANCE_PX {
        return Err(Error::unsupported(format!(
            "its upper left corner ({}, {}) is not that of the others ({}, {})",
            a[0], a[3], b[0], b[3]
        )));
    }
    let (across, down) = (b[1] / a[1], b[5] / a[5]);
    if (across / down - 1.0).abs() > GRID_TOLERANCE {
        return Err(Error::unsupported("its pixels are not as square as the others'"));
    }
    Ok(across)
}

/// Layers on one grid, read like the bands of one file.
#[derive(Debug)]
pub struct Stack {
    frame: Frame,
    layers: Vec<Layer>,
    sample_type: SampleType,
    nodata: Nodata,
}

/// Samples that mean "no data".
#[derive(Debug)]
enum Nodata {
    /// The same in every layer; they stay as they are.
    Common(Vec<f64>),
    /// By layer; they become NaN.
    Own(Vec<Vec<f64>>),
}

impl Nodata {
    fn of(&self, layer: usize) -> &[f64] {
        match self {
            Self::Common(values) => values,
            Self::Own(lists) => lists.get(layer).map_or(&[], Vec::as_slice),
        }
    }
}

impl Stack {
    /// Puts layers together; `nodata` are the samples that mean "no data". Samples keep their type where all layers
    /// share it and none is resampled; else they are `float32`.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] without layers.
    pub fn new(frame: Frame, layers: Vec<Layer>, nodata: Vec<f64>) -> Result<Self> {
        let first = layers.first().ok_or_else(|| Error::usage("a scene without bands"))?;
        let native = first.raster.header().sample_type;
        let is_native = |layer: &Layer| layer.is_native() && layer.raster.header().sample_type == native;
        let sample_type = if layers.iter().all(is_native) { native } else { SampleType::F32 };
        Ok(Self { frame, layers, sample_type, nodata: Nodata::Common(nodata) })
    }

    /// Puts layers of different quantities together, each with the samples that mean "no data" in it: 0 is none in
    /// reflectance and a number in decibels. All samples are `float32`, and what means "no data" is NaN.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] without layers.
    pub fn mixed(frame: Frame, layers: Vec<(Layer, Vec<f64>)>) -> Result<Self> {
        let (layers, nodata): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
        if layers.is_empty() {
            return Err(Error::usage("a scene without bands"));
        }
        Ok(Self { frame, layers, sample_type: SampleType::F32, nodata: Nodata::Own(nodata) })
    }

    /// The grid.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// As [`Raster::read`], with the layers as bands.
    ///
    /// # Errors
    /// As [`Raster::read`].
    pub fn read(&self, window: Window, bands: &[usize], planes: &mut Planes) -> Result<()> {
        let pixels = window.width as usize * window.height as usize;
        let plane_bytes = pixels * self.sample_type.size_bytes();
        if (plane_bytes * bands.len()) as u64 > WINDOW_BYTES_MAX {
            return Err(Error::limit(format!("a window of {pixels} pixels and {} bands", bands.len())));
        }
        planes.bytes.resize(plane_bytes * bands.len(), 0);
        (planes.sample_type, planes.bands) = (self.sample_type, bands.len());
        (planes.width, planes.height) = (window.width as usize, window.height as usize);
        let (mut scratch, mut samples) = (Planes::new(), Vec::new());
        for (&band, plane) in bands.iter().zip(planes.bytes.chunks_exact_mut(plane_bytes)) {
            let layer =
                self.layers.get(band).ok_or_else(|| Error::usage(format!("band index {band} of a scene of fewer")))?;
            let (nodata, is_blanked) = (self.nodata.of(band), matches!(self.nodata, Nodata::Own(_)));
            if self.sample_type == SampleType::F32 && (is_blanked || !(layer.is_native() && self.is_float(layer))) {
                samples.resize(pixels, 0.0);
                layer.read(window, nodata, &mut scratch, &mut samples)?;
                if is_blanked {
                    let blank = samples.iter_mut().filter(|sample| nodata.contains(&f64::from(**sample)));
                    blank.for_each(|sample| *sample = f32::NAN);
                }
                let bytes = plane.as_chunks_mut::<4>().0.iter_mut();
                bytes.zip(&samples).for_each(|(bytes, sample)| *bytes = sample.to_le_bytes());
            } else {
                layer.raster.read(window, &[layer.band], &mut scratch)?;
                plane.copy_from_slice(&scratch.bytes);
            }
        }
        Ok(())
    }

    fn is_float(&self, layer: &Layer) -> bool {
        layer.raster.header().sample_type == SampleType::F32
    }

    /// The files, in the order of the layers.
    pub fn rasters(&self) -> impl Iterator<Item = &Raster> {
        self.layers.iter().map(Layer::raster)
    }
}
