//! The folder that a set of tiles is written to.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

/// Has `write` fill a folder that is not there yet, or empty: it appears under its name complete or not at all.
///
/// # Errors
/// [`crate::Kind::Output`] if `folder` holds anything or cannot be written; those of `write`.
pub fn whole<T>(folder: &Path, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let failed = |e: std::io::Error| Error::output(e).context(folder.display());
    if folder.exists() && !folder.is_dir() {
        return Err(Error::output(format!("{}: is no folder; give a new one", folder.display())));
    }
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::output(format!("{}: the folder is not empty; give a new one", folder.display())));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let unfinished = tempfile::Builder::new()
        .prefix(".simulate")
        .permissions(std::fs::Permissions::from_mode(0o777))
        .tempdir_in(parent)
        .map_err(failed)?;
    let written = write(unfinished.path())?;
    std::fs::rename(unfinished.path(), folder).map_err(failed)?;
    // It has another name now, and stays.
    let _ = unfinished.keep();
    Ok(written)
}

/// Makes the folders `names` in `folder`.
///
/// # Errors
/// [`crate::Kind::Output`]
pub fn make(folder: &Path, names: &[&str]) -> Result<()> {
    names.iter().try_for_each(|name| {
        std::fs::create_dir_all(folder.join(name)).map_err(|e| Error::output(e).context(folder.join(name).display()))
    })
}

/// Writes rows as CSV, the names of their fields as the header.
///
/// # Errors
/// [`crate::Kind::Output`]
pub fn table<T: Serialize>(path: &Path, rows: &[T]) -> Result<()> {
    let failed = |e: csv::Error| Error::output(e).context(path.display());
    let mut writer = csv::Writer::from_path(path).map_err(failed)?;
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    writer.flush().map_err(|e| Error::output(e).context(path.display()))
}
