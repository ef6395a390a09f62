//! What a map of the land says: as maps are made, a little beside the truth.

use rand::RngExt;

use super::land::Land;
use super::{CLASSES, Class, SIDE};
use crate::simulate::random::normal_pair;

/// Borders lie this many pixels beside where they are, as a deviation, alike over [`PATCH_PX`].
const SHIFT_PX: f32 = 0.7;
const PATCH_PX: usize = 16;

/// The number of the class of every pixel: borders shifted, single pixels given to what is around them, whole parcels
/// mistaken now and then, clouds on top.
pub fn draw(land: &Land, clouds: &[bool], rng: &mut impl RngExt) -> Vec<u8> {
    let patches = SIDE.div_ceil(PATCH_PX);
    let shifts: Vec<[isize; 2]> =
        (0..patches * patches).map(|_| normal_pair(rng).map(|v| (v * SHIFT_PX).round() as isize)).collect();
    let at = |row: isize, column: isize| {
        let inside = |index: isize| index.clamp(0, SIDE as isize - 1) as usize;
        let pixel = inside(row) * SIDE + inside(column);
        if land.mistaken[pixel] { mistaken(land.classes[pixel]) } else { land.classes[pixel] }
    };
    let shifted = |pixel: usize| {
        let (row, column) = (pixel / SIDE, pixel % SIDE);
        let [down, right] = shifts[row / PATCH_PX * patches + column / PATCH_PX];
        at(row as isize + down, column as isize + right) as u8
    };
    let shifted: Vec<u8> = (0..SIDE * SIDE).map(shifted).collect();
    let class = |pixel: usize| if clouds[pixel] { Class::Clouds as u8 } else { majority(&shifted, pixel) };
    (0..SIDE * SIDE).map(class).collect()
}

/// What a class is taken for.
fn mistaken(class: Class) -> Class {
    match class {
        Class::Cultivated => Class::Herbaceous,
        Class::Herbaceous => Class::Cultivated,
        Class::Broadleaf => Class::Coniferous,
        Class::Coniferous => Class::Broadleaf,
        other => other,
    }
}

/// A pixel's own class where it has at least two neighbours of it, else the one that most of the nine have.
fn majority(classes: &[u8], pixel: usize) -> u8 {
    let (row, column) = (pixel / SIDE, pixel % SIDE);
    let mut counts = [0u8; CLASSES.len()];
    for row in row.saturating_sub(1)..(row + 2).min(SIDE) {
        for column in column.saturating_sub(1)..(column + 2).min(SIDE) {
            counts[usize::from(classes[row * SIDE + column])] += 1;
        }
    }
    let own = classes[pixel];
    if counts[usize::from(own)] > 2 {
        return own;
    }
    let best = (0..counts.len()).fold(0, |best, class| if counts[class] > counts[best] { class } else { best });
    best as u8
}
