//! Ground below simulated skies: the near infrared that RGB patches lack, and bright ground that is no cloud.

use rand::RngExt;

use super::{BANDS, Pixel};
use crate::simulate::atmosphere::Air;
use crate::simulate::field::{self, upper_quantile};
use crate::simulate::random::{log_uniform, uniform};
use crate::simulate::season::{Snow, relief_light};
use crate::simulate::shift::cover_of;
use crate::simulate::spectra::{Surface, tint, tinted};
use crate::simulate::sun::Sun;

/// Indices of [`BANDS`] among all bands.
const INDICES: [usize; 4] = [1, 2, 3, 7];
/// Surfaces that are as bright as thin cloud or more.
const BRIGHT: [Surface; 8] = [
    Surface::DrySand,
    Surface::LightSoil,
    Surface::Excavation,
    Surface::NewConcrete,
    Surface::WeatheredConcrete,
    Surface::MetalRoof,
    Surface::LimestoneRock,
    Surface::Greenhouse,
];
/// Share of chips with rectangles (roofs, fields, greenhouses), with wide bright ground, and with snow.
const ODDS_OF_SHAPES: f32 = 0.5;
const ODDS_OF_WIDE: f32 = 0.2;
const ODDS_OF_SNOW: f32 = 0.06;
/// How much of what was there before shows through.
const OLD_SHARE: f32 = 0.2;
/// Snow in the near infrared relative to the visible.
const SNOW_NIR: f32 = 0.92;

/// The near infrared of real ground of which only the visible is known: **drawn, not measured**. Leaves reflect `leaf`
/// there, open ground `soil` times what it does in red, water `water`; `cover_of` says how much of each there is.
#[derive(Debug, Clone, Copy)]
pub struct NearInfrared {
    leaf: f32,
    soil: f32,
    water: f32,
}

impl NearInfrared {
    /// Draws what holds for one chip: summer leaves to sparse ones, dark soil to bright.
    pub fn draw(rng: &mut impl RngExt) -> Self {
        Self { leaf: uniform([0.22, 0.48], rng), soil: uniform([1.1, 1.6], rng), water: uniform([0.005, 0.03], rng) }
    }

    /// Of one pixel: reflectance of the surface in B02, B03, B04 to that in B08.
    pub fn of(&self, [blue, green, red]: [f32; 3]) -> f32 {
        let [blue, green, red] = [blue, green, red].map(|value| value.max(1e-3));
        let [leaves, water] = cover_of([red, green, blue]);
        let open = 1.0 - leaves - water;
        // Brighter canopies are so in every band.
        let vigour = (green / 0.06).clamp(0.6, 1.4);
        leaves * self.leaf * vigour + open * (0.03 + self.soil * red) + water * self.water
    }
}

/// Takes the air of a clear midsummer day off top-of-atmosphere reflectance, in place; planes in the order of [`BANDS`],
/// as many as there are.
pub fn take_off_air(planes: &mut [f32], area: usize, aerosol_depth: f32, sun: &Sun) {
    let air = Air { sun_cosine: sun.cosine, aerosol_depth };
    for (plane, band) in planes.chunks_mut(area).zip(&BANDS) {
        let passage = air.passage(band.wavelength_um);
        plane.iter_mut().for_each(|value| *value = ((*value - passage.path) / passage.transmittance).max(0.0));
    }
}

/// Puts ground that is bright and no cloud into `ground`, `[B02, B03, B04, B08]` of `side × side` pixels, in place: roofs
/// and fields with straight edges, sand and rock in wide shapes, snow with the relief's light and shade.
pub fn brighten(ground: &mut [f32], side: usize, pixel: Pixel, sun: &Sun, rng: &mut impl RngExt) {
    if rng.random::<f32>() < ODDS_OF_WIDE {
        wide(ground, side, rng);
    }
    if rng.random::<f32>() < ODDS_OF_SHAPES {
        let count = rng.random_range(1..=(side * side / 1_500).max(1));
        (0..count).for_each(|_| rectangle(ground, side, pixel.size_m(), rng));
    }
    if rng.random::<f32>() < ODDS_OF_SNOW {
        snow(ground, side, sun, rng);
    }
}

fn bright(rng: &mut impl RngExt) -> [f32; 4] {
    let surface = BRIGHT[rng.random_range(0..BRIGHT.len())];
    let spectrum = tinted(&surface.spectrum(), &tint(rng));
    INDICES.map(|index| spectrum[index])
}

/// Lays `spectrum` over one pixel, as far as `share` says.
fn lay(ground: &mut [f32], area: usize, pixel: usize, spectrum: &[f32; 4], share: f32) {
    for (plane, value) in ground.chunks_mut(area).zip(spectrum) {
        plane[pixel] += share * (value - plane[pixel]);
    }
}

/// A rectangle of 20 to 400 metres, however turned.
fn rectangle(ground: &mut [f32], side: usize, pixel_m: f32, rng: &mut impl RngExt) {
    let spectrum = bright(rng);
    let [length, width] = [[20.0, 400.0], [15.0, 120.0]].map(|range| log_uniform(range, rng) / pixel_m);
    let (sin, cos) = uniform([0.0, std::f32::consts::PI], rng).sin_cos();
    let [x, y] = [0, 1].map(|_| uniform([0.0, side as f32], rng));
    let reach = length.hypot(width) / 2.0 + 1.0;
    let range = |at: f32| ((at - reach).max(0.0) as usize)..((at + reach).max(0.0) as usize).min(side);
    for row in range(y) {
        for column in range(x) {
            let [right, down] = [column as f32 + 0.5 - x, row as f32 + 0.5 - y];
            let [along, across] = [right * cos + down * sin, down * cos - right * sin];
            let inside = |at: f32, size: f32| (size / 2.0 - at.abs() + 0.5).clamp(0.0, 1.0);
            let share = inside(along, length) * inside(across, width) * (1.0 - OLD_SHARE);
            lay(ground, side * side, row * side + column, &spectrum, share);
        }
    }
}

/// Sand, rock or bare soil over a part of the chip.
fn wide(ground: &mut [f32], side: usize, rng: &mut impl RngExt) {
    let spectrum = bright(rng);
    let [shape, texture] = field::pair(side.next_power_of_two(), uniform([2.4, 3.4], rng), rng).map(|f| f.crop(side));
    let edge = upper_quantile(&shape, uniform([0.03, 0.6], rng));
    for pixel in 0..side * side {
        let share = ((shape[pixel] - edge) / 0.1).clamp(0.0, 1.0) * (1.0 - OLD_SHARE);
        let spectrum = spectrum.map(|value| value * (1.0 + 0.1 * texture[pixel]).max(0.3));
        lay(ground, side * side, pixel, &spectrum, share);
    }
}

/// Snow, less of it under trees.
fn snow(ground: &mut [f32], side: usize, sun: &Sun, rng: &mut impl RngExt) {
    let area = side * side;
    let [drifts, relief] = field::pair(side.next_power_of_two(), 2.6, rng);
    let snow = Snow::draw(&drifts.crop(side), uniform([0.1, 0.95], rng), rng);
    let light = relief_light(&relief, side, uniform([0.05, 0.25], rng), sun);
    for pixel in 0..area {
        let [blue, green, red] = [0, 1, 2].map(|band| ground[band * area + pixel].max(1e-3));
        let [leaves, water] = cover_of([red, green, blue]);
        let share = snow.share[pixel] * (1.0 - 0.6 * leaves) * (1.0 - water);
        let white = snow.reflectance * light[pixel].min(1.3);
        lay(ground, area, pixel, &[white, white, white, SNOW_NIR * white], share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn leaves_are_bright_in_the_near_infrared_soil_a_little_and_water_dark() {
        for seed in 0..20 {
            let near_infrared = NearInfrared::draw(&mut ChaCha8Rng::seed_from_u64(seed));
            let leaf = near_infrared.of([0.03, 0.06, 0.035]);
            let soil = near_infrared.of([0.10, 0.14, 0.19]);
            let water = near_infrared.of([0.05, 0.05, 0.02]);
            assert!(leaf > 4.0 * 0.035 && leaf < 0.6, "{leaf}");
            assert!((0.2..0.4).contains(&soil), "{soil}");
            assert!(water < 0.05, "{water}");
        }
    }

    #[test]
    fn bright_ground_stays_within_what_ground_reflects() {
        let (side, mut brightest) = (64, 0.0f32);
        for seed in 0..40 {
            let mut ground = vec![0.05; 4 * side * side];
            brighten(&mut ground, side, Pixel::Fine, &Sun::at(50.0, 20), &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(ground.iter().all(|value| (0.0..1.3).contains(value)));
            brightest = ground.iter().fold(brightest, |most, value| most.max(*value));
        }
        assert!(brightest > 0.3);
    }
}
