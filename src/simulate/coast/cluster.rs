//! Groups of structures, and where on the coast they stand.

use std::ops::Range;

use rand::RngExt;

use super::shape::Shape;
use super::shore::gradient;
use crate::simulate::random::{Span, normal_pair, uniform};

/// The belt along the shore in which nothing may be built: 100 m.
pub const BELT_PX: Range<f32> = 0.0..10.0;
/// Where building is legal. The gap to the belt keeps the label decidable from pixels.
pub const BEYOND_PX: Range<f32> = 12.0..f32::MAX;
/// Pixels at the tile's edge where no group has its centre.
const MARGIN_PX: usize = 5;
/// Spread of the structures of a group around its centre in pixels.
const SPREAD_PX: f32 = 1.8;
/// Side of the levelled ground around a group, and length and width of the track that leads to it, in pixels.
const PAD_PX: Span = [2.5, 5.0];
const TRACK_PX: [f32; 2] = [12.0, 0.45];
/// How often there is levelled ground, and a track.
const PAD_PROBABILITY: f32 = 0.6;
const TRACK_PROBABILITY: f32 = 0.5;

/// A group of structures of a few pixels.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Row and column of its middle.
    pub centre: [f32; 2],
    /// The structures.
    pub structures: Vec<Shape>,
    /// Levelled ground below them and the track to them, where there are any.
    pub ground: Vec<Shape>,
}

/// How large a group is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Number of structures at least and at most.
    pub structures: [usize; 2],
    /// Bounds of their sides in pixels.
    pub side_px: Span,
}

impl Cluster {
    /// A group whose structures lie wholly where the distance to the shore is within `zone`, at least `apart_px` away from
    /// the `others`; None where no place was found.
    pub fn draw(
        distance: &[f32],
        side: usize,
        zone: &Range<f32>,
        others: &[[f32; 2]],
        size: &Size,
        rng: &mut impl RngExt,
    ) -> Option<Self> {
        let centre = place(distance, side, zone, others, size, rng)?;
        let angle = uniform([0.0, std::f32::consts::TAU], rng);
        let wanted = rng.random_range(size.structures[0]..=size.structures[1]);
        let mut structures = Vec::with_capacity(wanted);
        for _ in 0..4 * wanted {
            let [down, right] = normal_pair(rng).map(|v| v * SPREAD_PX);
            let at = [centre[0] + down, centre[1] + right];
            let shape = Shape::draw(at, size.side_px, angle + uniform([-0.2, 0.2], rng), rng);
            let pixels = shape.coverage(side);
            if structures.len() < wanted
                && !pixels.is_empty()
                && pixels.iter().all(|(p, _)| zone.contains(&distance[*p]))
            {
                structures.push(shape);
            }
        }
        let mut ground = Vec::new();
        if rng.random::<f32>() < PAD_PROBABILITY {
            ground.push(Shape::draw(centre, PAD_PX, angle, rng));
        }
        if rng.random::<f32>() < TRACK_PROBABILITY {
            ground.push(track(distance, side, centre));
        }
        (!structures.is_empty()).then_some(Self { centre, structures, ground })
    }
}

/// A pixel with room for a group around it.
fn place(
    distance: &[f32],
    side: usize,
    zone: &Range<f32>,
    others: &[[f32; 2]],
    size: &Size,
    rng: &mut impl RngExt,
) -> Option<[f32; 2]> {
    let room = size.side_px[0];
    let apart_px = 3.0 * SPREAD_PX + size.side_px[1];
    for _ in 0..60 {
        let [row, column] = [(); 2].map(|()| rng.random_range(MARGIN_PX..side - MARGIN_PX));
        let here = distance[row * side + column];
        let centre = [row as f32, column as f32];
        let is_free = others.iter().all(|o| (o[0] - centre[0]).hypot(o[1] - centre[1]) > apart_px);
        if is_free && zone.contains(&(here - room)) && zone.contains(&(here + room)) {
            return Some(centre);
        }
    }
    None
}

/// A track from a place away from the shore.
fn track(distance: &[f32], side: usize, centre: [f32; 2]) -> Shape {
    let [down, right] = gradient(distance, side, centre);
    let half = [TRACK_PX[0] / 2.0, TRACK_PX[1] / 2.0];
    let middle = [centre[0] + down * half[0], centre[1] + right * half[0]];
    Shape { centre: middle, half, angle: right.atan2(down), has_notch: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const SIDE: usize = 64;
    const SIZE: Size = Size { structures: [2, 6], side_px: [1.0, 3.2] };

    /// Sea in the upper half.
    fn distance() -> Vec<f32> {
        (0..SIDE * SIDE).map(|pixel| (pixel / SIDE) as f32 - 31.5).collect()
    }

    #[test]
    fn structures_lie_wholly_in_their_zone() {
        let (distance, mut rng) = (distance(), ChaCha8Rng::seed_from_u64(1));
        for zone in [&BELT_PX, &BEYOND_PX] {
            let mut drawn = 0;
            for _ in 0..50 {
                let Some(cluster) = Cluster::draw(&distance, SIDE, zone, &[], &SIZE, &mut rng) else { continue };
                drawn += 1;
                assert!((1..=6).contains(&cluster.structures.len()));
                for (pixel, _) in cluster.structures.iter().flat_map(|shape| shape.coverage(SIDE)) {
                    assert!(zone.contains(&distance[pixel]));
                }
            }
            assert!(drawn > 40);
        }
    }

    #[test]
    fn groups_keep_apart_and_tracks_lead_inland() {
        let (distance, mut rng) = (distance(), ChaCha8Rng::seed_from_u64(2));
        let mut centres = Vec::new();
        while let Some(cluster) = Cluster::draw(&distance, SIDE, &BELT_PX, &centres, &SIZE, &mut rng) {
            for other in &centres {
                assert!((other[0] - cluster.centre[0]).hypot(other[1] - cluster.centre[1]) > 8.0);
            }
            centres.push(cluster.centre);
        }
        assert!(centres.len() > 2);
        let inland = track(&distance, SIDE, [35.0, 30.0]);
        assert!((inland.centre[0] - 41.0).abs() < 1e-3 && (inland.centre[1] - 30.0).abs() < 1e-3);
        assert!(inland.coverage(SIDE).iter().any(|(pixel, _)| pixel / SIDE == 46));
    }
}
