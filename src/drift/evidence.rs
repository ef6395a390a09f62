//! From p-values to alarms: many tests share one level.

use super::report::{Finding, Status};

/// Corrects all p-values together and decides. A test alarms where its corrected p-value is at most `level` and its
/// effect at least its minimum; findings that are only shown have no part in it. Under "nothing has changed" at most a share `level` of runs has any alarm.
pub(super) fn decide(findings: &mut [Finding], level: f64) -> usize {
    let mut judged: Vec<&mut Finding> = findings.iter_mut().filter(|finding| finding.status != Status::Shown).collect();
    let p_values: Vec<f64> = judged.iter().flat_map(|finding| &finding.tests).map(|test| test.p_value).collect();
    let tests = judged.iter_mut().flat_map(|finding| &mut finding.tests);
    for (test, adjusted) in tests.zip(holm(&p_values)) {
        test.p_value_adjusted = adjusted;
        test.is_alarm = adjusted <= level && test.effect >= test.effect_min;
    }
    for finding in judged {
        finding.status = match finding.tests.as_slice() {
            [] => Status::Insufficient,
            tests if tests.iter().any(|test| test.is_alarm) => Status::Drift,
            _ => Status::Stable,
        };
    }
    p_values.len()
}

/// Corrected p-values (Holm 1979): the i-th smallest of K times K − i + 1, no smaller than those before it, at most 1.
fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let (mut adjusted, mut largest) = (vec![1.0; p_values.len()], 0.0f64);
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrected_p_values_are_holms() {
        // statsmodels 0.14: multipletests([0.01, 0.04, 0.03, 0.005, 0.6], method="holm")
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.6]);
        for (value, expected) in adjusted.iter().zip([0.04, 0.09, 0.09, 0.025, 0.6]) {
            assert!((value - expected).abs() < 1e-12, "{adjusted:?}");
        }
        assert!(holm(&[]).is_empty());
    }
}
