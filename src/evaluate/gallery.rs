//! The worst misses and the loudest false alarms, with their pictures where the tiles are at hand.

use std::path::Path;

use serde::Serialize;

use super::{Contestant, Side};
use crate::infer::preprocess::Preprocessing;
use crate::labelled::{Labelled, Values};
use crate::model::Manifest;
use crate::model::manifest::Band;
use crate::raster::Planes;
use crate::scene::{Scene, SceneOptions};
use crate::{Error, Result};

/// Tiles shown of each kind.
const SHOWN: usize = 12;
/// Red, green and blue.
const TRUE_COLOUR: [&str; 3] = ["B04", "B03", "B02"];
/// Reflectance that is drawn white, at least; a brighter tile is drawn darker, so that clouds keep their shape.
const WHITE_REFLECTANCE: f32 = 0.3;
/// Largest side of a picture in pixels.
const SIDE_PX_MAX: u32 = 512;

/// A tile that was decided wrongly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pictured {
    /// `missed`, `false alarm`, `mistaken` for a model with several classes, or `mapped` for a segmentation model.
    pub kind: &'static str,
    /// The tile.
    pub tile: String,
    /// Its group.
    pub group: String,
    /// Its site, where known.
    pub site: Option<String>,
    /// Its class in the source data, where the table has a column `class`; for several classes, its class.
    pub class: Option<String>,
    /// What it was taken for, for a model with several classes.
    pub taken_for: Option<String>,
    /// The score; for a segmentation model the tile's mean IoU.
    pub score: f64,
    /// The threshold, for a model with two classes.
    pub threshold: Option<f64>,
    /// The picture, where the tile could be read.
    #[serde(skip)]
    pub picture: Option<Picture>,
}

/// A tile as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// A PNG file, 8 bits, RGB.
    pub png: Vec<u8>,
    /// Its width.
    pub width_px: u32,
    /// Its height.
    pub height_px: u32,
}

/// Pictures of tiles, by the name that the table gives them; none where there is none.
pub type Painter<'a> = dyn Fn(&str) -> Option<Picture> + 'a;

/// The misses with the lowest scores and the false alarms with the highest, against the thresholds of their groups.
pub(super) fn worst(table: &Labelled, model: &Contestant, side: &Side, paint: &Painter<'_>) -> Vec<Pictured> {
    let of_kind = |positive: bool| {
        let wrong = |&row: &usize| table.rows[row].is_positive() == positive && side.alerts[row] != positive;
        let mut rows: Vec<usize> = (0..table.rows.len()).filter(wrong).collect();
        // One site fills no gallery: its worst tile stands for it, as long as there are others.
        let worse = |a: &usize, b: &usize| match positive {
            true => model.scores[*a].total_cmp(&model.scores[*b]),
            false => model.scores[*b].total_cmp(&model.scores[*a]),
        };
        rows.sort_by(worse);
        let mut sites = std::collections::HashSet::new();
        let (first, others): (Vec<usize>, Vec<usize>) =
            rows.into_iter().partition(|&row| table.rows[row].site.as_ref().is_none_or(|site| sites.insert(site)));
        first.into_iter().chain(others).take(SHOWN).collect::<Vec<usize>>()
    };
    let pictured = |(kind, row): (&'static str, usize)| {
        let tile = &table.rows[row];
        Pictured {
            kind,
            tile: tile.tile.clone(),
            group: tile.group.to_string(),
            site: tile.site.as_ref().map(|site| site.to_string()),
            class: class(table, row),
            taken_for: None,
            score: model.scores[row],
            threshold: model.profile.group(&tile.group).map(|group| group.threshold),
            picture: paint(&tile.tile),
        }
    };
    let missed = of_kind(true).into_iter().map(|row| ("missed", row));
    missed.chain(of_kind(false).into_iter().map(|row| ("false alarm", row))).map(pictured).collect()
}

fn class(table: &Labelled, row: usize) -> Option<String> {
    let column = table.further.iter().find(|column| column.name == "class")?;
    match &column.values {
        Values::Words(words, of) => words.get(*of.get(row)? as usize).map(|word| word.to_string()),
        Values::Numbers(_) => None,
    }
}

/// Draws a tile in true colour, or in grey by the model's first band where it lacks those; invalid pixels are black.
///
/// # Errors
/// Those of reading the tile, and a tile larger than a picture may be.
pub fn paint(path: &Path, manifest: &Manifest, options: &SceneOptions) -> Result<Picture> {
    let plain = |band: &Band| Band { mean: 0.0, standard_deviation: 1.0, ..band.clone() };
    let side = manifest.tile_px;
    let manifest = Manifest { bands: manifest.bands.iter().map(plain).collect(), clip: None, ..manifest.clone() };
    let scene = Scene::open(path, &manifest, options)?;
    let extent = scene.extent();
    if side > SIDE_PX_MAX || (extent.width, extent.height) != (side, side) {
        return Err(Error::unsupported(format!("{} × {} pixels are no thumbnail", extent.width, extent.height)));
    }
    let mut planes = Planes::new();
    scene.image.read(extent, &scene.bands.indices, &mut planes)?;
    let plane = side as usize * side as usize;
    let (mut values, mut valid) = (vec![0.0; manifest.bands.len() * plane], vec![true; plane]);
    Preprocessing::new(&manifest).apply(&planes, &scene.radiometry, &mut values, &mut valid);
    let place = |name: &str| manifest.bands.iter().position(|band| band.name == name);
    let colours: Option<Vec<usize>> = TRUE_COLOUR.iter().map(|name| place(name)).collect();
    let colours = colours.unwrap_or_else(|| vec![0; 3]);
    let bands: Vec<&[f32]> = colours.iter().filter_map(|&band| values.get(band * plane..(band + 1) * plane)).collect();
    let mut bright: Vec<f32> = bands.iter().flat_map(|band| band.iter().copied()).filter(|v| v.is_finite()).collect();
    bright.sort_by(f32::total_cmp);
    let white = bright.get(bright.len() * 98 / 100).copied().unwrap_or(WHITE_REFLECTANCE).max(WHITE_REFLECTANCE);
    let mut pixels = Vec::with_capacity(3 * plane);
    for (pixel, is_valid) in valid.iter().enumerate() {
        pixels.extend(bands.iter().map(|band| if *is_valid { (255.0 * band[pixel] / white) as u8 } else { 0 }));
    }
    Ok(Picture { png: encode(&pixels, side)?, width_px: side, height_px: side })
}

fn encode(pixels: &[u8], side: u32) -> Result<Vec<u8>> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(Error::output)?;
    writer.write_image_data(pixels).map_err(Error::output)?;
    writer.finish().map_err(Error::output)?;
    Ok(png)
}
