//! Groups of too few tiles each, together: every tile by where it stands among the reference tiles of its own group.

use super::compare::Groups;
use super::histogram::{Histogram, merge_for_psi};
use super::observation::Quantity;
use super::reference::Reference;
use super::report::{Finding, Test};
use super::{ALL, KS_EFFECT_MIN, POOLED, PSI_EFFECT_MIN, TILES_MIN};
use crate::statistics::{ks, psi};

/// Cells of equal share that the quantiles of all groups are put into.
const CELLS: usize = 50;

/// The quantities that several groups have enough tiles for only together. A group that can be tested by itself is not
/// among them, so that there are never more tests than with all groups by themselves.
pub(super) fn findings(reference: &Reference, groups: &Groups) -> Vec<Finding> {
    let all = Quantity::all(reference.bands.len()).into_iter().enumerate();
    let watched = all.filter(|(_, quantity)| *quantity != Quantity::Abstained);
    watched.filter_map(|(index, quantity)| finding(reference, groups, index, quantity)).collect()
}

fn finding(reference: &Reference, groups: &Groups, index: usize, quantity: Quantity) -> Option<Finding> {
    let mut pool = Pool::default();
    for (group, tiles) in groups.iter().filter(|(group, _)| group.group != ALL) {
        let values: Vec<f64> = tiles.iter().filter_map(|tile| quantity.value(tile)).collect();
        let histogram = group.histograms.get(index)?;
        if (1..TILES_MIN).contains(&(values.len() as u64)) && histogram.total() >= TILES_MIN {
            pool.add(histogram, &values);
        }
    }
    let n = pool.night.iter().sum::<u64>();
    if n < TILES_MIN {
        return None;
    }
    let expected = pool.reference();
    let n_reference = expected.iter().sum::<u64>();
    Some(Finding::without_median(POOLED, quantity.name(&reference.bands), [n, n_reference], pool.tests(&expected)))
}

/// Counts of quantiles over several groups.
struct Pool {
    night: [u64; CELLS],
    /// What the references expect of the night's groups: tiles, in parts.
    expected: [f64; CELLS],
    /// Σ n²/m of the groups' n tiles in the night and m in the reference.
    spread: f64,
}

impl Default for Pool {
    fn default() -> Self {
        Self { night: [0; CELLS], expected: [0.0; CELLS], spread: 0.0 }
    }
}

impl Pool {
    fn add(&mut self, reference: &Histogram, values: &[f64]) {
        let (n, m) = (values.len() as f64, reference.total() as f64);
        let mut below = 0.0;
        for (count, current) in reference.counts.iter().zip(reference.count(values)) {
            // A value that many tiles have lies in the middle of them all, in the reference and in the night.
            let middle = (below + *count as f64 / 2.0) / m;
            let cell = ((middle * CELLS as f64) as usize).min(CELLS - 1);
            self.night[cell] += current;
            self.expected[cell] += n * *count as f64 / m;
            below += *count as f64;
        }
        self.spread += n * n / m;
    }

    /// The expected shares as counts of the one sample whose shares vary as much as theirs do: N² / Σ n²/m tiles.
    fn reference(&self) -> Vec<u64> {
        let n = self.expected.iter().sum::<f64>();
        let effective = (n * n / self.spread).floor();
        let (mut sum, mut given) = (0.0, 0);
        let count = |expected: &f64| {
            sum += expected;
            // Rounded sums: no cell's rounding adds to another's.
            let up_to = (effective * sum / n).round() as u64;
            up_to - std::mem::replace(&mut given, up_to)
        };
        self.expected.iter().map(count).collect()
    }

    fn tests(&self, reference: &[u64]) -> Vec<Test> {
        let (merged_reference, merged) = merge_for_psi(reference, &self.night);
        let psi = psi::psi(&merged_reference, &merged);
        let psi = psi.map(|psi| Test::new("psi", psi.value, PSI_EFFECT_MIN, psi.p_value_pearson));
        let ks = ks::binned(reference, &self.night);
        psi.into_iter().chain(ks.map(|ks| Test::new("ks", ks.distance, KS_EFFECT_MIN, ks.p_value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Groups of very different places, and tiles of each in the reference and in the night.
    const GROUPS: [(f64, usize, usize); 4] = [(0.0, 25, 15), (5.0, 60, 12), (-3.0, 300, 6), (40.0, 1000, 3)];

    fn bell(rng: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// Tests of one night whose tiles all lie `shift` standard deviations off; `round` leaves few different values.
    fn night(rng: &mut ChaCha8Rng, shift: f64, round: bool) -> Vec<Test> {
        let mut pool = Pool::default();
        for (mean, m, n) in GROUPS {
            let mut draw = |count: usize, shift: f64| -> Vec<f64> {
                let value = |_| mean + shift + bell(rng);
                (0..count).map(value).map(|value| if round { value.max(mean).round() } else { value }).collect()
            };
            pool.add(&Histogram::of(&draw(m, 0.0)), &draw(n, shift));
        }
        pool.tests(&pool.reference())
    }

    #[test]
    fn of_4000_unchanged_nights_at_most_5_percent_have_p_up_to_0_05() {
        for round in [false, true] {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let nights: Vec<Vec<Test>> = (0..4000).map(|_| night(&mut rng, 0.0, round)).collect();
            for statistic in ["psi", "ks"] {
                let tests = nights.iter().flatten().filter(|test| test.statistic == statistic);
                let small = tests.filter(|test| test.p_value <= 0.05).count();
                println!("{statistic} round {round}: {small} of 4000");
                // Three standard errors of 13.8.
                assert!(small <= 200 + 41, "{statistic}, round {round}: {small} of 4000");
            }
        }
    }

    #[test]
    fn a_shift_within_every_group_is_found_whatever_lies_between_the_groups() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let found = (0..100).filter(|_| {
            let tests = night(&mut rng, 1.0, false);
            tests.iter().any(|test| test.p_value <= 0.001 && test.effect >= test.effect_min)
        });
        let found = found.count();
        assert!(found >= 80, "{found}");
    }
}
