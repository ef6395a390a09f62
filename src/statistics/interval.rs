//! The interval of Clopper and Pearson (1934, "The use of confidence or fiducial limits") for a share.

use super::beta;

/// Two-sided interval that holds the true share with at least `confidence`, for `hits` out of `n`; 0 to 1 for none.
pub fn clopper_pearson(hits: usize, n: usize, confidence: f64) -> [f64; 2] {
    let one_sided = 0.5 * (1.0 + confidence);
    [lower_bound(hits, n, one_sided), upper_bound(hits, n, one_sided)]
}

/// The bound that the true share exceeds with at least `confidence`; 0 without a hit.
pub fn lower_bound(hits: usize, n: usize, confidence: f64) -> f64 {
    match hits {
        0 => 0.0,
        // P(Bin(n, p) ≥ hits) = P(Beta(hits, n − hits + 1) ≤ p)
        _ => beta::quantile(hits as f64, n.saturating_sub(hits) as f64 + 1.0, 1.0 - confidence),
    }
}

/// The bound that the true share stays below with at least `confidence`; 1 where all are hits.
pub fn upper_bound(hits: usize, n: usize, confidence: f64) -> f64 {
    1.0 - lower_bound(n.saturating_sub(hits), n, confidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    // scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact"), scipy 1.17.1
    #[test]
    fn intervals_agree_with_scipy() {
        let [low, high] = clopper_pearson(74, 85, 0.95);
        close(low, 0.780_234);
        close(high, 0.933_590);
        // Two-sided 90 % is one-sided 95 % at either end.
        close(clopper_pearson(53, 60, 0.9)[0], 0.792_009);
        close(clopper_pearson(14, 14, 0.9)[0], 0.807_364);
        assert_eq!(clopper_pearson(14, 14, 0.9)[1], 1.0);
        assert_eq!(clopper_pearson(0, 9, 0.9)[0], 0.0);
        assert_eq!(clopper_pearson(0, 0, 0.95), [0.0, 1.0]);
    }

    // scipy.stats.beta.ppf(1 − confidence, k, n − k + 1), scipy 1.17.1
    #[test]
    fn one_sided_bounds_agree_with_scipy() {
        let table = [
            (74, 85, 0.811_208, 0.794_895),
            (53, 60, 0.811_613, 0.792_009),
            (36, 40, 0.810_018, 0.785_602),
            (14, 14, 0.848_343, 0.807_364),
        ];
        for (hits, n, at_90, at_95) in table {
            close(lower_bound(hits, n, 0.90), at_90);
            close(lower_bound(hits, n, 0.95), at_95);
        }
    }

    // Hits and scipy.stats.beta.ppf of .025 and .975, scipy 1.17.1
    const MILLION: [(usize, [f64; 2]); 4] = [
        (1, [2.531_780_766_379_417_8e-8, 5.571_630_655_166_939e-6]),
        (80_000, [0.079_468_992_041_049_43, 0.080_533_442_205_151_71]),
        (500_000, [0.499_019_519_195_311_84, 0.500_980_480_804_688_2]),
        (999_990, [0.999_981_609_721_108_7, 0.999_995_204_601_222_5]),
    ];

    #[test]
    fn a_million_trials_are_as_exact_as_ten() {
        for (hits, expected) in MILLION {
            for (found, expected) in clopper_pearson(hits, 1_000_000, 0.95).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }
}
