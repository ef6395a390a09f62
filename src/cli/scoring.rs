//! Running a model over labelled tiles.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::logging::TileBar;
use s2infer::decide::Profile;
use s2infer::infer::engine::{self, Device, Engine};
use s2infer::labelled::{Labelled, LabelledRow, MapOutcome, Outcome, predict, predict_maps};
use s2infer::model::Model;
use s2infer::model::manifest::Tta;
use s2infer::output::signal;
use s2infer::pipeline::{Input, Job, Thresholds};
use s2infer::scene::SceneOptions;
use s2infer::{Error, Result};

use super::flags::EngineArgs;
use super::{Common, logging};

/// What a model runs with.
pub struct Scoring<'a> {
    scene: SceneOptions,
    engine: &'a EngineArgs,
    common: &'a Common,
}

/// A table with the scores of a model, and what is not in it any more.
pub struct Scored {
    /// The tiles that the model decided.
    pub table: Labelled,
    /// Positives among those that it abstained on.
    pub n_abstained_positives: u64,
}

impl<'a> Scoring<'a> {
    /// With these flags.
    pub fn new(scene: SceneOptions, engine: &'a EngineArgs, common: &'a Common) -> Self {
        Self { scene, engine, common }
    }

    /// How tiles are read.
    pub fn scene(&self) -> &SceneOptions {
        &self.scene
    }

    /// Runs a segmentation model over the tiles of a manifest with maps of labels; its own maps go to `folder`.
    pub fn maps(&self, table: &Labelled, model: &Model, tta: Tta, folder: &Path) -> Result<Vec<MapOutcome>> {
        let labels: Vec<PathBuf> =
            table.rows.iter().filter_map(|row| Some(table.folder.join(&**row.mask.as_ref()?))).collect();
        all_there(table, &labels)?;
        let (job, bar) = self.job(table, model.clone(), Thresholds::usual(&model.manifest), tta)?;
        let outcomes = predict_maps(job, &labels, folder, &mut |done| bar.set(done));
        bar.finish_and_clear();
        outcomes
    }

    /// Runs the model over the tiles of a manifest and puts its scores into the table, those of the class with this index
    /// where one is given. Tiles on which it abstains are left out and counted. Views need not agree: at other thresholds
    /// other windows abstain, so that what finds thresholds takes the scores of all.
    pub fn score(&self, table: &Labelled, model: &Model, class: Option<usize>, tta: Tta) -> Result<Scored> {
        let mut any = model.clone();
        any.manifest.view_agreement_minimum = None;
        let outcomes = self.outcomes(table, any, Thresholds::usual(&model.manifest), class, tta)?;
        self.scored(table, model, outcomes)
    }

    /// The same with the abstentions of a run by these thresholds, those where views disagree included.
    pub fn decide(&self, table: &Labelled, model: &Model, profile: &Profile, tta: Tta) -> Result<Scored> {
        if model.manifest.view_agreement_minimum.is_none() {
            return self.score(table, model, None, tta);
        }
        let threshold = |row: &LabelledRow| {
            let group = profile.group(&row.group);
            group.map(|group| group.threshold as f32).ok_or_else(|| {
                Error::refused(format!("{}: its profile has no group {:?}", model.manifest.name, &*row.group))
            })
        };
        let thresholds: Vec<f32> = table.rows.iter().map(threshold).collect::<Result<_>>()?;
        let mut distinct = thresholds.clone();
        distinct.sort_by(f32::total_cmp);
        distinct.dedup();
        let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(thresholds.len());
        for at in distinct {
            let places =
                thresholds.iter().enumerate().filter(|(_, threshold)| **threshold == at).map(|(place, _)| place);
            let part = table.clone().filtered(|row| threshold(row).is_ok_and(|threshold| threshold == at));
            outcomes.extend(places.zip(self.outcomes(&part, model.clone(), Thresholds::Fixed(at), None, tta)?));
        }
        outcomes.sort_by_key(|(place, _)| *place);
        self.scored(table, model, outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    fn outcomes(
        &self,
        table: &Labelled,
        model: Model,
        thresholds: Thresholds,
        class: Option<usize>,
        tta: Tta,
    ) -> Result<Vec<Outcome>> {
        let (job, bar) = self.job(table, model, thresholds, tta)?;
        let outcomes = predict(job, class, &mut |done| bar.set(done));
        bar.finish_and_clear();
        outcomes
    }

    fn scored(&self, table: &Labelled, model: &Model, outcomes: Vec<Outcome>) -> Result<Scored> {
        let all_abstained = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Abstained(_)));
        match outcomes.first() {
            Some(Outcome::Abstained(reason)) if all_abstained => Err(Error::usage(format!(
                "{}: {} abstained on all {} tiles, on the first as {reason}",
                table.file,
                model.manifest.name,
                outcomes.len()
            ))),
            _ => Ok(with_scores(table, outcomes, model)),
        }
    }

    fn job(&self, table: &Labelled, model: Model, thresholds: Thresholds, tta: Tta) -> Result<(Job, TileBar)> {
        let paths: Vec<PathBuf> = table.rows.iter().map(|row| table.folder.join(&row.tile)).collect();
        all_there(table, &paths)?;
        let inputs: Vec<Input> = paths.into_iter().map(|path| Input { path, problem: None }).collect();
        // From here on a signal ends the run in order.
        signal::install()?;
        let engine: Arc<dyn Engine> = engine::open(&self.engine.request(model.manifest.precision))?.into();
        let is_gpu = matches!(self.engine.device.0, Device::Cuda(_) | Device::TensorRt(_));
        let threads = self.engine.threads();
        let bar = logging::progress(self.common, inputs.len());
        bar.set_message(model.manifest.name.clone());
        let job = Job {
            overlap_px: model.manifest.overlap_px,
            batch: self.engine.batch_rows(model.manifest.tile_px, inputs.len(), is_gpu),
            sessions: if is_gpu { 1 } else { threads },
            readers: threads,
            inputs,
            engine,
            thresholds,
            scene: self.scene.clone(),
            clouds: None,
            tta,
            model,
        };
        Ok((job, bar))
    }
}

fn all_there(table: &Labelled, paths: &[PathBuf]) -> Result<()> {
    let mut missing = paths.iter().filter(|path| !path.exists());
    match missing.next() {
        Some(first) => Err(Error::usage(format!(
            "{}: {} of {} files are not there; the first is {}; paths are relative to the table's folder",
            table.file,
            1 + missing.count(),
            paths.len(),
            first.display()
        ))),
        None => Ok(()),
    }
}

/// The number that a table of scores gives back, which has the shortest decimal of the 32 bits.
fn as_written(score: f32) -> f64 {
    score.to_string().parse().unwrap_or_else(|_| f64::from(score))
}

fn with_scores(table: &Labelled, outcomes: Vec<Outcome>, model: &Model) -> Scored {
    let prefilter = model.asks_prefilter();
    let mut scored = Labelled { model_sha256: Some(model.sha256.clone()), prefilter, ..table.clone() };
    let mut abstained = Vec::new();
    for (row, outcome) in scored.rows.iter_mut().zip(&outcomes) {
        match outcome {
            Outcome::Score(score) => row.score = Some(as_written(*score)),
            Outcome::Class(class, score) => (row.predicted, row.score) = (Some(*class), Some(as_written(*score))),
            Outcome::Abstained(_) => abstained.push(row.is_positive()),
        }
    }
    let n_abstained_positives = abstained.iter().filter(|positive| **positive).count() as u64;
    scored.n_undecided += abstained.len() as u64;
    Scored { table: scored.filtered(|row| row.score.is_some()), n_abstained_positives }
}

/// Refuses scores that say they are another model's, or of the same with its prefilter where it is to be without, or the
/// other way about.
pub fn check_model(table: Labelled, model: &Model) -> Result<Labelled> {
    if table.model_sha256.as_ref().is_some_and(|sha256| *sha256 != model.sha256) {
        return Err(Error::refused(format!(
            "the scores are another model's, not those of {} (model_sha256)",
            model.manifest.name
        )));
    }
    match (table.prefilter, model.asks_prefilter()) {
        (Some(false), Some(true)) => {
            Err(Error::refused("the scores are of the model without its prefilter: give --no-prefilter"))
        }
        (Some(true), Some(false)) => {
            Err(Error::refused("the scores are of the model with its prefilter: leave --no-prefilter out"))
        }
        _ => Ok(table),
    }
}
