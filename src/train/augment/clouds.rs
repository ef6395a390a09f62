//! Clouds: veils, cirrus and heaps of value noise, with their shadows.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::cover::{BLUE_UM, path_blue};
use super::noise::{Texture, smooth};
use super::optics::{Spectrum, at, rayleigh_depth};
use super::sun::Sun;
use super::{Image, Scratch};

/// Reflectance of a thick water cloud, and of ice.
const WATER_CLOUD: &Spectrum = &[(0.49, 0.70), (0.56, 0.69), (0.87, 0.69), (0.945, 0.50), (1.61, 0.45), (2.20, 0.32)];
const ICE_CLOUD: &Spectrum = &[(0.49, 0.65), (0.87, 0.64), (0.945, 0.50), (1.61, 0.28), (2.20, 0.20)];
/// Brightness of a cloud relative to these.
const BRIGHTNESS: Range<f32> = 0.8..1.1;
/// Share of blue light that reaches ground in full shadow; it falls with the wavelength to this power, because only
/// scattered light reaches it.
const SHADOW_LIGHT: Range<f32> = 0.4..0.7;
const SHADOW_EXPONENT: f32 = 0.4;
/// Pixels of height above ground; shadows beyond the longest distance fall outside a patch.
const HEIGHT_PX: Range<f32> = 10.0..60.0;
const SHADOW_PX_MAX: f32 = 40.0;

/// What distinguishes one kind of cloud from another. Nothing covers so much that a patch shows nothing of its ground.
struct Kind {
    /// How often, relative to the others.
    weight: f64,
    /// Share of the patch that is covered: never under the tenth from which a tile counts as cloudy.
    cover: Range<f32>,
    /// Optical depth where it is thickest, drawn evenly by its logarithm.
    depth: Range<f32>,
    /// From the edge to full thickness, as a share of the field's range.
    softness: Range<f32>,
    /// Coarsest lattice in pixels.
    period_px: Range<f32>,
    /// How much longer than wide.
    stretch: Range<f32>,
    /// Probability of heaps instead of smooth shapes.
    billow: f64,
    spectrum: &'static Spectrum,
}

const VEIL: Kind = Kind {
    weight: 0.35,
    cover: 0.12..0.70,
    depth: 0.15..1.2,
    softness: 0.3..1.0,
    period_px: 16.0..56.0,
    stretch: 1.0..2.0,
    billow: 0.3,
    spectrum: WATER_CLOUD,
};
const CIRRUS: Kind = Kind {
    weight: 0.2,
    cover: 0.2..0.70,
    depth: 0.05..0.5,
    softness: 0.4..1.0,
    period_px: 8.0..24.0,
    stretch: 3.0..8.0,
    billow: 0.0,
    spectrum: ICE_CLOUD,
};
const HEAP: Kind = Kind {
    weight: 0.45,
    cover: 0.11..0.65,
    depth: 1.0..20.0,
    softness: 0.02..0.6,
    period_px: 10.0..40.0,
    stretch: 1.0..1.5,
    billow: 0.7,
    spectrum: WATER_CLOUD,
};

/// Gives the patch clouds of one kind and their shadow.
pub fn add(image: &mut Image, sun: &Sun, rng: &mut ChaCha8Rng, scratch: &mut Scratch) {
    let kind = draw_kind(rng);
    let side = image.side_px;
    let distance = (rng.random_range(HEIGHT_PX) * sun.tangent()).min(SHADOW_PX_MAX);
    // From a shadow back to what casts it.
    let shift = [sun.away.0, sun.away.1].map(|component| (-component * distance).round() as isize);
    let [rows, columns] = shift.map(|shift| side + shift.unsigned_abs());
    texture(kind, rng).fill((rows, columns), &mut scratch.field, &mut scratch.noise, rng);
    // The patch lies in that corner of the field from which the shift stays inside.
    let [top, left] = shift.map(|shift| (-shift).max(0) as usize);
    let caster = shift[0] * columns as isize + shift[1];
    let overhead = |row: usize| (top + row) * columns + left;

    let cover = rng.random_range(kind.cover.clone());
    let seen = &mut scratch.light;
    seen.clear();
    (0..side).for_each(|row| seen.extend_from_slice(&scratch.field[overhead(row)..][..side]));
    let below = ((1.0 - cover) * (side * side - 1) as f32) as usize;
    let edge = *seen.select_nth_unstable_by(below, f32::total_cmp).1;
    let highest = seen[below..].iter().copied().fold(edge, f32::max);
    let reach = (highest - edge).max(1e-3) * rng.random_range(kind.softness.clone());
    let depth = (rng.random_range(kind.depth.start.ln()..kind.depth.end.ln())).exp();
    for value in scratch.field.iter_mut() {
        *value = if *value > edge { 1.0 - (-depth * smooth((*value - edge) / reach)).exp() } else { 0.0 };
    }

    let (brightness, light) = (rng.random_range(BRIGHTNESS), rng.random_range(SHADOW_LIGHT));
    let path = path_blue(image) / rayleigh_depth(BLUE_UM);
    for (wavelength_um, plane) in image.optical() {
        let cloud = brightness * at(kind.spectrum, wavelength_um);
        let loss = 1.0 - light * (wavelength_um / BLUE_UM).powf(-SHADOW_EXPONENT);
        let path = path * rayleigh_depth(wavelength_um);
        for (row, values) in plane.chunks_exact_mut(side).enumerate() {
            let here = &scratch.field[overhead(row)..][..side];
            let caster = &scratch.field[overhead(row).saturating_add_signed(caster)..][..side];
            for ((value, opacity), shade) in values.iter_mut().zip(here).zip(caster) {
                *value -= (*value - path).max(0.0) * loss * shade;
                // Light goes to and fro between ground and cloud: what is brighter than the cloud stays so.
                *value += (cloud - *value).max(0.0) * opacity;
            }
        }
    }
}

fn draw_kind(rng: &mut ChaCha8Rng) -> &'static Kind {
    let draw = rng.random::<f64>();
    match draw {
        draw if draw < VEIL.weight => &VEIL,
        draw if draw < VEIL.weight + CIRRUS.weight => &CIRRUS,
        _ => &HEAP,
    }
}

fn texture(kind: &Kind, rng: &mut ChaCha8Rng) -> Texture {
    Texture {
        stretch: rng.random_range(kind.stretch.clone()),
        slant: rng.random_range(-1.0..1.0),
        billow: rng.random_bool(kind.billow),
        ..Texture::draw(kind.period_px.clone(), rng)
    }
}
