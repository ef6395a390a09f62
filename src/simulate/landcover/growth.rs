//! What a day of the year makes of crops, grass and trees.

use rand::RngExt;

use super::palette::{Colour, Palette, blend};
use super::region::Region;
use crate::simulate::random::{smooth, uniform};

/// What a parcel of cultivated land grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// Sown in autumn, ripe in July.
    Winter,
    /// As [`Crop::Winter`], yellow in April and May.
    Rape,
    /// Sown in April, harvested in September.
    Summer,
    /// Grass for a few years: cultivated land that looks like meadows.
    Ley,
    /// Trees or vines in rows over grass or soil.
    Orchard,
    /// Nothing sown.
    Fallow,
}

/// Share of winter crops that are rape.
const RAPE: f32 = 0.2;
/// Days by which spring comes later for every degree of latitude.
const DAYS_PER_DEGREE: f32 = 2.5;
/// The latitude that days below are stated for, in degrees.
const LATITUDE_DEG: f32 = 48.0;

impl Crop {
    /// Draws what a region grows.
    pub fn draw(region: &Region, rng: &mut impl RngExt) -> Self {
        let mut left = uniform([0.0, region.crops.iter().sum()], rng);
        let found = region.crops.iter().position(|odds| {
            left -= odds;
            left < 0.0
        });
        match found {
            Some(1) => Self::Summer,
            Some(2) => Self::Ley,
            Some(3) => Self::Orchard,
            Some(4) => Self::Fallow,
            _ if rng.random::<f32>() < RAPE => Self::Rape,
            _ => Self::Winter,
        }
    }
}

/// A day at a latitude, as plants take it.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Day of the year, moved to a latitude of 48°.
    day: f32,
    has_dry_summer: bool,
}

impl Time {
    /// The day of the year (1 to 366) at a latitude in degrees.
    pub fn of(day_of_year: u16, latitude_deg: f32, region: &Region) -> Self {
        let late = (latitude_deg - LATITUDE_DEG) * DAYS_PER_DEGREE;
        // Spring is late in the north, autumn is early there.
        let day = f32::from(day_of_year);
        let day = if day < 200.0 { day - late } else { day + late };
        Self { day, has_dry_summer: region.has_dry_summer }
    }

    /// 0 before `from`, 1 after `to`.
    fn after(&self, from: f32, to: f32) -> f32 {
        smooth((self.day - from) / (to - from))
    }

    /// Share of leaves on broad-leaved trees.
    pub fn leaves(&self) -> f32 {
        0.1 + 0.9 * self.after(95.0, 135.0) * (1.0 - self.after(270.0, 310.0))
    }

    /// Share of grass that is dry.
    pub fn drought(&self) -> f32 {
        let winter = 0.5 * (1.0 - self.after(80.0, 115.0)) + 0.35 * self.after(300.0, 340.0);
        let summer = self.after(150.0, 195.0) * (1.0 - self.after(265.0, 300.0));
        (winter + summer * if self.has_dry_summer { 0.85 } else { 0.3 }).min(1.0)
    }

    /// The colour of a parcel `late` days behind the usual; `wild` from 0 to 1 is what differs from parcel to parcel.
    pub fn crop(&self, crop: Crop, palette: &Palette, late: f32, wild: f32) -> Colour {
        let time = Self { day: self.day - late, ..*self };
        let grass = |dry: f32| blend(&palette.grass, &palette.dry_grass, dry.clamp(0.0, 1.0));
        let sown = |green: f32, ripe: f32, straw: f32| {
            let standing = blend(&palette.crop, &palette.straw, ripe);
            let ground = blend(&palette.soil, &palette.straw, straw);
            blend(&ground, &standing, green)
        };
        match crop {
            Crop::Winter | Crop::Rape => {
                let sprouts = 0.25 + 0.2 * wild + 0.6 * time.after(75.0, 120.0);
                let cut = time.after(198.0, 204.0);
                let next = time.after(285.0, 330.0) * 0.4 * wild;
                let standing = (sprouts * (1.0 - cut)).max(next).min(0.95);
                let stubble = cut * (1.0 - time.after(225.0, 260.0)) * (0.4 + 0.5 * wild);
                let found = sown(standing, time.after(160.0, 190.0) * (1.0 - cut), stubble);
                let bloom = time.after(105.0, 115.0) * (1.0 - time.after(130.0, 140.0));
                if crop == Crop::Rape { blend(&found, &palette.flower, 0.7 * bloom) } else { found }
            }
            Crop::Summer => {
                let standing = time.after(130.0, 185.0) * (0.8 + 0.15 * wild) * (1.0 - time.after(255.0, 280.0));
                sown(standing, time.after(235.0, 262.0) * 0.8, 0.15 * wild)
            }
            Crop::Ley => {
                let mown = if wild > 0.6 { 0.3 } else { 0.0 };
                blend(&grass(0.8 * time.drought() + mown), &palette.crop, 0.25)
            }
            Crop::Orchard => {
                let floor = blend(&palette.soil, &grass(time.drought()), 0.2 + 0.6 * wild);
                let trees = if self.has_dry_summer { palette.shrubs } else { time.trees(palette) };
                blend(&floor, &trees, 0.3 + 0.3 * (1.0 - wild))
            }
            Crop::Fallow => blend(&palette.soil, &grass(0.2 + time.drought()), 0.3 + 0.6 * wild),
        }
    }

    /// The colour of a meadow or pasture: mown where `wild` is high.
    pub fn meadow(&self, palette: &Palette, wild: f32) -> Colour {
        let mown = self.after(145.0, 160.0) * (1.0 - self.after(290.0, 310.0)) * smooth((wild - 0.5) * 3.0);
        let grass =
            blend(&palette.grass, &palette.dry_grass, (self.drought() * (0.7 + 0.6 * wild) + 0.35 * mown).min(1.0));
        blend(&grass, &palette.soil, 0.12 * wild)
    }

    /// The colour of broad-leaved trees.
    pub fn trees(&self, palette: &Palette) -> Colour {
        blend(&palette.bare_trees, &palette.leaves, self.leaves())
    }

    /// The colour of natural land of which shares are shrubs, rock and peat.
    pub fn natural(&self, palette: &Palette, shrubs: f32, rock: f32, peat: f32) -> Colour {
        let open = blend(&palette.dry_grass, &palette.grass, 0.5 * (1.0 - self.drought()));
        let grown = blend(&blend(&open, &palette.shrubs, shrubs), &palette.peat, peat);
        blend(&grown, &palette.rock, rock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::landcover::region::REGIONS;
    use crate::simulate::random::rng;

    fn ndvi(colour: Colour) -> f32 {
        (colour[3] - colour[0]) / (colour[3] + colour[0])
    }

    #[test]
    fn crops_are_green_at_different_times() {
        let region = &REGIONS[1];
        let palette = Palette::draw(region, &mut rng(1, "site"));
        let green = |crop, day| ndvi(Time::of(day, 48.0, region).crop(crop, &palette, 0.0, 0.5));
        assert!(green(Crop::Winter, 135) > 0.6 && green(Crop::Summer, 120) < 0.35);
        assert!(green(Crop::Winter, 235) < 0.4 && green(Crop::Summer, 215) > 0.6);
    }

    #[test]
    fn trees_are_bare_in_winter_and_dry_summers_bleach_meadows() {
        let (wet, dry) = (&REGIONS[0], &REGIONS[5]);
        let palette = Palette::draw(wet, &mut rng(1, "site"));
        let trees = |day| ndvi(Time::of(day, 48.0, wet).trees(&palette));
        assert!(trees(190) > trees(30) + 0.2);
        let meadow = |region| ndvi(Time::of(220, 45.0, region).meadow(&palette, 0.2));
        assert!(meadow(wet) > meadow(dry) + 0.2);
    }
}
