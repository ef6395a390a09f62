//! Metrics for Prometheus: the text format (version 0.0.4) that node_exporter's textfile collector reads.

use std::io::Write;

use super::record::RunRecord;
use super::{AtomicFile, write_error};
use crate::Result;

/// A metrics file under construction. Every sample carries the labels that it was made with, so that the files of several
/// models can lie in one folder.
#[derive(Debug, Clone)]
pub struct Metrics {
    common: Vec<(&'static str, String)>,
    text: String,
}

impl Metrics {
    /// Without any family, with labels for every sample.
    pub fn new(common: Vec<(&'static str, String)>) -> Self {
        Self { common, text: String::new() }
    }

    /// One gauge with a sample for each set of labels; a value that is not finite is left out, and a family without
    /// samples altogether.
    pub fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, f64)>,
    ) {
        let lines: Vec<String> = samples
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(labels, value)| format!("{name}{} {value}\n", self.labels(&labels)))
            .collect();
        if !lines.is_empty() {
            self.text += &format!("# HELP {name} {}\n# TYPE {name} gauge\n", help.replace('\\', "\\\\"));
            self.text += &lines.concat();
        }
    }

    /// One gauge without labels of its own.
    pub fn single(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }

    /// What a run counted, how long it took and when it ended.
    pub fn run(&mut self, record: &RunRecord) {
        let counts = &record.counts;
        self.single("s2infer_run_finished_timestamp_seconds", "When the run ended.", seconds(record.finished));
        let took = seconds(record.finished) - seconds(record.started);
        self.single("s2infer_run_duration_seconds", "How long it took.", took);
        self.single("s2infer_run_exit_code", "Its exit code.", f64::from(record.exit_code));
        self.single("s2infer_run_tiles", "Tiles given or found.", counts.tiles as f64);
        self.single("s2infer_run_tiles_failed", "Tiles that could not be read or scored.", counts.tiles_failed as f64);
        self.single("s2infer_run_tiles_resumed", "Tiles that an earlier run had decided.", counts.tiles_resumed as f64);
        let decisions = [
            ("positive", counts.positive),
            ("negative", counts.negative),
            ("class", counts.class),
            ("abstain", counts.abstain),
            ("error", counts.error),
        ];
        let decisions = decisions.map(|(decision, count)| (vec![("decision", decision)], count as f64));
        self.gauge("s2infer_run_windows", "Windows by decision.", decisions);
        if record.prefilter.is_some() {
            let spared = counts.spared as f64;
            self.single("s2infer_run_windows_spared", "Windows that the prefilter spared the network.", spared);
        }
        let without = counts.without_guarantee as f64;
        self.single("s2infer_run_windows_without_guarantee", "Decisions that no guarantee holds for.", without);
        self.single("s2infer_run_warnings", "What the run found doubtful.", record.warnings.total as f64);
        let stages = record.seconds.iter().map(|(stage, seconds)| (vec![("stage", stage.as_str())], *seconds));
        self.gauge("s2infer_run_stage_seconds", "Seconds of each stage, summed over its threads.", stages);
        let engine = record.engine.as_ref().map_or("", |engine| engine.engine.as_ref());
        let info = vec![("version", record.version.as_str()), ("engine", engine), ("sha256", &record.model.sha256)];
        self.gauge("s2infer_run_info", "What ran.", [(info, 1.0)]);
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes the text to a file that was made before, and gives the file its name.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn write(&self, mut file: AtomicFile) -> Result<()> {
        let name = file.path().display().to_string();
        file.write_all(self.text.as_bytes()).map_err(|error| write_error(&name, &error))?;
        file.commit()
    }

    fn labels(&self, own: &[(&'static str, &str)]) -> String {
        let common = self.common.iter().map(|(name, value)| (*name, value.as_str()));
        let labels = common.chain(own.iter().copied()).map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        if labels.is_empty() { labels } else { format!("{{{labels}}}") }
    }
}

/// A label's value: backslash, quotation mark and line feed are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(moment: jiff::Timestamp) -> f64 {
    moment.as_microsecond() as f64 * 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_what_is_no_number_is_left_out() {
        let mut metrics = Metrics::new(vec![("model", "a\"b\\c\nd".into())]);
        metrics.single("s2infer_x", "One.", 0.25);
        metrics.gauge("s2infer_y", "None.", [(vec![("group", "all")], f64::NAN)]);
        metrics.gauge("s2infer_z", "Two.", [(vec![("group", "all")], 2.0), (vec![("group", "b")], 1e-9)]);
        assert_eq!(
            metrics.text(),
            "# HELP s2infer_x One.\n# TYPE s2infer_x gauge\ns2infer_x{model=\"a\\\"b\\\\c\\nd\"} 0.25\n\
             # HELP s2infer_z Two.\n# TYPE s2infer_z gauge\ns2infer_z{model=\"a\\\"b\\\\c\\nd\",group=\"all\"} 2\n\
             s2infer_z{model=\"a\\\"b\\\\c\\nd\",group=\"b\"} 0.000000001\n"
        );
    }
}
