//! Results: one file per format, files that appear complete or not at all, the lock, the resume journal and
//! the run record.

mod atomic;
mod csv;
mod distributions;
mod geojson;
mod geotiff;
mod journal;
mod lock;
mod masks;
mod metrics;
mod ndjson;
mod record;
mod row;
pub mod signal;
mod text;
pub(crate) mod tiff_directory;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use atomic::AtomicFile;
pub use distributions::DistributionWriter;
pub use journal::{Journal, journal_path};
pub use lock::{Lock, lock_path};
pub use masks::{MaskWriter, NO_CLASS, mask_path};
pub use metrics::Metrics;
pub use record::{Counts, Listing, NamedFile, RunRecord, TileError};
pub use row::Row;
pub use text::{csv_cell, tile_text};

use crate::{Error, Kind, Result};

/// The form of the result table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line per window; names that a spreadsheet would run as formulas are escaped.
    Csv,
    /// One JSON object per line, with everything a row holds.
    Ndjson,
    /// One RFC 7946 feature collection.
    GeoJson,
}

impl Format {
    /// What `--format` says, else what the extension of `--output` says, else CSV.
    pub fn choose(asked: Option<Self>, output: Option<&Path>) -> Self {
        let extension = output.and_then(Path::extension).and_then(|extension| extension.to_str());
        asked.unwrap_or_else(|| match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("ndjson" | "jsonl") => Self::Ndjson,
            Some("geojson" | "json") => Self::GeoJson,
            _ => Self::Csv,
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            "geojson" => Ok(Self::GeoJson),
            _ => Err(Error::usage(format!("--format {text}: give csv, ndjson or geojson"))),
        }
    }
}

/// Where the result table goes.
pub enum Target {
    /// A stream, usually standard output.
    Stdout(Box<dyn Write + Send>),
    /// A file, which appears when the sink is finished.
    File(PathBuf),
}

/// Takes rows in the order of the input.
pub trait Sink: Send {
    /// Writes one row.
    ///
    /// # Errors
    /// [`Kind::Output`], or [`Kind::BrokenPipe`] once nobody reads any more.
    fn write(&mut self, row: &Row) -> Result<()>;

    /// Completes the document, flushes it and, for a file, gives it its name. A sink that is dropped instead
    /// leaves no file behind.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Opens a result table. `classes` names the entries of [`Row::scores`].
///
/// # Errors
/// [`Kind::Output`] if the file cannot be made.
pub fn open(format: Format, target: Target, classes: &[String]) -> Result<Box<dyn Sink>> {
    let stream = match target {
        Target::Stdout(writer) => Stream { out: Out::Stream(BufWriter::new(writer)), name: "standard output".into() },
        Target::File(path) => Stream { out: Out::File(AtomicFile::create(&path)?), name: path.display().to_string() },
    };
    Ok(match format {
        Format::Csv => Box::new(csv::Csv::new(stream)?),
        Format::Ndjson => Box::new(ndjson::Ndjson::new(stream, classes)),
        Format::GeoJson => Box::new(geojson::GeoJson::new(stream, classes)?),
    })
}

/// A text stream or file under construction, whose errors name it.
struct Stream {
    out: Out,
    name: String,
}

enum Out {
    Stream(BufWriter<Box<dyn Write + Send>>),
    File(AtomicFile),
}

impl Stream {
    fn write(&mut self, text: &str) -> Result<()> {
        let written = match &mut self.out {
            Out::Stream(writer) => writer.write_all(text.as_bytes()),
            Out::File(file) => file.write_all(text.as_bytes()),
        };
        written.map_err(|error| write_error(&self.name, &error))
    }

    fn finish(self) -> Result<()> {
        match self.out {
            Out::Stream(mut writer) => writer.flush().map_err(|error| write_error(&self.name, &error)),
            Out::File(file) => file.commit(),
        }
    }
}

/// An error of writing to `name`: a closed pipe is told apart, because it is no failure.
fn write_error(name: &str, error: &std::io::Error) -> Error {
    let kind = if error.kind() == std::io::ErrorKind::BrokenPipe { Kind::BrokenPipe } else { Kind::Output };
    Error::new(kind, format!("{name}: cannot write: {error}"))
}
