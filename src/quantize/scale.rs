//! Scales and zero points: q = round(x / scale) + zero point, within 8 bits (Jacob et al. 2018).

use crate::onnx::graph::Floats;

/// Smallest scale: below it, 1 / scale is no finite number.
const SCALE_MIN: f32 = 1e-30;
/// Steps of the search for the range of a channel's weights, and how far it is cut back at most.
const CUTS: usize = 20;
const CUT_MIN: f32 = 0.7;

/// How activations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activations {
    /// Bytes with a zero point: the fast path of processors.
    Unsigned,
    /// Signed bytes, symmetric around zero: what TensorRT takes, and slow on processors.
    Signed,
}

/// Scale and zero point of a value, one for all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// What one step is worth.
    pub scale: f32,
    /// The step that means zero: 0 to 255, or 0 where activations are signed.
    pub zero_point: u8,
}

impl Scale {
    /// For a range that holds zero.
    pub fn of([low, high]: [f32; 2], activations: Activations) -> Self {
        match activations {
            Activations::Unsigned => {
                let scale = ((high - low) / 255.0).max(SCALE_MIN);
                Self { scale, zero_point: (-low / scale).round().clamp(0.0, 255.0) as u8 }
            }
            Activations::Signed => Self { scale: (high.max(-low) / 127.0).max(SCALE_MIN), zero_point: 0 },
        }
    }
}

/// Weights in 8 bits, symmetric, with a scale for each output channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// As those they came from.
    pub dims: Vec<usize>,
    /// The axis of output channels.
    pub axis: usize,
    /// −`steps` to `steps`.
    pub values: Vec<i8>,
    /// One for each output channel, or one for all.
    pub scales: Vec<f32>,
}

/// How weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct WeightSteps {
    /// The largest step: 127, or 63 for processors without VNNI, whose 16-bit sums of two products would saturate.
    pub steps: u8,
    /// A scale for each output channel, or one for all.
    pub per_channel: bool,
}

impl Weights {
    /// Rounds `weights` whose output channels lie along `axis`. Each scale is the one of the least squared error between
    /// the channel's largest weight and seven tenths of it, but no smaller than `scale_min` of the channel.
    pub fn of(weights: &Floats, axis: usize, steps: WeightSteps, scale_min: impl Fn(usize) -> f32) -> Self {
        let channel_of = channel_of(&weights.dims, axis);
        let n_channels = if steps.per_channel { weights.dims.get(axis).copied().unwrap_or(1) } else { 1 };
        let mut channels: Vec<Vec<f32>> = vec![Vec::new(); n_channels];
        for (index, value) in weights.values.iter().enumerate() {
            channels[channel_of(index) % n_channels].push(*value);
        }
        let most = f32::from(steps.steps);
        let scale = |(index, channel): (usize, &Vec<f32>)| best_scale(channel, most).max(scale_min(index));
        let scales: Vec<f32> = channels.iter().enumerate().map(scale).collect();
        let round = |(index, value): (usize, &f32)| {
            (value / scales[channel_of(index) % n_channels]).round().clamp(-most, most) as i8
        };
        let values = weights.values.iter().enumerate().map(round).collect();
        Self { dims: weights.dims.clone(), axis, values, scales }
    }

    /// What the 8 bits stand for.
    pub fn to_floats(&self) -> Floats {
        let channel_of = channel_of(&self.dims, self.axis);
        let value = |(index, step): (usize, &i8)| f32::from(*step) * self.scales[channel_of(index) % self.scales.len()];
        Floats { dims: self.dims.clone(), values: self.values.iter().enumerate().map(value).collect() }
    }
}

/// The output channel of each element.
pub fn channel_of(dims: &[usize], axis: usize) -> impl Fn(usize) -> usize + use<> {
    let inner: usize = dims.iter().skip(axis + 1).product::<usize>().max(1);
    let count = dims.get(axis).copied().unwrap_or(1).max(1);
    move |index| index / inner % count
}

fn best_scale(channel: &[f32], most: f32) -> f32 {
    let largest = channel.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    if largest < SCALE_MIN * most {
        // A channel of zeros: any scale writes it.
        return 1.0;
    }
    let error = |scale: f32| -> f64 {
        let inverse = 1.0 / scale;
        channel
            .iter()
            .map(|value| f64::from(value - (value * inverse).round().clamp(-most, most) * scale).powi(2))
            .sum()
    };
    let cuts = (0..=CUTS).map(|step| 1.0 - (1.0 - CUT_MIN) * step as f32 / CUTS as f32);
    let candidates = cuts.map(|cut| (cut * largest / most, error(cut * largest / most)));
    candidates.fold((largest / most, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best }).0
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: WeightSteps = WeightSteps { steps: 127, per_channel: true };

    #[test]
    fn zero_has_a_step_of_its_own_and_the_range_fits() {
        let scale = Scale::of([-1.0, 3.0], Activations::Unsigned);
        assert_eq!(scale.zero_point, 64);
        assert!((f32::from(255 - scale.zero_point) * scale.scale - 3.0).abs() < scale.scale);
        assert_eq!(Scale::of([0.0, 5.1], Activations::Unsigned).zero_point, 0);
        let scale = Scale::of([-1.0, 12.7], Activations::Signed);
        assert!(scale.zero_point == 0 && (scale.scale - 0.1).abs() < 1e-6);
    }

    #[test]
    fn each_channel_has_its_own_scale_along_either_axis() {
        let weights = Floats { dims: vec![2, 3], values: vec![1.0, -0.5, 0.25, 100.0, -50.0, 25.0] };
        let rows = Weights::of(&weights, 0, EACH, |_| 0.0);
        assert_eq!(rows.scales.len(), 2);
        assert!((rows.scales[1] / rows.scales[0] - 100.0).abs() < 1e-3);
        assert_eq!(Weights::of(&weights, 1, EACH, |_| 0.0).scales.len(), 3);
        for (back, value) in rows.to_floats().values.iter().zip(&weights.values) {
            assert!((back - value).abs() <= 0.01 * value.abs(), "{back} for {value}");
        }
    }

    #[test]
    fn a_channel_of_zeros_stays_zero_and_seven_bits_stay_within_sixty_three() {
        let weights = Floats { dims: vec![2, 2], values: vec![0.0, 0.0, -3.0, 1.0] };
        let found = Weights::of(&weights, 0, WeightSteps { steps: 63, per_channel: true }, |_| 0.0);
        assert_eq!(found.values[..2], [0, 0]);
        assert!(found.values.iter().all(|step| step.abs() <= 63) && found.values[2] == -63);
        assert_eq!(found.scales[0], 1.0);
    }
}
