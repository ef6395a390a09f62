//! The table, for a terminal and as Markdown.

use super::{Estimate, Line, Report};
use crate::page::{Block, Cell, Column, Document, Section, Table, Tone};

/// Titles, and whether the column is of numbers.
const COLUMNS: [(&str, bool); 21] = [
    ("model", false),
    ("precision", false),
    ("engine", false),
    ("device", false),
    ("batch", true),
    ("threads", true),
    ("tta", false),
    ("from", false),
    ("tiles/s", true),
    ("tiles/CPU-s", true),
    ("95 %", true),
    ("p50/p95/p99 ms", true),
    ("read", true),
    ("decode", true),
    ("preprocess", true),
    ("copy", true),
    ("infer", true),
    ("write", true),
    ("other", true),
    ("of engine", true),
    ("of peak", true),
];
const REMARKS: &str = "`read` to `other` are microseconds of a processor per tile; *of engine* is the program's rate as a \
    share of the engine's fed from memory, *of peak* the rate of multiply-adds as a share of the engine's best on large \
    products. A `?` marks a rate whose 95 % interval does not lie within 2 % of the median.";

impl Report {
    /// The table as aligned text, with a line for each combination that did not run below it.
    pub fn to_text(&self) -> String {
        let titles = COLUMNS.map(|(title, _)| title.to_owned()).to_vec();
        let rows: Vec<Vec<String>> =
            std::iter::once(titles).chain(self.ran().map(|line| cells(line).to_vec())).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        // Columns that say nothing are left out of what a terminal shows.
        let shown: Vec<usize> =
            (0..COLUMNS.len()).filter(|&column| rows[1..].iter().any(|row| row[column] != "–")).collect();
        let aligned = |row: &Vec<String>| {
            let cell = |&column: &usize| {
                let (text, width) = (&row[column], width(column));
                if COLUMNS[column].1 { format!("{text:>width$}") } else { format!("{text:<width$}") }
            };
            shown.iter().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let table: String = if rows.len() > 1 { rows.iter().map(aligned).collect() } else { String::new() };
        let not_run = self.not_run().map(|(what, why)| format!("{what}: not run: {why}\n"));
        table + &not_run.collect::<String>()
    }

    /// A document with the table, the combinations that did not run, and the machine.
    pub fn to_markdown(&self) -> String {
        let column = |(title, is_number): (&str, bool)| {
            if is_number { Column::number(title) } else { Column::text(title) }
        };
        let rows = self.ran().map(|line| cells(line).into_iter().map(Cell::from).collect()).collect();
        let table = Table { caption: REMARKS.into(), columns: COLUMNS.map(column).to_vec(), rows };
        let mut blocks = vec![Block::Table(table)];
        let not_run: Vec<String> = self.not_run().map(|(what, why)| format!("{what}: {why}")).collect();
        if !not_run.is_empty() {
            blocks.push(Block::Verdict { tone: Tone::Warning, text: "Not run:".into() });
            blocks.push(Block::List(not_run));
        }
        let section = |title: &str, blocks| Section { title: title.into(), blocks };
        let sections = vec![
            section("Rates", blocks),
            section("Machine", vec![Block::List(self.circumstances()), Block::Code(self.command.join(" "))]),
        ];
        let (count, made) = (self.tiles.count, if self.tiles.made { "made for this" } else { "given" });
        let lead = format!("{count} tiles, {made}; rounds of all combinations in turn, the first {} not counted.", {
            self.warmup_rounds
        });
        Document { title: "s2infer bench".into(), lead, sections }.to_markdown()
    }

    fn ran(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.not_run.is_none())
    }

    fn not_run(&self) -> impl Iterator<Item = (String, &str)> {
        self.lines.iter().filter_map(|line| {
            let Line { model, engine, device, batch, threads, tta, .. } = line;
            let what = format!("{model} on {engine}, device {device}, batch {batch}, threads {threads}, tta {tta}");
            line.not_run.as_deref().map(|why| (what, why))
        })
    }

    fn circumstances(&self) -> Vec<String> {
        let machine = &self.machine;
        let load = machine.load_average.map_or("unknown".into(), |[one, five, fifteen]| {
            format!("{one:.2}, {five:.2}, {fifteen:.2} (1, 5, 15 minutes, when it began)")
        });
        let mut engines: Vec<String> = self
            .lines
            .iter()
            .filter_map(|line| line.engine_info.as_ref())
            .map(|e| format!("{} {}", e.engine, e.version))
            .collect();
        engines.sort();
        engines.dedup();
        vec![
            format!("s2infer {}; {}", self.version, engines.join(", ")),
            format!("{}, {} cores; {}", machine.cpu, machine.cores, machine.kernel),
            format!("load average {load}"),
            format!("{} to {}", self.started, self.finished),
        ]
    }
}

fn cells(line: &Line) -> [String; COLUMNS.len()] {
    let none = || "–".to_owned();
    let median = |estimate: Option<Estimate>| estimate.map_or_else(none, |estimate| rate(estimate.median));
    let percent = |share: Option<f64>| share.map_or_else(none, |share| format!("{:.1} %", 100.0 * share));
    let ran = line.engine_info.as_ref();
    let split = |of: fn(&super::Split) -> f64| line.cpu_us_per_tile.as_ref().map_or_else(none, |split| rate(of(split)));
    let interval = line.tiles_per_cpu_second.and_then(|estimate| estimate.interval);
    [
        line.model.clone(),
        line.precision.clone(),
        ran.map_or_else(|| line.engine.clone(), |info| info.engine.clone()),
        ran.map_or_else(|| line.device.clone(), |info| info.provider.clone()),
        line.batch.to_string(),
        line.threads.to_string(),
        line.tta.clone(),
        line.source.clone(),
        median(line.tiles_per_second),
        median(line.tiles_per_cpu_second) + if line.stable { "" } else { " ?" },
        interval.map_or_else(none, |[low, high]| format!("{}–{}", rate(low), rate(high))),
        line.latency_ms.map_or_else(none, |ms| format!("{:.1}/{:.1}/{:.1}", ms.p50, ms.p95, ms.p99)),
        split(|split| split.read),
        split(|split| split.decode),
        split(|split| split.preprocess),
        split(|split| split.copy),
        split(|split| split.infer),
        split(|split| split.write),
        split(|split| split.other),
        percent(line.share_of_engine.map(|share| share.median)),
        percent(line.share_of_peak),
    ]
}

/// Three digits and more.
fn rate(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
