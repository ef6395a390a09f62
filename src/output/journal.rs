//! The resume journal: what a run has already decided, found again by content and not by name.
//!
//! A header line with the run's key, then one line of JSON per finished tile, handed to the operating system with those of
//! its batch. A run that is killed loses at most the batch it was writing; a line that it left torn is cut off by the next.

mod stored;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::stored::StoredRow;
use super::{Row, write_error};
use crate::limits::JOURNAL_LINE_BYTES_MAX;
use crate::{Error, Result};

const FORMAT: &str = "s2infer-journal";
const VERSION: u32 = 4;
/// How every journal begins.
const START: &[u8] = b"{\"format\":\"s2infer-journal\",";

/// Where the journal of an output lies: `<output>.journal`.
pub fn journal_path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// An open journal. In memory it keeps some 40 bytes per tile and no rows.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Where each tile's line lies: offset and length in bytes.
    index: HashMap<[u8; 16], (u64, u32)>,
    end: u64,
    /// Lines that end at `end` and are not in the file yet.
    pending: Vec<u8>,
    resumed: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    version: u32,
    run_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TileLine<K, R> {
    key: K,
    rows: R,
}

impl Journal {
    /// Opens the journal at `path`. With `resume` the tiles of an earlier run are kept if that run had the
    /// same `run_key`, which must say everything the rows depend on besides the tile: program version, model,
    /// profile, shift, augmentation, overlap, bands, radiometry and engine. Otherwise the journal starts anew.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the file cannot be opened, read or cut, or is no journal: that is never overwritten.
    pub fn open(path: &Path, run_key: &str, resume: bool) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o666)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(path)
            .map_err(|error| journal_error(path, &error))?;
        refuse_foreign(&file, path)?;
        let mut journal =
            Self { file, path: path.to_owned(), index: HashMap::new(), end: 0, pending: Vec::new(), resumed: 0 };
        if resume {
            journal.scan(run_key).map_err(|error| journal_error(path, &error))?;
        }
        journal.file.set_len(journal.end).map_err(|error| journal_error(path, &error))?;
        if journal.end == 0 {
            let header = HeaderLine { format: FORMAT.into(), version: VERSION, run_key: run_key.into() };
            journal.push_line(&header)?;
            journal.flush()?;
        }
        journal.resumed = journal.index.len();
        Ok(journal)
    }

    /// Tiles that an earlier run had finished.
    pub fn resumed(&self) -> usize {
        self.resumed
    }

    /// The rows of the tile with this key (the hash of its content and of all metadata that goes into its
    /// rows), under the path it has now.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the journal cannot be read or was changed meanwhile.
    pub fn get(&self, key: &str, tile: &str) -> Result<Option<Vec<Row>>> {
        let Some(&(offset, length)) = self.index.get(&digest(key)) else { return Ok(None) };
        if offset >= self.written() {
            // The same bytes once more in this run, before the first of them is in the file.
            return Ok(None);
        }
        let mut line = vec![0; length as usize];
        self.file.read_exact_at(&mut line, offset).map_err(|error| journal_error(&self.path, &error))?;
        let changed = || Error::output(format!("{}: changed while in use; run without --resume", self.path.display()));
        let entry: TileLine<String, Vec<StoredRow>> = serde_json::from_slice(&line).map_err(|_| changed())?;
        if entry.key != key {
            return Err(changed());
        }
        let rows: Option<Vec<Row>> = entry.rows.into_iter().map(|row| row.restore(tile)).collect();
        rows.ok_or_else(changed).map(Some)
    }

    /// Adds a finished tile, which the next [`Self::flush`] hands to the operating system. Rows that would make a line
    /// longer than [`JOURNAL_LINE_BYTES_MAX`] are left out: that tile is decided again after an interruption.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if the rows cannot be written as JSON.
    pub fn append(&mut self, key: &str, rows: &[Row]) -> Result<()> {
        let rows: Vec<_> = rows.iter().map(StoredRow::from).collect();
        let offset = self.end;
        if let Some(length) = self.push_line(&TileLine { key, rows })? {
            self.index.insert(digest(key), (offset, length));
        }
        Ok(())
    }

    /// Hands the tiles since the last time to the operating system.
    ///
    /// # Errors
    /// [`crate::Kind::Output`] if they cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let written = self.file.write_all_at(&self.pending, self.written());
        written.map_err(|error| journal_error(&self.path, &error))?;
        self.pending.clear();
        Ok(())
    }

    /// Bytes of the file that hold whole lines.
    fn written(&self) -> u64 {
        self.end - self.pending.len() as u64
    }

    /// Closes the journal after the output has its name: `keep` leaves it for a later `--resume`, which then
    /// decides only tiles it has not seen.
    ///
    /// # Errors
    /// [`crate::Kind::Output`]
    pub fn finish(mut self, keep: bool) -> Result<()> {
        self.flush()?;
        let finished = if keep { self.file.sync_all() } else { std::fs::remove_file(&self.path) };
        finished.map_err(|error| journal_error(&self.path, &error))
    }

    /// Appends one line; its length without the line feed, or none if it was too long and not taken.
    fn push_line(&mut self, value: &impl Serialize) -> Result<Option<u32>> {
        let start = self.pending.len();
        serde_json::to_writer(&mut self.pending, value)
            .map_err(|error| Error::output(format!("{}: not JSON: {error}", self.path.display())))?;
        let length = (self.pending.len() - start) as u64;
        if length > JOURNAL_LINE_BYTES_MAX {
            self.pending.truncate(start);
            return Ok(None);
        }
        self.pending.push(b'\n');
        self.end += length + 1;
        Ok(Some(length as u32))
    }

    /// Indexes the whole lines of a journal with this run key; `end` is where the first torn one starts.
    fn scan(&mut self, run_key: &str) -> std::io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        let mut line = Vec::new();
        let mut end = 0;
        while read_line(&mut reader, &mut line)? {
            if end == 0 {
                let header = serde_json::from_slice::<HeaderLine>(&line).ok();
                let ours = |h: &HeaderLine| h.format == FORMAT && h.version == VERSION && h.run_key == run_key;
                if !header.is_some_and(|header| ours(&header)) {
                    break;
                }
            } else {
                type Entry = TileLine<String, Vec<StoredRow>>;
                let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { break };
                self.index.insert(digest(&entry.key), (end, line.len() as u32));
            }
            end += line.len() as u64 + 1;
        }
        self.end = end;
        Ok(())
    }
}

/// Reads one line without its line feed; false at the end, at a line without one, and at one that is too long.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    reader.take(JOURNAL_LINE_BYTES_MAX + 1).read_until(b'\n', line)?;
    Ok(line.pop() == Some(b'\n'))
}

/// 128 bits of the key's hash are enough: a chance collision is out of reach, and the key itself is compared.
fn digest(key: &str) -> [u8; 16] {
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(Sha256::digest(key.as_bytes())) {
        *to = from;
    }
    short
}

/// An error unless the file is empty or begins like a journal, as far as it goes.
fn refuse_foreign(file: &File, path: &Path) -> Result<()> {
    let mut start = [0; START.len()];
    let held = file.read_at(&mut start, 0).map_err(|error| journal_error(path, &error))?;
    if START.starts_with(&start[..held]) {
        return Ok(());
    }
    Err(Error::output(format!(
        "{}: the resume journal would be written here, and this file is none; move it away or give --output another name",
        path.display()
    )))
}

fn journal_error(path: &Path, error: &std::io::Error) -> Error {
    write_error(&path.display().to_string(), error)
}

#[cfg(test)]
mod tests;
