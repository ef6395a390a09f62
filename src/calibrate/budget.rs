//! One threshold for all groups by a budget of alerts, as is usual where nobody calibrates per group.

use super::scores::Scores;

/// The lowest score at which the pooled table has no more alerts than positives (at least its highest score): the
/// threshold of somebody who can look at so many tiles and no more. None for a table without a positive.
pub(super) fn threshold(scores: &Scores) -> Option<f64> {
    let budget = scores.rows.iter().filter(|row| row.positive).count();
    let mut descending: Vec<f64> = scores.rows.iter().map(|row| row.score).collect();
    descending.sort_by(|a, b| b.total_cmp(a));
    let (highest, last) = (*descending.first()?, *descending.get(budget.checked_sub(1)?)?);
    // Tiles that tie beyond the budget are all left out.
    match descending.get(budget) {
        Some(next) if *next == last => {
            Some(descending.iter().rev().copied().find(|score| *score > last).unwrap_or(highest))
        }
        _ => Some(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Bounds;

    fn of(rows: &[(u8, f64)]) -> Option<f64> {
        let rows: Vec<String> = rows.iter().map(|(label, score)| format!("{label},{score},summer,clear\n")).collect();
        let table = format!("label,score,season,cloud\n{}", rows.concat());
        threshold(&Scores::parse(table.as_bytes(), "scores.csv", &Bounds::default()).unwrap())
    }

    #[test]
    fn as_many_tiles_alert_as_there_are_positives() {
        assert_eq!(of(&[(1, 0.9), (0, 0.8), (1, 0.3), (0, 0.2), (0, 0.1)]), Some(0.8));
    }

    #[test]
    fn ties_never_exceed_the_budget_except_at_the_highest_score() {
        assert_eq!(of(&[(1, 0.9), (0, 0.5), (1, 0.5), (0, 0.5)]), Some(0.9));
        assert_eq!(of(&[(1, 0.5), (0, 0.5), (0, 0.5)]), Some(0.5));
        assert_eq!(of(&[(0, 0.5), (0, 0.5)]), None);
    }
}
