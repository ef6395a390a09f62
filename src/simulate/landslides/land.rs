//! What covers the ground of a patch on two dates.

use rand::RngExt;

use super::SIDE;
use super::palette::{Colour, Cover, Matter, Palette, Scatter};
use super::region::Region;
use super::terrain::Terrain;
use crate::simulate::field::{self, Field, upper_quantile};
use crate::simulate::random::{log_uniform, smooth, uniform};

/// Slopes of the spectra of woods, and of texture.
const WOOD_SLOPE: f32 = 2.8;
const TEXTURE_SLOPE: f32 = 1.6;
/// Steepness above which soil does not hold, as tan of the slope, and how far that varies.
const BARE_STEEPNESS: f32 = 1.05;
/// Steepness up to which fields are tilled.
const TILLED_STEEPNESS: f32 = 0.32;
/// Deviations of the texture of colours and, in dB, of scatter, which is the same on both dates.
const COLOUR_TEXTURE: f32 = 0.09;
const SCATTER_TEXTURE_DB: f32 = 0.8;
/// Width of the edge of snow in deviations of what it is cut from.
const SNOW_EDGE: f32 = 0.25;

/// The dates that something lies there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Gone by the later date.
    Earlier,
    /// New.
    Later,
    /// There all along.
    Both,
}

/// A parcel: what grows on it on the two dates.
type Parcel = [Cover; 2];

/// The ground of a patch.
#[derive(Debug, Clone)]
pub struct Land {
    /// Reflectance on the later date.
    pub colours: Vec<Colour>,
    /// γ⁰ on the earlier and the later date.
    pub scatter: [Vec<Scatter>; 2],
    /// What mostly covers each pixel before anything changes.
    pub covers: Vec<Cover>,
}

/// What land is drawn with.
pub struct Brush<'a> {
    /// Its style.
    pub region: &'a Region,
    /// The site's covers.
    pub palette: &'a Palette,
    /// Share of snow on the two dates.
    pub snow: [f32; 2],
}

impl Land {
    /// Draws what covers a terrain, without slides and other changes but those of fields and snow.
    pub fn draw(brush: &Brush<'_>, terrain: &Terrain, rng: &mut impl RngExt) -> Self {
        let [wood, kind] = field::pair(SIDE, WOOD_SLOPE, rng);
        let [texture, height] = field::pair(SIDE, TEXTURE_SLOPE, rng);
        let covers = covers(brush.region, terrain, [&wood, &kind, &texture], rng);
        let parcels = Parcels::draw(rng);
        let mut land = Self { colours: Vec::new(), scatter: [Vec::new(), Vec::new()], covers };
        for pixel in 0..SIDE * SIDE {
            let [earlier, later] = match land.covers[pixel] {
                Cover::Crop => parcels.at(pixel),
                cover => [cover, cover],
            };
            let uneven = 1.0 + COLOUR_TEXTURE * texture.values[pixel];
            let strong = 10f32.powf(SCATTER_TEXTURE_DB * height.values[pixel] / 10.0);
            land.colours.push(brush.palette.matter(later).colour.map(|value| value * uneven.max(0.4)));
            for (date, cover) in [earlier, later].into_iter().enumerate() {
                land.scatter[date].push(brush.palette.matter(cover).scatter[date].map(|value| value * strong));
            }
        }
        land.river(brush.palette, terrain);
        land.snow(brush, terrain, &height);
        land
    }

    /// Covers a share of a pixel.
    pub fn lay(&mut self, pixel: usize, share: f32, matter: &Matter, when: When) {
        if when != When::Earlier {
            self.colours[pixel] = blend(&self.colours[pixel], &matter.colour, share);
        }
        for (date, not) in [(0, When::Later), (1, When::Earlier)] {
            if when != not {
                let scatter = &mut self.scatter[date][pixel];
                *scatter = blend(scatter, &matter.scatter[date], share);
            }
        }
    }

    /// Water in its bed of gravel along the valley's axis.
    fn river(&mut self, palette: &Palette, terrain: &Terrain) {
        if !terrain.has_river() {
            return;
        }
        let [water, gravel] = [Cover::Water, Cover::Gravel].map(|cover| palette.matter(cover));
        for (pixel, distance) in terrain.from_axis_px.iter().enumerate() {
            let within = |half_px: f32| (half_px - distance + 0.5).clamp(0.0, 1.0);
            self.lay(pixel, within(0.35 * terrain.floor_px), &gravel, When::Both);
            self.lay(pixel, within(0.12 * terrain.floor_px), &water, When::Both);
        }
    }

    /// Snow from the heights down, further down on one of the dates.
    fn snow(&mut self, brush: &Brush<'_>, terrain: &Terrain, drift: &Field) {
        if brush.snow == [0.0; 2] {
            return;
        }
        let heights: Vec<f32> = (0..SIDE * SIDE).map(|pixel| terrain.height_at(pixel)).collect();
        let mean = heights.iter().sum::<f32>() / heights.len() as f32;
        let spread = (heights.iter().map(|h| (h - mean).powi(2)).sum::<f32>() / heights.len() as f32).sqrt().max(0.1);
        let key: Vec<f32> = heights.iter().zip(&drift.values).map(|(h, d)| (h - mean) / spread + 0.4 * d).collect();
        let snow = brush.palette.matter(Cover::Snow);
        for (cover, when) in brush.snow.into_iter().zip([When::Earlier, When::Later]).filter(|(cover, _)| *cover > 0.0)
        {
            let edge = upper_quantile(&key, cover);
            for (pixel, key) in key.iter().enumerate() {
                // Trees stand above it.
                let open = if is_forest(self.covers[pixel]) { 0.35 } else { 1.0 };
                self.lay(pixel, open * smooth((key - edge) / SNOW_EDGE + 0.5), &snow, when);
            }
        }
    }
}

/// Whether it is of trees.
pub fn is_forest(cover: Cover) -> bool {
    matches!(cover, Cover::Broadleaf | Cover::Conifer)
}

/// Between two colours or scatters.
fn blend<const N: usize>(from: &[f32; N], to: &[f32; N], share: f32) -> [f32; N] {
    std::array::from_fn(|index| from[index] + (to[index] - from[index]) * share)
}

/// The cover of every pixel: rock where it is too steep or too high, fields where it is gentle, else forest, shrubs, grass.
fn covers(region: &Region, terrain: &Terrain, fields: [&Field; 3], rng: &mut impl RngExt) -> Vec<Cover> {
    let [wood, kind, texture] = fields.map(|field| &field.values);
    let forest = (region.forest + uniform([-0.3, 0.3], rng)).clamp(0.0, 0.97);
    // Half of the patches have no rock that is not steep.
    let rocky = (region.rocky * uniform([-0.8, 0.8], rng)).max(0.0);
    let (wood_edge, conifer_edge) = (upper_quantile(wood, forest), upper_quantile(kind, region.conifers));
    let rock_edge = upper_quantile(kind, rocky);
    let is_tilled = rng.random::<f32>() < region.fields;
    let (shrubs, soil) = (uniform([0.2, 0.8], rng), uniform([0.0, 0.004], rng));
    let soil_edge = upper_quantile(texture, soil);
    let cover = |pixel: usize| {
        let steepness = terrain.steepness(pixel);
        if steepness > BARE_STEEPNESS + 0.15 * kind[pixel] || (kind[pixel] > rock_edge && steepness > 0.35) {
            return Cover::Rock;
        }
        if is_tilled && steepness < TILLED_STEEPNESS && wood[pixel] < wood_edge + 0.6 {
            return Cover::Crop;
        }
        if wood[pixel] + 0.15 * texture[pixel] > wood_edge {
            // Stands are mixed.
            return if kind[pixel] + 0.5 * texture[pixel] > conifer_edge { Cover::Conifer } else { Cover::Broadleaf };
        }
        match () {
            () if texture[pixel] > soil_edge => Cover::Soil,
            () if wood[pixel] > wood_edge - shrubs => Cover::Shrub,
            () => Cover::Grass,
        }
    };
    (0..SIDE * SIDE).map(cover).collect()
}

/// Fields in a bent grid, each with a parcel's plan.
struct Parcels {
    along: [f32; 2],
    size_px: [f32; 2],
    plans: [Parcel; 11],
}

impl Parcels {
    fn draw(rng: &mut impl RngExt) -> Self {
        let (sin, cos) = uniform([0.0, std::f32::consts::PI], rng).sin_cos();
        let width = log_uniform([2.5, 9.0], rng);
        let size_px = [width, width * uniform([1.0, 3.0], rng)];
        let plans = std::array::from_fn(|_| match rng.random_range(0..10) {
            0..4 => [Cover::Crop, Cover::Crop],
            4..6 => [Cover::Crop, Cover::Stubble],
            6 => [Cover::Stubble, Cover::Ploughed],
            7 => [Cover::Ploughed, Cover::Crop],
            8 => [Cover::Crop, Cover::Ploughed],
            _ => [Cover::Grass, Cover::Grass],
        });
        Self { along: [sin, cos], size_px, plans }
    }

    fn at(&self, pixel: usize) -> Parcel {
        let ([sin, cos], [width, length]) = (self.along, self.size_px);
        let [down, right] = [pixel / SIDE, pixel % SIDE].map(|index| index as f32);
        let across = ((down * cos + right * sin) / width).floor() as i32;
        let along = ((right * cos - down * sin) / length + 0.4 * across as f32).floor() as i32;
        self.plans[(across * 7 + along * 3).rem_euclid(self.plans.len() as i32) as usize]
    }
}
