//! Runs batches through an engine's session and reads its output.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use ndarray::{Array4, ArrayD, ArrayView4, Axis, s};

use super::batch::{Batch, Prepared, Slot, State};
use super::{Shared, Stage, input_shape};
use crate::infer::engine::{self, Adaptive, Engine, SafeBatch, Session};
use crate::infer::head::OutputReader;
use crate::model::{Model, check_golden};
use crate::{Error, Kind, Result};

/// A model on an engine, in batches of `rows`.
pub(super) struct Network<'a> {
    pub(super) engine: &'a Arc<dyn Engine>,
    pub(super) graph: &'a Arc<Vec<u8>>,
    pub(super) model: &'a Model,
    pub(super) reader: &'a OutputReader,
    pub(super) rows: usize,
}

impl Network<'_> {
    pub(super) fn session(&self, safe: SafeBatch) -> Result<Adaptive> {
        let manifest = &self.model.manifest;
        Adaptive::new(self.engine.clone(), self.graph.clone(), manifest.precision, input_shape(manifest), safe)
    }
}

/// Takes the graph out of `model`, as sessions are made of it: the file is not held beside what an engine makes of it.
///
/// # Errors
/// [`crate::Kind::Refused`] where it is no graph.
pub(super) fn take_graph(engine: &dyn Engine, model: &mut Model) -> Result<Arc<Vec<u8>>> {
    let graph = std::mem::take(&mut model.graph);
    let manifest = &model.manifest;
    let network = engine::Network { graph: &graph, input: input_shape(manifest), precision: manifest.precision };
    Ok(Arc::new(engine.rewritten(network)?.unwrap_or(graph)))
}

/// A session that has reproduced the golden batch; without one it has run once, so that a wrong shape fails before any tile
/// is read.
///
/// # Errors
/// [`crate::Kind::Engine`] if the engine lacks the model's precision, [`crate::Kind::Refused`] if it has not, or if the graph's output is not what the manifest says.
pub(super) fn verified_session(network: &Network<'_>, safe: &SafeBatch) -> Result<Adaptive> {
    let info = network.engine.info();
    // What no model of this precision can have of this engine is not the model's fault.
    network.engine.check_precision(network.model.manifest.precision)?;
    // On the processor nothing else competes for what the first batch needs: a failure is the model's.
    let blame = |error: Error| match error.kind() {
        Kind::Engine | Kind::OutOfMemory if info.provider == "cpu" => error.with_kind(Kind::Refused),
        _ => error,
    };
    let mut session = network.session(safe.clone()).map_err(blame)?;
    let (manifest, rows) = (&network.model.manifest, network.rows);
    let [bands, height, width] = input_shape(manifest);
    let Some(golden) = &network.model.golden else {
        let output = session.run(Array4::zeros((rows, bands, height, width)).view()).map_err(blame)?;
        network.reader.check_shape(output.shape(), rows)?;
        return Ok(session);
    };
    let mut outputs: Vec<ArrayD<f32>> = Vec::new();
    // One row is always another's: a graph that mixes rows would reproduce a batch that is just the golden one.
    for piece in golden.input.axis_chunks_iter(Axis(0), rows.saturating_sub(1).max(1)) {
        let mut input = Array4::zeros((rows, bands, height, width));
        let taken = piece.len_of(Axis(0));
        input.slice_mut(s![..taken, .., .., ..]).assign(&piece);
        let mut output = session.run(input.view()).map_err(blame)?;
        network.reader.check_shape(output.shape(), rows)?;
        output.slice_axis_inplace(Axis(0), (..taken).into());
        outputs.push(output);
    }
    let outputs: Vec<_> = outputs.iter().map(|output| output.view()).collect();
    let actual = ndarray::concatenate(Axis(0), &outputs)
        .map_err(|error| Error::refused(format!("the golden batch is empty or uneven: {error}")))?;
    check_golden(golden, actual.view(), manifest.golden_tolerance)
        .map_err(|error| error.context(format!("model {} on {}", manifest.name, info.engine)))?;
    Ok(session)
}

/// Scores batches until there are no more or nobody listens. An error ends the run.
pub(super) fn score(
    shared: &Shared,
    made: Option<Adaptive>,
    safe: SafeBatch,
    batches: &Receiver<Prepared>,
    scored: &Sender<Result<Batch>>,
    buffers: &Sender<Vec<f32>>,
) {
    let made = made.map_or_else(|| shared.timers.time(Stage::Start, || shared.network().session(safe)), Ok);
    let mut scorer = match made {
        Ok(session) => session,
        Err(error) => {
            let _ = scored.send(Err(error));
            return;
        }
    };
    for Prepared { mut batch, input, rows } in batches {
        if shared.is_stopping() {
            return;
        }
        let mut result = Ok(());
        if let Some(input) = input {
            result = infer(shared, &mut scorer, &mut batch, &input, rows);
            // A full pool of buffers drops this one.
            let _ = buffers.try_send(input);
        }
        let is_over = result.is_err();
        if scored.send(result.map(|()| batch)).is_err() || is_over {
            return;
        }
    }
}

/// Runs the first `rows` rows of `input`.
fn infer(shared: &Shared, session: &mut dyn Session, batch: &mut Batch, input: &[f32], rows: usize) -> Result<()> {
    let [bands, height, width] = shared.input_shape();
    let input = input.get(..rows * bands * height * width).unwrap_or_default();
    let input = ArrayView4::from_shape((rows, bands, height, width), input)
        .map_err(|error| Error::engine(format!("a batch of the wrong size: {error}")))?;
    let mut watch = shared.timers.watch();
    let output = session.run(input)?;
    batch.infer_ms = Some(1e3 * watch.lap(Stage::Infer).as_secs_f32());
    shared.reader.check_shape(output.shape(), rows)?;
    let output = if output.is_standard_layout() { output } else { output.as_standard_layout().into_owned() };
    for slot in &mut batch.slots {
        let Slot::Window(slot) = slot else { continue };
        if let State::Ready { row, valid } = &mut slot.state {
            slot.state = match shared.reader.read(&output, *row) {
                Some(prediction) => State::Predicted { prediction, valid: valid.take() },
                None => State::Abstains("the model's output is not finite".into()),
            };
        }
    }
    watch.lap(Stage::Copy);
    Ok(())
}
