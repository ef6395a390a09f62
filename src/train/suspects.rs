//! Chips whose cloud mask the pixels contradict.
//!
//! Two things cannot be: cloud that is dark in every visible band, and a large clear part that is as bright and as white as
//! cloud beside cloud, or where no cloud is marked at all. Both are counted as shares of the pixels that the mask says
//! something about; a chip loses weight with the share that is contradicted, and all of it where most of its cloud is dark.
//! Snow is as white as cloud: chips of snow are among those listed, for a person to look at.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::infer::preprocess::Preprocessing;
use crate::model::Manifest;
use crate::raster::{Planes, Raster, SampleType, Window};
use crate::scene::{Scene, SceneOptions};
use crate::{Error, Result};

/// Cloud is brighter than this in at least one visible band: the air above dark ground alone makes 0.1 of B02.
const DARK_BELOW: f32 = 0.13;
/// White is what reflects at least this much in every visible band …
const WHITE_ABOVE: f32 = 0.38;
/// … and the least of them at least this share of the most.
const WHITE_EVENNESS: f32 = 0.8;
/// Contradicted shares of the pixels up to which a chip keeps its weight, and from which on it has none.
const CONTRADICTED: [f64; 2] = [0.02, 0.15];
/// From this share of its cloud being dark on, a chip has no weight.
const DARK_CLOUD_MAX: f64 = 0.5;
/// Fewer pixels of cloud than this share of the chip say nothing.
const CLOUD_MIN: f64 = 0.005;

/// Shares from which on they are a reason: no chip is suspect with less of both.
const REASON_MIN: f64 = 0.01;

/// What the pixels say of one mask.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Share of the cloud that is dark, 0 to 1.
    pub dark_cloud: f64,
    /// Share of the clear pixels that are white.
    pub white_clear: f64,
    /// Share of all labelled pixels that is one or the other.
    pub contradicted: f64,
    /// What the chip should count for in training, 0 to 1.
    pub weight: f64,
}

impl Verdict {
    /// Of pixels in `[B02, B03, B04]` and their classes: `cloud` is the class that means cloud, pixels of `unknown` and those
    /// with NaN count for nothing.
    pub fn of(visible: [&[f32]; 3], classes: &[u8], cloud: u8, unknown: u8) -> Self {
        let [mut cloudy, mut dark, mut clear, mut white] = [0u32; 4];
        for (pixel, class) in classes.iter().enumerate() {
            let values = visible.map(|band| band[pixel]);
            if *class == unknown || values.iter().any(|value| value.is_nan()) {
                continue;
            }
            let [least, most] = values.iter().fold([f32::INFINITY, 0.0], |[a, b], v| [a.min(*v), b.max(*v)]);
            if *class == cloud {
                cloudy += 1;
                dark += u32::from(most < DARK_BELOW);
            } else {
                clear += 1;
                white += u32::from(least > WHITE_ABOVE && least > WHITE_EVENNESS * most);
            }
        }
        let share = |part: u32, of: u32| f64::from(part) / f64::from(of.max(1));
        let contradicted = share(dark + white, cloudy + clear);
        let dark_cloud = share(dark, cloudy);
        let is_dark = dark_cloud > DARK_CLOUD_MAX && share(cloudy, cloudy + clear) >= CLOUD_MIN;
        let [full, none] = CONTRADICTED;
        let weight = if is_dark { 0.0 } else { ((none - contradicted) / (none - full)).clamp(0.0, 1.0) };
        Self { dark_cloud, white_clear: share(white, clear), contradicted, weight }
    }

    /// Whether the chip should be looked at.
    pub fn is_suspect(&self) -> bool {
        self.weight < 1.0
    }

    /// Why, in words.
    pub fn reason(&self) -> String {
        let percent = |share: f64| (100.0 * share).round();
        let dark =
            (self.dark_cloud >= REASON_MIN).then(|| format!("{} % of the cloud is dark", percent(self.dark_cloud)));
        let white = (self.white_clear >= REASON_MIN)
            .then(|| format!("{} % of the clear pixels are white as cloud", percent(self.white_clear)));
        [dark, white].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// Judges the mask of one chip. `manifest` reads the bands B02, B03 and B04 as they are ([`super::cloud_chips::reading`]);
/// `cloud` is the class that means cloud, and there are `classes` of them.
///
/// # Errors
/// Those of reading; [`crate::Kind::Usage`] for a mask of another size or with a class that is none.
pub fn judge(chip: &Path, mask: &Path, manifest: &Manifest, cloud: u8, classes: u8) -> Result<Verdict> {
    let scene = Scene::open(chip, manifest, &SceneOptions::default())?;
    let extent = scene.extent();
    let pixels = (extent.width * extent.height) as usize;
    let (labels, unknown) = labels(mask, extent, classes)?;
    let side = extent.width.max(extent.height);
    let reader = Manifest { tile_px: side, ..manifest.clone() };
    let mut planes = Planes::new();
    scene.image.read(extent, &scene.bands.indices, &mut planes)?;
    let square = (side * side) as usize;
    let (mut values, mut valid) = (vec![0.0; manifest.bands.len() * square], vec![true; square]);
    Preprocessing::new(&reader).apply(&planes, &scene.radiometry, &mut values, &mut valid);
    let band = |name: &str| -> Result<Vec<f32>> {
        let index = manifest.bands.iter().position(|band| band.name == name);
        let index = index.ok_or_else(|| Error::usage(format!("the chips have no band {name}")))?;
        let rows = values[index * square..][..square].chunks(side as usize).zip(valid.chunks(side as usize));
        let row = |(values, valid): (&[f32], &[bool])| -> Vec<f32> {
            let pixels = values.iter().zip(valid).take(extent.width as usize);
            pixels.map(|(value, is_valid)| if *is_valid { *value } else { f32::NAN }).collect()
        };
        Ok(rows.take(extent.height as usize).flat_map(row).collect())
    };
    let [blue, green, red] = [band("B02")?, band("B03")?, band("B04")?];
    debug_assert_eq!(blue.len(), pixels);
    Ok(Verdict::of([&blue, &green, &red], &labels, cloud, unknown))
}

/// Classes of a mask, and the one that says nothing.
fn labels(path: &Path, extent: Window, classes: u8) -> Result<(Vec<u8>, u8)> {
    let raster = Raster::open(path, &Default::default())?;
    let header = raster.header();
    let wrong = |what: String| Error::usage(format!("{}: {what}", path.display()));
    if header.sample_type != SampleType::U8 || header.bands.len() != 1 {
        return Err(wrong("a mask has one band of uint8, the number of the class in every pixel".into()));
    }
    if (header.width, header.height) != (extent.width, extent.height) {
        let [a, b, c, d] = [header.width, header.height, extent.width, extent.height];
        return Err(wrong(format!("{a}×{b} pixels, its chip has {c}×{d}")));
    }
    let mut planes = Planes::new();
    raster.read(extent, &[0], &mut planes)?;
    let unknown = header.nodata.filter(|nodata| (0.0..=255.0).contains(nodata)).map_or(255, |nodata| nodata as u8);
    match planes.bytes.iter().find(|class| **class >= classes && **class != unknown && **class != 255) {
        Some(class) => Err(wrong(format!("a pixel has the class {class}; there are 0 to {}", classes - 1))),
        None => {
            let known = planes.bytes.iter().map(|class| if *class == 255 { unknown } else { *class });
            Ok((known.collect(), unknown))
        }
    }
}

/// One row of the list of suspects.
#[derive(Debug, Clone, Serialize)]
pub struct Suspect {
    /// The chip, as in the manifest.
    pub path: PathBuf,
    /// Its mask.
    pub mask: PathBuf,
    /// What it should count for.
    pub weight: f64,
    /// Share of the cloud that is dark.
    pub dark_cloud: f64,
    /// Share of the clear pixels that are white.
    pub white_clear: f64,
    /// Why, in words.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes and a level of white or dark ground; a third of the pixels is cloud.
    fn verdict(cloud: f32, ground: f32, marked: impl Fn(usize) -> u8) -> Verdict {
        let band: Vec<f32> = (0..300).map(|pixel| if pixel < 100 { cloud } else { ground }).collect();
        let classes: Vec<u8> = (0..300).map(marked).collect();
        Verdict::of([&band; 3], &classes, 1, 255)
    }

    #[test]
    fn a_mask_that_goes_with_its_pixels_keeps_its_weight() {
        let right = verdict(0.6, 0.06, |pixel| u8::from(pixel < 100));
        assert_eq!((right.weight, right.contradicted, right.is_suspect()), (1.0, 0.0, false));
    }

    #[test]
    fn dark_cloud_and_white_ground_take_it_away() {
        let inverted = verdict(0.6, 0.06, |pixel| u8::from(pixel >= 100));
        assert_eq!((inverted.weight, inverted.dark_cloud, inverted.white_clear), (0.0, 1.0, 1.0));
        let emptied = verdict(0.6, 0.06, |_| 0);
        assert!(emptied.weight == 0.0 && emptied.reason().contains("33 % of the clear"), "{}", emptied.reason());
        // A twelfth of the pixels contradicts: in between.
        let partly = verdict(0.6, 0.06, |pixel| u8::from((25..100).contains(&pixel)));
        assert!((partly.weight - (0.15 - 1.0 / 12.0) / 0.13).abs() < 1e-9, "{partly:?}");
    }

    #[test]
    fn unknown_and_invalid_pixels_say_nothing() {
        let unknown = verdict(0.6, 0.06, |pixel| if pixel < 100 { 255 } else { 0 });
        assert_eq!(unknown.weight, 1.0);
        let invalid = verdict(f32::NAN, 0.06, |_| 0);
        assert_eq!(invalid.weight, 1.0);
    }
}
