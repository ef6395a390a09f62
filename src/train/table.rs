//! Tables of rows as CSV with a header.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::AtomicFile;
use crate::{Error, Result};

/// Reads all rows.
///
/// # Errors
/// [`crate::Kind::Usage`] with file and line.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let failed = |e: csv::Error| Error::usage(e).context(path.display());
    csv::Reader::from_path(path).map_err(failed)?.deserialize().collect::<Result<_, _>>().map_err(failed)
}

/// Writes rows; the file appears complete or not at all.
pub fn write<T: Serialize>(path: &Path, rows: &[T]) -> Result<()> {
    let failed = |e: csv::Error| Error::output(e).context(path.display());
    let mut writer = csv::Writer::from_writer(AtomicFile::create(path)?);
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| Error::output(e.error()).context(path.display()))?.commit()
}
