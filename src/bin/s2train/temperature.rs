//! `s2train temperature`

use std::path::PathBuf;

use s2infer::model::manifest::Head;
use s2infer::model::{Manifest, Model, REFERENCE, seal};
use s2infer::statistics::calibrator::{self, Method};
use s2infer::train::scored::{self, Scored};
use s2infer::{Error, Result};

const EXAMPLES: &str = "\
The scores must be the model's as it is now; they count for its temperature relative to the present
one, so that a second fit to scores made after the first changes nothing. Thresholds are not valid any
more at another temperature: a profile in the folder is removed.

Example:
  s2infer data/temperature --model models/my-model --threshold 0.5 --output run.csv
  s2train scores --run run.csv --tiles data/temperature/tiles.csv --out temperature.csv
  s2train temperature --model models/my-model --scores temperature.csv
  s2infer calibrate …";

/// Fit the temperature that makes a model's scores honest probabilities, and write it into its folder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Temperature {
    /// Model folder
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Labelled scores of patches that neither fitted the weights nor calibrate the thresholds
    #[arg(long, value_name = "CSV")]
    scores: PathBuf,
}

impl Temperature {
    pub fn run(&self) -> Result<()> {
        let manifest = Model::load(&self.model)?.manifest;
        if manifest.head != Head::Binary {
            return Err(Error::usage(format!(
                "{}: a temperature is fitted to two classes alone",
                self.model.display()
            )));
        }
        let rows: Vec<Scored> = scored::read(&self.scores, 2)?;
        let scores: Vec<(f64, bool)> = rows.iter().map(|row| (f64::from(row.score), row.label == 1)).collect();
        let refused = |why: String| Error::refused(format!("{}: {why}", self.scores.display()));
        let fit = calibrator::fit(Method::Temperature, &scores).map_err(refused)?;
        let relative = fit.calibrator.temperature().ok_or_else(|| refused("no temperature fits".into()))?;
        // Both are of the scores that were.
        for stale in ["profile.json", REFERENCE] {
            let stale = self.model.join(stale);
            if stale.exists() {
                std::fs::remove_file(&stale).map_err(|e| Error::output(e).context(stale.display()))?;
            }
        }
        let temperature = (f64::from(manifest.temperature) * relative) as f32;
        seal(&self.model, &Manifest { temperature, ..manifest })?;
        tracing::info!(
            "temperature {temperature:.4}, from {} scores: log loss {:.4}, it was {:.4}",
            scores.len(),
            fit.log_loss_after,
            fit.log_loss_before
        );
        Ok(())
    }
}
