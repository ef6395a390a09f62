//! From what values a tensor takes to the range that 256 levels are laid over.

/// Bins of a histogram: fine enough that a bin is an eighth of a level.
const BINS: usize = 2048;
/// Levels of 8 bits.
const LEVELS: usize = 256;
/// How far a range is cut back at most, in the search for the best one.
const CUT_MIN: f64 = 0.2;
/// Steps of that search.
const CUTS: usize = 80;

/// How the range of a tensor is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// From the smallest value to the largest.
    MinMax,
    /// Without the ten-thousandth on either side.
    Percentile,
    /// The range in which the levels' distribution has the least Kullback–Leibler divergence from the values' (Migacz
    /// 2017, “8-bit inference with TensorRT”).
    Entropy,
    /// The range of the least mean squared error, of rounding and clipping together.
    Mse,
}

impl Method {
    /// Every one, in the order in which ties are decided.
    pub const ALL: [Self; 4] = [Self::MinMax, Self::Percentile, Self::Entropy, Self::Mse];

    /// As the flag names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MinMax => "min-max",
            Self::Percentile => "percentile",
            Self::Entropy => "entropy",
            Self::Mse => "mse",
        }
    }
}

/// Share of the values that [`Method::Percentile`] leaves out on either side.
const TAIL: f64 = 1e-4;

/// How often values fell where, between the smallest and the largest.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// An empty one for values from `low` to `high`.
    pub fn new(low: f32, high: f32) -> Self {
        Self { low, high, counts: vec![0; BINS] }
    }

    /// Counts `values`; those beyond the ends fall into the last bins.
    pub fn add(&mut self, values: &[f32]) {
        let scale = BINS as f32 / (self.high - self.low).max(f32::MIN_POSITIVE);
        for value in values {
            // A float becomes an integer within bounds: below zero is zero.
            let bin = ((value - self.low) * scale) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    /// The range that a method finds. It holds zero, which must have a level of its own.
    pub fn range(&self, method: Method) -> [f32; 2] {
        let [low, high] = match method {
            Method::MinMax => [self.low, self.high],
            Method::Percentile => [self.percentile(TAIL), self.percentile(1.0 - TAIL)],
            Method::Entropy => {
                let without_zeros = self.without_zeros();
                without_zeros.least(|low, high| without_zeros.divergence(low, high))
            }
            Method::Mse => self.least(|low, high| self.squared_error(low, high)),
        };
        [low.min(0.0), high.max(0.0)]
    }

    fn width(&self) -> f64 {
        f64::from(self.high - self.low) / BINS as f64
    }

    fn centre(&self, bin: usize) -> f64 {
        f64::from(self.low) + (bin as f64 + 0.5) * self.width()
    }

    fn total(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64
    }

    fn percentile(&self, share: f64) -> f32 {
        let wanted = share * self.total();
        let mut below = 0.0;
        for (bin, count) in self.counts.iter().enumerate() {
            below += *count as f64;
            if below >= wanted {
                return self.centre(bin) as f32;
            }
        }
        self.high
    }

    /// The range with the least `loss` among those cut back towards zero: first above, then below.
    fn least(&self, loss: impl Fn(f64, f64) -> f64) -> [f32; 2] {
        let (low, high) = (f64::from(self.low.min(0.0)), f64::from(self.high.max(0.0)));
        let cuts = || (0..=CUTS).map(|step| 1.0 - (1.0 - CUT_MIN) * step as f64 / CUTS as f64);
        // The first of equals is the widest.
        let best = |of: &dyn Fn(f64) -> f64| {
            cuts()
                .map(|cut| (cut, of(cut)))
                .fold((1.0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best })
                .0
        };
        let above = if high > 0.0 { best(&|cut| loss(low, cut * high)) } else { 1.0 };
        let below = if low < 0.0 { best(&|cut| loss(cut * low, above * high)) } else { 1.0 };
        [(below * low) as f32, (above * high) as f32]
    }

    /// Sum of the squared errors of the bins' centres.
    fn squared_error(&self, low: f64, high: f64) -> f64 {
        let step = (high - low) / (LEVELS - 1) as f64;
        let error = |(bin, count): (usize, &u64)| {
            let value = self.centre(bin);
            let rounded = (((value - low) / step).round().clamp(0.0, (LEVELS - 1) as f64)) * step + low;
            // Within its bin a value is evenly spread, which no range changes; what changes is where the centre goes.
            *count as f64 * (value - rounded).powi(2)
        };
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(error).sum()
    }

    /// With as many zeros as there are values beside zero: half of what a ReLU makes is zero, which every range writes
    /// exactly.
    fn without_zeros(&self) -> Self {
        let mut counts = self.counts.clone();
        let bin = ((f64::from(-self.low) / self.width()) as usize).min(BINS - 1);
        counts[bin] = counts[bin].min(self.counts[if bin + 1 < BINS { bin + 1 } else { bin - 1 }]);
        Self { counts, ..*self }
    }

    /// Kullback–Leibler divergence of the values' distribution, what lies beyond the range put into its outermost bins,
    /// from the same with one value a level, evenly over the level's bins that hold any.
    fn divergence(&self, low: f64, high: f64) -> f64 {
        let bin_of = |value: f64| (((value - f64::from(self.low)) / self.width()) as usize).min(BINS - 1);
        let (first, last) = (bin_of(low), bin_of(high));
        if last <= first + LEVELS {
            return f64::INFINITY;
        }
        let kept = &self.counts[first..=last];
        let mut clipped: Vec<f64> = kept.iter().map(|count| *count as f64).collect();
        let sum = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
        clipped[0] += sum(&self.counts[..first]);
        clipped[last - first] += sum(&self.counts[last + 1..]);
        let bins = kept.len();
        let mut levels = vec![(0.0, 0.0); LEVELS];
        let level_of = |bin: usize| bin * LEVELS / bins;
        for (bin, count) in kept.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (sum, filled) = &mut levels[level_of(bin)];
            *sum += *count as f64;
            *filled += 1.0;
        }
        let (all, inside) = (self.total(), sum(kept));
        let term = |(bin, p): (usize, &f64)| {
            let (sum, filled) = levels[level_of(bin)];
            let (p, q) = (p / all, if filled > 0.0 { sum / filled / inside } else { 0.0 });
            // A bin that holds only what was clipped into it has no counterpart: as unlikely as one value.
            if p > 0.0 { p * (p / q.max(1.0 / all)).ln() } else { 0.0 }
        };
        clipped.iter().enumerate().map(term).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A half-normal distribution by its quantiles, and one value far out.
    fn long_tail() -> Histogram {
        let normal = |share: f64| (std::f64::consts::SQRT_2 * statrs::function::erf::erf_inv(share)) as f32;
        let values: Vec<f32> = (0..100_000).map(|i| normal((f64::from(i) + 0.5) / 1e5)).chain([40.0]).collect();
        let mut histogram = Histogram::new(0.0, 40.0);
        histogram.add(&values);
        histogram
    }

    #[test]
    fn every_range_holds_zero_and_lies_within_the_values() {
        let mut histogram = Histogram::new(2.0, 6.0);
        histogram.add(&[2.0, 3.0, 5.5, 6.0]);
        for method in Method::ALL {
            let [low, high] = histogram.range(method);
            assert!(low == 0.0 && high <= 6.0 && high > 1.0, "{method:?}: {low} to {high}");
        }
    }

    #[test]
    fn one_value_far_out_stretches_only_the_range_from_smallest_to_largest() {
        let histogram = long_tail();
        assert_eq!(histogram.range(Method::MinMax), [0.0, 40.0]);
        // The quantile of 1 − 10⁻⁴ of the half-normal distribution is 3.89.
        let [_, high] = histogram.range(Method::Percentile);
        assert!((high - 3.89).abs() < 0.05, "{high}");
        assert!(histogram.range(Method::Entropy)[1] < 20.0);
        // Rounding costs 10⁵ (high / 255)² / 12 and clipping (40 − high)²: least where high is 35.5.
        assert!((histogram.range(Method::Mse)[1] - 35.5).abs() < 0.5);
    }

    #[test]
    fn zeros_of_a_relu_do_not_count_for_entropy() {
        let mut histogram = long_tail();
        let [_, high] = histogram.range(Method::Entropy);
        histogram.add(&[0.0; 100_000]);
        assert_eq!(histogram.range(Method::Entropy)[1], high);
    }

    #[test]
    fn least_squared_error_is_that_of_trying_every_range() {
        let mut histogram = Histogram::new(-1.0, 8.0);
        let values: Vec<f32> = (0..9000).map(|i| -1.0 + 9.0 * (i as f32 / 9000.0).powi(4)).collect();
        histogram.add(&values);
        let [low, high] = histogram.range(Method::Mse);
        let found = histogram.squared_error(low.into(), high.into());
        for cut in [0.5, 0.7, 0.9, 1.0] {
            assert!(found <= histogram.squared_error(low.into(), 8.0 * cut) * 1.000_001, "cut {cut}");
        }
    }
}
