//! Rivers and roads: bent lines of some width.

use rand::RngExt;

use super::SIDE;
use crate::simulate::random::{normal_pair, uniform};

/// Pixels between two points of a line.
const STEP_PX: f32 = 0.7;

/// A line that enters the tile at its border and leaves it, turning by `wander` radians in a deviation at each pixel.
pub fn across(wander: f32, rng: &mut impl RngExt) -> Vec<[f32; 2]> {
    let side = SIDE as f32;
    let along = uniform([0.1 * side, 0.9 * side], rng);
    let (mut at, inwards) = match rng.random_range(0..4) {
        0 => ([0.0, along], 0.0),
        1 => ([side - 1.0, along], std::f32::consts::PI),
        2 => ([along, 0.0], std::f32::consts::FRAC_PI_2),
        _ => ([along, side - 1.0], -std::f32::consts::FRAC_PI_2),
    };
    let mut heading = inwards + uniform([-0.7, 0.7], rng);
    let mut turn = 0.0;
    let mut points = Vec::new();
    while points.len() < 4 * SIDE && at.iter().all(|value| (-1.0..=side).contains(value)) {
        points.push(at);
        let [a, _] = normal_pair(rng);
        // Bends last for some pixels.
        turn = 0.9 * turn + a * wander * STEP_PX;
        heading += turn * STEP_PX;
        at = [at[0] + heading.cos() * STEP_PX, at[1] + heading.sin() * STEP_PX];
    }
    points
}

/// A line between two places that keeps its course.
pub fn between(from: [f32; 2], to: [f32; 2]) -> Vec<[f32; 2]> {
    let length = (to[0] - from[0]).hypot(to[1] - from[1]);
    let steps = (length / STEP_PX).ceil().max(1.0);
    let at = |step: f32| std::array::from_fn(|axis| from[axis] + (to[axis] - from[axis]) * step / steps);
    (0..=steps as usize).map(|step| at(step as f32)).collect()
}

/// Raises the shares of the pixels that the line covers with half its width in pixels.
pub fn draw(shares: &mut [f32], points: &[[f32; 2]], half_px: f32) {
    let reach = (half_px + 1.0).ceil() as isize;
    let is_inside = |index: isize| (0..SIDE as isize).contains(&index);
    for &[y, x] in points {
        let (row, column) = (y.round() as isize, x.round() as isize);
        for row in (row - reach..=row + reach).filter(|row| is_inside(*row)) {
            for column in (column - reach..=column + reach).filter(|column| is_inside(*column)) {
                let away = (row as f32 - y).hypot(column as f32 - x);
                let share = (half_px + 0.5 - away).clamp(0.0, (2.0 * half_px).min(1.0));
                let pixel = &mut shares[row as usize * SIDE + column as usize];
                *pixel = pixel.max(share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::rng;

    #[test]
    fn a_line_covers_about_its_area() {
        let mut shares = vec![0.0; SIDE * SIDE];
        draw(&mut shares, &between([20.0, 10.0], [20.0, 210.0]), 1.5);
        let area: f32 = shares.iter().sum();
        assert!((area / (200.0 * 3.0) - 1.0).abs() < 0.1, "{area}");
    }

    #[test]
    fn rivers_cross_the_tile() {
        for seed in 0..20 {
            let points = across(0.02, &mut rng(seed, "river"));
            assert!(points.len() > 30 && points.len() <= 4 * SIDE);
        }
    }
}
