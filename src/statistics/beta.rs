//! The beta distribution, for shapes up to some millions: its probabilities and its quantiles.

use std::f64::consts::TAU;

/// From here on Stirling's series has all the digits of an `f64`.
const STIRLING_FROM: f64 = 16.0;
/// Terms of the continued fraction; it needs a small multiple of the root of the shapes.
const TERMS_MAX: u32 = 1_000_000;

/// P(X ≤ x) for X of Beta(a, b): the regularised incomplete beta function. Shapes are above 0, x is from 0 to 1.
pub fn at_most(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x >= 1.0 { 1.0 } else { 0.0 };
    }
    // The continued fraction runs fast on this side of the mean.
    if x < (a + 1.0) / (a + b + 2.0) { tail(a, b, x, 1.0 - x) } else { 1.0 - tail(b, a, 1.0 - x, x) }
}

/// P(X ≥ x) for X of Beta(a, b), exact also where it is far below 1.
pub fn at_least(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 1.0 } else { 0.0 };
    }
    if x < (a + 1.0) / (a + b + 2.0) { 1.0 - tail(a, b, x, 1.0 - x) } else { tail(b, a, 1.0 - x, x) }
}

/// The x with P(X ≤ x) = `share` for X of Beta(a, b).
pub fn quantile(a: f64, b: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if at_most(a, b, middle) < share { low = middle } else { high = middle }
    }
}

/// I_x(a, b) with y = 1 − x as its continued fraction (NIST Digital Library of Mathematical Functions, 8.17.22), by
/// the method of Lentz (1976).
fn tail(a: f64, b: f64, x: f64, y: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let term = |i: u32| {
        let m = f64::from(i / 2);
        if i.is_multiple_of(2) {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    };
    let (mut fraction, mut c, mut d) = (1.0, 1.0, 0.0);
    for i in 1..TERMS_MAX {
        d = 1.0 / away_from_zero(1.0 + term(i) * d);
        c = away_from_zero(1.0 + term(i) / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    (power(a, b, x, y) / (a * fraction)).min(1.0)
}

/// x^a y^b / B(a, b). Written about the mean, so that large shapes cost no digits (after Loader 2000, "Fast and
/// accurate computation of binomial probabilities").
fn power(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let sum = a + b;
    // ln (x·(a + b) / a), by how far off 1 that is where it is near.
    let ln = |ratio: f64, off: f64| if off.abs() < 0.1 { off.ln_1p() } else { ratio.ln() };
    let off = x * b - y * a;
    let exponent = a * ln(x * sum / a, off / a) + b * ln(y * sum / b, -off / b);
    (a * b / (TAU * sum)).sqrt() * (exponent + stirling_rest(sum) - stirling_rest(a) - stirling_rest(b)).exp()
}

/// ln Γ(z) less Stirling's (z − ½) ln z − z + ½ ln 2π: his series, small z by Γ(z + 1) = z Γ(z).
fn stirling_rest(z: f64) -> f64 {
    if z < STIRLING_FROM {
        return stirling_rest(z + 1.0) + (z + 0.5) * z.recip().ln_1p() - 1.0;
    }
    let square = z * z;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / z
}

#[cfg(test)]
mod tests {
    use super::*;

    // a, b, x and scipy.stats.beta.cdf(x, a, b), scipy 1.17.1
    const SCIPY: [(f64, f64, f64, f64); 9] = [
        (74.0, 12.0, 0.8, 0.062_676_123_143_189_84),
        (0.5, 0.25, 0.01, 0.038_233_837_008_192_13),
        (0.4, 0.6, 0.97, 0.938_035_432_621_152_4),
        (10.0, 1.0, 0.5, 0.000_976_562_5),
        (800_000.0, 200_001.0, 0.7993, 0.040_320_956_435_646_14),
        (500_000.5, 500_000.5, 0.4989, 0.013_903_333_569_227_757),
        (3.0, 900_000.0, 2e-6, 0.269_379_931_641_648_7),
        (15.5, 17.0, 0.2, 0.000_229_878_752_077_140_3),
        (1e6, 1.0, 0.999_99, 4.539_765_980_967_912e-5),
    ];

    #[test]
    fn probabilities_are_those_of_scipy() {
        for (a, b, x, expected) in SCIPY {
            let found = at_most(a, b, x);
            assert!((found / expected - 1.0).abs() < 1e-11, "{a} {b} {x}: {found}");
            assert!((at_least(b, a, 1.0 - x) / expected - 1.0).abs() < 1e-9, "{a} {b} {x}");
        }
    }

    #[test]
    fn whole_shapes_of_one_are_powers() {
        for x in [0.0, 1e-12, 0.1, 0.5, 0.999, 1.0] {
            assert!((at_most(3.0, 1.0, x) - x.powi(3)).abs() < 1e-14);
            assert!((at_least(1.0, 7.0, x) - (1.0 - x).powi(7)).abs() < 1e-14);
        }
    }

    #[test]
    fn quantiles_undo_probabilities() {
        for (a, b) in [(0.3, 0.2), (1.0, 1.0), (74.0, 12.0), (20_000.5, 3.25), (900_000.0, 100_000.0)] {
            for share in [1e-6, 0.05, 0.5, 0.975] {
                assert!((at_most(a, b, quantile(a, b, share)) - share).abs() < 1e-9, "{a} {b} {share}");
            }
        }
    }
}
