//! `s2train report-classes`

use std::io::Write;
use std::path::{Path, PathBuf};

use s2infer::model::{Model, seal};
use s2infer::output::AtomicFile;
use s2infer::train::{card, class_report, patches};
use s2infer::{Error, Result};

/// Measure a model with several classes on a run over labelled patches: accuracy, F1, confusions, countries
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  s2infer eurosat-rgb --model models/eurosat --output run.csv
  s2train report-classes --model models/eurosat --run run.csv --patches classes.csv --split measurement \\
    --out report.md --json report.json --card")]
pub struct ReportClasses {
    /// The model that ran
    #[arg(long, value_name = "NAME|FOLDER")]
    model: String,
    /// CSV that s2infer wrote; tiles that are not among the patches are left alone
    #[arg(long, value_name = "CSV")]
    run: PathBuf,
    /// Manifest of the labelled patches
    #[arg(long, value_name = "CSV")]
    patches: PathBuf,
    /// Which patches
    #[arg(long, value_name = "SPLIT", default_value = "measurement")]
    split: patches::Split,
    /// What the patches are, in one sentence for the report
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Markdown to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The same in JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Put the report into the model's card as well; --model must be a folder
    #[arg(long)]
    card: bool,
}

impl ReportClasses {
    pub fn run(&self) -> Result<()> {
        let manifest = Model::resolve(&self.model)?.manifest;
        let mut rows = patches::read(&self.patches)?;
        rows.retain(|patch| patch.split == self.split);
        let report = class_report::measure(&self.run, &rows, &manifest.classes)?;
        let measured = match self.note.trim() {
            "" => report.to_markdown(),
            note => format!("{note}\n\n{}", report.to_markdown()),
        };
        write(&self.out, &format!("# `{}` measured\n\n{measured}", manifest.name))?;
        if let Some(path) = &self.json {
            write(path, &(serde_json::to_string_pretty(&report).map_err(Error::output)? + "\n"))?;
        }
        if self.card {
            let path = PathBuf::from(&self.model).join("card.md");
            let card = std::fs::read_to_string(&path).map_err(|e| Error::usage(e).context(path.display()))?;
            write(&path, &card::with_measurements(&card, &measured))?;
            seal(self.model.as_ref(), &manifest)?;
        }
        tracing::info!(
            "accuracy {:.4}, macro-F1 {:.4}; wrote {}",
            report.accuracy,
            report.macro_f1,
            self.out.display()
        );
        Ok(())
    }
}

/// Writes a text, complete or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::output(e).context(path.display()))?;
    file.commit()
}
