//! `s2train scores` and `s2train report`

use std::path::PathBuf;

use s2infer::decide::Profile;
use s2infer::model::{Manifest, seal};
use s2infer::train::{card, patches, report, scored, table};
use s2infer::{Error, Result};

/// Join the CSV of a run over rendered tiles with their labels
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  s2infer data/calibration --model models/construction --threshold 0.5 --output data/calibration.csv
  s2train scores --run data/calibration.csv --tiles data/calibration/tiles.csv --out calibration/construction/scores.csv")]
pub struct Scores {
    /// CSV that s2infer wrote
    #[arg(long, value_name = "CSV")]
    run: PathBuf,
    /// tiles.csv that s2train render wrote
    #[arg(long, value_name = "CSV")]
    tiles: PathBuf,
    /// Labelled scores to write
    #[arg(long, value_name = "CSV")]
    out: PathBuf,
}

impl Scores {
    pub fn run(&self) -> Result<()> {
        let rows = scored::join(&self.run, &patches::read(&self.tiles)?)?;
        table::write(&self.out, &rows)?;
        tracing::info!("wrote {} labelled scores to {}", rows.len(), self.out.display());
        Ok(())
    }
}

/// Measure a model's own profile on labelled scores, and put the result into its card
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  s2train report --model models/construction --scores calibration/construction/measured.csv \\
    --out calibration/construction/report.md")]
pub struct Report {
    /// Model folder with its profile.json; its card gets the measurements and the folder is sealed again
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Labelled scores that neither training nor calibration saw
    #[arg(long, value_name = "CSV")]
    scores: PathBuf,
    /// What the patches are, in one sentence for the report
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Markdown to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Report {
    pub fn run(&self) -> Result<()> {
        let read = |path: &PathBuf| std::fs::read(path).map_err(|e| Error::usage(e).context(path.display()));
        let write = |path: &PathBuf, text: &str| {
            std::fs::write(path, text).map_err(|e| Error::output(e).context(path.display()))
        };
        let path = self.model.join("profile.json");
        let profile = Profile::parse(&read(&path)?, &path.display().to_string())?;
        let measured = report::render(&profile, &scored::read(&self.scores, 2)?);
        let measured = match self.note.trim() {
            "" => measured,
            note => format!("{note}\n\n{measured}"),
        };
        write(&self.out, &format!("# {} measured\n\n{measured}", profile.model.name))?;
        let card_path = self.model.join("card.md");
        let card = String::from_utf8(read(&card_path)?).map_err(|e| Error::usage(e).context(card_path.display()))?;
        write(&card_path, &card::with_measurements(&card, &measured))?;
        let manifest = Manifest::parse(&read(&self.model.join("model.json"))?)?;
        seal(&self.model, &manifest)?;
        tracing::info!("wrote {} and the card of {}", self.out.display(), self.model.display());
        Ok(())
    }
}
