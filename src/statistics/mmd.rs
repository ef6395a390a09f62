//! Maximum mean discrepancy: whether two samples of vectors come from one distribution, whatever differs.

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The fewest permutations that a p-value may come from.
pub const PERMUTATIONS_MIN: usize = 500;
/// Where so many permutations have reached the value, the p-value is settled (Besag and Clifford 1991).
const EXCEEDANCES: usize = 20;

/// MMD² of two samples, and its p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mmd {
    /// The unbiased estimate MMD²_u (Gretton et al. 2012, eq. 3); about 0, and sometimes below, where nothing differs.
    pub value: f64,
    /// σ of the kernel exp(−‖x − y‖² / 2σ²): the median distance between points of both samples.
    pub bandwidth: f64,
    /// Share of permutations that reach the value; valid for every sample size.
    pub p_value: f64,
    /// How many were drawn.
    pub permutations: usize,
}

/// MMD²_u between the rows of `a` and of `b`, with at most `permutations` permutations (at least
/// [`PERMUTATIONS_MIN`]); an unremarkable value needs far fewer. Time and memory grow with the square of the rows: give
/// a subsample of large samples. None of fewer than two rows, of columns that differ in number, of values that are not
/// finite, and of points that are mostly the same.
pub fn mmd(a: ArrayView2<f64>, b: ArrayView2<f64>, permutations: usize, seed: u64) -> Option<Mmd> {
    let (n, m) = (a.nrows(), b.nrows());
    let points = concatenate(Axis(0), &[a, b]).ok()?;
    if n < 2 || m < 2 || points.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let squares = squared_distances(&points);
    let bandwidth = median_distance(&squares);
    if bandwidth <= 0.0 {
        return None;
    }
    let kernel = Kernel::new(squares.mapv(|square| (-square / (2.0 * bandwidth * bandwidth)).exp()));
    let mut order: Vec<usize> = (0..n + m).collect();
    let value = kernel.discrepancy(&order[..n]);
    let (p_value, permutations) = p_value(&kernel, &mut order, n, value, permutations.max(PERMUTATIONS_MIN), seed);
    Some(Mmd { value, bandwidth, p_value, permutations })
}

fn p_value(kernel: &Kernel, order: &mut [usize], n: usize, value: f64, most: usize, seed: u64) -> (f64, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // What is equal in exact arithmetic must not count as smaller.
    let reached = value - 1e-12;
    let mut exceedances = 0;
    for drawn in 1..=most {
        for position in 0..n {
            order.swap(position, rng.random_range(position..order.len()));
        }
        exceedances += usize::from(kernel.discrepancy(&order[..n]) >= reached);
        if exceedances == EXCEEDANCES {
            return (EXCEEDANCES as f64 / drawn as f64, drawn);
        }
    }
    ((exceedances + 1) as f64 / (most + 1) as f64, most)
}

fn squared_distances(points: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((points.nrows(), points.nrows()), |(i, j)| {
        points.row(i).iter().zip(points.row(j)).map(|(x, y)| (x - y).powi(2)).sum()
    })
}

fn median_distance(squares: &Array2<f64>) -> f64 {
    let pairs = squares.indexed_iter().filter(|((i, j), _)| i < j);
    let mut distances: Vec<f64> = pairs.map(|(_, square)| square.sqrt()).collect();
    distances.sort_by(f64::total_cmp);
    let half = distances.len() / 2;
    match distances.len() % 2 {
        0 => (distances[half - 1] + distances[half]) / 2.0,
        _ => distances[half],
    }
}

/// Kernel values of all pairs of points.
struct Kernel {
    values: Array2<f64>,
    /// Sum of each row without its diagonal.
    rows: Vec<f64>,
    /// Sum over all pairs of different points, each once.
    pairs: f64,
}

impl Kernel {
    fn new(values: Array2<f64>) -> Self {
        let rows: Vec<f64> = values.rows().into_iter().map(|row| row.sum() - 1.0).collect();
        Self { pairs: rows.iter().sum::<f64>() / 2.0, rows, values }
    }

    /// MMD²_u of the points `first` against all others. What lies within the others and between both follows from the
    /// sums, so that a permutation costs only the pairs within `first`.
    fn discrepancy(&self, first: &[usize]) -> f64 {
        let (n, m) = (first.len() as f64, (self.rows.len() - first.len()) as f64);
        let mut within = 0.0;
        for (position, &i) in first.iter().enumerate() {
            let row = self.values.row(i);
            within += first[..position].iter().map(|&j| row[j]).sum::<f64>();
        }
        let between = first.iter().map(|&i| self.rows[i]).sum::<f64>() - 2.0 * within;
        let others = self.pairs - within - between;
        2.0 * within / (n * (n - 1.0)) + 2.0 * others / (m * (m - 1.0)) - 2.0 * between / (n * m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 12] = [0.05, 0.1, 0.12, 0.2, 0.22, 0.3, 0.35, 0.4, 0.55, 0.6, 0.62, 0.8];
    const B: [f64; 11] = [0.15, 0.25, 0.33, 0.45, 0.5, 0.58, 0.65, 0.7, 0.75, 0.85, 0.9];

    fn column(values: &[f64]) -> ArrayView2<'_, f64> {
        ArrayView2::from_shape((values.len(), 1), values).unwrap()
    }

    /// `rows` × 3 normal values around `mean`.
    fn normal(rows: usize, mean: f64, rng: &mut ChaCha8Rng) -> Array2<f64> {
        Array2::from_shape_fn((rows, 3), |_| {
            // Twelve uniforms: variance 1.
            mean - 6.0 + (0..12).map(|_| rng.random::<f64>()).sum::<f64>()
        })
    }

    #[test]
    fn value_and_bandwidth_are_those_of_the_worked_example() {
        let mmd = mmd(column(&A), column(&B), 1000, 1).unwrap();
        assert!((mmd.bandwidth - 0.27).abs() < 1e-12, "{mmd:?}");
        assert!((mmd.value - 0.075081359).abs() < 5e-10, "{mmd:?}");
    }

    #[test]
    fn p_value_is_that_of_all_permutations_where_there_are_few() {
        // Three against three: the 20 splits are told apart by hand, and the two that keep low from high are the largest.
        let (a, b) = ([0.0, 0.1, 0.3], [2.0, 2.2, 2.5]);
        let p = mmd(column(&a), column(&b), 20_000, 3).unwrap().p_value;
        // Stopped after 20 exceedances the estimate of 0.1 has a standard error of 0.021.
        assert!((p - 0.1).abs() < 0.065, "{p}");
    }

    #[test]
    fn share_of_small_p_values_is_nominal_where_nothing_differs() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let repeats = 400;
        let small = (0..repeats).filter(|&seed| {
            let (a, b) = (normal(20, 0.0, &mut rng), normal(30, 0.0, &mut rng));
            mmd(a.view(), b.view(), 500, seed).unwrap().p_value <= 0.1
        });
        let (count, deviation) = (small.count() as f64, (400.0 * 0.1 * 0.9f64).sqrt());
        assert!((count - 40.0).abs() < 3.5 * deviation, "{count}");
    }

    #[test]
    fn half_a_standard_deviation_in_every_dimension_is_found_and_is_about_0_06() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let (a, b) = (normal(400, 0.0, &mut rng), normal(400, 0.5, &mut rng));
        let mmd = mmd(a.view(), b.view(), 2000, 1).unwrap();
        assert_eq!(mmd.p_value, 1.0 / 2001.0);
        assert!((0.04..0.08).contains(&mmd.value), "{mmd:?}");
    }

    #[test]
    fn points_that_say_nothing_give_none() {
        assert_eq!(mmd(column(&A), column(&B[..1]), 500, 1), None);
        assert_eq!(mmd(column(&[1.0; 5]), column(&[1.0; 5]), 500, 1), None);
        assert_eq!(mmd(column(&[1.0, f64::NAN]), column(&B), 500, 1), None);
    }
}
