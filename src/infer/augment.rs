//! Test-time augmentation: the symmetries of the square, and their inverses for maps.

use crate::model::manifest::Tta;

/// One symmetry of the square: transpose first, then flip rows, then flip columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    transpose: bool,
    flip_rows: bool,
    flip_columns: bool,
}

const fn view(transpose: bool, flip_rows: bool, flip_columns: bool) -> View {
    View { transpose, flip_rows, flip_columns }
}

const D4: [View; 8] = [
    view(false, false, false),
    view(false, false, true),
    view(false, true, false),
    view(false, true, true),
    view(true, false, false),
    view(true, false, true),
    view(true, true, false),
    view(true, true, true),
];

/// The views of an augmentation; the first is the window as it is.
pub fn views(tta: Tta) -> &'static [View] {
    match tta {
        Tta::None => &D4[..1],
        Tta::Flips => &D4[..4],
        Tta::D4 => &D4,
    }
}

impl View {
    /// Where pixel (`row`, `column`) of the view comes from.
    fn source(self, row: usize, column: usize, side_px: usize) -> (usize, usize) {
        let row = if self.flip_rows { side_px - 1 - row } else { row };
        let column = if self.flip_columns { side_px - 1 - column } else { column };
        if self.transpose { (column, row) } else { (row, column) }
    }

    /// Writes the view of a square `[channels, side, side]` block.
    pub fn apply(self, source: &[f32], target: &mut [f32], side_px: usize) {
        let planes = source.chunks_exact(side_px * side_px).zip(target.chunks_exact_mut(side_px * side_px));
        for (source, target) in planes {
            for (row, target) in target.chunks_exact_mut(side_px).enumerate() {
                self.copy_row(source, target, row, side_px);
            }
        }
    }

    fn copy_row(self, source: &[f32], target: &mut [f32], row: usize, side_px: usize) {
        let (from, column) = self.source(row, 0, side_px);
        if self.transpose {
            // `column` is fixed along the row and the source row moves.
            for (step, value) in target.iter_mut().enumerate() {
                let from = if self.flip_columns { side_px - 1 - step } else { step };
                *value = source[from * side_px + column];
            }
            return;
        }
        let line = &source[from * side_px..(from + 1) * side_px];
        target.copy_from_slice(line);
        if self.flip_columns {
            target.reverse();
        }
    }

    /// Adds a map computed on this view to `sum`, turned back: `sum[source(p)] += map[p]`.
    pub fn add_inverse(self, map: &[f32], sum: &mut [f32], side_px: usize) {
        let planes = map.chunks_exact(side_px * side_px).zip(sum.chunks_exact_mut(side_px * side_px));
        for (map, sum) in planes {
            for row in 0..side_px {
                for column in 0..side_px {
                    let (to_row, to_column) = self.source(row, column, side_px);
                    sum[to_row * side_px + to_column] += map[row * side_px + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eight_views_differ_and_each_turns_back() {
        let source: Vec<f32> = (0..2 * 9).map(|value| value as f32).collect();
        let mut seen = Vec::new();
        for &view in views(Tta::D4) {
            let mut turned = vec![0.0; source.len()];
            view.apply(&source, &mut turned, 3);
            let mut back = vec![0.0; source.len()];
            view.add_inverse(&turned, &mut back, 3);
            assert_eq!(back, source, "{view:?}");
            assert!(!seen.contains(&turned), "{view:?}");
            seen.push(turned);
        }
        assert_eq!(seen[0], source);
    }

    #[test]
    fn a_quarter_turn_is_what_one_expects() {
        // Transposing and flipping the columns turns the picture clockwise.
        let mut turned = vec![0.0; 4];
        view(true, false, true).apply(&[1.0, 2.0, 3.0, 4.0], &mut turned, 2);
        assert_eq!(turned, [3.0, 1.0, 4.0, 2.0]);
    }
}
