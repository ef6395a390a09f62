//! Which part of the sites each member does without.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};

/// The fold of every patch, from 0. A site lies whole in one fold, for patches of one place are not independent. Sites
/// come in the order of their positives, among equals at random, and each goes to the fold that has the fewest positives
/// so far, one without positives to the fold that has the fewest patches.
///
/// # Errors
/// [`crate::Kind::Usage`] where a fold would have no positive or no negative.
pub fn folds(sites: &[&str], positives: &[bool], count: usize, seed: u64) -> Result<Vec<usize>> {
    let mut of_site: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (site, positive) in sites.iter().zip(positives) {
        of_site.entry(site).or_default()[usize::from(*positive)] += 1;
    }
    let mut order: Vec<(&str, [usize; 2])> = of_site.into_iter().collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.sort_by_key(|(_, [_, positives])| std::cmp::Reverse(*positives));
    let mut filled = vec![[0; 2]; count];
    let mut fold_of = BTreeMap::new();
    for (site, [negatives, positives]) in order {
        let by_positives = |fold: &usize| (filled[*fold][1], filled[*fold][0]);
        let by_patches = |fold: &usize| (filled[*fold][0], filled[*fold][1]);
        let fold = if positives > 0 { (0..count).min_by_key(by_positives) } else { (0..count).min_by_key(by_patches) };
        let fold = fold.unwrap_or(0);
        filled[fold][0] += negatives;
        filled[fold][1] += positives;
        fold_of.insert(site, fold);
    }
    match filled.iter().any(|counts| counts.contains(&0)) {
        true => Err(Error::usage(format!(
            "{} sites do not give {count} folds with positives and negatives each; give fewer --folds or more sites",
            fold_of.len()
        ))),
        false => Ok(sites.iter().map(|site| fold_of[site]).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_lies_in_one_fold_and_folds_are_alike() {
        // 40 sites of 5 patches, one in five with a positive.
        let names: Vec<String> = (0..200).map(|patch| format!("site-{}", patch / 5)).collect();
        let sites: Vec<&str> = names.iter().map(String::as_str).collect();
        let positives: Vec<bool> = (0..200).map(|patch| patch % 25 == 0).collect();
        let found = folds(&sites, &positives, 4, 1).unwrap();
        for (a, b) in (0..200).zip(1..200).filter(|(a, b)| sites[*a] == sites[*b]) {
            assert_eq!(found[a], found[b]);
        }
        for fold in 0..4 {
            let of = |with: &dyn Fn(usize) -> bool| (0..200).filter(|&i| found[i] == fold && with(i)).count();
            assert_eq!((of(&|_| true), of(&|i| positives[i])), (50, 2));
        }
        assert_ne!(found, folds(&sites, &positives, 4, 2).unwrap());
        let message = folds(&sites, &positives, 9, 1).unwrap_err().to_string();
        assert!(message.contains("--folds"), "{message}");
    }
}
