//! Logistic regression on three features at most: maximum likelihood by Newton's method.

/// Features, and the wanted probability (0 or 1, or a smoothed one).
pub(super) type Row = ([f64; 3], f64);

/// Iterations; a fit that exists takes ten or so.
const ITERATIONS_MAX: usize = 100;
/// Newton doubles the digits with every step: after one that gains so little of the mean loss and moves the
/// coefficients by so little of their size, nothing is left. Where there is no least loss they go on moving.
const GAIN_MIN: f64 = 1e-12;
const MOVE_MIN: f64 = 1e-3;
/// A feature of whose curvature the others leave no more than this share is a sum of them.
const SINGULAR: f64 = 1e-13;

/// The coefficients of least log loss, from `start`; those that are not `free` stay. None where there is no least.
pub(super) fn fit(rows: &[Row], start: [f64; 3], free: [bool; 3]) -> Option<[f64; 3]> {
    let mut at = start;
    let mut loss = log_loss(rows, at);
    for _ in 0..ITERATIONS_MAX {
        let (gradient, curvature) = slopes(rows, at, free);
        let step = solve(curvature, gradient)?;
        let gain = dot(step, gradient) / rows.len() as f64;
        let to = |share: f64| [0, 1, 2].map(|i| at[i] - share * step[i]);
        let is_still = (0..3).all(|i| step[i].abs() <= MOVE_MIN * (1.0 + at[i].abs()));
        if gain < GAIN_MIN && is_still {
            return Some(to(1.0));
        }
        // The loss is convex, so that a step short enough does lower it.
        let shares = std::iter::successors(Some(1.0), |share| Some(share * 0.5)).take(50);
        let lower = shares.map(|share| (to(share), log_loss(rows, to(share)))).find(|(_, new)| *new < loss);
        (at, loss) = lower?;
    }
    None
}

/// Mean log loss in nats.
pub(super) fn log_loss(rows: &[Row], coefficients: [f64; 3]) -> f64 {
    let loss = |&(features, target): &Row| {
        let z = dot(features, coefficients);
        // ln(1 + e^z) − target·z without overflow.
        z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z
    };
    rows.iter().map(loss).sum::<f64>() / rows.len() as f64
}

/// σ(z) = 1 / (1 + e^−z).
pub(super) fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// First and second derivatives of the summed loss; coefficients that are not free do not move.
fn slopes(rows: &[Row], at: [f64; 3], free: [bool; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    let (mut gradient, mut curvature) = ([0.0; 3], [[0.0; 3]; 3]);
    for &(features, target) in rows {
        let probability = logistic(dot(features, at));
        let spread = probability * (1.0 - probability);
        for i in (0..3).filter(|i| free[*i]) {
            gradient[i] += features[i] * (probability - target);
            (0..3).filter(|j| free[*j]).for_each(|j| curvature[i][j] += features[i] * features[j] * spread);
        }
    }
    (0..3).filter(|i| !free[*i]).for_each(|i| curvature[i][i] = 1.0);
    (gradient, curvature)
}

/// Solves for a symmetric positive definite matrix (Cholesky); none where it is not.
fn solve(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let mut lower = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..=i {
            let rest = matrix[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            if i > j {
                lower[i][j] = rest / lower[j][j];
            } else if rest > SINGULAR * matrix[i][i] {
                lower[i][i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut solution = right;
    for i in 0..3 {
        let known: f64 = (0..i).map(|k| lower[i][k] * solution[k]).sum();
        solution[i] = (solution[i] - known) / lower[i][i];
    }
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|k| lower[k][i] * solution[k]).sum();
        solution[i] = (solution[i] - known) / lower[i][i];
    }
    Some(solution)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_have_the_logits_of_their_shares() {
        // 3 of 4 without the feature, 1 of 5 with it: intercept ln 3, coefficient ln ¼ − ln 3.
        let mut rows = vec![];
        rows.extend((0..4).map(|i| ([0.0, 0.0, 1.0], f64::from(u8::from(i < 3)))));
        rows.extend((0..5).map(|i| ([1.0, 0.0, 1.0], f64::from(u8::from(i < 1)))));
        let found = fit(&rows, [0.0; 3], [true, false, true]).unwrap();
        assert!((found[2] - 3f64.ln()).abs() < 1e-12, "{found:?}");
        assert!((found[0] - (0.25f64.ln() - 3f64.ln())).abs() < 1e-12, "{found:?}");
        assert_eq!(found[1], 0.0);
    }

    #[test]
    fn what_has_no_least_loss_is_no_fit() {
        let separated = [([-1.0, 0.0, 1.0], 0.0), ([1.0, 0.0, 1.0], 1.0)];
        assert_eq!(fit(&separated, [0.0; 3], [true, false, true]), None);
        let same_twice = [([1.0, 1.0, 0.0], 0.0), ([1.0, 1.0, 0.0], 1.0)];
        assert_eq!(fit(&same_twice, [0.0; 3], [true, true, false]), None);
    }
}
