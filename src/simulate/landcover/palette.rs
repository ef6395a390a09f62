//! Colours of what covers the ground, as a region and a site have them.

use rand::RngExt;

use super::region::Region;
use crate::simulate::random::{normal_pair, rng, uniform};
use crate::simulate::spectra::Surface;

/// Reflectance in red, green, blue and near infrared.
pub type Colour = [f32; 4];
/// The bands of a [`Colour`], as indices into [`crate::simulate::bands::ALL`].
pub const BANDS: [usize; 4] = [3, 2, 1, 7];

/// The seed of what is a region's own, whatever set it is drawn for.
const REGION_SEED: u64 = 0;
/// By how much a region's colours, and a site's, differ from the typical: brightness, and each band by itself.
const REGION_SPREAD: [f32; 2] = [0.14, 0.06];
const SITE_SPREAD: [f32; 2] = [0.07, 0.03];

/// What a pixel can be covered by.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Palette {
    pub crop: Colour,
    pub flower: Colour,
    pub straw: Colour,
    pub soil: Colour,
    pub grass: Colour,
    pub dry_grass: Colour,
    pub leaves: Colour,
    pub bare_trees: Colour,
    pub needles: Colour,
    pub shrubs: Colour,
    pub rock: Colour,
    pub peat: Colour,
    pub roofs: [Colour; 4],
    pub asphalt: Colour,
    pub water: [Colour; 2],
    pub snow: Colour,
}

impl Palette {
    /// The colours of a region, as they are at a site.
    pub fn draw(region: &Region, site: &mut impl RngExt) -> Self {
        let mut own = rng(REGION_SEED, region.name);
        let mut tint = |colour: Colour| {
            let of_region = jittered(colour, REGION_SPREAD, &mut own);
            jittered(of_region, SITE_SPREAD, site)
        };
        let mut of = |surface: Surface| tint(colour(surface));
        let crop = of(Surface::GreenVegetation);
        // Rape in flower: red and green go up together, blue stays low.
        let flower = [0.14, 0.17, 0.05, 0.42];
        Self {
            crop,
            flower,
            straw: blend(&of(Surface::DryGrass), &of(Surface::DrySand), 0.35),
            soil: of(region.soil),
            grass: of(Surface::GreenGrass),
            dry_grass: of(Surface::DryGrass),
            leaves: blend(&of(Surface::GreenVegetation), &of(Surface::Evergreen), 0.25),
            bare_trees: of(Surface::BareTrees),
            needles: blend(&of(Surface::Evergreen), &of(Surface::BareTrees), 0.15).map(|value| value * 0.9),
            shrubs: blend(&of(Surface::Evergreen), &of(Surface::DryGrass), 0.3),
            rock: of(region.rock),
            peat: of(Surface::DarkSoil),
            roofs: [Surface::TileRoof, Surface::WeatheredConcrete, Surface::MetalRoof, Surface::NewConcrete]
                .map(&mut of),
            asphalt: of(Surface::Asphalt),
            water: [Surface::DeepWater, Surface::TurbidWater].map(&mut of),
            snow: of(Surface::OldSnow),
        }
    }
}

/// A surface in the four bands.
pub fn colour(surface: Surface) -> Colour {
    let spectrum = surface.spectrum();
    BANDS.map(|band| spectrum[band])
}

/// Between two colours.
pub fn blend(from: &Colour, to: &Colour, share: f32) -> Colour {
    std::array::from_fn(|band| from[band] + (to[band] - from[band]) * share)
}

/// A colour made brighter or darker, and each band a little by itself.
pub fn jittered(colour: Colour, [brightness, band]: [f32; 2], rng: &mut impl RngExt) -> Colour {
    let gain = 1.0 + uniform([-1.7, 1.7], rng) * brightness;
    let [a, b] = [normal_pair(rng), normal_pair(rng)];
    let own = [a[0], a[1], b[0], b[1]];
    std::array::from_fn(|index| (colour[index] * gain * (1.0 + band * own[index])).max(0.001))
}
