//! One window for each tile.

use super::observation::Observation;

/// The window that stands for a tile: the first with a score from the middle on, else the last with one before, else one
/// that abstained. Windows of one tile are not independent, so that more would only look like more.
#[derive(Debug, Default)]
pub struct Middle {
    chosen: Option<Observation>,
    is_settled: bool,
}

impl Middle {
    /// Takes the windows of a tile of `count` one after the other.
    pub fn offer(&mut self, index: u64, count: u64, window: Observation) {
        let is_scored = window.score.is_some();
        if self.is_settled || (!is_scored && self.chosen.is_some()) {
            return;
        }
        self.is_settled = is_scored && index >= count / 2;
        self.chosen = Some(window);
    }

    /// After the last.
    pub fn chosen(self) -> Option<Observation> {
        self.chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_counts_once_with_the_window_nearest_its_middle_that_has_a_score() {
        let chosen = |scores: &[Option<f32>]| {
            let mut middle = Middle::default();
            for (index, score) in scores.iter().enumerate() {
                let window = Observation { group: None, score: *score, summary: None };
                middle.offer(index as u64, scores.len() as u64, window);
            }
            middle.chosen().map(|window| window.score)
        };
        assert_eq!(chosen(&[Some(0.1), Some(0.2), Some(0.3), Some(0.4)]), Some(Some(0.3)));
        assert_eq!(chosen(&[Some(0.1), Some(0.2), None, Some(0.4)]), Some(Some(0.4)));
        assert_eq!(chosen(&[Some(0.1), Some(0.2), None, None]), Some(Some(0.2)));
        assert_eq!(chosen(&[None, None, None]), Some(None));
        assert_eq!(chosen(&[]), None);
    }
}
