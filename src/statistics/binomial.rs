//! Probabilities of the binomial distribution.

use super::beta;

/// P(Bin(n, p) ≤ k) for k = 0, 1, …, n. The first terms are far below the smallest `f64` where n is large, so
/// that terms and sum are kept relative to a scale, which is moved up as they grow.
pub fn cumulative(n: u64, p: f64) -> impl Iterator<Item = f64> {
    const STEP_UP: f64 = 1e250;
    let odds = p / (1.0 - p);
    let mut scale_ln = n as f64 * (-p).ln_1p();
    let (mut term, mut sum) = (1.0, 0.0);
    (0..=n).map(move |k| {
        sum += term;
        term *= (n - k) as f64 / (k + 1) as f64 * odds;
        if sum > STEP_UP {
            (sum, term) = (sum / STEP_UP, term / STEP_UP);
            scale_ln += STEP_UP.ln();
        }
        (sum.ln() + scale_ln).exp()
    })
}

/// P(Bin(n, p) ≤ k), alone.
pub fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n { 1.0 } else { beta::at_least(k as f64 + 1.0, (n - k) as f64, p) }
}

/// P(Bin(n, p) ≥ k), alone.
pub fn at_least(k: u64, n: u64, p: f64) -> f64 {
    match k {
        0 => 1.0,
        _ if k > n => 0.0,
        _ => beta::at_most(k as f64, (n - k) as f64 + 1.0, p),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cdf(k: usize, n: u64, p: f64) -> f64 {
        cumulative(n, p).nth(k).unwrap()
    }

    // scipy 1.17.1, scipy.stats.binom.cdf
    #[test]
    fn binomial_probabilities_are_those_of_scipy() {
        for (k, n, value) in [(11, 85, 0.062677), (2, 30, 0.044179), (0, 14, 0.043980)] {
            assert!((cdf(k, n, 0.2) - value).abs() < 1e-6, "{k} {n}");
        }
        // Whole distributions end at 1, also where the first term is 0.8^1000000.
        for n in [1, 14, 85, 5000, 1_000_000] {
            assert!((cdf(n as usize, n, 0.2) - 1.0).abs() < 1e-9, "{n}");
        }
    }

    #[test]
    fn one_probability_is_that_of_the_running_sum() {
        for (n, p) in [(1, 0.3), (14, 0.2), (85, 0.5), (5000, 0.013)] {
            for (k, sum) in cumulative(n, p).enumerate() {
                let k = k as u64;
                assert!((at_most(k, n, p) - sum).abs() < 1e-11, "{k} {n} {p}");
                assert!((at_least(k + 1, n, p) - (1.0 - sum)).abs() < 1e-11, "{k} {n} {p}");
            }
        }
        assert_eq!((at_least(0, 5, 0.2), at_least(6, 5, 0.2)), (1.0, 0.0));
    }
}
