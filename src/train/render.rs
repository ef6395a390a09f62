//! Renders labelled patches as tiles in the four season × sky groups. All but the clear summer is **simulated**.

use std::path::Path;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::patches::Patch;
use super::pixels;
use crate::decide::{SEASON_SKY_GROUPS, Season, Sky, group_name};
use crate::model::Manifest;
use crate::simulate::shift::{self, Conditions};
use crate::simulate::tile::Tile;
use crate::{Error, Result};

/// Bands that the shift knows.
const BANDS: [&str; 3] = ["B04", "B03", "B02"];
/// The year that simulated dates lie in.
const YEAR: i16 = 2018;

/// A row of `tiles.csv`: what `s2infer --metadata` reads (`tile,date,cloud_cover`), and what scores are joined with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TileRow {
    /// File name.
    pub tile: String,
    /// Simulated acquisition date.
    pub date: String,
    /// Simulated cloud cover in percent.
    pub cloud_cover: f64,
    /// 1 positive, 0 negative.
    pub label: u8,
    /// `summer` or `winter`.
    pub season: String,
    /// `clear` or `cloudy`.
    pub cloud: String,
    /// The place.
    pub site: String,
    /// Class in the source data.
    pub class: String,
}

/// Renders every patch (paths relative to `folder`) in all four groups into `out`, with `tiles.csv` beside the tiles.
/// `manifest` says how to read the patches; its bands must be B04, B03, B02.
pub fn render(folder: &Path, patches: &[&Patch], manifest: &Manifest, seed: u64, out: &Path) -> Result<Vec<TileRow>> {
    prepare(manifest, out)?;
    let one = |patch: &&Patch| -> Result<Vec<TileRow>> {
        let clear = pixels::reflectance(folder, patch, manifest)?;
        let group = |&(season, sky): &(Season, Sky)| render_one(patch, &clear, manifest, (season, sky), seed, out);
        SEASON_SKY_GROUPS.iter().map(group).collect()
    };
    let rows: Result<Vec<Vec<TileRow>>> = patches.par_iter().map(one).collect();
    let rows = rows?.concat();
    write_table(&out.join("tiles.csv"), &rows)?;
    Ok(rows)
}

/// Renders `count` tiles of patches from all over the split, positives and negatives in turn, each patch in one group.
pub fn sample(
    folder: &Path,
    patches: &[&Patch],
    manifest: &Manifest,
    seed: u64,
    out: &Path,
    count: usize,
) -> Result<Vec<TileRow>> {
    prepare(manifest, out)?;
    let of = |positive: bool| patches.iter().filter(move |p| p.is_positive() == positive).collect::<Vec<_>>();
    let kinds = [of(true), of(false)];
    let half = count.div_ceil(2);
    let mut rows = Vec::with_capacity(count);
    for index in 0..count {
        let kind = &kinds[index % 2];
        let Some(patch) = kind.get(index / 2 * kind.len() / half) else { continue };
        let clear = pixels::reflectance(folder, patch, manifest)?;
        let group = SEASON_SKY_GROUPS[index / 2 % SEASON_SKY_GROUPS.len()];
        rows.push(render_one(patch, &clear, manifest, group, seed, out)?);
    }
    write_table(&out.join("tiles.csv"), &rows)?;
    Ok(rows)
}

fn prepare(manifest: &Manifest, out: &Path) -> Result<()> {
    if !manifest.bands.iter().map(|band| band.name.as_str()).eq(BANDS) {
        return Err(Error::usage(format!("the simulated shift knows the bands {} alone", BANDS.join(","))));
    }
    std::fs::create_dir_all(out).map_err(|e| Error::output(e).context(out.display()))
}

fn render_one(
    patch: &Patch,
    clear: &[f32],
    manifest: &Manifest,
    (season, sky): (Season, Sky),
    seed: u64,
    out: &Path,
) -> Result<TileRow> {
    let stem = stem(patch);
    let mut rng = shift::rng(seed, &stem, season, sky);
    let conditions = Conditions::draw(season, sky, &mut rng);
    let mut reflectance = clear.to_vec();
    let side = manifest.tile_px as usize;
    shift::render(&mut reflectance, side, patch.latitude as f32, &conditions, &mut rng);
    let date = day(&conditions)?;
    let group = group_name(season, sky);
    let name = format!("simulated_{group}_{stem}_{}T103000.tif", date.strftime("%Y%m%d"));
    let cloud_cover_percent = (f64::from(conditions.cloud_cover) * 1000.0).round() / 10.0;
    let tile = Tile {
        bands: &BANDS,
        reflectance: &reflectance,
        side,
        centre: (patch.longitude, patch.latitude),
        date,
        cloud_cover_percent,
        description: &format!("Simulated: EuroSAT patch {stem} rendered as {group}; date and clouds are invented"),
    };
    tile.write(&out.join(&name))?;
    Ok(TileRow {
        tile: name,
        date: date.to_string(),
        cloud_cover: cloud_cover_percent,
        label: patch.label,
        season: season.name().into(),
        cloud: sky.name().into(),
        site: patch.site.clone(),
        class: patch.class.clone().unwrap_or_default(),
    })
}

/// The file's name without extension, with nothing in it that a path or a table could stumble over.
fn stem(patch: &Patch) -> String {
    let stem = patch.path.file_stem().unwrap_or_default().to_string_lossy();
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' }).collect()
}

fn day(conditions: &Conditions) -> Result<Date> {
    let days = i64::from(conditions.day_of_year) - 1;
    date(YEAR, 1, 1).checked_add(days.days()).map_err(Error::usage)
}

fn write_table(path: &Path, rows: &[TileRow]) -> Result<()> {
    let failed = |e: csv::Error| Error::output(e).context(path.display());
    let mut writer = csv::Writer::from_path(path).map_err(failed)?;
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    writer.flush().map_err(|e| Error::output(e).context(path.display()))
}

/// Reads `tiles.csv`.
pub fn read_table(path: &Path) -> Result<Vec<TileRow>> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| Error::usage(e).context(path.display()))?;
    let rows: Result<Vec<TileRow>, csv::Error> = reader.deserialize().collect();
    rows.map_err(|e| Error::usage(e).context(path.display()))
}
