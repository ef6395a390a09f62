//! Optics and detectors: blur, pixels of 10, 20 and 60 m, noise.

use rand::RngExt;

use super::bands::Band;
use super::random::normal_pair;

/// Share of the noise's variance at the reference radiance that does not grow with the signal.
const CONSTANT_SHARE: f32 = 0.5;

/// Deviation of the optics' blur in a band's own pixels: for bands of 10 m, where the kernel has few taps, and for larger
/// ones. With the detector's own width the modulation transfer at Nyquist's frequency is 0.3; the mission asks for 0.15 to
/// 0.30.
const BLUR: [f32; 2] = [0.54, 0.41];
/// Pixels that images have, in metres.
const IMAGE_PIXEL_M: usize = 10;

/// What a band's detector makes of a scene of `side × side` pixels of 10 m in top-of-atmosphere reflectance: blurred,
/// averaged over the band's own pixels, with noise, and resampled to 10 m (bilinear).
pub fn observe(scene: &[f32], side: usize, band: &Band, sun_cosine: f32, rng: &mut impl RngExt) -> Vec<f32> {
    let factor = usize::from(band.pixel_m) / IMAGE_PIXEL_M;
    let blurred = blur(scene, side, BLUR[usize::from(factor > 1)] * factor as f32);
    let own_side = side.div_ceil(factor);
    let mut own = means(&blurred, side, factor);
    add_noise(&mut own, band, sun_cosine, 1.0, rng);
    if factor == 1 { own } else { enlarged(&own, own_side, side, factor) }
}

/// Gaussian blur; beyond the edge the last pixel goes on.
pub(super) fn blur(scene: &[f32], side: usize, deviation_px: f32) -> Vec<f32> {
    let radius = (3.0 * deviation_px).ceil() as usize;
    let weights: Vec<f32> = (0..=2 * radius)
        .map(|tap| (-(tap as f32 - radius as f32).powi(2) / (2.0 * deviation_px * deviation_px)).exp())
        .collect();
    let sum: f32 = weights.iter().sum();
    let weights: Vec<f32> = weights.into_iter().map(|weight| weight / sum).collect();
    let along_rows = |scene: &[f32]| -> Vec<f32> {
        // Rows come out as columns, so that twice is the whole blur.
        let mut turned = vec![0.0; side * side];
        let mut padded = vec![0.0; side + 2 * radius];
        for (row, line) in scene.chunks(side).enumerate() {
            padded[..radius].fill(line[0]);
            padded[radius..radius + side].copy_from_slice(line);
            padded[radius + side..].fill(line[side - 1]);
            for column in 0..side {
                let taps = padded[column..].iter().zip(&weights);
                turned[column * side + row] = taps.map(|(value, weight)| value * weight).sum();
            }
        }
        turned
    };
    along_rows(&along_rows(scene))
}

/// Means over squares of `factor` pixels; those at the far edges may be cut.
fn means(scene: &[f32], side: usize, factor: usize) -> Vec<f32> {
    let own_side = side.div_ceil(factor);
    let mean = |own: usize| {
        let range = |from: usize| from * factor..((from + 1) * factor).min(side);
        let (rows, columns) = (range(own / own_side), range(own % own_side));
        let count = rows.len() * columns.len();
        let row_sum = |row: usize| scene[row * side + columns.start..row * side + columns.end].iter().sum::<f32>();
        rows.map(row_sum).sum::<f32>() / count as f32
    };
    (0..own_side * own_side).map(mean).collect()
}

/// Bilinear interpolation between the centres of large pixels.
fn enlarged(own: &[f32], own_side: usize, side: usize, factor: usize) -> Vec<f32> {
    let place = |index: usize| {
        let at = ((index as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (own_side - 1) as f32);
        let before = (at as usize).min(own_side.saturating_sub(2));
        (before, at - before as f32)
    };
    let value = |pixel: usize| {
        let ((row, down), (column, right)) = (place(pixel / side), place(pixel % side));
        let at = |row: usize, column: usize| own[row.min(own_side - 1) * own_side + column.min(own_side - 1)];
        let line = |row: usize| at(row, column) * (1.0 - right) + at(row, column + 1) * right;
        line(row) * (1.0 - down) + line(row + 1) * down
    };
    (0..side * side).map(value).collect()
}

/// Adds noise to reflectance in place: in radiance its variance is a + b × signal, half of each at the reference that
/// the signal-to-noise ratio is stated for. Reflectance is radiance over the sun's cosine, so that noise counts more
/// under a low sun: a / cos² + b × reflectance / cos. `gain` scales the deviation. Nothing falls below 0.
pub fn add_noise(values: &mut [f32], band: &Band, sun_cosine: f32, gain: f32, rng: &mut impl RngExt) {
    let reference = band.reference_reflectance;
    let variance = (gain * reference / band.signal_to_noise).powi(2);
    let constant = CONSTANT_SHARE * variance / (sun_cosine * sun_cosine);
    let growing = (1.0 - CONSTANT_SHARE) * variance / (reference * sun_cosine);
    for values in values.chunks_mut(2) {
        for (value, normal) in values.iter_mut().zip(normal_pair(rng)) {
            *value = (*value + normal * (constant + growing * value.max(0.0)).sqrt()).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bands::{ALL, RGB};
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn deviation(level: f32, sun_cosine: f32) -> f32 {
        let mut values = vec![level; 40_000];
        add_noise(&mut values, &RGB[0], sun_cosine, 1.0, &mut ChaCha8Rng::seed_from_u64(1));
        let mean_square = values.iter().map(|v| (v - level).powi(2)).sum::<f32>() / values.len() as f32;
        mean_square.sqrt()
    }

    #[test]
    fn the_stated_ratio_holds_at_the_reference() {
        let band = &RGB[0];
        let ratio = band.reference_reflectance / deviation(band.reference_reflectance, 1.0);
        assert!((ratio / band.signal_to_noise - 1.0).abs() < 0.02, "{ratio}");
    }

    #[test]
    fn noise_counts_more_under_a_low_sun_and_on_bright_ground() {
        assert!(deviation(0.1, 0.3) > 2.0 * deviation(0.1, 0.9));
        assert!(deviation(0.6, 0.9) > deviation(0.1, 0.9));
    }

    // Waves of two pixels, and what blur and the detector's own width (a factor of 2/π) leave of them. In bands of 20 m they
    // are of four pixels of the image.
    #[test]
    fn the_modulation_transfer_at_nyquist_is_within_the_mission_s_bounds() {
        for (factor, deviation_px) in [(1, BLUR[0]), (2, 2.0 * BLUR[1])] {
            let phase = |pixel: usize| std::f32::consts::PI * ((pixel % 64) as f32 / factor as f32 + 0.5);
            let wave: Vec<f32> = (0..64 * 64).map(|pixel| phase(pixel).sin()).collect();
            let kept = blur(&wave, 64, deviation_px)[32 * 64 + 32] / wave[32 * 64 + 32];
            let transfer = kept * 2.0 / std::f32::consts::PI;
            assert!((0.15..=0.305).contains(&transfer), "{transfer}");
        }
    }

    #[test]
    fn level_ground_stays_level_in_pixels_of_every_size() {
        for band in [&ALL[1], &ALL[11], &ALL[0]] {
            let seen = observe(&[0.2; 64 * 64], 64, band, 0.8, &mut ChaCha8Rng::seed_from_u64(1));
            assert_eq!(seen.len(), 64 * 64);
            let mean = seen.iter().sum::<f32>() / seen.len() as f32;
            assert!((mean - 0.2).abs() < 1e-3 && seen.iter().all(|value| (value - 0.2).abs() < 0.02), "{}", band.name);
        }
    }

    #[test]
    fn small_things_fade_in_large_pixels() {
        let mut scene = vec![0.0; 64 * 64];
        scene[32 * 64 + 32] = 1.0;
        let peak = |band: &Band| {
            let blurred = blur(&scene, 64, BLUR[1] * f32::from(band.pixel_m) / 10.0);
            means(&blurred, 64, usize::from(band.pixel_m) / 10).into_iter().fold(0.0, f32::max)
        };
        assert!(peak(&ALL[1]) > 2.0 * peak(&ALL[11]) && peak(&ALL[11]) > 2.0 * peak(&ALL[0]));
    }
}
