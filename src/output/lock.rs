//! The lock that keeps two runs from writing the same output.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::{signal, write_error};
use crate::{Error, Kind, Result};

/// How often a waiting run asks again.
const POLL: Duration = Duration::from_millis(100);

/// Holds `<output>.lock` until dropped. The kernel lets go of the lock when the process ends, however it ends;
/// the file itself stays, because deleting it would let two runs lock two files of one name. On network
/// file systems the lock is as good as theirs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `output`, trying for as long as `wait` says.
    ///
    /// # Errors
    /// [`crate::Kind::Locked`] if another run still holds it then, [`crate::Kind::Interrupted`] if a signal
    /// came meanwhile, [`crate::Kind::Output`] if the lock file cannot be made.
    pub fn acquire(output: &Path, wait: Duration) -> Result<Self> {
        let path = lock_path(output);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o666)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(&path)
            .map_err(|error| match output.parent() {
                Some(folder) if error.kind() == ErrorKind::NotFound => Error::new(
                    Kind::Output,
                    format!("{}: cannot write: there is no folder {}; make it", output.display(), folder.display()),
                ),
                _ => write_error(&path.display().to_string(), &error),
            })?;
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK) if start.elapsed() < wait => {
                    signal::check()?;
                    thread::sleep(POLL.min(wait.saturating_sub(start.elapsed())));
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::locked(format!(
                        "{}: another run is writing {}; wait for it with --wait SECONDS",
                        path.display(),
                        output.display()
                    )));
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(write_error(&path.display().to_string(), &error.into())),
            }
        }
    }
}

/// Where the lock of an output lies: `<output>.lock`.
pub fn lock_path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.csv");
        let held = Lock::acquire(&output, Duration::ZERO).unwrap();
        let error = Lock::acquire(&output, Duration::from_millis(150)).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (crate::Kind::Locked, 75));
        Lock::acquire(&folder.path().join("other.csv"), Duration::ZERO).unwrap();

        let releasing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            drop(held);
        });
        Lock::acquire(&output, Duration::from_secs(20)).unwrap();
        releasing.join().unwrap();
    }
}
