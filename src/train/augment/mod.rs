//! STUB until the library lands.
#![allow(missing_docs)]
pub mod mix;
use crate::decide::{Season, Sky};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub struct Image<'a> {
    pub values: &'a mut [f32],
    pub side_px: usize,
    pub optics: &'a [Optics],
}
#[derive(Debug, Clone)]
pub struct Optics;
impl Optics {
    pub fn of(_: &str) -> Self {
        Self
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances2;
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circumstances {
    pub season: Option<Season>,
    pub sky: Option<Sky>,
    pub latitude_deg: Option<f32>,
}
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct RandAugment {
    pub operations: usize,
    pub magnitude: f64,
}
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Augmentation {
    pub symmetries: bool,
    pub atmosphere: f64,
    pub season: f64,
    pub randaugment: Option<RandAugment>,
    pub clip: Option<[f32; 2]>,
}
#[derive(Default)]
pub struct Scratch {
    b: Vec<f32>,
}
impl Augmentation {
    pub const NONE: Self = Self { symmetries: false, atmosphere: 0.0, season: 0.0, randaugment: None, clip: None };
    pub fn apply(
        &self,
        image: &mut Image,
        of: Circumstances,
        rng: &mut ChaCha8Rng,
        scratch: &mut Scratch,
    ) -> Circumstances {
        if self.symmetries {
            let k: usize = rng.random_range(0..8);
            let n = image.side_px;
            for plane in image.values.chunks_mut(n * n) {
                scratch.b.clear();
                scratch.b.extend_from_slice(plane);
                for r in 0..n {
                    for c in 0..n {
                        let (mut a, mut b) = if k & 4 != 0 { (c, r) } else { (r, c) };
                        if k & 2 != 0 {
                            a = n - 1 - a;
                        }
                        if k & 1 != 0 {
                            b = n - 1 - b;
                        }
                        plane[r * n + c] = scratch.b[a * n + b];
                    }
                }
            }
        }
        of
    }
}
