//! Mixing two patches: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019), and what becomes of their labels.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How often patches are mixed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixing {
    /// Probability of mixup.
    pub mixup: f64,
    /// Mixup's share is drawn from Beta(α, α), 0 < α ≤ 2, and never under one half.
    pub mixup_alpha: f64,
    /// Probability of CutMix; the two exclude each other.
    pub cutmix: f64,
    /// The pasted area is Beta(α, α), 0 < α ≤ 2, times the next.
    pub cutmix_alpha: f64,
    /// Largest share of a patch that is pasted over.
    pub cutmix_area_max: f64,
    /// Probability that a patch takes some of another's mean and spread ([`super::style`]), before season and sky; how
    /// much is drawn evenly.
    #[serde(default)]
    pub style: f64,
}

/// One way to mix a patch with another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mix {
    /// `share` of the own pixels, the rest of the other's.
    Mixup {
        /// One half to 1.
        share: f32,
    },
    /// A square of the other, pasted where it lay.
    CutMix {
        /// First row.
        row: usize,
        /// First column.
        column: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl Mixing {
    /// Mixes nothing.
    pub const NONE: Self =
        Self { mixup: 0.0, mixup_alpha: 0.2, cutmix: 0.0, cutmix_alpha: 1.0, cutmix_area_max: 0.5, style: 0.0 };

    /// Draws how much of its own mean and spread a patch keeps, if it takes another's.
    pub fn draw_style(&self, rng: &mut ChaCha8Rng) -> Option<f32> {
        (self.style > 0.0 && rng.random::<f64>() < self.style).then(|| rng.random())
    }

    /// Draws how a patch of `side_px` is mixed, if it is.
    pub fn draw(&self, side_px: usize, rng: &mut ChaCha8Rng) -> Option<Mix> {
        let draw = rng.random::<f64>();
        if draw < self.mixup {
            let share = beta(self.mixup_alpha, rng);
            Some(Mix::Mixup { share: share.max(1.0 - share) as f32 })
        } else if draw < self.mixup + self.cutmix {
            let area = beta(self.cutmix_alpha, rng) * self.cutmix_area_max.clamp(0.0, 1.0);
            let side = (side_px as f64 * area.sqrt()) as usize;
            let (row, column) = (rng.random_range(0..=side_px - side), rng.random_range(0..=side_px - side));
            Some(Mix::CutMix { row, column, height: side, width: side })
        } else {
            None
        }
    }
}

impl Mix {
    /// Mixes `[bands, side, side]` of another patch into the own one. Returns the share of the label that stays the
    /// own one's. Mixup leaves pixels alone that are invalid (NaN) in either patch.
    pub fn apply(&self, own: &mut [f32], other: &[f32], side_px: usize) -> f32 {
        match *self {
            Self::Mixup { share } => {
                for (own, other) in own.iter_mut().zip(other).filter(|(_, other)| !other.is_nan()) {
                    *own = share * *own + (1.0 - share) * other;
                }
                share
            }
            Self::CutMix { row, column, height, width } => {
                let plane = side_px * side_px;
                for (own, other) in own.chunks_exact_mut(plane).zip(other.chunks_exact(plane)) {
                    for row in row..row + height {
                        let pixels = row * side_px + column..row * side_px + column + width;
                        own[pixels.clone()].copy_from_slice(&other[pixels]);
                    }
                }
                1.0 - (height * width) as f32 / plane as f32
            }
        }
    }
}

/// The label of a mix where labels say that there is one somewhere: two positives stay as positive as the surer one,
/// anything else is shared out.
pub fn existential_label(own: f32, other: f32, share: f32) -> f32 {
    if own >= 0.5 && other >= 0.5 { own.max(other) } else { share * own + (1.0 - share) * other }
}

/// A draw from Beta(α, α) by Jöhnk's rejection (1964), good for α up to about 2.
fn beta(alpha: f64, rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let (x, y) = (rng.random::<f64>().powf(1.0 / alpha), rng.random::<f64>().powf(1.0 / alpha));
        if x + y > 0.0 && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const ALWAYS: Mixing = Mixing { mixup: 0.5, cutmix: 0.5, ..Mixing::NONE };

    #[test]
    fn mixup_shares_every_pixel_and_leaves_invalid_ones() {
        let mut own = [0.1, 0.2, f32::NAN, 0.4];
        let share = Mix::Mixup { share: 0.75 }.apply(&mut own, &[0.5, f32::NAN, 0.5, 0.0], 2);
        assert_eq!((share, own[1], own[3]), (0.75, 0.2, 0.3));
        assert!((own[0] - 0.2).abs() < 1e-7 && own[2].is_nan());
    }

    #[test]
    fn cutmix_pastes_its_box_in_every_band_and_returns_what_is_left() {
        let (mut own, other) = ([0.0; 32], [1.0; 32]);
        let share = Mix::CutMix { row: 1, column: 2, height: 3, width: 2 }.apply(&mut own, &other, 4);
        assert_eq!(share, 10.0 / 16.0);
        for band in own.chunks(16) {
            for (pixel, value) in band.iter().enumerate() {
                assert_eq!(*value == 1.0, pixel / 4 >= 1 && pixel % 4 >= 2);
            }
        }
    }

    #[test]
    fn draws_keep_to_their_limits_and_frequencies() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut mixups, mut areas) = (0, Vec::new());
        for _ in 0..4000 {
            match ALWAYS.draw(64, &mut rng).unwrap() {
                Mix::Mixup { share } => {
                    assert!((0.5..=1.0).contains(&share));
                    mixups += 1;
                }
                Mix::CutMix { row, column, height, width } => {
                    assert!(row + height <= 64 && column + width <= 64);
                    areas.push((height * width) as f64 / 4096.0);
                }
            }
        }
        assert!((1850..2150).contains(&mixups), "{mixups}");
        assert!(areas.iter().all(|area| *area <= 0.5));
        // Beta(1, 1) is even: the mean area is a quarter, less what whole pixels cut off.
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((0.22..0.26).contains(&mean), "{mean}");
        assert!((0..1000).all(|_| Mixing::NONE.draw(64, &mut rng).is_none()));
    }

    #[test]
    fn as_many_patches_take_a_style_as_were_asked_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let half = Mixing { style: 0.5, ..Mixing::NONE };
        let shares: Vec<f32> = (0..4000).filter_map(|_| half.draw_style(&mut rng)).collect();
        assert!((1850..2150).contains(&shares.len()), "{}", shares.len());
        let mean = shares.iter().sum::<f32>() / shares.len() as f32;
        assert!((mean - 0.5).abs() < 0.03 && shares.iter().all(|share| (0.0..1.0).contains(share)), "{mean}");
        assert!((0..1000).all(|_| Mixing::NONE.draw_style(&mut rng).is_none()));
    }

    // Var Beta(α, α) = 1 / (4 (2α + 1)).
    #[test]
    fn beta_has_the_mean_and_variance_of_its_formula() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for alpha in [0.2, 1.0, 2.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| beta(alpha, &mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean - 0.5).abs() < 0.015);
            assert!((variance - 1.0 / (4.0 * (2.0 * alpha + 1.0))).abs() < 0.005, "{alpha} {variance}");
        }
    }

    #[test]
    fn two_positives_stay_positive_and_other_labels_are_shared_out() {
        assert_eq!(existential_label(1.0, 1.0, 0.6), 1.0);
        assert_eq!(existential_label(0.0, 0.0, 0.6), 0.0);
        assert_eq!(existential_label(1.0, 0.0, 0.75), 0.75);
        assert_eq!(existential_label(0.0, 1.0, 0.75), 0.25);
        assert_eq!(existential_label(0.95, 0.98, 0.6), 0.98);
    }
}
