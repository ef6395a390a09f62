//! What follows a convolution's sums before they are stored: bias, a residual, a floor.

use pulp::Simd;

use super::gemm::{Store, VECTORS, load, store};

/// The rest of a layer, for the pixels of one piece of the output, `[pixel][channel]`.
pub struct Finish<'a> {
    /// One value a channel, filled up to whole panels.
    pub bias: &'a [f32],
    /// Added, laid out like `to`.
    pub residual: Option<&'a [f32]>,
    /// No value is stored below it: 0 for ReLU, else −∞. NaN passes.
    pub floor: f32,
    pub to: &'a mut [f32],
    pub channels: usize,
}

impl Finish<'_> {
    /// Finishes and stores the sums of one pixel for a vector of channels from `channel` on, as many as there are.
    #[inline(always)]
    pub fn store_vector<S: Simd>(&mut self, simd: S, pixel: usize, channel: usize, sums: S::f32s) {
        let at = pixel * self.channels + channel;
        let width = S::F32_LANES.min(self.channels - channel);
        let biased = simd.add_f32s(sums, S::as_simd_f32s(&self.bias[channel..][..S::F32_LANES]).0[0]);
        let whole = match self.residual {
            Some(residual) => simd.add_f32s(biased, load(simd, &residual[at..][..width])),
            None => biased,
        };
        let value = simd.max_f32s(simd.splat_f32s(self.floor), whole);
        store(simd, &mut self.to[at..][..width], value);
    }
}

impl<S: Simd> Store<S> for Finish<'_> {
    #[inline(always)]
    fn store(&mut self, simd: S, row: usize, channel: usize, sums: [S::f32s; VECTORS]) {
        for (vector, sums) in sums.into_iter().enumerate() {
            let channel = channel + vector * S::F32_LANES;
            if channel < self.channels {
                self.store_vector(simd, row, channel, sums);
            }
        }
    }
}
