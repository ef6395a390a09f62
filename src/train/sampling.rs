//! Which patches an epoch sees, in which order.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::samples::{Samples, group};

/// Draws an epoch of as many patches as there are. `group_power` tempers the groups of season × sky: a group of n
/// patches is drawn from with probability ∝ n^power. At 1 every patch comes once; below, patches are drawn with
/// replacement, at 0 from all groups equally often. Classes keep their proportions within a group.
pub fn epoch(samples: &Samples, group_power: f64, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, of) in samples.circumstances.iter().enumerate() {
        groups.entry(group(of)).or_default().push(index);
    }
    let mut order = Vec::with_capacity(samples.len());
    let total: f64 = groups.values().map(|of| (of.len() as f64).powf(group_power)).sum();
    for members in groups.values_mut() {
        let share = (members.len() as f64).powf(group_power) / total;
        let wanted = (share * samples.len() as f64).round() as usize;
        // Whole rounds without replacement, then part of one: no patch comes twice before all came once.
        for _ in 0..wanted / members.len() {
            order.extend_from_slice(members);
        }
        members.shuffle(rng);
        order.extend_from_slice(&members[..wanted % members.len()]);
    }
    order.shuffle(rng);
    order
}

/// `count` patches, the groups of class × season × sky in turn, drawn at random with replacement.
pub fn balanced(samples: &Samples, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut groups: BTreeMap<(String, u8), Vec<usize>> = BTreeMap::new();
    for (index, of) in samples.circumstances.iter().enumerate() {
        groups.entry((group(of), samples.labels[index])).or_default().push(index);
    }
    groups.values().cycle().take(count).map(|members| members[rng.random_range(0..members.len())]).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::decide::{Season, Sky};
    use crate::train::augment::Circumstances;

    /// 90 patches of clear summers, 10 of cloudy winters.
    fn samples() -> Samples {
        let of = |index| {
            let (season, sky) = if index < 90 { (Season::Summer, Sky::Clear) } else { (Season::Winter, Sky::Cloudy) };
            Circumstances { season: Some(season), sky: Some(sky), latitude_deg: None }
        };
        Samples {
            values: vec![0.0; 100],
            labels: (0..100).map(|index| u8::from(index % 10 == 0)).collect(),
            circumstances: (0..100).map(of).collect(),
            size: 1,
            side_px: 1,
            optics: Vec::new(),
        }
    }

    fn winters(order: &[usize]) -> usize {
        order.iter().filter(|&&index| index >= 90).count()
    }

    #[test]
    fn at_power_one_every_patch_comes_once_and_at_zero_groups_are_equal() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut natural = epoch(&samples(), 1.0, &mut rng);
        natural.sort_unstable();
        assert_eq!(natural, (0..100).collect::<Vec<_>>());
        assert_eq!(winters(&epoch(&samples(), 0.0, &mut rng)), 50);
        // √10 / (√10 + √90) = 1/4
        assert_eq!(winters(&epoch(&samples(), 0.5, &mut rng)), 25);
    }

    #[test]
    fn balanced_draws_take_every_class_of_every_group_equally() {
        let samples = samples();
        let drawn = balanced(&samples, 400, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(winters(&drawn), 200);
        assert_eq!(drawn.iter().filter(|&&index| samples.labels[index] == 1).count(), 200);
    }
}
