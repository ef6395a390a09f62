//! The program's side: child processes that decode, kept for the next tile, and replaced when they fail.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::protocol::{self, DECODER_COMMAND, GREETING, Request};
use crate::limits::{JP2_ANSWER_WAIT_S_MAX, JP2_GREETING_WAIT_S_MAX};
use crate::{Error, Result};

/// The running program, even where its file has been replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Decoders without work, for whichever raster is read next. They end when this process does: their sockets close.
static IDLE: Mutex<Vec<Decoder>> = Mutex::new(Vec::new());

/// Ends the decoders that have no work and waits for them, so that their processor time counts as this program's. Without
/// it they end by themselves, unaccounted for.
pub fn end_jp2_decoders() {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The samples of an area, from an idle decoder or a new one.
pub(super) fn decode(program: Option<&Path>, request: &Request, codestream: &[u8]) -> Result<Vec<u8>> {
    let length = request.length()?;
    let decoder = Decoder::take(program.unwrap_or(Path::new(THIS_PROGRAM)))?;
    let mut channel = decoder.until(JP2_ANSWER_WAIT_S_MAX);
    let answer = request.send(codestream, &mut channel).and_then(|()| protocol::answered(length, &mut channel));
    match answer {
        Ok(answer) => {
            decoder.put_back();
            answer
        }
        Err(error) => Err(decoder.failed(&error)),
    }
}

/// A child process and the socket that is its standard input.
struct Decoder {
    program: PathBuf,
    process: Child,
    channel: UnixStream,
}

impl Decoder {
    fn take(program: &Path) -> Result<Self> {
        loop {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(index) = idle.iter().position(|decoder| decoder.program == program) else { break };
            let mut decoder = idle.swap_remove(index);
            // One that has died since then has nothing to do with this file.
            if matches!(decoder.process.try_wait(), Ok(None)) {
                return Ok(decoder);
            }
        }
        Self::start(program)
    }

    fn start(program: &Path) -> Result<Self> {
        let cannot = |what: &dyn std::fmt::Display| {
            Error::io(format!(
                "`{}` cannot be used as the decoder of JPEG 2000: {what}; a program other than s2infer names one in \
                 ReadOptions::decoder",
                program.display()
            ))
        };
        let (ours, theirs) = UnixStream::pair().map_err(Error::io)?;
        let mut command = Command::new(program);
        command.arg0("s2infer").arg(DECODER_COMMAND).stdin(OwnedFd::from(theirs));
        // In a group of its own, the terminal's Ctrl-C does not reach it: the run decides when to stop.
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let process = command.spawn().map_err(|error| cannot(&error))?;
        drop(command);
        let decoder = Self { program: program.to_owned(), process, channel: ours };
        let mut greeting = [0; GREETING.len()];
        decoder.until(JP2_GREETING_WAIT_S_MAX).read_exact(&mut greeting).map_err(|error| cannot(&error))?;
        if greeting != GREETING {
            return Err(cannot(&"it answers as another program does"));
        }
        Ok(decoder)
    }

    fn put_back(self) {
        let most = available_parallelism().map_or(1, usize::from);
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < most {
            idle.push(self);
        }
    }

    /// The channel, with everything done within `wait_s`.
    fn until(&self, wait_s: u64) -> Timed<'_> {
        Timed { channel: &self.channel, deadline: Instant::now() + Duration::from_secs(wait_s) }
    }

    fn failed(mut self, error: &io::Error) -> Error {
        // A process that has ended already keeps its own status.
        let _ = self.process.kill();
        match (error.kind(), self.process.wait()) {
            (ErrorKind::WouldBlock | ErrorKind::TimedOut, _) => {
                Error::io(format!("the decoder gave no answer within {JP2_ANSWER_WAIT_S_MAX} s"))
            }
            (ErrorKind::InvalidData, _) => Error::io(format!("the decoder answers nonsense: {error}")),
            (_, Ok(status)) => Error::io(format!("the decoder ended without an answer ({status})")),
            (_, Err(_)) => Error::io(format!("the decoder failed: {error}")),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A socket on which nothing waits beyond the deadline.
struct Timed<'a> {
    channel: &'a UnixStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.channel.set_read_timeout(self.left()?)?;
        self.channel.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.channel.set_write_timeout(self.left()?)?;
        self.channel.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
