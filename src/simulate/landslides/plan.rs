//! Which patches there are: sites, dates, splits, labels.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rand::RngExt;

use super::region::{Part, REGIONS, Region};
use crate::simulate::random::{rng, uniform};
use crate::{Error, Result};

/// Patches of one site at most.
const SITE_PATCHES: usize = 4;
/// Share of patches with a slide.
pub const PREVALENCE: f32 = 0.17;
/// Years of the later dates: both Sentinel-1 fly.
const YEARS: std::ops::RangeInclusive<i16> = 2017..=2021;
/// Days between the dates: from one repeat of Sentinel-1's orbit to a year.
const DAYS: [f32; 2] = [12.0, 365.0];
/// Fewest patches: every part has both labels.
pub const PATCHES_MIN: usize = 60;
/// Most patches of one set: 25 GB.
pub const PATCHES_MAX: usize = 250_000;

/// A stretch of mountains to be drawn.
#[derive(Debug, Clone)]
pub struct SitePlan {
    /// `alpine-forest-0012`
    pub name: String,
    /// Its style.
    pub region: &'static Region,
    /// Degrees east and north.
    pub place: (f64, f64),
    /// The earlier and the later date.
    pub dates: [Date; 2],
    /// Whether each of its patches has a slide.
    pub labels: Vec<bool>,
}

/// Plans `patches` patches, split by region. Every split has the same share of slides, and so has every region.
///
/// # Errors
/// [`crate::Kind::Usage`] for fewer than [`PATCHES_MIN`] or more than [`PATCHES_MAX`] patches.
pub fn plan(patches: usize, seed: u64) -> Result<Vec<SitePlan>> {
    if !(PATCHES_MIN..=PATCHES_MAX).contains(&patches) {
        return Err(Error::usage(format!("--tiles {patches}: give {PATCHES_MIN} to {PATCHES_MAX}")));
    }
    let mut sites = Vec::new();
    let mut left = patches;
    for (part, share) in Part::ALL.into_iter().rev() {
        let own = if part == Part::Train { left } else { (patches as f32 * share).round() as usize };
        left -= own;
        sites.splice(0..0, of_part(part, own, seed));
    }
    Ok(sites)
}

fn of_part(part: Part, patches: usize, seed: u64) -> Vec<SitePlan> {
    let regions: Vec<&'static Region> = REGIONS.iter().filter(|region| region.part == part).collect();
    let mut sites = Vec::new();
    let mut labels = labels(patches, regions.len(), seed, part).into_iter();
    for (index, region) in regions.iter().enumerate() {
        let mut left = share_of(patches, regions.len(), index);
        let mut number = 0;
        while left > 0 {
            let own = SITE_PATCHES.min(left);
            left -= own;
            number += 1;
            sites.push(site(region, number, labels.by_ref().take(own).collect(), seed));
        }
    }
    sites
}

/// How many of `patches` go to one of some regions.
fn share_of(patches: usize, regions: usize, index: usize) -> usize {
    patches * (index + 1) / regions - patches * index / regions
}

/// Which patches have a slide, region by region: as even a share of every region as can be, in no order within it.
fn labels(patches: usize, regions: usize, seed: u64, part: Part) -> Vec<bool> {
    let wanted = (patches as f32 * PREVALENCE).round() as usize;
    let mut rng = rng(seed, &format!("landslides/{}/labels", part.name()));
    let mut labels: Vec<bool> =
        (0..patches).map(|rank| (rank + 1) * wanted / patches > rank * wanted / patches).collect();
    let mut start = 0;
    for index in 0..regions {
        let own = share_of(patches, regions, index);
        let region = &mut labels[start..start + own];
        // Fisher and Yates.
        for last in (1..region.len()).rev() {
            region.swap(last, rng.random_range(0..=last));
        }
        start += own;
    }
    labels
}

fn site(region: &'static Region, number: usize, labels: Vec<bool>, seed: u64) -> SitePlan {
    let name = format!("{}-{number:04}", region.name);
    let mut rng = rng(seed, &format!("landslides/{name}/plan"));
    let place = [region.longitude, region.latitude].map(|bounds| f64::from(uniform(bounds, &mut rng)));
    let later = date(rng.random_range(YEARS), 1, 1).saturating_add(rng.random_range(0..365).days());
    let earlier = later.saturating_sub((uniform(DAYS, &mut rng) as i32).days());
    SitePlan { name, region, place: (place[0], place[1]), dates: [earlier, later], labels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn shares_of_splits_and_of_slides_are_those_asked_for_and_no_region_is_in_two_splits() {
        for patches in [PATCHES_MIN, 1000, 3001] {
            let sites = plan(patches, 1).unwrap();
            let mut found = BTreeMap::<&str, [usize; 2]>::new();
            for site in &sites {
                let part = found.entry(site.region.part.name()).or_default();
                part[0] += site.labels.len();
                part[1] += site.labels.iter().filter(|label| **label).count();
                assert!(site.dates[0] < site.dates[1] && site.labels.len() <= SITE_PATCHES);
            }
            assert_eq!(found.values().map(|part| part[0]).sum::<usize>(), patches);
            for (part, share) in Part::ALL {
                let [all, slides] = found[part.name()];
                assert!((all as f32 - share * patches as f32).abs() <= 2.0, "{}: {all}", part.name());
                assert!((slides as f32 - PREVALENCE * all as f32).abs() <= 1.0, "{}: {slides}", part.name());
            }
        }
        assert!(plan(PATCHES_MIN - 1, 1).is_err() && plan(PATCHES_MAX + 1, 1).is_err());
    }
}
