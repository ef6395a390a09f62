//! SIGINT and SIGTERM: the first asks the run to stop, the second ends the process.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::{Error, Kind, Result};

static RECEIVED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Installs the handlers, once per process; further calls do nothing.
///
/// # Errors
/// [`Kind::Usage`] if the operating system refuses a handler.
pub fn install() -> Result<()> {
    let received = Arc::new(AtomicUsize::new(0));
    if RECEIVED.set(received.clone()).is_err() {
        return Ok(());
    }
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and raises it, the next one finds it up.
        flag::register_conditional_shutdown(signal, 128 + signal, stopping.clone())
            .and_then(|_| flag::register(signal, stopping.clone()))
            .and_then(|_| flag::register_usize(signal, received.clone(), signal as usize))
            .map_err(|error| Error::usage(format!("no handler for signal {signal}: {error}")))?;
    }
    Ok(())
}

/// The signal that asked the run to stop, if one has.
pub fn stop_requested() -> Option<i32> {
    let signal = RECEIVED.get()?.load(Ordering::Relaxed);
    (signal != 0).then_some(signal as i32)
}

/// An error once a signal has asked the run to stop.
///
/// # Errors
/// [`Kind::Interrupted`]
pub fn check() -> Result<()> {
    match stop_requested() {
        Some(signal) => Err(Error::new(Kind::Interrupted(signal), format!("stopped by signal {signal}"))),
        None => Ok(()),
    }
}
