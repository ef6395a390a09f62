//! A site: what stays the same on all dates.

use rand::RngExt;

use super::Knobs;
use super::cluster::{BELT_PX, BEYOND_PX, Cluster, Size};
use super::region::{COVERS, Region};
use super::shape::Shape;
use super::shore;
use crate::simulate::field::{self, Field};
use crate::simulate::random::{Span, uniform};
use crate::simulate::spectra::{Spectrum, Surface, tint};

/// Height and width of a tile in pixels of 10 m.
pub const SIDE: usize = 64;
/// Slopes of the spectra of the shore's course, of relief, of land cover and of its texture.
const SHORE_SLOPE: f32 = 3.2;
const RELIEF_SLOPE: f32 = 3.5;
const COVER_SLOPE: f32 = 2.8;
const TEXTURE_SLOPE: f32 = 1.6;
/// How sharply land covers part.
const COVER_CONTRAST: f32 = 2.5;
/// Structures of a construction site, and of everything that looks like one.
const CONSTRUCTION: Size = Size { structures: [2, 6], side_px: [1.0, 3.2] };
/// Houses of an old settlement.
const SETTLEMENT: Size = Size { structures: [4, 10], side_px: [0.8, 2.2] };
/// Heights in pixels: 3 to 9 m for buildings, up to 3 m for rocks.
const BUILDING_HEIGHT_PX: Span = [0.3, 0.9];
const ROCK_HEIGHT_PX: Span = [0.0, 0.3];

/// Something of one material that lies on the land or stands on it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its pixels, with the share that it covers.
    pub pixels: Vec<(usize, f32)>,
    /// Its spectrum.
    pub spectrum: Spectrum,
    /// Its outline, where it casts a shadow, and its height in pixels.
    pub tall: Option<(Shape, f32)>,
}

/// What is true of a site.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Truth {
    /// Whether there is construction inside the belt.
    pub is_positive: bool,
    /// Area of the structures inside the belt in pixels; 0 for negatives.
    pub footprint_px: f32,
    /// Number of those structures.
    pub structures: usize,
    /// Groups inside the belt that only look like construction.
    pub lookalikes: usize,
    /// Groups of buildings beyond the belt.
    pub settlements: usize,
}

/// A stretch of coast.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its style.
    pub region: &'static Region,
    /// Signed distance from the shore in pixels, positive on land.
    pub distance: Vec<f32>,
    /// Shares of the land covers of every pixel.
    pub covers: Vec<[f32; COVERS]>,
    /// How its land covers, its beach and its water differ from the typical.
    pub tints: [Spectrum; COVERS + 2],
    /// Width of the beach in pixels, and whether it is rock.
    pub beach_px: f32,
    /// Whether the shore is rock instead of sand.
    pub has_rocky_shore: bool,
    /// Unevenness of brightness: mean 0, deviation 1.
    pub texture: Field,
    /// Heights: mean 0, deviation 1.
    pub relief: Field,
    /// What was put on the land, lowest first.
    pub layers: Vec<Layer>,
    /// The pixels of the construction, or of where it would have been: what has to be visible.
    pub target: Vec<(usize, f32)>,
    /// What is true of it.
    pub truth: Truth,
}

impl Site {
    /// Draws a coast. Positives have construction inside the belt; negatives have the same somewhere beyond it, so that
    /// neither the amount of concrete nor its shape tells them apart.
    pub fn draw(region: &'static Region, is_positive: bool, knobs: &Knobs, rng: &mut impl RngExt) -> Self {
        let size = scaled(&CONSTRUCTION, knobs.footprint_scale * region.building_scale);
        let (distance, target) = loop {
            let wander = field::single(2 * SIDE, SHORE_SLOPE, rng);
            let Some(distance) = shore::draw(SIDE, &wander, region.shore_roughness_px, rng) else { continue };
            if let Some(target) = Cluster::draw(&distance, SIDE, &BELT_PX, &[], &size, rng) {
                break (distance, target);
            }
        };
        let [texture, relief] = [TEXTURE_SLOPE, RELIEF_SLOPE].map(|slope| field::single(SIDE, slope, rng));
        let mut site = Self {
            region,
            covers: covers(&region.land, rng),
            tints: std::array::from_fn(|_| tint(rng)),
            beach_px: uniform(region.beach_px, rng),
            has_rocky_shore: rng.random::<f32>() < region.rocky,
            texture,
            relief,
            layers: Vec::new(),
            target: target.structures.iter().flat_map(|shape| shape.coverage(SIDE)).collect(),
            truth: Truth { is_positive, ..Truth::default() },
            distance,
        };
        site.furnish(target, &size, knobs, rng);
        site
    }

    fn furnish(&mut self, target: Cluster, size: &Size, knobs: &Knobs, rng: &mut impl RngExt) {
        let mut taken = vec![target.centre];
        self.roads(rng);
        let settlements = count(self.region.settlements * uniform([0.0, 2.0], rng), rng);
        for _ in 0..settlements {
            let size = scaled(&SETTLEMENT, self.region.building_scale);
            if let Some(cluster) = Cluster::draw(&self.distance, SIDE, &BEYOND_PX, &taken, &size, rng) {
                taken.push(cluster.centre);
                self.settle(&cluster, rng);
            }
        }
        for _ in 0..count(knobs.lookalike_rate, rng) {
            if let Some(cluster) = Cluster::draw(&self.distance, SIDE, &BELT_PX, &taken, size, rng) {
                taken.push(cluster.centre);
                self.imitate(&cluster, rng);
                self.truth.lookalikes += 1;
            }
        }
        if self.truth.is_positive {
            self.truth.structures = target.structures.len();
            self.truth.footprint_px = area(&target.structures);
            self.construct(&target, rng);
        } else if let Some(cluster) = Cluster::draw(&self.distance, SIDE, &BEYOND_PX, &taken, size, rng) {
            self.construct(&cluster, rng);
            self.truth.settlements += 1;
        }
    }

    /// A road behind the belt, and sometimes a pier.
    fn roads(&mut self, rng: &mut impl RngExt) {
        if rng.random::<f32>() < 0.5 {
            let [along, half_width] = [uniform([11.0, 20.0], rng), uniform([0.3, 0.6], rng)];
            let share = |distance: f32| (half_width + 0.5 - (distance - along).abs()).clamp(0.0, 1.0);
            let pixels =
                self.distance.iter().map(|d| share(*d)).enumerate().filter(|(_, share)| *share > 0.0).collect();
            self.layers.push(Layer { pixels, spectrum: Surface::Asphalt.instance(rng), tall: None });
        }
        if rng.random::<f32>() < 0.15 {
            let shore: Vec<usize> =
                (0..SIDE * SIDE).filter(|pixel| (0.0..1.0).contains(&self.distance[*pixel])).collect();
            let start = shore[rng.random_range(0..shore.len())];
            let start = [(start / SIDE) as f32, (start % SIDE) as f32];
            let [down, right] = shore::gradient(&self.distance, SIDE, start);
            let half = [uniform([2.0, 5.0], rng), uniform([0.4, 0.8], rng)];
            let centre = [start[0] - down * half[0], start[1] - right * half[0]];
            let pier = Shape { centre, half, angle: right.atan2(down), has_notch: false };
            self.lay(pier, Surface::WeatheredConcrete, [0.2, 0.4], rng);
        }
    }

    fn settle(&mut self, cluster: &Cluster, rng: &mut impl RngExt) {
        self.truth.settlements += 1;
        self.level(cluster, self.region.soil, rng);
        let roofs = [Surface::TileRoof, Surface::MetalRoof, Surface::WeatheredConcrete];
        for shape in &cluster.structures {
            let roof = roofs[weighted(&self.region.roofs, rng)];
            self.lay(*shape, roof, BUILDING_HEIGHT_PX, rng);
        }
    }

    /// A group of one material that is no building, in the shapes of buildings.
    fn imitate(&mut self, cluster: &Cluster, rng: &mut impl RngExt) {
        let (rock, soil) = (self.region.rock, self.region.soil);
        let materials = [rock, Surface::Excavation, soil, Surface::DrySand, Surface::Asphalt, Surface::Greenhouse];
        let material = materials[rng.random_range(0..materials.len())];
        let height = match material {
            Surface::Greenhouse => BUILDING_HEIGHT_PX,
            Surface::LimestoneRock | Surface::Basalt => ROCK_HEIGHT_PX,
            _ => [0.0, 0.0],
        };
        self.level(cluster, soil, rng);
        for shape in &cluster.structures {
            self.lay(*shape, material, height, rng);
        }
    }

    fn construct(&mut self, cluster: &Cluster, rng: &mut impl RngExt) {
        let ground = if rng.random::<f32>() < 0.5 { Surface::Excavation } else { self.region.soil };
        self.level(cluster, ground, rng);
        for shape in &cluster.structures {
            let materials = [Surface::NewConcrete, Surface::MetalRoof, Surface::TileRoof];
            let material = materials[weighted(&[0.75, 0.15, 0.1], rng)];
            self.lay(*shape, material, BUILDING_HEIGHT_PX, rng);
        }
    }

    /// Levelled ground and the track.
    fn level(&mut self, cluster: &Cluster, ground: Surface, rng: &mut impl RngExt) {
        for shape in &cluster.ground {
            self.lay(*shape, ground, [0.0, 0.0], rng);
        }
    }

    fn lay(&mut self, shape: Shape, surface: Surface, height_px: Span, rng: &mut impl RngExt) {
        let height = uniform(height_px, rng);
        let tall = (height > 0.0).then_some((shape, height));
        self.layers.push(Layer { pixels: shape.coverage(SIDE), spectrum: surface.instance(rng), tall });
    }
}

/// Area in pixels within the tile that at least one of the shapes covers; where they overlap, the larger share counts.
fn area(shapes: &[Shape]) -> f32 {
    let mut covered = std::collections::BTreeMap::<usize, f32>::new();
    for (pixel, share) in shapes.iter().flat_map(|shape| shape.coverage(SIDE)) {
        let largest = covered.entry(pixel).or_default();
        *largest = largest.max(share);
    }
    covered.values().sum()
}

fn scaled(size: &Size, scale: f32) -> Size {
    Size { side_px: size.side_px.map(|side| side * scale), ..*size }
}

/// A whole number with this mean: the fraction decides by chance.
fn count(mean: f32, rng: &mut impl RngExt) -> usize {
    mean as usize + usize::from(rng.random::<f32>() < mean.fract())
}

/// An index with these odds.
fn weighted(odds: &[f32], rng: &mut impl RngExt) -> usize {
    let mut left = rng.random::<f32>() * odds.iter().sum::<f32>();
    odds.iter()
        .position(|odd| {
            left -= odd;
            left < 0.0
        })
        .unwrap_or(odds.len() - 1)
}

/// Land covers side by side in these proportions: the soft maximum of as many fields.
fn covers(odds: &[f32; COVERS], rng: &mut impl RngExt) -> Vec<[f32; COVERS]> {
    let fields: Vec<Field> = (0..COVERS / 2).flat_map(|_| field::pair(SIDE, COVER_SLOPE, rng)).collect();
    let shares = |pixel: usize| {
        let weights: [f32; COVERS] =
            std::array::from_fn(|cover| odds[cover] * (COVER_CONTRAST * fields[cover].values[pixel]).exp());
        let sum: f32 = weights.iter().sum();
        weights.map(|weight| weight / sum)
    };
    (0..SIDE * SIDE).map(shares).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::coast::region::REGIONS;
    use crate::simulate::random::rng;

    fn sites(is_positive: bool, lookalike_rate: f32) -> Vec<Site> {
        let knobs = Knobs { lookalike_rate, ..Knobs::default() };
        let draw =
            |n: usize| Site::draw(&REGIONS[n % REGIONS.len()], is_positive, &knobs, &mut rng(1, &format!("{n}")));
        (0..48).map(draw).collect()
    }

    /// Whether something higher than a pier or a rock stands inside the belt.
    fn is_built_in_belt(site: &Site) -> bool {
        let tall = site.layers.iter().filter(|layer| layer.tall.is_some_and(|(_, height)| height > 0.4));
        tall.flat_map(|layer| &layer.pixels).any(|(pixel, _)| BELT_PX.contains(&site.distance[*pixel]))
    }

    #[test]
    fn buildings_stand_inside_the_belt_of_positives_alone() {
        assert!(sites(false, 0.0).iter().all(|site| !is_built_in_belt(site)));
        let positives = sites(true, 0.0);
        assert!(positives.iter().filter(|site| is_built_in_belt(site)).count() > 44, "all but the lowest");
        for site in positives {
            assert!(site.target.iter().all(|(pixel, _)| BELT_PX.contains(&site.distance[*pixel])));
            assert!((1.0..80.0).contains(&site.truth.footprint_px), "{}", site.truth.footprint_px);
        }
    }

    #[test]
    fn negatives_have_as_much_concrete_as_positives_and_as_many_look_alikes() {
        let concrete = Surface::NewConcrete.spectrum();
        // Within the tint's reach in brightness, and as level from blue to short-wave infrared.
        let is_concrete = |layer: &&Layer| {
            let ratio = layer.spectrum[11] / layer.spectrum[1] / (concrete[11] / concrete[1]);
            layer.tall.is_some() && (0.8..1.25).contains(&ratio)
        };
        let count =
            |sites: &[Site]| sites.iter().flat_map(|site| site.layers.iter().filter(is_concrete)).count() as f32;
        let groups = |sites: &[Site]| sites.iter().map(|site| site.truth.lookalikes).sum::<usize>() as f32;
        let (positives, negatives) = (sites(true, 1.5), sites(false, 1.5));
        assert!((0.75..1.33).contains(&(count(&positives) / count(&negatives))));
        assert!((0.75..1.33).contains(&(groups(&positives) / groups(&negatives))));
    }

    #[test]
    fn land_covers_part_the_land_in_the_region_s_proportions() {
        let mean = |odds: [f32; COVERS]| {
            let mut sums = [0.0; COVERS];
            for n in 0..40 {
                for shares in covers(&odds, &mut rng(n, "covers")) {
                    assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                    sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share / 40.0 / 4096.0);
                }
            }
            sums
        };
        let even = mean([1.0; COVERS]);
        assert!(even.iter().all(|share| (share - 1.0 / 6.0).abs() < 0.05), "{even:?}");
        let woods = mean([3.0, 1.0, 0.0, 0.5, 0.5, 0.5]);
        assert!(woods[0] > woods[1] && woods[1] > woods[3] && woods[2] == 0.0, "{woods:?}");
    }
}
