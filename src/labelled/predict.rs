//! What a model makes of labelled tiles.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::decide::Decision;
use crate::output::{Row, Sink};
use crate::pipeline::{self, Job, Outputs, Summary};
use crate::{Error, Result};

/// What a model said of one tile.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The score of the positive class.
    Score(f32),
    /// The class decided on, as an index, and its probability.
    Class(u16, f32),
    /// Nothing, for the reason given.
    Abstained(String),
}

/// Runs a job and gives an outcome for each of its inputs, in their order; `progress` hears of the number done. The
/// job's thresholds decide nothing here. With `class` the outcome is the score of that class, whatever is likeliest.
///
/// # Errors
/// What ends a run, and the first tile that cannot be read, is no model's size, or cannot be decided: figures on the
/// others would be of other tiles.
pub fn predict(job: Job, class: Option<usize>, progress: &mut dyn FnMut(f64)) -> Result<Vec<Outcome>> {
    let classes = job.model.manifest.classes.clone();
    let tile_px = job.model.manifest.tile_px;
    let inputs = job.inputs.len();
    let (rows, summary) = rows_of(job, |sink| Outputs {
        sink,
        journal: None,
        keep_journal: false,
        maps: Default::default(),
        distributions: None,
        progress,
        observe: None,
    })?;
    every_tile_read(&summary)?;
    if rows.len() != inputs {
        let several = rows.windows(2).find(|pair| pair[0].tile == pair[1].tile).map(|pair| pair[0].tile.clone());
        return Err(Error::usage(format!(
            "{}: larger than the model's window of {tile_px} px; a label is for one window: cut the tiles to its size",
            several.unwrap_or_default()
        )));
    }
    rows.into_iter().map(|row| outcome(row, &classes, class)).collect()
}

/// Runs a job and gives its rows.
pub(super) fn rows_of<'a>(job: Job, outputs: impl FnOnce(Box<dyn Sink>) -> Outputs<'a>) -> Result<(Vec<Row>, Summary)> {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let summary = pipeline::run(job, outputs(Box::new(Collected(rows.clone()))))?;
    let rows = std::mem::take(&mut *lock(&rows));
    Ok((rows, summary))
}

/// Refuses a run in which a tile failed, naming the first.
pub(super) fn every_tile_read(summary: &Summary) -> Result<()> {
    let Some(failed) = summary.errors.listed.first() else { return Ok(()) };
    let others = summary.counts.tiles_failed - 1;
    let more = if others > 0 { format!(" (and {others} more)") } else { String::new() };
    Err(Error::malformed(format!("{}: {}{more}; every labelled tile must be readable", failed.tile, failed.error)))
}

fn outcome(row: Row, classes: &[String], of: Option<usize>) -> Result<Outcome> {
    if let (Some(of), Some(scores)) = (of, &row.scores) {
        let score = scores.get(of).ok_or_else(|| Error::refused("fewer scores than classes"))?;
        return Ok(Outcome::Score(*score));
    }
    let class =
        |name: &String| classes.iter().position(|class| class == name).and_then(|index| u16::try_from(index).ok());
    match (&row.decision, row.score) {
        (Decision::Abstain, _) => Ok(Outcome::Abstained(row.reason.unwrap_or_default())),
        (Decision::Class(name), Some(score)) => {
            let class = class(name).ok_or_else(|| Error::refused(format!("{name:?} is no class of the model")))?;
            Ok(Outcome::Class(class, score))
        }
        (_, Some(score)) => Ok(Outcome::Score(score)),
        (_, None) => Err(Error::engine(format!("{}: was not scored", row.tile))),
    }
}

/// Keeps rows in memory.
struct Collected(Arc<Mutex<Vec<Row>>>);

impl Sink for Collected {
    fn write(&mut self, row: &Row) -> Result<()> {
        lock(&self.0).push(row.clone());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn lock(rows: &Mutex<Vec<Row>>) -> MutexGuard<'_, Vec<Row>> {
    // Nothing that holds the lock can panic half way through a row.
    rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
