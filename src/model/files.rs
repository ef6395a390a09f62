//! Where a model's files come from: a folder, or the binary itself.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::{Error, Result};

/// A source of files by name.
pub(super) enum Files {
    /// A folder on disk.
    Folder(PathBuf),
    /// Files in the binary.
    BuiltIn(&'static [(&'static str, &'static [u8])]),
}

impl Files {
    /// The whole of one file, which must not be longer than `bytes_max`.
    ///
    /// It is read once: what is hashed is what is used.
    pub fn read(&self, name: &str, bytes_max: u64) -> Result<Cow<'static, [u8]>> {
        match self {
            Self::Folder(folder) => read_regular(folder.join(name), bytes_max).map(Cow::Owned),
            Self::BuiltIn(files) => files
                .iter()
                .find(|(known, bytes)| *known == name && !bytes.is_empty())
                .map(|(_, bytes)| Cow::Borrowed(*bytes))
                .ok_or_else(|| {
                    Error::refused(format!("this binary has no {name} built in; name a model folder with --model"))
                }),
        }
    }

    /// How messages call the source.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::BuiltIn(_) => "built-in model".into(),
        }
    }
}

fn read_regular(path: PathBuf, bytes_max: u64) -> Result<Vec<u8>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let refuse = |what: String| Error::refused(format!("{name}: {what}"));
    // Looked at before it is opened: opening a FIFO waits for a writer.
    let metadata =
        std::fs::metadata(&path).map_err(|e| refuse(format!("cannot be read ({e}); copy the model folder again")))?;
    if !metadata.is_file() {
        return Err(refuse("is not a regular file".into()));
    }
    let size = metadata.len();
    if size > bytes_max {
        return Err(refuse(format!("{size} bytes are more than the {bytes_max} allowed")));
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    File::open(&path)
        .and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|e| refuse(format!("cannot be read ({e})")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(refuse(format!("grew past the {bytes_max} bytes allowed while it was read")));
    }
    Ok(bytes)
}
