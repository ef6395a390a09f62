//! The population stability index of binned samples, and what it comes to where nothing has changed.

use statrs::function::gamma::checked_gamma_ur;

/// How far two histograms over the same bins lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Psi {
    /// Σ (c − r) · ln(c / r) over the shares of the bins (Siddiqi 2006): Kullback–Leibler divergence both ways. Two
    /// normal distributions whose means differ by half a standard deviation have 0.25.
    pub value: f64,
    /// P(χ² with B − 1 degrees ≥ PSI / (1/n + 1/m)), for samples of n and m (Yurdakul 2018). Too small where a bin
    /// expects few: measured with ten bins, n = 100 and m = 2,000, values under 10⁻⁴ come eight times too often.
    pub p_value: f64,
    /// P(χ² with B − 1 degrees ≥ X²) with Pearson's X² of the same table, which PSI / (1/n + 1/m) tends to. In the case
    /// above values under 10⁻⁴ come 1.2 times as often as they should: the one to decide by.
    pub p_value_pearson: f64,
}

/// The index of `current` against `reference`, counts over the same bins. Bins that are empty in both are left out; one
/// that is empty in one of them counts as half a tile there. None of fewer than two bins, or where a sample is empty.
pub fn psi(reference: &[u64], current: &[u64]) -> Option<Psi> {
    let (m, n) = (total(reference), total(current));
    let bins: Vec<(f64, f64)> = reference
        .iter()
        .zip(current)
        .filter(|(r, c)| **r + **c > 0)
        .map(|(&r, &c)| ((r as f64).max(0.5) / m, (c as f64).max(0.5) / n))
        .collect();
    if reference.len() != current.len() || bins.len() < 2 || m == 0.0 || n == 0.0 {
        return None;
    }
    let value = bins.iter().map(|(r, c)| (c - r) * (c / r).ln()).sum();
    let p_value = p_value(value, bins.len(), n, m);
    Some(Psi { value, p_value, p_value_pearson: chi_squared_above(pearson(reference, current, m, n), bins.len()) })
}

/// P(PSI ≥ `value`) where both samples, of `n` and `m`, come from one distribution over `bins` bins.
pub fn p_value(value: f64, bins: usize, n: f64, m: f64) -> f64 {
    chi_squared_above(value / (1.0 / n + 1.0 / m), bins)
}

fn total(counts: &[u64]) -> f64 {
    counts.iter().sum::<u64>() as f64
}

/// X² of homogeneity of a table of two rows (Pearson 1900).
fn pearson(reference: &[u64], current: &[u64], m: f64, n: f64) -> f64 {
    let cell = |(&r, &c): (&u64, &u64)| {
        let (r, c) = (r as f64, c as f64);
        if r + c == 0.0 { 0.0 } else { (c / n - r / m).powi(2) / (r + c) }
    };
    n * m * reference.iter().zip(current).map(cell).sum::<f64>()
}

/// P(χ² with `bins` − 1 degrees of freedom ≥ x).
fn chi_squared_above(x: f64, bins: usize) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur((bins as f64 - 1.0) / 2.0, x / 2.0).unwrap_or(1.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: [u64; 5] = [100, 150, 200, 250, 300];
    const CURRENT: [u64; 5] = [60, 70, 90, 120, 160];

    #[test]
    fn value_and_null_distribution_are_those_of_the_worked_example() {
        let psi = psi(&REFERENCE, &CURRENT).unwrap();
        assert!((psi.value - 0.008142561).abs() < 5e-10, "{}", psi.value);
        // Its 95th percentile under "nothing has changed" is 0.028463.
        assert!((p_value(0.028463, 5, 500.0, 1000.0) - 0.05).abs() < 1e-5);
        // scipy 1.17: chi2.sf(0.008142561 / 0.003, 4); chi2_contingency([reference, current]).pvalue
        assert!((psi.p_value - 0.606734362).abs() < 1e-6, "{}", psi.p_value);
        assert!((psi.p_value_pearson - 0.602782668).abs() < 1e-6, "{}", psi.p_value_pearson);
    }

    #[test]
    fn index_is_that_of_kullback_and_leibler_both_ways_and_symmetric() {
        let (forward, backward) = (psi(&REFERENCE, &CURRENT).unwrap(), psi(&CURRENT, &REFERENCE).unwrap());
        assert!((forward.value - backward.value).abs() < 1e-15);
        let (r, c) = (REFERENCE.map(|count| count as f64 / 1000.0), CURRENT.map(|count| count as f64 / 500.0));
        let divergence = |a: [f64; 5], b: [f64; 5]| -> f64 { a.iter().zip(b).map(|(a, b)| a * (a / b).ln()).sum() };
        assert!((forward.value - divergence(r, c) - divergence(c, r)).abs() < 1e-15);
    }

    #[test]
    fn an_empty_bin_is_finite_and_one_empty_in_both_does_not_count() {
        let sparse = psi(&[0, 50, 50], &[10, 45, 45]).unwrap();
        assert!(sparse.value.is_finite() && sparse.p_value_pearson < 0.01, "{sparse:?}");
        assert_eq!(psi(&[0, 40, 60], &[0, 50, 50]), psi(&[40, 60], &[50, 50]));
        assert_eq!(psi(&[0, 40], &[0, 50]), None);
        assert_eq!(psi(&[40, 60], &[0, 0]), None);
    }
}
