//! The temperature that logits are divided by (Guo et al. 2017), fitted on tiles that no gradient saw.

use super::Choose;
use super::measures::passes;
use super::tiles::Tiles;
use crate::statistics::classes::divergence;
use crate::train::fit::Machine;
use crate::train::parameters::Parameters;
use crate::train::samples::Scaling;

/// Lowest and highest temperature tried.
const RANGE: [f64; 2] = [0.25, 4.0];
/// Temperatures tried, evenly spaced in their logarithm; 1 is the middle one.
const STEPS: usize = 25;

/// The temperature at which the mean divergence of the tiles' class shares is least, or the mean logarithmic loss of their
/// pixels where the intersection over union chooses, which no temperature changes. None without a labelled pixel.
///
/// All temperatures are tried in one pass over the tiles; a parabola through the best and its neighbours says what lies
/// between.
pub fn fit(parameters: &Parameters, tiles: &Tiles, scaling: &Scaling, choose: Choose, machine: Machine) -> Option<f64> {
    let [low, high] = RANGE.map(f64::ln);
    let temperature = |step: f64| (low + (high - low) * step / (STEPS - 1) as f64).exp();
    let (mut costs, mut count) = ([0.0; STEPS], 0.0);
    passes(parameters, tiles, scaling, machine, &mut |pass| {
        let mut n = 0.0;
        for (step, cost) in costs.iter_mut().enumerate() {
            let temperature = temperature(step as f64);
            let (sum, of) = match choose {
                Choose::Iou => pass.surprise(temperature),
                Choose::Kl => {
                    let shares = pass.shares(temperature);
                    (shares.iter().map(|(own, given)| divergence(own, given)).sum(), shares.len() as f64)
                }
            };
            *cost += sum;
            n = of;
        }
        count += n;
    });
    (count > 0.0).then(|| temperature(lowest(&costs)))
}

/// Where the lowest of evenly spaced values lies, by a parabola through it and its neighbours.
fn lowest(values: &[f64]) -> f64 {
    let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    if best == 0 || best + 1 == values.len() {
        return best as f64;
    }
    let [before, here, after] = [values[best - 1], values[best], values[best + 1]];
    let bend = before - 2.0 * here + after;
    best as f64 + if bend > 0.0 { 0.5 * (before - after) / bend } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::lowest;

    #[test]
    fn the_lowest_point_lies_between_the_steps() {
        let parabola: Vec<f64> = (0..9).map(|x| (f64::from(x) - 3.3).powi(2) + 1.0).collect();
        assert!((lowest(&parabola) - 3.3).abs() < 1e-12);
        assert_eq!(lowest(&[1.0, 2.0, 3.0]), 0.0);
    }
}
