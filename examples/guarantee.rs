//! Whether thresholds keep their promise: calibrations simulated on populations whose recall is known in closed form.
//!
//!     cargo run --release --example guarantee > calibration/guarantee.md
//!
//! Every cell is the share of 10,000 calibrations after which the true recall is below 0.8, with its standard error.

use std::f64::consts::{SQRT_2, TAU};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use s2infer::calibrate::{CalibrateRequest, ScoreRow, Scores, Sites, calibrate};
use s2infer::decide::{Bounds, ModelRef, Rule};
use s2infer::model::manifest::{Precision, Tta};
use statrs::function::erf::erfc;

const CALIBRATIONS: u64 = 10_000;
const SEED: u64 = 1;
const RECALL: f64 = 0.8;
/// Slack for what rounding does to whole numbers.
const ROUNDING: f64 = 1e-12;

/// How a threshold is chosen from positives' scores.
#[derive(Clone, Copy)]
enum Way {
    /// As `s2infer calibrate` does.
    Calibrated { rule: Rule, confidence: f64, sites: Sites },
    /// The highest threshold with the recall on the calibration scores themselves.
    Naive,
}

/// The threshold for positives in sites of `members`; none where they are too few.
fn threshold(scores: &[f64], members: usize, way: Way) -> Option<f64> {
    let Way::Calibrated { rule, confidence, sites } = way else {
        let mut ascending = scores.to_vec();
        ascending.sort_unstable_by(f64::total_cmp);
        let rank = scores.len() + 1 - (RECALL * scores.len() as f64 * (1.0 - ROUNDING)).ceil() as usize;
        return ascending.get(rank - 1).copied();
    };
    let row = |(index, score): (usize, &f64)| ScoreRow {
        tile: index.to_string(),
        positive: true,
        score: *score,
        group: "summer-clear".into(),
        site: Some((index / members).to_string().into()),
        region: None,
    };
    let scores = Scores {
        rows: scores.iter().enumerate().map(row).collect(),
        file: "simulated".into(),
        sha256: "0".repeat(64),
        model_sha256: None,
        n_overcast: 0,
        n_undecided: 0,
    };
    let calibration = calibrate(&scores, &request(rule, confidence, sites)).ok()?;
    calibration.profile.groups.first().filter(|group| group.feasible).map(|group| group.threshold)
}

fn request(rule: Rule, confidence: f64, sites: Sites) -> CalibrateRequest {
    CalibrateRequest {
        model: ModelRef { name: "simulated".into(), sha256: "0".repeat(64), precision: Precision::Fp32 },
        preprocessing_version: "1".into(),
        tta: Tta::None,
        rule,
        target_recall: RECALL,
        confidence,
        joint: false,
        sites,
        unseen_region: false,
        spare_alarms: None,
        bounds: Bounds::default(),
        by_flags: true,
        command: String::new(),
        created: Timestamp::UNIX_EPOCH,
    }
}

fn exact(confidence: f64) -> Way {
    Way::Calibrated { rule: Rule::Exact, confidence, sites: Sites::Independent }
}

const MEAN: Way = Way::Calibrated { rule: Rule::Mean, confidence: 0.9, sites: Sites::Independent };

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
    fn thresholds(&self, scores: &[f64], confidence: f64) -> [Option<f64>; 4] {
        let ways =
            [Sites::Independent, Sites::OnePerSite, Sites::Correlation(self.correlation), Sites::MeasuredCorrelation];
        ways.map(|sites| threshold(scores, self.members, Way::Calibrated { rule: Rule::Exact, confidence, sites }))
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
                [exact(0.9), exact(0.95), MEAN, Way::Naive].map(|way| threshold(&scores, 1, way))
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
        "\n## Positives of sites\n\nShare of calibrations whose true recall is below 0.8, at 90 %: at most 0.1 is promised.\n"
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
            let calibrate = |rng: &mut ChaCha8Rng| population.thresholds(&population.draw(rng), 0.9);
            let tallies = simulate(calibrate, Clustered::recall);
            let mut cells = vec![format!("{sites} × {members}"), correlation.to_string()];
            cells.extend(tallies.iter().map(Tally::to_string));
            row(&cells);
        }
    }
}

fn main() {
    println!("# Do thresholds keep their promise?\n");
    println!(
        "{CALIBRATIONS} simulated calibrations a cell by `s2infer calibrate`'s own rules, on populations whose recall at any \
         threshold is known in closed form; ± one standard error. `cargo run --release --example guarantee`.\n"
    );
    independent();
    clustered();
}
