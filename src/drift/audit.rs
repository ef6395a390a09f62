//! Labelled positives, one after the other: whether more are missed than the target allows.

mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quoted::{quoted, shortened};
use crate::statistics::e_process::EProcess;
use crate::{Error, Result};
pub use table::AuditTable;

const FORMAT: &str = "s2infer-audit-state";
/// 1 looked at the evidence after every row, and told tiles apart by how their paths were written.
const VERSION: u32 = 2;
/// The alternative of the simple e-process lies this far above the share of misses that is allowed.
const ALTERNATIVE_ABOVE: f64 = 0.15;
/// From here on evidence is said in powers of ten.
const EVIDENCE_LARGE: f64 = 1e6;

/// What has been audited so far; the state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    format: String,
    version: u32,
    /// Share of the positives to be caught; one minus it is the hypothesis.
    target_recall: f64,
    /// What the audit is called, where it has a name.
    name: Option<String>,
    /// Whether positives were counted with dates; none before the first.
    has_dates: Option<bool>,
    n: u64,
    misses: u64,
    /// Each time that the evidence was larger than ever before: positives then, and its ln.
    maxima: Vec<(u64, f64)>,
    /// Whether each audited tile was missed, by its hash: what is given again does not count again.
    seen: BTreeMap<String, bool>,
}

/// What every version of the state file begins with.
#[derive(Deserialize)]
struct Versioned {
    format: String,
    version: u32,
}

/// What an increment came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditReport {
    /// What the audit is called, where it has a name.
    pub name: Option<String>,
    /// Share of the positives to be caught.
    pub target_recall: f64,
    /// The largest share of false alarms, however often one looks.
    pub level: f64,
    /// Audited positives so far.
    pub n: u64,
    /// Missed among them.
    pub misses: u64,
    /// Of this increment: positives that were new.
    pub n_new: u64,
    /// Positives that were counted before.
    pub n_known: u64,
    /// Rows of tiles without a label or a decision, and of negatives.
    pub n_left_out: u64,
    /// Evidence now: the mean of both e-processes. An alarm is at 1 / level.
    pub evidence: f64,
    /// Of the simple e-process.
    pub evidence_simple: f64,
    /// Of the uniform mixture.
    pub evidence_mixture: f64,
    /// The largest evidence so far. One over it bounds the p-value of "no more is missed than allowed".
    pub evidence_max: f64,
    /// Positives after which it was reached.
    pub n_at_max: u64,
    /// Whether the largest evidence reaches 1 / level: an alarm stays.
    pub alarm: bool,
    /// Positives after which the evidence first reached 1 / level.
    pub n_at_alarm: Option<u64>,
    /// Evidence at each look of this increment: after each date of a table with dates, else after the table.
    pub trace: Vec<f64>,
}

impl Audit {
    /// Before the first positive.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] unless the target lies between 0 and 1.
    pub fn new(target_recall: f64) -> Result<Self> {
        let audit = Self {
            format: FORMAT.into(),
            version: VERSION,
            target_recall,
            name: None,
            has_dates: None,
            n: 0,
            misses: 0,
            maxima: Vec::new(),
            seen: BTreeMap::new(),
        };
        audit.process()?;
        Ok(audit)
    }

    /// Reads a state, which must be of the same target.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] for what is no such state, or one of another target.
    pub fn parse(bytes: &[u8], name: &str, target_recall: f64) -> Result<Self> {
        let refused = |what: String| Error::refused(format!("{name}: not a valid audit state: {what}"));
        let version: Versioned = serde_json::from_slice(bytes).map_err(|error| refused(shortened(&error)))?;
        if version.format != FORMAT || version.version != VERSION {
            let found = format!("format {} version {}", quoted(&version.format), version.version);
            return Err(refused(format!("{found}, not {FORMAT:?} version {VERSION}; start another state")));
        }
        let state: Self = serde_json::from_slice(bytes).map_err(|error| refused(shortened(&error)))?;
        if !state.is_sound() {
            return Err(refused("its counts contradict each other".into()));
        }
        if state.target_recall != target_recall {
            return Err(Error::refused(format!(
                "{name}: this audit is of a target recall of {}, not {target_recall}; give --target-recall {0}, or start \
                 another state",
                state.target_recall
            )));
        }
        Ok(state)
    }

    fn is_sound(&self) -> bool {
        let misses = self.seen.values().filter(|missed| **missed).count() as u64;
        let ascends = self.maxima.is_sorted_by(|(n, ln), (later, larger)| n < later && ln < larger);
        let within = self.maxima.iter().all(|(n, ln)| *n <= self.n && ln.is_finite() && *ln > 0.0);
        self.n == self.seen.len() as u64 && self.misses == misses && ascends && within
    }

    /// Gives the audit its name; one that it has already must be the same.
    ///
    /// # Errors
    /// [`crate::Kind::Refused`] for another name.
    pub fn set_name(&mut self, name: Option<String>) -> Result<()> {
        match (&self.name, name) {
            (Some(ours), Some(other)) if *ours != other => Err(Error::refused(format!(
                "this audit is called {}, not {}; leave out --name, or start another state",
                quoted(ours),
                quoted(&other)
            ))),
            (_, None) => Ok(()),
            (_, name) => {
                self.name = name;
                Ok(())
            }
        }
    }

    /// Adds the positives that are new and says what all of them come to at a level. The evidence is looked at once for
    /// each date, in their order, or once for a table without dates: its rows may be sorted by what they say, and evidence
    /// that is looked at between them would then be none.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for a tile that was audited before with another result, and for a table with dates where
    /// positives were counted without, or the other way round.
    pub fn add(&mut self, table: &AuditTable, level: f64) -> Result<AuditReport> {
        self.check_dates(table)?;
        let mut process = self.process()?;
        let (mut trace, mut n_new) = (Vec::new(), 0);
        for date in table.positives.chunk_by(|a, b| a.date == b.date) {
            for positive in date {
                match self.seen.insert(positive.key.clone(), positive.is_missed) {
                    Some(before) if before == positive.is_missed => continue,
                    Some(_) => return Err(positive.is_corrected()),
                    None => process.observe(positive.is_missed),
                }
                n_new += 1;
            }
            trace.push(process.ln_average());
            self.look(&process);
        }
        (self.n, self.misses) = (process.n(), process.misses());
        Ok(self.report(&process, &trace, level, [n_new, table.positives.len() as u64 - n_new, table.n_left_out]))
    }

    fn check_dates(&mut self, table: &AuditTable) -> Result<()> {
        let (ours, has_dates) = (self.has_dates, table.has_dates);
        if !table.positives.is_empty() {
            self.has_dates = Some(ours.unwrap_or(has_dates));
        }
        let (counted, remedy) = match (ours, has_dates) {
            (Some(false), true) => ("without dates, and the table has the column date", "leave the column out"),
            (Some(true), false) => ("by date, and the table has no column date", "add it"),
            _ => return Ok(()),
        };
        Err(Error::usage(format!("the state was counted {counted}: {remedy}, or start another state")))
    }

    fn look(&mut self, process: &EProcess) {
        let (n, most) = self.maxima.last().copied().unwrap_or((0, 0.0));
        // The same positives are no more evidence for having been rounded in a file.
        if process.n() > n && process.ln_average() > most {
            self.maxima.push((process.n(), process.ln_average()));
        }
    }

    fn report(&self, process: &EProcess, trace: &[f64], level: f64, rows: [u64; 3]) -> AuditReport {
        let [n_new, n_known, n_left_out] = rows;
        // JSON has no infinity.
        let evidence = |ln: f64| ln.exp().min(f64::MAX);
        let (n_at_max, ln_max) = self.maxima.last().copied().unwrap_or((0, 0.0));
        let n_at_alarm = self.maxima.iter().find(|(_, ln)| *ln >= -level.ln()).map(|(n, _)| *n);
        AuditReport {
            name: self.name.clone(),
            target_recall: self.target_recall,
            level,
            n: self.n,
            misses: self.misses,
            n_new,
            n_known,
            n_left_out,
            evidence: evidence(process.ln_average()),
            evidence_simple: evidence(process.ln_simple()),
            evidence_mixture: evidence(process.ln_mixture()),
            evidence_max: evidence(ln_max),
            n_at_max,
            alarm: n_at_alarm.is_some(),
            n_at_alarm,
            trace: trace.iter().copied().map(evidence).collect(),
        }
    }

    /// The state file, ending in a newline.
    pub fn to_json(&self) -> String {
        // Strings and finite numbers only: nothing here that serde_json could refuse.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn process(&self) -> Result<EProcess> {
        let null = 1.0 - self.target_recall;
        // 0.35 for a target of 0.8; for low targets halfway to everything missed.
        let alternative = (null + ALTERNATIVE_ABOVE).min((null + 1.0) / 2.0);
        let process = EProcess::new(null, alternative).and_then(|process| process.with_counts(self.n, self.misses));
        process.ok_or_else(|| Error::usage("the target recall must lie between 0 and 1"))
    }
}

impl AuditReport {
    /// A few lines for people.
    pub fn to_text(&self) -> String {
        let share = if self.n == 0 { 0.0 } else { 100.0 * self.misses as f64 / self.n as f64 };
        let allowed = 100.0 * (1.0 - self.target_recall);
        let verdict = match self.n_at_alarm {
            Some(n) => format!("ALARM since {n} positives: more than {allowed:.0} % of them are missed"),
            None => format!("no alarm: nothing speaks against at most {allowed:.0} % missed"),
        };
        let title = self.name.as_ref().map(|name| format!("audit {name}\n")).unwrap_or_default();
        let [now, simple, mixture, most] =
            [self.evidence, self.evidence_simple, self.evidence_mixture, self.evidence_max].map(number);
        format!(
            "{title}audited positives: {} ({} new, {} known before; {} rows left out)\nmissed: {} ({share:.1} %)\n\
             evidence: {now} now (simple {simple}, mixture {mixture}), {most} at most (after {})\n\
             alarm from {} on, with a chance of {} at most for a false one, however often one looks\n{verdict}\n",
            self.n,
            self.n_new,
            self.n_known,
            self.n_left_out,
            self.misses,
            self.n_at_max,
            number(1.0 / self.level),
            self.level
        )
    }
}

fn number(evidence: f64) -> String {
    if evidence < EVIDENCE_LARGE { format!("{evidence:.4}") } else { format!("{evidence:.3e}") }
}

#[cfg(test)]
mod tests;
