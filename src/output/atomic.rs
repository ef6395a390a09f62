//! Files that appear under their final name complete or not at all.

use std::fs::{DirEntry, File, Permissions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::write_error;
use crate::{Error, Result};

/// A temporary file is called `.NAME`, this many random letters and digits, and the suffix.
const RANDOM_LETTERS: usize = 6;
const SUFFIX: &str = ".tmp";

/// A file under construction: a temporary one in the same folder, which [`AtomicFile::commit`] gives its name
/// and dropping removes. Until then a file that already has the name stays as it is.
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file that will be called `path`, with the permissions that the umask leaves.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the folder cannot be written to, or `path` is there and is not a regular
    /// file: a link, folder or device is never replaced.
    pub fn create(path: &Path) -> Result<Self> {
        Self::check(path)?;
        let name = path.file_name().ok_or_else(|| Error::output(format!("{}: not a file name", path.display())))?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        let temporary = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(RANDOM_LETTERS)
            .suffix(SUFFIX)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder(path))
            .map_err(|error| write_error(&path.display().to_string(), &error))?;
        // Tells a file under construction from one that a killed run left; a file system without locks tells nothing.
        let _ = temporary.as_file().try_lock();
        Ok(Self { writer: BufWriter::with_capacity(1 << 16, temporary), path: path.to_owned() })
    }

    /// Whether a file may be called `path`, as far as that can be told without making one.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if `path` is there and is not a regular file.
    pub fn check(path: &Path) -> Result<()> {
        match path.symlink_metadata() {
            Ok(there) if there.is_dir() => {
                Err(Error::output(format!("{}: a folder; give the name of a file", path.display())))
            }
            Ok(there) if !there.is_file() => {
                Err(Error::output(format!("{}: not a regular file; give another name", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// Removes what killed runs left of a file that was to be called `path`; what another run is still writing is locked and
    /// stays, as does what cannot be removed: it is in nobody's way.
    pub fn remove_leftovers(path: &Path) {
        let (Some(name), Ok(entries)) = (path.file_name(), std::fs::read_dir(folder(path))) else { return };
        let is_leftover = |entry: &DirEntry| {
            let found = entry.file_name();
            let random = found.as_bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(name.as_bytes()));
            let random = random.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
            random.is_some_and(|random| random.len() == RANDOM_LETTERS && random.iter().all(u8::is_ascii_alphanumeric))
                && entry.file_type().is_ok_and(|kind| kind.is_file())
        };
        for leftover in entries.flatten().filter(is_leftover) {
            let is_alive = File::open(leftover.path())
                .is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
            if !is_alive {
                let _ = std::fs::remove_file(leftover.path());
            }
        }
    }

    /// Where it lies until then, for a writer that opens files itself. It must have closed it before [`Self::commit`].
    pub(super) fn temporary_path(&self) -> &Path {
        self.writer.get_ref().path()
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is still buffered, waits until the disk has it, and gives the file its name.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]; the temporary file is then gone.
    pub fn commit(self) -> Result<()> {
        let Self { writer, path } = self;
        let persisted = writer.into_inner().map_err(io::IntoInnerError::into_error).and_then(|temporary| {
            temporary.as_file().sync_all()?;
            temporary.persist(&path)?;
            sync_folder(folder(&path))
        });
        persisted.map_err(|error| write_error(&path.display().to_string(), &error))
    }
}

/// Waits until the disk has the folder's new entry, where the file system has such an operation and the folder
/// may be read: the file itself is whole either way.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let Ok(folder) = File::open(folder) else { return Ok(()) };
    match folder.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// The folder a path lies in; `.` for a bare name.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.writer.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_file_stays_until_commit_and_a_dropped_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.csv");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()).len(), 2);
        drop(file);
        assert_eq!(names(folder.path()), ["result.csv"]);

        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["result.csv"]);
    }

    #[test]
    fn a_committed_file_has_the_mode_an_ordinary_one_gets() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        AtomicFile::create(&ours).unwrap().commit().unwrap();
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn links_and_folders_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        for path in [link.as_path(), folder.path(), Path::new("/dev/null"), &folder.path().join("none/x.csv")] {
            let error = AtomicFile::create(path).unwrap_err();
            assert_eq!(error.kind(), crate::Kind::Output, "{error}");
        }
        assert!(link.is_symlink());
    }
}
