//! A folder that is written beside its final name and gets it when it is whole.

use std::fs;
use std::path::{Path, PathBuf};

use s2infer::{Error, Result};

/// A folder without its name; removed where it never gets it.
pub struct NewFolder(tempfile::TempDir);

impl NewFolder {
    /// Where `out` will be: another name in the same folder, which is made if need be.
    ///
    /// # Errors
    /// [`s2infer::Kind::Output`] where nothing can be written there.
    pub fn beside(out: &Path) -> Result<Self> {
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let failed = |error: std::io::Error| Error::output(error).context(format!("--out {}", out.display()));
        fs::create_dir_all(&parent).map_err(failed)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any new folder: less what the user's mask takes away.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        builder.prefix(".s2infer-folder-").tempdir_in(&parent).map(Self).map_err(failed)
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// [`s2infer::Kind::Output`] where that is taken.
    pub fn finish(self, out: &Path) -> Result<()> {
        fs::rename(self.0.path(), out).map_err(|error| match out.exists() {
            true => Error::output(format!("--out {}: another run has written it meanwhile", out.display())),
            false => Error::output(error).context(out.display()),
        })?;
        // What it would remove has another name now.
        let _ = self.0.keep();
        Ok(())
    }
}
