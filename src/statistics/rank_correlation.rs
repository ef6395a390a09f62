//! Whether two models put tiles into the same order.

use super::mid_ranks::mid_ranks;

/// Spearman's ρ (1904): Pearson's correlation of the mid-ranks. None where either gives all tiles one score.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    let [a, b] = [a, b].map(mid_ranks);
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let spread = (product(&a, &a) * product(&b, &b)).sqrt();
    (spread > 0.0).then(|| product(&a, &b) / spread)
}

#[cfg(test)]
mod tests {
    use super::spearman;

    // scipy 1.17.1, scipy.stats.spearmanr
    #[test]
    fn correlation_with_ties_is_that_of_scipy() {
        let found = spearman(&[0.1, 0.4, 0.4, 0.9, 0.2], &[0.2, 0.3, 0.8, 0.7, 0.2]).unwrap();
        assert!((found - 0.789_473_684_210_526_4).abs() < 1e-12, "{found}");
        assert_eq!(spearman(&[0.5, 0.5], &[0.1, 0.2]), None);
    }
}
