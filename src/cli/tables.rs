//! The tables of a run: of windows, and of sites if it was asked for.

use jiff::Timestamp;
use s2infer::output::{self, SharedCoverage, Sink, TableOptions};
use s2infer::{Error, Result};

use super::flags::OutputArgs;

/// Opens the tables as one sink, which also keeps `coverage` where a STAC item will need it.
pub fn open(arguments: &OutputArgs, classes: Vec<String>, coverage: &SharedCoverage) -> Result<Box<dyn Sink>> {
    let options = TableOptions { classes, crs: arguments.crs, last_change: source_date_epoch()? };
    let table = arguments.table_format().map(|format| output::open(format, arguments.target(), &options));
    let mut sinks: Vec<Box<dyn Sink>> = table.transpose()?.into_iter().collect();
    if let Some(path) = &arguments.sites {
        sinks.push(output::open_sites(path, &options)?);
    }
    if arguments.stac.is_some() {
        sinks.push(coverage.sink());
    }
    Ok(output::tee(sinks))
}

/// The moment that reproducible builds are told to take for now (SOURCE_DATE_EPOCH, seconds).
fn source_date_epoch() -> Result<Option<Timestamp>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let moment = text.to_str().and_then(|text| Timestamp::from_second(text.parse().ok()?).ok());
    let wrong = || Error::usage("SOURCE_DATE_EPOCH is no number of seconds since 1970; unset it");
    moment.map(Some).ok_or_else(wrong)
}
