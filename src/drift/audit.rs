//! Labelled positives, one after the other: whether more are missed than the target allows.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::limits::{TABLE_BYTES_MAX, read_bounded};
use crate::model::sha256;
use crate::statistics::e_process::EProcess;
use crate::{Error, Result};

const FORMAT: &str = "s2infer-audit-state";
const VERSION: u32 = 1;
/// The alternative of the simple e-process lies this far above the share of misses that is allowed.
const ALTERNATIVE_ABOVE: f64 = 0.15;
/// Hexadecimal digits of a row's hash that are kept: 128 bits.
const KEY_DIGITS: usize = 32;

/// What has been audited so far; the state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    format: String,
    version: u32,
    /// Share of the positives to be caught; one minus it is the hypothesis.
    target_recall: f64,
    n: u64,
    misses: u64,
    /// The largest ln evidence so far, and after how many positives it was reached.
    ln_evidence_max: f64,
    n_at_max: u64,
    /// Whether each audited tile was missed, by its hash: what is given again does not count again.
    seen: BTreeMap<String, bool>,
}

/// Audited positives in the order of their audit.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditTable {
    /// Hash of tile and date, and whether it was missed.
    positives: Vec<(String, bool)>,
    /// Rows that are no positive, or that a run did not decide.
    pub n_left_out: u64,
}

/// What an increment came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditReport {
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
    /// Rows without a labelled, decided positive.
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
    /// Evidence after each new positive.
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
            n: 0,
            misses: 0,
            ln_evidence_max: 0.0,
            n_at_max: 0,
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
        let state: Self = serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        if state.format != FORMAT || state.version != VERSION {
            return Err(refused(format!("format {:?} version {}", state.format, state.version)));
        }
        let misses = state.seen.values().filter(|missed| **missed).count() as u64;
        let is_sound = state.n == state.seen.len() as u64 && state.misses == misses && state.n_at_max <= state.n;
        if !is_sound || state.ln_evidence_max < 0.0 {
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

    /// Adds the positives that are new and says what all of them come to at a level.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for a tile that was audited before with another result.
    pub fn add(&mut self, table: &AuditTable, level: f64) -> Result<AuditReport> {
        let mut process = self.process()?;
        let mut trace = Vec::new();
        for (key, missed) in &table.positives {
            match self.seen.insert(key.clone(), *missed) {
                Some(before) if before == *missed => continue,
                Some(_) => {
                    return Err(Error::usage(
                        "a tile has another result than when it was counted; evidence cannot be taken back: start another state",
                    ));
                }
                None => process.observe(*missed),
            }
            trace.push(process.ln_average().exp());
            if process.ln_average() > self.ln_evidence_max {
                (self.ln_evidence_max, self.n_at_max) = (process.ln_average(), process.n());
            }
        }
        (self.n, self.misses) = (process.n(), process.misses());
        // JSON has no infinity.
        let evidence = |ln: f64| ln.exp().min(f64::MAX);
        Ok(AuditReport {
            target_recall: self.target_recall,
            level,
            n: self.n,
            misses: self.misses,
            n_new: trace.len() as u64,
            n_known: (table.positives.len() - trace.len()) as u64,
            n_left_out: table.n_left_out,
            evidence: evidence(process.ln_average()),
            evidence_simple: evidence(process.ln_simple()),
            evidence_mixture: evidence(process.ln_mixture()),
            evidence_max: evidence(self.ln_evidence_max),
            n_at_max: self.n_at_max,
            alarm: self.ln_evidence_max >= -level.ln(),
            trace: trace.into_iter().map(|value| value.min(f64::MAX)).collect(),
        })
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

impl AuditTable {
    /// Reads a table with `tile` and either `missed` (1 or 0, a positive each row) or `decision` and `label`, and
    /// optionally `date`: the same tile of another date is another positive.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] naming the line.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, TABLE_BYTES_MAX)?;
        Self::parse(&bytes).map_err(|error| error.context(path.display()))
    }

    /// As [`Self::read`], from bytes.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let not_csv = |error: csv::Error| Error::usage(format!("not CSV: {error}"));
        let header = reader.headers().map_err(not_csv)?.clone();
        let find = |name: &str| header.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        let missing = || Error::usage("the header must name tile and missed, or tile, decision and label");
        let (tile, date) = (find("tile").ok_or_else(missing)?, find("date"));
        let result = (find("missed"), find("decision").zip(find("label")));
        let mut table = Self { positives: Vec::new(), n_left_out: 0 };
        let mut results = HashMap::new();
        for record in reader.into_records() {
            let record = record.map_err(not_csv)?;
            let wrong = |what: String| {
                Error::usage(what).context(format!("line {}", record.position().map_or(0, csv::Position::line)))
            };
            let cell = |column: usize| record.get(column).unwrap_or_default();
            let missed = match result {
                (Some(missed), _) => truth(cell(missed)).map(Some).map_err(wrong)?,
                (None, Some((decision, label))) => missed(cell(decision), cell(label)).map_err(wrong)?,
                (None, None) => return Err(missing()),
            };
            let Some(missed) = missed else {
                table.n_left_out += 1;
                continue;
            };
            if cell(tile).is_empty() {
                return Err(wrong("no tile".into()));
            }
            let key = sha256(format!("{}\n{}", cell(tile), date.map(cell).unwrap_or_default()).as_bytes());
            let key = key.chars().take(KEY_DIGITS).collect::<String>();
            if results.insert(key.clone(), missed).is_some() {
                return Err(wrong(format!("{} is there twice", cell(tile))));
            }
            table.positives.push((key, missed));
        }
        Ok(table)
    }
}

/// Whether a positive was missed; none for a negative and for a tile that was not decided.
fn missed(decision: &str, label: &str) -> Result<Option<bool>, String> {
    let positive = truth(label)?;
    match decision {
        "positive" => Ok(positive.then_some(false)),
        "negative" => Ok(positive.then_some(true)),
        "abstain" | "error" => Ok(None),
        _ => Err(format!("decision {decision:?}: give positive, negative, abstain or error")),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "positive" => Ok(true),
        "0" | "false" | "negative" => Ok(false),
        _ => Err(format!("{text:?}: give 1 or 0, true or false")),
    }
}

impl AuditReport {
    /// A few lines for people.
    pub fn to_text(&self) -> String {
        let share = if self.n == 0 { 0.0 } else { 100.0 * self.misses as f64 / self.n as f64 };
        let allowed = 100.0 * (1.0 - self.target_recall);
        let verdict = if self.alarm {
            format!("ALARM: more than {allowed:.0} % of the positives are missed")
        } else {
            format!("no alarm: nothing speaks against at most {allowed:.0} % missed")
        };
        format!(
            "audited positives: {} ({} new, {} known before, {} rows left out)\nmissed: {} ({share:.1} %)\n\
             evidence: {:.4} now (simple {:.4}, mixture {:.4}), {:.4} at most (after {})\n\
             alarm from {:.4} on, with a chance of {} at most for a false one, however often one looks\n{verdict}\n",
            self.n,
            self.n_new,
            self.n_known,
            self.n_left_out,
            self.misses,
            self.evidence,
            self.evidence_simple,
            self.evidence_mixture,
            self.evidence_max,
            self.n_at_max,
            1.0 / self.level,
            self.level
        )
    }
}

#[cfg(test)]
mod tests;
