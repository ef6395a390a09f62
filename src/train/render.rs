//! Renders labelled patches as tiles in the four season × sky groups. All but the clear summer is **simulated**.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rayon::prelude::*;

use super::patches::Patch;
use super::pixels;
use crate::decide::{SEASON_SKY_GROUPS, Season, Sky, group_name};
use crate::model::Manifest;
use crate::simulate::shift::{self, Conditions};
use crate::simulate::tile::{Format, Tile};
use crate::{Error, Result};

/// Bands that the shift knows.
const BANDS: [&str; 3] = ["B04", "B03", "B02"];
/// The year that simulated dates lie in.
const YEAR: i16 = 2018;

/// Renders every patch (paths relative to `folder`) in all four groups into `out` and returns the tiles as patches of
/// `out`, four for each patch in its order. `manifest` says how to read the patches; its bands must be B04, B03, B02.
/// `progress` is called once a patch.
pub fn render(
    folder: &Path,
    patches: &[&Patch],
    manifest: &Manifest,
    seed: u64,
    out: &Path,
    progress: impl Fn() + Sync,
) -> Result<Vec<Patch>> {
    prepare(patches, manifest, out)?;
    let one = |patch: &&Patch| -> Result<Vec<Patch>> {
        let clear = pixels::reflectance(folder, patch, manifest)?;
        let group = |&(season, sky): &(Season, Sky)| render_one(patch, &clear, manifest, (season, sky), seed, out);
        let tiles = SEASON_SKY_GROUPS.iter().map(group).collect();
        progress();
        tiles
    };
    let tiles: Result<Vec<Vec<Patch>>> = patches.par_iter().map(one).collect();
    Ok(tiles?.concat())
}

/// Renders `count` tiles of patches from all over the split, positives and negatives in turn, each patch in one group.
pub fn sample(
    folder: &Path,
    patches: &[&Patch],
    manifest: &Manifest,
    seed: u64,
    out: &Path,
    count: usize,
) -> Result<Vec<Patch>> {
    prepare(patches, manifest, out)?;
    let of = |positive: bool| patches.iter().filter(move |p| p.is_positive() == positive).collect::<Vec<_>>();
    let kinds = [of(true), of(false)];
    let half = count.div_ceil(2);
    let mut tiles = Vec::with_capacity(count);
    for index in 0..count {
        let kind = &kinds[index % 2];
        let Some(patch) = kind.get(index / 2 * kind.len() / half) else { continue };
        let clear = pixels::reflectance(folder, patch, manifest)?;
        let group = SEASON_SKY_GROUPS[index / 2 % SEASON_SKY_GROUPS.len()];
        tiles.push(render_one(patch, &clear, manifest, group, seed, out)?);
    }
    Ok(tiles)
}

/// The patches as they are, for a manifest in `out`: clear summers, their paths relative to `out` instead of `folder`.
pub fn as_is(folder: &Path, patches: &[&Patch], out: &Path) -> Result<Vec<Patch>> {
    let absolute = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize().map_err(|e| Error::io(e).context(path.display()))
    };
    let there = way(&absolute(out)?, &absolute(folder)?);
    let patch = |patch: &&Patch| Patch {
        path: there.join(&patch.path),
        season: Some(Season::Summer.name().into()),
        cloud: Some(Sky::Clear.name().into()),
        ..(*patch).clone()
    };
    Ok(patches.iter().map(patch).collect())
}

/// The relative path from one absolute folder to another.
fn way(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

fn prepare(patches: &[&Patch], manifest: &Manifest, out: &Path) -> Result<()> {
    let mut stems = HashSet::new();
    if let Some(patch) = patches.iter().find(|patch| !stems.insert(stem(patch))) {
        let name = patch.path.display();
        return Err(Error::usage(format!("{name}: another patch has the same file name, and tiles are named by it")));
    }
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
) -> Result<Patch> {
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
        values: &reflectance,
        side,
        centre: (patch.longitude, patch.latitude),
        date,
        cloud_cover_percent,
        description: &format!("Simulated: EuroSAT patch {stem} rendered as {group}; date and clouds are invented"),
    };
    tile.write(&out.join(&name), Format::Dn)?;
    Ok(Patch {
        path: name.into(),
        season: Some(season.name().into()),
        cloud: Some(sky.name().into()),
        date: Some(date.to_string()),
        cloud_cover: Some(cloud_cover_percent),
        ..patch.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_goes_up_to_the_shared_folder_and_down_again() {
        let of = |from: &str, to: &str| way(Path::new(from), Path::new(to));
        assert_eq!(of("/data/rendered", "/data"), Path::new(".."));
        assert_eq!(of("/a/b/c", "/a/x/y"), Path::new("../../x/y"));
        assert_eq!(of("/a", "/a").join("p.jpg"), Path::new("p.jpg"));
    }
}
