//! Layers of cloud: how high, how deep, how wide.

use rand::RngExt;

use super::{BANDS, Pixel, Scene, Sky};
use crate::simulate::cloud::{Kind, Sheet, wide_side};
use crate::simulate::field::{self, Field};
use crate::simulate::random::{Span, uniform};
use crate::simulate::season::relief_light;

/// How far one side of a cloud is brighter than the other: deviation of the slope of its upper side.
const STEEPNESS: Span = [0.0, 0.25];
const SHADING: Span = [0.6, 1.35];

/// How far a cloud seems to move along the flight in a second, by its height: the satellite flies 7.45 km/s, 786 km high.
const DRIFT_PER_SECOND: f32 = 7.45 / 786.0;

/// One layer.
pub(super) struct Layer {
    /// Optical depth above each pixel, as each of the bands sees it.
    pub(super) depths: [Vec<f32>; BANDS.len()],
    /// Optical depth between each pixel and the sun.
    pub(super) sunward_depth: Vec<f32>,
    /// Brightness of each pixel of it relative to a level cloud's.
    pub(super) shading: Vec<f32>,
}

/// How a layer is drawn.
struct Recipe {
    kind: Kind,
    cover: Span,
    /// Wave number below which there is no more structure: about the number of clouds along the side of the field.
    outer: Span,
}

/// The layers over a chip, the lowest first.
pub(super) fn draw(scene: &Scene, side: usize, rng: &mut impl RngExt) -> Vec<Layer> {
    let recipes = match scene.sky {
        Sky::Clear => Vec::new(),
        Sky::Haze => vec![veil([0.15, 0.45])],
        Sky::Thin => vec![veil([1.2, 5.0])],
        Sky::Scattered => vec![small(scene.pixel)],
        Sky::Broken => vec![large([0.05, 0.7])],
        Sky::Thick => vec![large([0.7, 1.0])],
        Sky::Mixed => vec![small(scene.pixel), veil([0.3, 3.0])],
    };
    recipes.iter().map(|recipe| layer(recipe, scene, side, rng)).collect()
}

fn layer(recipe: &Recipe, scene: &Scene, side: usize, rng: &mut impl RngExt) -> Layer {
    let slope = uniform(recipe.kind.slope, rng);
    let [field, _]: [Field; 2] = field::bounded(wide_side(side), slope, uniform(recipe.outer, rng), rng);
    let cover = uniform(recipe.cover, rng);
    // Some clouds are solid to the edge, others mostly edge.
    let kind = Kind { core_share: uniform([0.15, 0.7], rng), ..recipe.kind };
    let sheet = Sheet::draw(&field, side, cover, &kind, rng);
    let drift_px = DRIFT_PER_SECOND * sheet.height_m / scene.pixel.size_m();
    let depths =
        scene.pixel.delays_s().map(|delay| sheet.displaced(side, scene.flight.map(|way| way * drift_px * delay)));
    let sunward_depth = sheet.sunward(side, scene.pixel.size_m(), &scene.sun);
    let shading = relief_light(&field, side, uniform(STEEPNESS, rng), &scene.sun);
    let [low, high] = SHADING;
    Layer { depths, sunward_depth, shading: shading.into_iter().map(|value| value.clamp(low, high)).collect() }
}

/// Cirrus, with this optical depth in its thickest parts.
fn veil(core_depth: Span) -> Recipe {
    let kind = Kind { edge_depth: 0.1, core_depth, core_share: 0.3, slope: [2.8, 3.8], height_m: [4_000.0, 10_000.0] };
    Recipe { kind, cover: [0.3, 1.0], outer: [0.0, 4.0] }
}

/// Cumulus: solid or ragged, down to a few pixels, some of it thin throughout.
fn small(pixel: Pixel) -> Recipe {
    let kind = Kind {
        edge_depth: 0.5,
        core_depth: [1.5, 40.0],
        core_share: 0.4,
        slope: [2.2, 3.6],
        height_m: [300.0, 2_000.0],
    };
    Recipe { kind, cover: [0.02, 0.45], outer: [8.0, 40.0].map(|count| count * pixel.size_m() / 10.0) }
}

fn large(cover: Span) -> Recipe {
    let kind = Kind {
        edge_depth: 0.4,
        core_depth: [4.0, 60.0],
        core_share: 0.4,
        slope: [2.6, 3.6],
        height_m: [400.0, 4_000.0],
    };
    Recipe { kind, cover, outer: [0.0, 6.0] }
}
