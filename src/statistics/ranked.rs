//! A ranking that is sorted once and weighed often: the inner loop of the cluster bootstrap.

/// Rows in descending order of score. Weights are per cluster: a row counts as often as its cluster does.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The clusters of the rows, step by step: negatives above, negatives tied, positives; at the end the negatives
    /// below every positive.
    clusters: Vec<u32>,
    steps: Vec<Step>,
    n_clusters: usize,
}

/// What a ranking is worth; none where undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Areas {
    /// Mean precision over the positives.
    pub average_precision: Option<f64>,
    /// Share of the pairs of a positive and a negative in which the positive stands above; a tie is half a pair.
    pub auroc: Option<f64>,
}

/// How many rows lead to, and are of, one distinct score that positives have.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Negatives between the previous step and this.
    above: u32,
    /// Negatives of this very score.
    tied: u32,
    /// Positives of this score.
    positives: u32,
}

/// What the rows of one step weigh.
struct Weighed {
    above: u64,
    tied: u64,
    positives: u64,
}

impl Ranked {
    /// Sorts rows: score, label and cluster of each. Clusters are numbered from 0, without large gaps.
    ///
    /// # Panics
    /// Where the three differ in length, or there are 2³² rows.
    pub fn new(scores: &[f32], positives: &[bool], clusters: &[u32]) -> Self {
        assert!(scores.len() == positives.len() && scores.len() == clusters.len(), "a label and a cluster per score");
        assert!(u32::try_from(scores.len()).is_ok(), "fewer than 2³² rows");
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        // −0 is 0.
        let score = |row: u32| scores[row as usize] + 0.0;
        let is_positive = |row: u32| positives[row as usize];
        order.sort_unstable_by(|&a, &b| {
            // Negatives before positives, so that every step's runs are whole.
            score(b).total_cmp(&score(a)).then(is_positive(a).cmp(&is_positive(b)))
        });
        let mut ranked = Self {
            clusters: order.iter().map(|&row| clusters[row as usize]).collect(),
            steps: Vec::new(),
            n_clusters: clusters.iter().max().map_or(0, |last| *last as usize + 1),
        };
        let mut above = 0;
        for rows in order.chunk_by(|&a, &b| score(a) == score(b)) {
            let tied = rows.iter().filter(|&&row| !is_positive(row)).count() as u32;
            match rows.len() as u32 - tied {
                0 => above += tied,
                positives => ranked.steps.push(Step { above: std::mem::take(&mut above), tied, positives }),
            }
        }
        ranked
    }

    /// Clusters: the length of the weights.
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    /// Average precision and the area under the receiver operating characteristic.
    ///
    /// In the average precision each negative counts `negatives_factor` times as much: 1 as they are, otherwise the
    /// precision of another prevalence. It is undefined where no positive has weight, the other area also where no
    /// negative has.
    pub fn areas(&self, weights: &[u32], negatives_factor: f64) -> Areas {
        let (mut hits, mut negatives, mut precisions, mut lost) = (0, 0, 0.0, 0.0);
        let below = self.weigh(weights, |Weighed { above, tied, positives }| {
            negatives += above;
            lost += positives as f64 * (negatives as f64 + 0.5 * tied as f64);
            negatives += tied;
            hits += positives;
            if positives > 0 {
                precisions += positives as f64 * hits as f64 / (hits as f64 + negatives_factor * negatives as f64);
            }
        });
        let pairs = hits as f64 * (negatives + below) as f64;
        Areas {
            average_precision: (hits > 0).then(|| precisions / hits as f64),
            auroc: (pairs > 0.0).then(|| 1.0 - lost / pairs),
        }
    }

    /// Visits the steps and gives the weight of the negatives below them all.
    fn weigh(&self, weights: &[u32], mut visit: impl FnMut(Weighed)) -> u64 {
        let mut rest = self.clusters.as_slice();
        let sum = |run: &[u32]| -> u64 { run.iter().map(|cluster| u64::from(weights[*cluster as usize])).sum() };
        let mut weight = |rows: u32| {
            let (run, after) = rest.split_at(rows as usize);
            rest = after;
            sum(run)
        };
        for &Step { above, tied, positives } in &self.steps {
            visit(Weighed { above: weight(above), tied: weight(tied), positives: weight(positives) });
        }
        sum(rest)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::statistics::fixture::{SCORES, labels, single};
    use crate::statistics::ranking::{auroc, average_precision};

    /// 400 rows on 30 distinct scores in 20 clusters, and weights from 0 to 3.
    fn drawn() -> (Vec<f32>, Vec<bool>, Vec<u32>, Vec<u32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let positives: Vec<bool> = (0..400).map(|_| rng.random_bool(0.2)).collect();
        let scores = positives.iter().map(|p| rng.random_range(0..25) + 5 * i32::from(*p)).map(|s| s as f32 / 30.0);
        let scores = scores.collect();
        let clusters = (0..400).map(|_| rng.random_range(0..20)).collect();
        let weights = (0..20).map(|_| rng.random_range(0..4)).collect();
        (scores, positives, clusters, weights)
    }

    #[test]
    fn weights_of_one_give_the_plain_areas() {
        let ranked = Ranked::new(&single(SCORES), &labels(), &[0; 24]);
        assert_eq!(ranked.n_clusters(), 1);
        let areas = ranked.areas(&[1], 1.0);
        assert!((areas.average_precision.unwrap() - 0.815_972_222).abs() < 1e-9);
        assert!((areas.auroc.unwrap() - 0.855_468_75).abs() < 1e-12);
    }

    #[test]
    fn a_weight_is_the_row_so_many_times() {
        let (scores, positives, clusters, weights) = drawn();
        let ranked = Ranked::new(&scores, &positives, &clusters);
        let repeated: Vec<usize> =
            (0..400).flat_map(|row| std::iter::repeat_n(row, weights[clusters[row] as usize] as usize)).collect();
        let scores: Vec<f32> = repeated.iter().map(|row| scores[*row]).collect();
        let positives: Vec<bool> = repeated.iter().map(|row| positives[*row]).collect();
        let close = |a: Option<f64>, b: Option<f64>| assert!((a.unwrap() - b.unwrap()).abs() < 1e-12, "{a:?} {b:?}");
        let areas = ranked.areas(&weights, 1.0);
        close(areas.average_precision, average_precision(&scores, &positives));
        close(areas.auroc, auroc(&scores, &positives));
    }

    #[test]
    fn a_negatives_factor_is_every_negative_so_many_times() {
        let (scores, positives, clusters, _) = drawn();
        let copies = |row: &usize| if positives[*row] { 1 } else { 3 };
        let repeated: Vec<usize> = (0..400).flat_map(|row| std::iter::repeat_n(row, copies(&row))).collect();
        let repeated_scores: Vec<f32> = repeated.iter().map(|row| scores[*row]).collect();
        let repeated_positives: Vec<bool> = repeated.iter().map(|row| positives[*row]).collect();
        let found = Ranked::new(&scores, &positives, &clusters).areas(&[1; 20], 3.0).average_precision.unwrap();
        let expected = average_precision(&repeated_scores, &repeated_positives).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn a_class_without_weight_leaves_the_areas_undefined() {
        let ranked = Ranked::new(&[0.9, 0.5], &[true, false], &[0, 1]);
        assert_eq!(ranked.areas(&[0, 1], 1.0), Areas { average_precision: None, auroc: None });
        assert_eq!(ranked.areas(&[2, 0], 1.0), Areas { average_precision: Some(1.0), auroc: None });
    }

    #[test]
    fn zero_of_either_sign_is_one_score() {
        let ranked = Ranked::new(&[0.0, -0.0], &[true, false], &[0, 0]);
        assert_eq!(ranked.areas(&[1], 1.0).auroc, Some(0.5));
    }
}
