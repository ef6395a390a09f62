//! Isotonic regression: the rising steps that scores fit best as probabilities.

/// The non-decreasing step function of least squared error, by pooling adjacent violators (Ayer et al. 1955): from
/// each score upwards, to the next, its level. Scores and levels ascend; tied scores share a level. Empty for none.
pub fn isotonic(scores: &[f64], positives: &[bool]) -> Vec<(f64, f64)> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut pools: Vec<Pool> = Vec::new();
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let hits = tied.iter().filter(|&&row| positives[row]).count();
        let mut pool = Pool { from: scores[tied[0]], hits, n: tied.len() };
        while let Some(below) = pools.pop_if(|below| !below.is_below(&pool)) {
            pool = Pool { from: below.from, hits: below.hits + pool.hits, n: below.n + pool.n };
        }
        pools.push(pool);
    }
    pools.into_iter().map(|pool| (pool.from, pool.hits as f64 / pool.n as f64)).collect()
}

struct Pool {
    from: f64,
    hits: usize,
    n: usize,
}

impl Pool {
    /// By whole numbers, so that equal shares are equal.
    fn is_below(&self, other: &Self) -> bool {
        (self.hits as u128) * (other.n as u128) < (other.hits as u128) * (self.n as u128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::fixture::{SCORES, labels};

    // scikit-learn 1.9.1, IsotonicRegression
    #[test]
    fn levels_agree_with_scikit_learn() {
        let expected = [(0.02, 0.0), (0.18, 1.0 / 6.0), (0.36, 1.0 / 3.0), (0.64, 0.5), (0.73, 1.0)];
        assert_eq!(isotonic(&SCORES, &labels()), expected);
    }

    #[test]
    fn scores_that_rank_backwards_are_one_level() {
        assert_eq!(isotonic(&[0.1, 0.2, 0.8, 0.9], &[true, true, false, false]), [(0.1, 0.5)]);
        assert_eq!(isotonic(&[0.5, 0.5], &[true, false]), [(0.5, 0.5)]);
        assert!(isotonic(&[], &[]).is_empty());
    }
}
