//! Which sites there are, what they are used for, and when they are seen.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rand::RngExt;

use super::Knobs;
use super::region::Region;
use crate::decide::{SEASON_SKY_GROUPS, Season, Sky};
use crate::simulate::random::{rng, uniform};
use crate::{Error, Result};

/// Splits and their shares of the tiles.
pub const SPLITS: [(&str, f32); 5] =
    [("train", 0.60), ("select", 0.08), ("temperature", 0.06), ("calibration", 0.13), ("measurement", 0.13)];
/// The split that held-out regions belong to.
const HELD_OUT_SPLIT: &str = "measurement";
/// Dates of a site in the training split; every other site is seen once in each group.
const TRAIN_DATES: std::ops::RangeInclusive<usize> = 3..=8;
/// Years that dates lie in: both satellites fly, and processing baseline 04.00 with its offset is still to come.
const YEARS: std::ops::RangeInclusive<i16> = 2018..=2021;
/// Days from midsummer or midwinter.
const DAYS: std::ops::RangeInclusive<i32> = -55..=55;
/// Fewest tiles that make a set with a positive and a negative site in each split.
pub const TILES_MIN: usize = 60;

/// Most tiles of one set: 50 GB of six bands.
pub const TILES_MAX: usize = 1_000_000;

/// A site to be drawn.
#[derive(Debug, Clone)]
pub struct SitePlan {
    /// `baltic-pines-0012`
    pub name: String,
    /// Its style.
    pub region: &'static Region,
    /// What it is used for, as the trainer's manifest names it.
    pub split: &'static str,
    /// Whether there is construction inside the belt.
    pub is_positive: bool,
    /// Degrees east and north.
    pub place: (f64, f64),
    /// The tiles of it.
    pub visits: Vec<Visit>,
}

/// A date at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The day.
    pub date: Date,
    /// Its season at the site's latitude.
    pub season: Season,
    /// Its sky.
    pub sky: Sky,
}

/// Plans about `tiles` tiles in the regions, split by site. Held-out regions have sites in the measurement alone. Within a
/// split every region has the same share of positives, and so has every group, so that neither says anything about labels.
///
/// # Errors
/// [`crate::Kind::Usage`] for fewer than [`TILES_MIN`] or more than [`TILES_MAX`] tiles, and knobs out of their bounds.
pub fn plan(regions: &[&'static Region], tiles: usize, seed: u64, knobs: &Knobs) -> Result<Vec<SitePlan>> {
    if tiles < TILES_MIN {
        return Err(Error::usage(format!("--tiles {tiles}: at least {TILES_MIN} are needed for five splits")));
    }
    if tiles > TILES_MAX {
        return Err(Error::usage(format!(
            "--tiles {tiles}: at most {TILES_MAX}; several sets may have different seeds"
        )));
    }
    knobs.check()?;
    let mut sites = Vec::new();
    let mut numbers = std::collections::HashMap::new();
    for (split, share) in SPLITS {
        let of_split: Vec<&Region> =
            regions.iter().copied().filter(|region| !region.is_held_out || split == HELD_OUT_SPLIT).collect();
        let visits = visits(split, (tiles as f32 * share).round() as usize, seed, knobs);
        let prevalence = if split == "train" { knobs.train_prevalence } else { knobs.prevalence };
        let positives = positives(visits.len(), of_split.len(), prevalence);
        for (index, (visits, is_positive)) in visits.into_iter().zip(positives).enumerate() {
            let region = of_split[index % of_split.len()];
            let number = numbers.entry(region.name).and_modify(|n| *n += 1).or_insert(1);
            let name = format!("{}-{number:04}", region.name);
            sites.push(site(name, region, split, is_positive, &visits, seed));
        }
    }
    Ok(sites)
}

/// Which of `sites` sites, dealt to the regions in turn, are positive: as even a share of every region as can be, and at
/// least one positive and one negative.
fn positives(sites: usize, regions: usize, prevalence: f32) -> Vec<bool> {
    let wanted = ((sites as f32 * prevalence).round() as usize).clamp(1, sites.saturating_sub(1).max(1));
    // Region by region, every so many-th is positive.
    let mut order: Vec<usize> = (0..sites).collect();
    order.sort_by_key(|site| (site % regions, *site));
    let mut positives = vec![false; sites];
    for (rank, site) in order.into_iter().enumerate() {
        positives[site] = (rank + 1) * wanted / sites > rank * wanted / sites;
    }
    positives
}

/// The groups of every site's visits, until they make up `tiles`.
fn visits(split: &str, tiles: usize, seed: u64, knobs: &Knobs) -> Vec<Vec<(Season, Sky)>> {
    if split != "train" {
        return vec![SEASON_SKY_GROUPS.to_vec(); (tiles / SEASON_SKY_GROUPS.len()).max(2)];
    }
    let [mut rng, mut dates] = ["groups", "dates"].map(|purpose| rng(seed, purpose));
    let mut group = || {
        let mut left = uniform([0.0, knobs.train_mix.iter().sum()], &mut rng);
        let index = knobs.train_mix.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        SEASON_SKY_GROUPS[index.unwrap_or(0)]
    };
    let mut sites = Vec::new();
    let mut planned = 0;
    while planned < tiles {
        let count = dates.random_range(TRAIN_DATES).min(tiles - planned);
        sites.push((0..count).map(|_| group()).collect());
        planned += count;
    }
    sites
}

fn site(
    name: String,
    region: &'static Region,
    split: &'static str,
    is_positive: bool,
    groups: &[(Season, Sky)],
    seed: u64,
) -> SitePlan {
    let mut rng = rng(seed, &format!("{name}/place"));
    let place =
        [region.longitude, region.latitude].map(|bounds| (f64::from(uniform(bounds, &mut rng)) * 1e5).round() / 1e5);
    let mut visits: Vec<Visit> = Vec::new();
    for &(season, sky) in groups {
        let date = loop {
            let date = day(season, place[1] < 0.0, &mut rng);
            if visits.iter().all(|visit| visit.date != date) {
                break date;
            }
        };
        visits.push(Visit { date, season, sky });
    }
    SitePlan { name, region, split, is_positive, place: (place[0], place[1]), visits }
}

/// A day around midsummer or midwinter.
fn day(season: Season, is_southern: bool, rng: &mut impl RngExt) -> Date {
    let month = if (season == Season::Summer) != is_southern { 7 } else { 1 };
    let middle = date(rng.random_range(YEARS), month, 7);
    middle.saturating_add(i64::from(rng.random_range(DAYS)).days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Bounds;
    use crate::simulate::coast::region::{REGIONS, choose};
    use std::collections::{BTreeMap, BTreeSet};

    fn of(tiles: usize) -> Vec<SitePlan> {
        plan(&choose(&[]).unwrap(), tiles, 1, &Knobs::default()).unwrap()
    }

    fn tiles(sites: &[SitePlan]) -> usize {
        sites.iter().map(|site| site.visits.len()).sum()
    }

    #[test]
    fn there_are_about_as_many_tiles_as_asked_for_and_every_split_has_both_labels() {
        for wanted in [TILES_MIN, 160, 2000, 25_000] {
            let sites = of(wanted);
            assert!((tiles(&sites) as f32 / wanted as f32 - 1.0).abs() < 0.25, "{} for {wanted}", tiles(&sites));
            for (split, _) in SPLITS {
                let labels: BTreeSet<bool> =
                    sites.iter().filter(|site| site.split == split).map(|site| site.is_positive).collect();
                assert_eq!(labels.len(), 2, "{split} of {wanted}");
            }
        }
        assert!((tiles(&of(25_000)) as i64 - 25_000).abs() < 100);
    }

    #[test]
    fn held_out_regions_are_measured_and_nothing_else() {
        let sites = of(2000);
        for region in REGIONS.iter().filter(|region| region.is_held_out) {
            let splits: BTreeSet<&str> =
                sites.iter().filter(|site| site.region.name == region.name).map(|site| site.split).collect();
            assert_eq!(splits, BTreeSet::from(["measurement"]), "{}", region.name);
        }
        let names: BTreeSet<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        assert_eq!(names.len(), sites.len(), "no site stands in two splits");
    }

    #[test]
    fn region_and_group_say_nothing_about_the_label() {
        for split in ["train", "calibration"] {
            let mut shares = BTreeMap::<&str, (f32, f32)>::new();
            for site in of(25_000).iter().filter(|site| site.split == split) {
                let share = shares.entry(site.region.name).or_default();
                share.0 += f32::from(u8::from(site.is_positive));
                share.1 += 1.0;
            }
            let expected = if split == "train" { 0.25 } else { 1.0 / 11.0 };
            for (region, (positives, sites)) in shares {
                assert!((positives - expected * sites).abs() <= 1.5, "{region} in {split}: {positives} of {sites}");
            }
        }
    }

    #[test]
    fn every_site_has_its_own_dates_and_they_lie_in_their_season() {
        let bounds = Bounds::default();
        for site in of(2000) {
            let dates: BTreeSet<Date> = site.visits.iter().map(|visit| visit.date).collect();
            assert_eq!(dates.len(), site.visits.len());
            for visit in &site.visits {
                assert_eq!(bounds.season(Some(visit.date), Some(site.place.1)), Some(visit.season), "{}", visit.date);
            }
        }
    }

    #[test]
    fn training_is_mostly_clear_summers_and_the_other_splits_are_balanced() {
        let sites = of(25_000);
        let visits = |split: &'static str| {
            sites.iter().filter(move |site| site.split == split).flat_map(|site| &site.visits).collect::<Vec<_>>()
        };
        let share = |visits: &[&Visit], group: (Season, Sky)| {
            visits.iter().filter(|visit| (visit.season, visit.sky) == group).count() as f32 / visits.len() as f32
        };
        assert!((share(&visits("train"), SEASON_SKY_GROUPS[0]) - 0.7).abs() < 0.02);
        for group in SEASON_SKY_GROUPS {
            assert_eq!(share(&visits("measurement"), group), 0.25);
        }
    }
}
