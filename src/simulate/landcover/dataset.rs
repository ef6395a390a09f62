//! Sets of tiles on disk, in the challenge's layout.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::growth::Time;
use super::image::{self, Sky};
use super::land::{Brush, Land};
use super::palette::{BANDS, Palette};
use super::plan::{self, SitePlan};
use super::{CLASSES, SIDE, mask};
use crate::decide::Bounds;
use crate::output::signal;
use crate::simulate::random::{log_uniform, normal_pair, rng};
use crate::simulate::sun::Sun;
use crate::simulate::{folder, plain};
use crate::{Error, Result};

/// Name of the table of all tiles with their masks, splits and sites.
pub const MANIFEST: &str = "manifest.csv";
/// The folders of images and masks. The challenge keeps its masks of `test` to itself.
const FOLDERS: [&str; 4] = ["train/images", "train/masks", "test/images", "test/masks"];
/// The tables of true class shares, as the challenge has one of `train`.
const SHARES: [(&str, &str); 2] = [("train", "train_labels.csv"), ("test", "test_labels.csv")];
/// By how much a site's log odds of kinds of land differ from its region's, as a deviation.
const SITE_SPREAD: f32 = 0.4;

/// A row of the manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The image, relative to the manifest's folder.
    pub path: PathBuf,
    /// The mask.
    pub mask: PathBuf,
    /// What the tile is used for.
    pub split: &'static str,
    /// The acquisition.
    pub site: String,
    /// Style.
    pub region: &'static str,
    /// `summer` or `winter`.
    pub season: &'static str,
    /// `clear` or `cloudy`.
    pub cloud: &'static str,
    /// Day of acquisition.
    pub date: String,
    /// Degrees north.
    pub latitude: f32,
    /// Zenith angle of the sun in degrees.
    pub sun_zenith_deg: f32,
    /// Share of pixels under cloud, in percent.
    pub cloud_cover_percent: f32,
}

/// Writes `tiles` tiles to `folder`, which appears complete or not at all; `progress` is told after every site how many more
/// tiles there are. Every byte depends on the number and the seed alone.
///
/// # Errors
/// [`crate::Kind::Output`] if `folder` holds anything or cannot be written; [`crate::Kind::Interrupted`] on a signal;
/// [`crate::Kind::Usage`] for a number that makes no set.
pub fn write(tiles: usize, seed: u64, folder: &Path, progress: &(dyn Fn(usize) + Sync)) -> Result<Vec<Row>> {
    folder::whole(folder, |unfinished| {
        let sites = plan::plan(tiles, seed)?;
        folder::make(unfinished, &FOLDERS)?;
        let one = |site: &SitePlan| {
            signal::check()?;
            let found = write_site(site, seed, unfinished);
            progress(site.ids.len());
            found
        };
        let found: Vec<Vec<(Row, [u64; CLASSES.len()])>> = sites.par_iter().map(one).collect::<Result<_>>()?;
        let found: Vec<_> = found.into_iter().flatten().collect();
        for (part, name) in SHARES {
            write_shares(&unfinished.join(name), found.iter().filter(|(row, _)| row.path.starts_with(part)))?;
        }
        let rows: Vec<Row> = found.into_iter().map(|(row, _)| row).collect();
        folder::table(&unfinished.join(MANIFEST), &rows)?;
        Ok(rows)
    })
}

fn write_site(plan: &SitePlan, seed: u64, folder: &Path) -> Result<Vec<(Row, [u64; CLASSES.len()])>> {
    let mut own = rng(seed, &format!("landcover/{}", plan.name));
    let [a, b] = [normal_pair(&mut own), normal_pair(&mut own)];
    let day = plan.date.day_of_year() as u16;
    let palette = Palette::draw(plan.region, &mut own);
    let brush = Brush {
        region: plan.region,
        palette: &palette,
        time: Time::of(day, plan.latitude, plan.region),
        leaning: [a[0], a[1], b[0], b[1]].map(|v| v * SITE_SPREAD),
    };
    let sky = Sky { sun: Sun::at(plan.latitude, day), aerosol_depth: log_uniform(plan.region.aerosol_depth, &mut own) };
    plan.ids.iter().map(|&id| write_tile(plan, id, seed, &brush, &sky, folder)).collect()
}

fn write_tile(
    plan: &SitePlan,
    id: usize,
    seed: u64,
    brush: &Brush<'_>,
    sky: &Sky,
    folder: &Path,
) -> Result<(Row, [u64; CLASSES.len()])> {
    let mut rng = rng(seed, &format!("landcover/{id}"));
    let land = Land::draw(brush, &mut rng);
    let image = image::render(&land, sky, plan.region.steepness, &mut rng);
    let mask = mask::draw(&land, &image.clouds, &mut rng);
    let place = |kind: &str| Path::new(plan.folder()).join(kind).join(format!("{id}.tif"));
    let (path, mask_path) = (place("images"), place("masks"));
    let bytes: Vec<u8> = image.dn.iter().flat_map(|dn| dn.to_le_bytes()).collect();
    let words = "Simulated land; no such place exists";
    plain::write(&folder.join(&path), SIDE, BANDS.len(), 16, &bytes, words)?;
    plain::write(&folder.join(&mask_path), SIDE, 1, 8, &mask, words)?;
    let mut pixels = [0; CLASSES.len()];
    mask.iter().for_each(|class| pixels[usize::from(*class)] += 1);
    let clouds = image.clouds.iter().filter(|is_cloud| **is_cloud).count();
    let cover = (1000.0 * clouds as f32 / image.clouds.len() as f32).round() / 10.0;
    let season = Bounds::default().season(Some(plan.date), Some(plan.latitude.into()));
    let row = Row {
        path,
        mask: mask_path,
        split: plan.split,
        site: plan.name.clone(),
        region: plan.region.name,
        season: season.map_or("", |season| season.name()),
        cloud: if clouds > 0 { "cloudy" } else { "clear" },
        date: plan.date.to_string(),
        latitude: (plan.latitude * 100.0).round() / 100.0,
        sun_zenith_deg: (sky.sun.zenith_deg() * 100.0).round() / 100.0,
        cloud_cover_percent: cover,
    };
    Ok((row, pixels))
}

/// The classes' shares of the pixels of each mask: `sample_id,no_data,clouds,…`.
fn write_shares<'a>(path: &Path, rows: impl Iterator<Item = &'a (Row, [u64; CLASSES.len()])>) -> Result<()> {
    let mut text = format!("sample_id,{}\n", CLASSES.join(","));
    for (row, pixels) in rows {
        let id = row.path.file_stem().unwrap_or_default().to_string_lossy();
        let shares = pixels.map(|pixels| (pixels as f64 / (SIDE * SIDE) as f64).to_string());
        text += &format!("{id},{}\n", shares.join(","));
    }
    std::fs::write(path, text).map_err(|e| Error::output(e).context(path.display()))
}
