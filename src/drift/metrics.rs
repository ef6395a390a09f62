//! Drift and audit as metrics.

use super::audit::AuditReport;
use super::report::{Finding, Report, Status, Test};
use crate::output::Metrics;

/// Adds what a comparison found.
pub fn drift_metrics(report: &Report, metrics: &mut Metrics) {
    metrics.single("s2infer_drift_alarm", "Whether anything has drifted.", number(report.alarm));
    metrics.single("s2infer_drift_level", "Share of nights with a false alarm, at most.", report.level);
    metrics.single("s2infer_drift_tests", "Tests that share the level.", report.tests as f64);
    metrics.single(
        "s2infer_drift_quantities_untested",
        "Quantities of groups that have too few tiles to say, or whose season or sky is unknown.",
        report.untested() as f64,
    );
    metrics.gauge(
        "s2infer_drift_quantity_tiles",
        "Tiles that a quantity was compared on.",
        report.findings.iter().map(|finding| (labels(finding), finding.n as f64)),
    );
    metrics.gauge(
        "s2infer_drift_quantity_alarm",
        "Whether a quantity has drifted; absent where there are too few tiles to say.",
        report
            .findings
            .iter()
            .filter(|finding| matches!(finding.status, Status::Stable | Status::Drift))
            .map(|finding| (labels(finding), number(finding.is_alarm()))),
    );
    let mut tests = |name: &str, help: &str, value: fn(&Test) -> f64| {
        let of_finding =
            |finding: &'_ Finding| finding.tests.iter().map(|test| (test.statistic, value(test))).collect::<Vec<_>>();
        let judged = report.findings.iter().filter(|finding| finding.status != Status::Shown);
        let samples = judged.flat_map(|finding| {
            of_finding(finding).into_iter().map(|(statistic, value)| {
                let mut labels = labels(finding);
                labels.push(("statistic", statistic));
                (labels, value)
            })
        });
        metrics.gauge(name, help, samples);
    };
    tests("s2infer_drift_effect", "How large a difference is: PSI, KS distance or MMD squared.", |test| test.effect);
    tests("s2infer_drift_p_value", "Probability of it by chance, corrected for all tests.", |test| {
        test.p_value_adjusted
    });
}

/// Adds what an audit came to.
pub fn audit_metrics(report: &AuditReport, metrics: &mut Metrics) {
    metrics.single("s2infer_audit_alarm", "Whether more positives are missed than allowed.", number(report.alarm));
    metrics.single("s2infer_audit_positives", "Audited positives so far.", report.n as f64);
    metrics.single("s2infer_audit_misses", "Missed among them.", report.misses as f64);
    metrics.single("s2infer_audit_evidence", "Evidence now.", report.evidence);
    metrics.single("s2infer_audit_evidence_max", "The largest evidence so far.", report.evidence_max);
    metrics.single("s2infer_audit_alarm_from", "Evidence that alarms.", 1.0 / report.level);
}

fn labels(finding: &Finding) -> Vec<(&'static str, &str)> {
    vec![("group", finding.group.as_str()), ("quantity", finding.quantity.as_str())]
}

fn number(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}
