//! The only room where all the others meet: it sequences them and computes nothing.
//!
//! ```text
//! feed ──batches──▶ prepare ×p ──tensors──▶ score ×s ──predictions──▶ collect
//! open, plan        read, preprocess,       one session each          input order again: decide, write
//!                   augment
//! ```
//!
//! Batches are cut in input order before anything runs, so which rows share a batch does not depend on threads.
//! A counted token per batch in flight bounds memory: the feeder takes one, the collector gives it back.

mod batch;
mod cloud_model;
mod collect;
mod feed;
mod inputs;
mod maps;
mod observe;
mod offsets;
mod pixel_maps;
mod prepare;
mod score;
mod timers;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::decide::{Profile, ShiftChoice};
use crate::drift::Observation;
use crate::infer::augment::{View, views};
use crate::infer::engine::{Engine, SafeBatch};
use crate::infer::head::OutputReader;
use crate::infer::preprocess::Preprocessing;
use crate::infer::thumbnail::picture_bands;
use crate::model::manifest::{Head, Tta};
use crate::model::{Manifest, Model};
use crate::output::{DistributionWriter, Journal, MapOutputs, Row, Sink};
use crate::scene::SceneOptions;
use crate::{Error, Result};
use cloud_model::CloudStage;
use score::Network;
use timers::{Running, Timers};

pub use collect::Summary;
pub use feed::dry_run;
pub use inputs::read_inputs;
pub use timers::{Stage, StageTime};

/// One input: a path, and what is already known to be wrong with it.
#[derive(Debug, Clone)]
pub struct Input {
    /// The path as given.
    pub path: PathBuf,
    /// Found while listing: a FIFO, a loop of links.
    pub problem: Option<Error>,
}

/// How scores become decisions.
#[derive(Debug, Clone)]
pub enum Thresholds {
    /// By the shift of each tile.
    Profile(Box<Profile>, ShiftChoice),
    /// One threshold for everything, without a guarantee.
    Fixed(f32),
    /// Those of the members of an ensemble, at which each of them says one half.
    Members,
    /// The most likely class: for models with more than two outcomes.
    ArgMax,
}

/// The score at which anchored members say positive together.
pub const MEMBERS_THRESHOLD: f32 = 0.5;

impl Thresholds {
    /// What decides where nobody states a threshold or profile: the members' own, the most likely class, else one half.
    pub fn usual(manifest: &Manifest) -> Self {
        match manifest.head {
            Head::Binary if !manifest.members.is_empty() => Self::Members,
            Head::Binary => Self::Fixed(0.5),
            Head::Multiclass | Head::Segmentation => Self::ArgMax,
        }
    }

    /// What rows and records call a rule that is no profile's.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Fixed(_) => Some("fixed"),
            Self::Members => Some("members"),
            Self::Profile(..) | Self::ArgMax => None,
        }
    }
}

/// A segmentation model that says where clouds are.
#[derive(Clone)]
pub struct CloudModel {
    /// The model.
    pub model: Model,
    /// Indices of its classes that are cloud.
    pub classes: Vec<usize>,
    /// What runs it.
    pub engine: Arc<dyn Engine>,
    /// Whether it is asked where a product's own pixels say it too.
    pub always: bool,
}

/// Everything a run is told.
pub struct Job {
    /// The tiles, in the order of the output.
    pub inputs: Vec<Input>,
    /// The model.
    pub model: Model,
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// The rule.
    pub thresholds: Thresholds,
    /// How tiles are read and understood.
    pub scene: SceneOptions,
    /// What says where clouds are where nobody states it, nor a product's own pixels.
    pub clouds: Option<CloudModel>,
    /// Test-time augmentation.
    pub tta: Tta,
    /// Overlap of neighbouring windows in pixels.
    pub overlap_px: u32,
    /// Rows of one run of a session.
    pub batch: usize,
    /// Sessions, each with one thread of its own.
    pub sessions: usize,
    /// Threads that read and preprocess.
    pub readers: usize,
}

/// Least rows of a session behind a prefilter, where batches have so many: a row by itself costs more.
const GATED_ROWS: usize = 8;

/// Takes a tile's name and what was seen of it.
pub type Observer<'a> = &'a mut dyn FnMut(&str, Observation);

/// Where results go.
pub struct Outputs<'a> {
    /// The table.
    pub sink: Box<dyn Sink>,
    /// What an earlier run already decided, and what this one has.
    pub journal: Option<Journal>,
    /// Whether the journal of a finished run stays for the next.
    pub keep_journal: bool,
    /// Maps and pictures of every tile.
    pub maps: MapOutputs,
    /// `--distributions`
    pub distributions: Option<DistributionWriter>,
    /// Called after every tile, and now and then within a large one, with the number of tiles done.
    pub progress: &'a mut dyn FnMut(f64),
    /// Called with every tile that was decided or abstained, and its name: what comparing it with others takes. Without
    /// it no pixel is summarised.
    pub observe: Option<Observer<'a>>,
}

/// What all threads of a run share.
struct Shared {
    job: Job,
    graph: Arc<Vec<u8>>,
    views: &'static [View],
    windows_per_batch: usize,
    preprocessing: Preprocessing,
    reader: OutputReader,
    clouds: Option<CloudStage>,
    journal: Option<Mutex<Journal>>,
    /// Whether a map's validity must be kept until the end.
    keeps_validity: bool,
    /// Whether windows are summarised.
    summarises: bool,
    /// The bands of a picture, where windows are pictured.
    picture_bands: Option<[usize; 3]>,
    stop: AtomicBool,
    timers: Timers,
}

impl Shared {
    fn rows_per_batch(&self) -> usize {
        self.windows_per_batch * self.views.len()
    }

    /// Rows that a session is made for. Behind a prefilter it is a window at a time, so that those that are spared cost
    /// nothing, or a few where a window has few views.
    fn rows_per_session(&self) -> usize {
        let rows = self.rows_per_batch();
        if self.job.model.gate.is_some() { rows.min(self.views.len().max(GATED_ROWS)) } else { rows }
    }

    /// `[bands, height, width]`
    fn input_shape(&self) -> [usize; 3] {
        input_shape(&self.job.model.manifest)
    }

    fn network(&self) -> Network<'_> {
        Network {
            engine: &self.job.engine,
            graph: &self.graph,
            model: &self.job.model,
            reader: &self.reader,
            rows: self.rows_per_session(),
        }
    }

    fn journal(&self) -> Result<Option<MutexGuard<'_, Journal>>> {
        let lost = |_| Error::output("the resume journal is lost");
        self.journal.as_ref().map(|journal| journal.lock().map_err(lost)).transpose()
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// `[bands, height, width]`
fn input_shape(manifest: &Manifest) -> [usize; 3] {
    let side = manifest.tile_px as usize;
    [manifest.bands.len(), side, side]
}

/// Runs a job: every input becomes its rows, in order.
///
/// # Errors
/// What ends a whole run: an engine that fails, a model whose golden batch does not come out, an output that cannot
/// be written, a signal. A tile that fails is a row and a count in the [`Summary`].
pub fn run(mut job: Job, outputs: Outputs<'_>) -> Result<Summary> {
    let views = views(job.tta);
    let Outputs { sink, journal, keep_journal, maps, distributions, progress, observe } = outputs;
    maps::check(&maps, &job.model.manifest)?;
    let clouds = job.clouds.take().map(CloudStage::new).transpose()?;
    let shared = Arc::new(Shared {
        graph: score::take_graph(&*job.engine, &mut job.model)?,
        views,
        windows_per_batch: (job.batch / views.len()).max(1),
        preprocessing: Preprocessing::new(&job.model.manifest),
        reader: OutputReader::new(&job.model.manifest, views),
        clouds,
        journal: journal.map(Mutex::new),
        keeps_validity: job.model.manifest.head == Head::Segmentation,
        summarises: observe.is_some(),
        picture_bands: maps.quicklooks.is_some().then(|| picture_bands(&job.model.manifest)),
        stop: AtomicBool::new(false),
        timers: Timers::default(),
        job,
    });
    let safe = SafeBatch::new(shared.rows_per_session());
    let first_session = shared.timers.time(Stage::Start, || score::verified_session(&shared.network(), &safe))?;
    let running = Running::since_now(&shared.timers);

    let (sessions, readers) = (shared.job.sessions.max(1), shared.job.readers.max(1));
    let in_flight = 2 * (sessions + readers) + 2;
    let (token_out, token_in) = bounded::<()>(in_flight);
    let (batch_out, batch_in) = bounded(readers);
    let (tensor_out, tensor_in) = bounded(sessions);
    let (scored_out, scored_in) = bounded(in_flight);
    let (buffer_out, buffer_in) = bounded(in_flight);

    let mut threads = Vec::new();
    let mut spawn = |name: &str, body: Box<dyn FnOnce() + Send>| -> Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(body);
        threads.push(thread.map_err(|error| Error::engine(format!("cannot start a thread: {error}")))?);
        Ok(())
    };
    let feeder = shared.clone();
    spawn("feed", Box::new(move || feed::feed(&feeder, &token_out, &batch_out)))?;
    for _ in 0..readers {
        let (shared, input, output, buffers) =
            (shared.clone(), batch_in.clone(), tensor_out.clone(), buffer_in.clone());
        spawn("prepare", Box::new(move || prepare::prepare(&shared, &input, &output, &buffers)))?;
    }
    let mut first_session = Some(first_session);
    for _ in 0..sessions {
        let (shared, input, output) = (shared.clone(), tensor_in.clone(), scored_out.clone());
        let (buffers, session, safe) = (buffer_out.clone(), first_session.take(), safe.clone());
        spawn("score", Box::new(move || score::score(&shared, session, safe, &input, &output, &buffers)))?;
    }
    drop((batch_in, tensor_out, tensor_in, scored_out, buffer_in, buffer_out));

    // Behind an option the compiler does not shorten the closure's own lifetime by itself.
    let observe = observe.map(|observe| observe as Observer);
    let collector = collect::Collector::new(&shared, sink, maps, distributions, progress, observe);
    let result = collector.collect(&scored_in, &token_in);
    shared.stop.store(true, Ordering::Relaxed);
    drop((scored_in, token_in));
    join_within(threads, THREADS_END_WITHIN);
    let mut summary = result?;
    (summary.seconds, summary.cpu_seconds) = running.stop(&shared.timers);
    // Every thread has ended, so this is the last owner.
    if let Some(journal) = Arc::into_inner(shared).and_then(|shared| shared.journal) {
        journal.into_inner().map_err(|_| Error::output("the resume journal is lost"))?.finish(keep_journal)?;
    }
    Ok(summary)
}

/// How long a stopped run waits for threads that are still inside an engine.
const THREADS_END_WITHIN: Duration = Duration::from_millis(1500);

fn join_within(threads: Vec<std::thread::JoinHandle<()>>, limit: Duration) {
    let deadline = Instant::now() + limit;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            // A panic in a worker has already reached the collector as a closed channel.
            let _ = thread.join();
        }
    }
}

/// Rows of one tile, as the journal keeps them.
type Rows = Vec<Row>;
