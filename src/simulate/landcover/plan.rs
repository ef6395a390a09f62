//! Which tiles there are: numbers, sites, dates, splits.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rand::RngExt;

use super::region::{Part, REGIONS, Region};
use crate::simulate::random::{rng, uniform};
use crate::{Error, Result};

/// Tiles of one acquisition at most.
const SITE_TILES: usize = 6;
/// The first number of a tile.
const FIRST_ID: usize = 10_000;
/// Shares of the tiles: validation and test; the rest trains.
const VALIDATION: f32 = 0.1;
const TEST: f32 = 0.2;
/// Days of the year that images are taken on.
const DAYS: std::ops::RangeInclusive<i32> = 60..=320;
const YEARS: std::ops::RangeInclusive<i16> = 2018..=2020;
/// Fewest tiles: a site in every region of test and validation.
pub const TILES_MIN: usize = 30;
/// Most tiles of one set: 50 GB.
pub const TILES_MAX: usize = 100_000;

/// An acquisition: tiles that share a day, an air and a stretch of land.
#[derive(Debug, Clone)]
pub struct SitePlan {
    /// `danube-fields-0012`
    pub name: String,
    /// Its style.
    pub region: &'static Region,
    /// `train`, `select` or `measurement`.
    pub split: &'static str,
    /// Degrees north.
    pub latitude: f32,
    /// The day.
    pub date: Date,
    /// The numbers of its tiles.
    pub ids: Vec<usize>,
}

impl SitePlan {
    /// The folder of the challenge's that its tiles are in.
    pub fn folder(&self) -> &'static str {
        if self.region.part == Part::Test { "test" } else { "train" }
    }
}

/// Plans `tiles` tiles. Tests come last, as regions of their own; validation has regions of its own among the training
/// tiles, which choose an epoch and a temperature.
///
/// # Errors
/// [`crate::Kind::Usage`] for fewer than [`TILES_MIN`] or more than [`TILES_MAX`] tiles.
pub fn plan(tiles: usize, seed: u64) -> Result<Vec<SitePlan>> {
    if !(TILES_MIN..=TILES_MAX).contains(&tiles) {
        return Err(Error::usage(format!("--tiles {tiles}: give {TILES_MIN} to {TILES_MAX}")));
    }
    let share = |share: f32| (tiles as f32 * share).round() as usize;
    let (validation, test) = (share(VALIDATION), share(TEST));
    let parts = [(Part::Train, tiles - validation - test), (Part::Validation, validation), (Part::Test, test)];
    let (mut sites, mut next) = (Vec::new(), FIRST_ID);
    for (part, tiles) in parts {
        let regions: Vec<&Region> = REGIONS.iter().filter(|region| region.part == part).collect();
        // Few tiles still make a site in every region.
        let wanted = tiles.div_ceil(SITE_TILES).max(regions.len()).min(tiles);
        for index in 0..wanted {
            let own = tiles * (index + 1) / wanted - tiles * index / wanted;
            let region = regions[index % regions.len()];
            let split = match part {
                Part::Train => "train",
                Part::Test => "measurement",
                Part::Validation => "select",
            };
            let name = format!("{}-{:04}", region.name, index / regions.len() + 1);
            sites.push(site(name, region, split, (next..next + own).collect(), seed));
            next += own;
        }
    }
    Ok(sites)
}

fn site(name: String, region: &'static Region, split: &'static str, ids: Vec<usize>, seed: u64) -> SitePlan {
    let mut rng = rng(seed, &format!("landcover/{name}/plan"));
    let day = rng.random_range(DAYS) - 1;
    SitePlan {
        name,
        region,
        split,
        latitude: uniform(region.latitude, &mut rng),
        date: date(rng.random_range(YEARS), 1, 1).saturating_add(day.days()),
        ids,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_tile_has_a_number_of_its_own_and_no_region_is_in_two_parts() {
        for tiles in [TILES_MIN, 100, 1777] {
            let sites = plan(tiles, 1).unwrap();
            let ids: Vec<usize> = sites.iter().flat_map(|site| site.ids.clone()).collect();
            assert_eq!(ids, (FIRST_ID..FIRST_ID + tiles).collect::<Vec<_>>());
            let mut parts = BTreeMap::<&str, Vec<&str>>::new();
            for site in &sites {
                parts.entry(site.region.name).or_default().push(site.split);
            }
            assert!(parts.values().all(|folders| folders.windows(2).all(|pair| pair[0] == pair[1])));
            let splits: std::collections::BTreeSet<&str> = sites.iter().map(|site| site.split).collect();
            assert_eq!(splits.len(), 3, "{tiles}: {splits:?}");
        }
        assert!(plan(TILES_MIN - 1, 1).is_err());
    }
}
