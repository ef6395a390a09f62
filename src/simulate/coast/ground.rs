//! Reflectance of the ground at a site on a day.

use rand::RngExt;

use super::day::{Day, wet};
use super::site::{SIDE, Site};
use crate::simulate::random::{smooth, uniform};
use crate::simulate::spectra::{Spectrum, Surface, mix, tinted};

/// Unevenness of brightness of land and of water.
const LAND_TEXTURE: f32 = 0.08;
const WATER_TEXTURE: f32 = 0.05;
/// Share of a beach, from the water on, that is wet.
const WET_SHARE: f32 = 0.4;
/// Trees hide this share of the snow below them; buildings are warm or steep, beaches are salty.
const CANOPY_HIDES: f32 = 0.6;
const ROOFS_SHED: f32 = 0.3;
const BEACH_MELTS: f32 = 0.5;
/// Structures darken by this share of what wet soil darkens by.
const STRUCTURES_WET: f32 = 0.5;

/// Reflectance of the ground, pixel by pixel, in all bands.
pub fn reflectance(site: &Site, day: &Day, rng: &mut impl RngExt) -> Vec<Spectrum> {
    let beach = Beach::new(site, day);
    let water = Water::new(site, day, rng);
    let mut ground = Vec::with_capacity(SIDE * SIDE);
    let mut melts = Vec::with_capacity(SIDE * SIDE);
    for (pixel, &distance) in site.distance.iter().enumerate() {
        let (spectrum, melt, texture) = if distance > 0.0 {
            let sand = (beach.width_px - distance + 0.5).clamp(0.0, 1.0);
            let shares = &site.covers[pixel];
            let spectrum = mix(&land(shares, day), &beach.at(distance), sand);
            (spectrum, sand * BEACH_MELTS + (1.0 - sand) * CANOPY_HIDES * (shares[0] + shares[1]), LAND_TEXTURE)
        } else {
            (water.at(distance, site.texture.values[pixel]), 1.0, WATER_TEXTURE)
        };
        let gain = (1.0 + texture * site.texture.values[pixel]).max(0.3);
        ground.push(spectrum.map(|value| value * gain));
        melts.push(melt);
    }
    for layer in &site.layers {
        let spectrum = wet(&layer.spectrum, STRUCTURES_WET * day.moisture);
        for &(pixel, share) in &layer.pixels {
            ground[pixel] = mix(&ground[pixel], &spectrum, share);
            melts[pixel] += (ROOFS_SHED - melts[pixel]) * share;
        }
    }
    if let Some(snow) = &day.snow {
        let white = mix(&Surface::OldSnow.spectrum(), &Surface::FreshSnow.spectrum(), snow.freshness);
        for (pixel, spectrum) in ground.iter_mut().enumerate() {
            *spectrum = mix(spectrum, &white, snow.share[pixel] * (1.0 - melts[pixel]));
        }
    }
    ground
}

fn land(shares: &[f32], day: &Day) -> Spectrum {
    let mut spectrum = [0.0; 13];
    for (share, cover) in shares.iter().zip(&day.covers) {
        for (value, reflectance) in spectrum.iter_mut().zip(cover) {
            *value += share * reflectance;
        }
    }
    spectrum
}

/// Sand or rock along the water.
struct Beach {
    width_px: f32,
    dry: Spectrum,
    wet: Spectrum,
}

impl Beach {
    fn new(site: &Site, day: &Day) -> Self {
        let tint = &site.tints[site.tints.len() - 2];
        let (dry, soaked) = match site.has_rocky_shore {
            true => (site.region.rock.spectrum(), wet(&site.region.rock.spectrum(), 0.5)),
            false => (Surface::DrySand.spectrum(), Surface::WetSand.spectrum()),
        };
        Self { width_px: site.beach_px, dry: tinted(&wet(&dry, day.moisture), tint), wet: tinted(&soaked, tint) }
    }

    fn at(&self, distance: f32) -> Spectrum {
        mix(&self.wet, &self.dry, smooth(distance - WET_SHARE * self.width_px + 0.5))
    }
}

/// Sea: shallow over the beach's sand, turbid further out, then deep and clear; surf along the shore.
struct Water {
    deep: Spectrum,
    turbid: Spectrum,
    shallow: Spectrum,
    foam: Spectrum,
    turbidity: f32,
    shallow_px: f32,
    surf_px: f32,
    surf: f32,
}

impl Water {
    fn new(site: &Site, day: &Day, rng: &mut impl RngExt) -> Self {
        let tint = &site.tints[site.tints.len() - 1];
        Self {
            deep: tinted(&Surface::DeepWater.spectrum(), tint),
            turbid: tinted(&Surface::TurbidWater.spectrum(), tint),
            shallow: tinted(&Surface::ShallowWater.spectrum(), tint),
            foam: Surface::Foam.instance(rng),
            turbidity: (site.region.turbidity + uniform([-0.2, 0.2], rng)).clamp(0.0, 1.0),
            shallow_px: if site.has_rocky_shore { 1.0 } else { uniform([2.0, 5.0], rng) },
            surf_px: uniform([0.8, 2.5], rng),
            surf: day.surf,
        }
    }

    fn at(&self, distance: f32, unevenness: f32) -> Spectrum {
        let turbid = self.turbidity * (0.3 + 0.7 * (distance / 15.0).exp());
        let open = mix(&self.deep, &self.turbid, turbid);
        let water = mix(&open, &self.shallow, (distance / self.shallow_px).exp() * (1.0 - 0.5 * self.turbidity));
        let surf = self.surf * (1.0 + distance / self.surf_px).max(0.0) * smooth(0.5 + unevenness);
        mix(&water, &self.foam, surf)
    }
}
