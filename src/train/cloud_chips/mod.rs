//! Chips for cloud masks: simulated skies over real ground, and the real skies of a product with what its own
//! classification says of them. **Simulated chips are marked so** in their names and files.
//!
//! Ground is a mosaic of clear pieces: EuroSAT's patches, with a near infrared that is drawn, or the cloud-free pieces of a
//! product, with a measured one. A patch trains, chooses or measures as its manifest says; a product does so by its
//! columns ([`swath::ZONES`]): the west trains, a strip chooses, the east measures.

mod mosaic;
mod plan;
pub mod swath;

use std::path::{Path, PathBuf};

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::patches::Split;
use crate::decide::Bounds;
use crate::model::Manifest;
use crate::model::manifest::{Band, Padding};
use crate::output::{Classes, MapCompression, MapWriter};
use crate::raster::Window;
use crate::simulate::skies::{self, CLASSES, Chip, Pixel, Sky, ground};
use crate::simulate::sun::Sun;
use crate::simulate::tile::{Format, Tile};
use crate::{Error, Result};

pub use mosaic::Patches;
use plan::{Job, Source};
pub use plan::{Settings, Spoilt};
pub use swath::Swath;

/// The bands of a chip.
pub const BANDS: [&str; 4] = ["B02", "B03", "B04", "B08"];
/// Pixels without a class.
pub const NO_CLASS: u8 = 255;
/// The year that simulated dates lie in.
const YEAR: i16 = 2018;

/// A manifest that reads reflectance as it is, in these bands and by another's defaults.
pub fn reading<S: AsRef<str>>(manifest: &Manifest, bands: &[S]) -> Manifest {
    let band = |name: &S| Band {
        name: name.as_ref().to_owned(),
        mean: 0.0,
        standard_deviation: 1.0,
        training: None,
        substitutes: Vec::new(),
        expression: None,
    };
    Manifest {
        bands: bands.iter().map(band).collect(),
        clip: None,
        padding: Padding::Nodata,
        processing_level: None,
        ..manifest.clone()
    }
}

/// One chip in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The chip, relative to the manifest's folder.
    pub path: PathBuf,
    /// Its mask: [`CLASSES`] by number, 255 where nothing is known.
    pub mask: PathBuf,
    /// What it is used for.
    pub split: Split,
    /// The place its ground is of.
    pub site: String,
    /// Country or MGRS square of the ground.
    pub region: String,
    /// `summer` or `winter`.
    pub season: &'static str,
    /// Share of cloud in percent by its mask.
    pub cloud: f64,
    /// `simulated` or `real`.
    pub sky: &'static str,
    /// How its mask was made wrong on purpose; empty for all others.
    pub spoilt: &'static str,
}

/// Where ground comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// RGB patches.
    pub patches: Option<&'a Patches>,
    /// A product with its classification.
    pub swath: Option<&'a Swath>,
}

/// Writes chips, masks and `manifest.csv` into `out`; `progress` is called once a chip. The same seed and sources give the
/// same pixels.
///
/// # Errors
/// [`crate::Kind::Usage`] without any source or where one has no clear ground; those of reading and writing.
pub fn write(sources: Sources<'_>, settings: &Settings, out: &Path, progress: impl Fn() + Sync) -> Result<Vec<Row>> {
    let jobs = plan::jobs(sources, settings)?;
    for folder in ["chips", "masks"] {
        let folder = out.join(folder);
        std::fs::create_dir_all(&folder).map_err(|e| Error::output(e).context(folder.display()))?;
    }
    let one = |job: &Job| {
        let row = draw(job, sources, settings).and_then(|drawn| drawn.write(job, out));
        progress();
        row
    };
    let rows: Vec<Row> = jobs.par_iter().map(one).collect::<Result<_>>()?;
    super::table::write(&out.join("manifest.csv"), &rows)?;
    Ok(rows)
}

/// What is said in the files.
const REAL: &str = "Real pixels, resampled; the mask is Sen2Cor's";
const SIMULATED: &str = "Simulated: clouds, air and light are invented, over real ground";
/// Reflectance that examples are rounded to, so that they are small: 128 DN.
const EXAMPLE_STEP: f32 = 0.0128;

/// Writes simulated chips of the patches that measure as folders with a file a band, named so that their date is known,
/// with masks and `manifest.csv` beside them.
///
/// # Errors
/// As [`write()`].
pub fn write_examples(patches: &Patches, count: usize, settings: &Settings, out: &Path) -> Result<Vec<Row>> {
    let sources = Sources { patches: Some(patches), swath: None };
    let one = |index: usize| {
        let (source, split, side) = (Source::Patches, Split::Measurement, settings.measurement_side);
        let job = Job { name: format!("example {index}"), source, split, side, spoilt: None };
        draw(&job, sources, settings)?.write_folder(index, side, out)
    };
    let rows: Vec<Row> = (1..=count).map(one).collect::<Result<_>>()?;
    super::table::write(&out.join("manifest.csv"), &rows)?;
    Ok(rows)
}

/// A chip and where it is of.
struct Drawn {
    chip: Chip,
    site: String,
    region: String,
    centre: (f64, f64),
    date: Date,
}

fn draw(job: &Job, sources: Sources<'_>, settings: &Settings) -> Result<Drawn> {
    let mut rng = settings.rng(&job.name);
    let mut drawn = match (&job.source, sources) {
        (Source::Patches, Sources { patches: Some(patches), .. }) => simulated_on_patches(patches, job, &mut rng)?,
        (Source::Blocks, Sources { swath: Some(swath), .. }) => simulated_on_swath(swath, job, &mut rng)?,
        (Source::Window(window), Sources { swath: Some(swath), .. }) => {
            let centre = swath.centre(*window);
            let site = format!("{}-{}-{}", swath.region, window.y / 256, window.x / 256);
            let chip = swath.chip(*window, job.side, job.split);
            Drawn { chip, site, region: swath.region.clone(), centre, date: swath.date }
        }
        _ => return Err(Error::usage("a chip without a source")),
    };
    if let Some(spoilt) = job.spoilt {
        spoilt.apply(&mut drawn.chip.classes, job.side);
    }
    Ok(drawn)
}

fn simulated_on_patches(patches: &Patches, job: &Job, rng: &mut ChaCha8Rng) -> Result<Drawn> {
    let pixel = Pixel::draw(rng);
    let (mut rgb, first) = patches.mosaic(job.split, job.side, pixel, rng)?;
    let (site, region) = (first.site.clone(), first.country.clone().unwrap_or_default());
    let (area, latitude) = (job.side * job.side, first.latitude as f32);
    ground::take_off_air(&mut rgb, area, 0.1, &Sun::at(latitude, 196));
    let near_infrared = ground::NearInfrared::draw(rng);
    let of_pixel = |pixel: usize| near_infrared.of([0, 1, 2].map(|band| rgb[band * area + pixel]));
    let drawn: Vec<f32> = (0..area).map(of_pixel).collect();
    rgb.extend(drawn);
    let (chip, date) = under_a_sky(rgb, job, pixel, latitude, rng)?;
    Ok(Drawn { chip, site, region, centre: (first.longitude, first.latitude), date })
}

fn simulated_on_swath(swath: &Swath, job: &Job, rng: &mut ChaCha8Rng) -> Result<Drawn> {
    let pixel = Pixel::draw(rng);
    let (ground, first) = swath.mosaic(job.split, job.side, rng)?;
    let centre = swath.centre(first);
    let (chip, date) = under_a_sky(ground, job, pixel, centre.1 as f32, rng)?;
    let site = format!("{}-{}-{}", swath.region, first.y / 256, first.x / 256);
    Ok(Drawn { chip, site, region: swath.region.clone(), centre, date })
}

fn under_a_sky(
    mut surface: Vec<f32>,
    job: &Job,
    pixel: Pixel,
    latitude: f32,
    rng: &mut ChaCha8Rng,
) -> Result<(Chip, Date)> {
    let day = rng.random_range(1..=365u16);
    let sun = Sun::at(latitude, day);
    let gain = 0.7 * (2.2f32).powf(rng.random::<f32>());
    surface.iter_mut().for_each(|value| *value *= gain);
    ground::brighten(&mut surface, job.side, pixel, &sun, rng);
    let scene = skies::Scene { sky: Sky::draw(rng), sun, is_surface: rng.random(), pixel, flight: skies::flight(rng) };
    let date = date(YEAR, 1, 1).checked_add((i64::from(day) - 1).days()).map_err(Error::usage)?;
    Ok((skies::render(&surface, job.side, &scene, rng), date))
}

impl Drawn {
    /// A folder with a file a band, and a mask beside it.
    fn write_folder(self, index: usize, side: usize, out: &Path) -> Result<Row> {
        let name = format!("simulated-{index}_{}T103000", self.date.strftime("%Y%m%d"));
        let (path, mask) = (Path::new("chips").join(&name), Path::new("masks").join(name).with_extension("tif"));
        for folder in [&path, Path::new("masks")].map(|folder| out.join(folder)) {
            std::fs::create_dir_all(&folder).map_err(|e| Error::output(e).context(folder.display()))?;
        }
        for (band, plane) in BANDS.iter().zip(self.chip.reflectance.chunks(side * side)) {
            let rounded: Vec<f32> = plane.iter().map(|value| (value / EXAMPLE_STEP).round() * EXAMPLE_STEP).collect();
            let tile = Tile { bands: &[band], values: &rounded, ..self.tile(side, SIMULATED) };
            tile.write(&out.join(&path).join(format!("{band}.tif")), Format::Dn)?;
        }
        write_mask(&out.join(&mask), &self.chip.classes, side)?;
        Ok(self.row(path, mask, Split::Measurement, "simulated", ""))
    }

    fn tile<'a>(&'a self, side: usize, description: &'a str) -> Tile<'a> {
        Tile {
            bands: &BANDS,
            values: &self.chip.reflectance,
            side,
            centre: self.centre,
            date: self.date,
            cloud_cover_percent: self.cloud(),
            description,
        }
    }

    fn cloud(&self) -> f64 {
        (self.chip.cloud_percent() * 10.0).round() / 10.0
    }

    fn row(self, path: PathBuf, mask: PathBuf, split: Split, sky: &'static str, spoilt: &'static str) -> Row {
        let season = Bounds::default().season(Some(self.date), Some(self.centre.1));
        let (season, cloud) = (season.map_or("", |season| season.name()), self.cloud());
        Row { path, mask, split, site: self.site, region: self.region, season, cloud, sky, spoilt }
    }

    fn write(self, job: &Job, out: &Path) -> Result<Row> {
        let is_real = matches!(job.source, Source::Window(_));
        let [path, mask] = ["chips", "masks"].map(|folder| Path::new(folder).join(&job.name).with_extension("tif"));
        self.tile(job.side, if is_real { REAL } else { SIMULATED }).write(&out.join(&path), Format::Dn)?;
        write_mask(&out.join(&mask), &self.chip.classes, job.side)?;
        let sky = if is_real { "real" } else { "simulated" };
        Ok(self.row(path, mask, job.split, sky, job.spoilt.map_or("", Spoilt::name)))
    }
}

fn write_mask(path: &Path, classes: &[u8], side: usize) -> Result<()> {
    let names = (0u8..).zip(CLASSES.map(String::from)).collect();
    let (side, layer) = (side as u32, Classes { names });
    let mut writer = MapWriter::create(path, [side, side], layer, MapCompression::Deflate, None)?;
    writer.write(Window { x: 0, y: 0, width: side, height: side }, classes)?;
    writer.finish().map(|_| ())
}
