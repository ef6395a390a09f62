//! A freshly written model folder gets its threshold profile: the manifest's `calibration` patches go through the
//! pipeline that runs in production, and their scores through the calibration.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::patches::{Patch, Split};
use crate::calibrate::{CalibrateRequest, Scores, Sites, calibrate};
use crate::decide::{Bounds, ModelRef, Rule};
use crate::infer::engine::{EngineRequest, open};
use crate::infer::preprocess::preprocessing_id;
use crate::model::{Manifest, Model, seal};
use crate::output::{AtomicFile, Row, Sink};
use crate::pipeline::{self, Input, Job, Outputs, Thresholds};
use crate::scene::SceneOptions;
use crate::{Error, Kind, Result};

/// Rows of a batch.
const BATCH_ROWS: usize = 8;

/// What is asked of the calibration.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where `scores.csv` goes.
    pub folder: PathBuf,
    /// Share of the positives to be caught.
    pub target_recall: f64,
    /// Confidence that it is.
    pub confidence: f64,
    /// Sessions at the same time.
    pub threads: usize,
    /// The command line, for the profile.
    pub command: String,
}

/// Scores the `calibration` patches that state a season and a sky, writes them to `scores.csv` and the profile into
/// the model's folder, which is sealed again. `None`, with a warning in the log, where there are no such patches or too
/// few positives for any group.
///
/// # Errors
/// A patch that cannot be scored, an output that cannot be written.
pub fn run(folder: &Path, model: &Model, patches: &[Patch], root: &Path, request: &Request) -> Result<Option<Model>> {
    let circumstances = |patch: &&Patch| patch.season.is_some() && patch.cloud.is_some();
    let chosen: Vec<&Patch> =
        patches.iter().filter(|patch| patch.split == Split::Calibration).filter(circumstances).collect();
    if chosen.is_empty() {
        tracing::warn!("no calibration patches with season and cloud: no profile; see s2infer calibrate");
        return Ok(None);
    }
    let rows = score(model, &chosen, root, request.threads)?;
    std::fs::create_dir_all(&request.folder).map_err(|e| Error::output(e).context(request.folder.display()))?;
    let table = request.folder.join("scores.csv");
    write_whole(&table, &scores_table(&chosen, &rows)?)?;

    let bounds = Bounds::default();
    let scores = Scores::read(&table, &bounds)?;
    let manifest = &model.manifest;
    let calibration = calibrate(
        &scores,
        &CalibrateRequest {
            model: ModelRef {
                name: manifest.name.clone(),
                sha256: model.sha256.clone(),
                precision: manifest.precision,
            },
            preprocessing_version: preprocessing_id(manifest),
            tta: manifest.tta,
            rule: Rule::Exact,
            target_recall: request.target_recall,
            confidence: request.confidence,
            joint: false,
            sites: Sites::Independent,
            unseen_region: false,
            spare_alarms: None,
            bounds,
            by_flags: true,
            command: request.command.clone(),
            created: jiff::Timestamp::now(),
        },
    );
    match calibration {
        Err(error) if error.kind() == Kind::Refused => {
            tracing::warn!("no profile: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
        Ok(calibration) => {
            calibration.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            write_whole(&folder.join("profile.json"), calibration.to_json().as_bytes())?;
            seal(folder, &Manifest { assets: Vec::new(), ..manifest.clone() }).map(Some)
        }
    }
}

/// One score a patch, in their order, at the model's own augmentation.
fn score(model: &Model, patches: &[&Patch], root: &Path, threads: usize) -> Result<Vec<Row>> {
    let request = EngineRequest::default();
    let inputs = patches.iter().map(|patch| Input { path: root.join(&patch.path), problem: None }).collect();
    let job = Job {
        inputs,
        engine: open(&request)?.into(),
        // Every window is scored; no decision is taken from this.
        thresholds: Thresholds::Fixed(0.5),
        scene: SceneOptions::default(),
        clouds: None,
        tta: model.manifest.tta,
        overlap_px: model.manifest.overlap_px,
        batch: BATCH_ROWS,
        sessions: threads,
        readers: threads,
        model: model.clone(),
    };
    let rows = Kept::default();
    let outputs = Outputs {
        sink: Box::new(rows.clone()),
        journal: None,
        keep_journal: false,
        maps: Default::default(),
        distributions: None,
        progress: &mut |done| {
            if done % 1000.0 == 0.0 {
                tracing::info!("{done} of {} calibration patches scored", patches.len());
            }
        },
        observe: None,
    };
    pipeline::run(job, outputs)?;
    let rows = std::mem::take(&mut *rows.0.lock().unwrap_or_else(PoisonError::into_inner));
    if rows.len() != patches.len() {
        let (windows, patches) = (rows.len(), patches.len());
        return Err(Error::usage(format!(
            "{windows} windows in {patches} calibration patches: a label is of one window, so give patches of the model's size"
        )));
    }
    Ok(rows)
}

/// Keeps rows in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Row>>>);

impl Sink for Kept {
    fn write(&mut self, row: &Row) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(row.clone());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// `tile,label,score,season,cloud,site`; a window that abstained for want of valid pixels is left out.
fn scores_table(patches: &[&Patch], rows: &[Row]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Error::output(e);
    table.write_record(["tile", "label", "score", "season", "cloud", "site"]).map_err(failed)?;
    for (patch, row) in patches.iter().zip(rows) {
        let reason = row.reason.as_deref().unwrap_or_default();
        let Some(score) = row.score else {
            if row.decision == crate::decide::Decision::Error {
                return Err(Error::usage(format!("{}: {reason}", row.tile)));
            }
            tracing::warn!("{}: left out, {reason}", row.tile);
            continue;
        };
        let (season, cloud) = (patch.season.as_deref().unwrap_or_default(), patch.cloud.as_deref().unwrap_or_default());
        let tile = patch.path.to_string_lossy();
        table
            .write_record([&tile, patch.label.to_string().as_str(), &score.to_string(), season, cloud, &patch.site])
            .map_err(failed)?;
    }
    table.into_inner().map_err(|e| Error::output(e.into_error()))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    std::io::Write::write_all(&mut file, bytes).map_err(|e| Error::output(e).context(path.display()))?;
    file.commit()
}
