//! Whether thresholds keep their promise: calibrations simulated on populations whose recall is known in closed form.
//!
//!     cargo run --release --example guarantee > guarantee.md
//!
//! Every cell is the share of 10,000 calibrations after which the true recall is below 0.8, with its standard error.

use std::f64::consts::{SQRT_2, TAU};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use s2infer::statistics::binomial::cumulative;
use s2infer::statistics::correlation::{design_effect, intraclass};
use statrs::function::erf::erfc;

const CALIBRATIONS: u64 = 10_000;
const SEED: u64 = 1;
const RECALL: f64 = 0.8;
/// Slack for what rounding does to whole numbers.
const ROUNDING: f64 = 1e-12;

/// How a threshold is chosen from positives' scores.
#[derive(Clone, Copy)]
enum Rule {
    /// The recall holds with probability 1 − `miss`; so many members tell as much as one independent positive.
    Exact { miss: f64, design_effect: f64 },
    /// The recall holds in the mean over calibrations.
    Mean,
    /// The highest threshold with the recall on the calibration scores themselves.
    Naive,
}

/// The threshold of a rule; none where the positives are too few.
fn threshold(scores: &[f64], rule: Rule) -> Option<f64> {
    let mut ascending = scores.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let n = ascending.len();
    let rank = match rule {
        Rule::Exact { miss, design_effect } => {
            let effective = (n as f64 / design_effect.max(1.0) * (1.0 + ROUNDING)) as usize;
            let misses = cumulative(effective as u64, 1.0 - RECALL);
            let rank = misses.take_while(|probability| *probability <= miss * (1.0 + ROUNDING)).count();
            (n * rank).checked_div(effective)?
        }
        Rule::Mean => ((1.0 - RECALL) * (n as f64 + 1.0) * (1.0 + ROUNDING)) as usize,
        Rule::Naive => n + 1 - (RECALL * n as f64 * (1.0 - ROUNDING)).ceil() as usize,
    };
    ascending.get(rank.checked_sub(1)?).copied()
}

fn exact(miss: f64) -> Rule {
    Rule::Exact { miss, design_effect: 1.0 }
}

/// Independent positives whose scores are 1 − 0.9 u² for uniform u, or those rounded down to twentieths.
struct Independent {
    n: usize,
    is_rounded: bool,
}

impl Independent {
    const SPREAD: f64 = 0.9;
    const STEPS: f64 = 20.0;

    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let score = |u: f64| 1.0 - Self::SPREAD * u * u;
        let round = |score: f64| if self.is_rounded { (score * Self::STEPS).floor() / Self::STEPS } else { score };
        (0..self.n).map(|_| round(score(rng.random()))).collect()
    }

    /// P(score ≥ threshold). A rounded score reaches a rounded threshold where the score itself does.
    fn recall(threshold: f64) -> f64 {
        ((1.0 - threshold) / Self::SPREAD).clamp(0.0, 1.0).sqrt()
    }
}

/// Positives of sites: the logit of a score is √ρ of the site's own normal deviate and √(1 − ρ) of the positive's.
struct Clustered {
    sites: usize,
    members: usize,
    correlation: f64,
}

impl Clustered {
    /// Site by site.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let (shared, own) = (self.correlation.sqrt(), (1.0 - self.correlation).sqrt());
        let mut scores = Vec::with_capacity(self.sites * self.members);
        for _ in 0..self.sites {
            let site = shared * normal(rng);
            scores.extend((0..self.members).map(|_| 1.0 / (1.0 + (-(site + own * normal(rng))).exp())));
        }
        scores
    }

    /// P(score ≥ threshold): the logit is standard normal.
    fn recall(threshold: f64) -> f64 {
        0.5 * erfc(logit(threshold) / SQRT_2)
    }

    /// Thresholds by each way to treat the sites.
    fn thresholds(&self, scores: &[f64], miss: f64) -> [Option<f64>; 4] {
        let one_each: Vec<f64> = scores.iter().copied().step_by(self.members).collect();
        let sites: Vec<u32> = (0..scores.len()).map(|row| (row / self.members) as u32).collect();
        let logits: Vec<f64> = scores.iter().map(|score| logit(*score)).collect();
        let estimated = intraclass(&logits, &sites).unwrap_or(0.0).clamp(0.0, 1.0);
        let kish = |correlation| Rule::Exact { miss, design_effect: design_effect(self.members as f64, correlation) };
        [
            threshold(scores, exact(miss)),
            threshold(&one_each, exact(miss)),
            threshold(scores, kish(self.correlation)),
            threshold(scores, kish(estimated)),
        ]
    }
}

fn logit(score: f64) -> f64 {
    score.ln() - (-score).ln_1p()
}

/// A standard normal deviate (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (-radius).ln_1p()).sqrt() * (TAU * angle).cos()
}

/// What became of the calibrations by one rule.
#[derive(Clone, Copy, Default)]
struct Tally {
    thresholds: u64,
    below: u64,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = self.thresholds as f64;
        let share = self.below as f64 / n;
        if self.thresholds == 0 {
            return f.write_str("no threshold");
        }
        write!(f, "{share:.4} ± {:.4}", (share * (1.0 - share) / n).sqrt())?;
        let without = 1.0 - n / CALIBRATIONS as f64;
        if without > 0.0 { write!(f, " ({:.2} % without)", 100.0 * without) } else { Ok(()) }
    }
}

/// Runs the calibrations in parallel, each with its own stream of random numbers.
fn simulate<const K: usize>(
    calibrate: impl Fn(&mut ChaCha8Rng) -> [Option<f64>; K] + Sync,
    recall: fn(f64) -> f64,
) -> [Tally; K] {
    let one = |calibration| {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(calibration);
        let is_below = |threshold: f64| u64::from(recall(threshold) < RECALL);
        let tally = |threshold| Tally { thresholds: 1, below: is_below(threshold) };
        calibrate(&mut rng).map(|threshold| threshold.map_or(Tally::default(), tally))
    };
    let add = |a: [Tally; K], b: [Tally; K]| {
        std::array::from_fn(|k| Tally { thresholds: a[k].thresholds + b[k].thresholds, below: a[k].below + b[k].below })
    };
    (0..CALIBRATIONS).into_par_iter().map(one).reduce(|| [Tally::default(); K], add)
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn header(names: &[&str]) {
    row(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    row(&vec!["---".to_owned(); names.len()]);
}

fn independent() {
    println!("## Independent positives\n\nShare of calibrations whose true recall is below 0.8.\n");
    header(&["positives", "scores", "exact, 90 %", "exact, 95 %", "in the mean", "naive"]);
    for is_rounded in [false, true] {
        for n in [14, 30, 85, 341] {
            let population = Independent { n, is_rounded };
            let calibrate = |rng: &mut ChaCha8Rng| {
                let scores = population.draw(rng);
                [exact(0.1), exact(0.05), Rule::Mean, Rule::Naive].map(|rule| threshold(&scores, rule))
            };
            let tallies = simulate(calibrate, Independent::recall);
            let scores = if is_rounded { "twentieths" } else { "continuous" };
            let mut cells = vec![n.to_string(), scores.to_owned()];
            cells.extend(tallies.iter().map(Tally::to_string));
            row(&cells);
        }
    }
}

fn clustered() {
    println!(
        "\n## Positives of sites\n\nShare of calibrations whose true recall is below 0.8, at 90 %: at most 0.1.\n"
    );
    header(&[
        "sites × positives",
        "ICC",
        "taken as independent",
        "one a site",
        "Kish, ICC known",
        "Kish, ICC estimated",
    ]);
    for (sites, members) in [(17, 5), (9, 10), (34, 10), (68, 5)] {
        for correlation in [0.1, 0.3, 0.5] {
            let population = Clustered { sites, members, correlation };
            let calibrate = |rng: &mut ChaCha8Rng| population.thresholds(&population.draw(rng), 0.1);
            let tallies = simulate(calibrate, Clustered::recall);
            let mut cells = vec![format!("{sites} × {members}"), correlation.to_string()];
            cells.extend(tallies.iter().map(Tally::to_string));
            row(&cells);
        }
    }
}

fn main() {
    println!("# Do thresholds keep their promise?\n");
    println!("{CALIBRATIONS} simulated calibrations a cell; ± one standard error.\n");
    independent();
    clustered();
}
