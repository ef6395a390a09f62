//! Quick-looks: what the model saw of a tile, as a small PNG with its decisions drawn in.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::colours::{self, Rgb};
use super::{AtomicFile, write_error};
use crate::infer::thumbnail::{Shrink, Thumbnail, true_colour};
use crate::limits::QUICKLOOK_SIDE_PX_MAX;
use crate::model::Manifest;
use crate::raster::Window;
use crate::{Error, Result};

/// Reflectance that is drawn white: fresh snow and thick cloud.
const WHITE_REFLECTANCE: f32 = 1.0;
/// Reflectance about which the tone curve turns from linear to logarithmic. Land lies between 0.02 and 0.3, snow and cloud
/// between 0.4 and 1: both get a good half of the greys.
const KNEE_REFLECTANCE: f32 = 0.06;
/// Standard deviations of a model's band that are drawn where there is no true colour, below and above its mean.
const GREY_DEVIATIONS: [f32; 2] = [2.0, 3.0];
/// Brightness that a window without a decision keeps, and the distance of its hatching lines in pixels.
const DIMMED: f32 = 0.55;
const HATCH_PX: usize = 8;
/// An outline is one pixel wide for every so many of the picture's longer side.
const SIDE_PX_PER_LINE_PX: u32 = 400;

/// How a window is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it is.
    Plain,
    /// Dimmed and hatched: no decision.
    Abstained,
    /// Outlined as a positive.
    Positive,
    /// Outlined in the colour of its class, one of so many.
    Class(u8, usize),
}

/// A picture under way. Memory: 17 bytes a pixel of the picture, whatever the tile.
#[derive(Debug)]
pub struct Quicklook {
    path: PathBuf,
    width: usize,
    height: usize,
    shrink: Shrink,
    tone: Tone,
    /// Sums of three channels, and the number of pixels.
    sums: Vec<[f32; 4]>,
    /// Index in `marks`.
    marked: Vec<u8>,
    /// Every mark there is, from the weakest to the strongest; those of the same strength as they come.
    marks: Vec<Mark>,
}

/// From reflectance to grey.
#[derive(Debug, Clone, Copy)]
enum Tone {
    /// Fixed for all scenes, so that pictures of a place can be compared.
    Reflectance,
    /// Between two values of the model's first band.
    Linear([f32; 2]),
}

/// How a tile is shrunk to its picture.
pub fn shrink(width: u32, height: u32) -> Shrink {
    Shrink::to_fit(width, height, QUICKLOOK_SIDE_PX_MAX)
}

impl Quicklook {
    /// Starts the picture of a tile of `size` [width, height] for a model; nothing is written before
    /// [`Quicklook::finish`].
    pub fn new(path: PathBuf, [width, height]: [u32; 2], manifest: &Manifest) -> Self {
        let shrink = shrink(width, height);
        let whole = shrink.window(Window { x: 0, y: 0, width, height });
        let (width, height) = (whole.width as usize, whole.height as usize);
        let tone = match (true_colour(manifest), manifest.bands.first()) {
            (None, Some(band)) => {
                let [below, above] = GREY_DEVIATIONS.map(|deviations| deviations * band.standard_deviation);
                Tone::Linear([band.mean - below, band.mean + above])
            }
            _ => Tone::Reflectance,
        };
        let pixels = width * height;
        let (sums, marked, marks) = (vec![[0.0; 4]; pixels], vec![0; pixels], vec![Mark::Plain, Mark::Abstained]);
        Self { path, width, height, shrink, tone, sums, marked, marks }
    }

    /// Adds a window's core: its pixels, where they could be read, and how it is drawn. In a pixel that several share the
    /// strongest mark counts.
    pub fn add(&mut self, core: Window, thumbnail: Option<&Thumbnail>, mark: Mark) {
        if let Some(Thumbnail { place, sums }) = thumbnail {
            for (row, from) in sums.chunks_exact((place.width as usize).max(1)).enumerate() {
                let to = (place.y as usize + row) * self.width + place.x as usize;
                for (to, from) in self.sums.iter_mut().skip(to).zip(from) {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
            }
        }
        let index = self.marks.iter().position(|known| *known == mark).unwrap_or(self.marks.len());
        if index == self.marks.len() {
            self.marks.push(mark);
        }
        let place = self.shrink.window(core);
        let (left, columns) = (place.x as usize, place.width as usize);
        for row in self.marked.chunks_exact_mut(self.width).skip(place.y as usize).take(place.height as usize) {
            row.iter_mut().skip(left).take(columns).for_each(|marked| *marked = (*marked).max(index as u8));
        }
    }

    /// Writes the picture under its name.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn finish(self) -> Result<()> {
        let pixels = self.pixels();
        let mut png = Vec::new();
        encode(&pixels, self.width as u32, self.height as u32, &mut png)
            .map_err(|error| Error::output(error).context(self.path.display()))?;
        write(&self.path, &png)
    }

    /// Red, green, blue of every pixel.
    fn pixels(&self) -> Vec<u8> {
        let line_px = (self.width.max(self.height) as u32 / SIDE_PX_PER_LINE_PX).max(1) as usize;
        let mut pixels = Vec::with_capacity(3 * self.sums.len());
        for (index, sums) in self.sums.iter().enumerate() {
            let (x, y) = (index % self.width, index / self.width);
            let mark = self.marks[usize::from(self.marked[index])];
            let outline = outline(mark).filter(|_| self.is_at_border(x, y, line_px));
            pixels.extend(outline.unwrap_or_else(|| self.colour(sums, mark, (x + y).is_multiple_of(HATCH_PX))));
        }
        pixels
    }

    fn colour(&self, &[red, green, blue, n]: &[f32; 4], mark: Mark, is_hatched: bool) -> Rgb {
        if n == 0.0 {
            return [0; 3];
        }
        let colour = [red, green, blue].map(|sum| self.tone.grey(sum / n));
        let colour = match (mark, is_hatched) {
            (Mark::Abstained, false) => colour.map(|value| DIMMED * value),
            (Mark::Abstained, true) => colour.map(|value| DIMMED * value + 0.5 * (1.0 - DIMMED)),
            _ => colour,
        };
        colour.map(|value| (255.0 * value).round() as u8)
    }

    /// Whether a pixel of another mark, or the picture's edge, is less than `line_px` + 1 pixels away.
    fn is_at_border(&self, x: usize, y: usize, line_px: usize) -> bool {
        let own = self.marked[y * self.width + x];
        let near = |at: usize, side: usize| {
            let is_inside = at >= line_px && at + line_px < side;
            is_inside.then_some(at - line_px..=at + line_px)
        };
        let (Some(columns), Some(rows)) = (near(x, self.width), near(y, self.height)) else { return true };
        rows.into_iter().any(|y| self.marked[y * self.width..][columns.clone()].iter().any(|mark| *mark != own))
    }
}

fn outline(mark: Mark) -> Option<Rgb> {
    match mark {
        Mark::Plain | Mark::Abstained => None,
        Mark::Positive => Some(colours::POSITIVE),
        Mark::Class(class, classes) => Some(colours::of_class(class, classes)),
    }
}

impl Tone {
    /// 0 black to 1 white.
    fn grey(self, value: f32) -> f32 {
        let grey = match self {
            Self::Reflectance => (value / KNEE_REFLECTANCE).asinh() / (WHITE_REFLECTANCE / KNEE_REFLECTANCE).asinh(),
            Self::Linear([black, white]) => (value - black) / (white - black),
        };
        grey.clamp(0.0, 1.0)
    }
}

fn encode(pixels: &[u8], width: u32, height: u32, png: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(png, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}

fn write(path: &Path, png: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(png).map_err(|error| write_error(&path.display().to_string(), &error))?;
    file.commit()
}
