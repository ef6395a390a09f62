//! The standard normal distribution.

use std::f64::consts::SQRT_2;

use statrs::function::erf::{erfc, erfc_inv};

/// P(Z ≤ z).
pub(super) fn at_most(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// The z with P(Z ≤ z) = `share`; infinite for 0 and 1.
pub(super) fn quantile(share: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * share)
}

/// P(|Z| ≥ |z|).
pub(super) fn two_sided(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1, scipy.stats.norm.ppf and .sf
    #[test]
    fn quantiles_and_tails_are_those_of_scipy() {
        for (share, z) in [(0.975, 1.959_963_984_540_054), (0.05, -1.644_853_626_951_472_2), (0.5, 0.0)] {
            assert!((quantile(share) - z).abs() < 1e-12, "{share}");
            assert!((at_most(z) - share).abs() < 1e-11, "{share}");
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!((two_sided(-6.0) / 1.973_175_290_075_396e-9 - 1.0).abs() < 1e-10);
    }
}
