//! What has drifted, in words.

use std::fmt::Write;

use super::TILES_MIN;
use super::report::{Finding, Report, Status, Test};

/// A shift of every band by this, in reflectance, is what the offset of processing baseline 04.00 comes to.
const OFFSET_REFLECTANCE: f64 = 0.1;
const OFFSET_TOLERANCE: f64 = 0.03;

/// One sentence a finding that alarms, then what may explain those of a group together.
pub(super) fn alarms(findings: &[Finding]) -> Vec<String> {
    let mut alarms: Vec<String> = findings.iter().filter(|finding| finding.is_alarm()).map(sentence).collect();
    let mut groups: Vec<&str> = findings.iter().map(|finding| finding.group.as_str()).collect();
    groups.dedup();
    alarms.extend(groups.into_iter().filter_map(|group| offset(group, findings)));
    alarms
}

fn sentence(finding: &Finding) -> String {
    let mut text = format!("{}: {} drifted: ", finding.group, finding.quantity.replace('_', " "));
    let tests: Vec<String> = finding.tests.iter().map(words).collect();
    text += &tests.join(", ");
    if let (Some(median), Some(reference)) = (finding.median, finding.median_reference) {
        let _ = write!(text, "; median {median:.4}, {reference:.4} in the reference");
    }
    let _ = write!(text, " ({} tiles against {})", finding.n, finding.n_reference);
    text
}

fn words(test: &Test) -> String {
    let name = match test.statistic {
        "psi" => "PSI",
        "ks" => "binned KS",
        _ => "MMD²",
    };
    format!("{name} {:.3} (p {})", test.effect, probability(test.p_value_adjusted))
}

/// Two digits, and no zero where it is only too small for a number.
fn probability(p: f64) -> String {
    match p {
        p if p < 1e-300 => "below 1e-300".into(),
        p if p < 0.001 => format!("{p:.1e}"),
        p => format!("{p:.3}"),
    }
}

/// An offset moves all bands alike and leaves their spread alone; clouds, snow and other ground do not.
fn offset(group: &str, findings: &[Finding]) -> Option<String> {
    let of = |prefix: &'static str| {
        findings.iter().filter(move |finding| finding.group == group && finding.quantity.starts_with(prefix))
    };
    let shifts: Option<Vec<f64>> = of("mean_").map(|mean| Some(mean.median? - mean.median_reference?)).collect();
    let shifts = shifts.filter(|shifts| !shifts.is_empty())?;
    let mean = shifts.iter().sum::<f64>() / shifts.len() as f64;
    let is_offset = |shift: &f64| (shift - OFFSET_REFLECTANCE * mean.signum()).abs() <= OFFSET_TOLERANCE;
    let is_certain = of("mean_").any(Finding::is_alarm) && !of("deviation_").any(Finding::is_alarm);
    if !is_certain || !shifts.iter().all(is_offset) {
        return None;
    }
    let (way, question) = match mean > 0.0 {
        true => ("brighter", "an offset of -1000 DN not removed?"),
        false => ("darker", "an offset of -1000 DN removed twice?"),
    };
    Some(format!("{group}: tiles are {way} by {:.2} reflectance in every band: {question}", mean.abs()))
}

impl Report {
    /// A table for people, and the verdict below it.
    pub fn to_text(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.quantity.len()).max().unwrap_or(0).max(8);
        let groups = self.findings.iter().map(|finding| finding.group.len()).max().unwrap_or(0).max(5);
        let mut text = format!(
            "reference: model {} (SHA-256 {}…), test-time augmentation {}\n\n",
            self.model,
            self.model_sha256,
            format!("{:?}", self.tta).to_lowercase()
        );
        let _ = writeln!(
            text,
            "{:groups$}  {:width$}  {:>7}  {:>9}  {:>7}  {:>7}  {:>7}  {:>9}  status",
            "group", "quantity", "tiles", "reference", "PSI", "KS", "MMD²", "p"
        );
        for finding in &self.findings {
            let effect = |name: &str| {
                let test = finding.tests.iter().find(|test| test.statistic == name);
                test.map_or_else(String::new, |test| format!("{:.3}", test.effect))
            };
            let judged = finding.tests.iter().filter(|_| finding.status != Status::Shown);
            let p = judged.map(|test| test.p_value_adjusted).reduce(f64::min);
            let status = match finding.status {
                Status::Stable => "stable",
                Status::Drift => "DRIFT",
                Status::Insufficient => "too few tiles",
                Status::Shown => "shown, not judged",
            };
            let _ = writeln!(
                text,
                "{:groups$}  {:width$}  {:>7}  {:>9}  {:>7}  {:>7}  {:>7}  {:>9}  {status}",
                finding.group,
                finding.quantity,
                finding.n,
                finding.n_reference,
                effect("psi"),
                effect("ks"),
                effect("mmd"),
                p.map_or_else(String::new, probability)
            );
        }
        text.push('\n');
        self.remarks.iter().chain(&self.alarms).for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        let _ = writeln!(text, "{}", self.verdict());
        text
    }

    /// One line.
    pub fn verdict(&self) -> String {
        if self.alarm {
            let drifted = self.findings.iter().filter(|finding| finding.is_alarm()).count();
            return format!(
                "drift: {drifted} of {} quantities, level {} over {} tests",
                self.findings.len(),
                self.level,
                self.tests
            );
        }
        let is_tested = |finding: &Finding| finding.is_of_tiles() && finding.status == Status::Stable;
        if !self.findings.iter().any(is_tested) {
            return self.nothing_to_tell();
        }
        let few = match self.untested() {
            0 => String::new(),
            few => format!("; {few} quantities have too few tiles to say"),
        };
        format!("no drift found, level {} over {} tests{few}", self.level, self.tests)
    }

    /// Where bands and scores were not tested at all, whatever was said of sky and abstentions.
    fn nothing_to_tell(&self) -> String {
        let is_known = |finding: &&Finding| finding.is_of_tiles() && finding.status == Status::Insufficient;
        let mut groups: Vec<&str> = self.findings.iter().filter(is_known).map(|finding| &*finding.group).collect();
        groups.dedup();
        if groups.is_empty() && self.findings.iter().any(|finding| finding.status == Status::Shown) {
            return format!("nothing could be judged: {} tiles, and none of known season and sky", self.tiles);
        }
        format!(
            "too few tiles to tell: {} tiles, {} groups that the reference knows among them; bands and scores need \
             {TILES_MIN} tiles of such groups",
            self.tiles,
            groups.len()
        )
    }
}
