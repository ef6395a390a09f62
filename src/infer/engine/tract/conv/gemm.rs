//! The inner loop of every convolution here: rows of values times panels of weights, whole tiles held in registers.
//!
//! A tile is P rows by [`VECTORS`] vectors of output channels. Per step it loads the weights once and multiplies them
//! by one value of each row, so that the processor's multiply-add units and not its memory set the pace. Every output
//! is one chain of fused multiply-adds in the order of its row, wherever it stands in a tile: its bits do not depend
//! on the batch.

use pulp::{Arch, Simd, WithSimd};

/// Vectors of output channels in a panel.
pub const VECTORS: usize = 2;
/// Rows of a tile where the processor has 32 vector registers: 24 sums, two weights, the rest to spare.
const ROWS_OF_32: usize = 12;
/// Rows of a tile where it has 16.
const ROWS_OF_16: usize = 6;

/// Output channels of a panel on this processor; `None` where it has no vectors worth the name.
pub fn panel_channels() -> Option<usize> {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Some(Arch::new().dispatch(Lanes)).filter(|&lanes| lanes > 1).map(|lanes| lanes * VECTORS)
}

/// Weights `[channels][depth]` as panels `[panel][depth][channels of a panel]`, the last one filled up with zeros.
pub fn pack(channels: usize, depth: usize, panel: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut packed = vec![0.0; channels.div_ceil(panel) * panel * depth];
    for (index, values) in packed.chunks_exact_mut(depth * panel).enumerate() {
        for channel in 0..panel.min(channels - index * panel) {
            for step in 0..depth {
                values[step * panel + channel] = weight(index * panel + channel, step);
            }
        }
    }
    packed
}

/// Rows of values: row r is, for every segment s, `values[starts[r] + s * stride..][..length]`.
pub struct Rows<'a> {
    pub values: &'a [f32],
    pub starts: &'a [usize],
    pub segments: usize,
    pub stride: usize,
    pub length: usize,
}

/// Takes what a tile has computed.
pub trait Store<S: Simd> {
    /// The sums of row `row` for the channels of a panel from `channel` on.
    fn store(&mut self, simd: S, row: usize, channel: usize, sums: [S::f32s; VECTORS]);
}

/// Stores sums as they are, in rows of `channels`.
pub struct Plain<'a> {
    pub to: &'a mut [f32],
    pub channels: usize,
}

impl<S: Simd> Store<S> for Plain<'_> {
    #[inline(always)]
    fn store(&mut self, simd: S, row: usize, channel: usize, sums: [S::f32s; VECTORS]) {
        for (vector, sums) in sums.into_iter().enumerate() {
            let channel = channel + vector * S::F32_LANES;
            if channel < self.channels {
                let width = S::F32_LANES.min(self.channels - channel);
                store(simd, &mut self.to[row * self.channels + channel..][..width], sums);
            }
        }
    }
}

/// At most a vector of values. A whole one is the rule, and far faster.
#[inline(always)]
pub fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from) {
        ([whole, ..], _) => *whole,
        ([], part) => simd.partial_load_f32s(part),
    }
}

/// As much of a vector as `to` takes.
#[inline(always)]
pub fn store<S: Simd>(simd: S, to: &mut [f32], values: S::f32s) {
    match S::as_mut_simd_f32s(to) {
        ([whole, ..], _) => *whole = values,
        ([], part) => simd.partial_store_f32s(part, values),
    }
}

/// All rows times all panels of `weights`, as [`pack`] made them.
#[inline(always)]
pub fn multiply<S: Simd>(simd: S, rows: &Rows<'_>, weights: &[S::f32s], store: &mut impl Store<S>) {
    if S::REGISTER_COUNT >= 32 {
        multiply_by::<S, ROWS_OF_32>(simd, rows, weights, store);
    } else {
        multiply_by::<S, ROWS_OF_16>(simd, rows, weights, store);
    }
}

#[inline(always)]
fn multiply_by<S: Simd, const P: usize>(simd: S, rows: &Rows<'_>, weights: &[S::f32s], store: &mut impl Store<S>) {
    let count = rows.starts.len();
    let depth = rows.segments * rows.length;
    for (index, panel) in weights.chunks_exact(depth * VECTORS).enumerate() {
        let channel = index * VECTORS * S::F32_LANES;
        let (tiles, rest) = rows.starts.as_chunks::<P>();
        for (tile, starts) in tiles.iter().enumerate() {
            let sums = multiply_tile(simd, rows, starts, panel);
            for (p, &sums) in sums.iter().enumerate() {
                store.store(simd, tile * P + p, channel, sums);
            }
        }
        // What is left is a tile whose last rows are one row said again, and not stored.
        if let Some(&last) = rest.last() {
            let mut starts = [last; P];
            starts[..rest.len()].copy_from_slice(rest);
            let sums = multiply_tile(simd, rows, &starts, panel);
            for (row, sums) in (count - rest.len()..count).zip(sums) {
                store.store(simd, row, channel, sums);
            }
        }
    }
}

#[inline(always)]
fn multiply_tile<S: Simd, const P: usize>(
    simd: S,
    rows: &Rows<'_>,
    starts: &[usize; P],
    panel: &[S::f32s],
) -> [[S::f32s; VECTORS]; P] {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; P];
    let (panel, _) = panel.as_chunks::<VECTORS>();
    let length = rows.length;
    for (segment, weights) in panel.chunks_exact(length).enumerate() {
        let values = &rows.values[segment * rows.stride..];
        let mut windows = [&values[..length]; P];
        for p in 0..P {
            windows[p] = &values[starts[p]..][..length];
        }
        let weights = &weights[..length];
        for step in 0..length {
            let [first, second] = weights[step];
            for p in 0..P {
                let value = simd.splat_f32s(windows[p][step]);
                sums[p][0] = simd.mul_add_f32s(value, first, sums[p][0]);
                sums[p][1] = simd.mul_add_f32s(value, second, sums[p][1]);
            }
        }
    }
    sums
}
