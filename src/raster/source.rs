//! The bytes of one file: read whole when small, else mapped, or read in pieces; of a remote one by range.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::buffer;
use super::map::{GuardedMap, MapError};
use super::remote::{self, Remote};
use crate::limits::{MAPPED_BYTES_MAX, WHOLE_READ_BYTES_MAX};
use crate::{Error, Result};

const HASH_STEP_BYTES: usize = 1 << 20;

/// How a file's bytes are to be had.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Map files into memory, up to [`MAPPED_BYTES_MAX`]; `false` reads them in pieces instead.
    pub mmap: bool,
    /// The program that decodes JPEG 2000 in child processes: any `s2infer`, or one that calls
    /// [`serve_jp2_decoder`](super::serve_jp2_decoder) when its first argument is
    /// [`DECODER_COMMAND`](super::DECODER_COMMAND). `None` starts the running program itself, which is right in `s2infer`.
    pub decoder: Option<PathBuf>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { mmap: true, decoder: None }
    }
}

/// A regular file, or one at an address, opened.
pub(super) struct Source {
    path: PathBuf,
    length: u64,
    origin: Origin,
    bytes: Bytes,
}

/// What was opened, as it was then.
#[derive(Clone)]
enum Origin {
    File(Identity),
    Remote(Arc<Remote>),
}

enum Bytes {
    Whole(Vec<u8>),
    Mapped(GuardedMap, File),
    Pieces(File),
    Remote(Arc<Remote>),
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl From<Metadata> for Identity {
    fn from(metadata: Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }
}

/// Opens a regular file for reading and never blocks: a FIFO, a device or a directory is refused.
pub(super) fn open_regular(path: &Path) -> Result<(File, Metadata)> {
    let refuse = || Error::io("not a regular file");
    if !fs::metadata(path).map_err(Error::io)?.is_file() {
        return Err(refuse());
    }
    // Between the look and the opening the name may have come to mean a FIFO: O_NONBLOCK keeps the opening short.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Error::io)?;
    let metadata = file.metadata().map_err(Error::io)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(refuse()) }
}

/// A file of `length` bytes, in one call of the system where that gives them at once; `read_to_end` takes three.
fn read_whole(file: &mut File, length: usize) -> Result<Vec<u8>> {
    // One byte more than expected shows a file that grows.
    let mut whole = vec![0; length + 1];
    let mut held = 0;
    while held < whole.len() {
        match file.read(&mut whole[held..]) {
            Ok(0) => break,
            Ok(count) => held += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(error)),
        }
    }
    if held != length {
        return Err(changed());
    }
    whole.truncate(length);
    Ok(whole)
}

impl Source {
    pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        if let Some(address) = remote::address(path) {
            return Self::open_remote(path, address);
        }
        let (mut file, metadata) = open_regular(path)?;
        let identity = Identity::from(metadata);
        let bytes = if identity.length <= WHOLE_READ_BYTES_MAX {
            Bytes::Whole(read_whole(&mut file, identity.length as usize)?)
        } else {
            let is_mapped = options.mmap && identity.length <= MAPPED_BYTES_MAX;
            match is_mapped.then(|| GuardedMap::new(&file)).flatten() {
                Some(map) => Bytes::Mapped(map, file),
                None => Bytes::Pieces(file),
            }
        };
        Ok(Self { path: path.to_path_buf(), length: identity.length, origin: Origin::File(identity), bytes })
    }

    fn open_remote(path: &Path, address: &str) -> Result<Self> {
        let remote = Arc::new(Remote::open(address)?);
        let length = remote.length();
        let bytes = if length <= WHOLE_READ_BYTES_MAX {
            let mut whole = vec![0; length as usize];
            remote.read(0, &mut whole)?;
            Bytes::Whole(whole)
        } else {
            Bytes::Remote(remote.clone())
        };
        Ok(Self { path: path.to_path_buf(), length, origin: Origin::Remote(remote), bytes })
    }

    /// A file within this one, read already.
    pub(super) fn within(&self, bytes: Vec<u8>) -> Self {
        Self {
            path: self.path.clone(),
            length: bytes.len() as u64,
            origin: self.origin.clone(),
            bytes: Bytes::Whole(bytes),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether [`Self::bytes`] costs nothing.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.bytes, Bytes::Whole(_))
    }

    /// The bytes `offset..offset + length`, borrowed from memory or copied to `scratch`.
    pub(super) fn bytes<'a>(&'a self, offset: u64, length: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let end = offset.checked_add(length as u64).filter(|&end| end <= self.length());
        let end = end.ok_or_else(|| self.past_end(offset, length))?;
        if let Bytes::Whole(whole) = &self.bytes {
            return whole.get(offset as usize..end as usize).ok_or_else(|| self.past_end(offset, length));
        }
        buffer::resize(scratch, length)?;
        match &self.bytes {
            Bytes::Whole(_) => {}
            Bytes::Mapped(map, _) => map.copy_to(offset as usize, scratch).map_err(|error| match error {
                MapError::OutOfRange => self.past_end(offset, length),
                MapError::Broken => Error::io("cut short or unreadable while it was mapped"),
            })?,
            Bytes::Pieces(file) => file
                .read_exact_at(scratch, offset)
                .map_err(|error| Error::io(format!("reading {length} bytes at offset {offset}: {error}")))?,
            Bytes::Remote(remote) => remote.read(offset, scratch)?,
        }
        Ok(scratch)
    }

    fn past_end(&self, offset: u64, length: usize) -> Error {
        let held = self.length();
        Error::malformed(format!("{length} bytes at offset {offset} reach past the end of the file ({held} bytes)"))
    }

    /// To be called after a window was read and before its pixels are used. A map shows zeroes, without any fault,
    /// between the end of a truncated file and the end of its last page; only the file's state tells. A remote file's
    /// state comes with every range of it.
    pub(super) fn check_settled(&self) -> Result<()> {
        match &self.bytes {
            Bytes::Whole(_) | Bytes::Remote(_) => Ok(()),
            Bytes::Mapped(_, file) | Bytes::Pieces(file) => self.compare(file.metadata()),
        }
    }

    fn compare(&self, now: std::io::Result<Metadata>) -> Result<()> {
        let now = Identity::from(now.map_err(Error::io)?);
        match self.origin {
            Origin::File(identity) if identity != now => Err(changed()),
            _ => Ok(()),
        }
    }

    /// Whether the path still names the file as it was when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match &self.origin {
            Origin::File(_) => self.compare(fs::metadata(&self.path)),
            // Every range that was read came with the state that was opened.
            Origin::Remote(_) => Ok(()),
        }
    }

    /// BLAKE3 of the bytes, a fourth of SHA-256's time and less on processors without instructions for that; of a remote
    /// file, what its server states of them.
    pub(super) fn content_key(&self) -> Result<[u8; 32]> {
        if let Origin::Remote(remote) = &self.origin {
            return remote.key();
        }
        let mut hasher = blake3::Hasher::new();
        let mut scratch = Vec::new();
        let mut offset = 0;
        while offset < self.length() {
            let step = (self.length() - offset).min(HASH_STEP_BYTES as u64);
            hasher.update(self.bytes(offset, step as usize, &mut scratch)?);
            offset += step;
        }
        self.check_settled()?;
        Ok(hasher.finalize().into())
    }
}

fn changed() -> Error {
    Error::io("changed while being read")
}
