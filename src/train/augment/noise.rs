//! Smooth random fields from interpolated lattices (value noise).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// From smooth blobs to fields that are rough down to the pixel.
const OCTAVES: std::ops::RangeInclusive<usize> = 2..=5;
const PERSISTENCE: std::ops::Range<f32> = 0.35..0.8;

/// The character of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Texture {
    /// Distance between the knots of the coarsest lattice in pixels along a column.
    pub period_px: f32,
    /// Knots stand this many times further apart along a row.
    pub stretch: f32,
    /// Columns that the lattice is sheared by from row to row.
    pub slant: f32,
    /// Lattices, each of half the period of the one before.
    pub octaves: usize,
    /// Weight of each lattice relative to the one before.
    pub persistence: f32,
    /// Folds every lattice at its middle: round heaps with creases between them, as cumulus has.
    pub billow: bool,
}

/// Buffers that survive from field to field.
#[derive(Debug, Default)]
pub struct Buffers {
    knots: Vec<f32>,
    line: Vec<f32>,
    places: Vec<(usize, f32)>,
}

impl Texture {
    /// A texture without direction, its coarsest period drawn from `periods_px`.
    pub fn draw(periods_px: std::ops::Range<f32>, rng: &mut ChaCha8Rng) -> Self {
        Self {
            period_px: rng.random_range(periods_px),
            stretch: 1.0,
            slant: 0.0,
            octaves: rng.random_range(OCTAVES),
            persistence: rng.random_range(PERSISTENCE),
            billow: false,
        }
    }

    /// Fills `field` with `rows × columns` values between 0 and 1.
    pub fn fill(
        &self,
        (rows, columns): (usize, usize),
        field: &mut Vec<f32>,
        buffers: &mut Buffers,
        rng: &mut ChaCha8Rng,
    ) {
        field.clear();
        field.resize(rows * columns, 0.0);
        let total: f32 = (0..self.octaves).map(|octave| self.persistence.powi(octave as i32)).sum();
        for octave in 0..self.octaves {
            let period_px = (self.period_px / (1 << octave) as f32).max(1.0);
            self.add_octave(period_px, self.persistence.powi(octave as i32) / total, columns, field, buffers, rng);
        }
    }

    fn add_octave(
        &self,
        period_px: f32,
        weight: f32,
        columns: usize,
        field: &mut [f32],
        buffers: &mut Buffers,
        rng: &mut ChaCha8Rng,
    ) {
        let rows = field.len() / columns;
        let (per_row, per_column) = (1.0 / period_px, 1.0 / (period_px * self.stretch));
        // The shear goes by whole columns, so that one table serves all rows.
        let slide = |row: usize| (self.slant.abs() * if self.slant < 0.0 { rows - row } else { row } as f32) as usize;
        let reach = columns + slide(0).max(slide(rows));
        let (row_start, column_start) = (rng.random::<f32>(), rng.random::<f32>());
        let Buffers { knots, line, places } = buffers;
        places.clear();
        places.extend((0..reach).map(|column| knot(column as f32 * per_column + column_start)));
        let knot_rows = (rows as f32 * per_row) as usize + 3;
        let knot_columns = (reach as f32 * per_column) as usize + 3;
        knots.clear();
        knots.extend((0..knot_rows * knot_columns).map(|_| rng.random::<f32>()));
        for (row, values) in field.chunks_exact_mut(columns).enumerate() {
            let (knot_row, share) = knot(row as f32 * per_row + row_start);
            let (upper, lower) = knots[knot_row * knot_columns..].split_at(knot_columns);
            line.clear();
            line.extend(upper.iter().zip(lower).map(|(upper, lower)| upper + (lower - upper) * share));
            for (value, &(knot_column, share)) in values.iter_mut().zip(&places[slide(row)..]) {
                let (left, right) = (line[knot_column], line[knot_column + 1]);
                let height = left + (right - left) * share;
                *value += weight * if self.billow { (2.0 * height - 1.0).abs() } else { height };
            }
        }
    }
}

/// The knot before a place, and how far the place is on the way to the next one, eased.
fn knot(place: f32) -> (usize, f32) {
    let knot = place as usize;
    (knot, smooth(place - knot as f32))
}

/// 0 below 0, 1 above 1, with level ends in between.
pub fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A number from a distribution close to the standard normal one: the sum of four bytes, centred and scaled. It never
/// exceeds 3.5 and its kurtosis is 2.7 instead of 3, which no pixel notices; it costs one draw.
pub fn near_normal(rng: &mut ChaCha8Rng) -> f32 {
    let sum: u32 = rng.random::<u32>().to_le_bytes().into_iter().map(u32::from).sum();
    // Variance of a uniform byte: (256² − 1) / 12 = 5461.25.
    (sum as f32 - 510.0) / 147.8
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn texture(billow: bool, slant: f32) -> Texture {
        Texture { period_px: 16.0, stretch: 2.0, slant, octaves: 3, persistence: 0.5, billow }
    }

    #[test]
    fn fields_stay_between_0_and_1_whatever_their_shape_and_slant() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut field, mut buffers) = (Vec::new(), Buffers::default());
        for (size, slant) in [((64, 64), 0.0), ((7, 90), 1.5), ((90, 7), -1.5), ((1, 1), 0.3)] {
            for billow in [false, true] {
                texture(billow, slant).fill(size, &mut field, &mut buffers, &mut rng);
                assert_eq!(field.len(), size.0 * size.1);
                assert!(field.iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
    }

    #[test]
    fn a_stretched_field_changes_more_slowly_along_rows() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut field, mut along, mut across) = (Vec::new(), 0.0, 0.0);
        let texture = Texture { stretch: 4.0, ..texture(false, 0.0) };
        texture.fill((64, 64), &mut field, &mut Buffers::default(), &mut rng);
        for pixel in 0..63 * 64 {
            across += (field[pixel + 64] - field[pixel]).abs();
            along += (field[pixel + 1] - field[pixel]).abs();
        }
        assert!(along < 0.6 * across, "{along} {across}");
    }

    #[test]
    fn near_normal_numbers_have_mean_0_and_deviation_1() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let draws: Vec<f64> = (0..100_000).map(|_| f64::from(near_normal(&mut rng))).collect();
        let moment = |power| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / draws.len() as f64;
        assert!(moment(1).abs() < 0.015 && (moment(2) - 1.0).abs() < 0.02 && (moment(4) - 2.7).abs() < 0.1);
    }
}
