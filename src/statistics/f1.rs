//! The threshold of highest F1.

/// A threshold with the F1 of what it decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimum {
    /// What is at least this counts as positive.
    pub threshold: f64,
    /// 2 · hits / (2 · hits + false alarms + misses)
    pub f1: f64,
}

/// The threshold at which F1 is highest. It lies halfway between the two scores that it parts; of several gaps that are
/// equally good the middle one, so that a few scores decide as little as they can. None without a positive, or where all
/// scores are one.
pub fn best_threshold(scores: &[f64], positives: &[bool]) -> Option<Optimum> {
    assert_eq!(scores.len(), positives.len(), "every score has its label");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let all = positives.iter().filter(|positive| **positive).count();
    if all == 0 {
        return None;
    }
    let (mut hits, mut gaps) = (0, Vec::new());
    for (above, pair) in order.windows(2).enumerate() {
        hits += usize::from(positives[pair[0]]);
        let [high, low] = [scores[pair[0]], scores[pair[1]]];
        if high > low {
            // 2 hits + false alarms + misses = alerts + positives
            let f1 = 2.0 * hits as f64 / (above + 1 + all) as f64;
            gaps.push(Optimum { threshold: low + (high - low) / 2.0, f1 });
        }
    }
    let best = gaps.iter().map(|gap| gap.f1).max_by(f64::total_cmp)?;
    let equal: Vec<Optimum> = gaps.into_iter().filter(|gap| gap.f1 == best).collect();
    Some(equal[equal.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_cut_lies_halfway() {
        let found = best_threshold(&[-3.0, -1.0, 2.0, 4.0], &[false, false, true, true]).unwrap();
        assert_eq!(found, Optimum { threshold: 0.5, f1: 1.0 });
    }

    // scikit-learn 1.9.1, f1_score at every gap: 0.5, 0.4, 0.666…, 0.571…, 0.75, 0.666…
    #[test]
    fn the_best_gap_is_the_one_that_trying_all_of_them_finds() {
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];
        let positives = [true, false, true, false, true, false, false];
        let found = best_threshold(&scores, &positives).unwrap();
        assert!((found.threshold - 0.45).abs() < 1e-12 && (found.f1 - 0.75).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn of_equal_gaps_the_middle_one_is_taken_and_tied_scores_are_not_parted() {
        // Gaps from above: 1/1 of 2 found (2/3), 2 tied (2/4 … not parted), 4 alerts with both (4/6).
        let found = best_threshold(&[4.0, 3.0, 3.0, 2.0, 1.0], &[true, false, false, true, false]).unwrap();
        assert_eq!(found, Optimum { threshold: 1.5, f1: 2.0 / 3.0 });
        assert_eq!(best_threshold(&[1.0, 1.0], &[true, false]), None);
        assert_eq!(best_threshold(&[1.0, 2.0], &[false, false]), None);
    }
}
