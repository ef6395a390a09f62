//! Batches, made on other threads while the network works on the one before.

use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Batches that lie ready.
const AHEAD: usize = 4;

/// Makes batches 0 to `count` ahead of `take`, which gets them in order. Returns the time that was spent waiting for them.
///
/// # Errors
/// The first of `take`, after which no more are made.
pub fn run<T: Send, E>(
    count: usize,
    make: impl Fn(usize) -> T + Send,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<Duration, E> {
    std::thread::scope(|scope| {
        let (sender, batches) = bounded(AHEAD);
        scope.spawn(move || {
            for index in 0..count {
                // The receiver is gone where a step failed.
                if sender.send(make(index)).is_err() {
                    return;
                }
            }
        });
        let mut waited = Duration::ZERO;
        loop {
            let started = Instant::now();
            let Ok(batch) = batches.recv() else { return Ok(waited) };
            waited += started.elapsed();
            take(batch)?;
        }
    })
}

/// The random numbers of one patch of one batch.
pub fn rng(seed: u64, epoch: usize, batch: usize, row: usize) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (part, number) in bytes.chunks_mut(8).zip([seed, epoch as u64, batch as u64, row as u64]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}
