//! Random fields with a power law for a spectrum: the shape of clouds, relief, shores and land cover alike.

use std::cell::RefCell;

use rand::RngExt;
use rustfft::num_complex::Complex32;
use rustfft::{FftDirection, FftPlanner};

use super::random::normal_pair;

thread_local! {
    /// Plans are made once a thread.
    static PLANNER: RefCell<FftPlanner<f32>> = RefCell::new(FftPlanner::new());
}

/// A field on `side × side` pixels, row by row, with mean 0 and variance 1; periodic, so that it can be read beyond its
/// edges.
#[derive(Debug, Clone)]
pub struct Field {
    /// Height and width in pixels.
    pub side: usize,
    /// The values.
    pub values: Vec<f32>,
}

impl Field {
    /// The value at a row and column that may lie outside.
    pub fn at(&self, row: isize, column: isize) -> f32 {
        let wrap = |index: isize| index.rem_euclid(self.side as isize) as usize;
        self.values[wrap(row) * self.side + wrap(column)]
    }

    /// The upper left `side × side` pixels.
    pub fn crop(&self, side: usize) -> Vec<f32> {
        self.values.chunks_exact(self.side).take(side).flat_map(|row| &row[..side]).copied().collect()
    }
}

/// Two independent Gaussian fields whose power falls as 1/k^`slope` with the wave number k. They are the real and the
/// imaginary part of one Fourier transform of complex white noise, weighted.
pub fn pair(side: usize, slope: f32, rng: &mut impl RngExt) -> [Field; 2] {
    bounded(side, slope, 0.0, rng)
}

/// As [`pair`], with little structure larger than `side / outer` pixels: power falls as 1 / (k² + outer²)^(`slope` / 2),
/// which is von Kármán's spectrum (1948).
pub fn bounded(side: usize, slope: f32, outer: f32, rng: &mut impl RngExt) -> [Field; 2] {
    let mut spectrum = Vec::with_capacity(side * side);
    for row in 0..side {
        for column in 0..side {
            let squared = (wave_number(row, side).pow(2) + wave_number(column, side).pow(2)) as f32;
            let [re, im] = normal_pair(rng);
            // The mean is 0, and power is amplitude squared: (k²)^(-slope / 4).
            let weight = if squared > 0.0 { (squared + outer * outer).powf(-slope / 4.0) } else { 0.0 };
            spectrum.push(Complex32::new(re, im) * weight);
        }
    }
    transform(&mut spectrum, side);
    [spectrum.iter().map(|v| v.re).collect(), spectrum.iter().map(|v| v.im).collect()]
        .map(|values| Field { side, values: standardised(values) })
}

/// The first of [`pair`].
pub fn single(side: usize, slope: f32, rng: &mut impl RngExt) -> Field {
    let [field, _] = pair(side, slope, rng);
    field
}

fn wave_number(index: usize, side: usize) -> usize {
    index.min(side - index)
}

/// Two-dimensional inverse transform in place; rows and columns come out exchanged, which an isotropic field does not
/// show.
fn transform(values: &mut [Complex32], side: usize) {
    let plan = PLANNER.with_borrow_mut(|planner| planner.plan_fft(side, FftDirection::Inverse));
    plan.process(values);
    for row in 0..side {
        for column in row + 1..side {
            values.swap(row * side + column, column * side + row);
        }
    }
    plan.process(values);
}

fn standardised(mut values: Vec<f32>) -> Vec<f32> {
    let mean_square = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
    let scale = mean_square.sqrt().recip();
    values.iter_mut().for_each(|value| *value *= scale);
    values
}

/// The value that a share (0 to 1) of `values` lies above.
pub fn upper_quantile(values: &[f32], share: f32) -> f32 {
    let mut values = values.to_vec();
    let rank = ((1.0 - share) * (values.len() - 1) as f32).round() as usize;
    *values.select_nth_unstable_by(rank, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Mean power of the wave numbers in `from..to` by a plain sum over pixels.
    fn power(field: &Field, wave_number: usize) -> f64 {
        let side = field.side;
        let along_rows = |row: usize| {
            let line = &field.values[row * side..(row + 1) * side];
            let angle = |column: usize| std::f64::consts::TAU * (wave_number * column) as f64 / side as f64;
            let sum = |wave: fn(f64) -> f64| {
                line.iter().enumerate().map(|(column, v)| f64::from(*v) * wave(angle(column))).sum::<f64>()
            };
            sum(f64::cos).powi(2) + sum(f64::sin).powi(2)
        };
        (0..side).map(along_rows).sum::<f64>()
    }

    // A line through a field of slope β in two dimensions has a spectrum of slope β − 1.
    #[test]
    fn power_falls_with_the_slope_asked_for() {
        for slope in [2.4f32, 3.2] {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let fields: Vec<Field> = (0..40).flat_map(|_| pair(128, slope, &mut rng)).collect();
            let mean = |k| fields.iter().map(|field| power(field, k)).sum::<f64>();
            let measured = (mean(4) / mean(16)).ln() / 4f64.ln();
            assert!((measured - f64::from(slope - 1.0)).abs() < 0.15, "{slope}: {measured}");
        }
    }

    #[test]
    fn the_two_fields_of_a_pair_are_standardised_and_independent() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut correlations = Vec::new();
        for _ in 0..60 {
            let [a, b] = pair(64, 2.0, &mut rng);
            let mean = |f: &dyn Fn(usize) -> f32| (0..64 * 64).map(f).sum::<f32>() / 4096.0;
            assert!(mean(&|i| a.values[i]).abs() < 1e-3);
            assert!((mean(&|i| a.values[i].powi(2)) - 1.0).abs() < 1e-3);
            correlations.push(mean(&|i| a.values[i] * b.values[i]));
        }
        assert!((correlations.iter().sum::<f32>() / 60.0).abs() < 0.1);
    }

    #[test]
    fn fields_are_periodic() {
        let field = single(32, 3.0, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(field.at(-1, 33), field.at(31, 1));
        // Neighbours across the edge are as alike as neighbours inside.
        let step =
            |column: isize| (0..32).map(|row| (field.at(row, column + 1) - field.at(row, column)).abs()).sum::<f32>();
        assert!(step(31) < 3.0 * step(15));
    }

    #[test]
    fn a_share_of_the_values_lies_above_their_quantile() {
        let values: Vec<f32> = (0..1001).map(|v| v as f32).collect();
        assert_eq!(upper_quantile(&values, 0.25), 750.0);
        assert_eq!((upper_quantile(&values, 1.0), upper_quantile(&values, 0.0)), (0.0, 1000.0));
    }
}
