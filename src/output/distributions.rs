//! Class shares, one tile or window per line, as CSV.

use std::io::Write;
use std::path::Path;

use super::text::csv_cell;
use super::{AtomicFile, write_error};
use crate::{Error, Result};

/// Writes `--distributions FILE`: a column `tile`, then one per class; the shares of a line sum to 1.
#[derive(Debug)]
pub struct DistributionWriter {
    file: AtomicFile,
    classes: usize,
}

impl DistributionWriter {
    /// Starts the file.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn create(path: &Path, classes: &[String]) -> Result<Self> {
        let mut writer = Self { file: AtomicFile::create(path)?, classes: classes.len() };
        let names: Vec<_> = ["tile"].into_iter().chain(classes.iter().map(String::as_str)).map(csv_cell).collect();
        writer.write_line(&names)?;
        Ok(writer)
    }

    /// Writes the shares of one tile in the order of the classes, scaled so that they sum to 1; cells stay
    /// empty for a tile that has none (no valid pixel).
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be written, or the shares are not one finite number ≥ 0 per
    /// class with a positive sum.
    pub fn write(&mut self, tile: &str, shares: Option<&[f64]>) -> Result<()> {
        let mut cells = vec![csv_cell(tile)];
        match shares {
            None => cells.extend(std::iter::repeat_n(String::new(), self.classes)),
            Some(shares) => {
                let sum: f64 = shares.iter().sum();
                let valid = shares.iter().all(|share| *share >= 0.0) && sum > 0.0 && sum.is_finite();
                if !valid || shares.len() != self.classes {
                    return Err(Error::output(format!("{tile}: {shares:?} is not a distribution")));
                }
                cells.extend(shares.iter().map(|share| format!("{:?}", share / sum)));
            }
        }
        self.write_line(&cells)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn finish(self) -> Result<()> {
        self.file.commit()
    }

    fn write_line(&mut self, cells: &[String]) -> Result<()> {
        let line = cells.join(",") + "\n";
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| write_error(&self.file.path().display().to_string(), &error))
    }
}
