//! The interval of Clopper and Pearson (1934) for a share.

/// Two-sided interval that holds the true share with at least `confidence`, for `hits` out of `n`; 0 to 1 for none.
pub fn clopper_pearson(hits: usize, n: usize, confidence: f64) -> [f64; 2] {
    let miss = (1.0 - confidence) / 2.0;
    // P(Bin(n, p) ≥ hits) rises with p, P(Bin(n, p) ≤ hits) falls.
    let low = if hits == 0 { 0.0 } else { bisect(|p| 1.0 - at_most(hits - 1, n, p) < miss) };
    let high = if hits == n { 1.0 } else { bisect(|p| at_most(hits, n, p) > miss) };
    [low, high]
}

/// The share at which `is_below` turns from true to false.
fn bisect(is_below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if is_below(middle) { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// P(Bin(n, p) ≤ k), terms in logarithms.
fn at_most(k: usize, n: usize, p: f64) -> f64 {
    let odds = p.ln() - (-p).ln_1p();
    let mut term = n as f64 * (-p).ln_1p();
    let mut sum = 0.0;
    for i in 0..=k {
        sum += term.exp();
        term += ((n - i) as f64 / (i + 1) as f64).ln() + odds;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::clopper_pearson;

    // scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact"), and one-sided 95 % bounds as two-sided 90 %
    #[test]
    fn intervals_agree_with_scipy() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        let [low, high] = clopper_pearson(74, 85, 0.95);
        close(low, 0.780_234);
        close(high, 0.933_590);
        close(clopper_pearson(53, 60, 0.9)[0], 0.792_009);
        close(clopper_pearson(14, 14, 0.9)[0], 0.807_364);
        assert_eq!(clopper_pearson(14, 14, 0.9)[1], 1.0);
        assert_eq!(clopper_pearson(0, 9, 0.9)[0], 0.0);
    }
}
