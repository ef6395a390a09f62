//! Sets of patches on disk.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::patch::Patch;
use super::plan::{self, SitePlan};
use super::region::Part;
use super::site::Site;
use super::{BANDS, SIDE};
use crate::Result;
use crate::decide::Bounds;
use crate::output::signal;
use crate::simulate::folder;
use crate::simulate::random::rng;
use crate::simulate::tile::{Format, Tile};

/// Name of the table beside the patches.
pub const MANIFEST: &str = "manifest.csv";
/// Degrees between the patches of a site, north and south of each other: 1.1 km.
const APART_DEG: f64 = 0.01;

/// A row of the manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The file, relative to the manifest's folder.
    pub path: PathBuf,
    /// 1 where a slide came down between the dates.
    pub label: u8,
    /// What the patch is used for.
    pub split: &'static str,
    /// The site.
    pub site: String,
    /// Style; none is in two splits.
    pub region: &'static str,
    /// Degrees east of the centre.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
    /// `summer` or `winter`, of the later date.
    pub season: &'static str,
    /// `clear` or `cloudy`.
    pub cloud: &'static str,
    /// The later date.
    pub date: String,
    /// The earlier date.
    pub date_before: String,
    /// Share under cloud on the later date, in percent.
    pub cloud_cover_percent: f32,
    /// Share of the slide (of the place where it would be) that optics or radar see.
    pub visible_share: f32,
    /// What optics see of it.
    pub visible_optical: f32,
    /// What one of the radar's passes sees of it.
    pub visible_radar: f32,
    /// Area of the slide in pixels; 0 where there is none.
    pub scar_px: f32,
    /// Share of pixels that have data in all bands, in percent.
    pub valid_percent: f32,
    /// Zenith angle of the sun in degrees.
    pub sun_zenith_deg: f32,
    /// Share of the ground that snow lies on, on the earlier and the later date, in percent.
    pub snow_before_percent: f32,
    /// See [`Self::snow_before_percent`].
    pub snow_percent: f32,
}

/// Writes `patches` patches, a folder for each split, and the manifest to `folder`, which appears complete or not at all;
/// `progress` is told after every site how many more there are. Every byte depends on the number, the seed and the format
/// alone.
///
/// # Errors
/// [`crate::Kind::Output`] if `folder` holds anything or cannot be written; [`crate::Kind::Interrupted`] on a signal;
/// [`crate::Kind::Usage`] for a number that makes no set.
pub fn write(
    patches: usize,
    seed: u64,
    format: Format,
    folder: &Path,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Row>> {
    folder::whole(folder, |unfinished| {
        let sites = plan::plan(patches, seed)?;
        folder::make(unfinished, &Part::ALL.map(|(part, _)| part.name()))?;
        let one = |site: &SitePlan| {
            signal::check()?;
            let rows = write_site(site, seed, format, unfinished);
            progress(site.labels.len());
            rows
        };
        let rows: Vec<Vec<Row>> = sites.par_iter().map(one).collect::<Result<_>>()?;
        let rows = rows.concat();
        folder::table(&unfinished.join(MANIFEST), &rows)?;
        Ok(rows)
    })
}

fn write_site(plan: &SitePlan, seed: u64, format: Format, folder: &Path) -> Result<Vec<Row>> {
    let site = Site::draw(plan, seed);
    (0..plan.labels.len()).map(|index| write_patch(plan, index, &site, seed, format, folder)).collect()
}

fn write_patch(plan: &SitePlan, index: usize, site: &Site, seed: u64, format: Format, folder: &Path) -> Result<Row> {
    let name = format!("{}_{}", plan.name, index + 1);
    let patch = Patch::draw(site, plan.labels[index], &mut rng(seed, &format!("landslides/{name}")));
    let split = plan.region.part.name();
    let path = Path::new(split).join(format!("{name}.{}", format.extension()));
    let [longitude, latitude] =
        [plan.place.0, plan.place.1 + index as f64 * APART_DEG].map(|v| (v * 1e5).round() / 1e5);
    let [date_before, date] = plan.dates;
    let cloud_cover_percent = round(100.0 * patch.cloud_cover, 1);
    let tile = Tile {
        bands: &BANDS,
        values: &patch.values,
        side: SIDE,
        centre: (longitude, latitude),
        date,
        cloud_cover_percent: cloud_cover_percent.into(),
        description: "Simulated mountains; no such place exists, and dates, slides and clouds are invented",
    };
    tile.write(&folder.join(&path), format)?;
    let bounds = Bounds::default();
    let valid =
        (0..SIDE * SIDE).filter(|pixel| patch.values[*pixel..].iter().step_by(SIDE * SIDE).all(|v| v.is_finite()));
    Ok(Row {
        path,
        label: plan.labels[index].into(),
        split,
        site: plan.name.clone(),
        region: plan.region.name,
        longitude,
        latitude,
        season: bounds.season(Some(date), Some(latitude)).map_or("", |season| season.name()),
        cloud: bounds.sky(cloud_cover_percent.into())?.map_or("", |sky| sky.name()),
        date: date.to_string(),
        date_before: date_before.to_string(),
        cloud_cover_percent,
        visible_share: round(patch.visible.either, 3),
        visible_optical: round(patch.visible.optical, 3),
        visible_radar: round(patch.visible.radar, 3),
        scar_px: round(patch.scar_px, 1),
        valid_percent: round(100.0 * valid.count() as f32 / (SIDE * SIDE) as f32, 1),
        sun_zenith_deg: round(site.sun.zenith_deg(), 2),
        snow_before_percent: round(100.0 * site.snow[0], 1),
        snow_percent: round(100.0 * site.snow[1], 1),
    })
}

/// To so many decimals.
fn round(value: f32, decimals: i32) -> f32 {
    let scale = 10f32.powi(decimals);
    (value * scale).round() / scale
}
