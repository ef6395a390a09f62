//! Evidence that may be looked at after every observation: e-processes for the share of misses.

use statrs::function::beta::{checked_beta_reg, checked_ln_beta};

/// Misses among audited positives against the hypothesis that at most a share `null` is missed.
///
/// Under the hypothesis each value below is, at any time, on average at most 1, and it ever reaches 1/α with probability
/// α at most (Ville 1939): an alarm at 1/α may be looked for after every tile. Both depend on the counts alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EProcess {
    null: f64,
    alternative: f64,
    n: u64,
    misses: u64,
}

impl EProcess {
    /// Before the first observation. None unless 0 < `null` < `alternative` < 1.
    pub fn new(null: f64, alternative: f64) -> Option<Self> {
        (0.0 < null && null < alternative && alternative < 1.0).then_some(Self { null, alternative, n: 0, misses: 0 })
    }

    /// After `n` positives, of which `misses` were missed. None where these are more.
    pub fn with_counts(self, n: u64, misses: u64) -> Option<Self> {
        (misses <= n).then_some(Self { n, misses, ..self })
    }

    /// Positives so far.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Missed among them.
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Adds one audited positive.
    pub fn observe(&mut self, is_missed: bool) {
        self.n += 1;
        self.misses += u64::from(is_missed);
    }

    /// ln of Π (p₁/p₀)^X · ((1−p₁)/(1−p₀))^(1−X), the likelihood ratio against the one alternative p₁ (Wald 1945): the
    /// fastest where that is the truth.
    pub fn ln_simple(&self) -> f64 {
        let (misses, hits) = self.counts();
        let (null, alternative) = (self.null, self.alternative);
        misses * (alternative / null).ln() + hits * ((1.0 - alternative) / (1.0 - null)).ln()
    }

    /// ln of the mean of that ratio over all alternatives from p₀ to 1, taken equally likely (Robbins 1970): finds what
    /// lies close above p₀ as well, later. −∞ where it is too small for a number.
    pub fn ln_mixture(&self) -> f64 {
        let ((misses, hits), null) = (self.counts(), self.null);
        let (a, b) = (misses + 1.0, hits + 1.0);
        let ln_beta = checked_ln_beta(a, b).unwrap_or(f64::NEG_INFINITY);
        // P(Beta(a, b) > p₀), from the side on which it is small.
        let above = checked_beta_reg(b, a, 1.0 - null).unwrap_or(0.0);
        ln_beta + above.ln() - (1.0 - null).ln() - misses * null.ln() - hits * (1.0 - null).ln()
    }

    /// ln of the mean of both, itself an e-process: no later than either by more than a factor of two in evidence.
    pub fn ln_average(&self) -> f64 {
        let (a, b) = (self.ln_simple(), self.ln_mixture());
        let larger = a.max(b);
        larger + (((a - larger).exp() + (b - larger).exp()) / 2.0).ln()
    }

    fn counts(&self) -> (f64, f64) {
        (self.misses as f64, (self.n - self.misses) as f64)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    const STREAM: [u8; 20] = [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1];

    fn trace(value: impl Fn(&EProcess) -> f64) -> Vec<f64> {
        let mut process = EProcess::new(0.2, 0.35).unwrap();
        let step = |missed: &u8| {
            process.observe(*missed == 1);
            value(&process).exp()
        };
        STREAM.iter().map(step).collect()
    }

    #[test]
    fn simple_process_is_that_of_the_worked_stream_and_alarms_at_its_fourteenth() {
        let trace = trace(EProcess::ln_simple);
        let expected = [
            0.8125, 0.6602, 1.1553, 0.9387, 1.6427, 2.8746, 2.3356, 4.0874, 3.3210, 5.8118, 10.1706, 8.2636, 14.4613,
            25.3072,
        ];
        for (value, expected) in trace.iter().zip(expected) {
            assert!((value - expected).abs() < 5.1e-5, "{value} {expected}");
        }
        assert_eq!(trace.iter().position(|value| *value >= 20.0), Some(13));
        assert!((trace[19] - 156.6908).abs() < 5.1e-5, "{}", trace[19]);
    }

    #[test]
    fn mixture_is_that_of_the_worked_stream() {
        let trace = trace(EProcess::ln_mixture);
        // Printed cut off, not rounded; scipy 1.17 has 4.25036075036.
        assert!((trace[9] - 4.25036075036).abs() < 1e-10, "{}", trace[9]);
        assert!((trace[19] - 687.5901).abs() < 5.1e-5, "{}", trace[19]);
    }

    #[test]
    fn average_lies_halfway_between() {
        let all = [EProcess::ln_simple, EProcess::ln_mixture, EProcess::ln_average].map(trace);
        for ((simple, mixture), average) in all[0].iter().zip(&all[1]).zip(&all[2]) {
            assert!((average - (simple + mixture) / 2.0).abs() < 1e-9 * average);
        }
    }

    #[test]
    fn looked_at_2000_times_a_true_share_of_20_percent_alarms_in_at_most_5_percent_of_streams() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let alarms = |share: f64, rng: &mut rand_chacha::ChaCha8Rng| {
            let alarms = (0..1000).filter(|_| {
                let mut process = EProcess::new(0.2, 0.35).unwrap();
                (0..2000).any(|_| {
                    process.observe(rng.random::<f64>() < share);
                    process.ln_average() >= 20f64.ln()
                })
            });
            alarms.count()
        };
        // Nominal: 50 of 1,000, with a standard error of 7.
        let (false_alarms, caught) = (alarms(0.2, &mut rng), alarms(0.3, &mut rng));
        assert!((5..=50).contains(&false_alarms), "{false_alarms}");
        assert!(caught >= 995, "{caught}");
    }

    #[test]
    fn long_streams_without_a_miss_stay_numbers() {
        let process = EProcess::new(0.2, 0.35).unwrap().with_counts(1_000_000, 0).unwrap();
        assert!(process.ln_average() < -1000.0);
        assert_eq!(process.with_counts(1, 2), None);
        assert_eq!(EProcess::new(0.35, 0.2), None);
        assert_eq!(EProcess::new(0.2, f64::NAN), None);
    }
}
