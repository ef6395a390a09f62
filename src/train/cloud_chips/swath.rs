//! A product with its scene classification: clear ground to simulate over, and real skies.

use std::path::Path;

use jiff::civil::Date;
use rand::RngExt;

use super::mosaic::{bilinear, tiled};
use super::plan::Settings;
use super::{BANDS, NO_CLASS, reading};
use crate::infer::preprocess::Preprocessing;
use crate::model::Manifest;
use crate::raster::{Geo, Planes, Raster, ReadOptions, SampleType, Window};
use crate::scene::{Role, Scene, SceneOptions};
use crate::simulate::skies::Chip;
use crate::train::patches::Split;
use crate::{Error, Result};

/// Which columns a split has, as shares of the product's width: between them is a gap, so that no cloud is on both sides.
/// The product that this was made for ends at about 0.65.
pub const ZONES: [(Split, [f64; 2]); 3] =
    [(Split::Train, [0.0, 0.30]), (Split::Select, [0.31, 0.45]), (Split::Measurement, [0.46, 1.0])];
/// Metres of a pixel.
const RESOLUTION_M: u32 = 60;
/// Sides of clear blocks in pixels, and steps between their corners.
const BLOCK_PX: u32 = 48;
const BLOCK_STEP_PX: u32 = 12;
/// A block is clear with at most this share of pixels that are not, shadows among them.
const NOT_CLEAR_MAX: f64 = 0.01;
/// Pieces of a mosaic in pixels.
const CELLS_PX: [usize; 3] = [48, 72, 120];
/// A window is of use where this share of it has a class.
const KNOWN_MIN: f64 = 0.5;

/// A product at 60 m: its reflectance and its classes.
#[derive(Debug)]
pub struct Swath {
    width: u32,
    height: u32,
    /// `[B02, B03, B04, B08]`, NaN where a pixel is invalid.
    planes: Vec<f32>,
    /// Sen2Cor's.
    classes: Vec<u8>,
    geo: Geo,
    /// Corners of clear blocks.
    clear: Vec<[u32; 2]>,
    /// The square's name.
    pub region: String,
    /// Day of acquisition.
    pub date: Date,
}

impl Swath {
    /// Reads a product; `manifest` says how numbers become reflectance where the product does not. B8A stands in for B08,
    /// which products hold at 10 m alone.
    ///
    /// # Errors
    /// Those of reading it; [`crate::Kind::Unsupported`] without a scene classification at 60 m, a date or a place.
    pub fn open(path: &Path, manifest: &Manifest, read: &ReadOptions) -> Result<Self> {
        let mut manifest = reading(manifest, &BANDS);
        for band in manifest.bands.iter_mut().filter(|band| band.name == "B08") {
            band.substitutes = vec!["B8A".into()];
        }
        let options = SceneOptions { resolution_m: Some(RESOLUTION_M), read: read.clone(), ..Default::default() };
        let scene = Scene::open(path, &manifest, &options)?;
        let extent = scene.extent();
        manifest.tile_px = extent.width.max(extent.height);
        let (side, area) = (manifest.tile_px as usize, (extent.width * extent.height) as usize);
        let mut samples = Planes::new();
        scene.image.read(extent, &scene.bands.indices, &mut samples)?;
        let (mut square, mut valid) = (vec![0.0; BANDS.len() * side * side], vec![true; side * side]);
        Preprocessing::new(&manifest).apply(&samples, &scene.radiometry, &mut square, &mut valid);
        square.iter_mut().enumerate().filter(|(at, _)| !valid[at % (side * side)]).for_each(|(_, v)| *v = f32::NAN);
        let rows = square.chunks(side).enumerate().filter(|(row, _)| row % side < extent.height as usize);
        let planes: Vec<f32> = rows.flat_map(|(_, row)| &row[..extent.width as usize]).copied().collect();
        let classes = classes_of(&scene, extent, read)?;
        debug_assert_eq!((planes.len(), classes.len()), (BANDS.len() * area, area));
        let without = |what: &str| Error::unsupported(format!("{}: a product without {what}", path.display()));
        let geo = scene.geo().cloned().ok_or_else(|| without("a place"))?;
        let date = scene.date.ok_or_else(|| without("a date"))?;
        let region = mgrs_square(path).ok_or_else(|| without("an MGRS square in its name"))?;
        let mut swath =
            Self { width: extent.width, height: extent.height, planes, classes, geo, clear: Vec::new(), region, date };
        swath.clear = swath.clear_blocks();
        Ok(swath)
    }

    /// Degrees east and north of a window's centre.
    pub(super) fn centre(&self, window: Window) -> (f64, f64) {
        let [column, row] =
            [(window.x, window.width), (window.y, window.height)].map(|(at, n)| f64::from(at) + f64::from(n) / 2.0);
        self.geo.longitude_latitude(column, row).unwrap_or_default()
    }

    fn class(&self, x: u32, y: u32) -> u8 {
        self.classes[(y * self.width + x) as usize]
    }

    fn clear_blocks(&self) -> Vec<[u32; 2]> {
        let is_clear = |x: u32, y: u32| matches!(self.class(x, y), 2 | 4 | 5 | 6);
        let mut blocks = Vec::new();
        for y in (0..=self.height.saturating_sub(BLOCK_PX)).step_by(BLOCK_STEP_PX as usize) {
            for x in (0..=self.width.saturating_sub(BLOCK_PX)).step_by(BLOCK_STEP_PX as usize) {
                let pixels = (y..y + BLOCK_PX).flat_map(|y| (x..x + BLOCK_PX).map(move |x| (x, y)));
                let others = pixels.filter(|(x, y)| !is_clear(*x, *y)).count();
                if others as f64 <= NOT_CLEAR_MAX * f64::from(BLOCK_PX * BLOCK_PX) {
                    blocks.push([x, y]);
                }
            }
        }
        blocks
    }

    /// Surface reflectance of a mosaic of clear blocks of a split's columns, and where the first is.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the split has no clear block.
    pub(super) fn mosaic(&self, split: Split, side: usize, rng: &mut impl RngExt) -> Result<(Vec<f32>, Window)> {
        let columns = self.columns(split);
        let inside = |[x, _]: &&[u32; 2]| columns.contains(x) && x + BLOCK_PX <= columns.end;
        let blocks: Vec<[u32; 2]> = self.clear.iter().filter(inside).copied().collect();
        if blocks.is_empty() {
            return Err(Error::usage(format!("the product has no clear ground in the columns of {}", split.name())));
        }
        let first = blocks[rng.random_range(0..blocks.len())];
        let own = BLOCK_PX as usize;
        let cell = CELLS_PX[rng.random_range(0..CELLS_PX.len())];
        let planes = tiled(side, cell, BANDS.len(), rng, |rng| {
            let [x, y] = blocks[rng.random_range(0..blocks.len())];
            let mut values = Vec::with_capacity(BANDS.len() * own * own);
            for plane in self.planes.chunks((self.width * self.height) as usize) {
                for row in y..y + BLOCK_PX {
                    let start = (row * self.width + x) as usize;
                    // The few pixels without data are as dark as ground may be.
                    values.extend(plane[start..start + own].iter().map(|v| if v.is_nan() { 0.02 } else { v.max(0.0) }));
                }
            }
            Ok((values, own))
        })?;
        Ok((planes, Window { x: first[0], y: first[1], width: BLOCK_PX, height: BLOCK_PX }))
    }

    fn columns(&self, split: Split) -> std::ops::Range<u32> {
        let zone = ZONES.iter().find(|(of, _)| *of == split).map_or([0.0, 0.0], |(_, zone)| *zone);
        let [start, end] = zone.map(|share| (share * f64::from(self.width)) as u32);
        start..end
    }

    /// A window as it is, stretched to `side` pixels. Cirrus counts as cloud, but to the chips that train, where it and
    /// what Sen2Cor does not tell count for nothing.
    pub(super) fn chip(&self, window: Window, side: usize, split: Split) -> Chip {
        let scale = window.width as f32 / side as f32;
        let place = |at: usize, from: u32| (at as f32 + 0.5) * scale - 0.5 + from as f32;
        let size = [self.width, self.height].map(|n| n as usize);
        let (mut reflectance, mut classes) = (Vec::new(), Vec::new());
        for plane in self.planes.chunks((self.width * self.height) as usize) {
            for pixel in 0..side * side {
                let at = [place(pixel % side, window.x), place(pixel / side, window.y)];
                reflectance.push(bilinear(plane, size, at));
            }
        }
        for (pixel, first_band) in reflectance.iter().take(side * side).enumerate() {
            let [x, y] = [(pixel % side, window.x), (pixel / side, window.y)].map(|(at, from)| place(at, from).round());
            let class = self.class((x as u32).min(self.width - 1), (y as u32).min(self.height - 1));
            let is_known = first_band.is_finite();
            classes.push(match class {
                2..=6 | 11 if is_known => 0,
                8 | 9 if is_known => 1,
                10 if is_known && split != Split::Train => 1,
                _ => NO_CLASS,
            });
        }
        Chip { reflectance, classes }
    }

    fn known_share(&self, window: Window) -> f64 {
        let rows = window.y..window.y + window.height;
        let pixels = rows.flat_map(|y| (window.x..window.x + window.width).map(move |x| (x, y)));
        let known = pixels.filter(|(x, y)| self.class(*x, *y) > 1).count();
        known as f64 / f64::from(window.width * window.height)
    }
}

/// Windows of the product for a split: anywhere in its columns, up to three times enlarged, for those that train; side by
/// side for the others, where the strip is too narrow as wide as that.
pub(super) fn windows(swath: &Swath, split: Split, side: usize, settings: &Settings) -> Vec<Window> {
    let (columns, side) = (swath.columns(split), side as u32);
    if split == Split::Train {
        let mut rng = settings.rng("windows");
        let draw = |_| {
            let own = (side / [1, 2, 2, 3][rng.random_range(0..4)]).min(columns.len() as u32).min(swath.height);
            let x = rng.random_range(columns.start..=columns.end - own);
            Window { x, y: rng.random_range(0..=swath.height - own), width: own, height: own }
        };
        return (0..settings.windows).map(draw).filter(|window| swath.known_share(*window) >= KNOWN_MIN).collect();
    }
    let own = side.min(columns.len() as u32);
    let starts = |range: std::ops::Range<u32>| (range.start..=range.end.saturating_sub(own)).step_by(own as usize);
    let all = starts(0..swath.height).flat_map(|y| starts(columns.clone()).map(move |x| (x, y)));
    let all = all.map(|(x, y)| Window { x, y, width: own, height: own });
    all.filter(|window| swath.known_share(*window) > 0.1).collect()
}

/// `29UNU` of a name with `_T29UNU_` in it.
fn mgrs_square(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let mut squares = name.split('_').filter_map(|token| token.strip_prefix('T'));
    squares.find(|square| square.len() == 5 && square.as_bytes()[..2].iter().all(u8::is_ascii_digit)).map(String::from)
}

fn classes_of(scene: &Scene, extent: Window, read: &ReadOptions) -> Result<Vec<u8>> {
    let missing = || Error::unsupported(format!("no scene classification at {RESOLUTION_M} m"));
    let product = scene.product().ok_or_else(missing)?;
    let is_wanted = |role: &Role, size: Option<u32>| *role == Role::SceneClassification && size == Some(RESOLUTION_M);
    let entry = product.entries.iter().find(|entry| is_wanted(&entry.role, entry.resolution_m)).ok_or_else(missing)?;
    let raster = Raster::open(&entry.location.file()?, read)?;
    let header = raster.header();
    if (header.width, header.height, header.sample_type) != (extent.width, extent.height, SampleType::U8) {
        return Err(missing());
    }
    let mut planes = Planes::new();
    raster.read(extent, &[0], &mut planes)?;
    Ok(planes.bytes)
}
