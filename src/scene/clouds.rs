//! How much of a window is cloud, by what the product itself says of its pixels.

use super::layers::{Opener, classes};
use super::product::{Product, Role};
use crate::raster::{Frame, Layer, Planes, ReadOptions, SampleType, Window};
use crate::{Error, Result};

/// Classes of Sen2Cor's scene classification that are cloud: medium and high probability, thin cirrus. Its shadows are
/// none: the ground in them is seen.
const SCL_CLOUD: std::ops::RangeInclusive<u8> = 8..=10;
/// Class of pixels without data.
const SCL_NODATA: u8 = 0;
/// From this probability on, in percent, a pixel counts as cloud where there is no classification.
const PROBABLE_PERCENT: u8 = 50;

/// Classes of the scene classification.
const SCL_CLASSES: usize = 12;
/// Rows that are counted at a time.
const COUNTED_ROWS: u32 = 640;

/// Shares of the classes of a product's finest scene classification among the pixels with data, in percent by class (the
/// first, "no data", is the share of all pixels); `None` for a product without one.
///
/// # Errors
/// Those of reading the file, and a class that Sen2Cor does not know.
pub fn classification_shares(product: &Product, options: &ReadOptions) -> Result<Option<[f64; SCL_CLASSES]>> {
    let entries = product.entries.iter().filter(|entry| entry.role == Role::SceneClassification);
    let Some(entry) = entries.min_by_key(|entry| entry.resolution_m) else { return Ok(None) };
    let raster = Opener::new(options).open(entry)?;
    let (width, height) = (raster.header().width, raster.header().height);
    if raster.header().sample_type != SampleType::U8 {
        return Err(Error::unsupported(format!("{}: classes are uint8", entry.location.text())));
    }
    let (mut counts, mut planes) = ([0u64; SCL_CLASSES], Planes::new());
    for y in (0..height).step_by(COUNTED_ROWS as usize) {
        raster.read(Window { x: 0, y, width, height: COUNTED_ROWS.min(height - y) }, &[0], &mut planes)?;
        for &class in planes.band(0) {
            let unknown = || Error::malformed(format!("{}: there is no class {class}", entry.location.text()));
            *counts.get_mut(usize::from(class)).ok_or_else(unknown)? += 1;
        }
    }
    let blank = counts[usize::from(SCL_NODATA)];
    let all = u64::from(width) * u64::from(height);
    let mut shares = counts.map(|count| 100.0 * count as f64 / (all - blank).max(1) as f64);
    shares[usize::from(SCL_NODATA)] = 100.0 * blank as f64 / all as f64;
    Ok(Some(shares))
}

/// The pixels of a product that say where its clouds are.
#[derive(Debug)]
pub struct Clouds {
    layers: Vec<Layer>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Classification,
    Probability,
    Classes,
}

impl Clouds {
    /// Takes the scene classification, else the probability of cloud, else L1C's classes, whichever the product has.
    ///
    /// # Errors
    /// Those of opening the file, and of one that does not fit the grid.
    pub(super) fn find(product: &Product, frame: &Frame, opener: &mut Opener<'_>) -> Result<Option<Self>> {
        let mut take = |role: Role, band| classes(product, &role, band, frame, opener);
        if let Some(layer) = take(Role::SceneClassification, 0)? {
            return Ok(Some(Self { layers: vec![layer], kind: Kind::Classification }));
        }
        if let Some(layer) = take(Role::CloudProbability, 0)? {
            return Ok(Some(Self { layers: vec![layer], kind: Kind::Probability }));
        }
        match (take(Role::CloudClasses, 0)?, take(Role::CloudClasses, 1)?) {
            (Some(opaque), Some(cirrus)) => Ok(Some(Self { layers: vec![opaque, cirrus], kind: Kind::Classes })),
            _ => Ok(None),
        }
    }

    /// Where the cloud share comes from: `scl`, `cldprb` or `classi`.
    pub fn source(&self) -> &'static str {
        match self.kind {
            Kind::Classification => "scl",
            Kind::Probability => "cldprb",
            Kind::Classes => "classi",
        }
    }

    /// Share of cloud among the pixels of a window that have data, in percent, counted in the product's own pixels; `None`
    /// where none has.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn cover_percent(&self, window: Window) -> Result<Option<f64>> {
        let (mut planes, mut is_cloud, mut counted) = (Planes::new(), Vec::new(), 0);
        for layer in &self.layers {
            let samples = layer.samples(window, &mut planes)?;
            is_cloud.resize(samples.len(), false);
            counted = 0;
            for (sample, is_cloud) in samples.iter().zip(&mut is_cloud) {
                let value = *sample as u8;
                counted += usize::from(self.kind != Kind::Classification || value != SCL_NODATA);
                *is_cloud |= match self.kind {
                    Kind::Classification => SCL_CLOUD.contains(&value),
                    Kind::Probability => value >= PROBABLE_PERCENT,
                    Kind::Classes => value > 0,
                };
            }
        }
        let cloudy = is_cloud.iter().filter(|is_cloud| **is_cloud).count();
        Ok((counted > 0).then(|| 100.0 * cloudy as f64 / counted as f64))
    }

    /// The files.
    pub(super) fn rasters(&self) -> impl Iterator<Item = &crate::raster::Raster> {
        self.layers.iter().map(Layer::raster)
    }
}
