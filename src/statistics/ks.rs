//! The two-sample test of Kolmogorov and Smirnov, of values or of counts over the same bins.

use std::f64::consts::PI;

/// Up to this n · m the p-value is exact: a few milliseconds.
const EXACT_PRODUCT_MAX: u64 = 4_000_000;

/// The largest distance of two empirical distribution functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// 0 to 1. Two normal distributions whose means differ by half a standard deviation have 0.197.
    pub distance: f64,
    /// P(distance or more) where both samples come from one distribution; with ties, an upper bound of it.
    pub p_value: f64,
}

/// The test of two samples; none where one is empty or holds NaN.
pub fn two_sample(a: &[f64], b: &[f64]) -> Option<KolmogorovSmirnov> {
    if a.iter().chain(b).any(|value| value.is_nan()) {
        return None;
    }
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let mut values = [a.as_slice(), &b].concat();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let below = |sample: &[f64], value: f64| sample.partition_point(|other| *other <= value) as u64;
    let steps = values.iter().map(|&value| (below(&a, value), below(&b, value)));
    of_steps(steps, a.len() as u64, b.len() as u64)
}

/// The test of two histograms over the same bins. The distance is the largest at the edges of bins, so at most that of
/// the values themselves, and the p-value at least theirs: the level is kept. None where one
/// is empty, or both together are too many for 64 bits.
pub fn binned(a: &[u64], b: &[u64]) -> Option<KolmogorovSmirnov> {
    let cumulative = a.iter().zip(b).scan((0, 0), |sum, (a, b)| {
        *sum = (sum.0 + a, sum.1 + b);
        Some(*sum)
    });
    (a.len() == b.len()).then(|| of_steps(cumulative, a.iter().sum(), b.iter().sum()))?
}

/// From the counts at or below each value.
fn of_steps(steps: impl Iterator<Item = (u64, u64)>, n: u64, m: u64) -> Option<KolmogorovSmirnov> {
    let product = n.checked_mul(m).filter(|product| *product > 0)?;
    // In units of 1 / (n · m), so that comparisons are exact.
    let apart = steps.map(|(i, j)| (i * m).abs_diff(j * n)).max()?;
    let distance = apart as f64 / product as f64;
    let p_value =
        if product <= EXACT_PRODUCT_MAX { exact(apart, n, m) } else { asymptotic(distance, n as f64, m as f64) };
    Some(KolmogorovSmirnov { distance, p_value })
}

/// The share of the lattice paths from (0, 0) to (n, m) that touch |i/n − j/m| ≥ distance. The recursion counts those
/// that do rather than those that do not, so that no small p-value is lost in a difference (Viehmann 2021).
fn exact(apart: u64, n: u64, m: u64) -> f64 {
    let touches = |i: u64, j: u64| (i * m).abs_diff(j * n) >= apart;
    let mut row: Vec<f64> = Vec::with_capacity(m as usize + 1);
    for i in 0..=n {
        for j in 0..=m {
            let column = j as usize;
            let (above, left) = (row.get(column).copied().unwrap_or(0.0), if j > 0 { row[column - 1] } else { 0.0 });
            let share = match i + j {
                _ if touches(i, j) => 1.0,
                0 => 0.0,
                steps => (i as f64 * above + j as f64 * left) / steps as f64,
            };
            if column < row.len() { row[column] = share } else { row.push(share) }
        }
    }
    row.last().copied().unwrap_or(1.0).min(1.0)
}

/// P(K ≥ √(nm/(n+m)) · distance) of Kolmogorov's distribution (Smirnov 1939), an upper bound for most samples.
fn asymptotic(distance: f64, n: f64, m: f64) -> f64 {
    let x = distance * (n * m / (n + m)).sqrt();
    if x < 1.0 {
        // Here the usual series converges slowly; this is its transform.
        let term = |k: i32| (-f64::from(2 * k - 1).powi(2) * PI * PI / (8.0 * x * x)).exp();
        return if x < 0.1 { 1.0 } else { 1.0 - (2.0 * PI).sqrt() / x * (1..=4).map(term).sum::<f64>() };
    }
    let term = |k: i32| (-2.0 * f64::from(k * k) * x * x).exp() * if k % 2 == 1 { 2.0 } else { -2.0 };
    (1..=8).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 12] = [0.05, 0.1, 0.12, 0.2, 0.22, 0.3, 0.35, 0.4, 0.55, 0.6, 0.62, 0.8];
    const B: [f64; 11] = [0.15, 0.25, 0.33, 0.45, 0.5, 0.58, 0.65, 0.7, 0.75, 0.85, 0.9];

    #[test]
    fn distance_and_exact_p_are_those_of_the_worked_example() {
        let test = two_sample(&A, &B).unwrap();
        assert!((test.distance - 0.393939).abs() < 5e-7, "{test:?}");
        assert!((test.p_value - 0.255775).abs() < 5e-7, "{test:?}");
    }

    #[test]
    fn samples_without_overlap_have_the_p_of_two_orders_among_all() {
        // Only 2 of the (n+m choose n) orders keep the samples apart: 2 / 184,756.
        let low: Vec<f64> = (0..10).map(f64::from).collect();
        let high: Vec<f64> = (10..20).map(f64::from).collect();
        let test = two_sample(&low, &high).unwrap();
        assert_eq!(test.distance, 1.0);
        assert!((test.p_value / (2.0 / 184_756.0) - 1.0).abs() < 1e-12, "{test:?}");
        // 2 / (400 choose 200): far below what one minus a probability could say.
        let [low, high] = [0.0, 1000.0].map(|start| (0..200).map(|i| start + f64::from(i)).collect::<Vec<_>>());
        let p = two_sample(&low, &high).unwrap().p_value;
        let ln_choose: f64 = (1..=200).map(|i| f64::from(200 + i).ln() - f64::from(i).ln()).sum();
        assert!((p.ln() - (2f64.ln() - ln_choose)).abs() < 1e-9, "{p}");
    }

    #[test]
    fn large_samples_take_kolmogorovs_distribution() {
        // scipy 1.17: kstwobign.sf([0.3, 0.5, 1.0, 2.0, 5.0])
        let expected =
            [0.9999906941986655, 0.9639452436648751, 0.26999967167735456, 0.0006709252557796953, 3.85749970e-22];
        for (x, expected) in [0.3, 0.5, 1.0, 2.0, 5.0].into_iter().zip(expected) {
            let p = asymptotic(x, 2.0, 2.0);
            assert!((p / expected - 1.0).abs() < 1e-4, "{x}: {p}");
        }
        let (n, apart) = (3000, 3000 * 105);
        let (exact, asymptotic) = (exact(apart, n, n), asymptotic(apart as f64 / (n * n) as f64, n as f64, n as f64));
        assert!((asymptotic / exact - 1.0).abs() < 0.1 && asymptotic > exact, "{exact} {asymptotic}");
    }

    #[test]
    fn bins_find_no_more_than_the_values_do() {
        let bin = |sample: &[f64]| {
            let mut counts = [0; 5];
            sample.iter().for_each(|value| counts[(value * 5.0) as usize] += 1);
            counts
        };
        let (whole, binned) = (two_sample(&A, &B).unwrap(), binned(&bin(&A), &bin(&B)).unwrap());
        assert!(binned.distance <= whole.distance && binned.p_value >= whole.p_value, "{binned:?}");
        // At 0.6, edges of bins: 9 of 12 and 6 of 11 below; at 0.4, 7 of 12 and 3 of 11.
        assert!((binned.distance - (7.0 / 12.0 - 3.0 / 11.0)).abs() < 1e-12, "{binned:?}");
    }

    #[test]
    fn equal_samples_have_p_1_and_empty_ones_none() {
        assert_eq!(two_sample(&A, &A), Some(KolmogorovSmirnov { distance: 0.0, p_value: 1.0 }));
        assert_eq!(two_sample(&A, &[]), None);
        assert_eq!(two_sample(&A, &[f64::NAN]), None);
        assert_eq!(binned(&[3, 4], &[0, 0]), None);
    }
}
