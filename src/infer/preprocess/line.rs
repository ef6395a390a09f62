//! One band's samples to network input: a multiplication, an addition, two bounds and the mask.

use pulp::Arch;

/// network input = DN · gain + bias, clipped to low ..= high; plausible from least to most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) gain: f64,
    pub(super) bias: f64,
    pub(super) least: f32,
    pub(super) most: f32,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Line {
    /// For samples that an f32 holds exactly; gives the number of implausible ones.
    pub(super) fn fast<const N: usize>(
        self,
        samples: &[u8],
        target: &mut [f32],
        valid: &mut [bool],
        nodata: &[f64],
        read: impl Fn([u8; N]) -> f32,
    ) -> usize {
        // A nodata value that no f32 holds equals no sample.
        let mut values = nodata.iter().filter(|&&value| f64::from(value as f32) == value).map(|&value| value as f32);
        let stated = [values.next().unwrap_or(f32::NAN), values.next().unwrap_or(f32::NAN)];
        let (samples, _) = samples.as_chunks::<N>();
        let implausible = Arch::new().dispatch(
            #[inline(always)]
            || self.run(samples, target, valid, stated, &read),
        );
        // Hardly a file has a third.
        for further in values {
            samples.iter().zip(valid.iter_mut()).for_each(|(&bytes, valid)| *valid &= read(bytes) != further);
        }
        implausible as usize
    }

    /// The loop of [`Self::fast`], with everything by value, so that it becomes vectors of whatever length the processor
    /// has: the same multiplications and additions in each, none of them fused.
    #[inline(always)]
    fn run<const N: usize>(
        self,
        samples: &[[u8; N]],
        target: &mut [f32],
        valid: &mut [bool],
        nodata: [f32; 2],
        read: impl Fn([u8; N]) -> f32,
    ) -> u32 {
        let (gain, bias) = (self.gain as f32, self.bias as f32);
        let mut implausible = 0;
        for ((&bytes, target), valid) in samples.iter().zip(target).zip(valid) {
            let dn = read(bytes);
            let (value, is_stated) = (dn * gain + bias, (dn != nodata[0]) & (dn != nodata[1]) & dn.is_finite());
            *valid &= is_stated;
            *target = value.max(self.low).min(self.high);
            implausible += u32::from(is_stated & ((value < self.least) | (value > self.most)));
        }
        implausible
    }

    /// For samples that need f64; gives the number of implausible ones.
    pub(super) fn wide<const N: usize>(
        self,
        samples: &[u8],
        target: &mut [f32],
        valid: &mut [bool],
        nodata: &[f64],
        read: impl Fn([u8; N]) -> f64,
    ) -> usize {
        let (samples, _) = samples.as_chunks::<N>();
        let mut implausible = 0;
        for ((&bytes, target), valid) in samples.iter().zip(target).zip(valid) {
            let dn = read(bytes);
            let unclipped = (dn * self.gain + self.bias) as f32;
            let value = unclipped.max(self.low).min(self.high);
            let is_stated = !nodata.contains(&dn) & dn.is_finite() & value.is_finite();
            *valid &= is_stated;
            *target = value;
            implausible += usize::from(is_stated & ((unclipped < self.least) | (unclipped > self.most)));
        }
        implausible
    }
}
