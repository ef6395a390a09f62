//! Sets of tiles on disk.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::day::Day;
use super::image::{self, Sky};
use super::plan::{self, SitePlan, Visit};
use super::region::Region;
use super::site::{SIDE, Site, Truth};
use super::{Knobs, label, name};
use crate::Result;
use crate::decide;
use crate::output::signal;
use crate::simulate::bands::ALL;
use crate::simulate::folder;
use crate::simulate::random::rng;
use crate::simulate::tile::{Format, Tile};

/// Name of the table beside the tiles.
pub const MANIFEST: &str = "manifest.csv";

/// What to write.
#[derive(Debug, Clone)]
pub struct Settings {
    /// About how many tiles.
    pub tiles: usize,
    /// Everything follows from it.
    pub seed: u64,
    /// Bands as indices into [`ALL`].
    pub bands: Vec<usize>,
    /// Styles.
    pub regions: Vec<&'static Region>,
    /// Difficulty.
    pub knobs: Knobs,
}

/// A row of the manifest: what the trainer reads, and what is true of the tile.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The file, relative to the manifest's folder.
    pub path: PathBuf,
    /// 1 construction inside the belt, 0 none; with a few mistakes in the training split.
    pub label: u8,
    /// What the tile is used for.
    pub split: &'static str,
    /// The site.
    pub site: String,
    /// Degrees east of the centre.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
    /// `summer` or `winter`.
    pub season: &'static str,
    /// `clear` or `cloudy`.
    pub cloud: &'static str,
    /// `construction`; else `look-alike` where there is one inside the belt, `settlement` where buildings stand behind it,
    /// or `nature`.
    pub class: &'static str,
    /// Style.
    pub region: &'static str,
    /// Whether the region is in no other split.
    pub region_held_out: u8,
    /// Day of acquisition.
    pub date: String,
    /// Share under cloud in percent.
    pub cloud_cover_percent: f32,
    /// Share of the construction (of the place where it would be) that is visible.
    pub visible_share: f32,
    /// The label without mistakes.
    pub clean_label: u8,
    /// Area of the construction inside the belt in pixels.
    pub footprint_px: f32,
    /// Zenith angle of the sun in degrees.
    pub sun_zenith_deg: f32,
    /// Structures of the construction.
    pub structures: usize,
    /// Groups inside the belt that look like construction.
    pub lookalikes: usize,
    /// Groups of buildings behind the belt.
    pub settlements: usize,
    /// Share of the land that snow lies on, in percent.
    pub snow_cover_percent: f32,
    /// Optical depth of aerosol at 0.55 µm.
    pub aerosol_depth: f32,
}

/// Writes the tiles, a folder for each split, and the manifest to `folder`, which appears complete or not at all; `progress`
/// is told after every site how many more tiles there are. Rows are in the order of the plan, and every byte depends on
/// the settings alone.
///
/// # Errors
/// [`crate::Kind::Output`] if `folder` holds anything or cannot be written; [`crate::Kind::Interrupted`] on a signal;
/// [`crate::Kind::Usage`] for settings that make no set.
pub fn write(settings: &Settings, folder: &Path, progress: &(dyn Fn(usize) + Sync)) -> Result<Vec<Row>> {
    folder::whole(folder, |unfinished| {
        let sites = plan::plan(&settings.regions, settings.tiles, settings.seed, &settings.knobs)?;
        folder::make(unfinished, &plan::SPLITS.map(|(split, _)| split))?;
        let one = |site: &SitePlan| {
            signal::check()?;
            let rows = write_site(site, settings, unfinished);
            progress(site.visits.len());
            rows
        };
        let rows: Vec<Vec<Row>> = sites.par_iter().map(one).collect::<Result<_>>()?;
        let rows = rows.concat();
        folder::table(&unfinished.join(MANIFEST), &rows)?;
        Ok(rows)
    })
}

/// Draws a site and writes its tiles. A visit on which every sky hid the site has no tile.
fn write_site(plan: &SitePlan, settings: &Settings, folder: &Path) -> Result<Vec<Row>> {
    let mut rng = rng(settings.seed, &plan.name);
    let site = Site::draw(plan.region, plan.is_positive, &settings.knobs, &mut rng);
    let rows = plan.visits.iter().map(|visit| write_tile(plan, visit, &site, settings, folder));
    Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn write_tile(plan: &SitePlan, visit: &Visit, site: &Site, settings: &Settings, folder: &Path) -> Result<Option<Row>> {
    let mut rng = rng(settings.seed, &format!("{}/{}", plan.name, visit.date));
    let day = Day::draw(site, plan.place.1 as f32, visit.date.day_of_year() as u16, visit.season, &mut rng);
    let is_cloudy = visit.sky == decide::Sky::Cloudy;
    let sky = match is_cloudy {
        true => match Sky::draw(site, &day, &settings.knobs, &mut rng) {
            Some(sky) => Some(sky),
            None => return Ok(None),
        },
        false => None,
    };
    let reflectance = image::render(site, &day, sky.as_ref(), &settings.bands, &mut rng);
    let is_labelled = match plan.split {
        "train" => label::noisy(&site.truth, is_cloudy, &settings.knobs, &mut rng),
        _ => plan.is_positive,
    };
    let path = Path::new(plan.split).join(name::file_name(plan.place, visit.date, &plan.name)?);
    let names: Vec<&str> = settings.bands.iter().map(|band| ALL[*band].name).collect();
    let cloud_cover_percent = sky.as_ref().map_or(0.0, |sky| round(sky.cover * 100.0, 1));
    let tile = Tile {
        bands: &names,
        values: &reflectance,
        side: SIDE,
        centre: plan.place,
        date: visit.date,
        cloud_cover_percent: cloud_cover_percent.into(),
        description: "Simulated coast; no such place exists, and date and clouds are invented",
    };
    tile.write(&folder.join(&path), Format::Dn)?;
    Ok(Some(Row {
        path,
        label: is_labelled.into(),
        split: plan.split,
        site: plan.name.clone(),
        longitude: plan.place.0,
        latitude: plan.place.1,
        season: visit.season.name(),
        cloud: visit.sky.name(),
        class: class(&site.truth),
        region: plan.region.name,
        region_held_out: plan.region.is_held_out.into(),
        date: visit.date.to_string(),
        cloud_cover_percent,
        visible_share: sky.as_ref().map_or(1.0, |sky| round(sky.visible_share, 3)),
        clean_label: plan.is_positive.into(),
        footprint_px: round(site.truth.footprint_px, 2),
        sun_zenith_deg: round(day.sun.zenith_deg(), 2),
        structures: site.truth.structures,
        lookalikes: site.truth.lookalikes,
        settlements: site.truth.settlements,
        snow_cover_percent: round(day.snow.as_ref().map_or(0.0, |snow| snow.cover() * 100.0), 1),
        aerosol_depth: round(day.aerosol_depth, 3),
    }))
}

fn class(truth: &Truth) -> &'static str {
    match truth {
        Truth { is_positive: true, .. } => "construction",
        Truth { lookalikes: 1.., .. } => "look-alike",
        Truth { settlements: 1.., .. } => "settlement",
        _ => "nature",
    }
}

/// To so many decimals.
fn round(value: f32, decimals: i32) -> f32 {
    let scale = 10f32.powi(decimals);
    (value * scale).round() / scale
}
