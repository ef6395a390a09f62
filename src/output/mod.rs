//! Results: one file per format, files that appear complete or not at all, the lock, the resume journal and
//! the run record.

mod atomic;
mod cog;
mod colours;
mod coverage;
mod crs;
mod csv;
mod distributions;
mod feature;
mod format;
mod geojson;
mod geometry;
mod geopackage;
mod geoparquet;
mod journal;
mod lock;
mod maps;
mod metrics;
mod ndjson;
mod notes;
mod quicklook;
mod record;
mod row;
pub mod signal;
mod site;
mod stac;
mod tee;
mod text;
pub(crate) mod tiff_directory;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub use atomic::AtomicFile;
pub use cog::{
    ABSTAINED, Classes, Confidence, Layer as MapLayer, MapCompression, NO_CLASS, NO_CONFIDENCE, Sample, Scores,
};
pub use coverage::{Coverage, SharedCoverage};
pub use crs::CrsChoice;
pub use distributions::{DistributionWriter, Key as DistributionKey, SHARE_FLOOR, sample_id};
pub use format::Format;
pub use journal::{Journal, journal_path};
pub use lock::{Lock, lock_path};
pub use maps::{MapOutputs, MapPath, MapWriter, mask_path, quicklook_path, score_map_path};
pub use metrics::Metrics;
pub use notes::Notes;
pub use quicklook::{Mark, Quicklook, shrink};
pub use record::{Counts, Listing, NamedFile, RunRecord, TileError};
pub use row::Row;
pub use stac::{Asset, StacItem};
pub use tee::tee;
pub use text::{csv_cell, tile_text};

use jiff::Timestamp;

use crate::{Error, Kind, Result};
use feature::{Layer, Writer};

/// Where the result table goes.
pub enum Target {
    /// A stream, usually standard output.
    Stdout(Box<dyn Write + Send>),
    /// A file, which appears when the sink is finished.
    File(PathBuf),
}

/// What a table holds beside its rows.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// Names of the entries of [`Row::scores`].
    pub classes: Vec<String>,
    /// The coordinates of geometries.
    pub crs: CrsChoice,
    /// The time that a GeoPackage states as its last change [default: the newest day in it].
    pub last_change: Option<Timestamp>,
}

impl TableOptions {
    /// The reference system of a table that has no geometry.
    fn usual_crs(&self) -> Option<u32> {
        (self.crs == CrsChoice::LonLat).then_some(crs::WGS84)
    }
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

/// Opens a result table: a line for every row.
///
/// # Errors
/// [`Kind::Output`] if the file cannot be made, [`Kind::Usage`] for a format that needs one where there is none.
pub fn open(format: Format, target: Target, options: &TableOptions) -> Result<Box<dyn Sink>> {
    Ok(Box::new(Table::open(format, target, Row::layer(options), options)?))
}

/// Opens a table of sites, in the form that the extension says: a line for all positive windows of a tile that touch each
/// other. The windows of a tile come together, row by row.
///
/// # Errors
/// [`Kind::Output`] if the file cannot be made.
pub fn open_sites(path: &Path, options: &TableOptions) -> Result<Box<dyn Sink>> {
    let (format, target) = (Format::choose(None, Some(path)), Target::File(path.to_owned()));
    Ok(Box::new(site::Sites::new(Table::open(format, target, site::Sites::layer(options), options)?)))
}

/// A table of whatever layer.
struct Table {
    writer: Box<dyn Writer>,
    has_shapes: bool,
    options: TableOptions,
}

impl Table {
    fn open(format: Format, target: Target, layer: Layer, options: &TableOptions) -> Result<Self> {
        let writer: Box<dyn Writer> = match (format, target) {
            (Format::GeoPackage, Target::File(path)) => {
                Box::new(geopackage::GeoPackage::create(&path, layer, options)?)
            }
            (Format::GeoParquet, Target::File(path)) => Box::new(geoparquet::GeoParquet::create(&path, &layer)?),
            (Format::GeoPackage | Format::GeoParquet, Target::Stdout(_)) => return Err(needs_file()),
            (Format::Csv, target) => Box::new(csv::Csv::new(Stream::open(target)?, &layer)?),
            (Format::Ndjson, target) => Box::new(ndjson::Ndjson::new(Stream::open(target)?, layer)),
            (Format::GeoJson, target) => {
                let names_crs = options.crs == CrsChoice::Source;
                Box::new(geojson::GeoJson::new(Stream::open(target)?, layer, names_crs)?)
            }
        };
        Ok(Self { writer, has_shapes: format.has_shapes(), options: options.clone() })
    }
}

impl Sink for Table {
    fn write(&mut self, row: &Row) -> Result<()> {
        self.writer.write(&row.feature(&self.options, self.has_shapes))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish()
    }
}

/// What to say of a format that no pipe can take.
pub fn needs_file() -> Error {
    Error::usage("GeoPackage and GeoParquet cannot go to standard output: give --output FILE")
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
    fn open(target: Target) -> Result<Self> {
        Ok(match target {
            Target::Stdout(writer) => Self { out: Out::Stream(BufWriter::new(writer)), name: "standard output".into() },
            Target::File(path) => Self { out: Out::File(AtomicFile::create(&path)?), name: path.display().to_string() },
        })
    }

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
