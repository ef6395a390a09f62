//! A folder that is written beside its final name and gets it when it is whole.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use s2infer::{Error, Result};

/// Until then it is called so, with random letters and digits behind it.
const PREFIX: &str = ".s2infer-folder-";
const RANDOM_LETTERS: usize = 6;

/// A folder without its name; removed where it never gets it.
pub struct NewFolder {
    folder: tempfile::TempDir,
    /// Locked for as long as this lives: tells it from what a killed run left.
    _lock: File,
}

/// Refuses a name that is taken, be it by a link to nothing, and one that no folder can have.
///
/// # Errors
/// [`s2infer::Kind::Usage`] where something has the name, [`s2infer::Kind::Output`] where nothing can.
pub fn check_free(out: &Path) -> Result<()> {
    match out.symlink_metadata() {
        Ok(_) => Err(Error::usage(format!("--out {}: is there already; give a new folder", out.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(out, &error)),
    }
}

impl NewFolder {
    /// Where `out` will be: another name in the same folder, which is made if need be. What killed runs left there is
    /// removed.
    ///
    /// # Errors
    /// [`s2infer::Kind::Output`] where nothing can be written there; else as [`check_free`].
    pub fn beside(out: &Path) -> Result<Self> {
        check_free(out)?;
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(|error| failed(out, &error))?;
        remove_leftovers(&parent);
        // As any new folder: less what the user's mask takes away.
        let permissions = fs::Permissions::from_mode(0o777);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).rand_bytes(RANDOM_LETTERS).permissions(permissions);
        loop {
            let folder = builder.tempdir_in(&parent).map_err(|error| failed(out, &error))?;
            let lock = File::open(folder.path()).map_err(|error| failed(out, &error));
            // A file system without locks tells nothing.
            let lock = lock.inspect(|lock| drop(lock.lock()));
            // Another run may have taken it for a leftover before it was locked.
            if folder.path().exists() {
                return Ok(Self { folder, _lock: lock? });
            }
        }
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// [`s2infer::Kind::Output`] where that is taken.
    pub fn finish(self, out: &Path) -> Result<()> {
        fs::rename(self.folder.path(), out).map_err(|error| match out.symlink_metadata().is_ok() {
            true => Error::output(format!("--out {}: another run has written it meanwhile", out.display())),
            false => failed(out, &error),
        })?;
        // What it would remove has another name now.
        let _ = self.folder.keep();
        Ok(())
    }
}

/// Removes what killed runs left; a folder that another run is still writing is locked and stays, as does what cannot be
/// removed: it is in nobody's way.
fn remove_leftovers(parent: &Path) {
    let is_name = |name: &OsStr| {
        let random = name.as_bytes().strip_prefix(PREFIX.as_bytes());
        random.is_some_and(|random| random.len() == RANDOM_LETTERS && random.iter().all(u8::is_ascii_alphanumeric))
    };
    let is_folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let Ok(entries) = fs::read_dir(parent) else { return };
    for leftover in entries.flatten().filter(|entry| is_name(&entry.file_name()) && is_folder(entry)) {
        // Held while it is removed, so that nobody begins to write into it.
        if let Ok(lock) = File::open(leftover.path())
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(leftover.path());
        }
    }
}

fn failed(out: &Path, error: &std::io::Error) -> Error {
    Error::output(error).context(format!("--out {}", out.display()))
}
