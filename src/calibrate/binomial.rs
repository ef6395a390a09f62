//! Which order statistic of a group's positives has the wanted recall.

use crate::statistics::binomial::cumulative;

/// Slack for what rounding does to 1 − confidence and to a sum of probabilities, relative.
const ROUNDING: f64 = 1e-12;

/// The recall that a threshold must have, and how surely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    /// Share of the positives to be caught.
    pub(super) recall: f64,
    /// Allowed probability that they are not (the exact rule); none for recall in the mean.
    pub(super) miss: Option<f64>,
}

/// A threshold that a group's own positives bear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    /// Rank from below, from 1.
    pub(super) rank: u64,
    /// The positive's score of that rank.
    pub(super) threshold: f64,
    /// Probability that the recall at the threshold reaches the target.
    pub(super) confidence: f64,
}

impl Level {
    /// The threshold for positives' scores in ascending order (each with its site) that tell as much as `1 / design_effect` times as many
    /// independent ones; none if they are too few. The rank is the same share of the positives as the effective
    /// number's rank is of that number.
    pub(super) fn choose(&self, ascending: &[(f64, u32)], design_effect: f64) -> Option<Choice> {
        let n = ascending.len() as u64;
        let effective = ((n as f64 / design_effect.max(1.0)) * (1.0 + ROUNDING)).floor() as u64;
        let (rank, confidence) = self.rank(effective)?;
        let rank = n * rank / effective;
        let (threshold, _) = *ascending.get(usize::try_from(rank).ok()?.checked_sub(1)?)?;
        Some(Choice { rank, threshold, confidence })
    }

    /// The rank among `n` positives and the confidence it achieves. It depends on no score, so that looking at
    /// several ranks costs nothing.
    fn rank(&self, n: u64) -> Option<(u64, f64)> {
        let misses = cumulative(n, 1.0 - self.recall);
        let rank = match self.miss {
            Some(miss) => misses.take_while(|probability| *probability <= miss * (1.0 + ROUNDING)).count() as u64,
            // α(n + 1) that is whole but for rounding is whole.
            None => ((1.0 - self.recall) * (n as f64 + 1.0) * (1.0 + ROUNDING)).floor() as u64,
        }
        .min(n);
        let fewer = cumulative(n, 1.0 - self.recall).nth(usize::try_from(rank.checked_sub(1)?).ok()?)?;
        Some((rank, 1.0 - fewer.min(1.0)))
    }

    /// The least number of positives that bear a threshold.
    pub(super) fn positives_needed(&self) -> u64 {
        let least = match self.miss {
            Some(miss) => (miss.ln() / self.recall.ln()) * (1.0 - ROUNDING),
            None => (1.0 / (1.0 - self.recall)) * (1.0 - ROUNDING) - 1.0,
        };
        (least.ceil() as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(recall: f64, miss: f64) -> Level {
        Level { recall, miss: Some(miss) }
    }

    #[test]
    fn achieved_confidences_are_those_of_the_published_table() {
        let table = [(85, 12, 0.9373), (30, 3, 0.9558), (100, 15, 0.9196), (341, 59, 0.9073), (2000, 377, 0.9062)];
        for (n, rank, confidence) in table {
            let (found, achieved) = exact(0.8, 0.1).rank(n).unwrap();
            assert_eq!(found, rank, "{n}");
            assert!((achieved - confidence).abs() < 5e-5, "{n}: {achieved}");
        }
        let (rank, achieved) = exact(0.8, 0.05).rank(100).unwrap();
        assert_eq!(rank, 14);
        assert!((achieved - 0.9531).abs() < 5e-5);
    }

    #[test]
    fn ranks_are_those_of_the_published_table() {
        // n: mean, then exact at 90, 95, 97.5 and 98.75 %; 0 where no rank will do.
        let table = [
            (10, [2, 0, 0, 0, 0]),
            (11, [2, 1, 0, 0, 0]),
            (14, [3, 1, 1, 0, 0]),
            (20, [4, 2, 1, 1, 1]),
            (30, [6, 3, 3, 2, 2]),
            (40, [8, 5, 4, 3, 3]),
            (50, [10, 6, 6, 5, 4]),
            (60, [12, 8, 7, 6, 6]),
            (85, [17, 12, 11, 10, 9]),
            (100, [20, 15, 14, 12, 11]),
            (150, [30, 24, 22, 21, 19]),
            (200, [40, 33, 31, 29, 28]),
            (300, [60, 51, 49, 47, 45]),
            (500, [100, 89, 85, 83, 80]),
            (1000, [200, 184, 179, 176, 172]),
        ];
        for (n, ranks) in table {
            for (miss, rank) in [None, Some(0.1), Some(0.05), Some(0.025), Some(0.0125)].into_iter().zip(ranks) {
                let found = Level { recall: 0.8, miss }.rank(n).map_or(0, |(rank, _)| rank);
                assert_eq!(found, rank, "n {n}, miss {miss:?}");
            }
        }
    }

    #[test]
    fn the_least_number_of_positives_is_the_first_that_has_a_rank() {
        for (miss, needed) in [(0.1, 11), (0.05, 14), (0.025, 17), (0.01, 21), (0.025996, 17), (0.012741, 20)] {
            assert_eq!(exact(0.8, miss).positives_needed(), needed);
        }
        for recall in [0.3, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99] {
            for miss in [None, Some(0.25), Some(0.125), Some(0.1), Some(0.01)] {
                let level = Level { recall, miss };
                let needed = level.positives_needed();
                assert!(level.rank(needed).is_some(), "{level:?} {needed}");
                assert!(needed == 1 || level.rank(needed - 1).is_none(), "{level:?} {needed}");
            }
        }
    }

    #[test]
    fn ties_keep_the_rank_and_catch_more() {
        let scores =
            [0.1, 0.2, 0.2, 0.2, 0.3, 0.3, 0.4, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8, 0.8, 0.9, 0.9, 0.95, 0.99];
        let numbered: Vec<(f64, u32)> = scores.into_iter().zip(0..).collect();
        let at_90 = exact(0.8, 0.1).choose(&numbered, 1.0).unwrap();
        assert_eq!((at_90.rank, at_90.threshold), (2, 0.2));
        assert_eq!(scores.iter().filter(|score| **score >= at_90.threshold).count(), 19);
        let at_95 = exact(0.8, 0.05).choose(&numbered, 1.0).unwrap();
        assert_eq!((at_95.rank, at_95.threshold), (1, 0.1));
    }
}
