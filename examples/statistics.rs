//! The statistics, one call a line, for scripts/cross-check-statistics.py to compare with other packages.
//!
//! Standard input has JSON objects, `{"function": "clopper_pearson", "hits": 74, "n": 85, "confidence": 0.95}`;
//! standard output has the value of each: a number, an array, or null where it is undefined.

use std::io::{BufRead, Error, Result, Write};

use s2infer::statistics::calibrator::{self, Method};
use s2infer::statistics::paired::{self, Counts, McNemar, RankedPair};
use s2infer::statistics::ranking::{self, Operating, Ranked};
use s2infer::statistics::{
    beta_binomial, binomial, bootstrap, correlation, delong, interval, ltt, prior_shift, probability,
};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let call = Call(serde_json::from_str(&line?)?);
        let value = call.answer().ok_or_else(|| Error::other(format!("not a call: {}", call.0)))?;
        writeln!(output, "{value}")?;
    }
    Ok(())
}

/// A function's name and its arguments by name.
struct Call(Value);

/// None where the call is not one.
impl Call {
    fn answer(&self) -> Option<Value> {
        let function = self.0["function"].as_str()?;
        self.of_counts(function)
            .or_else(|| self.of_ranking(function))
            .or_else(|| self.of_probabilities(function))
            .or_else(|| self.of_resamples(function))
            .or_else(|| self.of_pairs(function))
            .or_else(|| self.of_groups(function))
    }

    fn of_counts(&self, function: &str) -> Option<Value> {
        let (hits, n) = (|| self.count("hits"), || self.count("n"));
        Some(match function {
            "clopper_pearson" => json!(interval::clopper_pearson(hits()?, n()?, self.number("confidence")?)),
            "lower_bound" => json!(interval::lower_bound(hits()?, n()?, self.number("confidence")?)),
            "recall_p" => json!(ltt::recall_p(self.count("misses")? as u64, n()? as u64, self.number("recall")?)),
            "precision_p" => json!(ltt::precision_p(hits()? as u64, n()? as u64, self.number("precision")?)),
            "rank" => json!(rank(n()? as u64, self.number("recall")?, self.number("miss"))),
            _ => return None,
        })
    }

    fn of_ranking(&self, function: &str) -> Option<Value> {
        let scores: Vec<f32> = self.numbers("scores")?.into_iter().map(|score| score as f32).collect();
        let positives = || self.flags("positives");
        let weighted =
            || Some((Ranked::new(&scores, &positives()?, &self.counts("clusters")?), self.counts("weights")?));
        let operating = |found: Option<Operating>| found.map(|o| json!([o.threshold, o.recall, o.precision]));
        Some(match function {
            "average_precision" => json!(ranking::average_precision(&scores, &positives()?)),
            "auroc" => json!(ranking::auroc(&scores, &positives()?)),
            "weighted_average_precision" => {
                let (ranked, weights) = weighted()?;
                json!(ranked.areas(&weights, self.number("negatives_factor")?).average_precision)
            }
            "weighted_auroc" => {
                let (ranked, weights) = weighted()?;
                json!(ranked.areas(&weights, 1.0).auroc)
            }
            "max_precision_at_recall" => {
                let curve = ranking::curve(&scores, &positives()?);
                json!(operating(ranking::max_precision_at_recall(&curve, self.number("recall")?)))
            }
            "max_recall_at_precision" => {
                let curve = ranking::curve(&scores, &positives()?);
                json!(operating(ranking::max_recall_at_precision(&curve, self.number("precision")?)))
            }
            "delong" => {
                let second: Vec<f32> = self.numbers("second")?.into_iter().map(|score| score as f32).collect();
                let found = delong::compare([&scores, &second], &positives()?);
                json!(found.map(|found| [found.areas[0], found.areas[1], found.variance, found.z, found.p]))
            }
            _ => return None,
        })
    }

    fn of_probabilities(&self, function: &str) -> Option<Value> {
        let (scores, positives) = (self.numbers("scores")?, self.flags("positives").unwrap_or_default());
        let bins = || self.count("bins");
        let labelled = || scores.iter().copied().zip(positives.iter().copied()).collect::<Vec<_>>();
        let map = |fit: std::result::Result<calibrator::Fit, String>| {
            fit.ok().map(|fit| [fit.calibrator.a, fit.calibrator.b, fit.calibrator.c, fit.log_loss_after])
        };
        Some(match function {
            "brier" => json!(probability::brier(&scores, &positives)),
            "log_loss" => json!(probability::log_loss(&scores, &positives)),
            "ece_equal_mass" => json!(probability::ece_equal_mass(&scores, &positives, bins()?)),
            "ece_equal_width" => json!(probability::ece_equal_width(&scores, &positives, bins()?)),
            "temperature" => json!(map(calibrator::fit(Method::Temperature, &labelled()))),
            "platt" => json!(map(calibrator::fit(Method::Platt, &labelled()))),
            "platt_smoothed" => json!(map(calibrator::platt_smoothed(&labelled()))),
            "beta" => json!(map(calibrator::fit(Method::Beta, &labelled()))),
            "isotonic" => json!(calibrator::isotonic(&scores, &positives)),
            "prevalence_by_em" => json!(prior_shift::prevalence_by_em(&scores, self.number("source")?)),
            _ => return None,
        })
    }

    fn of_resamples(&self, function: &str) -> Option<Value> {
        let values = self.numbers("values")?;
        Some(match function {
            "quantile" => json!(bootstrap::quantile(&values, self.number("share")?)),
            "acceleration" => json!(bootstrap::acceleration(&values)),
            "percentile_interval" => json!(bootstrap::percentile_interval(&values, self.number("confidence")?)),
            "bca_interval" => {
                let (estimate, jackknife) = (self.number("estimate")?, self.numbers("jackknife")?);
                json!(bootstrap::bca_interval(&values, estimate, &jackknife, self.number("confidence")?))
            }
            "intraclass" => json!(correlation::intraclass(&values, &self.counts("clusters")?)),
            "holm" => json!(paired::holm(&values)),
            _ => return None,
        })
    }

    fn of_pairs(&self, function: &str) -> Option<Value> {
        let test = |found: Option<paired::Permutation>| found.map(|t| [t.difference, t.p_greater, t.p_two_sided]);
        let (permutations, seed) = (self.count("permutations").unwrap_or(0), 1);
        Some(match function {
            "mcnemar" => {
                let found = McNemar::of(self.count("b")? as u64, self.count("c")? as u64);
                json!([found.two_sided, found.one_sided, found.mid_p, found.chi2_corrected, found.chi2_p])
            }
            "precision_permutation" => {
                // Four columns: true and false alerts of the first model, then of the second.
                let columns = self.counts("alerts")?;
                let counts = |pair: &[u32]| {
                    let [true_alerts, false_alerts] = [pair[0], pair[1]].map(u64::from);
                    Counts { true_alerts, false_alerts }
                };
                let clusters: Vec<_> = columns.chunks_exact(4).map(|c| [counts(&c[..2]), counts(&c[2..])]).collect();
                let difference = |swapped: &[bool]| paired::precision_difference(&clusters, 1.0, swapped);
                json!(test(paired::cluster_permutation(clusters.len(), permutations, seed, difference)))
            }
            "average_precision_permutation" => {
                let of = |key| Some(self.numbers(key)?.into_iter().map(|score| score as f32).collect::<Vec<f32>>());
                let clusters = self.counts("clusters")?;
                let pair = RankedPair::new([&of("first")?, &of("second")?], &self.flags("positives")?, &clusters);
                let n = clusters.iter().max().map_or(0, |last| *last as usize + 1);
                let difference = |swapped: &[bool]| pair.average_precision_difference(1.0, swapped);
                json!(test(paired::cluster_permutation(n, permutations, seed, difference)))
            }
            _ => return None,
        })
    }

    fn of_groups(&self, function: &str) -> Option<Value> {
        let groups = || -> Option<Vec<(usize, usize)>> {
            let pairs = self.counts("groups")?;
            Some(pairs.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1] as usize)).collect())
        };
        let prior = || {
            let (mean, concentration) = (self.number("mean")?, self.number("concentration")?);
            Some(beta_binomial::Prior { mean, concentration })
        };
        Some(match function {
            "prior" => json!(beta_binomial::Prior::fit(&groups()?).map(|prior| [prior.mean, prior.concentration])),
            "posterior" => {
                let (prior, hits, n) = (prior()?, self.count("hits")?, self.count("n")?);
                json!([prior.at_least(hits, n, self.number("recall")?), prior.quantile(hits, n, 0.1)])
            }
            _ => return None,
        })
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.0[key].as_f64()
    }

    fn count(&self, key: &str) -> Option<usize> {
        usize::try_from(self.0[key].as_u64()?).ok()
    }

    fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        self.0[key].as_array()?.iter().map(Value::as_f64).collect()
    }

    fn counts(&self, key: &str) -> Option<Vec<u32>> {
        self.0[key].as_array()?.iter().map(|count| u32::try_from(count.as_u64()?).ok()).collect()
    }

    fn flags(&self, key: &str) -> Option<Vec<bool>> {
        self.0[key].as_array()?.iter().map(Value::as_bool).collect()
    }
}

/// The rank from below of the positive whose score is the threshold: with probability 1 − miss the recall is reached,
/// or in the mean where there is no miss. 0 where no positive's is.
fn rank(n: u64, recall: f64, miss: Option<f64>) -> usize {
    const ROUNDING: f64 = 1e-12;
    match miss {
        Some(miss) => binomial::cumulative(n, 1.0 - recall).take_while(|p| *p <= miss * (1.0 + ROUNDING)).count(),
        None => ((1.0 - recall) * (n as f64 + 1.0) * (1.0 + ROUNDING)) as usize,
    }
}
