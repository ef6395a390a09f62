//! Shares of small groups, each leaning on all the others: empirical Bayes with the beta-binomial model (Griffin and
//! Krutchkoff 1971). A statement about groups that are alike, not one that holds whatever they are.

use statrs::function::beta::ln_beta;
use statrs::function::gamma::digamma;

use super::beta;

/// The most samples that the other groups may count as. Groups that happen to differ by less than chance have no best
/// concentration, and a large one would drown the group's own samples.
pub const CONCENTRATION_MAX: f64 = 50.0;
const CONCENTRATION_MIN: f64 = 0.01;
/// Halvings (or golden sections) of a range; 60 halvings leave nothing of it.
const STEPS: usize = 60;

/// How the shares of groups are spread: Beta(mean · concentration, (1 − mean) · concentration).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Mean share.
    pub mean: f64,
    /// How many samples it counts as.
    pub concentration: f64,
}

impl Prior {
    /// The prior of greatest likelihood for groups' hits and sizes, concentration from 0.01 to
    /// [`CONCENTRATION_MAX`]. None unless there are hits and misses.
    pub fn fit(groups: &[(usize, usize)]) -> Option<Self> {
        let has_hits = groups.iter().any(|(hits, _)| *hits > 0);
        let has_misses = groups.iter().any(|(hits, n)| hits < n);
        if !has_hits || !has_misses {
            return None;
        }
        let at = |ln_concentration: f64| {
            let concentration = ln_concentration.exp();
            Self { mean: best_mean(groups, concentration), concentration }
        };
        let likelihood = |ln_concentration: f64| at(ln_concentration).ln_likelihood(groups);
        let [low, high] = [CONCENTRATION_MIN.ln(), CONCENTRATION_MAX.ln()];
        let found = maximum(low, high, likelihood);
        // The search stays inside its range, the cap is the range's end.
        if likelihood(high) >= likelihood(found) {
            return Some(Self { concentration: CONCENTRATION_MAX, ..at(high) });
        }
        Some(at(found))
    }

    /// Probability that a group's share is at least `share`, after `hits` out of `n`.
    pub fn at_least(&self, hits: usize, n: usize, share: f64) -> f64 {
        let [a, b] = self.posterior(hits, n);
        beta::at_least(a, b, share)
    }

    /// The share that a group's own is below with the `probability`, after `hits` out of `n`.
    pub fn quantile(&self, hits: usize, n: usize, probability: f64) -> f64 {
        let [a, b] = self.posterior(hits, n);
        beta::quantile(a, b, probability)
    }

    /// Shapes of the beta distribution of a group's share.
    fn posterior(&self, hits: usize, n: usize) -> [f64; 2] {
        let misses = n.saturating_sub(hits) as f64;
        [self.mean * self.concentration + hits as f64, (1.0 - self.mean) * self.concentration + misses]
    }

    fn ln_likelihood(&self, groups: &[(usize, usize)]) -> f64 {
        let of = |&(hits, n): &(usize, usize)| {
            let ([a, b], [a_0, b_0]) = (self.posterior(hits, n), self.posterior(0, 0));
            ln_beta(a, b) - ln_beta(a_0, b_0)
        };
        groups.iter().map(of).sum()
    }
}

/// The likelihood is concave in the mean, so that its slope changes sign once.
fn best_mean(groups: &[(usize, usize)], concentration: f64) -> f64 {
    let rises = |mean: f64| {
        let (a, b) = (mean * concentration, (1.0 - mean) * concentration);
        let slope = |&(hits, n): &(usize, usize)| {
            let (hits, misses) = (hits as f64, n.saturating_sub(hits) as f64);
            digamma(a + hits) - digamma(a) - (digamma(b + misses) - digamma(b))
        };
        groups.iter().map(slope).sum::<f64>() > 0.0
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = 0.5 * (low + high);
        if rises(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Where a function of one peak is greatest, by golden sections (Kiefer 1953).
fn maximum(mut low: f64, mut high: f64, of: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    for _ in 0..STEPS {
        let width = GOLDEN * (high - low);
        let (left, right) = (high - width, low + width);
        if of(left) < of(right) { low = left } else { high = right }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior { mean: 0.87, concentration: 20.0 };

    // scipy 1.17.1, beta.sf(0.8, …) and beta.ppf(0.1, …)
    #[test]
    fn posteriors_are_those_of_scipy() {
        let table = [
            (74, 85, 0.975_386, 0.827_307),
            (53, 60, 0.976_053, 0.831_941),
            (36, 40, 0.975_228, 0.836_331),
            (8, 9, 0.886_591, 0.794_146),
            (10, 14, 0.569_146, 0.716_282),
            (5, 5, 0.926_080, 0.814_309),
        ];
        for (hits, n, probability, quantile) in table {
            assert!((PRIOR.at_least(hits, n, 0.8) - probability).abs() < 1e-6, "{hits} of {n}");
            assert!((PRIOR.quantile(hits, n, 0.1) - quantile).abs() < 1e-6, "{hits} of {n}");
        }
    }

    // scipy 1.17.1: minimize of −Σ betaln(mκ + h, (1 − m)κ + n − h) + betaln(mκ, (1 − m)κ)
    #[test]
    fn prior_of_groups_that_differ_is_that_of_greatest_likelihood() {
        let found = Prior::fit(&[(74, 85), (40, 60), (38, 40), (5, 14), (9, 9)]).unwrap();
        assert!((found.mean - 0.768889).abs() < 1e-5, "{found:?}");
        assert!((found.concentration / 3.74841 - 1.0).abs() < 1e-4, "{found:?}");
    }

    // scipy 1.17.1, minimize_scalar with κ = 50
    #[test]
    fn groups_more_alike_than_chance_are_capped() {
        let found = Prior::fit(&[(74, 85), (53, 60), (36, 40), (8, 9), (12, 14)]).unwrap();
        assert_eq!(found.concentration, CONCENTRATION_MAX);
        assert!((found.mean - 0.873412).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn groups_without_a_miss_or_a_hit_have_no_prior() {
        assert_eq!(Prior::fit(&[(5, 5), (9, 9)]), None);
        assert_eq!(Prior::fit(&[(0, 5), (0, 9)]), None);
        assert_eq!(Prior::fit(&[]), None);
    }
}
