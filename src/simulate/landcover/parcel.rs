//! Parcels: uneven rows of uneven fields, turned and bent.

use rand::RngExt;

use super::SIDE;
use super::growth::Crop;
use super::region::Region;
use crate::simulate::field::Field;
use crate::simulate::random::{Span, log_uniform, normal_pair, uniform};

/// Parcels reach this far from the tile's middle in pixels, so that bent ones cover its corners.
const REACH_PX: f32 = 260.0;
/// Spread of widths and of lengths, as deviations of their logarithms.
const SPREAD: f32 = 0.35;
/// By how much the lattice is bent, relative to the width of a parcel.
const BEND: f32 = 0.7;

/// A parcel.
#[derive(Debug, Clone, Copy)]
pub struct Parcel {
    /// Row and column of its middle, which may lie outside of the tile.
    pub middle: [isize; 2],
    /// Standard normal: what makes it field, grass or wood against its neighbourhood.
    pub leaning: f32,
    /// What it grows as a field.
    pub crop: Crop,
    /// Days behind the others.
    pub late: f32,
    /// 0 to 1.
    pub wild: f32,
    /// Brightness relative to the others.
    pub gain: f32,
    /// Whether hedges stand along it.
    pub has_hedge: bool,
    /// Whether a map takes it for what it is not.
    pub is_mistaken: bool,
}

/// The lattice of a tile.
#[derive(Debug, Clone)]
pub struct Parcels {
    direction: [f32; 2],
    bend_px: f32,
    /// Borders across the rows, rising.
    rows: Vec<f32>,
    /// Borders along each row, rising, and the first parcel of the row.
    columns: Vec<(Vec<f32>, usize)>,
    parcels: Vec<Parcel>,
}

impl Parcels {
    /// Draws a lattice in the style of a region; `mistakes` is the share of parcels that maps are wrong about.
    pub fn draw(region: &Region, mistakes: f32, rng: &mut impl RngExt) -> Self {
        let width = log_uniform(region.parcel_px, rng);
        let length = width * log_uniform(region.elongation, rng);
        let angle = uniform([0.0, std::f32::consts::PI], rng);
        let direction = [angle.cos(), angle.sin()];
        let rows = borders(width, rng);
        let (mut columns, mut parcels) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows.windows(2) {
            let along = borders(length, rng);
            let first = parcels.len();
            for column in along.windows(2) {
                let [u, v] = [column[0] + column[1], row[0] + row[1]].map(|sum| sum / 2.0);
                parcels.push(parcel(region, mistakes, unturned(direction, [u, v]), rng));
            }
            columns.push((along, first));
        }
        Self { direction, bend_px: BEND * width, rows, columns, parcels }
    }

    /// The parcel of a pixel, and the distance to its border in pixels; `bends` are two smooth fields.
    pub fn at(&self, row: usize, column: usize, bends: [&Field; 2]) -> (&Parcel, f32) {
        let bend = |field: &Field| field.values[row * SIDE + column] * self.bend_px;
        let half = SIDE as f32 / 2.0;
        let [y, x] = [row as f32 - half + bend(bends[0]), column as f32 - half + bend(bends[1])];
        let [cos, sin] = self.direction;
        let [u, v] = [x * cos + y * sin, y * cos - x * sin].map(|value| value.clamp(1.0 - REACH_PX, REACH_PX - 1.0));
        let strip = strip_of(&self.rows, v);
        let (along, first) = &self.columns[strip];
        let cell = strip_of(along, u);
        let border = (v - self.rows[strip]).min(self.rows[strip + 1] - v).min(u - along[cell]).min(along[cell + 1] - u);
        (&self.parcels[first + cell], border)
    }
}

/// Row and column of a point of the lattice.
fn unturned([cos, sin]: [f32; 2], [u, v]: [f32; 2]) -> [isize; 2] {
    let half = SIDE as f32 / 2.0;
    [u * sin + v * cos + half, u * cos - v * sin + half].map(|value| value.round() as isize)
}

/// Rising borders from one end of the reach to the other, `width` apart in the median.
fn borders(width: f32, rng: &mut impl RngExt) -> Vec<f32> {
    let mut borders = vec![-REACH_PX];
    let mut at = -REACH_PX;
    while at < REACH_PX {
        let [a, _] = normal_pair(rng);
        at += (width * (a * SPREAD).exp()).max(1.0);
        borders.push(at.min(REACH_PX));
    }
    borders
}

/// Which of the strips between borders a value lies in.
fn strip_of(borders: &[f32], value: f32) -> usize {
    borders.partition_point(|border| *border <= value).clamp(1, borders.len() - 1) - 1
}

fn parcel(region: &Region, mistakes: f32, middle: [isize; 2], rng: &mut impl RngExt) -> Parcel {
    const LATE_DAYS: f32 = 10.0;
    const GAIN: Span = [0.85, 1.15];
    let [leaning, late] = normal_pair(rng);
    Parcel {
        middle,
        leaning,
        crop: Crop::draw(region, rng),
        late: late * LATE_DAYS,
        wild: rng.random(),
        gain: uniform(GAIN, rng),
        has_hedge: rng.random::<f32>() < region.hedges,
        is_mistaken: rng.random::<f32>() < mistakes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::field;
    use crate::simulate::landcover::region::REGIONS;
    use crate::simulate::random::rng;

    #[test]
    fn every_pixel_has_a_parcel_and_parcels_are_of_the_region_s_size() {
        for region in &REGIONS {
            let mut rng = rng(1, region.name);
            let parcels = Parcels::draw(region, 0.0, &mut rng);
            let bends = field::pair(SIDE, 3.2, &mut rng);
            let mut seen = std::collections::HashMap::<[isize; 2], usize>::new();
            for pixel in 0..SIDE * SIDE {
                let (parcel, border) = parcels.at(pixel / SIDE, pixel % SIDE, [&bends[0], &bends[1]]);
                assert!(border >= 0.0);
                *seen.entry(parcel.middle).or_default() += 1;
            }
            let mean = (SIDE * SIDE) as f32 / seen.len() as f32;
            let [low, high] = region.parcel_px;
            let [short, long] = region.elongation;
            assert!(mean > 0.4 * low * low * short && mean < 2.5 * high * high * long, "{}: {mean}", region.name);
        }
    }
}
