//! `--drift` in a run.

use std::path::PathBuf;

use clap::Args;
use s2infer::Result;
use s2infer::drift::{Observation, Reference, Report, compare};
use s2infer::model::Model;
use s2infer::model::manifest::Tta;

use super::super::calibration::binding;
use super::super::values::open_share;
use super::{bands, level, log, own_reference, read_reference};

/// Whether and how a run is compared with a reference.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Drift")]
pub struct DriftArgs {
    /// Compare the run's tiles and scores with the model's drift reference; the run record and --metrics-file say what
    /// was found. About 200 bytes of memory a tile. The other flags of this kind imply it. What is compared and how:
    /// `s2infer drift --help`.
    #[arg(long)]
    pub drift: bool,
    /// Compare with this reference instead, made by `s2infer drift reference`.
    #[arg(long, value_name = "FILE")]
    pub drift_reference: Option<PathBuf>,
    /// Share of the runs that may raise an alarm where nothing has changed [default: 0.01].
    #[arg(long, value_name = "SHARE", value_parser = open_share)]
    pub drift_level: Option<f64>,
    /// Exit with 4 where anything drifted; all results are written all the same.
    #[arg(long)]
    pub fail_on_drift: bool,
}

impl DriftArgs {
    /// The reference to compare with; none where nobody asked.
    ///
    /// # Errors
    /// [`s2infer::Kind::Refused`] where there is none for this model.
    pub fn watch(&self, model: &Model, tta: Tta) -> Result<Option<Watch>> {
        let is_asked = self.drift || self.drift_reference.is_some() || self.drift_level.is_some();
        if !is_asked && !self.fail_on_drift {
            return Ok(None);
        }
        let reference = match &self.drift_reference {
            Some(path) => read_reference(path).map_err(|error| error.context("--drift-reference"))?,
            None => own_reference(model)?,
        };
        reference.check(&binding(model, tta), &bands(model))?;
        Ok(Some(Watch { level: level(&reference, self.drift_level)?, reference, tiles: Vec::new() }))
    }
}

/// A run under watch.
pub struct Watch {
    reference: Reference,
    level: f64,
    tiles: Vec<Observation>,
}

impl Watch {
    /// Adds one tile.
    pub fn add(&mut self, tile: Observation) {
        self.tiles.push(tile);
    }

    /// Compares them all and says in the log what drifted.
    pub fn report(&self) -> Report {
        let report = compare(&self.reference, &self.tiles, self.level);
        log(&report);
        report
    }
}
