//! Running out of memory: the batch is halved, and the smaller one is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array4, ArrayD, ArrayView4, Axis, concatenate, s};

use super::{Engine, Network, Session, tensor};
use crate::model::manifest::Precision;
use crate::{Error, Kind, Result};

/// The largest batch that is known to fit, shared by all workers of a run.
#[derive(Debug, Clone)]
pub struct SafeBatch(Arc<AtomicUsize>);

impl SafeBatch {
    /// Starts at the batch that was asked for.
    pub fn new(batch: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(batch.max(1))))
    }

    /// The present value.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Halves `failed`, unless another worker has already gone lower. `false` where there is nothing left to halve.
    fn halve(&self, failed: usize) -> bool {
        if failed > 1 {
            self.0.fetch_min(failed / 2, Ordering::Relaxed);
        }
        failed > 1
    }
}

/// A session that survives [`Kind::OutOfMemory`]: it is dropped, made again for half the batch, and goes on where it
/// stopped. Any other error is passed on, and so is running out of memory with a single row.
pub struct Adaptive {
    engine: Arc<dyn Engine>,
    graph: Arc<Vec<u8>>,
    precision: Precision,
    input: [usize; 3],
    safe: SafeBatch,
    /// The session and the batch it was made for.
    session: Option<(usize, Box<dyn Session>)>,
}

impl Adaptive {
    /// A session over `graph`, in `precision`, for rows of `input` = `[bands, height, width]`, in batches of at most
    /// `safe`.
    ///
    /// The engine's session is made here, so that errors of the graph or device show at once.
    pub fn new(
        engine: Arc<dyn Engine>,
        graph: Arc<Vec<u8>>,
        precision: Precision,
        input: [usize; 3],
        safe: SafeBatch,
    ) -> Result<Self> {
        let mut adaptive = Self { engine, graph, precision, input, safe, session: None };
        loop {
            let batch = adaptive.safe.get();
            match adaptive.session_for(batch) {
                Ok(_) => return Ok(adaptive),
                Err(error) => adaptive.recover(error, batch)?,
            }
        }
    }

    /// The session for batches of exactly `batch` rows, made anew where the present one is for another batch.
    fn session_for(&mut self, batch: usize) -> Result<&mut Box<dyn Session>> {
        let kept = self.session.take().filter(|(size, _)| *size == batch);
        let session = match kept {
            Some(kept) => kept,
            None => {
                let network = Network { graph: &self.graph, input: self.input, precision: self.precision };
                (batch, self.engine.session(network, batch)?)
            }
        };
        Ok(&mut self.session.insert(session).1)
    }

    /// Drops the session and halves the batch after running out of memory; hands back any other error.
    fn recover(&mut self, error: Error, failed: usize) -> Result<()> {
        self.session = None;
        if error.kind() != Kind::OutOfMemory || !self.safe.halve(failed) {
            return Err(error);
        }
        tracing::warn!(from = failed, to = self.safe.get(), "out of memory, smaller batches from here on");
        Ok(())
    }

    /// Runs the rows from `first` on that fit one session batch, the last batch filled up with zeros, and returns
    /// the output of the real rows.
    fn run_piece(&mut self, input: &ArrayView4<'_, f32>, first: usize, batch: usize) -> Result<ArrayD<f32>> {
        let rows = batch.min(input.len_of(Axis(0)) - first);
        let piece = input.slice(s![first..first + rows, .., .., ..]);
        let [bands, height, width] = self.input;
        let session = self.session_for(batch)?;
        if rows == batch {
            return session.run(piece);
        }
        let mut filled = Array4::zeros((batch, bands, height, width));
        filled.slice_mut(s![..rows, .., .., ..]).assign(&piece);
        let mut output = session.run(filled.view())?;
        output.slice_axis_inplace(Axis(0), (..rows).into());
        Ok(output)
    }
}

impl Session for Adaptive {
    /// Takes any number of rows. As long as memory suffices and the rows are a whole batch, this is one run of the
    /// engine on `input` as it lies.
    fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>> {
        let rows = input.len_of(Axis(0));
        let [bands, height, width] = self.input;
        tensor::contiguous(&input, [rows, bands, height, width])?;
        let mut outputs: Vec<ArrayD<f32>> = Vec::new();
        let mut done = 0;
        while done < rows {
            let batch = self.safe.get();
            match self.run_piece(&input, done, batch) {
                Ok(output) => {
                    done += output.len_of(Axis(0));
                    outputs.push(output);
                }
                Err(error) => self.recover(error, batch)?,
            }
        }
        match outputs.len() {
            1 => Ok(outputs.swap_remove(0)),
            _ => {
                let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
                concatenate(Axis(0), &views).map_err(|error| Error::engine(format!("batch outputs differ: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ndarray::Array4;

    use super::super::EngineInfo;
    use super::*;

    /// Doubles its input; runs out of memory above `room` rows, and records the batch of every session and run.
    struct Small {
        info: EngineInfo,
        room: usize,
        at_load: bool,
        kind: Kind,
        log: Arc<Mutex<Vec<String>>>,
    }

    struct SmallSession {
        batch: usize,
        room: usize,
        kind: Kind,
        log: Arc<Mutex<Vec<String>>>,
    }

    impl Engine for Small {
        fn info(&self) -> &EngineInfo {
            &self.info
        }

        fn session(&self, _: Network<'_>, batch: usize) -> Result<Box<dyn Session>> {
            self.log.lock().unwrap().push(format!("load {batch}"));
            if self.at_load && batch > self.room {
                return Err(Error::new(self.kind, "no room"));
            }
            Ok(Box::new(SmallSession { batch, room: self.room, kind: self.kind, log: self.log.clone() }))
        }
    }

    impl Session for SmallSession {
        fn run(&mut self, input: ArrayView4<'_, f32>) -> Result<ArrayD<f32>> {
            assert_eq!(input.len_of(Axis(0)), self.batch);
            self.log.lock().unwrap().push(format!("run {}", self.batch));
            if self.batch > self.room {
                return Err(Error::new(self.kind, "no room"));
            }
            Ok((&input * 2.0).into_dyn())
        }
    }

    fn small(room: usize, at_load: bool, kind: Kind) -> (Arc<dyn Engine>, Arc<Mutex<Vec<String>>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let text = || "small".to_owned();
        let info =
            EngineInfo { engine: text(), version: text(), provider: text(), library: None, fallback_reason: None };
        (Arc::new(Small { info, room, at_load, kind, log: log.clone() }), log)
    }

    fn rows(count: usize) -> Array4<f32> {
        Array4::from_shape_fn((count, 2, 1, 1), |(row, band, _, _)| (row * 2 + band) as f32)
    }

    #[test]
    fn batch_is_halved_until_it_fits_and_every_row_comes_out_once() {
        let (engine, log) = small(3, false, Kind::OutOfMemory);
        let safe = SafeBatch::new(16);
        let mut session = Adaptive::new(engine, Arc::default(), Precision::Fp32, [2, 1, 1], safe.clone()).unwrap();
        let input = rows(16);
        assert_eq!(session.run(input.view()).unwrap(), (&input * 2.0).into_dyn());
        assert_eq!(safe.get(), 2);
        let expected = ["load 16", "run 16", "load 8", "run 8", "load 4", "run 4", "load 2"];
        assert_eq!(log.lock().unwrap()[..7], expected);
        assert_eq!(log.lock().unwrap()[7..], ["run 2"; 8]);
    }

    #[test]
    fn smaller_batch_is_remembered_by_every_worker() {
        let (engine, log) = small(4, true, Kind::OutOfMemory);
        let safe = SafeBatch::new(8);
        let mut first =
            Adaptive::new(engine.clone(), Arc::default(), Precision::Fp32, [2, 1, 1], safe.clone()).unwrap();
        first.run(rows(8).view()).unwrap();
        let mut second = Adaptive::new(engine, Arc::default(), Precision::Fp32, [2, 1, 1], safe).unwrap();
        second.run(rows(8).view()).unwrap();
        assert_eq!(*log.lock().unwrap(), ["load 8", "load 4", "run 4", "run 4", "load 4", "run 4", "run 4"]);
    }

    #[test]
    fn odd_batch_is_filled_up_and_the_filling_does_not_come_out() {
        let (engine, log) = small(3, false, Kind::OutOfMemory);
        let mut session = Adaptive::new(engine, Arc::default(), Precision::Fp32, [2, 1, 1], SafeBatch::new(7)).unwrap();
        let input = rows(7);
        assert_eq!(session.run(input.view()).unwrap(), (&input * 2.0).into_dyn());
        assert_eq!(log.lock().unwrap()[3..], ["run 3"; 3]);
    }

    #[test]
    fn single_row_without_room_is_an_error() {
        let (engine, _) = small(0, false, Kind::OutOfMemory);
        let mut session = Adaptive::new(engine, Arc::default(), Precision::Fp32, [2, 1, 1], SafeBatch::new(4)).unwrap();
        assert_eq!(session.run(rows(4).view()).unwrap_err().kind(), Kind::OutOfMemory);
    }

    #[test]
    fn other_device_errors_stop_at_once() {
        let (engine, log) = small(1, false, Kind::Engine);
        let safe = SafeBatch::new(4);
        let mut session = Adaptive::new(engine, Arc::default(), Precision::Fp32, [2, 1, 1], safe.clone()).unwrap();
        assert_eq!(session.run(rows(4).view()).unwrap_err().kind(), Kind::Engine);
        assert_eq!((safe.get(), log.lock().unwrap().len()), (4, 2));
    }
}
