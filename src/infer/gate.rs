//! The prefilter: a few numbers of a window, and what trees make of them. It runs here on every engine, so that results
//! depend on none.

use crate::model::Prefilter;
use crate::model::manifest::GATE_STATISTICS;

/// What [`statistics`] are of a channel, in their order.
pub const STATISTICS: [&str; GATE_STATISTICS] =
    ["mean", "standard deviation", "minimum", "lower quartile", "median", "upper quartile", "maximum"];

/// Seven numbers a channel, channel by channel: mean, standard deviation (with the number of pixels as divisor), minimum,
/// lower quartile, median, upper quartile and maximum of the valid pixels of `input`, the network's standardised input
/// `[channels, pixels]`. Quartiles lie between the two nearest pixels in proportion (`numpy.quantile`'s default). NaN where
/// no pixel is valid.
///
/// # Panics
/// Where `input` is not a multiple of `valid` in length.
pub fn statistics(input: &[f32], valid: &[bool]) -> Vec<f32> {
    assert!(!valid.is_empty() && input.len().is_multiple_of(valid.len()), "channels of {} pixels", valid.len());
    let mut sorted = Vec::with_capacity(valid.len());
    let channels = input.chunks_exact(valid.len());
    let of = |channel: &[f32]| {
        sorted.clear();
        sorted.extend(channel.iter().zip(valid).filter(|(_, is_valid)| **is_valid).map(|(value, _)| *value));
        sorted.sort_unstable_by(f32::total_cmp);
        summary(&sorted)
    };
    channels.flat_map(of).collect()
}

fn summary(sorted: &[f32]) -> [f32; GATE_STATISTICS] {
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else { return [f32::NAN; GATE_STATISTICS] };
    let n = sorted.len() as f64;
    let mean = sorted.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
    let variance = sorted.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / n;
    let quantile = |share: f64| {
        let place = share * (n - 1.0);
        let below = place as usize;
        let (low, high) = (f64::from(sorted[below]), f64::from(sorted[(below + 1).min(sorted.len() - 1)]));
        (low + (high - low) * (place - below as f64)) as f32
    };
    [mean as f32, variance.sqrt() as f32, least, quantile(0.25), quantile(0.5), quantile(0.75), most]
}

/// What the reason of a window begins with that the prefilter spared.
pub const SPARED: &str = "spared by the prefilter";

/// The score of a window by the prefilter where it is below the cut-off, so that the network need not look at it.
pub fn spared(prefilter: &Prefilter, input: &[f32], valid: &[bool]) -> Option<f32> {
    let score = prefilter.trees.score(&statistics(input, valid));
    (score < prefilter.gate.cutoff).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_of_the_valid_pixels_channel_by_channel() {
        let input = [4.0, 1.0, 99.0, 3.0, 2.0, -1.0, -1.0, 99.0, -1.0, -1.0];
        let found = statistics(&input, &[true, true, false, true, true]);
        let expected = [2.5, 1.25f32.sqrt(), 1.0, 1.75, 2.5, 3.25, 4.0, -1.0, 0.0, -1.0, -1.0, -1.0, -1.0, -1.0];
        assert_eq!(found.len(), 14);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn without_a_valid_pixel_nothing_is_known() {
        assert!(statistics(&[1.0, 2.0], &[false, false]).iter().all(|value| value.is_nan()));
    }
}
