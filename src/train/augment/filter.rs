//! Means over a neighbourhood by normalised convolution (Knutsson and Westin 1993): invalid pixels and those beyond
//! the edge carry no weight, so that they neither spread nor darken their surroundings.

/// Buffers that survive from plane to plane.
#[derive(Debug, Default)]
pub struct Buffers {
    value: Vec<f32>,
    weight: Vec<f32>,
    line_value: Vec<f32>,
    line_weight: Vec<f32>,
}

impl Buffers {
    /// Mean over `2 · reach_px + 1` pixels square around every pixel of a square plane; NaN where the pixel is.
    pub fn box_mean(&mut self, plane: &[f32], reach_px: usize) -> &[f32] {
        self.convolve(plane, &vec![1.0; reach_px + 1])
    }

    /// Mean around every pixel, weighted by a Gaussian of standard deviation `sigma_px`, cut off at three of them.
    pub fn gaussian(&mut self, plane: &[f32], sigma_px: f32) -> &[f32] {
        let sigma_px = sigma_px.max(1e-3);
        let reach = (3.0 * sigma_px).ceil() as usize;
        let kernel: Vec<f32> = (0..=reach).map(|step| (-0.5 * (step as f32 / sigma_px).powi(2)).exp()).collect();
        self.convolve(plane, &kernel)
    }

    /// The plane, copied.
    pub fn copy_of(&mut self, plane: &[f32]) -> &[f32] {
        self.value.clear();
        self.value.extend_from_slice(plane);
        &self.value
    }

    /// `kernel[d]` is the weight at distance `d` along rows, and again along columns.
    fn convolve(&mut self, plane: &[f32], kernel: &[f32]) -> &[f32] {
        let side = plane.len().isqrt();
        self.value.clear();
        self.weight.clear();
        self.value.extend(plane.iter().map(|value| if value.is_nan() { 0.0 } else { *value }));
        self.weight.extend(plane.iter().map(|value| f32::from(!value.is_nan())));
        for (values, line) in [(&mut self.value, &mut self.line_value), (&mut self.weight, &mut self.line_weight)] {
            line.clear();
            line.resize(plane.len(), 0.0);
            for (row, line) in values.chunks_exact(side).zip(line.chunks_exact_mut(side)) {
                accumulate(row, line, kernel, 1);
            }
            values.fill(0.0);
            accumulate(line, values, kernel, side);
        }
        for ((value, weight), own) in self.value.iter_mut().zip(&self.weight).zip(plane) {
            *value = if own.is_nan() { f32::NAN } else { *value / weight };
        }
        &self.value
    }
}

/// Adds to every element of `sum` those of `values` at multiples of `stride` from it, weighted by distance.
fn accumulate(values: &[f32], sum: &mut [f32], kernel: &[f32], stride: usize) {
    let add = |sum: &mut [f32], values: &[f32], weight: f32| {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
    };
    add(sum, values, kernel[0]);
    for (distance, weight) in kernel.iter().enumerate().skip(1) {
        let shift = distance * stride;
        if shift < values.len() {
            add(&mut sum[shift..], values, *weight);
            add(sum, &values[shift..], *weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_level_ground_is_level_up_to_edges_and_holes_and_keeps_the_holes() {
        let mut plane = vec![0.3; 64];
        plane[27] = f32::NAN;
        plane[0] = f32::NAN;
        let mut buffers = Buffers::default();
        for mean in [buffers.box_mean(&plane, 2).to_vec(), buffers.gaussian(&plane, 0.6).to_vec()] {
            for (pixel, value) in mean.iter().enumerate() {
                assert_eq!(value.is_nan(), pixel == 0 || pixel == 27);
                assert!(value.is_nan() || (value - 0.3).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_point_spreads_as_the_gaussian_does() {
        let mut plane = vec![0.0; 81];
        plane[40] = 1.0;
        let mut buffers = Buffers::default();
        let spread = buffers.gaussian(&plane, 0.6);
        let weights = |distance: f64| (-0.5 * (distance / 0.6).powi(2)).exp();
        let sum = weights(0.0) + 2.0 * weights(1.0) + 2.0 * weights(2.0);
        for (pixel, rows, columns) in [(40, 0.0, 0.0), (41, 0.0, 1.0), (31, 1.0, 0.0), (50, 1.0, 1.0)] {
            let expected = weights(rows) * weights(columns) / (sum * sum);
            assert!((f64::from(spread[pixel]) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn a_box_mean_averages_what_is_there() {
        let plane: Vec<f32> = (0..9).map(|value| value as f32).collect();
        let mut buffers = Buffers::default();
        let mean = buffers.box_mean(&plane, 1);
        assert_eq!((mean[4], mean[0], mean[5]), (4.0, 2.0, 4.5));
    }
}
