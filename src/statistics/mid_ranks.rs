//! Mid-ranks: where a score stands, ties in the middle of their places.

/// Ranks from 1, lowest first, in the order of the scores; tied scores share the mean of their ranks.
pub(super) fn mid_ranks(scores: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut ranks, mut below) = (vec![0.0; scores.len()], 0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let rank = below as f64 + 0.5 * (tied.len() + 1) as f64;
        tied.iter().for_each(|&row| ranks[row] = rank);
        below += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::mid_ranks;

    // scipy 1.17.1, scipy.stats.rankdata
    #[test]
    fn ranks_are_those_of_scipy() {
        assert_eq!(mid_ranks(&[0.3, 0.1, 0.3, 0.9, 0.3]), [3.0, 1.0, 3.0, 5.0, 3.0]);
        assert!(mid_ranks(&[]).is_empty());
    }
}
