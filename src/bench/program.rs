//! The whole program: files to a table that nobody keeps.

use super::{Case, Round};
use crate::model::Model;
use crate::output::{self, Format, TableOptions, Target};
use crate::pipeline::{self, Job, Outputs, Thresholds};
use crate::{Error, Result};

/// Runs the case over its tiles.
///
/// # Errors
/// What ends a run, and the first tile that fails: a rate over tiles that were not read would be none.
pub(super) fn round(case: &Case) -> Result<Round> {
    let subject = &case.subject;
    let manifest = &subject.model.manifest;
    let job = Job {
        inputs: subject.inputs.clone(),
        // What is measured is the network.
        model: Model { gate: None, ..subject.model.clone() },
        engine: case.engine.clone(),
        thresholds: Thresholds::usual(manifest),
        scene: subject.scene.clone(),
        clouds: None,
        tta: case.tta,
        overlap_px: manifest.overlap_px,
        batch: case.batch,
        sessions: if case.is_gpu() { 1 } else { case.threads },
        readers: case.threads,
    };
    let outputs = Outputs {
        sink: output::open(Format::Csv, Target::Stdout(Box::new(std::io::sink())), &TableOptions::default())?,
        journal: None,
        keep_journal: false,
        maps: Default::default(),
        distributions: None,
        progress: &mut |_| {},
        observe: None,
    };
    let summary = pipeline::run(job, outputs)?;
    if let Some(failed) = summary.errors.listed.first() {
        let (failures, tile, error) = (summary.errors.total, &failed.tile, &failed.error);
        return Err(Error::malformed(format!(
            "{tile}: {error}; {failures} of {} tiles failed: give tiles that the model {} decides (`s2infer inspect` says \
             what a tile is), or none to have some made",
            summary.counts.tiles, manifest.name
        )));
    }
    Ok(Round {
        tiles: summary.counts.tiles,
        windows: summary.counts.windows,
        wall_seconds: summary.seconds,
        cpu_seconds: summary.cpu_seconds,
        stages: summary.stages,
        batch_ms: summary.batch_ms,
    })
}
