//! The land of a tile: a class and a colour for every pixel.

use rand::RngExt;

use super::growth::Time;
use super::palette::{Colour, Palette, blend};
use super::parcel::{Parcel, Parcels};
use super::region::Region;
use super::{Class, SIDE, stroke};
use crate::simulate::field::{self, Field, upper_quantile};
use crate::simulate::random::{log_uniform, normal_pair, smooth, uniform};

/// Slopes of the spectra of heights and suitability, of woods, and of texture.
const SLOPES: [f32; 3] = [3.2, 2.6, 1.7];
/// How sharply kinds of land part, and by how much tiles differ from their region.
const CONTRAST: f32 = 1.7;
const TILE_SPREAD: f32 = 0.6;
/// How much a parcel leans against its neighbourhood: open land, and the edge of woods.
const LEANING: [f32; 2] = [0.9, 0.35];
/// Natural land is rare beside what its odds say, for it takes the heights.
const RARE: f32 = 0.6;
/// Share of parcels that a map takes for what they are not.
const MISTAKES: f32 = 0.03;
/// Texture of woods above which a single grove stands in open land, in deviations.
const GROVE: f32 = 2.3;
/// Town ground counts as artificial from this density on.
const TOWN_DENSITY: f32 = 0.38;

/// A tile's land.
#[derive(Debug, Clone)]
pub struct Land {
    /// Class of every pixel, without the mistakes of a map.
    pub classes: Vec<Class>,
    /// Pixels that a map is wrong about, as it takes a whole parcel for another class.
    pub mistaken: Vec<bool>,
    /// Reflectance of every pixel.
    pub colours: Vec<Colour>,
    /// Heights: mean 0, deviation 1.
    pub relief: Field,
}

/// The fields that all kinds of land follow.
struct Fields {
    height: Field,
    farm: Field,
    wood: Field,
    kind: Field,
    texture: Field,
    speckle: Field,
}

/// What a tile is drawn with.
pub struct Brush<'a> {
    /// Its style.
    pub region: &'a Region,
    /// The site's colours.
    pub palette: &'a Palette,
    /// The site's day.
    pub time: Time,
    /// How the site differs from its region: log odds of cultivated, herbaceous, wooded and natural land.
    pub leaning: [f32; 4],
}

impl Land {
    /// Draws a tile.
    pub fn draw(brush: &Brush<'_>, rng: &mut impl RngExt) -> Self {
        let [[height, farm], [wood, kind], [texture, speckle]] = SLOPES.map(|slope| field::pair(SIDE, slope, rng));
        let fields = Fields { height, farm, wood, kind, texture, speckle };
        let mut land = open_land(brush, &fields, rng);
        land.waters(brush, &fields, rng);
        land.towns(brush, &fields, rng);
        if rng.random::<f32>() < brush.region.snow {
            land.snow(brush.palette, rng);
        }
        land
    }

    /// Covers a share of a pixel; what covers more than half of it decides its class.
    fn cover(&mut self, pixel: usize, share: f32, class: Class, colour: &Colour) {
        self.colours[pixel] = blend(&self.colours[pixel], colour, share);
        if share >= 0.5 {
            self.classes[pixel] = class;
            self.mistaken[pixel] = false;
        }
    }

    fn waters(&mut self, brush: &Brush<'_>, fields: &Fields, rng: &mut impl RngExt) {
        let region = brush.region;
        let colour = blend(&brush.palette.water[0], &brush.palette.water[1], rng.random());
        if rng.random::<f32>() < region.lakes {
            let low: Vec<f32> = fields.height.values.iter().map(|height| -height).collect();
            let edge = upper_quantile(&low, log_uniform([0.01, 0.45], rng));
            for (pixel, low) in low.into_iter().enumerate() {
                // Reeds and mud at the shore: the edge is no line.
                self.cover(pixel, smooth((low - edge) / 0.06 + 0.5), Class::Water, &colour);
            }
        }
        if rng.random::<f32>() < region.rivers {
            let mut shares = vec![0.0; SIDE * SIDE];
            stroke::draw(&mut shares, &stroke::across(0.02, rng), log_uniform([0.5, 5.0], rng));
            for (pixel, share) in shares.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
                self.cover(pixel, share, Class::Water, &colour);
            }
        }
    }

    fn towns(&mut self, brush: &Brush<'_>, fields: &Fields, rng: &mut impl RngExt) {
        let region = brush.region;
        let mut places = Vec::new();
        let mut town = |radius_px: [f32; 2], rng: &mut _| {
            places.push(([(); 2].map(|()| uniform([0.0, SIDE as f32], rng)), log_uniform(radius_px, rng)));
        };
        // A geometric number of villages with the region's mean.
        while rng.random::<f32>() < region.villages / (1.0 + region.villages) {
            town([3.0, 14.0], rng);
        }
        if rng.random::<f32>() < region.towns {
            town([25.0, 90.0], rng);
        }
        let mut roads = vec![0.0; SIDE * SIDE];
        for pair in places.windows(2) {
            stroke::draw(&mut roads, &stroke::between(pair[0].0, pair[1].0), uniform([0.3, 0.6], rng));
        }
        for _ in 0..rng.random_range(0..3) {
            stroke::draw(&mut roads, &stroke::across(0.004, rng), uniform([0.3, 0.9], rng));
        }
        for (pixel, share) in roads.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            let colour = blend(&brush.palette.asphalt, &brush.palette.soil, 0.3);
            self.cover(pixel, share * 0.8, Class::Artificial, &colour);
        }
        for (place, radius_px) in places {
            self.town(brush, fields, place, radius_px, rng);
        }
    }

    fn town(&mut self, brush: &Brush<'_>, fields: &Fields, place: [f32; 2], radius_px: f32, rng: &mut impl RngExt) {
        let palette = brush.palette;
        let trees = brush.time.trees(palette);
        let garden = blend(&brush.time.meadow(palette, 0.3), &trees, 0.4);
        // Most roofs of a place are alike.
        let usual = rng.random_range(0..palette.roofs.len());
        let (built_share, is_works) = (uniform([0.35, 0.75], rng), rng.random::<f32>() < 0.12);
        // Beyond twice the radius the density is below the least.
        let near = |axis: usize| {
            let ends = [place[axis] - 2.0 * radius_px, place[axis] + 2.0 * radius_px + 1.0];
            ends[0].max(0.0) as usize..(ends[1] as usize).min(SIDE)
        };
        for pixel in near(0).flat_map(|row| near(1).map(move |column| row * SIDE + column)) {
            let (row, column) = (pixel / SIDE, pixel % SIDE);
            let away = (row as f32 - place[0]).hypot(column as f32 - place[1]) / radius_px;
            if self.classes[pixel] == Class::Water {
                continue;
            }
            let density = (-1.1 * away * away).exp() + 0.12 * fields.texture.values[pixel];
            if density < TOWN_DENSITY {
                continue;
            }
            let built = if rng.random::<f32>() < density * built_share + f32::from(u8::from(is_works)) * 0.3 {
                uniform([0.4, 1.0], rng)
            } else {
                uniform([0.0, 0.35], rng)
            };
            let roof = if rng.random::<f32>() < 0.65 { usual } else { rng.random_range(0..palette.roofs.len()) };
            let hard = blend(&palette.roofs[roof], &palette.asphalt, uniform([0.0, 0.7], rng));
            self.cover(pixel, 1.0, Class::Artificial, &blend(&garden, &hard, built));
        }
    }

    fn snow(&mut self, palette: &Palette, rng: &mut impl RngExt) {
        let edge = upper_quantile(&self.relief.values, log_uniform([0.001, 0.02], rng));
        for pixel in 0..SIDE * SIDE {
            let share = smooth((self.relief.values[pixel] - edge) / 0.1 + 0.5);
            self.cover(pixel, share, Class::Snow, &palette.snow);
        }
    }
}

/// Fields, meadows, woods and natural land.
fn open_land(brush: &Brush<'_>, fields: &Fields, rng: &mut impl RngExt) -> Land {
    let region = brush.region;
    let [a, b] = [normal_pair(rng), normal_pair(rng)];
    let own = [a[0], a[1], b[0], b[1]];
    let odds: [f32; 4] =
        std::array::from_fn(|kind| region.land[kind].max(0.01).ln() + brush.leaning[kind] + TILE_SPREAD * own[kind]);
    let parcels = Parcels::draw(region, MISTAKES, rng);
    let conifers = uniform([-0.5, 0.5], rng) + logit(region.conifers);
    let mut land = Land {
        classes: Vec::with_capacity(SIDE * SIDE),
        mistaken: Vec::with_capacity(SIDE * SIDE),
        colours: Vec::with_capacity(SIDE * SIDE),
        relief: fields.height.clone(),
    };
    for pixel in 0..SIDE * SIDE {
        let (parcel, border_px) = parcels.at(pixel / SIDE, pixel % SIDE, [&fields.height, &fields.farm]);
        let (class, mut colour) = pixel_of(brush, fields, &odds, conifers, parcel, pixel);
        let is_open = matches!(class, Class::Cultivated | Class::Herbaceous);
        if is_open && border_px < 0.6 {
            // Thinner than a pixel: a hedge, or the track between two fields.
            let (line, share) = match parcel.has_hedge {
                true => (brush.time.trees(brush.palette), 0.45),
                false => (brush.palette.soil, 0.2),
            };
            colour = blend(&colour, &line, share);
        }
        let unevenness = 1.0 + 0.05 * fields.texture.values[pixel];
        land.classes.push(class);
        land.mistaken.push(parcel.is_mistaken && class != Class::Natural);
        land.colours.push(colour.map(|value| value * unevenness));
    }
    land
}

fn logit(share: f32) -> f32 {
    (share / (1.0 - share)).ln()
}

/// Class and colour of a pixel of open land or wood.
fn pixel_of(
    brush: &Brush<'_>,
    fields: &Fields,
    odds: &[f32; 4],
    conifers: f32,
    parcel: &Parcel,
    pixel: usize,
) -> (Class, Colour) {
    let (palette, time, region) = (brush.palette, &brush.time, brush.region);
    let [height, farm, wood, kind, texture, speckle] =
        [&fields.height, &fields.farm, &fields.wood, &fields.kind, &fields.texture, &fields.speckle]
            .map(|field| field.values[pixel]);
    // A parcel is one thing: what suits its middle.
    let middle = |field: &Field| field.at(parcel.middle[0], parcel.middle[1]);
    let suits = middle(&fields.farm) - 0.4 * middle(&fields.height);
    let is_odd = parcel.wild < region.mosaic;
    let field_odds = odds[0] + CONTRAST * 0.6 * suits + LEANING[0] * parcel.leaning;
    let grass_odds = odds[1] - CONTRAST * 0.4 * suits;
    let is_field = (field_odds > grass_odds) != is_odd;
    let open_odds = field_odds.max(grass_odds) - LEANING[1] * parcel.leaning;
    let wood_odds = odds[2] + CONTRAST * wood + 0.25 * CONTRAST * height;
    let wild_odds = odds[3] - RARE + CONTRAST * 0.9 * height - 0.4 * CONTRAST * farm + 0.3 * texture;
    let shaded = |colour: Colour, depth: f32| colour.map(|value| value * (1.0 + depth * speckle).max(0.4));
    if wood_odds > open_odds.max(wild_odds) {
        let needles = 1.0 / (1.0 + (-(conifers + 1.5 * kind + 0.5 * parcel.leaning) / 0.6).exp());
        let canopy = blend(&time.trees(palette), &palette.needles, needles);
        // Clearings, and the shadows of crowns.
        let gaps = smooth((texture - 1.2) / 1.5) * 0.6;
        let colour = shaded(blend(&canopy, &time.meadow(palette, 0.6), gaps), 0.12);
        return (if needles > 0.5 { Class::Coniferous } else { Class::Broadleaf }, colour);
    }
    if wild_odds > open_odds {
        let rock = smooth((texture + 0.6 * height - 1.6 + 2.4 * region.rocky) / 2.0);
        let shrubs = smooth((speckle + kind - 0.8 + 2.5 * region.shrubs) / 2.5);
        let peat = smooth((-height - 0.3 * kind) / 1.5);
        return (Class::Natural, shaded(time.natural(palette, shrubs, rock, peat), 0.08));
    }
    if speckle + 0.4 * wood > GROVE {
        return (Class::Broadleaf, shaded(time.trees(palette), 0.08));
    }
    let class = if is_field { Class::Cultivated } else { Class::Herbaceous };
    let colour = match is_field {
        true => time.crop(parcel.crop, palette, parcel.late, parcel.wild),
        false => {
            let meadow = time.meadow(palette, parcel.wild);
            // Single trees and bushes.
            blend(&meadow, &palette.shrubs, 0.4 * smooth((speckle + texture - 1.8) / 2.0))
        }
    };
    (class, colour.map(|value| value * parcel.gain))
}
