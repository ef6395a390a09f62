//! What Sentinel-1 sees: σ⁰ in dB of two dates from one orbit, of ground that leans.
//!
//! The radar looks along the rows of a patch, westwards from descending and eastwards from ascending orbits (in truth some 10°
//! off). Every facet of ground, between two pixels of a row, sends back γ⁰ × its area across the line of sight, as far as no
//! other ground hides it (shadow), into the cells of slant range that it spans. Facets that lean towards the radar span few
//! cells or turn over (foreshortening, layover): these cells are bright. Speckle belongs to the cells; then every pixel takes
//! the value of the cell that it lies in, as terrain correction does, so that what was squeezed together stays unresolved.

use rand::RngExt;

use super::SIDE;
use super::palette::Scatter;
use super::terrain::{MARGIN, Terrain, WIDE};
use crate::simulate::random::{Span, normal_pair, uniform};
use crate::simulate::sensor::blur;

/// Angles of incidence in the interferometric wide swath (29.1 to 46.0°).
const INCIDENCE_DEG: Span = [30.0, 45.5];
/// Ground range products have pixels of 10 m and a resolution of 20 × 22 m at 4.4 looks. Speckle of one look, blurred by
/// this many pixels (a deviation), has 6 to 10.
const BLUR_PX: Span = [0.7, 0.9];
/// The noise that the instrument adds, as σ⁰ in dB; better than −22 dB is specified.
const NOISE_DB: Span = [-27.0, -23.0];
/// How far calibration and moisture of the whole patch wander from date to date: a deviation in dB.
const GAIN_DB: f32 = 0.15;
/// σ⁰ below which nothing is told apart, in dB.
const LEAST_DB: f32 = -40.0;
/// A facet that spans less than this of a cell, or of which less than this is lit, is not seen.
const SEEN: f32 = 0.3;

/// From which side the radar looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orbit {
    /// Looks westwards, in the morning.
    Descending,
    /// Looks eastwards, in the evening.
    Ascending,
}

/// A pass's circumstances, which all patches of a site share.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// The side.
    pub orbit: Orbit,
    /// Angle of incidence on level ground in radians.
    pub incidence: f32,
    /// Deviation of the resolution in pixels.
    pub blur_px: f32,
    /// The instrument's noise as σ⁰.
    pub noise: f32,
    /// Factors of the two dates.
    pub gains: [f32; 2],
}

impl Pass {
    /// Draws one.
    pub fn draw(orbit: Orbit, rng: &mut impl RngExt) -> Self {
        Self {
            orbit,
            incidence: uniform(INCIDENCE_DEG, rng).to_radians(),
            blur_px: uniform(BLUR_PX, rng),
            noise: 10f32.powf(uniform(NOISE_DB, rng) / 10.0),
            gains: normal_pair(rng).map(|v| 10f32.powf(GAIN_DB * v / 10.0)),
        }
    }
}

/// Two dates from one orbit.
#[derive(Debug, Clone)]
pub struct Image {
    /// σ⁰ in dB: VV and VH of the earlier date, VV and VH of the later.
    pub sigma_nought_db: [Vec<f32>; 4],
    /// Pixels that are neither in shadow nor squeezed together.
    pub is_seen: Vec<bool>,
}

/// What the facets of a row come to: the cells of slant range with what is in them, and the cell that each pixel lies in.
struct Row {
    cells: Vec<[f32; 4]>,
    cell_of: [usize; SIDE],
    is_seen: [bool; SIDE],
}

/// What a pass sees of γ⁰ on two dates.
pub fn observe(terrain: &Terrain, scatter: &[Vec<Scatter>; 2], pass: &Pass, rng: &mut impl RngExt) -> Image {
    let mut planes = [(); 4].map(|()| vec![0.0; SIDE * SIDE]);
    let mut is_seen = vec![false; SIDE * SIDE];
    for row in 0..SIDE {
        let mut seen = look(terrain, scatter, pass, row);
        let (first, last) = (seen.cell_of.iter().min().copied(), seen.cell_of.iter().max().copied());
        for cell in &mut seen.cells[first.unwrap_or(0)..=last.unwrap_or(0)] {
            for (channel, value) in cell.iter_mut().enumerate() {
                *value = (*value * pass.gains[channel / 2] + pass.noise) * speckle(rng);
            }
        }
        for column in 0..SIDE {
            let pixel = row * SIDE + column;
            is_seen[pixel] = seen.is_seen[column];
            let cell = &seen.cells[seen.cell_of[column]];
            planes.iter_mut().zip(cell).for_each(|(plane, value)| plane[pixel] = *value);
        }
    }
    let decibels = |plane: Vec<f32>| -> Vec<f32> {
        let least = 10f32.powf(LEAST_DB / 10.0);
        blur(&plane, SIDE, pass.blur_px).into_iter().map(|value| 10.0 * value.max(least).log10()).collect()
    };
    Image { sigma_nought_db: planes.map(decibels), is_seen }
}

/// Intensity of one look relative to its mean: exponential.
fn speckle(rng: &mut impl RngExt) -> f32 {
    -(1.0 - rng.random::<f32>()).ln()
}

/// One row, from near range to far.
fn look(terrain: &Terrain, scatter: &[Vec<Scatter>; 2], pass: &Pass, row: usize) -> Row {
    let heights = &terrain.height[(row + MARGIN) * WIDE..(row + MARGIN + 1) * WIDE];
    // Columns in the order of range.
    let column = |range: usize| if pass.orbit == Orbit::Ascending { range } else { WIDE - 1 - range };
    let (sin, cos) = pass.incidence.sin_cos();
    let border = |range: usize| {
        let [near, far] = [range.saturating_sub(1), range.min(WIDE - 1)].map(|range| heights[column(range)]);
        (near + far) / 2.0
    };
    // Slant range in cells of a pixel on level ground, and height across the line of sight.
    let slant: [f32; WIDE + 1] = std::array::from_fn(|range| range as f32 - border(range) * cos / sin);
    let across: [f32; WIDE + 1] = std::array::from_fn(|range| range as f32 * cos + border(range) * sin);
    let nearest = slant.iter().copied().fold(f32::INFINITY, f32::min);
    let furthest = slant.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut found =
        Row { cells: vec![[0.0; 4]; (furthest - nearest) as usize + 2], cell_of: [0; SIDE], is_seen: [false; SIDE] };
    let mut hides_below = f32::NEG_INFINITY;
    for range in 0..WIDE {
        let lit = (across[range + 1] - across[range].max(hides_below)).max(0.0);
        hides_below = hides_below.max(across[range + 1]);
        let span = [slant[range] - nearest, slant[range + 1] - nearest];
        // Beyond the patch the ground goes on as at its border.
        let within = column(range).clamp(MARGIN, MARGIN + SIDE - 1) - MARGIN;
        let pixel = row * SIDE + within;
        let [[a, b], [c, d]] = [scatter[0][pixel], scatter[1][pixel]];
        spread(&mut found.cells, span, [a, b, c, d].map(|value| value * lit));
        if (MARGIN..MARGIN + SIDE).contains(&column(range)) {
            found.cell_of[within] = ((span[0] + span[1]) / 2.0) as usize;
            found.is_seen[within] = lit > SEEN * cos && span[1] - span[0] > SEEN;
        }
    }
    found
}

/// Deals what a facet sends back to the cells that it spans.
fn spread(cells: &mut [[f32; 4]], [start, end]: [f32; 2], sent: [f32; 4]) {
    let (low, high) = (start.min(end), start.max(end).max(start.min(end) + 0.02));
    for cell in low as usize..=(high as usize).min(cells.len() - 1) {
        let share = (high.min(cell as f32 + 1.0) - low.max(cell as f32)) / (high - low);
        cells[cell].iter_mut().zip(sent).for_each(|(cell, sent)| *cell += share * sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const GAMMA_NOUGHT: f32 = 0.1;

    /// Ground that rises eastwards by tan of `slope_deg`, and what an orbit sees of it: VV of the earlier date, not in dB.
    fn seen(slope_deg: f32, orbit: Orbit) -> (Vec<f32>, Image) {
        let rise = slope_deg.to_radians().tan();
        let height = (0..WIDE * WIDE).map(|pixel| rise * (pixel % WIDE) as f32).collect();
        let terrain = Terrain { height, from_axis_px: vec![99.0; SIDE * SIDE], floor_px: 1.0 };
        let scatter = [(); 2].map(|()| vec![[GAMMA_NOUGHT, 0.02]; SIDE * SIDE]);
        let pass = Pass { orbit, incidence: 38f32.to_radians(), blur_px: 0.7, noise: 0.0, gains: [1.0; 2] };
        let image = observe(&terrain, &scatter, &pass, &mut ChaCha8Rng::seed_from_u64(1));
        (image.sigma_nought_db[0].iter().map(|db| 10f32.powf(db / 10.0)).collect(), image)
    }

    fn mean(values: &[f32]) -> f32 {
        values.iter().sum::<f32>() / values.len() as f32
    }

    // σ⁰ = γ⁰ × sin θ × cot(θ − slope), the area's projection (Ulander, 1996).
    #[test]
    fn slopes_towards_the_radar_are_brighter_as_their_area_says() {
        for (slope, orbit) in [(0.0, Orbit::Ascending), (15.0, Orbit::Ascending), (15.0, Orbit::Descending)] {
            let leaning = if orbit == Orbit::Ascending { slope } else { -slope };
            let expected = GAMMA_NOUGHT * 38f32.to_radians().sin() / (38f32 - leaning).to_radians().tan();
            let (values, image) = seen(slope, orbit);
            assert!((mean(&values) / expected - 1.0).abs() < 0.05, "{slope} {orbit:?}: {} {expected}", mean(&values));
            assert!(image.is_seen.iter().all(|is_seen| *is_seen));
        }
    }

    #[test]
    fn layover_and_shadow_are_not_seen() {
        assert!(seen(45.0, Orbit::Ascending).1.is_seen.iter().all(|is_seen| !is_seen));
        assert!(seen(60.0, Orbit::Descending).1.is_seen.iter().all(|is_seen| !is_seen));
    }

    #[test]
    fn speckle_is_of_six_looks_at_this_resolution_and_independent_of_date() {
        let (values, image) = seen(0.0, Orbit::Descending);
        let average = mean(&values);
        let variance = values.iter().map(|value| (value / average - 1.0).powi(2)).sum::<f32>() / values.len() as f32;
        assert!((5.0..7.5).contains(&variance.recip()), "{}", variance.recip());
        let [before, after] = [0, 2].map(|plane| &image.sigma_nought_db[plane]);
        let deviation = |plane: &[f32]| {
            let mean = mean(plane);
            (plane.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / plane.len() as f32).sqrt()
        };
        let difference: Vec<f32> = before.iter().zip(after).map(|(a, b)| a - b).collect();
        assert!((deviation(&difference) / (deviation(before) * 2f32.sqrt()) - 1.0).abs() < 0.06);
    }
}
